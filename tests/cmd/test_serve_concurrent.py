#!/usr/bin/env python3
"""`lode serve`: settings, signals, service managers and exit codes, around a server that only says what it is told
(tests/cmd/test_serve_standin_concurrent.c)."""

import json
import os
import pathlib
import queue
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

BUILD = pathlib.Path(os.environ.get("LODE_BUILD", "build/release"))
SERVE = [str(BUILD / "tests/cmd/test_serve_standin_concurrent"), "serve"]
# Takes file descriptors to their places, as a service manager does: PROGRAM FD,FD... COMMAND...
ACTIVATE = """import os, sys
for place, fd in enumerate(sys.argv[1].split(","), 3):
    os.dup2(int(fd), place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sys.argv[1].split(","))))
os.execv(sys.argv[2], sys.argv[2:])
"""
WAIT_S = 60


class Service:
    """A running service, its lines of standard error, and what it tells its manager."""

    def __init__(self, words, env=None, before=(), **options):
        self.process = subprocess.Popen([*before, *SERVE, *map(str, words)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})}, **options)
        self.lines = queue.Queue()
        self.said = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, text):
        while True:
            line = self.lines.get(timeout=WAIT_S)
            if line is None:
                raise AssertionError(f"it ended without '{text}': {self.said}")
            self.said.append(line)
            if text in line:
                return line

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        code = self.process.wait(timeout=WAIT_S)
        self.reader.join(timeout=WAIT_S)
        while not self.lines.empty():
            self.said.append(self.lines.get() or "")
        out = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code, out

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.end()


class ServeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.data = self.path / "data"

    def start(self, *words, **options):
        service = Service(words, **options)
        self.addCleanup(service.kill)
        return service

    def serve(self, *words, **options):
        service = self.start("--data", self.data, *words, **options)
        service.wait_for("event: runs")
        return service

    def run_once(self, *words, code, **options):
        """Ends by itself: what it printed, and its standard error."""
        done = subprocess.run([*SERVE, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=WAIT_S, env={**os.environ, **options.pop("env", {})}, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def file(self, name, text, mode=0o644):
        path = self.path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def certificate(self, name="", days=365):
        """A certificate that signs itself, and its key."""
        cert, key = self.path / f"{name}cert.pem", self.path / f"{name}key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", str(days), "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        return cert, key


class Signals(ServeTest):
    def test_terminating_drains_and_exits_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            service = self.serve()
            service.signal(number)
            code, out = service.end()
            self.assertEqual(code, 0)
            self.assertIn("event: stop 1", service.said)
            self.assertIn("event: freed", service.said)

    def test_a_second_signal_hurries(self):
        service = self.serve(env={"STANDIN_HANGS": "1"})
        service.signal(signal.SIGTERM)
        service.wait_for("event: stop 1")
        self.assertIsNone(service.process.poll())
        service.signal(signal.SIGINT)
        service.wait_for("event: stop 2")
        self.assertEqual(service.end()[0], 0)

    def test_hangup_reloads_what_the_file_says_now(self):
        path = self.file("lode.yaml", "log: {level: info}\n")
        service = self.serve("--config", path)
        self.file("lode.yaml", "log: {level: debug}\n")
        service.signal(signal.SIGHUP)
        service.wait_for("event: reload level=debug")
        self.file("lode.yaml", "log: {level: loud}\n")
        service.signal(signal.SIGHUP)
        service.wait_for("event: reload refused: ")  # for the log
        self.assertIn("lode.yaml:1: log.level is 'loud'", service.wait_for("lode: reloading: "))
        self.file("lode.yaml", "log: {level: error}\n")
        service.signal(signal.SIGHUP)
        service.wait_for("event: reload level=error")
        service.wait_for("lode: reloading: the new certificate is none")
        service.signal(signal.SIGTERM)
        self.assertEqual(service.end()[0], 0)

    def test_flags_stay_above_the_file_in_a_reload(self):
        path = self.file("lode.yaml", "log: {level: info}\n")
        service = self.serve("--config", path, "--log.level", "warning")
        service.signal(signal.SIGHUP)
        service.wait_for("event: reload level=warning")
        service.signal(signal.SIGTERM)
        self.assertEqual(service.end()[0], 0)

    def test_signals_at_once_are_all_heeded(self):
        for _ in range(20):
            service = self.serve()
            service.signal(signal.SIGHUP)
            service.signal(signal.SIGTERM)
            self.assertEqual(service.end()[0], 0)


class Saying(ServeTest):
    def test_one_line_says_where_and_how(self):
        service = self.serve("--listen", "127.0.0.1:1", "--listen", "[::1]:2", "--auth", "off")
        service.signal(signal.SIGTERM)
        _, out = service.end()
        self.assertRegex(out, rf"^lode \d+\.\d+\.\d+ serves {self.data} at http://127.0.0.1:1, http://\[::1\]:2; "
                              r"authentication off, TLS off\n$")

    @unittest.skipUnless(shutil.which("openssl"), "no openssl here")
    def test_tls_is_said(self):
        cert, key = self.certificate()
        words = ["--tls-cert", cert, "--tls-key", key]
        for more, said in ((["--tls-client-ca", cert], "1.3, mutual"),
                           (["--tls.allow-tls12", "yes"], "1.2 and 1.3"), ([], "1.3")):
            service = self.serve("--json", *words, *more)
            service.signal(signal.SIGTERM)
            report = json.loads(service.end()[1])
            self.assertEqual(report.pop("version").count("."), 2)
            self.assertEqual(report, {"listening": ["127.0.0.1:7700"], "data": str(self.data),
                                      "authentication": True, "tls": said})

    def test_what_is_open_to_others_is_noted(self):
        service = self.serve("--listen", "0.0.0.0:7700", "--auth", "off",
                             "--auth.allow-anonymous-on-public-address", "yes")
        service.signal(signal.SIGTERM)
        service.end()
        notes = [line for line in service.said if line.startswith("note: ")]
        self.assertEqual([note[:25] for note in notes[:2]], ["note: others can reach it"] * 2)

    def test_files_are_raised_to_what_is_allowed(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        service = self.start("--data", self.data, "--http.connections", 100,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, min(hard, 1000))))
        self.assertIn(f"files={min(hard, 1000)}/{min(hard, 1000)}", service.wait_for("event: runs"))
        service.signal(signal.SIGTERM)
        service.end()
        self.assertTrue(any("raise LimitNOFILE" in line for line in service.said))


class Settings(ServeTest):
    def test_flags_win_over_the_environment_and_that_over_the_file(self):
        path = self.file("lode.yaml", "data: from-file\nhttp: {read-threads: 1, write-threads: 1, slow-threads: 1}\n")
        out, _ = self.run_once("--config", path, "--json", "--print-config", "--http.read-threads=3", code=0,
                               env={"LODE_HTTP_READ_THREADS": "2", "LODE_HTTP_WRITE_THREADS": "2"})
        found = {entry["key"]: (entry["value"], entry["origin"]) for entry in json.loads(out)["settings"]}
        self.assertEqual(found["data"], ("from-file", "file"))
        self.assertEqual(found["http.read-threads"], ("3", "flag"))
        self.assertEqual(found["http.write-threads"], ("2", "environment"))
        self.assertEqual(found["http.slow-threads"], ("1", "file"))
        self.assertEqual(found["listen"], (["127.0.0.1:7700"], "default"))

    def test_what_is_printed_can_be_used(self):
        out, _ = self.run_once("--data", self.data, "--log.level", "debug", "--print-config", code=0)
        path = self.file("printed.yaml", out)
        again, _ = self.run_once("--config", path, "--print-config", "--json", code=0)
        found = {entry["key"]: entry["value"] for entry in json.loads(again)["settings"]}
        self.assertEqual(found["log.level"], "debug")
        self.assertEqual(found["data"], str(self.data))

    def test_checking_alone(self):
        for more in ([], ["--log.file", "log", "--audit.directory", f"{self.path}/audit/"]):
            self.assertEqual(self.run_once("--data", self.data, *more, "--check-config", code=0)[0], "the settings are sound\n")
        out, _ = self.run_once("--data", self.data, "--check-config", "--json", code=0)
        self.assertEqual(json.loads(out), {"sound": True})

    def test_wrong_settings_exit_with_2(self):
        path = self.file("lode.yaml", "data: x\nhttp:\n  read-treads: 4\n")
        for words, env, said in (
                ([], {}, "data is not set"),
                (["--config", path], {}, "lode.yaml:3: there is no setting 'http.read-treads'; did you mean 'http.read-threads'?"),
                (["--config", "/nowhere.yaml"], {}, "cannot open /nowhere.yaml"),
                (["--data", "x", "--http.read-threads", "many"], {}, "http.read-threads is 'many'"),
                (["--data", "x", "--http.read-treads", "1"], {}, "did you mean --http.read-threads?"),
                (["--data", "x"], {"LODE_LOG_LEVEL": "loud"}, "LODE_LOG_LEVEL: log.level is 'loud'"),
                (["--data", "x"], {"LODE_LOG_LEVL": "info"}, "LODE_LOG_LEVL: there is no such setting"),
                (["--data", "x", "--auth", "off", "--listen", "0.0.0.0:1"], {}, "which others can reach"),
                (["--data", "x", "--listen", ""], {}, "listen is empty"),
                (["--data", "x", "--log.file", "/nowhere/log"], {}, "log.file: there is no folder /nowhere/"),
                (["--data", "x", "--log.file", f"{path}/log"], {}, "log.file: there is no folder"),
                (["--data", "x", "--audit.directory", "nowhere/audit/"], {}, "audit.directory: there is no folder nowhere/"),
                (["x"], {}, "one argument too many"),
        ):
            for mode in ([], ["--check-config"]):
                _, errors = self.run_once(*words, *mode, code=2, env=env)
                self.assertIn(said, errors)

    @unittest.skipUnless(shutil.which("openssl"), "no openssl here")
    def test_certificates_of_no_use_are_wrong_settings(self):
        cert, key = self.certificate()
        other, _ = self.certificate("other")
        text, locked = self.file("text", "nothing\n", 0o600), self.path / "locked.pem"
        subprocess.run(["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", key, "-out", locked], check=True, capture_output=True)
        locked.chmod(0o600)
        for words, said in (((other, key), f"tls: key '{key}': it is the key of another certificate"),
                            ((text, key), f"tls: certificate '{text}': it has none in PEM"),
                            ((cert, text), f"tls: key '{text}': it has none in PEM"),
                            ((cert, locked), f"tls: key '{locked}': "),
                            ((cert, key, "--tls.client-ca", text), f"tls: client CA '{text}': it has none in PEM")):
            for mode in ([], ["--check-config"]):
                _, errors = self.run_once("--data", "x", *mode, "--tls-cert", words[0], "--tls-key", *words[1:], code=2)
                self.assertIn(said, errors)

    def test_keys_of_encryption_come_as_for_every_command(self):
        def found(*words, **env):
            out, _ = self.run_once("--data", "x", "--print-config", "--json", *words, code=0, env=env)
            settings = {entry["key"]: entry["value"] for entry in json.loads(out)["settings"]}
            return [settings["engine." + name] for name in ("key-file", "key-command", "memory")]

        self.assertEqual(found("--key-file", "a", "--memory", "1GiB"), ["a", "", "1GiB"])
        self.assertEqual(found(LODE_KEY_COMMAND="c", LODE_MEMORY="2GiB"), ["", "c", "2GiB"])
        self.assertEqual(found("--key-file", "a", LODE_KEY_COMMAND="c"), ["a", "", "0"])

    def test_every_setting_is_explained(self):
        page, _ = self.run_once("--help", code=0)
        out, _ = self.run_once("--print-config", "--json", code=0)
        for entry in json.loads(out)["settings"]:
            self.assertIn(f"  --{entry['key']} ", page)
        self.assertLessEqual(max(map(len, page.splitlines())), 100)

    def test_failures_exit_with_their_code(self):
        _, errors = self.run_once("--data", self.data, code=1, env={"STANDIN_REFUSES": "taken"})
        self.assertIn("lode: cannot listen: taken", errors)
        service = self.start("--data", self.data, env={"STANDIN_FAILS": "1"})
        self.assertEqual(service.end()[0], 6)
        self.assertIn("lode: damaged", service.said)
        self.assertIn("event: freed", service.said)


class Manager(ServeTest):
    def manager(self):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(listener.close)
        listener.bind(str(self.path / "notify"))
        listener.settimeout(WAIT_S)
        return listener

    def test_it_is_told_of_every_turn(self):
        manager = self.manager()
        path = self.file("lode.yaml", "log: {level: info}\n")
        service = self.serve("--config", path, env={"NOTIFY_SOCKET": str(self.path / "notify")})
        self.assertEqual(manager.recv(1000), b"READY=1\nSTATUS=Serving")
        service.signal(signal.SIGHUP)
        self.assertRegex(manager.recv(1000).decode(), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.assertEqual(manager.recv(1000), b"READY=1\nSTATUS=Serving")
        self.file("lode.yaml", "nothing\n")
        service.signal(signal.SIGHUP)
        self.assertRegex(manager.recv(1000), rb"^RELOADING=1")
        self.assertEqual(manager.recv(1000), b"READY=1\nSTATUS=Serving; the last reload failed")
        service.signal(signal.SIGTERM)
        self.assertRegex(manager.recv(1000), rb"^STOPPING=1")
        self.assertEqual(service.end()[0], 0)

    def activate(self, sockets, *words, **options):
        numbers = ",".join(str(s.fileno()) for s in sockets)
        return Service(["--data", str(self.data), *words], before=[sys.executable, "-c", ACTIVATE, numbers],
                       pass_fds=[s.fileno() for s in sockets], **options)

    def listener(self, host="127.0.0.1"):
        listener = socket.create_server((host, 0))
        self.addCleanup(listener.close)
        return listener

    def test_sockets_are_taken_over(self):
        listeners = [self.listener(), self.listener()]
        addresses = ["127.0.0.1:%d" % s.getsockname()[1] for s in listeners]
        for words, listening in (([], addresses), (["--listen", "127.0.0.1:9"], ["127.0.0.1:9", *addresses])):
            service = self.activate(listeners, "--json", *words)
            self.addCleanup(service.kill)
            service.wait_for("event: runs")
            service.signal(signal.SIGTERM)
            code, out = service.end()
            self.assertEqual(code, 0)
            self.assertEqual(json.loads(out)["listening"], listening)

    def test_a_public_socket_needs_authentication(self):
        service = self.activate([self.listener("0.0.0.0")], "--auth", "off")
        self.assertEqual(service.end()[0], 2)
        self.assertIn("others can reach the socket that was passed on", "\n".join(service.said))

    def test_what_does_not_listen_is_refused(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            service = self.activate([datagrams])
            self.assertEqual(service.end()[0], 2)
        self.assertIn("no stream socket that listens", "\n".join(service.said))


if __name__ == "__main__":
    if not pathlib.Path(SERVE[0]).exists():
        sys.exit(77)  # no cmocka, so no stand-in
    unittest.main()
