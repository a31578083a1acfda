#!/usr/bin/env python3
"""Frames of HTTP/2 that move nothing, heads without end, streams beyond the limit, answers that nobody takes: each costs little
memory and little time, and who sends too many is told to calm down and closed, while others are answered."""

import contextlib
import struct
import threading

from net_kit import (DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, SETTINGS, SLOW, WINDOW_UPDATE, Http2, Server,
                     frame, headers, literal, main, read_answer, request, status)
from test_http2_concurrent import ENHANCE_YOUR_CALM, status_of, until_gone

PRIORITY, CONTINUATION = 2, 9
PADDED = 8
COUNT = 200000


def overwhelm(server, begin, pieces):
    """Send `begin`, then the pieces until the server has had enough; the code of its GOAWAY, or None."""
    client = Http2(server, timeout=20)
    client.send(begin)
    codes = []

    def read():
        with contextlib.suppress(OSError):
            codes.append(until_gone(client))
    reader = threading.Thread(target=read)
    reader.start()
    with contextlib.suppress(OSError):
        for piece in pieces:
            client.send(piece)
    reader.join()
    client.close()
    return codes[0] if codes else None


def flood(server, name, begin, piece, count=COUNT):
    cpu_s, memory_kib = server.cpu_s(), server.memory_kib()
    code = overwhelm(server, begin, [piece * 100] * (count // 100))
    # Its code may be lost with the connection, when more is on its way.
    assert code in (ENHANCE_YOUR_CALM, None), (name, code)
    assert server.cpu_s() - cpu_s < 1 * SLOW, (name, server.cpu_s() - cpu_s)
    assert server.memory_kib() - memory_kib < 20000 * SLOW, name
    assert server.get("/hello")[0] == 200


def test_idle_frames():
    """PING, SETTINGS, PRIORITY, WINDOW_UPDATE, and DATA without a byte."""
    upload = frame(HEADERS, END_HEADERS, 1, headers("/upload", "POST"))
    floods = {
        "ping": (b"", frame(PING, 0, 0, bytes(8))),
        "acknowledged ping": (b"", frame(PING, 1, 0, bytes(8))),
        "settings": (b"", frame(SETTINGS, 0, 0)),
        "table sizes": (b"", frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 1, 4096))),
        "priority": (b"", frame(PRIORITY, 0, 1, struct.pack(">IB", 3, 1))),
        "window of the connection": (b"", frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1))),
        "window of a stream": (upload, frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1))),
        "empty data": (upload, frame(DATA, 0, 1)),
        "padding": (upload, frame(DATA, PADDED, 1, b"\x00")),
    }
    with Server() as server:
        for i, (name, (begin, piece)) in enumerate(floods.items()):
            flood(server, name, begin, piece)
            stats = server.wait_stats(lambda stats: stats["connections"] == 1)
            assert stats["limited"] == i + 1, (name, stats)


def test_many_priorities():
    """Streams that exist only in a tree of priorities are forgotten."""
    with Server() as server:
        memory_kib = server.memory_kib()
        overwhelm(server, b"", (frame(PRIORITY, 0, 2 * i + 1, struct.pack(">IB", 0, 1)) for i in range(COUNT)))
        assert server.memory_kib() - memory_kib < 5000 * SLOW
        assert server.get("/hello")[0] == 200


def test_honest_frames():
    """Who asks for much, and grants windows byte by byte for it, is left alone."""
    with Server() as server:
        client = Http2(server, timeout=20)
        for _ in range(50):
            client.send(frame(PING, 0, 0, bytes(8)) * 100)
            for _ in range(100):
                assert client.until(PING)[1] == 1
        client.get(1, "/stream?bytes=30000000")
        taken = 0
        while taken < 30000000:
            got = client.until(DATA, GOAWAY)
            assert got[0] == DATA, got
            taken += len(got[3])
            if got[3]:
                grant = struct.pack(">I", len(got[3]) // 2)
                client.send(*[frame(WINDOW_UPDATE, 0, stream, grant) for stream in (0, 1)] * 2, frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)))
        client.close()


def test_heads_without_end():
    """A head that goes on and on in CONTINUATION: with fields, with the same large field out of the table, with nothing."""
    large = b"\x40\x01a" + b"\x7f\xa1\x1e" + b"x" * 4000  # remembered: an index stands for 4,000 bytes from then on
    begin = frame(HEADERS, 0, 1, headers("/hello"))
    floods = {
        "fields": (begin, frame(CONTINUATION, 0, 1, literal("a", "b") * 1000)),
        "nothing": (begin, frame(CONTINUATION, 0, 1)),
        "bomb": (frame(HEADERS, 0, 1, headers("/hello") + large), frame(CONTINUATION, 0, 1, b"\xbe" * 16000)),
    }
    with Server(headtime=2000) as server:
        for name, (first, piece) in floods.items():
            cpu_s, memory_kib = server.cpu_s(), server.memory_kib()
            overwhelm(server, first, [piece] * 20000)
            assert server.cpu_s() - cpu_s < 1 * SLOW, name
            assert server.memory_kib() - memory_kib < 5000 * SLOW, name
            assert server.get("/hello")[0] == 200


def test_refused_streams():
    """Streams beyond the limit are refused one by one, and who does not stop is closed."""
    with Server(streams=4, resets=20) as server:
        opened = [frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, headers("/work?ms=5000")) for i in range(20000)]
        code = overwhelm(server, b"", [b"".join(opened[i:i + 500]) for i in range(0, 20000, 500)])
        assert code in (ENHANCE_YOUR_CALM, None), code
        stats = server.wait_stats(lambda stats: stats["connections"] == 1 and stats["begun"] - stats["ended"] == 1)
        assert stats["limited"] == 1 and stats["runs"] <= 4, stats


def refusals(client, count):
    """Ask for so many answers of 1 MB; how many were refused, none of them taken."""
    for i in range(count):
        client.get(2 * i + 1, "/whole?bytes=1000000")
    statuses = [status_of(client.until(HEADERS)) for _ in range(count)]
    assert set(statuses) <= {200, 503}, statuses
    return statuses.count(503)


def test_answers_held():
    """Answers whose clients grant no window share a bound with bodies, and a connection has a quarter of it."""
    no_window = struct.pack(">HIHI", 1, 0, 4, 0)  # and no table, so that statuses are plain
    with Server(gather=8 << 20, threads=1, wait=60000, stall=60000) as server:
        clients = [Http2(server, no_window, timeout=20) for _ in range(4)]
        assert refusals(clients[0], 20) == 17
        assert 3000000 <= server.stats()["gathered"] < 4000000
        assert [refusals(client, 5) for client in clients[1:]] == [2, 2, 5]  # nine of them fill it
        with server.connect() as late:
            late.sendall(request("/whole?bytes=10"))
            head, _ = read_answer(late)
            assert status(head) == 503 and b"retry-after: 1" in head, head
        assert server.get("/hello")[0] == 200
        for client in clients:
            client.close()
        server.wait_stats(lambda stats: stats["gathered"] == 0)
        assert server.get("/whole?bytes=1000000")[0] == 200


if __name__ == "__main__":
    main(globals())
