#!/usr/bin/env python3
"""The command's own threads: one that reads and several that write; several that search; the one that
shows how a compaction goes. Most useful under ThreadSanitizer."""

import json
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest

LODE = os.environ.get("LODE_BIN", "build/release/lode")


def row(values):
    return struct.pack(f"<i{len(values)}f", len(values), *values)


class ConcurrentTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)
        source = random.Random(1)
        self.base = self.path / "base.fvecs"
        self.base.write_bytes(b"".join(row([source.gauss(0, 1) for _ in range(8)]) for _ in range(6000)))

    def lode(self, *words, code=0):
        done = subprocess.run([LODE, *map(str, words), "--json"], capture_output=True, timeout=250,
                              env={**os.environ, "TMPDIR": str(self.path)})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_import(self):
        db = self.path / "t.lode"
        self.lode("create", db, "c", "--dim", 8, "--metric", "l2")
        done = self.lode("import", db, "c", self.base, "--threads", 4, "--batch", 50, "--bulk")
        self.assertEqual(done["imported"], 6000)
        self.assertEqual(self.lode("stats", db, "c")["points"], 6000)

    def test_import_that_fails(self):
        """The place to go on is before the bad batch, whichever thread wrote what."""
        db = self.path / "t.lode"
        self.lode("create", db, "c", "--dim", 8, "--metric", "cosine")
        data = bytearray(self.base.read_bytes())
        data[4321 * 36 + 4:4322 * 36] = bytes(32)
        self.base.write_bytes(data)
        error = self.lode("import", db, "c", self.base, "--threads", 4, "--batch", 50, code=4)["error"]
        self.assertEqual(error["skip"], 4300)
        self.assertIn("rows 4301 to 4350", error["message"])
        self.assertGreaterEqual(self.lode("stats", db, "c")["points"], 4300)

    def test_bench(self):
        report = self.lode("bench", "--base", self.base, "--query", self.base, "--limit-queries", 50, "--metric", "l2",
                           "--threads", 4, "--recall", 0.9)
        self.assertGreaterEqual(report["results"][0]["recall"], 0.9)


if __name__ == "__main__":
    unittest.main()
