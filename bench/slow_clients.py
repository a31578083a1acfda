#!/usr/bin/env python3
"""What slow clients cost others: the latency of queries without and beside connections whose request heads never end.

    LODE_BIN=build/release/lode bench/slow_clients.py [--connections 1000] [--seconds 20] [--rate 200] [--json FILE]

A server holds 20,000 points of 128 numbers. One connection asks at fixed moments; a latency counts from the moment at which a
query should have been sent. Rounds with and without slow clients alternate. These are a process of their own: each connection
sends a byte of a header a second, and is opened again whenever the server has given it up (http.head-timeout, 10 s)."""

import argparse
import http.client
import json
import multiprocessing
import pathlib
import random
import resource
import socket
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "tests/server"))
from server_kit import Server, check  # noqa: E402

POINTS, DIM, BATCH, ROUNDS = 20_000, 128, 1000, 3


def open_head(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(b"GET /indices HTTP/1.1\r\nHost: x\r\nX-A: ")
    connection.setblocking(False)
    return connection


def is_given_up(connection):
    try:
        connection.send(b"x")
        connection.recv(4096)
        return True  # answered, with 408, or closed
    except BlockingIOError:
        return False
    except OSError:
        return True


def be_slow(port, count, given_up, all_there, is_over):
    """Spread over each second, as of many clients that do not know of each other."""
    connections = [open_head(port) for _ in range(count)]
    all_there.set()
    while not is_over.is_set():
        began = time.monotonic()
        for i, connection in enumerate(connections):
            if is_given_up(connection):
                connection.close()
                connections[i] = open_head(port)
                given_up.value += 1
            if i % 10 == 9:
                time.sleep(max(0.0, began + i / count - time.monotonic()))


def ask(port, rate, seconds, queries):
    """Latencies in ms."""
    connection, taken = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
    connection.connect()
    begin = time.monotonic()
    for i in range(int(rate * seconds)):
        at = begin + i / rate
        time.sleep(max(0.0, at - time.monotonic()))
        connection.request("POST", "/indices/films/query", queries[i % len(queries)], {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        taken.append((time.monotonic() - at) * 1000)
    connection.close()
    return taken


def ask_beside_slow(port, options, queries):
    given_up, all_there, is_over = multiprocessing.Value("i", 0), multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=be_slow, args=(port, options.connections, given_up, all_there, is_over))
    process.start()
    all_there.wait(60)
    taken = ask(port, options.rate, options.seconds / ROUNDS, queries)
    is_over.set()
    process.join()
    return taken, given_up.value


def load(server, numbers):
    check(server.put("/indices/films", {"dim": DIM}), 201)
    for first in range(0, POINTS, BATCH):
        vectors = [{"id": first + i, "vector": [round(numbers.gauss(0, 1), 3) for _ in range(DIM)]} for i in range(BATCH)]
        check(server.post("/indices/films/vectors?ack=logged", {"vectors": vectors}), 200)
    check(server.post("/indices/films/compact"), 200)


def measure(options):
    numbers, without, beside, given_up = random.Random(1), [], [], 0
    with Server() as server:
        load(server, numbers)
        queries = [json.dumps({"vector": [round(numbers.gauss(0, 1), 3) for _ in range(DIM)], "k": 10}) for _ in range(500)]
        ask(server.port, options.rate, 1, queries)
        for _ in range(ROUNDS):
            without += ask(server.port, options.rate, options.seconds / ROUNDS, queries)
            taken, count = ask_beside_slow(server.port, options, queries)
            beside += taken
            given_up += count
    return without, beside, given_up


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20, help="of queries without slow clients, and as many beside them")
    parser.add_argument("--rate", type=float, default=200, help="queries a second")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    without, beside, given_up = measure(options)
    report = {"connections": options.connections, "rate": options.rate, "given_up": given_up}
    for name, taken in (("without", without), ("beside", beside)):
        taken.sort()
        shares = {f"p{share:g}_ms": round(taken[int(len(taken) * share / 100)], 3) for share in (50, 99, 99.9)}
        report[name] = {"queries": len(taken), **shares, "max_ms": round(taken[-1], 3)}
        print(name, report[name])
    print(f"{options.connections} connections, {given_up} given up")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
