#!/usr/bin/env python3
"""api/openapi.yaml against the server: the same routes as its table, and real requests and answers of every operation that
are as the schemas say. What a schema refuses the server refuses too."""

import base64
import copy
import json
import re
import struct
import sys

from served import SOURCE, Served

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

API = yaml.safe_load((SOURCE / "api/openapi.yaml").read_text())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation, item.get("parameters", []))
    for path, item in API["paths"].items()
    for method, operation in item.items()
    if method != "parameters"
}
JSON = "application/json"
FLOATS = "application/vnd.lode.f32"
LINES = "application/x-ndjson"


def resolved(node):
    while "$ref" in node:
        target = API
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def faults(schema, value):
    whole = {**schema, "components": API["components"]}
    return [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(value)]


def routes_of_the_server():
    text = (SOURCE / "src/server/routes.c").read_text()
    routes = set(re.findall(r'ROUTE\("([^"]+)", "([A-Z]+)", "([^"]+)"', text))
    return routes | {(name, "GET", path) for name, path in re.findall(r'LOOP\("([^"]+)", "([^"]+)"', text)}


def check_routes():
    said = {(name, method, path) for name, (method, path, _, _) in OPERATIONS.items()}
    table = routes_of_the_server()
    assert len(table) > 20, "no table of routes was found"
    assert said == table, f"only in api/openapi.yaml: {said - table}; only in routes.c: {table - said}"


