#!/usr/bin/env python3
"""1,000 connections whose requests never end and 200 uploads that trickle, while a few clients keep asking: these are all
answered, by all lanes but that of imports, and slow heads and gathered bodies are given up. Imports hold the threads of their lane
one after the other, each until it is given up."""

import contextlib
import http.client
import json
import resource
import socket
import threading
import time

from server_kit import SLOW, Server, check, run

HEADS, UPLOADS, SECONDS = 1000, 200, 6
QUERY = json.dumps({"vector": [1, 2, 3]})
POINT = json.dumps({"vectors": [{"id": 1, "vector": [1, 2, 3]}]})


def dribble(connections, pieces, is_over):
    """A byte to each of them, again and again; who was closed is left."""
    while not is_over.is_set():
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.send(pieces)
        is_over.wait(0.5)


def keep_asking(server, counts, failures, is_over):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    questions = [("POST", "/indices/films/query", QUERY), ("POST", "/indices/films/vectors?ack=applied", POINT),
                 ("GET", "/indices/films", None), ("GET", "/healthz", None), ("GET", "/metrics", None)]
    while not is_over.is_set():
        for method, path, body in questions:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            counts.append(path)
            if answer.status != 200:
                failures.append((path, answer.status, text[:200]))
    connection.close()


def open_slow(server):
    """Heads that do not end; bodies that do not: gathered ones, and streamed ones."""
    def connect(text):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        connection.sendall(text.encode())
        connection.setblocking(False)
        return connection
    heads = [connect("GET /indices HTTP/1.1\r\nHost: x\r\nX-A: ") for _ in range(HEADS)]
    gathered = [connect("POST /indices/films/vectors HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{") for _ in range(UPLOADS // 2)]
    streamed = [connect("POST /indices/films/import HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{") for _ in range(UPLOADS // 2)]
    return heads, gathered, streamed


def is_closed(connection):
    """By the server, after whatever it has answered."""
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def test_slow_clients_cost_nothing():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most) if most >= 0 else 8192, most))
    with Server("--http.head-timeout", "4s", "--http.stall-timeout", "4s", "--http.drain-time", "2s", "--http.queue-time", "10s") as server:
        check(server.put("/indices/films", {"dim": 3}), 201)
        check(server.post("/indices/films/vectors", json.loads(POINT)), 200)
        counts, failures, is_over, is_quiet = [], [], threading.Event(), threading.Event()
        heads, gathered, streamed = open_slow(server)
        uploads = gathered + streamed
        threads = [threading.Thread(target=keep_asking, args=(server, counts, failures, is_over)) for _ in range(4)]
        threads += [threading.Thread(target=dribble, args=(slow, b"x", is_quiet)) for slow in (heads, uploads)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        text = server.get("/metrics").body.decode()
        assert int(text.split("\nlode_http_connections ")[1].split()[0]) >= HEADS + UPLOADS, "they are not all there"
        time.sleep(SECONDS)
        assert not failures, failures[:5]
        # A head has its time, however it trickles, and a body must get on: some bytes now and then do not count.
        assert all(map(is_closed, heads)), "heads that never end are not given up"
        assert all(map(is_closed, gathered)), "bodies that trickle are not given up"
        is_quiet.set()
        is_over.set()
        for thread in threads:
            thread.join()
        assert not failures, failures[:5]
        assert len(counts) > (100 if SLOW else 500), len(counts)
        print(f"{len(counts)} answers beside {HEADS} heads and {UPLOADS} uploads")
        for connection in heads + uploads:
            connection.close()


run([test_slow_clients_cost_nothing])
