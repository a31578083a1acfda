#!/usr/bin/env python3
"""The written filters of test_counts.py over real metadata in a database: columns, documents and naive_filter.py count the same,
before and after points go, and segments are merged. Needs LODE_BIN; the sets come from LODE_DATA, without them there is nothing to do."""

import json
import os
import subprocess
import sys
import tempfile

from naive_filter import Naive
from test_counts import MOVIES, TITLES, real_documents

LODE = os.environ["LODE_BIN"]


def lode(*words, stdin=None):
    done = subprocess.run([LODE, *words, "--json"], input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(f"{words}: {done.stdout.decode()} {done.stderr.decode()}")
    return json.loads(done.stdout)


def load(db, documents, first):
    lines = "".join(json.dumps({"id": first + i, "vector": [first + i], "metadata": document}) + "\n"
                    for i, document in enumerate(documents))
    lode("import", db, "c", "-", stdin=lines.encode())


def count(db, filters, documents):
    """How many filters count otherwise than Naive."""
    naive, faults = Naive({}), 0
    for document in documents.values():
        naive.learn(document)
    for text, tree in filters:
        wanted = sum(naive.matches(tree, document, number) for number, document in documents.items())
        for form in (text, json.dumps(tree)):
            found = lode("count", db, "c", "--filter", form)["count"]
            if found != wanted:
                print(f"{form}: {found}, not {wanted}")
                faults += 1
    return faults


def check(name, filters, gone):
    documents = real_documents(name)
    if not documents:
        print(f"{name}: left out")
        return None
    with tempfile.TemporaryDirectory() as folder:
        db = os.path.join(folder, "t.lode")
        lode("create", db, "c", "--dim", "1", "--metric", "l2", "--index", "flat")
        half = len(documents) // 2
        load(db, documents[:half], 0)
        load(db, documents[half:], half)
        left = dict(enumerate(documents))
        faults = count(db, filters, left)
        naive = Naive({})
        for document in documents:
            naive.learn(document)
        left = {number: document for number, document in left.items() if not naive.matches(gone[1], document, number)}
        deleted = lode("delete", db, "c", "--filter", gone[0])["deleted"]
        faults += deleted != len(documents) - len(left)
        faults += count(db, filters[::4], left)
        lode("compact", db, "c")
        faults += count(db, filters[1::4], left)
    print(f"{name}: {len(filters)} filters over {len(documents)} points, {deleted} deleted by filter; {faults} wrong")
    return faults


def main():
    faults = [check("movies-ltr", MOVIES, ("year < 1970", {"year": {"lt": 1970}})),
              check("streaming-titles", TITLES, ('service = "hulu"', {"service": "hulu"}))]
    if None in faults:
        return 77
    assert len(MOVIES) + len(TITLES) >= 50, "50 written filters"
    return 1 if sum(faults) else 0


if __name__ == "__main__":
    sys.exit(main())
