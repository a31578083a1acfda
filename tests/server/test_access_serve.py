#!/usr/bin/env python3
"""Access while the server runs: what SIGHUP may change, what it may not, and what a broken file leaves in force."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from server_kit import LODE, Server, TIMEOUT_S, check, lode, run


class Configured(Server):
    """A server that has all its settings from a file, which the test writes anew."""

    def __init__(self):
        super().__init__(auth=True)
        self.kept = tempfile.TemporaryDirectory(prefix="lode-audit-")
        self.file = os.path.join(self.root, "lode.yaml")

    def __exit__(self, *exception):
        """Keeps what the tests look at afterwards."""
        if not exception[0]:
            self.stop()
            self.log_lines = self.log()
            self.audit = self.kept.name
            shutil.copytree(os.path.join(self.data, "server", "audit"), self.audit, dirs_exist_ok=True)
        super().__exit__(*exception)

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


def test_denied_requests_do_not_fill_the_disk():
    """Lines about strangers are bounded; what is left out is counted, and a key that is denied meanwhile has its line."""
    server = Configured()
    server.write("listen: ['127.0.0.1:0']\n")
    made = json.loads(lode("key", "create", server.data, "--name", "reader", "--role", "read", "--json"))
    with server:
        connection = server.connect()
        for _ in range(400):
            connection.request("GET", "/indices", headers={"Authorization": "Bearer lode_forged"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 401
        check(server.put("/indices/films", {"dim": 3}, key=made["key"]), 403)
        connection.close()
    lines = [json.loads(line) for line in open(os.path.join(server.audit, "audit-00000001.jsonl"))]
    strangers = [line for line in lines if line.get("reason") == "unknown_credential"]
    assert 100 <= len(strangers) < 200, len(strangers)
    skipped = sum(line["entries"] for line in lines if line["operation"] == "audit.skipped")
    assert len(strangers) + skipped == 400, (len(strangers), skipped)
    assert [line["reason"] for line in lines if line.get("key") == made["id"]] == ["role"]
    logged = [line for line in server.log_lines if line.get("code") == "unknown_credential"]
    assert len(logged) == len(strangers), (len(logged), len(strangers))


def test_a_revoked_key_ends_what_it_began():
    """Requests on connections that are open are refused within a second or two, and so is an import that runs, whatever was read
    again since it began."""
    server = Configured()
    server.write("listen: ['127.0.0.1:0']\n")
    boss, loader = (json.loads(lode("key", "create", server.data, "--name", name, "--role", "admin", "--json"))
                    for name in ("boss", "loader"))
    line = b'{"id":%d,"vector":[1,2,3]}\n'
    with server:
        check(server.put("/indices/films", {"dim": 3}, key=boss["key"]), 201)
        head = {"Authorization": "Bearer " + loader["key"]}
        kept, importing = server.connect(), server.connect()
        kept.request("GET", "/indices", headers=head)
        assert kept.getresponse().read()
        importing.putrequest("POST", "/indices/films/import")
        for name, value in {**head, "Content-Type": "application/x-ndjson", "Transfer-Encoding": "chunked"}.items():
            importing.putheader(name, value)
        importing.endheaders()
        send = lambda data: importing.send(b"%x\r\n%s\r\n" % (len(data), data))
        for i in range(1000):  # a batch
            send(line % i)
        deadline = time.monotonic() + TIMEOUT_S
        while server.get("/indices/films", key=boss["key"]).json["points"] < 1000:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server.reload('"message":"reloaded"')
        lode("key", "revoke", server.data, loader["id"])
        while True:
            kept.request("GET", "/indices", headers=head)
            answer = kept.getresponse()
            answer.read()
            if answer.status == 401:
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for i in range(1000, 1500):
            send(line % i)
        importing.send(b"0\r\n\r\n")
        answer = importing.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (401, "revoked"), answer.status
        assert server.get("/indices/films", key=boss["key"]).json["points"] == 1000


def certificate_of(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain, context.wrap_socket(plain) as connection:
        return connection.getpeercert(binary_form=True)


def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"],
                   check=True, capture_output=True, stdin=subprocess.DEVNULL)


def test_broken_files_leave_what_was_in_force():
    """Settings, certificates and keys that cannot be used are told in the log, and change nothing; mended, they count."""
    server = Configured()
    good = f"listen: ['127.0.0.1:0']\ntls:\n  certificate: {server.root}/cert.pem\n  key: {server.root}/key.pem\n"
    make_certificate(server.root, "first")
    made = json.loads(lode("key", "create", server.data, "--name", "boss", "--role", "admin", "--json"))["key"]
    server.connect = lambda: http.client.HTTPSConnection("127.0.0.1", server.port, timeout=TIMEOUT_S,
                                                         context=ssl._create_unverified_context())
    server.write(good)
    with server:
        first = certificate_of(server.port)
        check(server.get("/indices", key=made), 200)
        for broken in (good + "auth:\n  enabeld: no\n", good + "auth: [", good + "auth:\n  jwt:\n    enabled: yes\n"):
            server.write(broken)
            server.reload("lode: reloading: ")
            check(server.get("/indices"), 401)
            check(server.get("/indices", key=made), 200)
        server.write(good)
        with open(server.root + "/cert.pem", "w") as file:
            file.write("-----BEGIN CERTIFICATE-----\nAAAA\n")
        server.reload('"message":"reloading failed","what":"tls"')
        assert certificate_of(server.port) == first
        make_certificate(server.root, "second")
        server.reload('"message":"reloaded"')
        assert certificate_of(server.port) != first
        keys = os.path.join(server.data, "server", "keys")
        whole = open(keys).read()
        with open(keys, "w") as file:
            file.write(whole[:len(whole) // 2])
        server.reload('"message":"reloading failed","what":"auth"')
        check(server.get("/indices", key=made), 200)
        with open(keys, "w") as file:
            file.write(whole)
        server.reload('"message":"reloaded"')
        check(server.get("/indices", key=made), 200)


def modes(directory):
    return {os.path.relpath(os.path.join(at, name), directory): oct(os.stat(os.path.join(at, name)).st_mode & 0o7777)
            for at, folders, files in os.walk(directory) for name in folders + files}


def test_files_are_for_their_owner_alone():
    """Those of the server are made so whatever the umask, as docs/security.md says; and keys that others may read are not taken."""
    server = Configured()
    separate = os.path.join(server.root, "audit")
    before = os.umask(0)
    try:
        made = json.loads(lode("key", "create", server.data, "--name", "boss", "--role", "admin", "--json"))["key"]
        for directory in ("", f"audit:\n  directory: {separate}\n"):
            server.write("listen: ['127.0.0.1:0']\n" + directory)
            os.chmod(server.file, 0o600)
            server.start()
            check(server.put("/indices/films" + str(len(directory)), {"dim": 3}, key=made), 201)
            server.stop()
    finally:
        os.umask(before)
    found = modes(os.path.join(server.data, "server"))
    assert found == {"keys": "0o600", "keys.lock": "0o600", "audit": "0o700", "audit/lock": "0o600",
                     "audit/audit-00000001.jsonl": "0o600"}, found
    assert modes(server.data)["server"] == "0o700"
    assert modes(separate) == {"lock": "0o600", "audit-00000001.jsonl": "0o600"} and modes(server.root)["audit"] == "0o700"
    server.write("listen: ['127.0.0.1:0']\n")
    with server:
        keys = os.path.join(server.data, "server", "keys")
        for mode in (0o640, 0o604, 0o610):
            os.chmod(keys, mode)
            server.reload(f"keys may be used by others than its owner (mode {mode:04o}): chmod 600")
            check(server.get("/indices", key=made), 200)
            lode("key", "create", server.data, "--name", "other", "--role", "admin", expected=2)


if __name__ == "__main__":
    run([test_public_addresses_stay_behind_authentication, test_public_sockets_stay_behind_authentication,
         test_denied_requests_do_not_fill_the_disk, test_a_revoked_key_ends_what_it_began,
         test_broken_files_leave_what_was_in_force, test_files_are_for_their_owner_alone])
