"""A server of its own for a test: started on a port that the system chooses, over a directory that goes with it."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

SOURCE = pathlib.Path(os.environ.get("LODE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("LODE_BUILD", SOURCE / "build/release"))
LODE = os.environ.get("LODE_BIN", str(BUILD / "lode"))


class Answer:
    def __init__(self, response, data):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.type = self.headers.get("content-type", "").split(";")[0]
        self.data = data

    def json(self):
        return json.loads(self.data)


class Served:
    """with Served() as server: server.call("GET", "/healthz")"""

    def __init__(self, *options):
        self.directory = tempfile.TemporaryDirectory()
        command = [LODE, "serve", "--data", self.directory.name + "/db", "--auth", "no", "--listen", "127.0.0.1:0"]
        self.log = open(self.directory.name + "/log", "w+")
        self.process = subprocess.Popen(
            command + list(options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        line = self.process.stdout.readline()
        match = re.search(r"https?://([^ ;]+:\d+)", line) or self.logged_address()
        if not match:
            raise AssertionError(f"no address: {line!r}\n{self.logged()}")
        self.address = match.group(1)
        self.wait_ready()

    def logged(self):
        return pathlib.Path(self.directory.name + "/log").read_text()

    def logged_address(self):
        for _ in range(200):
            match = re.search(r"https?://([^ ;\"]+:\d+)", self.logged())
            if match or self.process.poll() is not None:
                return match
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        return None

    def wait_ready(self):
        for _ in range(200):
            if self.call("GET", "/readyz").status == 200:
                return
            try:
                self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        raise AssertionError("not ready: " + self.logged())

    def call(self, method, target, body=None, headers=None):
        """body: bytes as they are, or anything else as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process.stdout.close()
        self.log.close()
        logged = self.logged()
        self.directory.cleanup()
        if status != 0:
            raise AssertionError(f"lode serve ended with {status}\n{logged}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
            self.process.wait()
            print(self.logged())
        else:
            self.close()
