#!/usr/bin/env python3
"""The life of a server: opening, readiness, draining, stopping, killing; deadlines; what it does without its audit log."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import threading
import time

from server_kit import LODE, SLOW, Server, check, lode, run


def create(server, dim=3):
    check(server.put("/indices/films", {"dim": dim}), 201)


def put(server, first, count=1, **rest):
    vectors = [{"id": i, "vector": [1, i, 0]} for i in range(first, first + count)]
    return server.post("/indices/films/vectors", {"vectors": vectors}, **rest)


def points(server):
    return server.get("/indices/films").json["points"]


def test_kill_and_restart():
    """Every acknowledged write is there after kill -9, ten times."""
    with Server() as server:
        create(server)
        acknowledged = set()
        for life in range(10):
            end = threading.Event()

            def write():
                i = life * 100000
                with contextlib.suppress(OSError, http.client.HTTPException):
                    while not end.is_set():
                        if put(server, i).status == 200:
                            acknowledged.add(i)
                        i += 1

            writer = threading.Thread(target=write)
            writer.start()
            time.sleep(0.15)
            server.kill()
            end.set()
            writer.join()
            server.start()
            for i in acknowledged:
                check(server.get(f"/indices/films/vectors/{i}"), 200)
        assert len(acknowledged) > 10


def test_stop():
    """What was begun is answered, then the process ends with 0, and what was written is there."""
    with Server() as server:
        create(server)
        check(put(server, 0, 100), 200)
        idle = socket.create_connection(("127.0.0.1", server.port))
        slow = socket.create_connection(("127.0.0.1", server.port))
        body = json.dumps({"vectors": [{"id": 1000, "vector": [1, 2, 3]}]}).encode()
        slow.sendall(b"POST /indices/films/vectors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body) + body[:10])
        time.sleep(0.2)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        time.sleep(0.3)
        assert stopping.is_alive()
        slow.sendall(body[10:])
        answer = slow.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert idle.recv(1) == b""
        stopping.join(30)
        assert not stopping.is_alive() and server.process.returncode == 0
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", server.port)).close()
            raise AssertionError("it listens still")
        server.start()
        assert points(server) == 101


def test_not_ready():
    """While logs are replayed it is healthy but not ready, and says so to everybody else too."""
    with Server() as server:
        count = 3000 if SLOW else 120_000
        for name in ("albums", "books"):
            check(server.put(f"/indices/{name}", {"dim": 3}), 201)
        create(server, 32)
        line = json.dumps({"id": 0, "vector": [1.5] * 32})
        text = "".join(line.replace(": 0,", f": {i},", 1) + "\n" for i in range(count))
        check(server.post("/indices/films/import?ack=logged", text.encode()), 200)
        server.kill()
        server.start(wait=False)
        states, percents = set(), set()
        while True:
            metrics = server.get("/metrics").body
            ready, query = server.get("/readyz"), server.get("/indices")
            states.add((ready.status, ready.json["status"]))
            check(server.get("/healthz"), 200)
            assert query.status == 200 or (query.status == 503 and query.code == "not_ready" and query.headers["retry-after"])
            if ready.status == 200:
                break
            assert ready.headers["retry-after"] == "1" and b"lode_ready 0" in metrics
            percents.add(ready.json["percent"])
        assert states == {(503, "opening"), (200, "ready")} or SLOW, states
        assert 66 in percents or SLOW, percents  # two of three are open while the third replays its log
        assert points(server) == count


def test_cannot_open():
    with Server() as server:
        create(server)
        second = subprocess.run([LODE, "serve", "--data", server.data, "--listen", "127.0.0.1:0", "--auth", "no"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert second.returncode != 0 and "process" in second.stderr, second
        assert "the database cannot be opened" in second.stderr, second  # in the log, too, wherever that is written
        check(server.get("/readyz"), 200)


def test_one_damaged_index():
    """One index that cannot be opened does not take the others away."""
    with Server() as server:
        create(server)
        check(server.put("/indices/books", {"dim": 3}), 201)
        check(put(server, 0, 10), 200)
        server.stop()
        found = [os.path.join(directory, name) for directory, _, names in os.walk(server.data) for name in names
                 if name.startswith("manifest-") and os.path.basename(directory).startswith("c-")]
        with open(sorted(found)[-1], "r+b") as file:
            file.seek(40)
            file.write(b"\xff" * 64)
        server.start()
        statuses = sorted(server.get(f"/indices/{name}").status for name in ("films", "books"))
        assert statuses == [200, 500], statuses
        assert any(line["message"] == "an index cannot be opened" for line in server.log())
        assert len(server.get("/indices").json["indices"]) == 1


def test_request_ids():
    """A retried write with its Idempotency-Key is not applied again, across a kill."""
    with Server() as server:
        create(server)
        key = {"Idempotency-Key": "once"}
        first = check(put(server, 0, headers=key), 200).json
        check(server.delete("/indices/films/vectors/0"), 200)
        server.kill()
        server.start()
        again = check(put(server, 0, headers=key), 200).json
        assert again["repeated"] and again["sequence"] == first["sequence"], again
        check(server.get("/indices/films/vectors/0"), 404)


def test_audit():
    """What is changed is audited, without vectors and secrets, and the chain holds."""
    with Server(auth=True) as server:
        server.key = lode("key", "create", server.data, "--name", "boss", "--role", "admin", "--json")
        server.key = json.loads(server.key)["key"]
        wait_for_key(server)
        create(server)
        secret = {"id": 1, "vector": [0.718281828, 2, 3], "metadata": {"a": "hidden"}, "text": "hidden"}
        check(server.post("/indices/films/vectors", {"vectors": [secret]}), 200)
        server.stop()
        lode("audit", "verify", server.data)
        text = read_audit(server)
        operations = [json.loads(line)["operation"] for line in text.splitlines()]
        assert "indices.create" in operations and "vectors.upsert" in operations, operations
        assert "718281" not in text and "hidden" not in text and server.key not in text


def wait_for_key(server):
    deadline = time.monotonic() + 30
    while server.get("/indices").status == 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def read_audit(server):
    directory = os.path.join(server.data, "server", "audit")
    names = sorted(name for name in os.listdir(directory) if name.endswith(".jsonl"))
    return "".join(open(os.path.join(directory, name)).read() for name in names)


def test_audit_that_cannot_be_written():
    """Where the next file of the audit log cannot be made, what it would have to tell is refused."""
    with Server("--audit.file-size", "64KiB", auth=True) as server:
        server.key = json.loads(lode("key", "create", server.data, "--name", "boss", "--role", "admin", "--json"))["key"]
        wait_for_key(server)
        create(server)
        check(put(server, 0), 200)
        directory = os.path.join(server.data, "server", "audit")
        os.rename(directory, directory + ".away")
        statuses = {}
        for i in range(1, 1000):
            answer = put(server, i)
            statuses[answer.status] = answer
            if answer.status != 200:
                break
        check(statuses[503], 503, "audit")
        check(server.put("/indices/other", {"dim": 3}), 503, "audit")
        check(server.post("/indices/films/query", {"vector": [1, 2, 3]}), 200)


if __name__ == "__main__":
    run([test_kill_and_restart, test_stop, test_not_ready, test_cannot_open, test_one_damaged_index, test_request_ids,
         test_audit, test_audit_that_cannot_be_written])
