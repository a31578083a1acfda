#!/usr/bin/env python3
"""`lode serve` with the server itself: sockets that were passed on, certificates that change, a database that is taken.
Signals, settings and exit codes in all their turns are in test_serve_concurrent.py."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

LODE = os.environ.get("LODE_BIN", "build/release/lode")
ACTIVATE = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
WAIT_S = 60


class RealTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.data = str(self.path / "data")

    def serve(self, *words, before=(), env=None, data=None, **options):
        """A running server and what it said when it listened."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LODE_")}
        process = subprocess.Popen([*before, LODE, "serve", "--json", "--data", data or self.data, *map(str, words)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   text=True, env={**clean, **(env or {})}, **options)
        self.addCleanup(self.finish, process)
        return process, json.loads(process.stdout.readline() or "{}")

    def finish(self, process):
        if process.poll() is None:
            process.kill()
        process.wait(timeout=WAIT_S)
        process.stdout.close()

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=WAIT_S), 0)

    def get(self, connection, path):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def notifications(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(self.path / "notify"))
        manager.settimeout(WAIT_S)
        return manager

    def test_a_socket_that_was_passed_on_is_answered(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            process, said = self.serve("--auth", "off", pass_fds=[listener.fileno()],
                                       before=[sys.executable, "-c", ACTIVATE, str(listener.fileno())])
            self.assertEqual(said["listening"], [f"127.0.0.1:{port}"])
            self.assertEqual(self.get(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S), "/healthz"), 200)
            self.stop(process)

    def certificate(self, name, days=365):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", str(days), "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", self.path / "key.pem", "-out", self.path / "cert.pem"],
                       check=True, capture_output=True)

    def shown(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain:
            context = ssl.create_default_context(cafile=str(self.path / "cert.pem"))
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                return dict(part for parts in secure.getpeercert()["subject"] for part in parts)["commonName"]

    @unittest.skipUnless(shutil.which("openssl"), "no openssl here")
    def test_new_certificates_are_shown_after_a_reload(self):
        self.certificate("first")
        manager = self.notifications()
        process, said = self.serve("--listen", "127.0.0.1:0", "--tls-cert", self.path / "cert.pem",
                                   "--tls-key", self.path / "key.pem", env={"NOTIFY_SOCKET": str(self.path / "notify")})
        port = int(said["listening"][0].rpartition(":")[2])
        self.assertEqual(said["tls"], "1.3")
        self.assertRegex(manager.recv(1000), b"^READY=1")
        self.assertEqual(self.shown(port), "first")
        self.certificate("second")
        process.send_signal(signal.SIGHUP)
        self.assertRegex(manager.recv(1000), b"^RELOADING=1")
        self.assertEqual(manager.recv(1000), b"READY=1\nSTATUS=Serving")
        self.assertEqual(self.shown(port), "second")
        (self.path / "cert.pem").write_text("nothing of use\n")
        process.send_signal(signal.SIGHUP)
        self.assertRegex(manager.recv(1000), b"^RELOADING=1")
        self.assertEqual(manager.recv(1000), b"READY=1\nSTATUS=Serving; the last reload failed")
        self.stop(process)

    @unittest.skipUnless(shutil.which("openssl"), "no openssl here")
    def test_a_certificate_that_expires_is_told(self):
        log = self.path / "log"
        for days, is_told in ((2, True), (30, False)):
            self.certificate("localhost", days)
            process, said = self.serve("--listen", "127.0.0.1:0", "--log.file", log, "--tls-cert", self.path / "cert.pem",
                                       "--tls-key", self.path / "key.pem")
            port = int(said["listening"][0].rpartition(":")[2])
            context = ssl.create_default_context(cafile=str(self.path / "cert.pem"))
            while self.get(http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT_S, context=context), "/readyz") != 200:
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGHUP)
            while '"reloaded"' not in log.read_text():
                self.assertIsNone(process.poll())
                time.sleep(0.02)
            self.stop(process)
            told = [json.loads(line) for line in log.read_text().splitlines() if "certificate" in line]
            self.assertEqual([(line["level"], line["message"], 1 <= line["days"] <= 2) for line in told],
                             [("warning", "the certificate expires soon", True)] * 2 * is_told)
            log.unlink()

    def test_the_log_says_what_a_reload_has_left(self):
        log, path = self.path / "log", self.path / "lode.yaml"
        settings = "log: {file: %s}\nhttp: {read-threads: %d, queue-time: 250ms}\n"
        path.write_text(settings % (log, 1))
        process, said = self.serve("--config", path, "--listen", "127.0.0.1:0", "--auth", "off")
        port = int(said["listening"][0].rpartition(":")[2])
        while self.get(http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S), "/readyz") != 200:
            self.assertIsNone(process.poll())

        def reload(text, last):
            """Lines of the log from now on, up to one with this message."""
            before = len(log.read_text().splitlines())
            path.write_text(text)
            process.send_signal(signal.SIGHUP)
            while True:
                lines = [json.loads(line) for line in log.read_text().splitlines()[before:]]
                if any(line["message"] == last for line in lines):
                    return lines
                self.assertIsNone(process.poll())
                time.sleep(0.02)

        self.assertEqual([line["message"] for line in reload(settings % (log, 1), "reloaded")], ["reloaded"])
        waits, _ = reload(settings % (log, 2) + "recall: {share: 0.5}\n", "reloaded")
        self.assertEqual((waits["level"], waits["settings"]), ("warning", "http.read-threads, recall.share"))
        (failed,) = reload(settings % (log, 3) + "nothing: 1\n", "reloading failed")
        self.assertEqual((failed["level"], failed["what"]), ("error", "settings"))
        self.assertIn("there is no setting 'nothing'", failed["error"])
        self.stop(process)

    def test_a_database_that_is_taken_and_an_address_that_is(self):
        first, said = self.serve("--listen", "127.0.0.1:0")
        second, _ = self.serve("--listen", said["listening"][0], data=self.path / "other")
        self.assertEqual(second.wait(timeout=WAIT_S), 1)
        port = int(said["listening"][0].rpartition(":")[2])
        ready = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        while self.get(ready, "/readyz") != 200:  # it opens the database meanwhile
            self.assertIsNone(first.poll())
        third, _ = self.serve("--listen", "127.0.0.1:0", "--audit.enabled", "no")
        self.assertEqual(third.wait(timeout=WAIT_S), 5)
        self.stop(first)


if __name__ == "__main__":
    unittest.main()
