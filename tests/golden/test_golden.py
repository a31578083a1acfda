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
import aes_gcm  # noqa: E402
import read_golden  # noqa: E402
from xxh3 import xxh3  # noqa: E402

BUILD, LODE = os.environ.get("LODE_BUILD", "build/release"), os.environ.get("LODE_BIN", "build/release/lode")

KEY = bytes((i * 7 + 31) % 256 for i in range(32))  # tests/support/key_kit.c, number 1

# Of what is built nothing is run: once is enough.
without_our_code = unittest.skipIf(os.environ.get("LODE_SANITIZE"), "nothing that is sanitized")


def program(name):
    return os.path.join(BUILD, "tests", "golden", name)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


class InFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)


class Golden(InFolder):
    maxDiff = 2000

    def extract(self):
        with tarfile.open(os.path.join(HERE, "golden.tar.xz")) as tar:
            tar.extractall(self.folder)

    def expected(self, name="expected.json"):
        with open(self.path(name), encoding="utf-8") as file:
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

    def read_all(self):
        found = read_golden.read_database(self.path("db"))
        self.compare(found, self.expected())
        graphs = {graph for collection in found["collections"].values() for graph in collection["graphs"]}
        self.assertEqual(graphs, {"plain", "fast", "compact"})
        self.assertIn("ship", found["collections"]["films"]["words"])
        self.compare(read_golden.read_database(self.path("secret"), KEY), self.expected("secret.json"))
        for backup in ("backups", "backup.file"):
            found = read_golden.read_backup(self.path(backup))
            self.assertEqual(len(found["collections"]), len(self.expected()["collections"]))

    def test_checksums(self):
        self.assertEqual(xxh3(b""), 0x2D06800538D394C2)
        self.assertEqual(xxh3(b"a"), 0xE6C632B61E964E1F)
        self.assertEqual(xxh3(b"abc"), 0x78AF5F94892F3950)

    def test_encryption(self):
        """Test case 16 of the GCM specification: AES-256 with additional data."""
        key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
        plain = bytes.fromhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                              "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
        sealed = bytes.fromhex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                               "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                               "76fc6ece0f4e1768cddf8853bb2d551b")
        nonce, additional = bytes.fromhex("cafebabefacedbaddecaf888"), bytes.fromhex("feedfacedeadbeef" * 2 + "abaddad2")
        self.assertEqual(aes_gcm.decrypt(key, nonce, sealed, additional), plain)
        self.assertIsNone(aes_gcm.decrypt(key, nonce, sealed, additional[1:]))

    def test_a_key_that_is_missing_is_no_damage(self):
        self.extract()
        for key in (None, bytes(32)):
            with self.assertRaises(read_golden.WrongKey):
                read_golden.read_database(self.path("secret"), key)

    @without_our_code
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

    @without_our_code
    def test_the_second_reader_sees_damage(self):
        """A bit of any file that turned over."""
        self.extract()
        chance = random.Random(1)
        for database, key, times in ((self.path("db"), None, 3), (self.path("secret"), KEY, 1)):
            for folder, _, names in os.walk(database):
                for name in names:
                    for _ in range(times):
                        self.turn_over(database, key, os.path.join(folder, name), chance)

    def turn_over(self, database, key, path, chance):
        with open(path, "rb") as file:
            good = file.read()
        at = chance.randrange(len(good))
        with open(path, "wb") as file:
            file.write(good[:at] + bytes([good[at] ^ 1 << chance.randrange(8)]) + good[at + 1:])
        with self.assertRaises((read_golden.Damage, ValueError, IndexError, KeyError), msg=f"{path} at {at}"):
            read_golden.read_database(database, key)
        with open(path, "wb") as file:
            file.write(good)


class Namespaces(InFolder):
    """Written by the command, read by the other reader."""

    def test_segments(self):
        db, lines = self.path("n.lode"), self.path("points.jsonl")
        run(LODE, "create", db, "c", "--dim", "2", "--metric", "l2")
        for name, count in ((None, 3), ("anna", 2), ("b\u00e9la \"x\"", 150)):
            with open(lines, "w", encoding="utf-8") as file:
                for i in range(count):
                    file.write(json.dumps({"id": f"a b {i}", "vector": [i, 1], "metadata": {"n": i}}) + "\n")
            run(LODE, "import", db, "c", lines, *(("--namespace", name) if name else ()))
        for _ in range(2):
            found = read_golden.read_database(db)["collections"]["c"]["points"]
            ids = {i for i in found}
            self.assertEqual(len(ids), 155)
            for prefix, count in (("", 3), ('namespace "anna" ', 2), ("namespace " + json.dumps("b\u00e9la \"x\"") + " ", 150)):
                self.assertTrue({f"{prefix}string a b {i}" for i in range(count)} <= ids)
            run(LODE, "compact", db, "c")

    def test_drops_in_logs(self):
        prefix = b"\x04\x04anna"
        drop = b"\x01\0\0\0\0\0\0\0" + b"\x04\0" + len(prefix).to_bytes(2, "little") + prefix
        request, operations = read_golden.read_batch(drop, {"dim": 2, "scalar": 0})
        self.assertEqual((request, operations), (None, [(4, {"namespace": "anna"})]))
        points = {'namespace "anna" number 1': {}, 'namespace "anna2" number 1': {}, "number 1": {}}
        read_golden.replay(points, [(1, request, operations)], 0)
        self.assertEqual(sorted(points), ['namespace "anna2" number 1', "number 1"])


if __name__ == "__main__":
    unittest.main()
