#!/usr/bin/env python3
"""Points in order, at random and by groups on the command line; patches by filter; flush."""

import json
import unittest

import test_cli
from test_cli import USAGE


class Scroll(test_cli.CliTest):
    def setUp(self):
        super().setUp()
        self.run_lode("create", self.db, "f", "--dim", "2", "--metric", "l2", "--field", "place:geo")
        points = [{"id": i, "vector": [i, 0], "metadata": {"genre": ["drama", "comedy", "crime"][i % 3], "year": 2020 - i // 2}}
                  for i in range(30)]
        points.append({"id": "bare", "vector": [99, 0]})
        self.run_lode("import", self.db, "f", "-", stdin="".join(json.dumps(point) + "\n" for point in points))

    def pages(self, *words):
        ids, after = [], []
        while True:
            page = self.json("scroll", self.db, "f", *words, *after)
            ids.append([point["id"] for point in page["points"]])
            if page["next"] is None:
                return ids
            after = ["--after", page["next"]]

    def test_scroll(self):
        all_ids = [*range(30), "bare"]
        self.assertEqual(self.pages("--limit", "7"), [all_ids[i:i + 7] for i in range(0, 31, 7)])
        self.assertEqual(self.pages("--limit", "100", "--desc"), [all_ids[::-1]])
        by_year = sorted(range(30), key=lambda i: (2020 - i // 2, i))
        self.assertEqual(sum(self.pages("--by", "year", "--limit", "4"), []), [*by_year, "bare"])
        self.assertEqual(sum(self.pages("--by", "year", "--desc", "--limit", "4"), []), all_ids)
        comedies = self.pages("--by", "year", "--filter", 'genre = "comedy" AND year > 2010')
        self.assertEqual(comedies, [[i for i in by_year if i % 3 == 1 and 2020 - i // 2 > 2010]])

    def test_what_is_shown(self):
        page = self.json("scroll", self.db, "f", "--limit", "1", "--show", "year", "--with-vector", "--with-version")
        (point,) = page["points"]
        self.assertEqual((point["vector"], point["metadata"]), ([0, 0], {"year": 2020}))
        self.assertNotIn("score", point)
        self.assertGreater(point["version"], 0)
        out = self.text("scroll", self.db, "f", "--limit", "2", "--show", "year")
        self.assertEqual(out.splitlines()[-1], "--after " + self.json("scroll", self.db, "f", "--limit", "2")["next"])
        self.assertEqual(len(out.splitlines()), 4)
        self.assertEqual(len(self.text("scroll", self.db, "f", "--limit", "100").splitlines()), 32)

    def test_snapshots(self):
        self.run_lode("snapshot", "create", self.db, "f", "kept")
        self.run_lode("delete", self.db, "f", "--filter", "year < 2020")
        self.assertEqual(self.pages("--limit", "100"), [[0, 1, "bare"]])
        self.assertEqual(len(self.pages("--limit", "100", "--snapshot", "kept")[0]), 31)
        self.assertEqual(len(self.json("sample", self.db, "f", "--count", "100", "--snapshot", "kept")["points"]), 31)

    def test_what_is_wrong(self):
        after = self.json("scroll", self.db, "f", "--by", "year")["next"]
        self.assertIn("by year, ascending", self.error("scroll", self.db, "f", "--after", after, code=USAGE)["message"])
        self.error("scroll", self.db, "f", "--by", "year", "--after", after + "x", code=USAGE)
        self.error("scroll", self.db, "f", "--by", "yaer", code=USAGE)
        self.error("scroll", self.db, "f", "--by", "place", code=USAGE)

    def test_sample(self):
        sample = lambda *words: [point["id"] for point in self.json("sample", self.db, "f", *words)["points"]]
        self.assertEqual(sample("--count", "6", "--seed", "3"), sample("--count", "12", "--seed", "3")[:6])
        self.assertEqual(sorted(sample("--count", "50", "--filter", "year = 2020")), [0, 1])
        self.assertEqual(len(set(sample("--count", "20"))), 20)
        self.assertEqual(len(self.text("sample", self.db, "f", "--count", "3").splitlines()), 4)

    def test_groups(self):
        found = self.json("query", self.db, "f", "--vector", "[4, 0]", "--k", "2", "--group-by", "genre", "--per-group", "2")
        groups = [(group["value"], [hit["id"] for hit in group["hits"]]) for group in found["groups"]]
        self.assertEqual(groups, [("comedy", [4, 1]), ("drama", [3, 6])])
        self.assertEqual(len(self.json("query", self.db, "f", "--like", "4", "--group-by", "genre")["groups"]), 3)
        out = self.text("query", self.db, "f", "--vector", "[4, 0]", "--group-by", "year", "--show", "genre")
        self.assertIn("10 groups in ", out)
        self.assertIn("\n2018\n", out)
        for words in (("--one-per", "genre"), ("--recall",)):
            self.error("query", self.db, "f", "--vector", "[4, 0]", "--group-by", "genre", *words, code=USAGE)
        self.error("query", self.db, "f", "--vector", "[4, 0]", "--per-group", "2", code=USAGE)

    def test_patch_by_filter(self):
        patched = self.json("patch", self.db, "f", "--filter", "year >= 2019", "--merge", '{"new": true}')
        self.assertEqual(patched, {"asked": 4, "patched": 4})
        self.assertEqual(self.pages("--filter", "new = true"), [[0, 1, 2, 3]])
        self.error("patch", self.db, "f", "1", "--filter", "year = 1", "--no-text", code=USAGE)
        self.error("patch", self.db, "f", "--no-text", code=USAGE)
        self.error("patch", self.db, "f", "--filter", "year = 1", code=USAGE)
        self.error("patch", self.db, "f", "--filter", "year = 1", "--no-text", "--if-version", "3", code=USAGE)
        self.error("patch", self.db, "f", "--filter", "yaer = 1", "--no-text", code=USAGE)

    def test_flush(self):
        self.assertEqual(self.json("flush", self.db, "f")["points"], 31)
        self.assertIn("31 points in ", self.text("flush", self.db, "f"))


if __name__ == "__main__":
    unittest.main()
