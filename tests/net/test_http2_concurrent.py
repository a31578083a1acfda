#!/usr/bin/env python3
"""HTTP/2: floods of resets, limits, flow control, draining, and what real clients make of it."""

import json
import struct
import tempfile
import time

from net_kit import (DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, MAGIC, PING, RST_STREAM, SETTINGS, SLOW,
                     WINDOW_UPDATE, Http2, Server, frame, has, headers, main, read_all, run)

REFUSED_STREAM, ENHANCE_YOUR_CALM = 7, 11


def until_gone(client):
    """The code of the GOAWAY that ends the connection, or None."""
    code = None
    while (got := client.read()) is not None:
        if got[0] == GOAWAY:
            code = struct.unpack(">I", got[3][4:8])[0]
    return code


def flood(server, count, code=8):
    client = Http2(server, timeout=20)
    sent = 0
    try:
        for i in range(count):
            client.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, headers("/work?ms=50")),
                        frame(RST_STREAM, 0, 2 * i + 1, struct.pack(">I", code)))
            sent += 1
    except OSError:
        pass
    return client, sent


def test_rapid_reset():
    """Twenty thousand streams that are reset at once, whatever code the client gives: told to calm down soon; nothing of it
    runs on."""
    for code in (8, 0, 7):
        rapid_reset(code)


def rapid_reset(code):
    with Server(resets=20) as server:
        client, _ = flood(server, 20000, code)
        try:
            assert until_gone(client) == ENHANCE_YOUR_CALM
        except OSError:
            pass
        stats = server.wait_stats(lambda stats: stats["connections"] == 1 and stats["ended"] == stats["begun"] - 1)
        assert stats["limited"] == 1 and stats["begun"] < 400, stats
        assert stats["queued"] == 0 and stats["runs"] <= 210, stats


def test_honest_resets():
    """Who resets now and then is left alone: the burst is ten seconds' worth."""
    with Server(resets=20) as server:
        client, sent = flood(server, 150)
        assert sent == 150
        client.get(1001, "/hello")
        kinds = [client.until(HEADERS, GOAWAY)[0]]
        assert kinds == [HEADERS]
        client.close()


def test_made_resets():
    """Resets that a client makes the server send count as well: windows that overflow."""
    with Server(resets=20) as server:
        client = Http2(server, timeout=20)
        try:
            for i in range(2000):
                stream = 2 * i + 1
                client.send(frame(HEADERS, END_HEADERS, stream, headers("/echo", "POST")),
                            frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 0x7fffffff)))
        except OSError:
            pass
        try:
            assert until_gone(client) == ENHANCE_YOUR_CALM
        except OSError:
            pass
        assert server.wait_stats(lambda stats: stats["limited"] == 1)["begun"] < 400


def status_of(got):
    """The status of an answer's HEADERS: indexed for the common ones, else a literal."""
    indexed = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
    block = got[3]
    while block[0] & 0xe0 == 0x20:  # the size of the table is changed: below 31, one byte
        block = block[1:]
    if block[0] & 0x80:
        return indexed[block[0] & 0x7f]
    size = block[1]
    return int(huffman_digits(block[2:2 + (size & 0x7f)])) if size & 0x80 else int(block[2:2 + size])


def huffman_digits(data):
    """Digits alone (RFC 7541, appendix B): 0, 1, 2 have five bits, 3 to 9 six."""
    bits = "".join(f"{byte:08b}" for byte in data)
    codes = {"00000": "0", "00001": "1", "00010": "2", **{f"{25 + i:06b}": str(3 + i) for i in range(7)}}
    text, at = "", 0
    while at < len(bits):
        for size in (5, 6):
            if bits[at:at + size] in codes:
                text += codes[bits[at:at + size]]
                at += size
                break
        else:
            break
    return text


