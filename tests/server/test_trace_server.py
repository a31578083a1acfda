#!/usr/bin/env python3
"""A running server is seen: its traces reach a collector, slow queries its log, counts its metrics; and a real Prometheus takes
these as they are."""

import http.server
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

SOURCE = pathlib.Path(os.environ["LODE_SOURCE"])
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DIM, POINTS, PATIENCE_S = 64, 20000, 120


class Collector(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in document["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                self.server.spans += scope["spans"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def wait_for(what):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


class Seen(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="lode-seen-"))
        cls.collector = Collector()
        cls.log = cls.dir / "log"
        environment = {**os.environ, "no_proxy": "127.0.0.1", "http_proxy": ""}
        cls.train(environment)
        cls.server = subprocess.Popen(
            [os.environ["LODE_BIN"], "serve", "--data", cls.dir / "data", "--listen", "127.0.0.1:0", "--auth", "no",
             "--log.file", cls.log, "--log.format", "json", "--log.slow-query", "1ms",
             "--traces.endpoint", f"http://127.0.0.1:{cls.collector.server_address[1]}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        cls.url = re.search(r"http://\S+?:\d+", cls.server.stdout.readline())[0]
        wait_for(lambda: cls.get("/readyz")[0] == 200)
        cls.ask("PUT", "/indices/films", {"dim": DIM, "index": {"type": "flat"}})
        rng = random.Random(1)
        for begin, name in itertools.product(range(0, POINTS, 5000), ("films", "texts")):
            cls.ask("POST", f"/indices/{name}/vectors", {"vectors": [
                {"id": i, "vector": [round(rng.random(), 3) for _ in range(DIM)], "metadata": {"genre": "zq9", "n": i}}
                for i in range(begin, begin + 5000)]})

    @classmethod
    def train(cls, environment):
        """An index that can embed texts."""
        rng, words = random.Random(2), [f"word{i}" for i in range(300)]
        texts = cls.dir / "texts.jsonl"
        texts.write_text("".join(json.dumps({"id": i, "text": " ".join(rng.choices(words, k=20))}) + "\n" for i in range(500)))
        subprocess.run([os.environ["LODE_BIN"], "create", cls.dir / "data", "texts", "--dim", str(DIM), "--metric", "cosine",
                        "--index", "flat", "--train", texts, "--language", "english"], check=True, env=environment,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls):
        cls.server.send_signal(signal.SIGTERM)
        cls.server.wait(60)
        cls.server.stdout.close()
        cls.collector.shutdown()
        cls.collector.server_close()
        shutil.rmtree(cls.dir)

    @classmethod
    def get(cls, path):
        try:
            with DIRECT.open(cls.url + path, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @classmethod
    def ask(cls, method, path, body, **headers):
        request = urllib.request.Request(cls.url + path, json.dumps(body).encode(), method=method,
                                         headers={"content-type": "application/json", **headers})
        with DIRECT.open(request, timeout=60) as answer:
            return json.loads(answer.read()), dict(answer.headers)

    @classmethod
    def query(cls, **headers):
        return cls.ask("POST", "/indices/films/query",
                       {"vector": [0.5] * DIM, "k": 5, "exact": True, "filter": {"genre": "zq9"}}, **headers)

    def value(self, sample):
        found = re.search(f"^{re.escape(sample)} (.+)$", self.get("/metrics")[1], re.M)
        return float(found[1]) if found else 0

    def test_traces(self):
        _, headers = self.query(traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="rojo=1")
        found = wait_for(lambda: [s for s in self.collector.spans if s["traceId"] == TRACE and s["kind"] == 2])
        (request,) = found
        self.assertEqual((request["name"], request["parentSpanId"]), ("query", PARENT))
        given = {k.lower(): v for k, v in headers.items()}.get("traceparent")
        self.assertEqual(given, f"00-{TRACE}-{request['spanId']}-01")
        names = {}
        for span in [s for s in self.collector.spans if s["traceId"] == TRACE]:
            names.setdefault(span["name"], []).append(span)
        (search,), (plan,) = names["search"], names["plan"]
        self.assertEqual((search["parentSpanId"], plan["parentSpanId"]), (request["spanId"],) * 2)
        self.assertTrue(names["segment"])
        for segment in names["segment"]:
            self.assertEqual(segment["parentSpanId"], plan["spanId"])
        values = {a["key"]: a["value"] for a in search["attributes"]}
        self.assertEqual(values["lode.k"], {"intValue": "5"})
        self.assertEqual({s["traceState"] for s in self.collector.spans if s["traceId"] == TRACE}, {"rojo=1"})
        self.assertEqual(values["lode.filter"], {"stringValue": '{"genre": ?}'})
        self.assertGreaterEqual(int(values["lode.distances"]["intValue"]), POINTS)
        # A state without a trace is of nobody's.
        self.query(traceparent=f"00-{'0' * 32}-{PARENT}-01", tracestate="rojo=2")
        # Whoever does not ask for it is not traced.
        self.query(traceparent=f"00-{TRACE[::-1]}-{PARENT}-00")
        self.assertFalse([s for s in self.collector.spans if s["traceId"] == TRACE[::-1]])

    def test_slow_queries(self):
        def slow():
            self.query()
            lines = [json.loads(line) for line in self.log.read_text().splitlines()]
            return [line for line in lines if line["message"] == "slow query" and "plan" in line]

        line = wait_for(slow)[0]
        self.assertEqual((line["collection"], line["by"], line["k"], line["ef_search"]), ("films", "vector", 5, 0))
        self.assertEqual(line["filter"], '{"genre": ?}')
        self.assertGreaterEqual(line["took_ms"], 1)
        self.assertGreaterEqual(line["distances"], POINTS)
        self.assertEqual(line["plan"]["longest"][0]["plan"], "scan")
        self.assertNotIn("zq9", self.log.read_text())
        self.assertGreaterEqual(self.value("lode_slow_queries_total"), 1)

    def slow_line(self, **wanted):
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["message"] == "slow query" and wanted.items() <= line.items() and "plan" in line]

    def test_slow_groups(self):
        def slow():
            self.ask("POST", "/indices/films/query", {"vector": [0.5] * DIM, "k": 3, "exact": True, "group_by": "n", "filter": "n < 15000"})
            return self.slow_line(by="vector", k=3)

        self.assertGreaterEqual(wait_for(slow)[0]["distances"], 15000)

    def test_slow_texts(self):
        def slow():
            self.ask("POST", "/indices/texts/query", {"text": "word1 word2", "k": 999, "with": ["vector"], "exact": True})
            return self.slow_line(collection="texts", by="text", k=999)

        self.assertEqual(wait_for(slow)[0]["plan"]["longest"][0]["plan"], "scan")

    def test_queries_are_counted(self):
        before = self.value("lode_queries_total"), self.value("lode_query_distances_total")
        self.query()
        self.ask("POST", "/indices/films/query", {"queries": [{"vector": [0.1] * DIM}] * 3})
        after = self.value("lode_queries_total"), self.value("lode_query_distances_total")
        self.assertEqual(after[0] - before[0], 4)
        self.assertGreaterEqual(after[1] - before[1], POINTS)

    @unittest.skipUnless(shutil.which("prometheus"), "no prometheus")
    def test_prometheus(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=self.get("/metrics")[1], text=True,
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        sample = (SOURCE / "deploy" / "prometheus" / "prometheus.yml").read_text()
        address = self.url.removeprefix("http://")
        (self.dir / "prometheus.yml").write_text(sample.replace("127.0.0.1:7700", address).replace("15s", "1s"))
        shutil.copy(SOURCE / "deploy" / "prometheus" / "lode.rules.yml", self.dir)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with open(self.dir / "prometheus.log", "w") as log, subprocess.Popen(
                ["prometheus", f"--config.file={self.dir}/prometheus.yml", f"--storage.tsdb.path={self.dir}/series",
                 f"--web.listen-address=127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process:
            try:
                self.check_prometheus(f"http://127.0.0.1:{port}")
            finally:
                process.kill()

    def check_prometheus(self, url):
        def ask(expression):
            query = urllib.parse.urlencode({"query": expression})
            try:
                with DIRECT.open(f"{url}/api/v1/query?{query}", timeout=30) as answer:
                    return json.loads(answer.read())["data"]["result"]
            except OSError:
                return []

        def scraped():
            self.query()
            return ask('increase(lode_http_requests_total{operation="query",status="200"}[30s]) > 0')

        wait_for(scraped)
        (points,) = wait_for(lambda: ask('lode_collection_points{collection="films"} > 0'))
        self.assertEqual(points["value"][1], str(POINTS))
        wait_for(lambda: ask('histogram_quantile(0.99, rate(lode_http_request_seconds_bucket{operation="query"}[30s])) > 0'))
        with DIRECT.open(f"{url}/api/v1/targets", timeout=30) as answer:
            (target,) = json.loads(answer.read())["data"]["activeTargets"]
        self.assertEqual((target["health"], target["lastError"]), ("up", ""))


if __name__ == "__main__":
    unittest.main()
