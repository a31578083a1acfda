#!/usr/bin/env python3
"""Clients that are slow, large, gone, too many or late, and a server that stops."""

import contextlib
import os
import resource
import socket
import struct
import threading
import time

from net_kit import SLOW, WINDOW_UPDATE, Http2, Server, frame, main, read_all, read_answer, request, status


def test_slow_heads():
    """200 connections that never finish their heads cost nothing but a little memory; then they are told 408."""
    with Server(headtime=2000 * SLOW) as server:
        slow = [server.connect(20) for _ in range(200)]
        for connection in slow:
            connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nX-A: ")
        bodies = [server.connect() for _ in range(100)]
        for connection in bodies:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab")
        with server.connect() as connection:
            longest = 0
            for _ in range(100):
                begin = time.monotonic()
                connection.sendall(request("/echo", "POST", body=b"x"))
                assert read_answer(connection)[1] == b"x"
                longest = max(longest, time.monotonic() - begin)
        assert longest < 0.5 * SLOW, longest
        for connection in slow:
            answer = read_all(connection)
            assert status(answer) == 408, answer
        for connection in slow + bodies:
            connection.close()
        server.wait_stats(lambda stats: stats["connections"] == 1)


def test_idle():
    with Server(idle=300) as server, server.connect(10) as fresh, server.connect(10) as used:
        used.sendall(request("/hello"))
        read_answer(used)
        begin = time.monotonic()
        assert fresh.recv(10) == b"" and used.recv(10) == b""
        assert time.monotonic() - begin < 5 * SLOW


def test_stalled():
    """A body that stops, and an answer that is not read."""
    with Server(stall=500) as server:
        with server.connect(20) as body, server.connect(20) as stream, server.connect(20) as answer:
            body.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab")
            stream.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab")
            answer.sendall(request("/stream?bytes=100000000"))
            server.wait_stats(lambda stats: stats["ended"] == stats["begun"] - 1 and stats["cancelled"] == 2, 10)
            assert read_all(body) in (b"", b"<reset>") and read_all(stream) in (b"", b"<reset>")


