#!/usr/bin/env python3
"""deploy/ holds what it promises: docs/metrics.md lists just the metrics that there are, alerts and dashboard use no others,
and promtool accepts and runs the alerts."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(os.environ["LODE_SOURCE"])
PROGRAM = pathlib.Path(os.environ["LODE_BUILD"]) / "tests" / "server" / "test_metrics_serve"
RULES = SOURCE / "deploy" / "prometheus" / "lode.rules.yml"
ROW = re.compile(r"^\| `([a-z_]+)` \| (\w+) \| ((?:`\w+`(?:, )?)*) ?\| .+ \|$", re.M)


def run(*command, stdin=None):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, input=stdin or "", check=False)


def told():
    """Of a text of metrics: {name: (type, labels)}; histograms by the family's name, without le."""
    text = run(PROGRAM).stdout
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    found = {name: (kind, set()) for name, kind in types.items()}
    for name, labels in re.findall(r"^([a-z_]+)(?:\{(.*)\})? [^ ]+$", text, re.M):
        family = name if name in types else re.sub("_(bucket|sum|count)$", "", name)
        found[family][1].update(set(re.findall(r'(\w+)="', labels)) - {"le"})
    return text, found


TEXT, TOLD = told()
DOCUMENTED = {
    name: (kind, set(re.findall(r"`(\w+)`", labels)))
    for name, kind, labels in ROW.findall((SOURCE / "docs" / "metrics.md").read_text())
}


def series(name):
    """A name as queries have it: of a histogram one of its parts."""
    part = re.sub("_(bucket|sum|count)$", "", name)
    if part in TOLD and TOLD[part][0] == "histogram" and part != name:
        return part, TOLD[part][1] | {"le"}
    return name, TOLD.get(name, (None, set()))[1]


def selectors(expression):
    """(name, labels in its braces) of the metrics in an expression."""
    for name, braces in re.findall(r"\b((?:lode|process)_[a-z_]+)(\{[^}]*\})?", expression):
        yield name, re.findall(r"(\w+) ?(?:=~|!~|!=|=)", braces)


class Deploy(unittest.TestCase):
    def check_expression(self, expression, where):
        names = list(selectors(expression))
        for name, labels in names:
            family, known = series(name)
            self.assertIn(family, TOLD, f"{where}: there is no metric {name}")
            self.assertFalse(TOLD[family][0] == "histogram" and family == name, f"{where}: {name} lacks _bucket")
            for label in set(labels) - {"instance", "job"}:
                self.assertIn(label, known, f"{where}: {name} has no label {label}")
        for group in re.findall(r"\bby \(([^)]*)\)", expression):
            labels = set(re.findall(r"\w+", group)) - {"instance", "job"}
            self.assertTrue(any(labels <= series(name)[1] for name, _ in names), f"{where}: by ({group})")
        for name in re.findall(r"(?:rate|increase)\(([a-z_]+)", expression):
            self.assertIn(TOLD[series(name)[0]][0], ("counter", "histogram"), f"{where}: rate of {name}")

    def test_every_metric_is_documented(self):
        self.assertGreater(len(TOLD), 60)
        self.assertEqual(DOCUMENTED, TOLD)

    def test_names_and_types_please_promtool(self):
        done = run("promtool", "check", "metrics", stdin=TEXT)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_rules(self):
        for command in (("check", "rules", RULES), ("check", "config", RULES.with_name("prometheus.yml")),
                        ("test", "rules", RULES.with_name("lode.rules.test.yml"))):
            done = run("promtool", *map(str, command))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rules_use_what_there_is(self):
        text = RULES.read_text()
        alerts = re.findall(r"alert: (\w+)", text)
        self.assertGreater(len(alerts), 10)
        tested = set(re.findall(r"alertname: (\w+)\n", RULES.with_name("lode.rules.test.yml").read_text()))
        self.assertEqual(set(alerts), tested)  # each has a case in which it fires
        for expression in re.findall(r"expr: (?:>-)?(.*?)\n +(?:for|labels):", text, re.S):
            self.check_expression(expression, "rules")

    def test_dashboard(self):
        dashboard = json.loads((SOURCE / "deploy" / "grafana" / "lode.json").read_text())
        variables = {v["name"] for v in dashboard["templating"]["list"]}
        panels = [p for p in dashboard["panels"] if p["type"] != "row"]
        self.assertEqual(len({p["id"] for p in dashboard["panels"]}), len(dashboard["panels"]))
        self.assertGreater(len(panels), 20)
        used = set()
        for panel in panels:
            for target in panel["targets"]:
                self.check_expression(target["expr"], panel["title"])
                used |= {series(name)[0] for name, _ in selectors(target["expr"])}
                for variable in re.findall(r"\$\{?(\w+)", target["expr"] + target["datasource"]["uid"]):
                    self.assertIn(variable, variables | {"__rate_interval"}, panel["title"])
                labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - {"instance", "job"}
                for name, _ in selectors(target["expr"]):
                    self.assertLessEqual(labels, series(name)[1], panel["title"])
        for query in dashboard["templating"]["list"]:
            if query["type"] == "query":
                self.check_expression(query["query"]["query"], query["name"])
        for needed in ("lode_http_request_seconds", "lode_lane_queued", "lode_memory_used_bytes", "lode_disk_free_bytes",
                       "lode_job_running", "lode_collection_wal_bytes", "lode_recall_ratio", "lode_cache_requests_total"):
            self.assertIn(needed, used)

    def test_dashboard_expressions_are_promql(self):
        dashboard = json.loads((SOURCE / "deploy" / "grafana" / "lode.json").read_text())
        rules = []
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                expression = re.sub(r"\$__rate_interval", "5m", target["expr"])
                rules.append({"record": f"x:{len(rules)}", "expr": re.sub(r"\$\w+", "any", expression)})
        groups = {"groups": [{"name": "dashboard", "rules": rules}]}
        done = run("promtool", "check", "rules", "/dev/stdin", stdin=json.dumps(groups))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(rules)} rules found", done.stdout)


if __name__ == "__main__":
    if not shutil.which("promtool"):
        sys.exit(77)
    unittest.main()
