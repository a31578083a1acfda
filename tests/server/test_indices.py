#!/usr/bin/env python3
"""Indices, aliases, statistics, upkeep, namespaces and snapshots over HTTP: what they answer, and what they refuse."""

import threading
import time

from server_kit import Server, check, run

POINTS = [{"id": i, "vector": [1, i, 0], "metadata": {"year": 1990 + i}} for i in range(10)]


def filled(server, name="films", **schema):
    check(server.put(f"/indices/{name}", {"dim": 3, **schema}), 201)
    check(server.post(f"/indices/{name}/vectors", {"vectors": POINTS}), 200)


def test_create():
    with Server() as server:
        made = check(server.put("/indices/films", {"dim": 3}), 201).json
        assert made == {"name": "films", "dim": 3, "metric": "l2", "scalar": "f32",
                        "index": {"type": "hnsw", "m": 16, "ef_construction": 200, "layout": "fast"},
                        "fields": {}, "points": 0}, made
        full = {"dim": 768, "metric": "cosine", "scalar": "int8",
                "index": {"type": "hnsw", "m": 8, "ef_construction": 50, "layout": "compact", "seed": 7},
                "fields": {"year": "integer", "genre": "keyword", "a\"b": "geo"}}
        check(server.put("/indices/all", full), 201)
        got = check(server.get("/indices/all"), 200).json
        del full["index"]["seed"]
        assert got == {"name": "all", **full, "points": 0}, got
        flat = check(server.put("/indices/flat", {"dim": 2, "index": {"type": "flat"}}), 201).json
        assert flat["index"] == {"type": "flat"}
        # Asked for once more, it is what it is; another one of that name is not made.
        check(server.put("/indices/all", {**full, "index": {"m": 8}}), 200)
        again = check(server.put("/indices/all", {"dim": 5}), 409, "exists")
        assert again.json["error"]["field"] == "dim"
        names = [index["name"] for index in server.get("/indices").json["indices"]]
        assert names == ["all", "films", "flat"], names


def test_create_refused():
    cases = [
        ("", 400, "invalid", "dim"), ("{}", 400, "invalid", "dim"),
        ('{"dim":0}', 400, None, "dim"), ('{"dim":65537}', 400, None, "dim"),
        ('{"dim":"3"}', 400, None, "dim"), ('{"dim":3,"dim":3}', 400, None, "dim"),
        ('{"dim":3,"metric":"cosinus"}', 400, None, "metric"),
        ('{"dim":3,"index":{"m":1}}', 400, None, "index.m"),
        ('{"dim":3,"index":{"type":"ivf"}}', 400, None, "index.type"),
        ('{"dim":3,"index":[]}', 400, None, "index"),
        ('{"dim":3,"fields":{"a":"number"}}', 400, None, None),
        ('{"dim":3,"fields":{"a":"integer","a":"integer"}}', 400, None, None),
        ('{"dim":3,"dimension":3}', 400, None, "dimension"),
        ('{"dim":3', 400, None, None), ('{"dim":3}x', 400, None, None), ("[1]", 400, None, None),
    ]
    with Server() as server:
        for body, status, code, field in cases:
            answer = check(server.put("/indices/films", body.encode()), status, code)
            error = answer.json["error"]
            assert not field or error.get("field") == field, (body, answer)
        for name, status in ((".hidden", 400), ("a%20b", 400), ("x" * 129, 400), ("%ff", 400), ("%zz", 400), ("a%00", 400)):
            check(server.put(f"/indices/{name}", {"dim": 3}), status)
        check(server.put("/indices/films?dim=3", {"dim": 3}), 400, "invalid")
        check(server.put("/indices/films", b"dim: 3", headers={"Content-Type": "application/yaml"}), 415)
        check(server.put("/indices/films", {"dim": 3}, headers={"Content-Encoding": "gzip"}), 415)
        large = '{"dim":3,"fields":{%s}}' % ",".join(f'"f{i}":"integer"' for i in range(257))
        check(server.put("/indices/films", large.encode()), 400)
        check(server.put("/indices/films", b" " * (1 << 20) + b"{}}"), 413, "too_large")
        assert server.get("/indices").json == {"indices": []}


