#!/usr/bin/env python3
"""The command lode, end to end: every command, every format there and back, every exit code."""

import hashlib
import json
import math
import os
import pathlib
import random
import signal
import struct
import subprocess
import tempfile
import unittest

LODE = os.environ.get("LODE_BIN", "build/release/lode")
COMMANDS = ["create", "import", "query", "get", "patch", "delete", "export", "list", "alias", "stats", "compact", "drop",
            "snapshot", "backup", "restore", "keep-log", "verify", "repair", "bench"]
OK, FAILED, USAGE, NOT_FOUND, BAD_DATA, BUSY, CORRUPT = range(7)
UUID = "550e8400-e29b-41d4-a716-446655440000"


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.db = str(self.path / "t.lode")
        self.addCleanup(self.folder.cleanup)

    def run_lode(self, *words, code=OK, stdin=None):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run([LODE, *map(str, words)], input=stdin, capture_output=True, timeout=120,
                              env={**os.environ, "TMPDIR": str(self.path)})
        if done.returncode != code:
            self.fail(f"{words}: exit {done.returncode}, wanted {code}\n{done.stdout}\n{done.stderr}")
        return done

    def text(self, *words, **options):
        return self.run_lode(*words, **options).stdout.decode()

    def errors(self, *words, **options):
        return self.run_lode(*words, **options).stderr.decode()

    def json(self, *words, **options):
        return json.loads(self.run_lode(words[0], "--json", *words[1:], **options).stdout)

    def error(self, *words, code, **options):
        error = self.json(*words, code=code, **options)["error"]
        self.assertEqual(error["exit"], code)
        return error

    def file(self, name, data):
        path = self.path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def create(self, name="c", dim=2, metric="l2", *more):
        self.run_lode("create", self.db, name, "--dim", dim, "--metric", metric, *more)

    def points(self, name="c"):
        out = self.text("export", self.db, name, "-", "--quiet")
        points = [json.loads(line) for line in out.splitlines()]
        return sorted(points, key=lambda point: json.dumps(point["id"]))