def test_heads():
    """Heads that are too large or contradict themselves are refused; the connection goes on."""
    with Server() as server:
        client = Http2(server)
        client.get(1, "/hello", more=[("host", "x")])
        assert status_of(client.until(HEADERS)) == 200
        client.get(3, "/hello", more=[("host", "y")])
        assert status_of(client.until(HEADERS)) == 400
        client.get(5, "/hello", more=[(f"a{i}", "b") for i in range(101)])
        assert status_of(client.until(HEADERS)) == 431
        client.get(7, "*", "OPTIONS")
        assert status_of(client.until(HEADERS)) == 501
        client.get(9, "/" + "a" * 9000)
        assert status_of(client.until(HEADERS)) == 414
        for stream, fields in ((11, [("Upper", "x")]), (13, [("connection", "close")]), (15, [("te", "gzip")]),
                               (17, [("content-length", "3"), ("content-length", "4")])):
            client.get(stream, "/hello", more=fields)
            assert client.until(RST_STREAM, HEADERS)[0] == RST_STREAM, fields
        client.get(19, "/hello")
        assert status_of(client.until(HEADERS)) == 200
        client.close()
        assert server.stats()["malformed"] >= 8


def test_broken_framing():
    """What is no HTTP/2 ends the connection."""
    frames = {
        "no settings": frame(PING, 0, 0, bytes(8)),
        "long ping": frame(SETTINGS, 0, 0) + frame(PING, 0, 0, bytes(9)),
        "data on stream 0": frame(SETTINGS, 0, 0) + frame(DATA, 0, 0, b"x"),
        "data on no stream": frame(SETTINGS, 0, 0) + frame(DATA, 0, 1, b"x"),
        "even stream": frame(SETTINGS, 0, 0) + frame(HEADERS, 5, 2, headers("/hello")),
        "bad table index": frame(SETTINGS, 0, 0) + frame(HEADERS, 5, 1, b"\xff\xff\xff\x7f"),
        "large frame": frame(SETTINGS, 0, 0) + frame(DATA, 0, 1, bytes(20000)),
    }
    with Server() as server:
        for name, data in frames.items():
            with server.connect() as connection:
                connection.sendall(MAGIC + data)
                assert read_all(connection), name
        with server.connect() as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + bytes(30))
            read_all(connection)
        server.wait_stats(lambda stats: stats["connections"] == 1 and stats["begun"] == stats["ended"] + 1)


def test_stream_limit():
    """More streams than are allowed are refused, each by itself, whether the client may know better or not; the others and
    the connection go on."""
    with Server(streams=4, threads=4) as server:
        client = Http2(server)
        for stream in range(1, 15, 2):
            client.get(stream, "/work?ms=300")
        answered, refused = set(), set()
        while len(answered) + len(refused) < 7:
            got = client.until(HEADERS, RST_STREAM)
            (answered if got[0] == HEADERS else refused).add(got[2])
        assert answered == {1, 3, 5, 7}, (answered, refused)
        for stream in range(101, 115, 2):
            client.get(stream, "/work?ms=300")
        answered, refused = set(), {}
        while len(answered) + len(refused) < 7:
            got = client.until(HEADERS, RST_STREAM)
            if got[0] == HEADERS:
                answered.add(got[2])
            else:
                refused[got[2]] = struct.unpack(">I", got[3])[0]
        assert answered == {101, 103, 105, 107} and set(refused.values()) == {REFUSED_STREAM}, (answered, refused)
        client.get(201, "/hello")
        assert client.until(HEADERS, RST_STREAM, GOAWAY)[0] == HEADERS
        client.close()