def test_paths_and_methods():
    with Server() as server:
        filled(server)
        for path in ("/", "/indices/", "/indices/films/", "/indices/films/nothing", "/indices//stats", "/Indices"):
            check(server.get(path), 404, "not_found")
        refused = check(server.post("/indices/films"), 405, "method")
        assert refused.headers["allow"] == "GET, PUT, PATCH, DELETE"
        check(server.get("/indices/none"), 404, "not_found")
        check(server.get("/indices/none/stats"), 404, "not_found")
        head = server.request("HEAD", "/indices/films")
        assert head.status == 200 and head.body == b"" and int(head.headers["content-length"]) > 20
        assert server.request("HEAD", "/indices/films/export").status == 405
        assert b"openapi: 3.1" in check(server.get("/openapi.yaml"), 200).body
        assert check(server.get("/healthz"), 200).json == {"status": "ok"}
        assert check(server.get("/readyz"), 200).json == {"status": "ready"}
        traced = server.get("/healthz", headers={"traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-00"})
        assert traced.headers["traceparent"].startswith("00-" + "ab" * 16 + "-"), traced.headers
        assert "cd" * 8 not in traced.headers["traceparent"]


def test_update():
    with Server() as server:
        filled(server, metric="cosine")
        check(server.patch("/indices/films", {}), 200)
        check(server.patch("/indices/films", {"dim": 3, "metric": "cosine", "index": {"m": 16}}), 200)
        for body, field in (({"dim": 4}, "dim"), ({"metric": "ip"}, "metric"), ({"index": {"m": 20}}, "index.m"),
                            ({"index": {"type": "flat"}}, "index.type"), ({"fields": {"year": "integer"}}, "fields")):
            refused = check(server.patch("/indices/films", body), 422, "immutable")
            assert refused.json["error"]["field"] == field, refused
        check(server.patch("/indices/none", {}), 404)


def test_delete_and_again():
    with Server() as server:
        filled(server)
        check(server.delete("/indices/films"), 204)
        check(server.get("/indices/films"), 404)
        check(server.delete("/indices/films"), 404, "not_found")
        filled(server)
        assert server.get("/indices/films").json["points"] == 10


def test_aliases():
    with Server() as server:
        filled(server)
        check(server.put("/indices/books", {"dim": 2}), 201)
        check(server.put("/aliases/shelf", {"target": "films"}), 200)
        assert server.get("/indices/shelf").json["name"] == "films"
        assert server.get("/indices/shelf/stats").json["points"] == 10
        check(server.put("/aliases/shelf", {"target": "books"}), 200)
        assert server.get("/indices/shelf").json["dim"] == 2
        assert server.get("/aliases").json == {"aliases": [{"name": "shelf", "target": "books"}]}
        check(server.put("/aliases/shelf", {"target": "none"}), 404)
        check(server.put("/aliases/shelf", {}), 400)
        check(server.put("/aliases/films", {"target": "books"}), 409, "exists")
        check(server.put("/indices/shelf", {"dim": 2}), 409, "exists")
        check(server.delete("/indices/shelf"), 404)
        check(server.delete("/aliases/shelf"), 204)
        check(server.delete("/aliases/shelf"), 404)
        check(server.put("/aliases/shelf", {"target": "films"}), 200)
        check(server.delete("/indices/films"), 204)  # an alias goes with its index
        assert server.get("/aliases").json == {"aliases": []}
        check(server.get("/indices/shelf"), 404)


def test_statistics_and_upkeep():
    with Server() as server:
        filled(server)
        stats = check(server.get("/indices/films/stats"), 200).json
        assert stats["points"] == 10 and stats["sequence"] == 1
        assert stats["segments"][0]["state"] == "growing" and stats["freshness"]["growing_rows"] == 10
        assert stats["disk"]["log_bytes"] > 0 and stats["memory"]["owned_bytes"] > 0
        tries = 50  # a request is counted when it is over, which its client may see before
        while "vectors.upsert" not in stats["latency"] and tries:
            stats, tries = server.get("/indices/films/stats").json, tries - 1
        assert stats["latency"]["vectors.upsert"]["count"] == 1
        assert check(server.post("/indices/films/flush"), 200).json == {"points": 10, "sequence": 1}
        stats = server.get("/indices/films/stats").json
        assert {segment["state"] for segment in stats["segments"] if segment["rows"]} <= {"sealed", "indexed"}
        assert stats["disk"]["segment_bytes"] > 0 and stats["freshness"]["growing_rows"] == 0
        check(server.delete("/indices/films/vectors/3"), 200)
        assert check(server.post("/indices/films/compact", {}), 200).json["points"] == 9
        assert sum(segment["dead_rows"] for segment in server.get("/indices/films/stats").json["segments"]) == 0


