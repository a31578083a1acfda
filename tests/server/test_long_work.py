#!/usr/bin/env python3
"""What takes long: compactions end with their clients and when the server has drained, exports have no deadline and are never cut
off unseen, and streams that trickle give way to those who wait."""

import array
import contextlib
import http.client
import json
import random
import socket
import threading
import time

from server_kit import SLOW, Server, check, run

DIM, POINTS = 256, 6_000 if SLOW else 20_000


def fill(server):
    """An index whose graph takes many seconds to build."""
    check(server.put("/indices/films", {"dim": DIM, "index": {"m": 48, "ef_construction": 2000}}), 201)
    rng = random.Random(1)
    for first in range(0, POINTS, 2000):
        floats = array.array("f", (rng.random() for _ in range(2000 * DIM)))
        check(server.post(f"/indices/films/vectors?first_id={first}&ack=applied", floats.tobytes(),
                          headers={"Content-Type": "application/vnd.lode.f32"}), 200)


def jobs_asked_for(server):
    return [job for job in check(server.get("/indices/films/stats"), 200).json["jobs"] if job["reason"] == "request"]


def wait_for(what, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def begin_compaction(server):
    connection = server.connect()
    connection.request("POST", "/indices/films/compact")
    wait_for(lambda: jobs_asked_for(server))
    return connection


def test_compaction_ends_with_its_client():
    with Server("--http.drain-time", "1s") as server:
        fill(server)
        begin_compaction(server).close()
        wait_for(lambda: not jobs_asked_for(server), 5)
        assert server.get("/indices/films").json["points"] == POINTS
        # And when it is stopped by a server that has waited for it as long as it was to.
        connection = begin_compaction(server)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < (20 if SLOW else 6), "a compaction keeps the server from stopping"
        connection.close()
        server.start()
        assert server.get("/indices/films").json["points"] == POINTS


def slow_export(server, path="/indices/films/export"):
    """Of which nothing was read: the server waits."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def rest_of(connection):
    text = b""
    while piece := connection.recv(1 << 20):
        text += piece
        if text.endswith(b"\r\n0\r\n\r\n"):
            break
    return text


def test_export_has_no_deadline():
    with Server("--limits.deadline", "2s") as server:
        fill(server)
        connection = slow_export(server)
        time.sleep(4)
        text = rest_of(connection)
        assert text.endswith(b"\r\n0\r\n\r\n") and text.count(b'"id"') == POINTS, text[-200:]


def test_broken_export_is_seen():
    with Server() as server:
        fill(server)
        connection = server.connect()
        connection.request("GET", "/indices/films/export")
        response = connection.getresponse()
        response.read(1000)
        check(server.delete("/indices/films"), 204)
        with contextlib.suppress(http.client.IncompleteRead, ConnectionError):
            response.read()
            raise AssertionError("a part of the export was taken for all of it")


def trickle(connection, piece, is_over):
    with contextlib.suppress(OSError):
        while not is_over.wait(1):
            connection.sendall(piece)


def test_slow_import_gives_way():
    """Fast enough not to stall, and too slow to hold the only thread while another waits."""
    line = json.dumps({"id": 1, "vector": [1, 2, 3], "metadata": {"text": "x" * 1000}}) + "\n"
    with Server("--http.slow-threads", "1", "--http.queue-time", "2s") as server:
        check(server.put("/indices/films", {"dim": 3}), 201)
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        connection.sendall(b"POST /indices/films/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                           b"Content-Length: 100000000\r\n\r\n")
        is_over = threading.Event()
        sender = threading.Thread(target=trickle, args=(connection, (line * 5).encode(), is_over))
        sender.start()
        time.sleep(12)  # alone it may
        connection.setblocking(False)
        try:
            assert False, connection.recv(1000)
        except BlockingIOError:
            pass
        connection.setblocking(True)
        began = time.monotonic()
        check(server.post("/indices/films/flush"), 200)
        print(f"another waited {time.monotonic() - began:.1f} s")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        told = json.loads(answer.read())["error"]
        assert answer.status == 503 and told["code"] == "cancelled" and "others wait" in told["message"], told
        is_over.set()
        sender.join()
        connection.close()


run([test_compaction_ends_with_its_client, test_export_has_no_deadline, test_broken_export_is_seen, test_slow_import_gives_way])
