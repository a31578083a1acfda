#!/usr/bin/env python3
"""Access while the server runs: what SIGHUP may change, what it may not, and what a broken file leaves in force."""

import os
import re
import signal
import socket
import subprocess
import time

from server_kit import LODE, Server, TIMEOUT_S, check, run


class Configured(Server):
    """A server that has all its settings from a file, which the test writes anew."""

    def __init__(self):
        super().__init__(auth=True)
        self.file = os.path.join(self.root, "lode.yaml")

    def write(self, text):
        with open(self.file, "w") as file:
            file.write(f"data: {self.data}\nlog:\n  format: json\n{text}")

    def start(self, sockets=()):
        environment = {**os.environ, "LISTEN_FDS": str(len(sockets))} if sockets else os.environ
        command = [LODE, "serve", "--config", self.file]
        if sockets:  # LISTEN_PID is that of the process itself
            command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=environment, pass_fds=[3] if sockets else [])
        line = self.process.stdout.readline()
        found = re.search(r"https?://[0-9.]+:(\d+)", line)
        assert found, (line, open(self.log_path).read())
        self.port = int(found[1])
        self.wait_ready()

    def reload(self, expected):
        """SIGHUP, until the log says what is expected after it."""
        before = open(self.log_path).read().count(expected)
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT_S
        while open(self.log_path).read().count(expected) == before:
            assert time.monotonic() < deadline, open(self.log_path).read()[-3000:]
            time.sleep(0.02)


def test_public_addresses_stay_behind_authentication():
    """New settings that would do for the addresses that they name do not for those that are listened at."""
    with_auth = "listen: ['0.0.0.0:0']\n"
    without = "listen: ['127.0.0.1:0']\nauth:\n  enabled: no\n"
    server = Configured()
    server.write(with_auth)
    with server:
        check(server.get("/indices"), 401)
        server.write(without)
        server.reload("reloading: listen is '0.0.0.0:0', which others can reach")
        check(server.get("/indices"), 401)
        server.write(with_auth + "auth:\n  enabled: no\n  allow-anonymous-on-public-address: yes\n")
        server.reload('"message":"reloaded"')
        check(server.get("/indices"), 200)


def test_public_sockets_stay_behind_authentication():
    server = Configured()
    server.write("")
    with socket.create_server(("0.0.0.0", 0)) as passed:
        os.dup2(passed.fileno(), 3, inheritable=True)
        server.start = lambda: Configured.start(server, [passed])
        with server:
            check(server.get("/indices"), 401)
            server.write("auth:\n  enabled: no\n")
            server.reload("reloading: others can reach the socket that was passed on")
            check(server.get("/indices"), 401)


if __name__ == "__main__":
    run([test_public_addresses_stay_behind_authentication, test_public_sockets_stay_behind_authentication])
