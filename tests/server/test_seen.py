#!/usr/bin/env python3
"""What a running server counts: recall of what users ask, points, caches, denials; who is told of it; and what it logs of itself."""

import json
import pathlib
import random
import re
import time

from server_kit import Server, check, lode, run

DIM = 8


def metrics(server, key=None):
    text = check(server.get("/metrics", key=key), 200).body.decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", text, re.M)}


def wait_for(what):
    deadline = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def vector(rng):
    return [round(rng.gauss(0, 1), 4) for _ in range(DIM)]


def fill(server, index, count, **more):
    rng = random.Random(1)
    check(server.put(f"/indices/{index}", {"dim": DIM}), 201)
    points = [{"id": i, "vector": vector(rng), "metadata": {"n": i}} for i in range(count)]
    check(server.post(f"/indices/{index}/vectors", {"vectors": points, **more}), 200)


def test_recall_is_measured():
    rng = random.Random(2)
    with Server("--recall.share", "1") as server:
        fill(server, "films", 500)
        fill(server, "books", 500)
        check(server.put("/aliases/movies", {"target": "films"}), 200)
        for body in ({"vector": vector(rng)}, {"vector": vector(rng), "filter": "n < 100"}, {"id": 7, "deadline_ms": 1000}):
            check(server.post("/indices/films/query", body), 200)
        check(server.post("/indices/movies/query", {"vector": vector(rng)}), 200)
        found = wait_for(lambda: (now := metrics(server)).get('lode_recall_queries_total{collection="films"}') == 4 and now)
        assert found['lode_recall_hits_total{collection="films"}'] == 40, found
        assert found['lode_recall_ratio{collection="films"}'] == 1  # so few points are scanned
        assert 'lode_recall_ratio{collection="books"}' not in found
        # Not measured: exact ones, groups, several in one call.
        queries = [{"vector": vector(rng), "exact": True}, {"vector": vector(rng), "group_by": "n"}]
        for body in (*queries, {"queries": [{"vector": vector(rng)}] * 2}):
            check(server.post("/indices/films/query", body), 200)
        # However many are waiting: dropping does not wait for them.
        for _ in range(200):
            check(server.post("/indices/books/query", {"vector": vector(rng)}), 200)
        began = time.monotonic()
        check(server.delete("/indices/books"), 204)
        assert time.monotonic() - began < 10
        found = metrics(server)
        assert found['lode_recall_queries_total{collection="films"}'] == 4
        for _ in range(50):  # and stopping does not either
            check(server.post("/indices/films/query", {"vector": vector(rng)}), 200)


def test_no_recall_unless_asked_for():
    with Server() as server:
        fill(server, "films", 10)
        check(server.post("/indices/films/query", {"vector": [1] * DIM}), 200)
        assert not any("recall" in name and "{" in name for name in metrics(server))


def test_points_and_caches_are_counted():
    with Server() as server:
        fill(server, "films", 20)
        lines = [{"id": i, "vector": [1] * DIM} for i in range(100, 105)]
        for _ in range(2):  # the second one repeats
            check(server.lines("/indices/films/import", lines, **{"Idempotency-Key": "once"}), 200)
        check(server.post("/indices/films/vectors/patch", {"filter": "n < 3", "metadata": {"x": 1}}), 200)
        check(server.post("/indices/films/vectors/delete", {"filter": "n < 2"}), 200)
        check(server.delete("/indices/films/vectors/7"), 200)
        check(server.delete("/indices/films/vectors/7"), 200)  # nothing more
        points = {"vectors": [{"id": i, "vector": [1] * DIM} for i in range(4)], "namespace": "anna"}
        check(server.post("/indices/films/vectors", points), 200)
        check(server.delete("/indices/films/namespaces/anna"), 200)
        found = metrics(server)
        assert found["lode_points_written_total"] == 20 + 5 + 3 + 4, found["lode_points_written_total"]
        assert found["lode_points_deleted_total"] == 2 + 1 + 4, found["lode_points_deleted_total"]
        assert found['lode_cache_requests_total{cache="handles",result="hit"}'] > 5
        assert found['lode_cache_requests_total{cache="handles",result="miss"}'] >= 1
        assert found["lode_audit_failing"] == 0 and found["lode_audit_failures_total"] == 0
        assert found['lode_lane_admitted_total{lane="watch"}'] == 1  # not on a loop
        metrics(server)
        assert metrics(server)['lode_lane_admitted_total{lane="watch"}'] == 3


