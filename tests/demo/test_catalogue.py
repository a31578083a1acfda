#!/usr/bin/env python3
"""demo/catalogue.py: what it makes of apt's records. Needs neither apt nor a network."""

import importlib.util
import os
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True

ROOT = pathlib.Path(os.environ.get("LODE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
spec = importlib.util.spec_from_file_location("catalogue", ROOT / "demo" / "catalogue.py")
catalogue = importlib.util.module_from_spec(spec)
spec.loader.exec_module(catalogue)

AVAILABLE = """\
Package: paint
Version: 1.2-3
Installed-Size: 120
Maintainer: A. Person <a@example.org>
Section: graphics
Priority: optional
Description: painting program
Description-md5: 11
Tag: role::program, use::editing,
 culture::TODO, works-with::image

Package: libpaint-dev
Source: paint (1.2-3)
Installed-Size: many
Section: libdevel
Description: painting program (headers)
Description-md5: 22

Package: paint
Version: 1.0
Description: an older one

Package: local-thing
Section: contrib/net
Description: made here
 With a long description
 in place.
 .
 And another paragraph.
"""

LONG = {
    "11": "painting program\nPaint is for pictures.\n.\nIt runs\n  everywhere.",
    "22": "painting program (headers)\nPaint is for pictures.\n.\nTo compile with it.",
}


class Records(unittest.TestCase):
    def setUp(self):
        self.sources = catalogue.by_source(catalogue.stanzas(AVAILABLE), LONG)
        self.records = {record["id"]: record for record in catalogue.package_records(self.sources)}

    def test_each_package_once_under_its_source(self):
        self.assertEqual(sorted(self.records), ["libpaint-dev", "local-thing", "paint"])
        self.assertEqual(sorted(self.sources), ["local-thing", "paint"])
        self.assertEqual(self.records["paint"]["metadata"]["version"], "1.2-3")

    def test_metadata_is_what_debian_says(self):
        metadata = self.records["paint"]["metadata"]
        self.assertEqual(metadata["installed_size"], 120)
        self.assertEqual(metadata["tags"], ["role::program", "use::editing", "works-with::image"])
        self.assertEqual(metadata["maintainer"], "A. Person <a@example.org>")
        headers = self.records["libpaint-dev"]["metadata"]
        self.assertNotIn("installed_size", headers)
        self.assertNotIn("tags", headers)
        self.assertEqual(headers["source"], "paint")
        self.assertEqual(self.records["local-thing"]["metadata"]["section"], "contrib/net")

    def test_programs_say_everything(self):
        self.assertEqual(
            self.records["paint"]["text"].split("\n"),
            [
                "paint",
                "painting program",
                "Paint is for pictures.",
                "It runs everywhere.",
                "painting program",
                "graphics",
            ],
        )

    def test_parts_say_only_their_own(self):
        self.assertEqual(
            self.records["libpaint-dev"]["text"].split("\n"),
            [
                "libpaint dev paint",
                "painting program (headers)",
                "To compile with it.",
                "libdevel libdevel libdevel",
            ],
        )

    def test_parts_without_a_whole_keep_everything(self):
        parts = [stanza for stanza in catalogue.stanzas(AVAILABLE) if "libpaint-dev" in stanza["Package"]]
        sources = catalogue.by_source(parts, LONG)
        (record,) = catalogue.package_records(sources)
        self.assertIn("Paint is for pictures.", record["text"])

    def test_long_description_in_place(self):
        text = self.records["local-thing"]["text"]
        self.assertIn("With a long description in place.\nAnd another paragraph.", text)

    def test_training_text_has_each_paragraph_once(self):
        lines = catalogue.training_text("paint", self.sources["paint"]).split("\n")
        self.assertEqual(len(lines), len(set(lines)))
        self.assertEqual(lines.count("Paint is for pictures."), 1)
        self.assertIn("To compile with it.", lines)

    def test_names(self):
        self.assertEqual(catalogue.split_name("libgtk-3-dev"), "libgtk 3 dev gtk")
        self.assertEqual(catalogue.split_name("python3-numpy"), "python3 numpy python")
        self.assertEqual(catalogue.split_name("g++"), "g")


if __name__ == "__main__":
    unittest.main()
