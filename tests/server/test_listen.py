#!/usr/bin/env python3
"""Where `lode serve` listens: an address of IPv6, and sockets that a service manager passes on."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import tempfile

from server_kit import LODE, TIMEOUT_S, run


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def ask(host, port):
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)) as connection:
        connection.request("GET", "/healthz")
        return connection.getresponse().status


@contextlib.contextmanager
def serve(*before, options=(), **more):
    """The server's first line; it must end well."""
    with tempfile.TemporaryDirectory(prefix="lode-listen-") as root, open(os.path.join(root, "log"), "wb") as log:
        process = subprocess.Popen([*before, LODE, "serve", "--data", os.path.join(root, "db"), "--auth", "no", *options],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, **more)
        try:
            yield process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_S) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()


def test_ipv6():
    """An address of IPv6 is that alone, besides one of IPv4 or not."""
    with serve(options=["--listen", "[::1]:0", "--listen", "127.0.0.1:0"]) as line:
        ipv6, ipv4 = re.search(r"\[::1\]:(\d+)", line), re.search(r"127\.0\.0\.1:(\d+)", line)
        assert ipv6 and ipv4, line
        assert ask("::1", int(ipv6[1])) == 200 and ask("127.0.0.1", int(ipv4[1])) == 200


def test_passed_sockets():
    """LISTEN_FDS, with LISTEN_PID as the process that is to have them; a client may connect before the server is there."""
    listeners = [socket.create_server(("127.0.0.1", 0))]
    if has_ipv6():
        listeners.append(socket.create_server(("::1", 0), family=socket.AF_INET6))
    early = http.client.HTTPConnection(*listeners[0].getsockname()[:2], timeout=TIMEOUT_S)
    early.request("GET", "/healthz")
    places = range(3, 3 + len(listeners))
    moves = " ".join(f"{place}<&{listener.fileno() + 20} {listener.fileno() + 20}<&-" for place, listener in zip(places, listeners))
    for listener in listeners:
        os.dup2(listener.fileno(), listener.fileno() + 20)
    shell = ["bash", "-c", f'exec {moves}; LISTEN_PID=$$ LISTEN_FDS={len(listeners)} exec "$@"', "bash"]
    with serve(*shell, pass_fds=[listener.fileno() + 20 for listener in listeners]) as line:
        assert early.getresponse().status == 200
        for listener in listeners:
            host, port = listener.getsockname()[:2]
            assert f":{port}" in line, line
            assert ask(host, port) == 200
        early.close()
    for listener in listeners:
        os.close(listener.fileno() + 20)
        listener.close()


run([test_ipv6, test_passed_sockets] if has_ipv6() else [test_passed_sockets])
