#!/usr/bin/env python3
"""The golden files, and what is written today, are read by two readers that share no code, and hold the same.

Fails after a change of a format: then tests/golden/regenerate.sh, and read_golden.py and docs/format in step with it.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import read_golden  # noqa: E402
from xxh3 import xxh3  # noqa: E402

BUILD, LODE = os.environ.get("LODE_BUILD", "build/release"), os.environ.get("LODE_BIN", "build/release/lode")


def program(name):
    return os.path.join(BUILD, "tests", "golden", name)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


class Golden(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def extract(self):
        with tarfile.open(os.path.join(HERE, "golden.tar.xz")) as tar:
            tar.extractall(self.folder)

    def expected(self):
        with open(self.path("expected.json"), encoding="utf-8") as file:
            return json.load(file)

    def compare_points(self, found, wanted, what):
        self.assertEqual(len(found), len(wanted), what)
        for point in wanted:
            other = found[point["id"]]
            vector = [read_golden.f32(x) for x in point["vector"]]
            self.assertEqual(other["vector"], vector, f"{what}, {point['id']}")
            for name in ("metadata", "text", "version", "expires_at_ms"):
                self.assertEqual(other[name], point[name], f"{what}, {name} of {point['id']}")

    def compare(self, found, expected):
        """All that two readers tell of a database."""
        self.assertEqual(found["aliases"], expected["aliases"])
        self.assertEqual(found["log_keep_bytes"], expected["log_keep_bytes"])
        self.assertEqual(sorted(found["collections"]), sorted(expected["collections"]))
        for name, wanted in expected["collections"].items():
            collection = found["collections"][name]
            for field in ("sequence", "text_model", "schema"):
                self.assertEqual(collection[field], wanted[field], f"{field} of {name}")
            self.assertEqual(collection["requests"], expected["requests"], name)
            self.compare_points(collection["points"], wanted["points"], name)
            self.assertEqual(list(collection["snapshots"]), list(wanted["snapshots"]))
            for snapshot, state in wanted["snapshots"].items():
                self.assertEqual(collection["snapshots"][snapshot]["sequence"], state["sequence"])
                self.compare_points(collection["snapshots"][snapshot]["points"], state["points"], snapshot)
        graphs = {graph for collection in found["collections"].values() for graph in collection["graphs"]}
        self.assertEqual(graphs, {"plain", "fast", "compact"})
        self.assertIn("ship", found["collections"]["films"]["words"])

    def read_all(self):
        self.compare(read_golden.read_database(self.path("db")), self.expected())
        for backup in ("backups", "backup.file"):
            found = read_golden.read_backup(self.path(backup))
            self.assertEqual(len(found["collections"]), len(self.expected()["collections"]))

    def test_checksums(self):
        self.assertEqual(xxh3(b""), 0x2D06800538D394C2)
        self.assertEqual(xxh3(b"a"), 0xE6C632B61E964E1F)
        self.assertEqual(xxh3(b"abc"), 0x78AF5F94892F3950)

    def test_golden_files_by_the_second_reader(self):
        self.extract()
        self.read_all()

    def test_golden_files_by_todays_code(self):
        self.extract()
        run(program("check"), self.folder)

    def test_what_is_written_today(self):
        run(program("generate"), self.folder)
        self.read_all()

    def test_lode_export_agrees(self):
        run(program("generate"), self.folder)
        before = read_golden.read_database(self.path("db"))
        for name, collection in before["collections"].items():
            run(LODE, "export", self.path("db"), name, self.path(f"{name}.jsonl"))
            with open(self.path(f"{name}.jsonl"), encoding="utf-8") as file:
                exported = [json.loads(line) for line in file]
            self.compare_export(collection, exported, name)
        after = read_golden.read_database(self.path("db"))  # closed in order: the logs are in segments now
        for name, collection in before["collections"].items():
            self.assertEqual(after["collections"][name]["points"], collection["points"], name)

    def compare_export(self, collection, exported, name):
        self.assertEqual(len(exported), len(collection["points"]), name)
        vectors = {json.dumps([read_golden.f32(x) for x in point["vector"]]) for point in exported}
        self.assertEqual(vectors, {json.dumps(point["vector"]) for point in collection["points"].values()})
        by_id = {str(point["id"]): point for point in exported}
        for key, point in collection["points"].items():
            kind, text = key.split(" ", 1)
            if kind == "uuid":
                text = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
            other = by_id[text]
            self.assertEqual(other.get("metadata"), json.loads(point["metadata"] or "null"), key)
            self.assertEqual(other.get("text"), point["text"], key)
            self.assertEqual([read_golden.f32(x) for x in other["vector"]], point["vector"], key)

    def test_the_second_reader_sees_damage(self):
        """A bit of any file that turned over."""
        self.extract()
        chance = random.Random(1)
        for folder, _, names in os.walk(self.path("db")):
            for name in names:
                path = os.path.join(folder, name)
                for _ in range(3):
                    self.turn_over(path, chance)

    def turn_over(self, path, chance):
        with open(path, "rb") as file:
            good = file.read()
        at = chance.randrange(len(good))
        with open(path, "wb") as file:
            file.write(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1:])
        with self.assertRaises((read_golden.Damage, ValueError, IndexError, KeyError), msg=f"{path} at {at}"):
            read_golden.read_database(self.path("db"))
        with open(path, "wb") as file:
            file.write(good)


if __name__ == "__main__":
    unittest.main()
