#!/usr/bin/env python3
"""A server that stops answers what had come before: it is held while clients connect and ask, and told to stop."""

import signal
import time

from net_kit import (DATA, END_HEADERS, GOAWAY, HEADERS, SETTINGS, SLOW, WINDOW_UPDATE, Http2, Server, frame, headers, main,
                     read_answer, request, status)

COUNT = 200


def stop_held(server, act):
    """Act while the server is held, then have it stop."""
    server.process.send_signal(signal.SIGSTOP)
    act()
    server.process.terminate()
    server.process.send_signal(signal.SIGCONT)


def all_answered(server, connections):
    lost = 0
    for connection in connections:
        try:
            head, _ = read_answer(connection)
            assert status(head) == 200, head
        except (AssertionError, ConnectionError):
            lost += 1
        connection.close()
    assert lost == 0, f"{lost} of {len(connections)} requests were lost"
    assert server.process.wait(10 * SLOW) == 0


def test_idle_connections():
    """Requests that lie in the sockets of idle connections."""
    with Server(loops=2) as server:
        connections = [server.connect() for _ in range(COUNT)]
        for connection in connections:
            connection.sendall(request("/hello"))
            read_answer(connection)
        time.sleep(0.3)  # now they count as idle
        stop_held(server, lambda: [connection.sendall(request("/echo", "POST", body=b"x")) for connection in connections])
        all_answered(server, connections)


def test_new_connections():
    """Clients that have connected and asked, and whose sockets were not accepted yet."""
    with Server(loops=2) as server:
        connections = []

        def ask():
            for _ in range(COUNT):
                connections.append(server.connect())
                connections[-1].sendall(request("/echo", "POST", body=b"x"))
        stop_held(server, ask)
        all_answered(server, connections)


def test_new_http2():
    with Server() as server:
        connections = []

        def ask():
            for _ in range(COUNT):
                connections.append(Http2(server))
                connections[-1].get(1, "/work?ms=1")
        stop_held(server, ask)
        for connection in connections:
            got = connection.until(HEADERS)
            assert got and got[2] == 1, got
            connection.close()
        assert server.process.wait(10 * SLOW) == 0


def test_silent_connections():
    """Clients that have connected, and say nothing, hold nobody up."""
    with Server(drain=60000) as server:
        silent = [server.connect() for _ in range(10)]
        begin = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begin < 5 * SLOW
        for connection in silent:
            connection.close()


def test_bodies_without_end():
    """Requests that were answered before their bodies have come: nobody waits for these."""
    with Server(drain=60000, stall=60000) as server:
        stream = Http2(server, timeout=20)
        stream.send(frame(HEADERS, END_HEADERS, 1, headers("/hello", "POST")))
        assert stream.until(HEADERS)[2] == 1
        plain = server.connect()
        plain.sendall(request("/hello", "POST", body=b"x" * 1000)[:-500])
        assert status(read_answer(plain)[0]) == 200
        begin = time.monotonic()
        server.process.terminate()
        while (got := stream.read()) is not None:
            assert got[0] in (DATA, GOAWAY, SETTINGS, WINDOW_UPDATE), got
        assert plain.recv(10) == b""
        stream.close()
        plain.close()
        assert server.process.wait(20 * SLOW) == 0
        assert time.monotonic() - begin < 10 * SLOW


if __name__ == "__main__":
    main(globals())
