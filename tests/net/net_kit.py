"""What the scripts of this folder share: the server net_echo, raw sockets, frames of HTTP/2."""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

BUILD = pathlib.Path(os.environ["LODE_BUILD"])
SLOW = 5 if os.environ.get("LODE_SANITIZE") else 1  # how much longer things may take


class Server:
    """net_echo with these options, stopped at the end; its exit code must be 0: begun and ended exchanges are as many."""

    def __init__(self, **options):
        program = BUILD / "tests" / "net" / "net_echo"
        if not program.exists():
            sys.exit(77)
        arguments = [f"{key}={value}" for key, value in options.items()]
        # Memory is measured: what was freed must not be kept for long by the sanitizer.
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "ASAN_OPTIONS": sanitizer})
        self.address = self.process.stdout.readline().strip()
        self.port = int(self.address.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.process.kill()
        elif self.process.poll() is None:
            assert self.stop() == 0, "the server did not end well"
        self.process.wait()

    def stop(self, seconds=20):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds * SLOW)

    def connect(self, timeout=5):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(timeout * SLOW)
        return connection

    def ask(self, data, timeout=5):
        """Send this on a connection of its own, and read until the server closes it."""
        with self.connect(timeout) as connection:
            connection.sendall(data)
            return read_all(connection)

    def get(self, path, timeout=5):
        answer = self.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), timeout)
        return status(answer), answer.partition(b"\r\n\r\n")[2]

    def stats(self):
        return json.loads(self.get("/stats")[1])

    def memory_kib(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def cpu_s(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_stats(self, wanted, seconds=5):
        """Until wanted(stats) holds."""
        end = time.monotonic() + seconds * SLOW
        while True:
            stats = self.stats()
            if wanted(stats):
                return stats
            assert time.monotonic() < end, stats
            time.sleep(0.02)


def read_all(connection):
    pieces = []
    try:
        while piece := connection.recv(1 << 20):
            pieces.append(piece)
    except ConnectionResetError:
        pieces.append(b"<reset>")
    return b"".join(pieces)


def read_answer(connection):
    """One answer with its body, of known size."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    size = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b": ")
        if name == b"content-length":
            size = int(value)
    while len(body) < size:
        piece = connection.recv(65536)
        assert piece, (head, len(body))
        body += piece
    return head, body


def status(answer):
    return int(answer[9:12]) if answer[:9] in (b"HTTP/1.1 ", b"HTTP/1.0 ") else 0


def request(path, method="GET", head="", body=b""):
    length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}{length}\r\n".encode() + body


# --- HTTP/2 by hand --------------------------------------------------------------------------------

MAGIC = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field that no table remembers."""
    assert len(name) < 127
    size = bytes([len(value)]) if len(value) < 127 else bytes([127]) + varint(len(value) - 127)
    return b"\x00" + bytes([len(name)]) + name.encode() + size + value.encode()


def varint(number):
    out = b""
    while number >= 128:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def headers(path, method="GET", more=()):
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "x"), *more]
    return b"".join(literal(name, value) for name, value in fields)


class Http2:
    """A connection whose frames are written and read one by one."""

    def __init__(self, server, settings=b"", timeout=5):
        self.socket = server.connect(timeout)
        self.socket.sendall(MAGIC + frame(SETTINGS, 0, 0, settings))
        self.buffer = b""

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def get(self, stream, path, method="GET", more=(), flags=END_STREAM):
        self.send(frame(HEADERS, END_HEADERS | flags, stream, headers(path, method, more)))

    def read(self):
        """The next frame: kind, flags, stream, payload; None at the end."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None
            self.buffer += piece
        size = int.from_bytes(self.buffer[:3], "big")
        kind, flags = self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big")
        payload = self.buffer[9:9 + size]
        self.buffer = self.buffer[9 + size:]
        if kind == SETTINGS and not flags & 1:
            self.send(frame(SETTINGS, 1, 0))
        return kind, flags, stream, payload

    def until(self, *kinds):
        """The next frame of one of these kinds, or None."""
        while (got := self.read()) is not None:
            if got[0] in kinds:
                return got
        return None

    def close(self):
        self.socket.close()


def has(program):
    return shutil.which(program) is not None


def run(*arguments, timeout=60, data=None):
    return subprocess.run(arguments, capture_output=True, timeout=timeout * SLOW, input=data)


def main(space):
    """Call every test_* of the script, in order."""
    names = sys.argv[1:] or [name for name in space if name.startswith("test_")]
    for name in names:
        begin = time.monotonic()
        space[name]()
        print(f"{name}: {time.monotonic() - begin:.1f} s", flush=True)
