#!/usr/bin/env python3
"""Import and export: of any size in bounded memory, through bad lines, kills and retries."""

import contextlib
import http.client
import json
import socket
import threading
import time

from server_kit import SLOW, Server, check, lode, run

LARGE = 20_000 if SLOW else 100_000
DIM = 32


def point(i, dim=3):
    return {"id": i, "vector": [float((i * 7 + j) % 31 + 1) for j in range(dim)], "metadata": {"n": i}}


def create(server, dim=3, **schema):
    check(server.put("/indices/films", {"dim": dim, **schema}), 201)


def exported(server, query=""):
    answer = check(server.get("/indices/films/export" + query), 200)
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


def count(server):
    return server.get("/indices/films").json["points"]


def chunks(first, last, dim):
    text = []
    for i in range(first, last):
        text.append(json.dumps(point(i, dim)) + "\n")
        if len(text) == 500:
            yield "".join(text).encode()
            text = []
    yield "".join(text).encode()


def test_large():
    """Memory grows by what the index takes, not by what is sent; what comes out can be put in again."""
    with Server() as server:
        create(server, DIM, index={"type": "flat"})
        with contextlib.closing(server.connect()) as connection:
            connection.request("POST", "/indices/films/import?ack=logged", chunks(0, LARGE, DIM),
                               {"Content-Type": "application/x-ndjson"}, encode_chunked=True)
            response = connection.getresponse()
            told = json.loads(response.read())
        assert response.status == 200, told
        assert told["points"] == LARGE and told["lines"] == LARGE and told["batches"] == LARGE // 1000, told
        assert count(server) == LARGE
        check(server.post("/indices/films/flush"), 200)
        before = server.memory_kib("VmRSS")
        check(server.put("/indices/copy", {"dim": DIM, "index": {"type": "flat"}}), 201)
        sent = copy(server)
        grown = server.memory_kib() - before
        if not SLOW:
            # The copy's own rows: 100,000 x 32 floats, ids, documents; nothing of the text.
            assert sent > 10e6 and grown < 60 * 1024, f"{sent} bytes sent, {grown} KiB"
            print(f"{sent} bytes sent, {grown} KiB more")
        ours, theirs = exported(server), check(server.get("/indices/copy/export"), 200).body.splitlines()
        assert {p["id"]: p for p in ours} == {p["id"]: p for p in map(json.loads, theirs)}
        assert len(ours) == LARGE


def copy(server):
    """Export straight into import, a piece at a time."""
    sent = 0
    with contextlib.closing(server.connect()) as source, contextlib.closing(server.connect()) as target:
        source.request("GET", "/indices/films/export")
        answer = source.getresponse()

        def pieces():
            nonlocal sent
            while piece := answer.read(1 << 16):
                sent += len(piece)
                yield piece

        target.request("POST", "/indices/copy/import?ack=applied", pieces(), encode_chunked=True)
        response = target.getresponse()
        told = json.loads(response.read())
        assert response.status == 200 and told["points"] == LARGE, told
    return sent