def read_slowly(connection, size):
    """16 KiB ten times a second, for a while, then the rest."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    total, end = 0, time.monotonic() + 6
    while total < size:
        is_slow = time.monotonic() < end
        piece = connection.recv(16384 if is_slow else 1 << 20)
        assert piece, total
        total += len(piece)
        if is_slow:
            time.sleep(0.1)


def test_slow_readers():
    """Who takes much more than 4 KiB within the time that nothing may move is not given up, though his socket, whose buffer holds
    megabytes, takes nothing for longer than that."""
    size = 20000000
    with Server(stall=1000) as server:
        plain, stream = server.connect(20), Http2(server, struct.pack(">HI", 4, 0x7fffffff), 20)
        plain.sendall(request(f"/stream?bytes={size}"))
        stream.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x70000000)))
        stream.get(1, f"/stream?bytes={size}")
        failures = []

        def read(connection):
            try:
                read_slowly(connection, size)
            except (AssertionError, OSError) as error:
                failures.append(error)
        threads = [threading.Thread(target=read, args=(connection,)) for connection in (plain, stream.socket)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures
        plain.close()
        stream.close()
        server.wait_stats(lambda stats: stats["bytes_out"] >= 2 * size and stats["cancelled"] == 0)


def flood(server, is_over):
    """Requests that are answered without a lane, sent ahead so that there is always more to read; until is_over is set."""
    block = request("/hello") * 2000
    with server.connect(30) as connection:

        def drain():
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(1 << 20):
                    pass

        reader = threading.Thread(target=drain)
        reader.start()
        while not is_over.is_set():
            connection.sendall(block)
        connection.shutdown(1)
        reader.join()


def test_flood():
    """Sockets that always have more to read keep the answers of lanes from nobody."""
    is_over = threading.Event()
    with Server() as server:
        floods = [threading.Thread(target=flood, args=(server, is_over)) for _ in range(3)]
        for thread in floods:
            thread.start()
        try:
            time.sleep(0.2)
            with server.connect(5) as connection:
                for _ in range(20):
                    connection.sendall(request("/echo", "POST", body=b"x"))
                    assert read_answer(connection)[1] == b"x"
        finally:
            is_over.set()
        for thread in floods:
            thread.join()


def test_large_upload():
    """100 MB go through in little memory, also when the one who reads them is slower than who sends."""
    with Server() as server:
        before = server.memory_kib()
        for path, size in (("/upload", 100 << 20), ("/slurp?ms=1", 2 << 20)):
            with server.connect(60) as connection:
                connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
                piece, highest = bytes(1 << 16), 0
                for i in range(size // len(piece)):
                    connection.sendall(piece)
                    if i % 64 == 0:
                        highest = max(highest, server.memory_kib())
                assert read_answer(connection)[1] == b'{"bytes":%d}' % size
            assert highest - before < 20000 * SLOW, (before, highest)
        server.wait_stats(lambda stats: stats["gathered"] == 0)


def test_large_answer():
    """An answer that is taken slowly waits in little memory; the run waits with it."""
    with Server() as server, server.connect(60) as connection:
        before = server.memory_kib()
        connection.sendall(request("/stream?bytes=100000000"))
        time.sleep(0.3)
        assert server.memory_kib() - before < 20000 * SLOW
        total = 0
        while not connection.recv(1 << 20).endswith(b"0\r\n\r\n"):
            total += 1
        assert total > 50
        server.wait_stats(lambda stats: stats["bytes_out"] >= 100000000)


def test_gather_bound():
    """Bodies being gathered share one bound."""
    with Server(gather=1 << 20) as server:
        with server.connect() as first, server.connect() as second:
            head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
            first.sendall(head + bytes(800000))
            server.wait_stats(lambda stats: stats["gathered"] >= 800000)
            second.sendall(head + bytes(300000))
            head, _ = read_answer(second)  # not too large: it may come later
            assert status(head) == 503 and b"retry-after: 1" in head, head
            first.sendall(bytes(100000))
            assert status(read_answer(first)[0]) == 200
        server.wait_stats(lambda stats: stats["gathered"] == 0)
        answer = server.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            b"40000\r\n" + bytes(0x40000) + b"\r\n" + b"100000\r\n" + bytes(0x100000) + b"\r\n")
        assert status(answer) == 413


def test_announced_bodies():
    """What clients say that they will send takes nothing from others before it comes."""
    with Server(gather=1 << 20) as server:
        silent = [server.connect() for _ in range(40)]
        for connection in silent:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\nx")
        stats = server.wait_stats(lambda stats: stats["begun"] >= 41 and stats["gathered"] >= 40)
        assert stats["gathered"] < 100000, stats
        with server.connect() as connection:
            connection.sendall(request("/echo", "POST", body=b"x" * 1000))
            assert status(read_answer(connection)[0]) == 200
        for connection in silent:
            connection.sendall(b"x" * 65535)
            assert read_answer(connection)[1] == b"x" * 65536
            connection.close()


def test_out_of_files():
    """Without file descriptors the server waits for some, at rest, and then takes who has connected meanwhile."""
    with Server() as server:
        files = len(os.listdir(f"/proc/{server.process.pid}/fd")) + 10
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files, files))
        connections = [server.connect(10) for _ in range(30)]
        for connection in connections:
            connection.sendall(request("/hello"))
        cpu_s = server.cpu_s()
        time.sleep(1)
        assert server.cpu_s() - cpu_s < 0.5, server.cpu_s() - cpu_s
        for connection in connections:
            assert read_answer(connection)[1] == b'{"hello":1}'
            connection.close()


def keepalive_timers(port):
    """Of the system's sockets: which of those at this port have a timer that looks whether the other side lives."""
    lines = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    return [line[5][:2] == "02" for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "01"]


def test_vanished():
    """A client that waits without a word is asked by the system whether it is there."""
    with Server() as server, server.connect() as connection:
        connection.sendall(request("/hello"))
        read_answer(connection)
        assert keepalive_timers(server.port) == [True]


