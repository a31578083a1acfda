#!/usr/bin/env python3
"""Mixed traffic against a server that is killed and started again and again, and a ledger of what it acknowledged: `make soak`.

Writers insert, replace, patch and delete points, in batches, at all three levels of acknowledgement, in four indices and in
namespaces; readers search, get, count and scroll; somebody flushes, compacts and takes snapshots. Every so often all of it
stops short: kill -9; and halfway between the second of these and the third, the fourth and the fifth, SIGTERM. After each restart
every index is exported and compared with the ledger, by what docs/guarantees.md promises:

* what was acknowledged up to the last sequence number that is there is there, as it was; nothing else is;
* beyond it, only writes that were acknowledged as "applied" may be missing, 1 MiB of them at most, and none after SIGTERM;
* what was under way is there as a whole or not at all, and sent again with its key it is applied once.

    tests/soak/soak.py [--minutes N] [--every SECONDS] [--writers N] [--readers N] [--seed N]

The last line is what was counted, `kills` and `stops` among it. Ends with 1 at the first promise that does not hold.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import sys
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("LODE_BIN", str(SOURCE / "build/release/lode"))
sys.path.insert(0, str(SOURCE / "tests/server"))
from server_kit import Server  # noqa: E402

DIM, BATCH_MAX, IDS = 32, 20, 400
LEVELS = ["durable", "logged", "applied"]
INDICES = LEVELS + ["mixed"]  # each of the first three has writes of its level alone
LOST_BYTES_MAX = 1 << 20
TIMEOUT_S = 60
VECTORS = [[round(random.Random(i).gauss(0, 1), 3) for _ in range(DIM)] for i in range(256)]


class Broken(Exception):
    """A promise that does not hold."""


class Client:
    """A connection of one thread, made anew whenever it has broken."""

    def __init__(self, run):
        self.run, self.connection = run, None

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body; None: there is no answer."""
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.run.server.port, timeout=TIMEOUT_S)
            headers = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
            self.connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Write:
    """A batch: what each of its points is afterwards (None: gone), and what was answered."""

    def __init__(self, number, level, operation, body, outcome, size):
        self.key, self.level, self.operation, self.body, self.outcome, self.size = number, level, operation, body, outcome, size
        self.is_seen = None  # after a restart: whether it had been applied although nothing was answered


class Writer(threading.Thread):
    """Writes points that are its own, one batch after the other."""

    def __init__(self, run, number, index, namespace):
        super().__init__(daemon=True)
        self.run_, self.number, self.index, self.namespace = run, number, index, namespace
        self.random = random.Random(run.seed * 1000 + number)
        self.client = Client(run)
        # id: [(sequence, level, value, size)], the newest last; an empty list: it never was there.
        self.ledger = collections.defaultdict(list)
        self.pending, self.count = None, 0

    def value(self, identity):
        return self.ledger[identity][-1][2] if self.ledger[identity] else None

    def ids(self, there):
        """Some of its ids that are there, or any."""
        chosen = {self.number * 100000 + self.random.randrange(IDS) for _ in range(self.random.randint(1, BATCH_MAX))}
        return [identity for identity in sorted(chosen) if not there or self.value(identity) is not None]

    def make(self):
        self.count += 1
        level = self.index if self.index != "mixed" else self.random.choice(LEVELS)
        kind = self.random.choice(["vectors"] * 6 + ["vectors/patch"] * 2 + ["vectors/delete"] * 2)
        ids = self.ids(kind != "vectors")
        if not ids:
            kind, ids = "vectors", self.ids(False)
        value = f"{self.number}-{self.count}"
        if kind == "vectors":
            body = {"vectors": [{"id": i, "vector": self.random.choice(VECTORS), "metadata": {"v": value, "w": self.number}} for i in ids]}
        elif kind == "vectors/patch":
            body = {"ids": ids, "metadata": {"v": value}}
        else:
            body = {"ids": ids}
        if self.namespace:
            body["namespace"] = self.namespace
        outcome = {i: None if kind == "vectors/delete" else value for i in ids}
        return Write(f"{self.run_.seed}-{self.number}-{self.count}", level, kind, body, outcome, len(ids) * 4 * DIM if kind == "vectors" else 0)

    def write(self):
        self.pending = self.pending or self.make()
        write = self.pending
        answer = self.client.ask("POST", f"/indices/{self.index}/{write.operation}?ack={write.level}", write.body, {"Idempotency-Key": write.key})
        if not answer or answer[0] in (429, 503, 504):  # what became of it is not known: once more, with the same key
            return answer is not None
        status, _, body = answer
        if status != 200:
            raise Broken(f"{self.index}: {write.operation} was answered {status}: {body[:300]!r}")
        said = json.loads(body)
        if write.is_seen is not None and said["repeated"] != write.is_seen:
            raise Broken(f"{self.index}: batch {write.key} was {'' if write.is_seen else 'not '}there, and repeated is {said['repeated']}")
        for identity, value in write.outcome.items():
            self.ledger[identity].append((said["sequence"], write.level, value, write.size / len(write.outcome)))
        self.pending = None
        self.run_.counts["writes " + write.level] += 1
        self.run_.counts["repeated"] += said["repeated"]
        return True

    def look(self):
        """What was just answered is seen at once."""
        identity = self.random.choice(list(self.ledger))
        place = f"?namespace={self.namespace}" if self.namespace else ""
        answer = self.client.ask("GET", f"/indices/{self.index}/vectors/{identity}{place}")
        if not answer or answer[0] not in (200, 404):
            return
        found = json.loads(answer[2])["metadata"]["v"] if answer[0] == 200 else None
        if found != self.value(identity):
            raise Broken(f"{self.index}: point {identity} is {found}, and {self.value(identity)} was acknowledged")
        self.run_.counts["looks"] += 1

    def run(self):
        with self.run_.guard():
            while self.run_.may_go_on(self):
                if self.write() and self.ledger and not self.pending and self.random.random() < 0.1:
                    self.look()


