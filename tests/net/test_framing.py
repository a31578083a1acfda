#!/usr/bin/env python3
"""HTTP/1 on the wire: what two readers could take for different messages is refused and its connection closed; the rest
is answered as the standard says."""

import time

from net_kit import Server, main, read_all, read_answer, request, status

POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"

REFUSED = {
    "length and chunked": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "space before colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "bare LF": b"POST /echo HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc",
    "folded line": POST + b"X-A: b\r\n c\r\nContent-Length: 3\r\n\r\nabc",
    "negative chunk": CHUNKED + b"-1\r\na\r\n0\r\n\r\n",
    "chunk too long": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "chunk without CR": CHUNKED + b"1\na\r\n0\r\n\r\n",
    "no host": b"POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
    "two hosts": POST + b"Host: y\r\nContent-Length: 3\r\n\r\nabc",
    "NUL": POST + b"X-A: a\x00b\r\nContent-Length: 3\r\n\r\nabc",
    "CR in a value": POST + b"X-A: a\rb\r\nContent-Length: 3\r\n\r\nabc",
    "long header": POST + b"X-A: " + b"a" * 100000 + b"\r\nContent-Length: 3\r\n\r\nabc",
    "many headers": POST + b"A: b\r\n" * 10000 + b"Content-Length: 3\r\n\r\nabc",
    "long target": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "chunked in 1.0": b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "version": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
}


def test_refused():
    with Server() as server:
        for name, data in REFUSED.items():
            answer = server.ask(data + SMUGGLED)
            assert answer.count(b"HTTP/1.1 ") == 1, (name, answer)
            assert status(answer) in (400, 413, 414, 431, 501, 505), (name, answer)
            assert b"connection: close" in answer, (name, answer)
        stats = server.stats()
        assert stats["malformed"] == len(REFUSED), stats


def test_pipelined():
    with Server() as server:
        with server.connect() as connection:
            bodies = [b"a" * n for n in (3, 5000, 1, 70000, 0)]
            connection.sendall(b"".join(request("/echo", "POST", body=body) for body in bodies))
            got = b""
            for body in bodies:  # answers may come in one piece
                while got.count(b"\r\n\r\n") < 1:
                    got += connection.recv(65536)
                head, _, rest = got.partition(b"\r\n\r\n")
                assert status(head) == 200
                while len(rest) < len(body):
                    rest += connection.recv(65536)
                assert rest[:len(body)] == body
                got = rest[len(body):]
        many = server.ask(SMUGGLED * 999 + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + SMUGGLED)
        assert many.count(b"HTTP/1.1 200") == 1000


def test_slow_pieces():
    with Server() as server, server.connect() as connection:
        data = CHUNKED + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n"
        for i in range(0, len(data), 7):
            connection.sendall(data[i:i + 7])
            time.sleep(0.002)
        assert read_answer(connection)[1] == b"abcde"


def test_continue():
    with Server() as server, server.connect() as connection:
        connection.sendall(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert read_answer(connection)[1] == b"abc"
        connection.sendall(POST + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
        answer = read_all(connection)  # no 100: it is refused at once, and closed
        assert status(answer) == 413 and b"connection: close" in answer, answer


def test_methods_and_versions():
    with Server() as server:
        with server.connect() as connection:
            connection.sendall(request("/hello", "HEAD"))
            head, body = b"", b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(100)
            head, _, body = head.partition(b"\r\n\r\n")
            assert b"content-length: 11" in head and body == b""
            connection.sendall(request("/stream?bytes=10", "HEAD"))
            head = connection.recv(1000)
            assert head.endswith(b"\r\n\r\n") and b"chunked" in head, head
            connection.sendall(request("/hello"))
            assert read_answer(connection)[1] == b'{"hello":1}'
        answer = server.ask(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + SMUGGLED)
        assert answer.count(b"HTTP/1.1 200") == 1 and b"connection: close" in answer, answer
        answer = server.ask(b"GET /stream?bytes=100 HTTP/1.0\r\n\r\n")
        assert b"chunked" not in answer and len(answer.partition(b"\r\n\r\n")[2]) == 100
        answer = server.ask(b"GET http://h:1/head?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b'"path":"/head","query":"q","authority":"h:1"' in answer, answer
        assert b"server:" not in answer.lower()
        assert server.ask(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 501")


def test_small_rest_is_dropped():
    """An answer that does not wait for its body: a short one is read and forgotten, a long one ends the connection."""
    with Server() as server, server.connect() as connection:
        connection.sendall(request("/hello", "POST", body=b"x" * 1000)[:-500])
        assert b"connection: close" not in read_answer(connection)[0]
        connection.sendall(b"x" * 500 + request("/hello"))
        assert read_answer(connection)[1] == b'{"hello":1}'
        connection.sendall(POST + b"Content-Length: 99999999\r\n\r\n" + b"x" * 100000)
        answer = read_all(connection)
        assert status(answer) == 413 and b"connection: close" in answer, answer


if __name__ == "__main__":
    main(globals())
