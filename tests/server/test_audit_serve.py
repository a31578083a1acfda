#!/usr/bin/env python3
"""When the server writes lines of its audit log, and who can hold them back."""

import json
import os
import socket
import struct
import sys
import time

from server_kit import Server, TIMEOUT_S, check, lode, run

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from net_kit import DATA, END_HEADERS, END_STREAM, HEADERS, Http2, frame, headers  # noqa: E402

NO_WINDOW = struct.pack(">HI", 4, 0)  # SETTINGS_INITIAL_WINDOW_SIZE: bodies of answers must wait


def make_key(server, name="boss", role="admin", **options):
    more = [part for option, value in options.items() for part in ("--" + option.replace("_", "-"), value)]
    return json.loads(lode("key", "create", server.data, "--name", name, "--role", role, "--json", *more))


def lines_of(server, operation):
    path = os.path.join(server.data, "server", "audit", "audit-00000001.jsonl")
    return [line for line in map(json.loads, open(path)) if line["operation"] == operation]


class Client(Http2):
    """Takes heads of answers, and none of their bodies."""

    def __init__(self, server):
        server_like = type("", (), {"connect": lambda _, timeout: socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)})()
        super().__init__(server_like, NO_WINDOW)

    def post(self, stream, path, body, key):
        more = [("authorization", "Bearer " + key), ("content-type", "application/json"), ("content-length", str(len(body)))]
        self.send(frame(HEADERS, END_HEADERS, stream, headers(path, "POST", more)), frame(DATA, END_STREAM, stream, body))

    def head(self):
        kind, flags, _, payload = self.until(HEADERS)
        assert not flags & END_STREAM
        return payload


def test_a_change_has_its_line_before_its_answer():
    """The client knows that it was done, and holds back the end of the answer; then the server is killed."""
    with Server(auth=True) as server:
        server.key = make_key(server)["key"]
        server.stop()
        server.start()
        check(server.put("/indices/films", {"dim": 3}), 201)
        client = Client(server)
        body = json.dumps({"vectors": [{"id": 1, "vector": [1, 2, 3]}]}).encode()
        client.post(1, "/indices/films/vectors", body, server.key)
        assert client.head()[:1] == b"\x88"  # :status 200, of HPACK's own table
        lines = lines_of(server, "vectors.upsert")
        server.kill()
        assert [(line["outcome"], line["status"], line["points"]) for line in lines] == [("ok", 200, 1)], lines
        lode("audit", "verify", server.data)
        client.close()


def test_one_line_for_a_change():
    """Whether it was done, failed, was denied, or was not run at all."""
    with Server("--http.body-size", "64KiB", auth=True) as server:
        server.key = make_key(server)["key"]
        reader = make_key(server, "reader", "read")["key"]
        anna = make_key(server, "anna", "write", namespaces="anna")["key"]
        server.stop()
        server.start()
        check(server.put("/indices/films", {"dim": 3}), 201)
        path, good = "/indices/films/vectors", {"vectors": [{"id": 1, "vector": [1, 2, 3]}]}
        check(server.post(path, good), 200)
        check(server.post(path, {"vectors": [{"id": 1, "vector": [1, 2]}]}), 422)
        check(server.post(path, good, key=reader), 403)
        check(server.post(path, good, key=anna), 403)
        check(server.post(path, b"[" * 70000), 413)
        deadline = time.monotonic() + TIMEOUT_S
        while len(lines := lines_of(server, "vectors.upsert")) < 5:
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)
        told = {(line["who"], line["outcome"], line["status"], line.get("reason")) for line in lines}
        assert len(lines) == 5 and told == {
            ("boss", "ok", 200, None), ("boss", "failed", 422, "schema"), ("reader", "denied", 403, "role"),
            ("anna", "denied", 403, "namespace"), ("boss", "failed", 413, "too_large")}, told
        assert len(lines_of(server, "indices.create")) == 1


def test_an_import_has_a_line_when_it_begins():
    """Its points are seen long before it ends: killed in between, the log tells who wrote them."""
    with Server(auth=True) as server:
        made = make_key(server)
        server.key = made["key"]
        server.stop()
        server.start()
        check(server.put("/indices/films", {"dim": 3}), 201)
        connection = server.connect()
        connection.putrequest("POST", "/indices/films/import?namespace=anna")
        connection.putheader("Authorization", "Bearer " + server.key)
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for i in range(1000):  # a batch
            line = b'{"id":%d,"vector":[1,2,3]}\n' % i
            connection.send(b"%x\r\n%s\r\n" % (len(line), line))
        deadline = time.monotonic() + TIMEOUT_S
        while server.post("/indices/films/vectors/count", {"namespace": "anna"}).json["count"] < 1000:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.kill()
        lines = lines_of(server, "import")
        assert [(line["outcome"], line["key"], line["collection"], line["namespace"]) for line in lines] == [
            ("begun", made["id"], "films", "anna")], lines
        connection.close()
        server.start()
        check(server.lines("/indices/films/import", [{"id": 1, "vector": [1, 2, 3]}], Authorization="Bearer " + server.key), 200)
        lines = lines_of(server, "import")[1:]
        assert [(line["outcome"], line.get("status"), line.get("points")) for line in lines] == [("begun", None, None), ("ok", 200, 1)], lines


if __name__ == "__main__":
    run([test_a_change_has_its_line_before_its_answer, test_one_line_for_a_change, test_an_import_has_a_line_when_it_begins])
