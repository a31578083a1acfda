#!/usr/bin/env python3
"""Traces arrive at a collector: an HTTP server of Python's that reads OTLP/JSON as strictly as the protocol says."""

import http.server
import json
import os
import re
import subprocess
import threading
import time
import unittest

PROGRAM = os.path.join(os.environ["LODE_BUILD"], "tests", "server", "test_trace_concurrent")
ENVIRONMENT = {**os.environ, "no_proxy": "127.0.0.1", "http_proxy": ""}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(http.server.ThreadingHTTPServer):
    """answers: the statuses of the first requests; 200 afterwards. A status of 0 keeps the sender waiting."""

    def __init__(self, answers=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests, self.lock = list(answers), [], threading.Lock()
        self.done = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def __exit__(self, *args):
        self.done.set()
        self.shutdown()
        super().__exit__(*args)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests.append((self.path, self.headers["Content-Type"], body, time.monotonic()))
            status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 0:
            self.server.done.wait(30)
            return
        self.send_response(status)
        if status == 301:
            self.send_header("Location", self.server.url("/elsewhere"))
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


def send(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=ENVIRONMENT, check=True)
    sent, dropped = map(int, done.stdout.split())
    return sent, dropped


def spans_of(body):
    document = json.loads(body)
    (resource,) = document["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    attributes = {a["key"]: a["value"]["stringValue"] for a in resource["resource"]["attributes"]}
    assert attributes["service.name"] == "lode" and re.fullmatch(r"\d+\.\d+\.\d+", attributes["service.version"])
    assert scope["scope"]["name"] == "lode"
    return scope["spans"]


class Traces(unittest.TestCase):
    def test_arrive_whole(self):
        with Collector() as collector:
            self.assertEqual(send(collector.url(), 4, 400), (4800, 0))
            spans = []
            for path, content_type, body, _ in collector.requests:
                self.assertEqual((path, content_type), ("/v1/traces", "application/json"))
                batch = spans_of(body)
                self.assertLess(len(batch), 520)
                spans += batch
        self.assertEqual(len(spans), 4800)
        self.assertEqual(len({span["spanId"] for span in spans}), 4800)
        requests = {span["spanId"]: span for span in spans if span["kind"] == 2}
        self.assertEqual(len(requests), 1600)
        for span in spans:
            self.assertEqual((span["traceId"], span["traceState"]), (TRACE, "rojo=00f067aa0ba902b7"))
            self.assertRegex(span["spanId"], "^[0-9a-f]{16}$")
            self.assertIsInstance(span["startTimeUnixNano"], str)
            start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
            self.assertLess(abs(start / 1e9 - time.time()), 3600)
            self.assertLessEqual(start, end)
            if span["kind"] == 2:
                self.assertEqual(span["parentSpanId"], PARENT)
                values = {a["key"]: a["value"] for a in span["attributes"]}
                self.assertEqual(values["db.collection.name"], {"stringValue": "films"})
                number = int(values["lode.k"]["intValue"])
                self.assertEqual("status" in span, number % 10 == 0)
            else:
                self.assertIn(span["parentSpanId"], requests)

    def test_endpoint_with_its_path(self):
        with Collector() as collector:
            send(collector.url("/v1/traces"), 1, 1)
            send(collector.url("/prefix/"), 1, 1)
            self.assertEqual([r[0] for r in collector.requests], ["/v1/traces", "/prefix/v1/traces"])

    def test_what_passes_is_tried_once_more(self):
        with Collector([503, 429]) as collector:
            self.assertEqual(send(collector.url(), 1, 1), (0, 3))
            self.assertEqual(len(collector.requests), 2)
        with Collector([503]) as collector:
            self.assertEqual(send(collector.url(), 1, 1), (3, 0))
            self.assertEqual(collector.requests[0][2], collector.requests[1][2])

    def test_what_does_not_pass_is_not(self):
        for status in (400, 301, 500):
            with Collector([status]) as collector:
                self.assertEqual(send(collector.url(), 1, 1), (0, 3))
                self.assertEqual(len(collector.requests), 1)

    def test_freeing_sends_what_is_queued(self):
        with Collector() as collector:
            self.assertEqual(send(collector.url(), 1, 20, "stop"), (0, 0))
            self.assertEqual(len(spans_of(collector.requests[0][2])), 60)

    def test_freeing_gives_up_on_a_silent_collector(self):
        with Collector([0, 0, 0]) as collector:
            begun = time.monotonic()
            send(collector.url(), 1, 2000, "stop")
            self.assertLess(time.monotonic() - begun, 20)  # two seconds; far more where a machine is slow


if __name__ == "__main__":
    unittest.main()
