#!/usr/bin/env python3
"""Who may what: every operation by every kind of key and token, on indices and namespaces of its own and of others, and with
credentials that are missing, revoked, expired, not valid yet and forged. What is expected is worked out here, from the rules
of docs/security.md, and not by the server."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import struct
import time

from server_kit import Server, check, lode, run

VECTOR = [1, 2, 3]
NOBODY, READ, WRITE, ADMIN = range(4)
ROLES = ["nobody", "read", "write", "admin"]
# What an operation is about: nothing, the index by name, points of a namespace, the whole index.
NONE, NAME, PART, WHOLE = range(4)


class Route:
    def __init__(self, operation, role, reach, method, path, body=None, by_filter=True, destroys=False):
        self.operation, self.role, self.reach = operation, role, reach
        self.method, self.path, self.body = method, path, body
        self.by_filter = by_filter  # whether who has a filter may
        self.destroys = destroys


I, P, Q = "/indices/{i}", "/indices/{i}/vectors", "?namespace={n}"
ROUTES = [
    Route("query", READ, PART, "POST", I + "/query", {"vector": VECTOR}),
    Route("vectors.upsert", WRITE, PART, "POST", P, {"vectors": [{"id": 1, "vector": VECTOR, "metadata": {"open": True}}]}, by_filter=False),
    Route("vectors.get_one", READ, PART, "GET", P + "/1" + Q),
    Route("vectors.delete_one", WRITE, PART, "DELETE", P + "/77" + Q, by_filter=False),
    Route("vectors.get", READ, PART, "POST", P + "/get", {"ids": [1]}),
    Route("vectors.delete", WRITE, PART, "POST", P + "/delete", {"filter": "open = true AND @id = 99"}),
    Route("vectors.delete", WRITE, PART, "POST", P + "/delete", {"ids": [77]}, by_filter=False),
    Route("vectors.patch", WRITE, PART, "POST", P + "/patch", {"filter": "@id = 99", "metadata": {"open": True}}),
    Route("vectors.patch", WRITE, PART, "POST", P + "/patch", {"ids": [1], "metadata": {"open": True}}, by_filter=False),
    Route("vectors.patch", WRITE, PART, "POST", P + "/patch", {"patches": [{"id": 1, "metadata": {"open": True}}]}, by_filter=False),
    Route("vectors.scroll", READ, PART, "POST", P + "/scroll", {}),
    Route("vectors.count", READ, PART, "POST", P + "/count", {}),
    Route("vectors.facets", READ, PART, "POST", P + "/facets", {"field": "open"}),
    Route("vectors.sample", READ, PART, "POST", P + "/sample", {}),
    Route("import", WRITE, PART, "POST", I + "/import" + Q, b'{"id":1,"vector":[1,2,3],"metadata":{"open":true}}\n', by_filter=False),
    Route("export", READ, PART, "GET", I + "/export" + Q),
    Route("namespaces.get", READ, PART, "GET", I + "/namespaces/{n}", by_filter=False),
    Route("namespaces.delete", WRITE, PART, "DELETE", I + "/namespaces/{n}", by_filter=False, destroys=True),
    Route("namespaces.list", READ, NAME, "GET", I + "/namespaces", by_filter=False),
    Route("indices.get", READ, NAME, "GET", I),
    Route("indices.list", READ, NONE, "GET", "/indices"),
    Route("aliases.list", READ, NONE, "GET", "/aliases"),
    Route("metrics", READ, NONE, "GET", "/metrics"),
    Route("indices.stats", READ, WHOLE, "GET", I + "/stats"),
    Route("snapshots.list", READ, WHOLE, "GET", I + "/snapshots"),
    Route("indices.create", ADMIN, WHOLE, "PUT", I, {"dim": 3}),
    Route("indices.update", ADMIN, WHOLE, "PATCH", I, {}),
    Route("indices.flush", ADMIN, WHOLE, "POST", I + "/flush"),
    Route("indices.compact", ADMIN, WHOLE, "POST", I + "/compact"),
    Route("snapshots.create", ADMIN, WHOLE, "PUT", I + "/snapshots/new", destroys=True),
    Route("snapshots.delete", ADMIN, WHOLE, "DELETE", I + "/snapshots/kept", destroys=True),
    Route("aliases.set", ADMIN, WHOLE, "PUT", "/aliases/{i}-alias", {"target": "{i}"}),
    Route("aliases.delete", ADMIN, WHOLE, "DELETE", "/aliases/{i}-alias", destroys=True),
    Route("indices.delete", ADMIN, WHOLE, "DELETE", I, destroys=True),
    Route("healthz", NOBODY, NONE, "GET", "/healthz"),
    Route("readyz", NOBODY, NONE, "GET", "/readyz"),
    Route("openapi", NOBODY, NONE, "GET", "/openapi.yaml"),
]
INDICES, NAMESPACES = ["films", "books"], [None, "anna", "bert"]


class Holder:
    """Of a key or token: what it is good for, as it was made."""

    def __init__(self, key, role, collections=None, namespaces=None, filter=None):
        self.key, self.role, self.collections, self.namespaces, self.filter = key, role, collections, namespaces, filter

    def may(self, route, index, namespace):
        if self.role < route.role:
            return False
        if route.role == NOBODY or route.reach == NONE:
            return True
        if self.collections and not any(fits(index if "alias" not in route.path else index + "-alias", name) for name in self.collections):
            return False
        if route.reach == WHOLE:
            return not self.namespaces and not self.filter
        if self.filter and not route.by_filter:
            return False
        if route.reach == NAME:
            return True
        return not self.namespaces or (namespace is not None and any(fits(namespace, name) for name in self.namespaces))


def fits(name, pattern):
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def ask(server, route, index, namespace, **rest):
    path, body = route.path.replace("{i}", index), route.body
    if namespace is None:
        path = path.replace(Q, "")
    path = path.replace("{n}", namespace or "none")
    if isinstance(body, dict):
        body = json.loads(json.dumps(body).replace("{i}", index))
        if namespace is not None and route.reach == PART:
            body["namespace"] = namespace
    return server.request(route.method, path, body, **rest)


def restore(server, boss):
    """Everything that an operation may have taken away is there again."""
    for index in INDICES:
        assert server.put(f"/indices/{index}", {"dim": 3}, key=boss).status in (200, 201)
        for namespace in NAMESPACES:
            points = [{"id": i, "vector": VECTOR, "metadata": {"open": i == 1, "of": f"{index} {namespace}"}} for i in (1, 2)]
            body = {"vectors": points, **({"namespace": namespace} if namespace else {})}
            check(server.post(f"/indices/{index}/vectors?ack=applied", body, key=boss), 200)
        server.put(f"/indices/{index}/snapshots/kept", key=boss)
        server.delete(f"/indices/{index}/snapshots/new", key=boss)
        check(server.put(f"/aliases/{index}-alias", {"target": index}, key=boss), 200)


def make_key(server, name, role, **options):
    arguments = [part for option, value in options.items() for part in ("--" + option.replace("_", "-"), value)]
    made = lode("key", "create", server.data, "--name", name, "--role", ROLES[role], "--json", *arguments)
    return json.loads(made)


def encode(part):
    return base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=").decode()


def token(secret, **claims):
    body = {"iss": "test", "aud": "lode", "exp": time.time() + 600, "sub": "anna", **claims}
    body = {name: int(value) if isinstance(value, float) else value for name, value in body.items()}
    text = encode({"alg": "HS256", "typ": "JWT"}) + "." + encode(body)
    return text + "." + encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())


SECRET = b"0123456789abcdef0123456789abcdef"


def start():
    server = Server(auth=True)
    secret = os.path.join(server.root, "secret")
    with open(secret, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(SECRET)
    server.options += ["--auth.jwt.enabled", "yes", "--auth.jwt.secret-file", secret, "--auth.jwt.algorithms", "HS256",
                       "--auth.jwt.issuer", "test", "--auth.jwt.audience", "lode", "--auth.jwt.leeway", "0s"]
    return server


def wait_for(server, key, status=200):
    deadline = time.monotonic() + 30
    while (answer := server.get("/indices", key=key)).status != status:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def holders(server):
    scopes = [{}, {"collections": "films"}, {"collections": "fil*"}, {"namespaces": "anna"}, {"collections": "books", "namespaces": "an*"},
              {"filter": "open = true"}, {"namespaces": "anna", "filter": "open = true"}]
    for role in (READ, WRITE, ADMIN):
        for i, scope in enumerate(scopes):
            key = make_key(server, f"{ROLES[role]}-{i}", role, **scope)["key"]
            lists = {name: value.split(",") if name != "filter" else value for name, value in scope.items()}
            yield Holder(key, role, **lists)
            yield Holder(token(SECRET, role=ROLES[role], **lists), role, **lists)


def check_one(server, holder, route, index, namespace):
    answer = ask(server, route, index, namespace, key=holder.key)
    what = (route.operation, ROLES[holder.role], holder.collections, holder.namespaces, holder.filter, index, namespace, answer)
    if not holder.may(route, index, namespace):
        assert answer.status == 403, what
        return False
    # Allowed: it succeeds, or there is nothing to be found in the default namespace (which has no name to ask for).
    expected = (200, 201, 204) if namespace or "{n}" not in route.path or "?" in route.path else (404,)
    if route.operation.endswith("_one"):
        expected = (200, 204, 404)
    assert answer.status in expected, what
    return route.destroys


def test_matrix():
    with start() as server:
        boss = make_key(server, "boss", ADMIN)["key"]
        wait_for(server, boss)
        described = set(re.findall(r"operationId: *['\"]?([\w.]+)", server.get("/openapi.yaml").body.decode()))
        assert described == {route.operation for route in ROUTES}, described ^ {route.operation for route in ROUTES}
        restore(server, boss)
        everybody = list(holders(server))
        for holder in everybody:
            wait_for(server, holder.key)
        asked = 0
        for holder in everybody:
            for route in ROUTES:
                for index in INDICES:
                    for namespace in NAMESPACES if route.reach == PART else [None]:
                        asked += 1
                        if check_one(server, holder, route, index, namespace):
                            restore(server, boss)
        print(f"{asked} questions")


def test_bad_credentials():
    with start() as server:
        boss = make_key(server, "boss", ADMIN)["key"]
        revoked, expired = make_key(server, "revoked", ADMIN), make_key(server, "expired", ADMIN, expires="1s")
        wait_for(server, boss)
        restore(server, boss)
        lode("key", "revoke", server.data, revoked["id"])
        wait_for(server, revoked["key"], 401)
        wait_for(server, expired["key"], 401)
        now = time.time()
        good = token(SECRET, role="admin")
        assert server.get("/indices", key=good).status == 200
        flipped = boss[:-2] + ("A" if boss[-2] != "A" else "B") + boss[-1]
        none = encode({"alg": "none"}) + "." + good.split(".")[1] + "."
        bad = {"missing": None, "unknown": "lode_000000000000_" + "A" * 43, "flipped": flipped, "revoked": revoked["key"],
               "expired": expired["key"], "empty": "lode_", "forged": good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
               "alg none": none, "other secret": token(b"x" * 32, role="admin"), "token expired": token(SECRET, role="admin", exp=now - 5),
               "not yet": token(SECRET, role="admin", nbf=now + 300), "issuer": token(SECRET, role="admin", iss="other"),
               "audience": token(SECRET, role="admin", aud="other"), "role": token(SECRET, role="root"), "no role": token(SECRET),
               "huge": token(SECRET, role="admin", more="x" * 20000)}
        for name, key in bad.items():
            for route in ROUTES:
                answer = ask(server, route, "films", None, key=key)
                if route.role == NOBODY:
                    assert answer.status == 200, (name, route.operation, answer)
                    continue
                assert answer.status == 401 or (name in ("role", "no role") and answer.status in (401, 403)), (name, route.operation, answer)
                assert answer.status != 401 or answer.headers["www-authenticate"].startswith("Bearer"), answer
                assert not key or len(key) < 8 or key.encode() not in answer.body, answer
        assert server.get("/indices/films", key=boss).json["points"] == 6
        secrets = [key for key in bad.values() if key and len(key) > 8]
        log = open(server.log_path).read()
        assert not any(secret in log for secret in secrets)


def test_what_is_seen():
    """Lists, counts and exports show of others neither points nor names."""
    with start() as server:
        boss = make_key(server, "boss", ADMIN)["key"]
        wait_for(server, boss)
        restore(server, boss)
        films = make_key(server, "films", ADMIN, collections="films,films-alias")["key"]
        anna = make_key(server, "anna", WRITE, namespaces="anna")["key"]
        some = make_key(server, "some", WRITE, filter="open = true")["key"]
        for key in (films, anna, some):
            wait_for(server, key)
        assert [index["name"] for index in server.get("/indices", key=films).json["indices"]] == ["films"]
        assert [alias["name"] for alias in server.get("/aliases", key=films).json["aliases"]] == ["films-alias"]
        deadline = time.monotonic() + 10
        while 'collection="films"' not in (text := server.get("/metrics", key=films).body.decode()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "books" not in text
        # An alias gives what it points at: both must be allowed.
        check(server.put("/aliases/films-alias", {"target": "books"}, key=films), 403, "collection")
        check(server.put("/indices/films", {"dim": 3}, key=films), 200)
        assert server.get("/indices/films/namespaces", key=anna).json["namespaces"] == [{"name": "anna", "points": 2}]
        assert all("points" not in index for index in server.get("/indices", key=anna).json["indices"])
        export = server.get("/indices/films/export?namespace=anna", key=anna).body
        assert export.count(b"\n") == 2 and b"films anna" in export
        export = server.get("/indices/films/export", key=some).body
        assert export.count(b"\n") == 1 and b'"id":1' in export
        check(server.get("/indices/films/vectors/2", key=some), 404)
        assert server.post("/indices/films/vectors/count", {"filter": "open = false"}, key=some).json["count"] == 0
        check(server.post("/indices/films/vectors/delete", {"filter": "open = false"}, key=some), 200)
        assert server.get("/indices/films", key=boss).json["points"] == 6
        denied = [line for line in read_audit(server) if line["outcome"] == "denied"]
        assert {"aliases.set"} <= {line["operation"] for line in denied}, denied


NEAR = [1, 0, 0]  # where what is hidden lies


def reads():
    """Of every operation that reads points: ways to ask for those that are hidden. (operation, method, path, body)"""
    ids = [f"{word}-{i}" for i in range(20) for word in ("hidden", "shown")]
    queries = [{"vector": NEAR, "with": ["metadata"]}, {"vector": NEAR, "exact": True}, {"vector": NEAR, "ef_search": 1},
               {"vector": NEAR, "snapshot": "kept"}, {"vector": NEAR, "filter": "mark != 'x'"}, {"id": "shown-1"},
               {"vector": NEAR, "explain": True}, {"vector": NEAR, "compact": True, "with": ["metadata"]},
               {"vector": NEAR, "one_per": "mark", "with": ["metadata"]}, {"queries": [{"vector": NEAR}, {"id": "shown-2"}]},
               {"vector": NEAR, "group_by": "mark", "per_group": 9},
               {"queries": [{"vector": NEAR, "group_by": "mark"}, {"vector": NEAR}]}]
    for body in queries:
        yield "query", "POST", I + "/query", body
    yield "query", "POST", I + "/query?k=99{&n}&with=metadata", struct.pack("<3f", *NEAR)
    yield "query", "POST", I + "/query?batch=true{&n}", struct.pack("<6f", *NEAR, *NEAR)
    for body in ({}, {"by": "mark"}, {"by": "mark", "order": "desc", "limit": 30}, {"snapshot": "kept"}, {"filter": "mark != 'x'"}):
        yield "vectors.scroll", "POST", P + "/scroll", body
    for body in ({"field": "mark"}, {"field": "mark", "snapshot": "kept"}):
        yield "vectors.facets", "POST", P + "/facets", body
    for body in ({"count": 100}, {"count": 100, "snapshot": "kept"}, {"count": 100, "filter": "mark != 'x'"}):
        yield "vectors.sample", "POST", P + "/sample", body
    for body in ({"ids": ids}, {"ids": ids, "snapshot": "kept"}):
        yield "vectors.get", "POST", P + "/get", body
    for body in ({}, {"snapshot": "kept"}, {"filter": "mark != 'x'"}):
        yield "vectors.count", "POST", P + "/count", body
    for more in ("", "&snapshot=kept", "&with=metadata&vectors=base64", "&filter=mark%20!=%20'x'"):
        yield "export", "GET", I + "/export?{n}" + more, None
    for i in ("hidden-1", "shown-1"):
        yield "vectors.get_one", "GET", P + f"/{i}?{{n}}", None
        yield "vectors.get_one", "GET", P + f"/{i}?{{n}}&snapshot=kept", None


def check_read(server, key, namespace, read):
    operation, method, path, body = read
    n = f"namespace={namespace}" if namespace else ""
    path = path.replace("{i}", "films").replace("{&n}", "&" + n if n else "").replace("{n}", n)
    headers = {"Content-Type": "application/vnd.lode.f32"} if isinstance(body, bytes) else {}
    if isinstance(body, dict) and namespace:
        body = {**body, "namespace": namespace}
    answer = server.request(method, path, body, headers=headers, key=key)
    what = (operation, path, body, answer)
    if "/hidden-1" in path:
        assert answer.status == 404, what
        return
    assert answer.status == 200, what
    told = json.dumps(answer.json["points"]).encode() if operation == "vectors.get" else answer.body
    assert b"hidden" not in told, what
    if operation == "vectors.count":
        assert answer.json["count"] == 20, what
    else:
        assert b"shown" in told, what


def put_marked(server, boss, word, namespace):
    vector = NEAR if word == "hidden" else [0, 1, 0]
    points = [{"id": f"{word}-{i}", "vector": vector, "metadata": {"mark": word}} for i in range(20)]
    body = {"vectors": points, **({"namespace": namespace} if namespace else {})}
    check(server.post("/indices/films/vectors?ack=applied", body, key=boss), 200)


def test_no_read_shows_what_is_hidden():
    """Points that a filter or other namespaces hide are in no answer: in memory, in segments and in snapshots, whatever way they
    are asked for."""
    asked = {operation for operation, *_ in reads()}
    assert asked == {route.operation for route in ROUTES if (route.role, route.reach) == (READ, PART)} - {"namespaces.get"}, asked
    with start() as server:
        boss = make_key(server, "boss", ADMIN)["key"]
        some = make_key(server, "some", READ, filter="mark = 'shown'")["key"]
        anna = make_key(server, "anna", READ, namespaces="anna")["key"]
        both = make_key(server, "both", READ, namespaces="anna,both", filter="mark = 'shown'")["key"]
        for key in (boss, some, anna, both):
            wait_for(server, key)
        check(server.put("/indices/films", {"dim": 3}, key=boss), 201)
        for namespace, words in {None: ("hidden", "shown"), "anna": ("shown",), "both": ("hidden", "shown"), "bert": ("hidden",)}.items():
            for word in words:
                put_marked(server, boss, word, namespace)
        check(server.put("/indices/films/snapshots/kept", key=boss), 201)
        for work in (None, "flush", "compact"):
            if work:
                check(server.post("/indices/films/" + work, key=boss), 200)
            for read in reads():
                for key, namespace in ((some, None), (some, "both"), (anna, "anna"), (both, "both"), (both, "anna")):
                    check_read(server, key, namespace, read)


def test_names_are_judged_by_what_they_mean():
    """However a name is written, it is the one that it stands for; and what stands for another is another."""
    with start() as server:
        boss = make_key(server, "boss", ADMIN)["key"]
        films = make_key(server, "films", ADMIN, collections="films")["key"]
        anna = make_key(server, "anna", WRITE, namespaces="anna")["key"]
        for key in (boss, films, anna):
            wait_for(server, key)
        restore(server, boss)
        for path in ("/indices/%62ooks", "/indices/b%6Foks", "/indices/b%6foks", "/indices/%62%6f%6f%6b%73", "http://x/indices/books",
                     "HTTPS://x/indices/books?"):
            assert check(server.get(path, key=boss), 200).json["name"] == "books"
            check(server.get(path, key=films), 403, "collection")
        for path in ("/indices/Films", "/indices/films%20", "/indices/films%2F", "/indices/%2566ilms", "/indices/films%2f..%2fbooks",
                     "/indices/films/../books", "/indices/films/%2e%2e/books", "/indices/./books", "//indices/books", "/indices//books",
                     "/indices/films;/books", "/indices/films%00", "/indices/films%C0%AFbooks", "/indices/%", "/indices/films%", "/Indices/films",
                     "/indices/films/", "/indices/films%0d%0ax", "/indices/books%3f", "/%69ndices/films", "/indices/films-alias"):
            answer = server.get(path, key=films)
            assert answer.status in (400, 403, 404, 405), (path, answer)
        count = "/indices/films/vectors/count"
        for body in ('{"namespace":"anna","namespace":"bert"}', '{"namespace":"anna","names\\u0070ace":"bert"}', '{"namespace":null}', '{}',
                     '{"namespace":""}', '{"namespace":"bert"}', '{"namespace":"ANNA"}', '{"namespace":"anna "}', '{"namespace":"anna\\u0000"}',
                     '{"namespace":["anna"]}', '{"Namespace":"anna"}'):
            answer = server.post(count, body.encode(), key=anna)
            assert answer.status in (400, 403), (body, answer)
        for query in ("", "namespace=", "namespace=%62ert", "namespace=bert&namespace=anna", "n%61mespace=bert&namespace=anna", "Namespace=anna",
                      "namespace=anna&namespace=bert",
                      "namespace=anna%00", "namespace=anna%20", "namespace=anna+", "namespace=%2561nna", "namespace"):
            for path in ("/indices/films/export?", "/indices/films/vectors/1?"):
                answer = server.get(path + query, key=anna)
                assert answer.status in (400, 403), (query, answer)
        assert check(server.get("/indices/films/export?namespace=%61nna", key=anna), 200).body.count(b"films anna") == 2
        for path in ("/indices/films/namespaces/%62ert", "/indices/films/namespaces/anna%20", "/indices/films/namespaces/%41nna"):
            check(server.get(path, key=anna), 403, "namespace")
        check(server.get("/indices/films/namespaces/%61nna", key=anna), 200)


def read_audit(server):
    directory = os.path.join(server.data, "server", "audit")
    names = sorted(name for name in os.listdir(directory) if name.endswith(".jsonl"))
    return [json.loads(line) for name in names for line in open(os.path.join(directory, name))]


def test_names_are_not_callers():
    """A token whose subject is the name of a key is somebody else: its writes, its quota and its lines in the audit log."""
    with start() as server:
        made = make_key(server, "boss", ADMIN)
        boss, other = made["key"], token(SECRET, sub="boss", role="admin")
        wait_for(server, boss)
        check(server.put("/indices/films", {"dim": 3}, key=boss), 201)
        for i, who in enumerate((boss, other, boss, other)):
            body = {"vectors": [{"id": i % 2, "vector": VECTOR}]}
            answer = check(server.post("/indices/films/vectors", body, key=who, headers={"Idempotency-Key": "1"}), 200)
            assert answer.json["repeated"] == (i > 1), (i, answer)
        assert server.get("/indices/films", key=boss).json["points"] == 2
        lines = [line for line in read_audit(server) if line["operation"] == "vectors.upsert"]
        digest = hashlib.sha256(other.encode()).hexdigest()[:16]
        assert [(line["who"], line.get("key"), line.get("token")) for line in lines] == [
            ("boss", made["id"], None), ("boss", None, digest)] * 2, lines


def test_quota():
    with start() as server:
        slow = make_key(server, "slow", READ, requests_per_s="2")["key"]
        wait_for(server, slow)
        time.sleep(1)
        answers = [server.get("/indices", key=slow) for _ in range(12)]
        limited = [answer for answer in answers if answer.status == 429]
        assert limited and all(answer.code == "rate" and int(answer.headers["retry-after"]) >= 1 for answer in limited), answers


def test_a_request_counts_once():
    """Also one whose body has no size: of chunks, and of gRPC."""
    with start() as server:
        boss = make_key(server, "boss", ADMIN)["key"]
        slow = make_key(server, "slow", READ, requests_per_s="10")["key"]
        wait_for(server, slow)
        check(server.put("/indices/films", {"dim": 3}, key=boss), 201)
        body = json.dumps({"vector": VECTOR}).encode()
        head = {"Authorization": "Bearer " + slow}
        time.sleep(1.2)
        with contextlib.closing(server.connect()) as connection:
            passed = 0
            for _ in range(10):
                connection.request("POST", "/indices/films/query", iter([body]), head, encode_chunked=True)
                answer = connection.getresponse()
                answer.read()
                passed += answer.status == 200
        assert passed == 10, passed


def test_denied_requests_count():
    """Who asks for what he may not has asked."""
    with start() as server:
        slow = make_key(server, "slow", READ, requests_per_s="2")["key"]
        wait_for(server, slow)
        time.sleep(1)
        statuses = [server.put("/indices/films", {"dim": 3}, key=slow).status for _ in range(12)]
        assert set(statuses) == {403, 429} and statuses[0] == 403, statuses


def test_batches_count_by_queries():
    with start() as server:
        boss = make_key(server, "boss", ADMIN)["key"]
        slow = make_key(server, "slow", READ, requests_per_s="2")["key"]
        wait_for(server, slow)
        check(server.put("/indices/films", {"dim": 3}, key=boss), 201)
        time.sleep(1.2)
        batch = {"queries": [{"vector": VECTOR}] * 21}
        check(server.post("/indices/films/query", batch, key=slow), 200)
        refused = check(server.post("/indices/films/query", {"vector": VECTOR}, key=slow), 429, "rate")
        assert 9 <= int(refused.headers["retry-after"]) <= 10, refused.headers


if __name__ == "__main__":
    run([test_matrix, test_bad_credentials, test_what_is_seen, test_no_read_shows_what_is_hidden,
         test_names_are_judged_by_what_they_mean, test_names_are_not_callers, test_quota, test_denied_requests_count,
         test_a_request_counts_once, test_batches_count_by_queries])
