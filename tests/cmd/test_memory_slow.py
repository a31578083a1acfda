#!/usr/bin/env python3
"""More data than memory: `lode` with --memory in a cgroup of little more than that, and with RLIMIT_AS. It completes or
refuses by name; it is never killed. LODE_MEMORY_TIMES (2): how many times the budget the data is; a half of that where
graphs are built."""

import array
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

LODE = os.environ.get("LODE_BIN", "build/release/lode")
MIB = 1 << 20
BUDGET = 64 * MIB
# What the kernel itself needs for a process and its files: page tables, the pages a write is made of, inodes.
KERNEL = 8 * MIB
DIM = 128
INDEX_ROWS_MIN = 4096  # segments with fewer rows are scanned; src/base/limits.h
TIMES = int(os.environ.get("LODE_MEMORY_TIMES", "2"))

if os.environ.get("LODE_SANITIZE"):
    print("skipped: sanitizers have memory of their own")
    sys.exit(77)


class Cgroup:
    """A memory cgroup, of version 1 or 2, whichever may be made here."""

    def __init__(self, limit):
        self.path = None
        for root, name, tail in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
                                 ("/sys/fs/cgroup", "memory.max", "memory.peak")):
            path = pathlib.Path(root) / f"lode-test-{os.getpid()}"
            try:
                path.mkdir()
                (path / name).write_text(str(limit))
                self.path, self.peak_file = path, path / tail
                return
            except OSError as error:
                self.why = error
                if path.is_dir():
                    path.rmdir()

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def peak(self):
        return int(self.peak_file.read_text()) if self.peak_file.exists() else 0

    def close(self):
        if self.path:
            self.path.rmdir()


def write_many(path, count, dim=DIM):
    """Windows of a run of random numbers, repeated after 100,003; .fvecs."""
    rng = random.Random(2)
    pool = array.array("f", [rng.gauss(0, 1) for _ in range(100_003 + dim)]).tobytes()
    width = array.array("i", [dim]).tobytes()
    with open(path, "wb") as out:
        for i in range(count):
            at = i * 17 % 100_003 * 4
            out.write(width + pool[at:at + 4 * dim])


def write_clusters(path, count, dim=DIM):
    """As embeddings of texts lie; .fvecs."""
    rng = random.Random(1)
    centres = [[rng.gauss(0, 1) for _ in range(dim)] for _ in range(64)]
    noise = array.array("f", [rng.gauss(0, 0.3) for _ in range(65536 + dim)])
    width = array.array("i", [dim]).tobytes()
    with open(path, "wb") as out:
        for i in range(count):
            at = rng.randrange(65536)
            row = array.array("f", map(float.__add__, centres[i % 64], noise[at:at + dim]))
            out.write(width + row.tobytes())


class MemoryTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.db = str(self.path / "t.lode")

    def run_lode(self, *words, before=None, codes=(0,)):
        done = subprocess.run([LODE, *map(str, words)], capture_output=True, timeout=250, preexec_fn=before)
        self.assertGreaterEqual(done.returncode, 0, f"killed by {signal.Signals(-done.returncode).name}: {words}"
                                if done.returncode < 0 else "")
        self.assertIn(done.returncode, codes, f"{words}: {done.stdout} {done.stderr}")
        return done

    def json(self, *words, **options):
        return json.loads(self.run_lode(words[0], "--json", *words[1:], **options).stdout)

    def cgroup(self):
        group = Cgroup(BUDGET + KERNEL)
        if not group.path:
            self.skipTest(f"no memory cgroup may be made here: {group.why}")
        self.addCleanup(group.close)
        return group

    def test_more_than_the_budget_in_a_cgroup(self):
        group = self.cgroup()
        count = TIMES * BUDGET // (DIM * 4)
        vectors = self.path / "x.fvecs"
        write_many(vectors, count)
        limit = ("--memory", "64MiB")
        self.run_lode("create", self.db, "c", "--dim", DIM, "--metric", "l2", "--index", "flat", *limit, before=group.enter)
        done = self.json("import", self.db, "c", vectors, *limit, before=group.enter)
        self.assertEqual(done["imported"], count)
        found = self.json("query", self.db, "c", "--like", count - 1, "--exact", "--k", 3, *limit, before=group.enter)
        self.assertEqual(len(found["hits"]), 3)
        self.run_lode("compact", self.db, "c", *limit, before=group.enter)
        self.run_lode("verify", self.db, *limit, before=group.enter)
        self.run_lode("backup", self.db, self.path / "backups", *limit, before=group.enter)
        self.run_lode("export", self.db, "c", self.path / "out.fvecs", *limit, before=group.enter)
        self.assertEqual((self.path / "out.fvecs").stat().st_size, vectors.stat().st_size)
        print(f"cgroup of {(BUDGET + KERNEL) // MIB} MiB, {count} vectors of {DIM}: at most {group.peak() // MIB} MiB",
              file=sys.stderr)

    def test_graphs_in_a_cgroup(self):
        group = self.cgroup()
        count = 20_000 * TIMES
        vectors = self.path / "x.fvecs"
        write_clusters(vectors, count)
        self.run_lode("create", self.db, "c", "--dim", DIM, "--metric", "l2", "--ef-construction", 60)
        os.environ["LODE_MEMORY"] = "64MiB"
        self.addCleanup(os.environ.pop, "LODE_MEMORY")
        self.assertEqual(self.json("import", self.db, "c", vectors, before=group.enter)["imported"], count)
        self.run_lode("compact", self.db, "c", before=group.enter)
        stats = self.json("stats", self.db, "c", before=group.enter)
        self.assertEqual(stats["points"], count)
        self.assertEqual(stats["process_memory"]["budget_bytes"], BUDGET)
        self.assertGreater(len(stats["segments"]), 1)
        for segment in stats["segments"]:
            if segment["rows"] >= INDEX_ROWS_MIN:
                self.assertEqual(segment["graph_rows"], segment["rows"], stats["segments"])
        found = self.json("query", self.db, "c", "--like", 7, "--k", 10, "--recall", before=group.enter)
        self.assertGreaterEqual(found["recall"], 0.8)

    def test_address_space(self):
        """Mapped files need addresses: too few of them are an error that says so."""
        count = TIMES * BUDGET // (DIM * 4) // 2
        vectors = self.path / "x.fvecs"
        write_many(vectors, count)
        self.run_lode("create", self.db, "c", "--dim", DIM, "--metric", "l2", "--index", "flat")
        outcomes = []
        for mib in (120, 200, 300, 2000):
            def limit(bytes_max=mib * MIB):
                resource.setrlimit(resource.RLIMIT_AS, (bytes_max, bytes_max))
            done = self.run_lode("import", "--memory", "64MiB", self.db, "c", vectors, before=limit, codes=(0, 1))
            outcomes.append(done.returncode)
            if done.returncode:
                self.assertRegex(done.stderr.decode(), "(?i)memory|map|thread")
            self.run_lode("verify", self.db)
        self.assertEqual(outcomes[-1], 0)
        self.assertEqual(self.json("stats", self.db, "c")["points"], count)

    def test_the_option(self):
        for text in ("64Mib", "-1", "", "1e9", "12x", "99999999999999999999", "18446744073709551615G", "2 GiB"):
            done = self.run_lode("list", self.db, "--memory", text, codes=(2,))
            self.assertIn("--memory", done.stderr.decode())
        done = self.run_lode("list", self.db, "--memory", "1MB", codes=(2,))
        self.assertIn("1000000", done.stderr.decode())
        self.assertIn("67108864", done.stderr.decode())
        self.run_lode("create", self.db, "c", "--dim", 2, "--metric", "l2")
        for text, size in (("64MiB", 64 << 20), ("1G", 10 ** 9), ("2GiB", 2 << 30), ("100000000", 10 ** 8),
                           ("70MB", 7 * 10 ** 7), ("1TB", 10 ** 12), ("0", 0)):
            stats = self.json("stats", self.db, "c", "--memory", text)
            self.assertEqual(stats["process_memory"]["budget_bytes"], size)
        os.environ["LODE_MEMORY"] = "lots"
        self.addCleanup(os.environ.pop, "LODE_MEMORY")
        self.assertIn("LODE_MEMORY", self.run_lode("list", self.db, codes=(2,)).stderr.decode())
        self.run_lode("list", self.db, "--memory", "64MiB")  # what is given on the line counts
        os.environ["LODE_MEMORY"] = ""
        self.run_lode("list", self.db)


if __name__ == "__main__":
    unittest.main()
