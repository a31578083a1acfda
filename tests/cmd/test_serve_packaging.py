#!/usr/bin/env python3
"""What packaging/ holds: units that systemd takes, a sample of settings that are settings, an image that follows the rules
for images. What needs a registry or a running systemd is not tried."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("LODE_SOURCE", "."))
BUILD = pathlib.Path(os.environ.get("LODE_BUILD", "build/release"))
PACKAGING = SOURCE / "packaging"
SERVE = [str(BUILD / "tests/cmd/test_serve_standin_concurrent"), "serve"]


def serve(*words):
    """Settings are read and checked in this process alone; the database is not touched."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LODE_")}
    return subprocess.run([*SERVE, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, env=clean)


def settings():
    return {entry["key"]: entry for entry in json.loads(serve("--print-config", "--json").stdout)["settings"]}


class Sample(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "lode.yaml"
        self.text = (PACKAGING / "lode.yaml").read_text()

    def write(self, text):
        self.path.write_text(text)
        self.path.chmod(0o644)

    def test_it_is_sound_as_it_is(self):
        self.write(self.text)
        checked = serve("--config", self.path, "--check-config")
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_all_that_is_commented_out_is_a_setting(self):
        """A comment begins with "# ", a setting that is left out with "#"."""
        self.write(re.sub(r"(?m)^#(?! \w)", "", self.text))
        printed = serve("--config", self.path, "--print-config", "--json")
        self.assertEqual(printed.returncode, 0, printed.stderr)
        found = {entry["key"]: entry for entry in json.loads(printed.stdout)["settings"]}
        self.assertGreater(sum(entry["origin"] == "file" for entry in found.values()), 25)
        self.assertEqual(found["tls.client-ca"]["value"], "/etc/lode/client-ca.pem")
        self.assertEqual(found["engine.memory"]["origin"], "file")

    def test_what_it_says_of_defaults_is_true(self):
        self.write(re.sub(r"(?m)^#(?! \w)", "", self.text))
        found = json.loads(serve("--config", self.path, "--print-config", "--json").stdout)["settings"]
        examples = {"data", "traces.endpoint"} | {key for key in settings() if key.startswith(("tls.", "auth.jwt."))}
        for entry in found:
            if entry["origin"] == "file" and entry["key"] not in examples and entry["value"] != ["127.0.0.1:7700"]:
                self.assertIn(entry["default"], (entry["value"], "json; text on a terminal"), entry["key"])


class Units(unittest.TestCase):
    def sections(self, name):
        """Of a unit file: section, key, value."""
        section = None
        for line in (PACKAGING / name).read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                key, _, value = line.partition("=")
                yield section, key, value

    def unit(self, name):
        found = {}
        for section, key, value in self.sections(name):
            found.setdefault((section, key), []).append(value)
        return found

    def test_the_service_is_what_the_server_agrees_to(self):
        unit = self.unit("lode.service")
        self.assertEqual(unit["Service", "Type"], ["notify"])
        self.assertEqual(unit["Service", "ExecReload"], ["/bin/kill -HUP $MAINPID"])
        self.assertEqual(unit["Service", "RestartPreventExitStatus"], ["2"])
        words = shlex.split(unit["Service", "ExecStart"][0])
        self.assertEqual(words[:2], ["/usr/bin/lode", "serve"])
        self.assertIn("--config", words)
        drain_s = int(settings()["http.drain-time"]["value"].rstrip("s"))
        self.assertGreater(int(unit["Service", "TimeoutStopSec"][0]), drain_s)

    def test_the_sample_s_data_is_where_the_service_may_write(self):
        unit = self.unit("lode.service")
        self.assertIn("\ndata: /var/lib/%s\n" % unit["Service", "StateDirectory"][0],
                      (PACKAGING / "lode.yaml").read_text())
        self.assertEqual(unit["Service", "ProtectSystem"], ["strict"])
        self.assertEqual(unit["Service", "CapabilityBoundingSet"], [""])

    def test_the_socket_stands_in_for_the_default_address(self):
        self.assertEqual(self.unit("lode.socket")["Socket", "ListenStream"], settings()["listen"]["value"])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd here")
    def test_systemd_takes_them(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("lode.service", "lode.socket"):
                text = (PACKAGING / name).read_text().replace("/usr/bin/lode ", "/bin/true ")
                (pathlib.Path(folder) / name).write_text(text)
            verified = subprocess.run(["systemd-analyze", "verify", "--man=no", f"{folder}/lode.service",
                                       f"{folder}/lode.socket"], capture_output=True, text=True, timeout=60)
            said = [line for line in verified.stderr.splitlines() if "lode." in line]
            self.assertEqual(said, [])
            rated = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager",
                                    f"{folder}/lode.service"], capture_output=True, text=True, timeout=60)
            self.assertEqual(rated.returncode, 0, rated.stdout[-300:])


class Image(unittest.TestCase):
    def setUp(self):
        text = (PACKAGING / "Containerfile").read_text()
        lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
        self.steps = [line.split(None, 1) for line in lines if line]
        last = max(i for i, (word, _) in enumerate(self.steps) if word == "FROM")
        self.final = self.steps[last:]

    def said(self, word, steps=None):
        return [rest for first, rest in steps or self.final if first == word]

    def test_bases_are_pinned(self):
        for base in self.said("FROM", self.steps):
            self.assertRegex(base, r"^debian:12(-slim)?( AS \w+)?$")

    def test_it_is_not_root_and_keeps_its_data(self):
        self.assertEqual(self.said("USER"), ["lode"])
        self.assertEqual(self.said("VOLUME"), ["/var/lib/lode"])
        position = [word for word, _ in self.final].index
        self.assertLess(max(i for i, (word, _) in enumerate(self.final) if word == "RUN"), position("USER"))

    def test_it_starts_and_stops_the_server_itself(self):
        self.assertEqual([json.loads(words) for words in self.said("ENTRYPOINT") + self.said("CMD")],
                         [["/usr/bin/lode"], ["serve"]])
        self.assertEqual(self.said("STOPSIGNAL"), ["SIGTERM"])
        self.assertIn("/healthz", self.said("ENV")[0])
        self.assertIn("$HEALTH_URL", self.said("HEALTHCHECK")[0])

    def test_its_variables_are_settings(self):
        variables = {entry["environment"]: entry for entry in settings().values()}
        named = dict(word.split("=", 1) for word in self.said("ENV")[0].split())
        for name in named:
            if name.startswith("LODE_"):
                self.assertIn(name, variables)
        self.assertIn(named["LODE_DATA"], self.said("VOLUME"))
        self.assertIn(named["LODE_LISTEN"].rpartition(":")[2], self.said("EXPOSE"))

    def test_packages_leave_no_lists_behind(self):
        for step in self.said("RUN", self.steps):
            if "apt-get" in step:
                self.assertIn("--no-install-recommends", step)
                self.assertIn("rm -rf /var/lib/apt/lists/*", step)
        self.assertEqual(self.said("ADD", self.steps), [])

    def test_what_it_builds_exists(self):
        self.assertRegex((SOURCE / "Makefile").read_text(), r"(?m)^deb: ")
        self.assertIn(".git\n", (SOURCE / ".dockerignore").read_text())


if __name__ == "__main__":
    if not pathlib.Path(SERVE[0]).exists():
        sys.exit(77)  # no cmocka, so no stand-in
    unittest.main()
