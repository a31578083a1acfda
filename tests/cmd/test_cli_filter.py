#!/usr/bin/env python3
"""Filters on the command line: what is counted, found, exported and deleted by one."""

import json
import unittest

import test_cli


class Filters(test_cli.CliTest):
    def test_filters(self):
        self.run_lode("create", self.db, "f", "--dim", "2", "--metric", "l2", "--field", "place:geo")
        points = [{"id": i, "vector": [i, 0], "metadata": {"genre": "drama" if i % 3 else "comedy", "year": 1990 + i,
                                                           "place": {"lat": i, "lon": 2}}} for i in range(30)]
        self.run_lode("import", self.db, "f", "-", stdin="".join(json.dumps(point) + "\n" for point in points))
        count = lambda filter: self.json("count", self.db, "f", "--filter", filter)["count"]
        self.assertEqual(self.json("count", self.db, "f")["count"], 30)
        self.assertEqual(count('genre = "comedy"'), 10)
        self.assertEqual(count('{"genre": "drama", "year": {"lt": 2000}}'), 6)
        self.assertEqual(count("place WITHIN BOX (LAT 0 TO 9, LON 1 TO 3)"), 10)
        found = self.json("query", self.db, "f", "--vector", "[0, 0]", "--k", "3", "--filter", "year >= 2001")
        self.assertEqual([hit["id"] for hit in found["hits"]], [11, 12, 13])
        said = self.json("query", self.db, "f", "--vector", "[0, 0]", "--filter", "year >= 2001", "--explain")
        self.assertEqual(said["count"], 19)
        self.assertEqual([(s["plan"], s["allowed_rows"]) for s in said["segments"]], [("scan", 19)])
        self.assertGreater(said["segments"][0]["distances"], 0)
        said = self.json("count", self.db, "f", "--filter", "year >= 2001", "--explain")
        self.assertNotIn("distances", said["segments"][0])
        self.assertIn("scan", self.text("query", self.db, "f", "--like", "7", "--explain"))
        self.run_lode("query", self.db, "f", "--like", "7", "--explain", "--recall", code=2)
        out = self.text("export", self.db, "f", "-", "--filter", 'genre = "comedy"', "--no-vectors")
        self.assertEqual(len(out.splitlines()), 10)
        self.run_lode("count", self.db, "f", "--filter", "yaer = 3", code=2)
        self.run_lode("delete", self.db, "f", "1", "--filter", "year = 3", code=2)
        self.assertEqual(self.json("delete", self.db, "f", "--filter", "year < 2000")["deleted"], 10)
        self.assertEqual(count("TRUE"), 20)


if __name__ == "__main__":
    unittest.main()