def test_flow_control():
    """A client that grants no window holds back its stream, not the others; and is given up in the end."""
    with Server(stall=1000 * SLOW) as server:
        client = Http2(server, settings=struct.pack(">HI", 4, 0), timeout=20)
        client.get(1, "/stream?bytes=1000000")
        assert client.until(HEADERS)[2] == 1
        client.get(3, "/hello")
        assert client.until(HEADERS)[2] == 3
        client.send(frame(WINDOW_UPDATE, 0, 3, struct.pack(">I", 100)))
        assert client.until(DATA)[2] == 3
        client.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1000)))
        assert len(client.until(DATA)[3]) == 1000
        got = client.until(RST_STREAM)
        assert got and got[2] == 1, got
        client.close()
        server.wait_stats(lambda stats: stats["cancelled"] == 1)


def test_slow_reader():
    """A streamed body is let in as fast as its run reads it: the window is the bound."""
    with Server() as server:
        client = Http2(server, timeout=20)
        client.send(frame(HEADERS, END_HEADERS, 1, headers("/slurp?ms=5", "POST")))
        window, sent, size = 65535, 0, 2000000  # before our SETTINGS are known; then it is larger
        while sent < size:
            piece = min(16384, window, size - sent)
            if piece:
                sent += piece
                window -= piece
                client.send(frame(DATA, END_STREAM if sent == size else 0, 1, bytes(piece)))
            if window == 0:
                got = client.until(WINDOW_UPDATE, SETTINGS)
                if got[0] == WINDOW_UPDATE and got[2] == 1:
                    window += struct.unpack(">I", got[3])[0]
                elif got[0] == SETTINGS and not got[1] & 1:
                    window += 262144 - 65535
                assert server.stats()["gathered"] <= 270000
        assert client.until(DATA)[3] == b'{"bytes":2000000}'
        client.close()
        server.wait_stats(lambda stats: stats["gathered"] == 0)


def test_gone():
    """A reset stream's work is cancelled, and what was queued for it is not run."""
    with Server(threads=1, wait=60000) as server:
        client = Http2(server)
        client.get(1, "/work?ms=20000")
        server.wait_stats(lambda stats: stats["running"] == 1)
        client.get(3, "/work?ms=20000")
        server.wait_stats(lambda stats: stats["queued"] == 1)
        client.send(frame(RST_STREAM, 0, 3, struct.pack(">I", 8)))
        server.wait_stats(lambda stats: stats["queued"] == 0)
        client.send(frame(RST_STREAM, 0, 1, struct.pack(">I", 8)))
        stats = server.wait_stats(lambda stats: stats["cancelled"] == 1)
        assert stats["runs"] == 1, stats
        client.close()


def test_reset_exports():
    """Answers that are reset in their midst: their runs end, what was on its way leaves nothing behind, and the connection
    goes on."""
    with Server(stall=60000) as server:
        client = Http2(server, struct.pack(">HI", 4, 0x7fffffff), timeout=20)
        client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x70000000)))
        before = server.memory_kib()
        for stream in range(1, 41, 2):  # more than the lane has threads
            client.get(stream, "/stream?bytes=1000000000")
            taken = 0
            while taken < 300000:
                got = client.until(DATA)
                taken += len(got[3]) if got[2] == stream else 0
            client.send(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
        stats = server.wait_stats(lambda stats: stats["cancelled"] == 20 and stats["ended"] == stats["begun"] - 1)
        assert stats["running"] == stats["gathered"] == 0, stats
        assert server.memory_kib() - before < 10000 * SLOW
        client.get(101, "/stream?bytes=3000000")
        taken, is_over = 0, False
        while not is_over:
            got = client.until(DATA, RST_STREAM, GOAWAY)
            assert got and got[0] == DATA, got
            if got[2] == 101:
                taken, is_over = taken + len(got[3]), got[1] & END_STREAM
        assert taken == 3000000
        client.close()


def test_no_room():
    """A streamed body for which there is no room is refused, and the other streams of its connection go on."""
    with Server(gather=1 << 20) as server, server.connect() as other:
        other.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + bytes(890000))
        server.wait_stats(lambda stats: stats["gathered"] >= 890000)
        client = Http2(server)
        client.until(SETTINGS)
        client.get(1, "/work?ms=500")
        client.send(frame(HEADERS, END_HEADERS, 3, headers("/slurp?ms=1000", "POST")),
                    *[frame(DATA, 0, 3, bytes(16000))] * 15)
        answered = {}
        while len(answered) < 2:
            got = client.until(HEADERS, RST_STREAM, GOAWAY)
            assert got and got[0] == HEADERS, got
            answered[got[2]] = status_of(got)
        assert answered == {1: 200, 3: 503}, answered
        client.get(5, "/hello")
        assert status_of(client.until(HEADERS)) == 200
        client.close()