def test_gone():
    """A client that goes away cancels what runs for it, and what waits is not run at all."""
    with Server(threads=1, wait=60000) as server:
        running, waiting = server.connect(), server.connect()
        running.sendall(request("/work?ms=20000"))
        server.wait_stats(lambda stats: stats["running"] == 1)
        waiting.sendall(request("/work?ms=20000"))
        server.wait_stats(lambda stats: stats["queued"] == 1)
        waiting.close()
        server.wait_stats(lambda stats: stats["queued"] == 0 and stats["ended"] == stats["begun"] - 2)
        running.close()
        stats = server.wait_stats(lambda stats: stats["running"] == 0 and stats["ended"] == stats["begun"] - 1)
        assert stats["runs"] == 1 and stats["cancelled"] == 1, stats
        stream = server.connect()
        stream.sendall(request("/stream?bytes=1000000000"))
        stream.recv(1000)
        stream.close()
        upload = server.connect()
        upload.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab")
        time.sleep(0.1)
        upload.close()
        server.wait_stats(lambda stats: stats["cancelled"] == 3 and stats["ended"] == stats["begun"] - 1)


def test_half_closed():
    """A client that closes its sending side counts as gone when its answer is not there yet; what is there is sent."""
    with Server() as server:
        connection = server.connect()
        connection.sendall(request("/work?ms=20000"))
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""
        server.wait_stats(lambda stats: stats["running"] == 0 and stats["ended"] == stats["begun"] - 1)
        connection = server.connect()
        connection.sendall(request("/hello"))
        connection.shutdown(socket.SHUT_WR)
        assert status(read_all(connection)) == 200


