#!/usr/bin/env python3
"""TLS: versions, protocols, certificates of servers and clients, reload, clear text where TLS is spoken."""

import json
import os
import pathlib
import signal
import socket
import ssl
import sys
import tempfile
import time
import warnings

from net_kit import SLOW, Server, has, main, read_all, read_answer, request, run, status

if not has("openssl"):
    sys.exit(77)

warnings.simplefilter("ignore", DeprecationWarning)  # versions that are refused
FOLDER = tempfile.TemporaryDirectory()
AT = pathlib.Path(FOLDER.name)


def openssl(*arguments):
    result = run("openssl", *arguments)
    assert result.returncode == 0, result.stderr.decode()


def make(name, subject, alternative, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """A certificate that signs itself."""
    extension = ["-addext", f"subjectAltName={alternative}"] if alternative else []
    openssl("req", "-x509", "-newkey", *kind, "-nodes", "-keyout", str(AT / f"{name}.key"), "-out",
            str(AT / f"{name}.pem"), "-days", "3", "-subj", subject, *extension)


def make_signed(name, subject, alternative, issuer):
    """As make, by a request that the issuer signs."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            str(AT / f"{name}.key"), "-out", str(AT / f"{name}.csr"), "-subj", subject)
    (AT / "extension").write_text(f"subjectAltName={alternative}\n" if alternative else "")
    openssl("x509", "-req", "-in", str(AT / f"{name}.csr"), "-CA", str(AT / f"{issuer}.pem"), "-CAkey",
            str(AT / f"{issuer}.key"), "-CAcreateserial", "-days", "3", "-out", str(AT / f"{name}.pem"), "-extfile",
            str(AT / "extension"))


make("server", "/CN=localhost", "DNS:localhost,IP:127.0.0.1")
make("other", "/CN=localhost", "DNS:localhost,IP:127.0.0.1", kind=("rsa:2048",))
make("ca", "/CN=Lode test CA", None)
make_signed("dns", "/CN=ignored", "IP:127.0.0.1,DNS:client.example,email:a@b", "ca")
make_signed("mail", "/CN=ignored", "email:a@b", "ca")
make_signed("name", "/CN=plain name", None, "ca")
make("stranger", "/CN=stranger", None)
PAIR = {"cert": AT / "server.pem", "key": AT / "server.key"}


def context(alpn=("http/1.1",), client=None, trusted="server"):
    made = ssl.create_default_context(cafile=str(AT / f"{trusted}.pem"))
    made.set_alpn_protocols(list(alpn))
    if client:
        made.load_cert_chain(AT / f"{client}.pem", AT / f"{client}.key")
    return made


def connect(server, made, **options):
    plain = socket.create_connection(("127.0.0.1", server.port))
    plain.settimeout(5 * SLOW)
    return made.wrap_socket(plain, server_hostname="localhost", **options)


def ask(server, made, path="/head"):
    with connect(server, made) as connection:
        connection.sendall(request(path))
        return json.loads(read_answer(connection)[1])


def refused(server, made):
    try:
        ask(server, made)
    except (ssl.SSLError, ConnectionError, AssertionError):
        return True
    return False


def stop(server):
    assert server.stop() == 0


def test_versions():
    with Server(**PAIR) as server:
        made = context()
        with connect(server, made) as connection:
            assert connection.version() == "TLSv1.3" and connection.selected_alpn_protocol() == "http/1.1"
            connection.sendall(request("/head"))
            got = json.loads(read_answer(connection)[1])
            assert got["tls"] == 1 and got["http2"] == 0 and got["name"] == "", got
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        assert refused(server, made)
        stop(server)
    with Server(tls12=1, **PAIR) as server:
        made = context()
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        with connect(server, made) as connection:
            assert connection.version() == "TLSv1.2" and "GCM" in connection.cipher()[0]
        made.set_ciphers("ECDHE+AES128:!AESGCM:!AESCCM")
        assert refused(server, made)
        made = context()
        made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_1
        assert refused(server, made)
        stop(server)


def test_protocols():
    with Server(**PAIR) as server:
        with connect(server, context(("h2", "http/1.1"))) as connection:
            assert connection.selected_alpn_protocol() == "h2"
        assert refused(server, context(("spdy/1",)))
        made = ssl.create_default_context(cafile=str(AT / "server.pem"))  # no ALPN at all
        assert ask(server, made)["http2"] == 0
        if has("curl"):
            curl = ["curl", "-s", "-m", "30", "--cacert", str(AT / "server.pem")]
            url = f"https://localhost:{server.port}"
            assert json.loads(run(*curl, f"{url}/head").stdout)["http2"] == 1
            assert json.loads(run(*curl, "--http1.1", f"{url}/head").stdout)["http2"] == 0
            data = bytes(range(256)) * 20000
            for version in ("--http1.1", "--http2"):
                assert run(*curl, version, "--data-binary", "@-", f"{url}/echo", data=data).stdout == data
                assert run(*curl, version, "-T", "-", f"{url}/upload", data=data).stdout == b'{"bytes":5120000}'
                assert len(run(*curl, version, f"{url}/stream?bytes=10000000").stdout) == 10000000
        stop(server)


def test_clear_text():
    with Server(**PAIR) as server:
        for method in (b"GET", b"DELETE", b"PRI"):
            answer = server.ask(method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert status(answer) == 400 and b"this port speaks TLS" in answer, answer
        assert b"HTTP" not in server.ask(b"\0\1\2\3" * 10)
        assert ask(server, context(), "/stats")["malformed"] == 3
        stop(server)


def test_slow_readers():
    """An answer that is read slowly, and a body that is taken slowly, under TLS: nothing is left lying."""
    with Server(**PAIR) as server:
        with connect(server, context()) as connection:
            connection.sendall(request("/stream?bytes=20000000"))
            total, tail = 0, b""
            while not tail.endswith(b"0\r\n\r\n"):
                piece = connection.recv(65536)
                total += len(piece)
                tail = (tail + piece)[-5:]
                if total < 1000000:
                    time.sleep(0.01)
            assert total > 20000000
            size = 3000000
            connection.sendall(f"POST /slurp?ms=1 HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
            connection.sendall(bytes(size))
            assert read_answer(connection)[1] == b'{"bytes":3000000}'
            for number in range(5):  # sent ahead, in records of their own
                connection.sendall(request("/echo", "POST", body=b"%d" % number * 70000))
            for number in range(5):
                assert exact_answer(connection, 70000) == b"%d" % number * 70000
        stop(server)


def test_answers_flow():
    """Large answers that fill the socket's buffer again and again never come to a stop."""
    with Server(**PAIR) as server:
        for _ in range(100):
            begin = time.monotonic()
            with connect(server, context()) as connection:
                connection.sendall(request("/stream?bytes=10000000", head="Connection: close\r\n"))
                assert len(read_all(connection)) > 10000000
            assert time.monotonic() - begin < 3 * SLOW
        stop(server)


def test_asked_ahead():
    """Behind an answer that has filled the socket, a request that runs for long, and one that waits for it: the loop rests."""
    with Server(**PAIR) as server:
        with connect(server, context()) as connection:
            connection.sendall(request("/stream?bytes=20000000"))
            connection.sendall(request("/work?ms=3000") + request("/hello"))
            time.sleep(0.3)
            tail = b""
            while not tail.endswith(b"\r\n0\r\n\r\n"):
                tail = tail[-10:] + connection.recv(65536)
            cpu_s, answers = server.cpu_s(), b""
            while not answers.endswith(b'{"hello":1}'):  # both come together
                answers += connection.recv(65536)
            assert b'{"worked":true}' in answers, answers
            assert server.cpu_s() - cpu_s < 0.4 * SLOW, server.cpu_s() - cpu_s
        stop(server)


def exact_answer(connection, size):
    """The body, of this size, of an answer; not a byte more is read."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    body = b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    return body


def test_slow_handshakes():
    with Server(headtime=500, **PAIR) as server:
        silent = [server.connect(10) for _ in range(50)]
        for connection in silent:
            connection.sendall(b"\x16\x03\x01")
        assert ask(server, context())["tls"] == 1
        for connection in silent:
            assert read_all(connection) in (b"", b"<reset>")
            connection.close()
        assert server.cpu_s() < 0.3 * SLOW  # half a second has passed: it waited, it did not spin
        stop(server)


def test_client_certificates():
    with Server(ca=AT / "ca.pem", **PAIR) as server:
        assert ask(server, context(client="dns"))["name"] == "client.example"
        assert ask(server, context(client="mail"))["name"] == "a@b"
        assert ask(server, context(client="name"))["name"] == "plain name"
        assert refused(server, context())
        assert refused(server, context(client="stranger"))
        # A session that is taken up again is still who it was.
        made = context(client="dns")
        with connect(server, made) as connection:
            connection.sendall(request("/head"))
            read_answer(connection)
            session = connection.session
        with connect(server, made, session=session) as connection:
            assert connection.session_reused
            connection.sendall(request("/head"))
            assert json.loads(read_answer(connection)[1])["name"] == "client.example"
        stop(server)


def test_reload():
    """New connections see the new certificate, old ones go on; what cannot be read changes nothing."""
    certificate, key = AT / "used.pem", AT / "used.key"
    certificate.write_bytes((AT / "server.pem").read_bytes())
    key.write_bytes((AT / "server.key").read_bytes())
    with Server(cert=certificate, key=key) as server:
        with connect(server, context()) as before:
            key.write_bytes((AT / "other.key").read_bytes())
            server.process.send_signal(signal.SIGHUP)  # no pair
            time.sleep(0.2 * SLOW)
            assert ask(server, context())["tls"] == 1
            certificate.write_bytes((AT / "other.pem").read_bytes())
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 5 * SLOW
            while not refused(server, context()):
                assert time.monotonic() < end
            assert ask(server, context(trusted="other"))["tls"] == 1
            before.sendall(request("/hello"))
            assert read_answer(before)[1] == b'{"hello":1}'
        stop(server)


def test_wrong_files():
    def fails(**options):
        process = run(str(pathlib.Path(os.environ["LODE_BUILD"]) / "tests" / "net" / "net_echo"),
                      *[f"{key}={value}" for key, value in options.items()])
        assert process.returncode == 2, process
        return process.stderr.decode()

    assert "nothing.pem" in fails(cert="nothing.pem", key=AT / "server.key")
    assert "other.key" in fails(cert=AT / "server.pem", key=AT / "other.key")
    assert "server.key" in fails(ca=AT / "server.key", **PAIR)


def test_openssl():
    """No renegotiation, and TLS 1.3 as openssl sees it."""
    with Server(tls12=1, **PAIR) as server:
        at = f"127.0.0.1:{server.port}"
        result = run("openssl", "s_client", "-connect", at, "-CAfile", str(AT / "server.pem"), "-alpn", "h2", data=b"")
        assert b"Verify return code: 0" in result.stdout and b"ALPN protocol: h2" in result.stdout, result.stdout
        result = run("openssl", "s_client", "-connect", at, "-tls1_2", data=b"R\n")
        text = result.stdout + result.stderr
        assert b"Secure Renegotiation IS supported" in text and b"no renegotiation" in text, text[-500:]
        stop(server)


if __name__ == "__main__":
    main(globals())