def test_drain():
    """GOAWAY twice: first with no last stream, so that what is on its way still counts; then with it."""
    with Server() as server:
        client = Http2(server, timeout=20)
        client.get(1, "/work?ms=1500")
        server.wait_stats(lambda stats: stats["running"] == 1)
        server.process.terminate()
        first = client.until(GOAWAY)
        assert struct.unpack(">II", first[3][:8]) == (0x7fffffff, 0), first
        client.get(3, "/hello")  # sent before it was read, so to speak
        assert status_of(client.until(HEADERS)) == 200
        second = client.until(GOAWAY)
        assert struct.unpack(">II", second[3][:8]) == (3, 0), second
        got = client.until(HEADERS)
        assert got[2] == 1 and status_of(got) == 200
        assert until_gone(client) is None
        client.close()
        assert server.process.wait(10 * SLOW) == 0


def test_trailers():
    with Server() as server:
        client = Http2(server)
        client.get(1, "/trailers", "POST", more=[("te", "trailers")])
        head = client.until(HEADERS)
        assert not head[1] & END_STREAM
        data = client.until(DATA)
        assert data[3] == b"\0\0\0\0\2ok" and not data[1] & END_STREAM
        trailers = client.until(HEADERS)
        assert trailers[1] & END_STREAM and trailers[2] == 1
        client.get(3, "/hello", "HEAD")
        assert client.until(HEADERS)[1] & END_STREAM
        client.get(5, "/broken")
        assert client.until(DATA)[3] == b"half"
        assert client.until(RST_STREAM)[2] == 5
        client.close()


def test_real_clients():
    """curl, nghttp and h2load."""
    with Server(loops=2, wait=60000) as server, tempfile.NamedTemporaryFile() as big:
        big.write(bytes(range(256)) * 40000)
        big.flush()
        url = f"http://{server.address}"
        if has("curl"):
            curl = ["curl", "-s", "-m", "50", "--http2-prior-knowledge"]
            assert run(*curl, "-T", big.name, f"{url}/upload").stdout == b'{"bytes":10240000}'
            assert run(*curl, "--data-binary", f"@{big.name}", f"{url}/echo").stdout == open(big.name, "rb").read()
            assert len(run(*curl, f"{url}/stream?bytes=20000000").stdout) == 20000000
            assert run(*curl, "-o", "/dev/null", "-w", "%{http_code}", "-T", "/dev/zero", "-H", "Content-Length: 99999999",
                       f"{url}/echo").stdout == b"413"
            assert json.loads(run(*curl, f"{url}/head?a=b").stdout)["http2"] == 1
        if has("nghttp"):
            answer = run("nghttp", "-nv", "-m", "20", f"{url}/hello")
            assert answer.stdout.count(b":status: 200") == 20, answer.stdout[-500:]
        if has("h2load"):
            for path, count in (("/hello", 5000), ("/work?ms=1", 1000), ("/stream?bytes=100000", 500)):
                answer = run("h2load", "-n", str(count), "-c", "10", "-m", "10", url + path)
                assert f"{count} succeeded, 0 failed, 0 errored".encode() in answer.stdout, answer.stdout
        server.wait_stats(lambda stats: stats["begun"] == stats["ended"] + 1)


if __name__ == "__main__":
    main(globals())