def test_deadline():
    with Server(threads=1, wait=60000) as server:
        begin = time.monotonic()
        first, second = server.connect(), server.connect()
        first.sendall(request("/deadline?ms=20000&within=300"))
        second.sendall(request("/deadline?ms=20000&within=100"))  # never runs
        for connection in (first, second):
            head, _ = read_answer(connection)
            assert status(head) == 504, head
            connection.sendall(request("/hello"))  # the connection lives on
            assert read_answer(connection)[1] == b'{"hello":1}'
            connection.close()
        assert 0.3 <= time.monotonic() - begin < 2 * SLOW
        stats = server.wait_stats(lambda stats: stats["cancelled"] == 1)
        assert stats["runs"] == 1 and stats["deadline"] == 2, stats
        with server.connect() as connection:
            connection.sendall(b"GET /slurp?within=100 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
            assert status(read_answer(connection)[0]) == 504
            connection.sendall(b"defghi" + request("/hello"))
            assert read_answer(connection)[1] == b'{"hello":1}'
            connection.sendall(request("/stream?bytes=1000000000&within=100"))
            assert not read_all(connection).endswith(b"0\r\n\r\n")
        server.wait_stats(lambda stats: stats["cancelled"] == 3 and stats["ended"] == stats["begun"] - 1)


def test_overload():
    """The lane has room for about 10 runs of 20 ms within 100 ms: more are told 429 at once, those admitted keep time."""
    with Server(threads=2, wait=100) as server:
        for _ in range(3):
            server.get("/work?ms=20")  # so that the lane knows how long they take
        counts, times, lock = {200: 0, 429: 0}, {200: [], 429: []}, threading.Lock()

        def client():
            with server.connect() as connection:
                for _ in range(20):
                    begin = time.monotonic()
                    connection.sendall(request("/work?ms=20"))
                    head, _ = read_answer(connection)
                    with lock:
                        counts[status(head)] += 1
                        times[status(head)].append(time.monotonic() - begin)
                    if status(head) == 429:
                        assert b"retry-after: 1" in head, head
                        time.sleep(0.02)

        threads = [threading.Thread(target=client) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts[200] + counts[429] == 640 and counts[200] > 40 and counts[429] > 40, counts
        assert sorted(times[200])[-1] < 0.6 * SLOW, sorted(times[200])[-5:]
        assert sorted(times[429])[len(times[429]) // 2] < 0.1 * SLOW, sorted(times[429])[-5:]


def test_stuck_lane():
    """Nobody waits for longer than the bound although no thread ever looks into the queue."""
    with Server(threads=1, wait=200) as server:
        stuck = server.connect()
        stuck.sendall(request("/work?ms=5000"))
        server.wait_stats(lambda stats: stats["running"] == 1)
        begin = time.monotonic()
        assert server.get("/work?ms=1")[0] == 429
        assert 0.2 <= time.monotonic() - begin < 2 * SLOW
        stuck.close()


def test_connections_max():
    with Server(connections=10) as server:
        kept = [server.connect() for _ in range(9)]
        for connection in kept:
            connection.sendall(request("/hello"))
            read_answer(connection)
        extra = [server.connect() for _ in range(5)]
        assert sum(read_all(connection) != b"" for connection in extra[1:]) == 0
        kept[0].sendall(request("/stats"))
        assert b'"turned_away":4' in read_answer(kept[0])[1]
        extra[0].close()
        for connection in kept:
            connection.close()


def test_unanswered():
    with Server() as server:
        assert server.get("/never")[0] == 500
        status_code, body = server.get("/broken")
        assert status_code == 200 and body.startswith(b"4\r\nhalf\r\n") and not body.endswith(b"0\r\n\r\n")


def test_answers_flow():
    """Large answers that fill the socket's buffer again and again never come to a stop."""
    with Server() as server:
        for _ in range(40):
            begin = time.monotonic()
            _, body = server.get("/stream?bytes=10000000")
            assert len(body) > 10000000 and body.endswith(b"0\r\n\r\n")
            assert time.monotonic() - begin < 3 * SLOW


def drained(loops):
    with Server(loops=loops) as server:
        busy = [server.connect() for _ in range(8)]
        idle = [server.connect() for _ in range(8)]
        for connection in idle:
            connection.sendall(request("/hello"))
            read_answer(connection)
        busy[0].sendall(request("/stream?bytes=30000000"))
        for connection in busy[1:4]:
            connection.sendall(request("/work?ms=1000"))
        for connection in busy[4:]:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        server.wait_stats(lambda stats: stats["begun"] - stats["ended"] == 9)
        begin = time.monotonic()
        server.process.terminate()
        for connection in idle:
            assert connection.recv(10) == b""
        assert time.monotonic() - begin < 0.9 * SLOW
        for connection in busy[4:]:
            connection.sendall(b"cd")
            head, body = read_answer(connection)
            assert status(head) == 200 and b"connection: close" in head and body == b"abcd"
        for connection in busy[1:4]:
            head, _ = read_answer(connection)
            assert status(head) == 200 and b"connection: close" in head
        assert read_all(busy[0]).endswith(b"0\r\n\r\n")
        try:
            server.connect()
            raise AssertionError("it still listens")
        except ConnectionRefusedError:
            pass
        for connection in busy + idle:
            connection.close()
        assert server.process.wait(10 * SLOW) == 0


def test_drain():
    drained(1)
    drained(3)


def test_drain_cut():
    """What does not end in time is refused or cut off."""
    with Server(threads=1, wait=60000, drain=300) as server:
        running, waiting = server.connect(), server.connect()
        running.sendall(request("/work?ms=60000"))
        server.wait_stats(lambda stats: stats["running"] == 1)
        waiting.sendall(request("/work?ms=60000"))
        server.wait_stats(lambda stats: stats["queued"] == 1)
        begin = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begin < 5 * SLOW
        assert status(read_all(waiting)) == 503
        assert read_all(running) in (b"", b"<reset>")
        running.close()
        waiting.close()


def test_crowd():
    """Many clients on several loops; all answers are whole and their own."""
    with Server(loops=3) as server:
        def client(number):
            with server.connect(30) as connection:
                for i in range(100):
                    body = b"%d:%d;" % (number, i) * (1 + number * i % 500)
                    connection.sendall(request("/echo", "POST", body=body))
                    assert read_answer(connection)[1] == body
                    done.append(1)

        done = []
        threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 1600


def test_answers_go_on():
    """Answers in parts, of several threads at once on one connection, to a client that stops and reads on: a connection whose
    turn had ended is written to again when its socket takes more, whatever came between."""
    size, streams = 10_000_000, range(1, 9, 2)
    with Server() as server:
        for _ in range(8):
            connection = Http2(server, struct.pack(">HI", 4, 0x7fffffff))
            connection.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x70000000)))
            for stream in streams:
                connection.get(stream, f"/stream?bytes={size}")
            total, rested = 0, 0
            while total < size * len(streams):
                piece = connection.socket.recv(1 << 18)
                assert piece, total
                total += len(piece)
                if total - rested >= 4_000_000:
                    rested = total
                    time.sleep(0.02)
            connection.close()


if __name__ == "__main__":
    main(globals())