def test_what_lines_may_be():
    with Server() as server:
        create(server)
        lines = ["", '{"id":1,"vector":[1,2,3]}', "  \t", '{"id":"a","vector":[1,2,3],"text":"t","metadata":{"b":[1]}}\r',
                 '{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","vector":[1,2,3],"expires":4102444800000}']
        told = check(server.lines("/indices/films/import", lines), 200).json
        assert told["points"] == 3 and told["lines"] == 5, told
        # The last line need not end.
        check(server.post("/indices/films/import", b'{"id":2,"vector":[1,2,3]}'), 200)
        got = {str(p["id"]): p for p in exported(server)}
        assert got["a"] == {"id": "a", "vector": [1, 2, 3], "metadata": {"b": [1]}, "text": "t"}
        assert got["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]["expires"] == 4102444800000
        assert set(got) == {"1", "2", "a", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}
        assert check(server.post("/indices/films/import", b""), 200).json["points"] == 0


def test_bad_lines():
    """All lines before the bad one are applied, none behind it; it is named, whether the reader or the engine refuses it."""
    bad = [('{"id":9,"vector":[1,2]}', 422, "schema", None), ('{"id":9', 400, "invalid", None), ("[]", 400, "invalid", None),
           ('{"vector":[1,2,3]}', 400, "invalid", None), ('{"id":9,"vector":[1,2,"3"]}', 400, "invalid", "vector"),
           ('{"id":9,"vector":[1,2,3],"metadata":{"n":"text"}}', 422, "schema", None),
           ('{"id":9,"vector":[1,2,3],"wrong":1}', 400, "invalid", "wrong"),
           ('{"id":1,"vector":[1,2,3],"if":"absent"}', 409, "conflict", None)]
    for line, status, code, field in bad:
        with Server() as server:
            create(server)
            lines = [point(i) for i in range(1, 1700)] + [line] + [point(i) for i in range(2000, 2010)]
            error = check(server.lines("/indices/films/import", lines), status, code).json["error"]
            assert error["line"] == 1700 and error["applied_lines"] == 1699, error
            assert error["applied_points"] == 1699 and error["message"].startswith("line 1700: ") and "ops[" not in error["message"], error
            assert not field or error["field"] == field, error
            assert count(server) == 1699, line
    with Server() as server:
        create(server)
        answer = server.lines("/indices/films/import", [point(1), '{"id":2,"vector":[1,2,3],"text":"%s"}' % ("x" * (17 << 20))])
        check(answer, 413, "too_large")
        assert answer.json["error"]["line"] == 2 and count(server) == 1, answer.json


def test_refused_before_anything():
    with Server() as server:
        create(server)
        for query in ("?ack=soon", "?wait=1", "?namespace=" + "x" * 129, "?namespace=%ff", "?namespace=%0a"):
            check(server.lines("/indices/films/import" + query, [point(1)]), 400)
        check(server.lines("/indices/none/import", [point(1)]), 404)
        check(server.post("/indices/films/import", b"1,2", headers={"Content-Type": "text/csv"}), 415)
        check(server.lines("/indices/films/import", [point(1)], **{"Idempotency-Key": "k" * 257}), 400)
        for query in ("?with=vectors", "?filter=n+%3D", "?vectors=binary", "?snapshot=none", "?k=3"):
            assert server.get("/indices/films/export" + query).status in (400, 404), query
        assert count(server) == 0


def test_export_of_parts():
    with Server() as server:
        create(server)
        check(server.lines("/indices/films/import", [point(i) for i in range(100)]), 200)
        check(server.lines("/indices/films/import?namespace=anna", [point(i) for i in range(5)]), 200)
        assert len(exported(server)) == 100
        assert len(exported(server, "?namespace=anna")) == 5
        assert {p["id"] for p in exported(server, "?filter=n+%3E%3D+97")} == {97, 98, 99}
        assert {p["id"] for p in exported(server, "?filter=%7B%22n%22%3A%7B%22lt%22%3A2%7D%7D")} == {0, 1}
        assert exported(server, "?with=metadata&filter=n+%3D+4") == [{"id": 4, "metadata": {"n": 4}}]
        coded = exported(server, "?vectors=base64&with=vector&filter=n+%3D+4")[0]
        check(server.lines("/indices/films/import?namespace=b", [coded]), 200)
        assert exported(server, "?namespace=b&with=vector")[0]["vector"] == point(4)["vector"]


def test_keys_of_others():
    """Two callers who chose the same Idempotency-Key never meet."""
    server = Server(auth=True)
    keys = [json.loads(lode("key", "create", server.data, "--name", name, "--role", "admin", "--json"))["key"]
            for name in ("anna", "bert")]
    with server:
        check(server.put("/indices/films", {"dim": 3}, key=keys[0]), 201)
        for key, repeated in (keys[0], 0), (keys[0], 1), (keys[1], 0), (keys[1], 1):
            server.key = key
            answer = check(server.lines("/indices/films/import", [point(1)], **{"Idempotency-Key": "once"}), 200)
            assert answer.json["repeated_batches"] == repeated, answer


def test_retries():
    """The same lines with the same key are applied once; a retry after a broken connection goes on where that one was."""
    with Server() as server:
        create(server)
        lines = [point(i) for i in range(3500)]
        key = {"Idempotency-Key": "load-1"}
        first = check(server.lines("/indices/films/import", lines, **key), 200).json
        assert first["batches"] == 4 and first["repeated_batches"] == 0
        check(server.delete("/indices/films/vectors/7"), 200)
        server.kill()
        server.start()
        again = check(server.lines("/indices/films/import", lines, **key), 200).json
        assert again["repeated_batches"] == 4 and again["points"] == 3500, again
        check(server.get("/indices/films/vectors/7"), 404)  # which was not written once more
        other = check(server.lines("/indices/films/import", lines, **{"Idempotency-Key": "load-2"}), 200).json
        assert other["repeated_batches"] == 0
        check(server.get("/indices/films/vectors/7"), 200)
        # One line is another now: its batch is applied, the others are not.
        lines[1500] = {**point(1500), "metadata": {"n": -1}}
        changed = check(server.lines("/indices/films/import", lines, **key), 200).json
        assert changed["repeated_batches"] == 3, changed
        assert server.get("/indices/films/vectors/1500?with=metadata").json["metadata"] == {"n": -1}


def test_killed_amid():
    """What a killed server had applied is there again, in whole batches, in order."""
    with Server() as server:
        create(server)

        def lines():
            for piece in chunks(0, 10**9, 3):
                yield piece

        def send():
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(server.connect()) as connection:
                connection.request("POST", "/indices/films/import", lines(), encode_chunked=True)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        deadline = time.monotonic() + 60
        while count(server) < 3000 and time.monotonic() < deadline:
            time.sleep(0.02)
        seen = count(server)
        server.kill()
        sender.join(60)
        server.start()
        points = count(server)
        assert points >= seen >= 3000 and points % 1000 == 0, (points, seen)
        assert {p["id"] for p in exported(server)} == set(range(points))


def test_client_that_goes():
    """A client that ends amid its body leaves whole batches; one that does not take an export leaves nothing running."""
    with Server() as server:
        create(server)
        head = b"POST /indices/films/import HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head + b"".join(chunks(0, 2300, 3)))
            deadline = time.monotonic() + 60
            while count(server) < 2000 and time.monotonic() < deadline:
                time.sleep(0.02)
        check(server.delete("/indices/films"), 204)  # nobody holds it any more
        create(server)
        check(server.lines("/indices/films/import?ack=applied", [point(i) for i in range(20000)]), 200)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"GET /indices/films/export HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.2)
            began = time.monotonic()
            check(server.delete("/indices/films"), 204)
            assert time.monotonic() - began < 10
        check(server.get("/indices/films"), 404)


if __name__ == "__main__":
    run([test_large, test_what_lines_may_be, test_bad_lines, test_refused_before_anything, test_export_of_parts,
         test_keys_of_others, test_retries, test_killed_amid, test_client_that_goes])