def make_key(server, name, role, **options):
    words = [word for option, value in options.items() for word in ("--" + option, value)]
    return json.loads(lode("key", "create", server.data, "--name", name, "--role", role, "--json", *words))["key"]


def test_who_is_told():
    """Who may see a part of a collection is told nothing of the whole."""
    with Server("--recall.share", "1", auth=True) as server:
        keys = {name: make_key(server, name, "admin", **more) for name, more in {
            "all": {}, "films": {"collections": "films"}, "anna": {"namespaces": "anna"}, "some": {"filter": "n = 1"}}.items()}
        for key in keys.values():
            wait_for(lambda key=key: server.get("/indices", key=key).status == 200)
        server.key = keys["all"]
        for name in ("films", "books"):
            fill(server, name, 3)
            check(server.post(f"/indices/{name}/query", {"vector": [1] * DIM}), 200)
        check(server.delete("/indices/films/namespaces/anna", key=keys["some"]), 403, "namespace")
        wait_for(lambda: metrics(server).get('lode_recall_queries_total{collection="books"}'))
        wait_for(lambda: 'lode_collection_points{collection="films"}' in metrics(server))
        told = {name: set(re.findall(r'collection="(\w+)"', str(metrics(server, key)))) for name, key in keys.items()}
        assert told == {"all": {"films", "books"}, "films": {"films"}, "anna": set(), "some": set()}, told
        assert metrics(server)["lode_collections"] == 2
        assert metrics(server, keys["anna"])["lode_collections"] == 0
        found = metrics(server)
        assert found['lode_http_denied_total{reason="namespace"}'] == 1, found
        check(server.get("/indices", key="lode_nothing"), 401)
        assert metrics(server)['lode_http_denied_total{reason="unknown_credential"}'] >= 1


def said(server, beginning):
    return [line for line in server.log() if line["message"].startswith(beginning)]


def test_failing_work_is_logged():
    """What fails in the background, where no client meets it, is said once when it begins and once when it ends."""
    with Server() as server:
        fill(server, "films", 100)
        growing = check(server.get("/indices/films/stats"), 200).json["segments"][0]["number"]
        (place,) = pathlib.Path(server.data).glob("c-*")
        in_the_way = place / f"seg-{growing}.vectors"
        in_the_way.mkdir()
        check(server.post("/indices/films/flush"), 500, "io")
        wait_for(lambda: said(server, "background work fails"))
        wait_for(lambda: metrics(server)['lode_jobs_failed_total{kind="flush"}'] >= 2)  # and is tried again
        assert metrics(server)['lode_job_failing{collection="films"}'] == 1
        in_the_way.rmdir()
        wait_for(lambda: said(server, "background work goes on"))
        (line,) = said(server, "background work fails")
        assert line["level"] == "error" and line["index"] == "films" and in_the_way.name in line["error"], line
        assert len(said(server, "background work goes on")) == 1
        assert metrics(server)['lode_job_failing{collection="films"}'] == 0


def test_what_takes_no_writes_and_what_cannot_be_opened():
    with Server() as server:
        fill(server, "films", 100)
        fill(server, "books", 1)
        check(server.post("/indices/films/flush"), 200)
        check(server.post("/indices/films/vectors/delete", {"ids": [5]}), 200)
        assert metrics(server)["lode_collections_unopened"] == 0
        server.kill()
        for file in pathlib.Path(server.data).glob("c-*/seg-*.ids"):
            file.unlink()  # so nobody knows whether what the log deletes is in there
        for place in pathlib.Path(server.data).glob("c-*"):
            if not list(place.glob("seg-*")):
                (file,) = place.glob("manifest-*")
                file.write_bytes(file.read_bytes()[:100])
        server.start()
        check(server.post("/indices/films/vectors", {"vectors": [{"id": 1, "vector": [1] * DIM}]}), 503, "read_only")
        (line,) = wait_for(lambda: [line for line in said(server, "request") if line.get("code") == "read_only"])
        assert line["level"] == "warning" and "takes no writes" in line["error"], line
        check(server.get("/indices/books/vectors/1"), 500, "corrupt")
        found = metrics(server)
        assert (found["lode_collections"], found["lode_collections_unopened"]) == (1, 1), found


run([test_failing_work_is_logged, test_what_takes_no_writes_and_what_cannot_be_opened, test_recall_is_measured, test_no_recall_unless_asked_for, test_points_and_caches_are_counted, test_who_is_told])
