#!/usr/bin/env python3
"""What is no regular file in a database's directory, and what a restore left that was not finished: every command
says so at once, and what helps."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

LODE = os.environ.get("LODE_BIN", "build/release/lode")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from xxh3 import xxh3  # noqa: E402
OK, FAILED, CORRUPT = 0, 1, 6

FILES = ["catalog", "c-*/manifest-*", "c-*/seg-1.vectors", "c-*/seg-1.ids", "c-*/seg-1.docs"]
KINDS = {
    "fifo": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "directory": lambda path: path.mkdir(),
}


def run(*words):
    return subprocess.run([LODE, *map(str, words)], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


class Repair(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.db = self.path / "db"
        points = self.path / "points.jsonl"
        points.write_text('{"id": 1, "vector": [1, 2]}\n{"id": 2, "vector": [3, 4]}\n')
        self.expect(OK, "create", self.db, "c", "--dim", "2", "--metric", "l2", "--m", "40")
        self.expect(OK, "import", self.db, "c", points, "--quiet")

    def expect(self, code, *words):
        done = run(*words)
        self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
        return done.stdout + done.stderr

    def replaced(self, pattern, make):
        copy = self.path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.db, copy)
        target = next(copy.glob(pattern))
        target.unlink()
        make(target)
        return copy, target

    def test_what_is_no_file(self):
        for pattern in FILES:
            for kind, make in KINDS.items():
                with self.subTest(file=pattern, kind=kind):
                    copy, target = self.replaced(pattern, make)
                    for words in (("verify", copy), ("query", copy, "c", "--vector", "[1,2]")):
                        self.assertIn(target.name, self.expect(FAILED, *words))
                    self.assertIn("mended", self.expect(OK, "repair", copy))
                    self.assertIn("sound", self.expect(OK, "verify", copy))

    def test_the_lock_and_keys(self):
        for name in ("LOCK", "keys"):
            for make in KINDS.values():
                copy = self.path / "copy"
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(self.db, copy)
                (copy / name).unlink(missing_ok=True)
                make(copy / name)
                for words in (("verify", copy), ("repair", copy), ("list", copy)):
                    self.assertIn(name, self.expect(FAILED, *words))

    def test_backups(self):
        backup = self.path / "backup"
        self.expect(OK, "backup", self.db, backup)
        target = max((backup / "objects").iterdir())
        target.unlink()
        os.mkfifo(target)
        done = run("verify", backup)
        self.assertIn(done.returncode, (FAILED, CORRUPT))
        self.assertIn(target.name, done.stdout + done.stderr)
        restored = self.path / "restored"
        done = run("restore", backup, restored)
        self.assertIn(done.returncode, (FAILED, CORRUPT))
        self.assertIn(target.name, done.stdout + done.stderr)

    def test_settings(self):
        next(self.db.glob("c-*/manifest-*")).write_text("hi")
        report = json.loads(self.expect(OK, "repair", self.db, "--json"))
        said = [step["text"] for step in report["steps"] if step["kind"] == "lost"]
        self.assertEqual(report["lost"], len(said))
        self.assertTrue(any("m 16" in text for text in said), said)

    def test_an_unfinished_restore(self):
        (self.db / "RESTORING").mkdir()
        for words in (("list", self.db), ("create", self.db, "d", "--dim", "2", "--metric", "l2"), ("keep-log", self.db)):
            said = self.expect(CORRUPT, *words)
            self.assertIn("lode restore", said)
            self.assertNotIn("lode repair", said)
        said = self.expect(CORRUPT, "verify", self.db)
        self.assertIn("restore has to be run again", said)
        self.assertNotIn("lode repair", said)

    def test_a_format_that_is_not_known(self):
        """It is no damage: nothing is repaired, and nobody is told to."""
        self.expect(OK, "keep-log", self.db, "1M")
        self.expect(OK, "import", self.db, "c", self.path / "points.jsonl", "--quiet")
        for pattern in ("catalog", "c-*/manifest-*", "c-*/seg-*.vectors", "c-*/wal-*.log"):
            for version in (1, 99):
                copy = self.path / "copy"
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(self.db, copy)
                target = next(copy.glob(pattern))
                if version == 1 and target.suffix == ".vectors":
                    continue  # that one is known
                data = target.read_bytes()
                head = data[:8] + version.to_bytes(4, "little") + data[12:56]
                target.write_bytes(head + xxh3(head).to_bytes(8, "little") + data[64:])
                with self.subTest(file=pattern, version=version):
                    said = self.expect(FAILED, "verify", copy)
                    self.assertIn(f"has format {version}; this Lode knows", said)
                    self.assertIn("use the lode that wrote these files", said)
                    self.assertNotIn("repair", said)


if __name__ == "__main__":
    unittest.main()