class Help(CliTest):
    def test_every_command_has_help_with_examples(self):
        overview = self.text("--help")
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", overview)
            page = self.text(command, "--help")
            self.assertTrue(page.startswith(f"Usage: lode {command} "), page)
            for section in ("\nOptions:\n", "\nExamples:\n  ", "\nExit status: 0 ok"):
                self.assertIn(section, page)
            self.assertLessEqual(max(map(len, page.splitlines())), 100, command)
            self.assertEqual(page, self.text("help", command))

    def test_version(self):
        self.assertRegex(self.text("--version"), r"^lode \d+\.\d+\.\d+ \(\w+\)\n$")

    def test_wrong_use(self):
        for words, hint in [
            ([], "a command is missing"),
            (["qeury"], "did you mean 'query'?"),
            (["query", self.db, "c", "--efsearch", "5"], "did you mean --ef-search?"),
            (["query", self.db, "c", "-k", "5"], "did you mean --k?"),
            (["query", self.db], "COLLECTION is missing"),
            (["query", self.db, "c"], "say one of --text"),
            (["query", self.db, "c", "--like", "1", "--text", "x"], "not several"),
            (["query", self.db, "c", "--like", "1", "--k"], "--k needs a value"),
            (["query", self.db, "c", "--like", "1", "--k", "x"], "whole number from 1 to 16384"),
            (["query", self.db, "c", "--like", "1", "--k", "16385"], "out of range: 1 to 16384"),
            (["query", self.db, "c", "--like", "1", "--exact=1"], "takes no value"),
            (["create", self.db, "c", "--dim", "2", "--metric", "cosin"], "did you mean 'cosine'?"),
            (["create", self.db, "c", "--dim", "2"], "--metric is missing"),
            (["create", self.db, "c", "--metric", "l2"], "--dim is missing"),
            (["create", self.db, "c", "--dim", "2", "--metric", "l2", "--field", "a:b"], "'b' is no type"),
            (["create", self.db, "c", "--dim", "2", "--metric", "l2", "--train", "x"], "needs --metric cosine"),
            (["create", self.db, "c", "d", "--dim", "2", "--metric", "l2"], "one argument too many: 'd'"),
            (["import", self.db, "c", "points.dat"], "does not tell its format"),
            (["import", self.db, "c", "p.fvecs", "--format", "npz"], "did you mean 'npy'?"),
            (["delete", self.db, "c"], "say the ids, --ids FILE or --filter FILTER"),
            (["export", self.db, "c", "x.csv", "--with-version"], "jsonl alone"),
            (["patch", self.db, "c", "1"], "say what to change"),
            (["patch", self.db, "c", "1", "--set", "{}", "--remove", "a"], "say one of --merge"),
            (["patch", self.db, "c", "1", "--text", "a", "--no-text"], "not both"),
            (["alias", self.db, "a"], "say the collection, or --remove"),
            (["export", self.db, "c", "-", "--json"], "both want standard output"),
            (["export", self.db, "c", "x.npy", "--no-vectors"], "keeps vectors and nothing else"),
            (["bench", "--base", "x.fvecs"], "--metric is missing"),
        ]:
            done = self.run_lode(*words, code=USAGE)
            said = (done.stdout + done.stderr).decode()
            self.assertIn(hint, said, words)
            self.assertIn("--help", said)

    def test_errors_as_json(self):
        error = self.error("query", self.db, "c", "--like", "1", "--k", "0", code=USAGE)
        self.assertEqual(error["status"], "USAGE")
        self.assertIn("--k 0", error["message"])
        error = self.error("query", self.db, "c", "--like", "1", code=NOT_FOUND)
        self.assertEqual(error["status"], "LODE_NOT_FOUND")
        # An argument that is not UTF-8 must not break the document.
        done = subprocess.run([LODE, "create", b"\xff\xfe", b"\xff", "--json"], capture_output=True)
        self.assertEqual(done.returncode, USAGE)
        json.loads(done.stdout)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([LODE, "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn(b"No space left", done.stderr)


class Collections(CliTest):
    def test_life(self):
        made = self.json("create", self.db, "films", "--dim", 3, "--metric", "cosine", "--scalar", "f16", "--field",
                         "year:integer")
        self.assertEqual((made["dim"], made["metric"], made["scalar"], made["index"]), (3, "cosine", "f16", "hnsw"))
        self.assertIn("drop", self.error("create", self.db, "films", "--dim", 3, "--metric", "l2", code=FAILED)["hint"])
        self.run_lode("create", self.db, "small", "--dim", 3, "--metric", "l2", "--layout", "compact")
        self.assertEqual(self.json("stats", self.db, "small")["layout"], "compact")
        self.json("drop", self.db, "small")
        self.assertEqual(self.json("alias", self.db, "best", "films"), {"alias": "best", "collection": "films"})
        entries = {entry["name"]: entry for entry in self.json("list", self.db)["entries"]}
        self.assertEqual(entries["best"]["alias_of"], "films")
        self.assertEqual(entries["films"]["points"], 0)
        self.assertIn("alias of films", self.text("list", self.db))
        stats = self.json("stats", self.db, "best")
        self.assertEqual(stats["fields"], {"year": "integer"})
        self.assertEqual(len(self.json("stats", self.db)["collections"]), 1)
        self.assertIn("year:integer", self.text("stats", self.db))
        self.run_lode("alias", self.db, "best", "--remove")
        self.run_lode("stats", self.db, "best", code=NOT_FOUND)
        self.json("drop", self.db, "films")
        self.assertEqual(self.json("list", self.db)["entries"], [])
        self.run_lode("drop", self.db, "films", code=NOT_FOUND)

    def test_not_found(self):
        for words in [("list", self.db), ("stats", self.db), ("get", self.db, "c", 1), ("compact", self.db, "c"),
                      ("import", self.db, "c", "-"), ("verify", self.db)]:
            if words[0] != "verify":
                self.run_lode(*words, code=NOT_FOUND, stdin="")
        self.create()
        self.run_lode("get", self.db, "other", 1, code=NOT_FOUND)
        self.run_lode("import", self.db, "c", self.path / "none.jsonl", code=NOT_FOUND)
        self.run_lode("delete", self.db, "c", "--ids", self.path / "none.txt", code=NOT_FOUND)
        self.run_lode("query", self.db, "c", "--like", 1, code=NOT_FOUND)
        self.run_lode("query", self.db, "c", "--vectors", self.path / "none.fvecs", code=NOT_FOUND)

    def test_arguments_the_engine_refuses(self):
        self.run_lode("create", self.db, ".hidden", "--dim", 2, "--metric", "l2", code=USAGE)
        self.create()
        self.run_lode("get", self.db, "c", "x" * 600, code=USAGE)
        for vector, words in [("[1]", "has 1 numbers"), ("[1,2,3]", "more than"), ("[1,2", "byte 5"), ("5", "array"),
                              ("[1,1e99]", "out of the range")]:
            self.assertIn(words, self.errors("query", self.db, "c", "--vector", vector, code=USAGE))

    def test_create_that_fails_leaves_nothing(self):
        bad = self.file("bad.jsonl", '{"text": "a"}\n')
        tries = [("../x", "--metric", "l2"), ("c", "--metric", "l2", "--field", "a:text", "--field", "a:text"),
                 ("c", "--metric", "cosine", "--train", bad), ("c", "--metric", "cosine", "--train", "none")]
        for words in tries:
            done = subprocess.run([LODE, "create", self.db, words[0], "--dim", "4", *words[1:]], capture_output=True)
            self.assertIn(done.returncode, (USAGE, BAD_DATA, NOT_FOUND), done.stderr)
            self.assertFalse(os.path.exists(self.db), words)
        # A directory that was there stays, and so does a database.
        os.mkdir(self.db)
        self.run_lode("create", self.db, "../x", "--dim", 4, "--metric", "l2", code=USAGE)
        self.assertEqual(os.listdir(self.db), [])
        self.create()
        self.run_lode("drop", self.db, "c")
        self.run_lode("create", self.db, "../x", "--dim", 4, "--metric", "l2", code=USAGE)
        self.assertEqual(self.json("list", self.db)["entries"], [])
        # Nor is anything of others touched.
        other = self.path / "other"
        other.mkdir()
        (other / "mine").touch()
        self.run_lode("create", other, "c", "--dim", 4, "--metric", "l2", code=USAGE)
        self.assertIn("mine", os.listdir(other))

    def test_busy(self):
        self.create()
        holder = subprocess.Popen([LODE, "import", self.db, "c", "-", "--quiet"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            # Asking by another command would take the lock from under it.
            lock = pathlib.Path(self.db) / "LOCK"
            while holder.poll() is None and str(holder.pid) not in lock.read_text():
                pass
            error = self.error("list", self.db, code=BUSY)
            self.assertEqual(error["status"], "LODE_BUSY")
            self.assertIn(str(holder.pid), error["message"])
        finally:
            holder.communicate(b"")

    def run_any(self, *words):
        return subprocess.run([LODE, *words], capture_output=True)

    def test_corrupt(self):
        self.create()
        self.run_lode("import", self.db, "c", "-", "--bulk", stdin=lines(300))
        target = max(pathlib.Path(self.db).glob("c-*/seg-*.vectors"))
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 0x40
        target.write_bytes(data)
        done = self.run_any("verify", self.db, "--json")
        if b"not in this build" in done.stdout:
            self.skipTest("verify is not in this build")
        self.assertEqual(done.returncode, CORRUPT)
        report = json.loads(done.stdout)
        self.assertFalse(report["sound"])
        self.assertTrue(report["findings"][0]["file"].endswith(target.name))
        self.assertIn(target.name, self.text("verify", self.db, code=CORRUPT))
        self.check_repair(target)

    def check_repair(self, target):
        before = target.read_bytes()
        plan = self.json("repair", self.db, "--dry-run")
        self.assertEqual((plan["mended"], plan["left"], plan["sound"]), (1, 0, False))
        self.assertEqual(target.read_bytes(), before)
        done = self.run_any("repair", self.db, "--name-lost", "--json")
        self.assertEqual(done.returncode, 0)
        report = json.loads(done.stdout)
        self.assertTrue(report["sound"])
        self.assertEqual(report["lost_points"], 300)
        self.assertEqual(len(done.stderr.splitlines()), 300)
        self.assertIn(b"lost: c ", done.stderr)
        kept = max((pathlib.Path(self.db) / "damaged").glob("*.vectors"))
        self.assertEqual(kept.read_bytes(), before)
        self.assertIn("sound", self.text("verify", self.db))
        self.assertIn("nothing to repair", self.text("repair", self.db))

    def test_verify_sound(self):
        self.create()
        self.run_lode("import", self.db, "c", "-", stdin=lines(300))
        done = self.run_any("verify", self.db, "--json")
        if b"not in this build" in done.stdout:
            self.skipTest("verify is not in this build")
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["sound"], report["findings"]), (OK, True, []))


class Snapshots(CliTest):
    def test_life(self):
        self.create("c", 2)
        self.file("one.jsonl", '{"id": 1, "vector": [1, 0]}\n{"id": 2, "vector": [0, 1]}\n')
        self.file("two.jsonl", '{"id": 3, "vector": [5, 5]}\n')
        self.run_lode("import", self.db, "c", self.path / "one.jsonl")
        self.assertIn("2 points", self.text("snapshot", "create", self.db, "c", "monday"))
        self.run_lode("import", self.db, "c", self.path / "two.jsonl")
        self.run_lode("delete", self.db, "c", 1)
        self.run_lode("compact", self.db, "c")
        made = self.json("snapshot", "create", self.db, "c", "tuesday")
        self.assertEqual((made["created"], made["points"]), ("tuesday", 2))
        listed = self.json("snapshot", "list", self.db, "c")["snapshots"]
        self.assertEqual([one["name"] for one in listed], ["monday", "tuesday"])
        self.assertGreater(listed[0]["own_bytes"], 0)
        self.assertIn("monday", self.text("snapshot", "list", self.db, "c"))
        hits = self.json("query", self.db, "c", "--vector", "[5, 5]", "--snapshot", "monday")["hits"]
        self.assertEqual(sorted(hit["id"] for hit in hits), [1, 2])
        self.assertEqual(self.json("get", self.db, "c", 1, "--snapshot", "monday")["points"][0]["id"], 1)
        self.run_lode("get", self.db, "c", 1, code=NOT_FOUND)
        out = self.text("export", self.db, "c", "-", "--quiet", "--snapshot", "monday")
        self.assertEqual(sorted(json.loads(line)["id"] for line in out.splitlines()), [1, 2])
        self.run_lode("verify", self.db)
        self.run_lode("snapshot", "drop", self.db, "c", "monday")
        listed = self.json("snapshot", "list", self.db, "c")["snapshots"]
        self.assertEqual([one["name"] for one in listed], ["tuesday"])

    def test_refusals(self):
        self.create()
        self.run_lode("snapshot", "create", self.db, "c", "a")
        self.assertIn("already", self.error("snapshot", "create", self.db, "c", "a", code=FAILED)["message"])
        for words in (("query", self.db, "c", "--vector", "[1, 1]"), ("get", self.db, "c", 1),
                      ("export", self.db, "c", self.path / "x.jsonl")):
            self.assertIn("'b'", self.error(*words, "--snapshot", "b", code=NOT_FOUND)["message"])
        self.error("snapshot", "drop", self.db, "c", "b", code=NOT_FOUND)
        self.error("snapshot", "create", self.db, "c", "snapshot-1", code=USAGE)
        self.error("snapshot", "create", self.db, "c", code=USAGE)
        self.error("snapshot", "list", self.db, "c", "a", code=USAGE)
        self.error("snapshot", "make", self.db, "c", "a", code=USAGE)


class Backups(CliTest):
    def setUp(self):
        super().setUp()
        self.place = str(self.path / "backups")
        self.create("c", 2)
        self.add(lines(300))

    def add(self, text):
        self.run_lode("import", self.db, "c", "-", "--format", "jsonl", stdin=text)

    def test_there_and_back(self):
        first = self.json("backup", self.db, self.place)
        self.assertEqual((first["backup"], first["new_files"]), (1, first["files"]))
        self.assertIn(first["root"], self.text("verify", self.place))
        wanted = self.points()
        self.add(lines(100, 250))
        second = self.json("backup", self.db, self.place)
        self.assertLess(second["new_bytes"], second["bytes"])
        self.assertNotEqual(second["root"], first["root"])
        listed = self.json("list", self.place)["backups"]
        self.assertEqual([one["number"] for one in listed], [1, 2])
        self.assertEqual([one["collections"][0]["points"] for one in listed], [300, 350])
        self.assertIn("350 points", self.text("list", self.place))
        now = self.points()
        done = self.json("restore", self.place, self.path / "one.lode", "--number", 1)
        self.assertEqual((done["points"], done["recall"], done["root"]), (300, 1, first["root"]))
        self.assertIn(second["root"], self.text("restore", self.place, self.path / "two.lode"))
        for name, points in (("one.lode", wanted), ("two.lode", now)):
            self.db = str(self.path / name)
            self.assertEqual(self.points(), points)
            self.run_lode("verify", self.db)

    def test_the_root_hash_by_other_means(self):
        """A second reader: the tree of hashes from a restored directory, as sha256sum makes it."""
        root = self.json("backup", self.db, self.place)["root"]
        for name in os.listdir(f"{self.place}/objects"):
            self.assertEqual(hashlib.sha256(pathlib.Path(f"{self.place}/objects/{name}").read_bytes()).hexdigest(),
                             name)
        inventory = pathlib.Path(f"{self.place}/backup-1").read_bytes()
        collections, files = struct.unpack_from("<II", inventory, 88)
        at, names = 104, {}
        for _ in range(collections):
            uid, _, _, size = struct.unpack_from("<QQQI", inventory, at)
            names[uid] = inventory[at + 32:at + 32 + size].decode()
            at += 32 + size
        self.assertEqual(list(names.values()), ["c"])
        kinds = ["catalog", "manifest-{}", "wal-{}.log", "seg-{}.vectors", "seg-{}.ids", "seg-{}.docs",
                 "seg-{}.graph", "seg-{}.del-{}", "text-model-{}"]
        tree = {}
        for _ in range(files):
            uid, kind, _, number, generation, size = struct.unpack_from("<QIIQQQ", inventory, at)
            digest = inventory[at + 72:at + 104].hex()
            self.assertEqual(os.path.getsize(f"{self.place}/objects/{digest}"), size)
            directory = "" if uid == 0 else f"{'log' if kind == 2 else 'c'}-{uid:016x}"
            tree.setdefault(directory, []).append((kinds[kind].format(number, generation), digest))
            at += 104
        self.assertEqual(at + 8, len(inventory))
        def digest_of(entries):
            text = "".join(f"{digest}  {name}\n" for name, digest in sorted(entries))
            return hashlib.sha256(text.encode()).hexdigest()
        top = tree.pop("") + [(name, digest_of(entries)) for name, entries in tree.items()]
        self.assertEqual(digest_of(top), root)

    def test_one_file_and_its_base(self):
        full, part, target = (str(self.path / name) for name in ("full.b", "part.b", "r.lode"))
        self.run_lode("backup", self.db, full, "--file")
        self.add(lines(1, 900))
        made = self.json("backup", self.db, part, "--file", "--base", full)
        self.assertLess(os.path.getsize(part), os.path.getsize(full) / 2)
        self.assertIn("in its base", self.text("verify", part))
        self.assertIn("base", self.error("restore", part, target, code=USAGE)["message"])
        self.assertFalse(os.path.exists(target))
        done = self.json("restore", part, target, "--base", full)
        self.assertEqual((done["points"], done["root"]), (301, made["root"]))

    def test_point_in_time(self):
        self.run_lode("keep-log", self.db, "10M")
        self.assertEqual(self.json("keep-log", self.db)["log_keep_bytes"], 10000000)
        self.run_lode("backup", self.db, self.place)
        sequences = []
        for i in range(3):
            self.add(lines(10, 1000 + 10 * i))
            sequences.append(self.json("stats", self.db, "c")["sequence"])
        self.run_lode("backup", self.db, self.place)
        kept = self.json("keep-log", self.db)["collections"][0]
        self.assertEqual(kept["sequence"], sequences[-1])
        self.assertLessEqual(kept["oldest_sequence"], sequences[0])
        for i, sequence in enumerate(sequences):
            done = self.json("restore", self.place, self.path / f"r{i}", "--to-seq", sequence)
            self.assertEqual((done["points"], done["root"]), (310 + 10 * i, ""))
        error = self.error("restore", self.place, self.path / "r9", "--to-seq", 999, code=USAGE)
        self.assertIn("batch", error["message"])
        self.assertIn("none", self.text("keep-log", self.db, "off"))
        for size in ("x", "10X", "-1", "0", "99999999999999999999"):
            self.error("keep-log", self.db, size, code=USAGE)

    def test_damage_and_refusals(self):
        self.run_lode("backup", self.db, self.place)
        objects = sorted(pathlib.Path(self.place, "objects").iterdir(), key=lambda one: one.stat().st_size)
        data = bytearray(objects[-1].read_bytes())
        data[len(data) // 2] ^= 1
        objects[-1].write_bytes(data)
        found = self.json("verify", self.place, code=CORRUPT)["findings"]
        self.assertEqual([one["file"] for one in found], [f"objects/{objects[-1].name}"])
        self.assertIn("collection 'c'", found[0]["problem"])
        target = self.path / "r.lode"
        self.error("restore", self.place, target, code=CORRUPT)
        self.assertIn("restore again", self.error("list", target, code=CORRUPT)["message"])
        self.json("verify", target, code=CORRUPT)
        self.error("restore", self.place, target, code=FAILED)  # not empty
        self.error("restore", self.path / "none", self.path / "x", code=NOT_FOUND)
        self.assertEqual(self.json("backup", self.db, self.place)["healed_files"], 0)
        self.json("verify", self.place, code=CORRUPT)
        self.assertEqual(self.json("backup", self.db, self.place, "--verify")["healed_files"], 1)
        self.json("verify", self.place)
        self.json("restore", self.place, self.path / "healed.lode")
        self.error("backup", self.db, self.db, code=BUSY)
        self.error("backup", self.db, self.path / "b", "--base", self.place, code=USAGE)
        self.error("restore", self.place, self.path / "x", "--number", 7, code=NOT_FOUND)


def lines(count, first=0):
    return "".join(json.dumps({"id": first + i, "vector": [i % 17, i % 29]}) + "\n" for i in range(count))


class Points(CliTest):
    def test_ids(self):
        self.create()
        self.run_lode("import", self.db, "c", "-", stdin="".join(
            json.dumps({"id": id, "vector": [i, 0], "text": f"t{i}"}) + "\n"
            for i, id in enumerate([7, "7", "seven", UUID, 18446744073709551615, "-7"])))
        found = self.json("get", self.db, "c", 7, "seven", UUID.upper(), 18446744073709551615)
        self.assertEqual([point["text"] for point in found["points"]], ["t0", "t2", "t3", "t4"])
        self.assertEqual(found["points"][2]["id"], UUID)
        found = self.json("get", self.db, "c", "--id-kind", "string", 7)
        self.assertEqual(found["points"], [{"id": "7", "text": "t1"}])
        self.assertEqual(self.json("get", self.db, "c", "--", "-7")["points"][0]["id"], "-7")
        found = self.json("get", self.db, "c", 7, 8, "x", code=NOT_FOUND)
        self.assertEqual((len(found["points"]), found["missing"]), (1, [8, "x"]))
        self.assertIn("no point has the id 8", self.errors("get", self.db, "c", 8, 7, code=NOT_FOUND))
        self.run_lode("get", self.db, "c", "--id-kind", "number", "x", code=USAGE)
        self.run_lode("get", self.db, "c", "--id-kind", "uuid", "x", code=USAGE)
        self.assertEqual(self.json("delete", self.db, "c", 7, 7, "seven", "none"), {"asked": 4, "deleted": 2})
        ids = self.file("ids.txt", f"{UUID}\n\n18446744073709551615\r\n")
        self.assertEqual(self.json("delete", self.db, "c", "--ids", ids), {"asked": 2, "deleted": 2})
        self.assertEqual([point["id"] for point in self.points()], ["-7", "7"])
        error = self.error("delete", self.db, "c", "--ids", "-", stdin="-7\n" + "x" * 513 + "\n", code=BAD_DATA)
        self.assertIn("line 2", error["message"])
        self.assertEqual(len(self.points()), 2)

    def test_patch(self):
        self.create("c", 2, "l2", "--field", "year:integer")
        self.run_lode("import", self.db, "c", "-", stdin="".join(json.dumps(
            {"id": i, "vector": [i, 1], "text": f"t{i}", "metadata": {"year": 1970, "a": {"b": 1, "c": 2}}}) + "\n"
            for i in range(3)))
        patch = lambda *words, **how: self.json("patch", self.db, "c", *words, **how)
        get = lambda id: self.json("get", self.db, "c", id, "--with-vector")["points"][0]
        self.assertEqual(patch(0, 1, 9, "--merge", '{"a": {"b": 3}, "n": null}'), {"asked": 3, "patched": 2})
        self.assertEqual(get(1), {"id": 1, "vector": [1, 1], "text": "t1", "metadata": {"year": 1970, "a": {"b": 3}}})
        patch(2, "--merge-deep", '{"a": {"b": 3, "c": null}}', "--text", "new")
        self.assertEqual(get(2), {"id": 2, "vector": [2, 1], "text": "new", "metadata": {"year": 1970, "a": {"b": 3}}})
        patch(2, "--remove", "a", "--remove", "none", "--no-text")
        self.assertEqual(get(2), {"id": 2, "vector": [2, 1], "metadata": {"year": 1970}})
        patch(2, "--set", '{"x": 1}')
        self.assertEqual(get(2)["metadata"], {"x": 1})
        patch(2, "--no-metadata")
        self.assertEqual(get(2), {"id": 2, "vector": [2, 1]})
        error = self.error("patch", self.db, "c", 0, 1, "--merge", '{"year": "x"}', code=USAGE)
        self.assertIn("metadata field 'year' must be an integer", error["message"])
        self.run_lode("compact", self.db, "c")
        self.assertEqual(get(0)["metadata"], {"year": 1970, "a": {"b": 3}})
        version = self.json("get", self.db, "c", 0, "--with-version")["points"][0]["version"]
        self.assertEqual(version, 2)
        patch(0, "--merge", '{"n": 1}', "--if-version", version)
        error = self.error("patch", self.db, "c", 0, "--merge", '{"n": 2}', "--if-version", version, code=FAILED)
        self.assertEqual(error["status"], "LODE_CONFLICT")
        self.assertIn("(id 0): expected version 2, found version 7", error["message"])
        found = self.json("query", self.db, "c", "--like", 1, "--with-version", "--k", 1)["hits"][0]
        self.assertEqual((found["id"], found["version"]), (0, 7))
        self.run_lode("export", self.db, "c", self.path / "v.jsonl", "--with-version")
        points = {p["id"]: p for p in map(json.loads, (self.path / "v.jsonl").read_text().splitlines())}
        self.assertEqual([points[i]["version"] for i in range(3)], [7, 2, 6])
        self.create("copy", 2, "l2")
        self.run_lode("import", self.db, "copy", self.path / "v.jsonl")
        self.assertEqual(len(self.points("copy")), 3)

    def test_conditions(self):
        self.create()
        add = lambda ids, *words, **how: self.json(
            "import", self.db, "c", "-", *words, **how, stdin="".join(json.dumps({"id": i, "vector": [i, 1]}) + "\n" for i in ids))
        self.assertEqual(add(range(10), "--insert-only", "--batch", 5)["imported"], 10)
        error = add([20, 21, 22, 3, 23, 24], "--insert-only", "--batch", 2, code=FAILED)["error"]
        self.assertEqual((error["status"], error["imported"], error["skip"]), ("LODE_CONFLICT", 2, 2))
        self.assertIn("lines 3 to 4", error["message"])
        self.assertIn("(id 3)", error["message"])
        self.assertEqual(len(self.points()), 12)
        add([30, 30], "--insert-only", code=FAILED)
        self.assertEqual(len(self.points()), 12)
        self.run_lode("import", self.db, "c", "-", "--insert-only", "--threads", 2, stdin="", code=USAGE)
        add([3])
        version = self.json("get", self.db, "c", 3, "--with-version")["points"][0]["version"]
        error = self.error("delete", self.db, "c", 3, "--if-version", version + 1, code=FAILED)
        self.assertEqual(error["status"], "LODE_CONFLICT")
        self.error("delete", self.db, "c", 3, 0, "--if-version", version, code=FAILED)  # all or none
        self.assertEqual(len(self.points()), 12)
        self.assertEqual(self.json("delete", self.db, "c", 3, "--if-version", version), {"asked": 1, "deleted": 1})
        self.error("delete", self.db, "c", 3, "--if-version", version, code=FAILED)
        self.run_lode("delete", self.db, "c", "--ids", "-", "--if-version", 3, stdin="", code=USAGE)

    def test_expiry(self):
        self.create()
        soon, late = 1_000_000_000_000, 4_000_000_000_000
        self.run_lode("import", self.db, "c", "-", stdin="".join(
            json.dumps({"id": i, "vector": [i, 1], "expires_at": at}) + "\n" for i, at in enumerate([None, soon, late])))
        self.assertEqual(self.points(), [{"id": 0, "vector": [0, 1]}, {"id": 2, "vector": [2, 1], "expires_at": late}])
        self.assertIn("expires   4000000000000 (2096-10-02T07:06:40Z)", self.text("get", self.db, "c", 2))
        self.run_lode("patch", self.db, "c", 2, "--no-expiry")
        self.run_lode("patch", self.db, "c", 0, "--expires-at", late)
        self.assertEqual([p.get("expires_at") for p in self.points()], [late, None])
        self.run_lode("patch", self.db, "c", 0, "--expires-at", soon)
        self.assertEqual([p["id"] for p in self.points()], [2])
        self.run_lode("patch", self.db, "c", 2, "--expires-at", 1700000000, code=USAGE)
        self.run_lode("patch", self.db, "c", 2, "--expires-at", soon, "--no-expiry", code=USAGE)
        for bad in ["1.5", '"x"', "-1"]:
            self.error("import", self.db, "c", "-", stdin='{"id": 1, "vector": [1, 1], "expires_at": %s}' % bad,
                       code=BAD_DATA)
        error = self.error("import", self.db, "c", "-", stdin='{"id": 1, "vector": [1, 1], "expires_at": 1700000000}',
                           code=BAD_DATA)
        self.assertIn("expires_at_ms is 1700000000: it must be milliseconds", error["message"])

    def test_query(self):
        self.create("c", 2, "l2", "--field", "year:integer")
        self.run_lode("import", self.db, "c", "-", stdin="".join(json.dumps(
            {"id": i, "vector": [i, 0], "text": f"text {i}", "metadata": {"year": 1970 + i % 3, "title": f"T\n{i}"}})
            + "\n" for i in range(50)))
        answer = self.json("query", self.db, "c", "--vector", "[20.2, 0]", "--k", 3)
        self.assertEqual([hit["id"] for hit in answer["hits"]], [20, 21, 19])
        self.assertAlmostEqual(answer["hits"][0]["score"], 0.04, places=4)
        self.assertEqual(answer["hits"][0]["metadata"], {"year": 1972, "title": "T\n20"})
        self.assertEqual(answer["hits"][0]["text"], "text 20")
        self.assertEqual(answer["info"]["distances"], 50)
        self.assertGreaterEqual(answer["ms"], 0)
        answer = self.json("query", self.db, "c", "--like", 20, "--k", 2, "--show", "year", "--recall", "--with-vector")
        self.assertEqual([hit["id"] for hit in answer["hits"]], [19, 21])
        self.assertEqual(answer["hits"][0]["metadata"], {"year": 1971})
        self.assertNotIn("text", answer["hits"][0])
        self.assertEqual(answer["hits"][0]["vector"], [19, 0])
        self.assertEqual(answer["recall"], 1)
        answer = self.json("query", self.db, "c", "--vector", "[0,0]", "--one-per", "year", "--exact")
        self.assertEqual([hit["id"] for hit in answer["hits"]], [0, 1, 2])
        shown = self.text("query", self.db, "c", "--vector", "[0,0]", "--k", 2, "--show", "title,text", "--recall")
        self.assertRegex(shown, r"(?m)^2 hits in .* distances")
        self.assertRegex(shown, r"(?m)^recall@2 1\.000")
        self.assertRegex(shown, r"(?m)^1 +0 +0 +T 0 +text 0$")
        self.assertRegex(self.text("query", self.db, "c", "--vector", "[0,0]", "--k", 1), '"year": ?1970')
        queries = self.file("q.fvecs", b"".join(struct.pack("<i2f", 2, i, 0) for i in (3, 4, 5)))
        many = self.json("query", self.db, "c", "--vectors", queries, "--k", 1, "--recall", "--limit", 2)
        self.assertEqual([query["hits"][0]["id"] for query in many["queries"]], [3, 4])
        self.assertEqual((many["count"], many["recall_mean"]), (2, 1))
        self.assertIn("3 queries, mean", self.text("query", self.db, "c", "--vectors", queries))
        wrong = self.file("w.fvecs", struct.pack("<i3f", 3, 1, 2, 3))
        self.run_lode("query", self.db, "c", "--vectors", wrong, code=BAD_DATA)
        self.run_lode("query", self.db, "c", "--text", "x", code=NOT_FOUND)

    def test_texts(self):
        words = ["disk encryption tool", "encrypt a disk volume", "play chess board", "chess game engine",
                 "photo editor raw", "edit photo images"]
        texts = self.file("texts.jsonl", "".join(json.dumps({"id": i, "text": words[i % 6] + f" number{i % 9}"}) + "\n"
                                                 for i in range(60)) + '{"id": 60}\n\n')
        bad = self.file("bad.jsonl", '{"text": "a"}\n{"text": 5}\n')
        error = self.error("create", self.db, "t", "--dim", 4, "--metric", "cosine", "--train", bad, code=BAD_DATA)
        self.assertIn("line 2", error["message"])
        # What could not be trained is not left behind.
        made = self.json("create", self.db, "t", "--dim", 4, "--metric", "cosine", "--train", texts, "--language",
                         "english", "--min-count", 2, "--word-exponent", 0.8)
        self.assertEqual(made["text_model"]["version"], 1)
        self.assertEqual(made["text_model"]["texts"], 18)  # distinct ones
        self.run_lode("import", self.db, "t", texts, "--limit", 60)
        hits = self.json("query", self.db, "t", "--text", "encrypting disks", "--k", 5)["hits"]
        self.assertEqual(len(hits), 5)
        self.assertTrue(all("disk" in hit["text"] for hit in hits), hits)
        done = self.run_lode("query", self.db, "t", "--text", "qqq zzz")
        self.assertIn(b"no word of the text", done.stderr)
        self.run_lode("create", self.db, "u", "--dim", 4, "--metric", "cosine", "--train", "none", code=NOT_FOUND)
        self.run_lode("create", self.db, "u", "--dim", 4, "--metric", "cosine", "--train", texts, "--language", "xx",
                      code=BAD_DATA)
        self.assertEqual([entry["name"] for entry in self.json("list", self.db)["entries"]], ["t"])


class Formats(CliTest):
    """What export writes, import reads, to the same points."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(5)

    def vector(self, dim):
        return [struct.unpack("<f", struct.pack("<f", self.random.gauss(0, 1)))[0] for _ in range(dim)]

    def there_and_back(self, name, *options, back=()):
        path = self.path / name
        before = self.points("a")
        self.run_lode("export", self.db, "a", path, *options)
        self.assertFalse(list(self.path.glob("*.partial")))
        done = self.json("import", self.db, "b", path, *back)
        self.assertEqual(done["imported"], len(before))
        self.assertEqual(self.points("b"), before)

    def fill(self, vectors, **more):
        dim = len(vectors[0])
        self.create("a", dim)
        self.create("b", dim)
        points = [{"id": i, "vector": vector, **{key: make(i) for key, make in more.items()}}
                  for i, vector in enumerate(vectors)]
        self.run_lode("import", self.db, "a", "-", stdin="".join(json.dumps(point) + "\n" for point in points))

    def test_jsonl(self):
        self.fill([self.vector(9) for _ in range(50)], text=lambda i: f"a \"text\"\n\\ {i} \U0001f600\u0001",
                  metadata=lambda i: {"n": i, "nested": {"list": [1, None, 2.5], "objects": [{"y": 1.5}]}, "": "empty name"})
        self.run_lode("import", self.db, "a", "-", stdin="".join(
            json.dumps({"id": id, "vector": self.vector(9)}) + "\n" for id in ("text", "7", UUID, 2**64 - 1, "é")))
        self.there_and_back("x.jsonl")

    def test_csv(self):
        self.fill([self.vector(3) for _ in range(50)], text=lambda i: f"He said, \"{i}\"\r\nand left" if i % 3 else "x",
                  metadata=lambda i: {"n": i, "x": i + 0.5, "ok": i % 2 == 0, "s": f"a,b\"{i}"} if i % 5 else {"n": -i})
        self.there_and_back("x.csv")

    def test_csv_expiry(self):
        at = 4_000_000_000_000
        self.create("a", 2, "l2")
        self.create("b", 2, "l2")
        self.run_lode("import", self.db, "a", "-", "--format", "csv", stdin=f"id,v0,v1,expires_at,n\n1,1,2,{at},5\n2,3,4,,6\n")
        points = {p["id"]: p for p in self.points("a")}
        self.assertEqual([points[1].get("expires_at"), points[2].get("expires_at")], [at, None])
        self.assertEqual(points[1]["metadata"], {"n": 5})
        self.there_and_back("x.csv")
        self.assertEqual(sorted((self.path / "x.csv").read_text().splitlines()),
                         [f'1,"[1,2]",,{at},5', '2,"[3,4]",,,6', "id,vector,text,expires_at,n"])
        error = self.error("import", self.db, "a", "-", "--format", "csv", stdin="id,v0,v1,expires_at\n1,1,2,soon\n",
                           code=BAD_DATA)
        self.assertIn("'soon' is not milliseconds since 1970", error["message"])

    def test_csv_nested(self):
        self.fill([[1, 2]], metadata=lambda i: {"list": ["b", "a"], "none": None, "digits": "007"})
        self.run_lode("export", self.db, "a", self.path / "x.csv", "--no-text")
        self.assertEqual((self.path / "x.csv").read_bytes(),
                         b'id,vector,digits,list,none\r\n0,"[1,2]",007,"[""b"", ""a""]",\r\n')
        self.run_lode("import", self.db, "a", "-",
                      stdin='{"id": 1, "vector": [1, 2], "metadata": {"id": 5}}')
        self.assertIn('"id" would be taken', self.errors("export", self.db, "a", self.path / "y.csv", code=BAD_DATA))
        self.assertEqual([path.name for path in self.path.glob("y.csv*")], [])

    def test_fvecs(self):
        self.fill([self.vector(5) for _ in range(50)])
        self.there_and_back("x.fvecs", "--ids", self.path / "ids", back=("--ids", self.path / "ids"))

    def test_bvecs(self):
        self.fill([[i, 255 - i, 0] for i in range(50)])
        self.there_and_back("x.bvecs", "--ids", self.path / "ids", back=("--ids", self.path / "ids"))

    def test_ivecs(self):
        self.fill([[i, -i * 1000, 0] for i in range(50)])
        self.there_and_back("x.ivecs", "--ids", self.path / "ids", back=("--ids", self.path / "ids"))

    def test_npy(self):
        self.fill([self.vector(7) for _ in range(50)])
        self.there_and_back("x.npy", "--ids", self.path / "ids", back=("--ids", self.path / "ids"))
        data = (self.path / "x.npy").read_bytes()
        header = struct.unpack("<H", data[8:10])[0]
        self.assertEqual((10 + header) % 64, 0)
        self.assertEqual(data[10:10 + header].rstrip(),
                         b"{'descr': '<f4', 'fortran_order': False, 'shape': (50, 7), }")

    def test_hdf5(self):
        self.fill([self.vector(6) for _ in range(50)])
        self.there_and_back("x.hdf5", "--ids", self.path / "ids", "--dataset", "vectors",
                            back=("--ids", self.path / "ids", "--dataset", "vectors"))
        self.assertIn("no dataset 'train'", self.errors("import", self.db, "b", self.path / "x.hdf5", code=NOT_FOUND))
        bad = self.file("bad.hdf5", b"not HDF5")
        self.run_lode("import", self.db, "b", bad, code=BAD_DATA)

    def test_more_than_a_block(self):
        """Rows over several input buffers and HDF5 blocks, several batches, several writers."""
        dim, count = 50, 12000
        data = b"".join(struct.pack(f"<i{dim}f", dim, i, *([i % 7] * (dim - 1))) for i in range(count))
        path = self.file("x.fvecs", data)
        self.create("a", dim)
        self.create("b", dim)
        self.assertEqual(self.json("import", self.db, "a", path, "--threads", 3, "--bulk")["imported"], count)
        self.run_lode("export", self.db, "a", self.path / "x.h5", "--ids", self.path / "ids")
        self.run_lode("import", self.db, "b", self.path / "x.h5", "--ids", self.path / "ids", "--no-wait")
        for id in (0, 5300, 5243, count - 1):
            vector = self.json("get", self.db, "b", id, "--with-vector")["points"][0]["vector"]
            self.assertEqual(vector[:2], [id, id % 7])

    def test_values_that_do_not_fit(self):
        self.fill([[1.5, 2]])
        for name in ("x.bvecs", "x.ivecs"):
            self.assertIn("component 1.5 is not a whole number",
                          self.errors("export", self.db, "a", self.path / name, code=BAD_DATA))
            self.assertEqual([path.name for path in self.path.glob("x.*")], [])

    def test_export_parts(self):
        self.fill([[1, 2]], text=lambda i: "words", metadata=lambda i: {"a": 1})
        out = self.text("export", self.db, "a", "-", "--no-vectors", "--no-metadata")
        self.assertEqual(json.loads(out), {"id": 0, "text": "words"})
        out = self.run_lode("export", self.db, "a", "-", "--format", "csv", "--no-text", "--no-metadata").stdout
        self.assertEqual(out, b'id,vector\r\n0,"[1,2]"\r\n')
        self.assertEqual(self.run_lode("export", self.db, "a", "-", "--format", "fvecs").stdout, row(1, 2))

    def test_export_to_a_place_that_cannot_be(self):
        self.fill([[1, 2]])
        self.run_lode("export", self.db, "a", self.path / "none" / "x.jsonl", code=FAILED)
        self.run_lode("export", self.db, "a", self.path / "none" / "x.hdf5", code=FAILED)

    def test_ids_file_too_short(self):
        self.fill([[1, 2], [3, 4]])
        path = self.file("x.fvecs", struct.pack("<i2f", 2, 1, 2) * 2)
        ids = self.file("ids", "one\n")
        error = self.error("import", self.db, "b", path, "--ids", ids, code=BAD_DATA)
        self.assertIn("no more ids", error["message"])
        self.assertEqual(error["row"], 2)


def npy(header, data=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def row(*values):
    return struct.pack(f"<i{len(values)}f", len(values), *values)


class BadFiles(CliTest):
    def test_each_is_refused_with_its_place(self):
        self.create()
        good = '{"id": 1, "vector": [1, 2]}\n'
        shape = "'fortran_order': False, 'shape': (2, 2), }"
        for name, data, place, words in [
            ("a.jsonl", good + '{"id": 2, "vector": [1, 2]', ("line", 2), "unexpected end"),
            ("b.jsonl", good + '{"id": 2, "vector": [1]}', ("line", 2), "has 1 numbers, not 2"),
            ("c.jsonl", good + '{"id": 2, "vector": [1, NaN]}', ("line", 2), "expected a number"),
            ("d.jsonl", good.encode() + b'{"id": "\xff", "vector": [1, 2]}', ("line", 2), "invalid UTF-8"),
            ("e.jsonl", good + '{"id": 2, "id": 3, "vector": [1, 2]}', ("line", 2), "duplicate member"),
            ("f.jsonl", good + '{"id": 2, "vector": [1, 2], "metadata": {"a": 1, "a": 2}}', ("line", 2),
             "duplicate key"),
            ("g.jsonl", good + '{"id": 2, "vector": [1, 2], "x": 1}', ("line", 2), "--metadata-rest"),
            ("h.jsonl", good + " " * (16 << 20) + "x", ("line", 2), "longer than 16 MiB"),
            ("a.csv", "id,v0,v1\n1,2,3\n2,3\n", ("line", 3), "the row has 2 cells"),
            ("b.csv", 'id,v0,v1,s\n1,2,3,a\n2,3,4,"open\n', ("line", 3), "ends within a quoted cell"),
            ("c.csv", 'id,v0,v1,s\n1,2,3,a\n2,3,4,o"pen\n', ("line", 3), "a quote inside a cell"),
            ("d.csv", "id,v0\n1,2\n", ("line", 1), "has 1 dimensions, not 2"),
            ("a.fvecs", row(1, 2) + row(1, 2)[:-1], ("row", 2), "begins at byte 12 and has 11 of its 12 bytes"),
            ("b.fvecs", row(1, 2, 3), ("row", 1), "has 3 dimensions, not 2"),
            ("c.fvecs", row(1, 2) + row(1, math.nan), ("row", 2), "component 1 of the vector is NaN"),
            ("d.fvecs", row(1, 2) + row(math.inf, 1), ("row", 2), "component 0 of the vector is infinite"),
            ("e.fvecs", struct.pack("<i", -5) + b"12345678", ("row", 1), "-5 dimensions"),
            ("a.bvecs", struct.pack("<i3B", 3, 1, 2, 3), ("row", 1), "has 3 dimensions"),
            ("a.npy", npy("{'descr': '>f4', " + shape, bytes(16)), None, "'>f4'"),
            ("b.npy", npy("{'descr': '<f4', " + shape, bytes(15)), None, "promises 2 rows"),
            ("c.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", bytes(16)), None, "Fortran"),
            ("d.npy", b"not numpy at all", None, "not a .npy file"),
        ]:
            path = self.file(name, data)
            error = self.error("import", self.db, "c", path, code=BAD_DATA)
            self.assertIn(words, error["message"], name)
            self.assertEqual(error["file"], str(path))
            self.assertEqual((error["imported"], error["skip"]), (0, 0), name)
            if place:
                self.assertIn(f"{place[0]} {place[1]}: ", error["message"])
            said = self.errors("import", self.db, "c", path, code=BAD_DATA)
            self.assertIn(f"{name}: ", said)
            self.assertEqual(self.points(), [], name)

    def test_what_the_engine_refuses(self):
        self.create("c", 2, "cosine", "--field", "year:integer")
        path = self.file("x.jsonl", '{"id": 1, "vector": [1, 2]}\n{"id": 2, "vector": [0, 0]}\n')
        error = self.error("import", self.db, "c", path, code=BAD_DATA)
        self.assertIn("lines 1 to 2: ", error["message"])
        path = self.file("y.jsonl", '{"id": 1, "vector": [1, 2], "metadata": {"year": "x"}}\n')
        self.assertIn("year", self.error("import", self.db, "c", path, code=BAD_DATA)["message"])
        path = self.file("z.jsonl", '{"id": 1, "text": "no model here"}\n')
        self.run_lode("import", self.db, "c", path, code=BAD_DATA)
        self.assertEqual(self.points(), [])

    def test_going_on_with_skip(self):
        self.create()
        bad = lines(250).splitlines(keepends=True)
        bad[220] = "broken\n"
        path = self.file("x.jsonl", "".join(bad))
        error = self.error("import", self.db, "c", path, "--batch", 100, code=BAD_DATA)
        self.assertEqual((error["imported"], error["skip"], error["line"]), (200, 200, 221))
        self.assertIn("go on with --skip 200", error["hint"])
        self.assertEqual(len(self.points()), 200)
        path.write_text(lines(250))
        done = self.json("import", self.db, "c", path, "--skip", 200)
        self.assertEqual((done["imported"], done["skip"]), (50, 250))
        self.assertEqual(len(self.points()), 250)
        self.assertEqual(self.json("import", self.db, "c", path, "--skip", 10, "--limit", 5)["imported"], 5)

    def test_metadata_rest(self):
        self.create()
        self.run_lode("import", self.db, "c", "-", "--metadata-rest",
                      stdin='{"id": 1, "vector": [1, 2], "title": "T", "metadata": {"year": 5}}')
        self.assertEqual(self.points()[0]["metadata"], {"title": "T", "year": 5})

    def test_interrupt(self):
        self.create()
        process = subprocess.Popen([LODE, "import", self.db, "c", "-", "--batch", "10", "--json"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(lines(25).encode())
        process.stdin.flush()
        sealed = pathlib.Path(self.db)
        # Two batches are in the log before the signal comes.
        while process.poll() is None and not any(path.stat().st_size > 600 for path in sealed.glob("c-*/wal-*")):
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
        self.assertEqual(process.returncode, FAILED)
        error = json.loads(out)["error"]
        self.assertEqual(error["status"], "LODE_CANCELLED")
        self.assertEqual(error["imported"] % 10, 0)
        self.assertEqual(len(self.points()), error["imported"])


class Bench(CliTest):
    def vectors(self, count, seed):
        source = random.Random(seed)
        return [[source.gauss(0, 1) for _ in range(8)] for _ in range(count)]

    def test_report(self):
        base = self.file("base.fvecs", b"".join(row(*vector) for vector in self.vectors(3000, 1)))
        query = self.file("query.fvecs", b"".join(row(*vector) for vector in self.vectors(50, 2)))
        for metric in ("l2", "ip", "cosine"):
            report = self.json("bench", "--base", base, "--query", query, "--metric", metric, "--recall", "0.5,0.9")
            self.assertEqual(list(report), ["points", "dim", "metric", "index", "build_s", "build_cpu_s", "peak_bytes",
                                            "resident_bytes", "disk_bytes", "open_ms", "results"])
            self.assertEqual((report["points"], report["dim"], report["metric"]), (3000, 8, metric))
            for result, target in zip(report["results"], (0.5, 0.9)):
                self.assertEqual(list(result), ["recall_target", "recall", "ef_search", "threads", "qps", "qps_cpu",
                                                "p50_us", "p99_us", "distances", "hops"])
                self.assertGreaterEqual(result["recall"], target)
        self.assertEqual([path.name for path in self.path.glob("lode-bench*")], [])

    def test_given_truth_and_wrong_truth(self):
        vectors = self.vectors(500, 3)
        base = self.file("base.fvecs", b"".join(row(*vector) for vector in vectors))
        query = self.file("query.fvecs", b"".join(row(*vector) for vector in vectors[:20]))
        near = [sorted(range(500), key=lambda j: sum((a - b) ** 2 for a, b in zip(vectors[i], vectors[j])))[:10]
                for i in range(20)]
        truth = self.file("truth.ivecs", b"".join(struct.pack("<i10i", 10, *ids) for ids in near))
        report = self.json("bench", "--base", base, "--query", query, "--truth", truth, "--metric", "l2", "--index",
                           "flat", "--recall", "0.999", "--threads", 2)
        self.assertEqual(report["results"][0]["recall"], 1)
        self.assertNotIn("reached", report["results"][0])
        # Neighbours that are none: the recall asked for cannot be had.
        wrong = self.file("wrong.ivecs", b"".join(struct.pack("<i10i", 10, *reversed(ids)) for ids in [
            [(i + 250 + n) % 500 for n in range(10)] for i in range(20)]))
        report = self.json("bench", "--base", base, "--query", query, "--truth", wrong, "--metric", "l2", "--scalar",
                           "f16", "--index", "flat", "--recall", "0.9", "--dir", self.path / "kept")
        self.assertIs(report["results"][0]["reached"], False)
        self.assertTrue((self.path / "kept").is_dir())
        for name, data, words in [("s.ivecs", struct.pack("<i10i", 10, *range(10)), "ends after 1 rows"),
                                  ("n.ivecs", struct.pack("<i5i", 5, *range(5)), "5 neighbours"),
                                  ("o.ivecs", struct.pack("<i10i", 10, *range(495, 505)), "rows 0 to 499")]:
            path = self.file(name, data)
            error = self.error("bench", "--base", base, "--query", query, "--truth", path, "--metric", "l2",
                               code=BAD_DATA)
            self.assertIn(words, error["message"])

    def test_table_and_limits(self):
        base = self.file("base.fvecs", b"".join(row(*vector) for vector in self.vectors(300, 4)))
        shown = self.text("bench", "--base", base, "--query", base, "--metric", "l2", "--limit-base", 100,
                          "--limit-queries", 7, "--k", 3, "--recall", 0.9, "--scalar", "int8")
        self.assertIn("100 points", shown)
        self.assertIn("7 queries, 3 nearest", shown)
        self.assertRegex(shown, r"(?m)^ *recall +found +ef_search +qps")


if __name__ == "__main__":
    unittest.main(verbosity=1)
