"""What tests of the running server need: `lode serve` on a free port, and requests to it by http.client."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LODE = os.environ["LODE_BIN"]
SLOW = bool(os.environ.get("LODE_SANITIZE"))
TIMEOUT_S = 120 if SLOW else 60


class Answer:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Server:
    """A server with its directory; `with Server() as server`."""

    def __init__(self, *options, data=None, auth=False, environment=None):
        self.root = tempfile.mkdtemp(prefix="lode-server-")
        self.data = data or os.path.join(self.root, "db")
        self.options = list(options)
        if not auth:
            self.options += ["--auth", "no"]
        self.environment = environment or {}
        self.process = None
        self.port = None
        self.key = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        if exception[0]:
            sys.stderr.write(f"the server's exit status: {self.process and self.process.poll()}\n")
        if self.process and self.process.poll() is None and not exception[0]:
            self.stop()  # in order, so that leaks show
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if exception[0]:
            with open(self.log_path, errors="replace") as log:
                sys.stderr.write(log.read()[-6000:])
        shutil.rmtree(self.root, ignore_errors=True)

    @property
    def log_path(self):
        return os.path.join(self.root, "log")

    def log(self):
        with open(self.log_path) as log:
            return [json.loads(line) for line in log if line.startswith("{")]

    def start(self, wait=True):
        command = [LODE, "serve", "--data", self.data, "--listen", "127.0.0.1:0",
                   "--log.format", "json", *self.options]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=log, text=True, env={**os.environ, **self.environment})
        line = self.process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, f"no address in {line!r}: {open(self.log_path).read()[-2000:]}"
        self.port = int(found[1])
        if wait:
            self.wait_ready()

    def wait_ready(self):
        deadline = time.monotonic() + TIMEOUT_S
        while self.get("/readyz").status != 200:
            assert time.monotonic() < deadline, "not ready"
            time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, expected=0):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
        assert code == expected, f"exit status {code}"

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)

    def request(self, method, path, body=None, headers=None, key=None):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if key or self.key:
            headers.setdefault("Authorization", f"Bearer {key or self.key}")
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response, response.read())

    def get(self, path, **rest):
        return self.request("GET", path, **rest)

    def put(self, path, body=None, **rest):
        return self.request("PUT", path, body, **rest)

    def post(self, path, body=None, **rest):
        return self.request("POST", path, body, **rest)

    def patch(self, path, body=None, **rest):
        return self.request("PATCH", path, body, **rest)

    def delete(self, path, **rest):
        return self.request("DELETE", path, **rest)

    def lines(self, path, lines, **headers):
        """Import: lines as texts or as what is to be JSON."""
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        headers.setdefault("Content-Type", "application/x-ndjson")
        return self.post(path, text.encode(), headers=headers)

    def memory_kib(self, name="VmHWM"):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{name}:\s+(\d+)", status.read())[1])


def lode(*arguments, expected=0):
    done = subprocess.run([LODE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == expected, f"{arguments}: {done.returncode}: {done.stderr}"
    return done.stdout


def check(answer, status, code=None):
    assert answer.status == status, f"{answer.status}, not {status}: {answer.body[:600]!r}"
    if code:
        assert answer.code == code, f"{answer.code}, not {code}: {answer.body[:600]!r}"
    return answer


def run(tests):
    """Each function of the list, or those that are named on the command line."""
    wanted = sys.argv[1:]
    for test in tests:
        if not wanted or test.__name__ in wanted:
            began = time.monotonic()
            test()
            print(f"{test.__name__}: {time.monotonic() - began:.1f} s", flush=True)
