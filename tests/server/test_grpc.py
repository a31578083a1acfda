#!/usr/bin/env python3
"""gRPC as a client of another make sees it: @grpc/grpc-js, installed into the build tree, against `lode serve`.

Skipped without npm. One argument: run only that script of tests/server/grpc."""

import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(os.environ["LODE_SOURCE"])
BUILD = pathlib.Path(os.environ["LODE_BUILD"])
LODE = os.environ["LODE_BIN"]
SCRIPTS = SOURCE / "tests/server/grpc"


def install():
    """node_modules in the build tree, as package-lock.json says; returns the folder."""
    place = BUILD / "tests/server/grpc"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (SCRIPTS / "package-lock.json").read_text()
        done = place / "installed"
        if not done.exists() or done.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SCRIPTS / name, place / name)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=place, check=True,
                           stdin=subprocess.DEVNULL, timeout=200)
            done.write_text(wanted)
    return place / "node_modules"


class Server:
    def __init__(self, folder, *options):
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen(
            [LODE, "serve", "--data", str(folder / "db"), "--listen", "127.0.0.1:0", "--http.slow-threads", "4",
             "--http.queue-time", "60s", "--limits.k", "16384", "--limits.batch", "10000",
             "--log.format", "json", *options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        self.log_path = folder / "log"
        self.address = self.wait(r"https?://([0-9.]+:[0-9]+)", "its address")

    def wait_until_ready(self):
        self.wait('"message":"ready"', "it to be ready")

    def wait(self, pattern, what):
        for _ in range(600):
            found = re.search(pattern, self.log_path.read_text())
            if found:
                return found.group(1) if found.groups() else found.group(0)
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"waited for {what}:\n{self.log_path.read_text()[-3000:]}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        if code != 0:
            print(self.log_path.read_text()[-6000:])
        return code


def run_script(name, server, modules, **more):
    environment = {**os.environ, "NODE_PATH": str(modules), "SERVER_PID": str(server.process.pid), **more}
    result = subprocess.run(["node", str(SCRIPTS / name), server.address], env=environment, stdin=subprocess.DEVNULL,
                            timeout=280)
    return result.returncode


def certificates(folder):
    """An authority, and a certificate for localhost that it signed."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "server.pem", "-days", "2", "-extfile", "names")
    (folder / "server.key").chmod(0o600)


def make_keys(folder):
    def key(name, role, *more):
        made = subprocess.run([LODE, "key", "create", str(folder / "db"), "--name", name, "--role", role, "--json", *more],
                              check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return json.loads(made.stdout)["key"]
    return {
        "admin": key("admin", "admin"),
        "writer": key("writer", "write"),
        "reader": key("reader", "read"),
        "narrow": key("narrow", "read", "--collections", "k,k-now"),
        "anna": key("anna", "write", "--namespaces", "anna"),
        "filtered": key("filtered", "write", "--filter", 'who = "anna"'),
    }


def plain(name, modules):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(pathlib.Path(folder), "--auth", "no")
        server.wait_until_ready()
        code = run_script(name, server, modules)
        return server.stop() or code


def secure(name, modules):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        certificates(folder)
        (folder / "db").mkdir()
        keys = make_keys(folder)
        server = Server(folder, "--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key"))
        server.wait_until_ready()
        code = run_script(name, server, modules, CA_FILE=str(folder / "ca.pem"), KEYS=json.dumps(keys))
        return server.stop() or code


def matrix(name, modules):
    """Keys of every role and scope."""
    scopes = [{}, {"collections": "films"}, {"collections": "fil*"}, {"namespaces": "anna"},
              {"collections": "books", "namespaces": "an*"}, {"filter": "open = true"}, {"namespaces": "anna", "filter": "open = true"}]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "db").mkdir()
        holders = []
        for role in ("admin", "write", "read"):
            for i, scope in enumerate(scopes):
                words = [word for option, value in scope.items() for word in ("--" + option, value)]
                made = subprocess.run([LODE, "key", "create", str(folder / "db"), "--name", f"{role}-{i}", "--role", role, "--json",
                                       *words], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
                lists = {name: value if name == "filter" else value.split(",") for name, value in scope.items()}
                holders.append({"key": json.loads(made.stdout)["key"], "role": role, **lists})
        server = Server(folder)
        server.wait_until_ready()
        code = run_script(name, server, modules, KEYS=json.dumps(holders))
        return server.stop() or code


def revoked(name, modules):
    """A key for each stream, whose ids the script revokes."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "db").mkdir()
        keys = {}
        for who in ("admin", "loader", "reader", "looker"):
            made = subprocess.run([LODE, "key", "create", str(folder / "db"), "--name", who, "--role", "admin", "--json"],
                                  check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            keys[who] = json.loads(made.stdout)
        server = Server(folder)
        server.wait_until_ready()
        code = run_script(name, server, modules, KEYS=json.dumps(keys), DATA=str(folder / "db"))
        return server.stop() or code


def opening(name, modules):
    """The database is encrypted, and its key is a while in coming."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "key").write_text(f"#!/bin/sh\nsleep 4\necho {'0123456789abcdef' * 4}\n")
        (folder / "key").chmod(0o700)
        server = Server(folder, "--auth", "no", "--engine.key-command", str(folder / "key"),
                        "--http.slow-threads", "0")
        code = run_script(name, server, modules)
        return server.stop() or code


def documented(_, modules):
    """The program in docs/grpc.md prints what is said there."""
    page = (SOURCE / "docs/grpc.md").read_text()
    program = re.search(r"```js\n(.*?)```", page, re.S).group(1)
    wanted = re.search(r"It prints `(.*?)`\.", page).group(1)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(pathlib.Path(folder), "--auth", "no")
        server.wait_until_ready()
        result = subprocess.run(["node", "-e", program], cwd=SOURCE, stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=60,
                                env={**os.environ, "NODE_PATH": str(modules), "ADDRESS": server.address})
        print(result.stdout + result.stderr, end="")
        return server.stop() or result.returncode or result.stdout != wanted + "\n"


def main():
    if not shutil.which("npm") or not shutil.which("node"):
        print("no npm: skipped")
        return 77
    modules = install()
    failed = []
    scripts = {"methods.js": plain, "errors.js": plain, "streams.js": plain, "deadlines.js": plain,
               "services.js": plain, "opening.js": opening, "secure.js": secure, "matrix.js": matrix,
               "revoked.js": revoked,
               "docs/grpc.md": documented}
    for name, run in scripts.items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        begin = time.time()
        print(f"--- {name}", flush=True)
        code = run(name, modules)
        print(f"    {time.time() - begin:.1f} s", flush=True)
        if code:
            failed.append(name)
    if failed:
        print("failed:", *failed)
    return 1 if failed else 0


sys.exit(main())
