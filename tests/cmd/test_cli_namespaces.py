#!/usr/bin/env python3
"""Namespaces on the command line: points of one are seen and changed with --namespace, listed and dropped."""

import json
import unittest

import test_cli


class Namespaces(test_cli.CliTest):
    def lines(self, count, genre):
        return "".join(json.dumps({"id": i, "vector": [i, 1], "metadata": {"genre": genre}}) + "\n" for i in range(count))

    def setUp(self):
        super().setUp()
        self.run_lode("create", self.db, "f", "--dim", "2", "--metric", "l2")
        self.run_lode("import", self.db, "f", "-", stdin=self.lines(5, "none"))
        self.run_lode("import", self.db, "f", "-", "--namespace", "anna", stdin=self.lines(3, "drama"))
        self.run_lode("import", self.db, "f", "-", "--namespace", "b\u00e9la", "--bulk", stdin=self.lines(4, "comedy"))

    def count(self, *more):
        return self.json("count", self.db, "f", *more)["count"]

    def names(self, *more):
        listed = self.json("namespaces", self.db, "f", *more)["namespaces"]
        return [(entry["name"], entry["points"]) for entry in listed]

    def test_reading(self):
        self.assertEqual(self.count(), 5)
        self.assertEqual(self.count("--namespace", "anna"), 3)
        self.assertEqual(self.count("--namespace", "anna", "--filter", 'genre = "none"'), 0)
        self.assertEqual(self.count("--namespace", "nobody"), 0)
        found = self.json("query", self.db, "f", "--vector", "[0, 1]", "--namespace", "b\u00e9la")
        self.assertEqual([hit["id"] for hit in found["hits"]], [0, 1, 2, 3])
        found = self.json("query", self.db, "f", "--like", "1", "--namespace", "anna")
        self.assertEqual([hit["id"] for hit in found["hits"]], [0, 2])
        got = self.json("get", self.db, "f", "1", "--namespace", "anna")
        self.assertEqual(got["points"][0]["metadata"], {"genre": "drama"})
        self.run_lode("get", self.db, "f", "4", "--namespace", "anna", code=3)
        out = self.text("export", self.db, "f", "-", "--namespace", "anna")
        self.assertEqual(sorted(json.loads(line)["id"] for line in out.splitlines()), [0, 1, 2])

    def test_writing(self):
        self.json("patch", self.db, "f", "1", "--merge", '{"genre": "new"}', "--namespace", "anna")
        self.assertEqual(self.count("--filter", 'genre = "new"'), 0)
        self.assertEqual(self.count("--filter", 'genre = "new"', "--namespace", "anna"), 1)
        self.json("patch", self.db, "f", "--filter", "TRUE", "--merge", '{"genre": "other"}', "--namespace", "anna")
        self.assertEqual(self.count("--filter", 'genre = "other"'), 0)
        self.assertEqual(self.count("--filter", 'genre = "other"', "--namespace", "anna"), 3)
        self.assertEqual(self.json("delete", self.db, "f", "0", "4", "--namespace", "anna")["deleted"], 1)
        self.assertEqual(self.json("delete", self.db, "f", "--filter", "TRUE", "--namespace", "anna")["deleted"], 2)
        self.assertEqual(self.count(), 5)
        self.assertEqual(self.names(), [("b\u00e9la", 4)])

    def test_listing_and_dropping(self):
        self.assertEqual(self.names(), [("anna", 3), ("b\u00e9la", 4)])
        self.assertEqual(self.names("--limit", "1"), [("anna", 3)])
        self.assertEqual(self.names("--after", "anna"), [("b\u00e9la", 4)])
        self.assertIn("anna", self.text("namespaces", self.db, "f"))
        dropped = self.json("namespaces", self.db, "f", "--drop", "anna")
        self.assertEqual((dropped["dropped"], dropped["deleted"]), ("anna", 3))
        self.assertEqual(self.names(), [("b\u00e9la", 4)])
        self.assertEqual(self.count(), 5)
        self.run_lode("namespaces", self.db, "f", "--drop", "anna", code=3)
        self.run_lode("namespaces", self.db, "f", "--drop", "anna", "--limit", "3", code=2)
        self.run_lode("count", self.db, "f", "--namespace", "", code=2)
        self.run_lode("compact", self.db, "f")
        self.assertEqual(self.count("--namespace", "b\u00e9la"), 4)
        self.run_lode("verify", self.db)


if __name__ == "__main__":
    unittest.main()
