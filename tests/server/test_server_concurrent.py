#!/usr/bin/env python3
"""Everything at once: readers, writers, imports, exports, metrics, upkeep, aliases and drops, and a stop amid all of it. Each
answer is one that may be given then, and the server ends in order."""

import http.client
import json
import threading
import time

from server_kit import SLOW, Server, check, run

SECONDS = 4 if SLOW else 3
POINTS = [{"id": i, "vector": [1, i, 0], "metadata": {"year": 1990 + i}} for i in range(10)]
LINES = "".join(json.dumps({"id": i, "vector": [i, 1, 2]}) + "\n" for i in range(3000)).encode()


def filled(server):
    check(server.put("/indices/films", {"dim": 3}), 201)
    check(server.post("/indices/films/vectors", {"vectors": POINTS}), 200)


class Crowd:
    """Threads that ask again and again, until they are told to end; answers of other statuses are kept."""

    def __init__(self, server):
        self.server, self.end, self.wrong, self.threads, self.count = server, threading.Event(), [], [], 0

    def ask(self, statuses, method, path, body=None, times=1, may_break=False):
        def again():
            while not self.end.is_set():
                try:
                    answer = self.server.request(method, path, body)
                except (OSError, http.client.HTTPException):
                    if self.end.is_set() or may_break:
                        continue
                    self.wrong.append((method, path, "no answer"))
                    return
                self.count += 1
                if answer.status not in statuses:
                    self.wrong.append((method, path, answer))

        for _ in range(times):
            self.threads.append(threading.Thread(target=again))
            self.threads[-1].start()

    def finish(self):
        self.end.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[:3]


def everything(server, busy):
    crowd = Crowd(server)
    index = "/indices/films"
    crowd.ask({200, 404, *busy}, "POST", index + "/query", {"vector": [1, 2, 3], "k": 3}, times=3)
    crowd.ask({200, 404, 422, *busy}, "POST", index + "/vectors", {"vectors": POINTS}, times=2)
    crowd.ask({200, 404, 409, *busy}, "POST", index + "/import?ack=applied", LINES)
    crowd.ask({200, 404, *busy}, "GET", index + "/export", may_break=True)  # when it is dropped
    crowd.ask({200, 404, *busy}, "GET", index + "/stats")
    crowd.ask({200, 404, *busy}, "POST", index + "/flush")
    crowd.ask({200, 503}, "GET", "/metrics")
    crowd.ask({200, *busy}, "GET", "/indices")
    crowd.ask({200, 404, *busy}, "PUT", "/aliases/shelf", {"target": "films"})
    crowd.ask({200, 404, *busy}, "POST", "/indices/shelf/vectors/count", {})
    return crowd


def test_drops_amid_everything():
    """Whoever drops succeeds, again and again; the others are answered, or told that there is no such index."""
    with Server() as server:
        filled(server)
        crowd = everything(server, {429})
        end, drops = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            check(server.delete("/indices/films"), 204)
            drops += 1
            filled_again(server)
        crowd.finish()
        print(f"{crowd.count} answers, {drops} drops")
        assert drops > 3 and crowd.count > 50


def filled_again(server):
    assert server.put("/indices/films", {"dim": 3}).status == 201
    server.post("/indices/films/vectors", {"vectors": POINTS})
    time.sleep(0.05)


def test_stop_amid_everything():
    with Server() as server:
        filled(server)
        crowd = everything(server, {429, 503})
        time.sleep(SECONDS / 2)
        crowd.end.set()  # connections may break from now on
        server.stop()
        for thread in crowd.threads:
            thread.join()
        assert not crowd.wrong, crowd.wrong[:3]
        server.start()
        assert server.get("/indices/films").json["points"] >= 10


if __name__ == "__main__":
    run([test_drops_amid_everything, test_stop_amid_everything])