class Reader(threading.Thread):
    """Asks this and that; any answer but a failure of the server's will do."""

    def __init__(self, run, number):
        super().__init__(daemon=True)
        self.run_, self.random, self.client = run, random.Random(run.seed * 999 + number), Client(run)

    def question(self):
        index, vector = self.random.choice(INDICES), self.random.choice(VECTORS)
        query, points = f"/indices/{index}/query", f"/indices/{index}/vectors"
        return self.random.choice([
            (query, {"vector": vector, "k": 10}), (query, {"vector": vector, "filter": f"w = {self.random.randrange(8)}", "with": ["metadata"]}),
            (query, {"queries": [{"vector": vector}] * 4}), (query, {"vector": vector, "exact": True, "namespace": "ns"}),
            (query, {"vector": vector, "group_by": "w", "k": 3}), (points + "/count", {"filter": "w < 3"}),
            (points + "/scroll", {"limit": 50}), (points + "/sample", {"count": 5}), (points + "/facets", {"field": "w"})])

    def run(self):
        with self.run_.guard():
            while self.run_.may_go_on(self):
                answer = self.client.ask("POST", *self.question())
                if answer and answer[0] not in (200, 429, 503, 504):
                    raise Broken(f"a question was answered {answer[0]}: {answer[2][:300]!r}")
                self.run_.counts["reads"] += bool(answer and answer[0] == 200)


