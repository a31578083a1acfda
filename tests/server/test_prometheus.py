#!/usr/bin/env python3
"""A real Prometheus scrapes metrics, evaluates the rules of deploy/ on them, and answers the dashboard's questions."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

SOURCE = pathlib.Path(os.environ["LODE_SOURCE"])
PROGRAM = pathlib.Path(os.environ["LODE_BUILD"]) / "tests" / "server" / "test_metrics_serve"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PATIENCE_S = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url):
    with DIRECT.open(url, timeout=30) as answer:
        return answer.read()


class Prometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="lode-prometheus-"))
        cls.processes = []
        try:
            cls.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for process in cls.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()
        shutil.rmtree(cls.dir)

    @classmethod
    def start(cls):
        server = subprocess.Popen([PROGRAM, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.processes.append(server)
        cls.target = f"127.0.0.1:{int(server.stdout.readline())}"
        sample = (SOURCE / "deploy" / "prometheus" / "prometheus.yml").read_text()
        config = sample.replace("127.0.0.1:7700", cls.target).replace("15s", "1s")
        (cls.dir / "prometheus.yml").write_text(config)
        shutil.copy(SOURCE / "deploy" / "prometheus" / "lode.rules.yml", cls.dir)
        port = free_port()
        cls.url = f"http://127.0.0.1:{port}"
        with open(cls.dir / "log", "w") as log:
            cls.processes.append(subprocess.Popen(
                ["prometheus", f"--config.file={cls.dir}/prometheus.yml", f"--storage.tsdb.path={cls.dir}/data",
                 f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=1h"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def ask(self, expression):
        """The samples of an expression, {labels without job and instance: value}."""
        query = urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(f"{self.url}/api/v1/query?{query}"))
        self.assertEqual(answer["status"], "success")
        return {tuple(sorted((k, v) for k, v in sample["metric"].items() if k not in ("job", "instance"))):
                float(sample["value"][1]) for sample in answer["data"]["result"]}

    def wait_for(self, expression, wanted):
        """Asks until it is so: samples come when Prometheus has scraped."""
        found, until = None, time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                found = self.ask(expression)
            except OSError:
                found = "nothing: it does not answer yet"
            if isinstance(found, dict) and wanted(found):
                return found
            time.sleep(0.2)
        self.fail(f"{expression} is {found}; Prometheus says:\n{(self.dir / 'log').read_text()[-2000:]}")

    def test_scrapes_all_of_it(self):
        self.wait_for('count_over_time(up{job="lode"}[1m]) >= 3', len)
        targets = json.loads(get(f"{self.url}/api/v1/targets"))["data"]["activeTargets"]
        self.assertEqual([(t["health"], t["lastError"]) for t in targets], [("up", "")])
        text = get(f"http://{self.target}/metrics").decode()
        families = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
        samples = re.findall(r"^([a-z_]+)(?:\{.*\})? [^ ]+$", text, re.M)
        for name in set(samples):
            found = self.ask(name)
            self.assertEqual(len(found), samples.count(name), name)
        self.assertGreater(len(families), 60)
        metadata = json.loads(get(f"{self.url}/api/v1/metadata?limit=1000"))["data"]
        self.assertLessEqual(families, set(metadata))

    def test_numbers_arrive(self):
        self.wait_for('rate(lode_http_requests_total{operation="query",status="200"}[30s]) > 0', len)
        found = self.wait_for('histogram_quantile(0.5, rate(lode_http_request_seconds_bucket{operation="vectors.upsert"}[30s]))',
                              lambda samples: any(value > 0 for value in samples.values()))
        (value,) = found.values()
        self.assertTrue(0.01 < value <= 0.025, value)  # 16 ms
        (ratio,) = self.wait_for("lode_recall_hits_found_total / lode_recall_hits_total", len).values()
        self.assertAlmostEqual(ratio, 0.9)

    def test_rules_are_evaluated(self):
        self.wait_for("lode:http_request_seconds:p99_5m", len)
        (group,) = json.loads(get(f"{self.url}/api/v1/rules"))["data"]["groups"]
        for rule in group["rules"]:
            self.assertIn(rule["health"], ("ok", "unknown"), rule)
            self.assertFalse(rule.get("lastError"), rule)
        self.wait_for('ALERTS{alertname="LodeRefusing"}', len)  # a fifth of its requests are 429

    def test_dashboard_shows_something(self):
        self.wait_for('count_over_time(up{job="lode"}[1m]) >= 5', len)
        dashboard = json.loads((SOURCE / "deploy" / "grafana" / "lode.json").read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "30s").replace("$job", "lode")
                expression = re.sub(r"\$(instance|operation|collection)", ".*", expression)
                with self.subTest(panel["title"]):
                    self.assertTrue(self.ask(expression), expression)


if __name__ == "__main__":
    if not shutil.which("prometheus"):
        sys.exit(77)
    unittest.main()