def check_document():
    """Every $ref leads somewhere, and every schema is one."""

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                resolved(node)
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(API)
    for name, schema in API["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name


class Checked:
    """Calls of operations, each looked at from both sides."""

    def __init__(self, server):
        self.server = server
        self.seen = set()
        self.calls = 0

    def target(self, operation, path, query):
        _, pattern, definition, shared = OPERATIONS[operation]
        parameters = [resolved(p) for p in shared + definition.get("parameters", [])]
        for name, value in path.items():
            pattern = pattern.replace("{" + name + "}", value)
        known = {p["name"]: p for p in parameters if p["in"] == "query"}
        for name in query:
            assert name in known, f"{operation}: no parameter {name} in api/openapi.yaml"
        return pattern + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")

    def check_answer(self, operation, answer):
        responses = OPERATIONS[operation][2]["responses"]
        response = responses.get(str(answer.status)) or (responses.get("default") if answer.status >= 400 else None)
        assert response, f"{operation}: status {answer.status} is not in api/openapi.yaml: {answer.data[:300]}"
        content = resolved(response).get("content")
        if not content:
            assert answer.data == b"", f"{operation}: a body where there is none"
            return
        assert answer.type in content, f"{operation}: an answer of type {answer.type}"
        schema = content[answer.type]["schema"]
        if answer.type == JSON:
            values = [answer.json()]
        elif answer.type == LINES:
            values = [json.loads(line) for line in answer.data.splitlines()]
        else:
            values = [answer.data.decode()]
        for value in values:
            wrong = faults(schema, value)
            assert not wrong, f"{operation}: {wrong}\n{value}"

    def body_schema(self, operation, kind):
        return OPERATIONS[operation][2].get("requestBody", {}).get("content", {}).get(kind, {}).get("schema")

    def call(self, operation, path=None, body=None, query=None, kind=None, headers=None, want=200):
        method = OPERATIONS[operation][0]
        target = self.target(operation, path or {}, query or {})
        kind = kind or (None if body is None else JSON)
        if kind == JSON:
            wrong = faults(self.body_schema(operation, kind), body)
            assert not wrong or want >= 400, f"{operation}: the request is not as its schema: {wrong}\n{body}"
        elif kind:
            assert self.body_schema(operation, kind), f"{operation}: no bodies of {kind}"
        heads = dict(headers or {}, **({"Content-Type": kind} if kind else {}))
        answer = self.server.call(method, target, body, heads)
        assert answer.status == want, f"{operation} {target} {body}: {answer.status}, not {want}: {answer.data}"
        self.check_answer(operation, answer)
        if want < 400:
            self.seen.add(operation)
            if kind == JSON and isinstance(body, dict):
                self.call_mutants(operation, target, body)
        self.calls += 1
        return answer

    def call_mutants(self, operation, target, body):
        """Bodies that are wrong by the schema are refused, with an error as it should be, and change nothing."""
        schema = self.body_schema(operation, JSON)
        for mutant in mutants(body):
            if not faults(schema, mutant):
                continue
            answer = self.server.call(OPERATIONS[operation][0], target, mutant)
            assert answer.status in (400, 413, 422), f"{operation}: {answer.status} for {mutant}: {answer.data[:300]}"
            self.check_answer(operation, answer)
            self.calls += 1


def mutants(body):
    yield {**body, "unheard_of": 1}
    yield [body]
    for name, value in body.items():
        for other in (7, -1, 0.5, "x", "", True, [], {}, {"x": 1}, [None], [[1]]):
            yield {**body, name: other}
        yield {k: v for k, v in body.items() if k != name}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in mutants(value[0]):
                yield {**copy.deepcopy(body), name: [inner]}


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def fill(c):
    films = {"name": "films"}
    index = {"type": "hnsw", "m": 8, "ef_construction": 50, "layout": "fast", "seed": 3}
    c.call("indices.create", films, {"dim": 3, "metric": "l2", "scalar": "f32", "index": index,
                                     "fields": {"seen": "datetime"}}, want=201)
    c.call("indices.create", films, {"dim": 3}, want=200)
    c.call("indices.create", films, {"dim": 4}, want=409)
    c.call("indices.create", {"name": ".."}, {"dim": 4}, want=400)
    c.call("indices.get", films)
    c.call("indices.get", {"name": "none"}, want=404)
    c.call("indices.list")
    c.call("indices.update", films, {"metric": "l2"})
    c.call("indices.update", films, {"dim": 9}, want=422)
    vector = base64.b64encode(floats(0, 0, 1)).decode()
    points = [
        {"id": 1, "vector": [1, 0, 0], "metadata": {"lang": "en", "year": 1979, "seen": "2024-01-01T00:00:00Z"},
         "text": "one"},
        {"id": "two", "vector": [0, 1, 0], "metadata": {"lang": "fr", "year": 1990}, "expires": 4102444800000},
        {"id": "550e8400-e29b-41d4-a716-446655440000", "vector": vector, "if": "absent"},
        {"id": 4, "vector": [0, 1, 1], "metadata": {"lang": "en", "year": 1999}, "expires": "2100-01-01T00:00:00Z"},
    ]
    c.call("vectors.upsert", films, {"vectors": points}, {"ack": "logged"}, headers={"Idempotency-Key": "a"})
    again = c.call("vectors.upsert", films, {"vectors": points}, headers={"Idempotency-Key": "a"})
    assert again.json()["repeated"] is True
    c.call("vectors.upsert", films, {"vectors": points[2:3]}, want=409)
    c.call("vectors.upsert", films, {"vectors": [{"id": 9, "vector": [1, 2]}]}, want=422)
    c.call("vectors.upsert", films, {"vectors": points[:1], "namespace": "a", "if": "absent"})
    c.call("vectors.upsert", films, floats(1, 1, 1, 2, 2, 2), {"first_id": 100, "namespace": "raw"}, kind=FLOATS)
    c.call("vectors.upsert", films, struct.pack("<Q3f", 7, 1, 2, 3), {"ids": "u64", "ack": "applied"}, kind=FLOATS)
    c.call("vectors.upsert", films, floats(1, 1), {"first_id": 100}, kind=FLOATS, want=422)
    assert c.call("vectors.count", films, {}).json()["count"] == 5


def query(c):
    films = {"name": "films"}
    everything = ["vector", "metadata", "text", "version", "expires"]
    c.call("query", films, {"vector": [1, 0, 0]})
    c.call("query", films, {"id": 1, "k": 2, "with": everything, "filter": {"year": {"gte": 1980}}, "ef_search": 100,
                            "fields": ["year"], "exact": True, "deadline_ms": 10000, "allow_damaged": True})
    c.call("query", films, {"vector": [1, 0, 0], "explain": True, "filter": 'lang = "en"', "namespace": None})
    c.call("query", films, {"vector": [1, 0, 0], "group_by": "lang", "per_group": 2, "k": 2, "explain": True})
    c.call("query", films, {"vector": [1, 0, 0], "one_per": "lang", "namespace": "a"})
    c.call("query", films, {"vector": [1, 0, 0], "compact": True, "with": everything})
    c.call("query", films, {"queries": [{"vector": [1, 0, 0], "k": 1}, {"id": 4}], "k": 3, "with": ["metadata"]})
    c.call("query", films, {"queries": [{"vector": [1, 0, 0], "group_by": "year"}, {"id": 4, "explain": True}]})
    c.call("query", films, {"text": "lost"}, want=404)
    c.call("query", films, {"vector": [1, 0, 0], "k": 20000}, want=400)
    c.call("query", {"name": "none"}, {"vector": [1, 0, 0]}, want=404)
    c.call("query", films, floats(1, 0, 0), {"k": 2, "with": "metadata,text", "fields": "lang", "exact": "true",
                                             "filter": "year%20%3E%201980", "deadline_ms": 9000}, kind=FLOATS)
    c.call("query", films, floats(1, 0, 0, 0, 1, 0), {"batch": "true", "compact": "true", "ef_search": 64}, kind=FLOATS)
    c.call("query", films, floats(1, 0, 0), {"group_by": "lang", "per_group": 1, "explain": "true",
                                             "allow_damaged": "false"}, kind=FLOATS)
    c.call("query", films, floats(1, 0, 0), {"one_per": "lang"}, kind=FLOATS)
    c.call("query", films, floats(1, 0), {"k": 2}, kind=FLOATS, want=422)


def read(c):
    films = {"name": "films"}
    everything = "vector,metadata,text,version,expires"
    one = {**films, "id": "1"}
    c.call("vectors.get_one", one, query={"with": everything})
    c.call("vectors.get_one", one, query={"fields": "year,lang", "namespace": "a", "deadline_ms": 1000})
    c.call("vectors.get_one", one, query={"id_kind": "string"}, want=404)
    c.call("vectors.get", films, {"ids": [1, "two", 77], "with": everything.split(","), "deadline_ms": 1000})
    c.call("vectors.get", films, {"ids": [1, "two"], "compact": True, "fields": ["lang"], "with": everything.split(",")})
    page = c.call("vectors.scroll", films, {"by": "year", "order": "desc", "limit": 2, "with": ["vector"]}).json()
    c.call("vectors.scroll", films, {"by": "year", "order": "desc", "limit": 2, "after": page["next"],
                                     "filter": {"lang": "en"}, "compact": True, "with": everything.split(",")})
    c.call("vectors.count", films, {"filter": "year > 1980", "namespace": None, "deadline_ms": 1000})
    c.call("vectors.count", films, {"filter": "yaer > 1980"}, want=422)
    c.call("vectors.facets", films, {"field": "lang", "limit": 5, "filter": {"year": {"gt": 1900}}})
    c.call("vectors.sample", films, {"count": 2, "seed": 5, "filter": "year > 1900", "fields": ["year"]})
    c.call("vectors.sample", films, {"compact": True, "with": []})


def watch(c):
    films = {"name": "films"}
    for operation in ("indices.stats", "namespaces.list", "snapshots.list"):
        c.call(operation, films)
    c.call("namespaces.list", films, query={"limit": 1, "after": "a"})
    c.call("namespaces.get", {**films, "namespace": "a"})
    c.call("namespaces.get", {**films, "namespace": "none"}, want=404)
    c.call("snapshots.create", {**films, "snapshot": "s"}, want=201)
    c.call("snapshots.create", {**films, "snapshot": "s"}, want=409)
    c.call("snapshots.list", films)
    c.call("query", films, {"vector": [1, 0, 0], "snapshot": "s"})
    for operation in ("indices.flush", "indices.compact", "indices.stats"):
        c.call(operation, films)
    c.call("aliases.set", {"alias": "movies"}, {"target": "films"})
    c.call("aliases.set", {"alias": "movies"}, {"target": "none"}, want=404)
    c.call("aliases.list")
    c.call("query", {"name": "movies"}, {"vector": [1, 0, 0]})
    for operation in ("healthz", "readyz", "metrics"):
        c.call(operation)
    served = c.call("openapi").data
    assert served == (SOURCE / "api/openapi.yaml").read_bytes()


def stream(c):
    films = {"name": "films"}
    everything = "vector,metadata,text,version,expires"
    lines = c.call("export", films, query={"with": everything}).data
    assert len(lines.splitlines()) == 5
    c.call("export", films, query={"vectors": "base64", "filter": "year%20%3E%201980", "snapshot": "s"})
    for line in lines.splitlines():
        value = json.loads(line)
        value.pop("version")
        wrong = faults(API["components"]["schemas"]["PointIn"], value)
        assert not wrong, f"what is exported cannot be imported: {wrong}"
    c.call("import", films, lines, {"namespace": "copy", "ack": "durable"}, kind=LINES, headers={"Idempotency-Key": "i"})
    assert c.call("vectors.count", films, {"namespace": "copy"}).json()["count"] == 5
    c.call("import", films, b'{"id":1,"vector":[1,2,3]}\n{"id":2}\n', kind=LINES, want=400)


def write(c):
    films = {"name": "films"}
    c.call("vectors.patch", films, {"ids": [1], "metadata": {"lang": None, "x": {"y": 1}}, "mode": "merge_deep",
                                    "expires": None, "text": None, "if": "present"})
    c.call("vectors.patch", films, {"filter": {"lang": "en"}, "remove": ["year"]})
    c.call("vectors.patch", films, {"patches": [{"id": 1, "text": "t"}, {"id": 4, "metadata": {}, "mode": "set"}]},
           headers={"Idempotency-Key": "p"})
    c.call("vectors.delete", films, {"ids": [1, 5], "if": "present"}, want=409)
    c.call("vectors.delete", films, {"ids": [1, 99], "namespace": None}, {"ack": "applied"})
    c.call("vectors.delete", films, {"filter": "year > 1900"})
    one = {**films, "id": "4"}
    c.call("vectors.delete_one", one, query={"if_version": 1}, want=409)
    c.call("vectors.delete_one", one, query={"ack": "logged"}, headers={"Idempotency-Key": "d"})
    c.call("namespaces.delete", {**films, "namespace": "a"})
    c.call("snapshots.delete", {**films, "snapshot": "s"}, want=204)
    c.call("aliases.delete", {"alias": "movies"}, want=204)
    c.call("indices.delete", films, want=204)
    c.call("indices.delete", films, want=404)


def main():
    check_document()
    check_routes()
    with Served() as server:
        c = Checked(server)
        for part in (fill, query, read, watch, stream, write):
            part(c)
        missing = set(OPERATIONS) - c.seen
        assert not missing, f"not called: {missing}"
        print(f"{len(OPERATIONS)} operations, {c.calls} calls")


main()