class Keeper(threading.Thread):
    """Flushes, compacts, keeps snapshots, and looks at metrics."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_, self.random, self.client = run, random.Random(run.seed), Client(run)

    def run(self):
        with self.run_.guard():
            while self.run_.may_go_on(self):
                index = self.random.choice(INDICES)
                answer = self.client.ask(*self.random.choice([
                    ("POST", f"/indices/{index}/flush"), ("POST", f"/indices/{index}/compact"), ("GET", "/metrics"),
                    ("PUT", f"/indices/{index}/snapshots/now"), ("DELETE", f"/indices/{index}/snapshots/now"), ("GET", f"/indices/{index}/stats")]))
                if answer and answer[0] >= 500 and answer[0] not in (503, 504):
                    raise Broken(f"upkeep was answered {answer[0]}: {answer[2][:300]!r}")
                time.sleep(0.1)


def schedule(seconds, every):
    """When it is stopped, in seconds from the beginning, and whether by kill -9."""
    kills = [every * (n + 1) for n in range(int(seconds / every + 1e-6))] or [seconds]
    stops = [kill + every / 2 for kill in kills[1:-1:2]]
    return sorted([(moment, True) for moment in kills] + [(moment, False) for moment in stops])


class Run:
    """The threads, which all stand still while the server is stopped and what it holds is compared."""

    def __init__(self, options):
        self.seed, self.counts = options.seed, collections.Counter()
        self.server = Server("--recall.share", "0.01")
        self.condition = threading.Condition()
        self.state, self.standing, self.failure = "go", set(), None
        places = [(index, namespace) for index in INDICES for namespace in (None, "ns")]
        self.writers = [Writer(self, i, *places[i % len(places)]) for i in range(options.writers)]
        self.threads = self.writers + [Reader(self, i) for i in range(options.readers)] + [Keeper(self)]

    def guard(self):
        """What a thread fails with is the run's failure."""
        run = self

        class Guard:
            def __enter__(self):
                return self

            def __exit__(self, kind, error, trace):
                if error:
                    with run.condition:
                        run.failure = run.failure or error
                        run.condition.notify_all()
                return True
        return Guard()

    def may_go_on(self, thread):
        with self.condition:
            while self.state == "stand" and not self.failure:
                self.standing.add(thread)
                thread.client.close()
                self.condition.notify_all()
                self.condition.wait()
            self.standing.discard(thread)
            return self.state != "end" and not self.failure

    def say(self, state):
        with self.condition:
            self.state = state
            self.condition.notify_all()

    def wait_standing(self):
        with self.condition:
            self.condition.wait_for(lambda: self.failure or len(self.standing) == len(self.threads), 2 * TIMEOUT_S)
            if self.failure:
                raise self.failure
            assert len(self.standing) == len(self.threads), "not all threads stand still"

    def stop_server(self, is_killed):
        if is_killed:
            self.server.kill()
        else:
            self.server.stop()
        self.say("stand")  # until then all are at work
        self.wait_standing()
        self.counts["kills" if is_killed else "stops"] += 1

    def work(self, seconds):
        with self.condition:
            self.condition.wait_for(lambda: self.failure, seconds)
            if self.failure:
                raise self.failure

    def prepare(self):
        for index in INDICES:
            answer = self.server.put(f"/indices/{index}", {"dim": DIM, "fields": {"w": "integer"}})
            assert answer.status == 201, answer

    # --- Comparing ------------------------------------------------------------------------------

    def export(self, index, namespace):
        """The last sequence number, and {id: (value, version)}."""
        place = "&namespace=" + namespace if namespace else ""
        answer = self.server.get(f"/indices/{index}/export?with=metadata,version{place}")
        assert answer.status == 200, answer
        points = [json.loads(line) for line in answer.body.splitlines()]
        return int(answer.headers["lode-sequence"]), {point["id"]: (point["metadata"]["v"], point["version"]) for point in points}

    def compare(self, is_killed):
        lost = collections.Counter()
        for index in INDICES:
            for namespace in (None, "ns"):
                last, found = self.export(index, namespace)
                for writer in self.writers:
                    if (writer.index, writer.namespace) == (index, namespace):
                        lost[index] += self.compare_writer(writer, last, found, is_killed)
                if found:
                    raise Broken(f"{index}: points that nobody wrote: {list(found.items())[:5]}")
        for index, size in lost.items():
            if size > LOST_BYTES_MAX:
                raise Broken(f"{index}: {size} bytes of applied writes are lost")
        self.counts["lost bytes"] += int(sum(lost.values()))

    def compare_writer(self, writer, last, found, is_killed):
        """Takes the writer's points out of `found`; how many bytes of its writes are lost."""
        lost = 0
        pending = writer.pending.outcome if writer.pending else {}
        applied = set()  # of the pending batch: by which of its points it is there, and by which it is not
        for identity in set(writer.ledger) | set(pending):
            entries = writer.ledger[identity]
            while entries and entries[-1][0] > last:
                sequence, level, _, size = entries.pop()
                if level != "applied" or not is_killed:
                    raise Broken(f"{writer.index}: batch {sequence} was acknowledged as {level}; the last one there is {last}")
                lost += size
                self.counts["lost points"] += 1
            wanted = entries[-1][2] if entries else None
            value, version = found.pop(identity, (None, None))
            if identity in pending and pending[identity] != wanted and value in (pending[identity], wanted):
                applied.add(value == pending[identity])
            elif value != wanted:
                raise Broken(f"{writer.index}: point {identity} is {value} of batch {version}; acknowledged was {wanted}, {entries[-2:]}")
            del entries[:-1]
            self.counts["compared"] += 1
        if len(applied) == 2:
            raise Broken(f"{writer.index}: batch {writer.pending.key} is there in part")
        if writer.pending:
            writer.pending.is_seen = applied.pop() if applied else None
        return lost

    def go(self, seconds, every):
        with self.server:
            self.prepare()
            for thread in self.threads:
                thread.start()
            begin = time.monotonic()
            for moment, is_killed in schedule(seconds, every):
                self.work(max(1, begin + moment - time.monotonic()))
                self.counts["KiB at most"] = max(self.counts["KiB at most"], self.server.memory_kib())
                self.stop_server(is_killed)
                began = time.monotonic()
                self.server.start()
                self.counts["ms to start at most"] = max(self.counts["ms to start at most"], int((time.monotonic() - began) * 1000))
                self.compare(is_killed)
                self.say("go")
            self.say("end")
            for thread in self.threads:
                thread.join(2 * TIMEOUT_S)
            if self.failure:
                raise self.failure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--every", type=float, help="seconds between kills; 120, or an eighth of the time if that is less")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    seconds = options.minutes * 60
    run = Run(options)
    print(f"seed {options.seed}", flush=True)
    try:
        run.go(seconds, options.every or min(120, seconds / 8))
    except Broken as broken:
        print(f"BROKEN (seed {options.seed}): {broken}")
        return 1
    print(", ".join(f"{name}: {run.counts[name]}" for name in sorted(run.counts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