def test_bodies_of_nothing():
    """Where there is nothing to say, {} is all that may be said; a body of raw floats may be empty too."""
    with Server() as server:
        filled(server)
        for method, path in (("POST", "/flush"), ("POST", "/compact"), ("PUT", "/snapshots/a")):
            path = "/indices/films" + path
            error = check(server.request(method, path, {"segments": 1}), 400, "invalid").json["error"]
            assert error["field"] == "segments", error
            check(server.request(method, path, b'{"segments"'), 400, "invalid")
        assert check(server.get("/indices/films/snapshots"), 200).json == {"snapshots": []}
        check(server.post("/indices/films/flush", {}), 200)
        check(server.put("/indices/films/snapshots/a", {}), 201)
        raw = {"Content-Type": "application/vnd.lode.f32"}
        answer = check(server.post("/indices/films/query?k=1&batch=true", b"", headers=raw), 200)
        assert answer.json == {"results": []}, answer
        check(server.post("/indices/films/query?k=1", b"", headers=raw), 422, "schema")
        answer = check(server.post("/indices/films/vectors?first_id=7", b"", headers=raw), 200)
        assert answer.json["upserted"] == 0, answer


def test_namespaces():
    with Server() as server:
        filled(server)
        for name, count in (("anna", 3), ("b/c d", 2), ("z", 1)):
            check(server.post("/indices/films/vectors", {"vectors": POINTS[:count], "namespace": name}), 200)
        listed = check(server.get("/indices/films/namespaces"), 200).json
        assert listed == {"namespaces": [{"name": "anna", "points": 3}, {"name": "b/c d", "points": 2},
                                         {"name": "z", "points": 1}], "next": None}, listed
        page = server.get("/indices/films/namespaces?limit=2").json
        assert [entry["name"] for entry in page["namespaces"]] == ["anna", "b/c d"] and page["next"] == "b/c d"
        rest = server.get("/indices/films/namespaces?limit=2&after=b%2Fc+d").json
        assert [entry["name"] for entry in rest["namespaces"]] == ["z"] and rest["next"] is None
        one = check(server.get("/indices/films/namespaces/b%2Fc%20d"), 200).json
        assert one == {"name": "b/c d", "points": 2, "vector_bytes": 24}, one
        gone = check(server.delete("/indices/films/namespaces/anna"), 200).json
        assert gone["deleted"] == 3
        check(server.get("/indices/films/namespaces/anna"), 404)
        check(server.delete("/indices/films/namespaces/anna"), 404)
        check(server.get("/indices/films/namespaces?limit=0"), 400)
        check(server.get("/indices/films/namespaces?after=" + "x" * 129), 400)
        assert server.get("/indices/films").json["points"] == 13


def test_snapshots():
    with Server() as server:
        filled(server)
        made = check(server.put("/indices/films/snapshots/before"), 201).json
        assert made["name"] == "before" and made["points"] == 10 and made["damaged"] is False, made
        check(server.put("/indices/films/snapshots/before"), 409, "exists")
        check(server.put("/indices/films/snapshots/snapshot-1"), 400)
        check(server.delete("/indices/films/vectors/3"), 200)
        kept = check(server.get("/indices/films/export?snapshot=before"), 200).body
        assert kept.count(b"\n") == 10
        assert server.get("/indices/films/export").body.count(b"\n") == 9
        listed = server.get("/indices/films/snapshots").json["snapshots"]
        assert [snapshot["name"] for snapshot in listed] == ["before"]
        check(server.delete("/indices/films/snapshots/before"), 204)
        check(server.delete("/indices/films/snapshots/before"), 404)
        check(server.get("/indices/films/export?snapshot=before"), 404)


def test_drops_during_reads():
    """Readers are answered, or told that there is no such index; whoever drops it succeeds, again and again."""
    with Server("--http.queue-time", "30s") as server:  # however slow the machine, nobody is told that there is too much to do
        wrong, end = [], threading.Event()

        def read():
            while not end.is_set():
                answer = server.post("/indices/films/query", {"vector": [1, 2, 3], "k": 3})
                if answer.status not in (200, 404):
                    wrong.append(answer)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for _ in range(10):
            filled(server)
            check(server.delete("/indices/films"), 204)
        end.set()
        for reader in readers:
            reader.join()
        assert not wrong, wrong[:3]


def test_metrics():
    with Server() as server:
        filled(server)
        check(server.get("/indices/none"), 404)
        text, tries = "", 50
        while tries and 'lode_collection_points{collection="films"} 10' not in text:
            text = check(server.get("/metrics"), 200).body.decode()
            tries -= 1
            time.sleep(0.1)
        assert 'lode_collection_points{collection="films"} 10' in text, text
        assert 'operation="vectors.upsert"' in text and "lode_ready 1" in text


if __name__ == "__main__":
    run([test_create, test_create_refused, test_paths_and_methods, test_update, test_delete_and_again, test_aliases,
         test_statistics_and_upkeep, test_bodies_of_nothing, test_namespaces, test_snapshots, test_drops_during_reads, test_metrics])
