#!/usr/bin/env python3
"""What the commands say where something is wrong: nothing is passed over silently, and hints name what helps there."""

import os
import pathlib
import shutil
import unittest

import test_cli
from test_cli import BAD_DATA, CORRUPT, FAILED, NOT_FOUND, USAGE, lines


class Imports(test_cli.CliTest):
    def test_csv_expiry_is_no_field(self):
        self.create("a", 2, "l2", "--field", "expires_at:integer")
        self.create("b", 2, "l2")
        past = "id,v0,v1,expires_at\n1,1,2,200000000000\n2,3,4,\n"
        error = self.error("import", self.db, "a", "-", "--format", "csv", stdin=past, code=BAD_DATA)
        self.assertEqual(error["status"], "LODE_INVALID")
        self.assertIn("rename the column", error["message"])
        self.run_lode("import", self.db, "a", "-", "--format", "csv", stdin="id,v0,v1\n1,1,2\n")
        done = self.json("import", self.db, "b", "-", "--format", "csv", stdin=past)
        self.assertEqual((done["imported"], done["expired"]), (2, 1))
        self.assertIn("1 of these points had expired", self.errors("import", self.db, "b", "-", "--format", "csv", stdin=past))
        self.run_lode("get", self.db, "b", 1, code=NOT_FOUND)


class Damage(test_cli.CliTest):
    def test_a_file_for_a_collection(self):
        self.create("a")
        self.create("b")
        self.run_lode("import", self.db, "b", "-", "--bulk", stdin=lines(300))
        self.run_lode("import", self.db, "a", "-", "--bulk", stdin=lines(300))
        first, second = sorted(pathlib.Path(self.db).glob("c-*"))
        shutil.rmtree(first)
        first.write_text("x")
        (damaged,) = second.glob("seg-*.vectors")
        data = bytearray(damaged.read_bytes())
        data[len(data) // 2] ^= 0x40
        damaged.write_bytes(data)
        found = self.json("verify", self.db, code=CORRUPT)["findings"]
        problems = {one["file"]: one["problem"] for one in found}
        self.assertIn("no directory", problems[first.name])
        self.assertIn(f"{second.name}/{damaged.name}", problems)

    def test_sums_of_repair_are_words(self):
        self.create()
        self.run_lode("import", self.db, "c", "-", "--bulk", stdin=lines(300))
        target = max(pathlib.Path(self.db).glob("c-*/seg-*.vectors"))
        data = bytearray(target.read_bytes())
        data[len(data) // 2] ^= 0x40
        target.write_bytes(data)
        self.assertIn("\n1 thing can be mended\nlost: 300 points\n", self.text("repair", self.db, "--dry-run"))
        said = self.text("repair", self.db)
        self.assertTrue(said.endswith("\n1 thing mended\nlost: 300 points\n"), said)


class Backups(test_cli.CliTest):
    def setUp(self):
        super().setUp()
        self.place = str(self.path / "backups")
        self.create("c", 2)
        self.run_lode("import", self.db, "c", "-", "--format", "jsonl", stdin=lines(300))

    def test_hints_name_what_helps_here(self):
        target = self.path / "r.lode"
        for one in pathlib.Path(self.place).glob("objects/*"):
            one.write_bytes(b"")
        self.run_lode("backup", self.db, self.place)
        largest = max(pathlib.Path(self.place, "objects").iterdir(), key=lambda one: one.stat().st_size)
        sound = largest.read_bytes()
        largest.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        damaged = self.error("restore", self.place, target, code=CORRUPT)
        self.assertIn("--base OTHER", damaged["hint"])
        self.assertNotIn("repair", damaged["hint"])
        unfinished = self.error("restore", self.place, target, code=FAILED)
        self.assertIn("unfinished restore", unfinished["hint"])
        self.assertNotIn("drop", self.error("restore", self.place, self.db, code=FAILED)["hint"])
        largest.write_bytes(sound)
        for words in (("--to-seq", 999), ("--to-seq", 1, "--number", 1)):
            said = self.error("restore", self.place, self.path / "x", *words, code=USAGE)["message"]
            self.assertIn("--to-seq", said)
            self.assertNotIn("options.", said)
        missing = self.error("create", "--key-file", self.path / "none", self.path / "new", "c", "--dim", 2, "--metric", "l2",
                             code=NOT_FOUND)
        self.assertIn("key file", missing["hint"])
        self.assertNotIn("lode create", missing["hint"])
        self.assertIn("must be there", self.error("create", self.path / "no" / "such", "c", "--dim", 2, "--metric", "l2",
                                                  code=NOT_FOUND)["hint"])

    def test_what_cannot_be_opened_is_replaced(self):
        self.run_lode("backup", self.db, self.place)
        first, second = sorted(pathlib.Path(self.place, "objects").iterdir())[:2]
        first.unlink()
        os.mkfifo(first)
        second.unlink()
        second.mkdir()
        self.assertEqual(self.json("backup", self.db, self.place, "--verify")["healed_files"], 2)
        self.assertTrue(second.with_name(second.name + ".damaged").is_dir())
        self.json("verify", self.place)
        first.write_bytes(b"x" * first.stat().st_size)
        said = self.text("backup", self.db, self.path / "f", "--file", "--base", self.place, "--verify")
        self.assertIn("1 damaged content of the base", said)


if __name__ == "__main__":
    unittest.main()
