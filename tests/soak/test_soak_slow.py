#!/usr/bin/env python3
"""A short soak, 25 seconds with a kill every 3; how often a long one kills; and that what is lost would show."""

import collections
import os
import pathlib
import re
import subprocess
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from soak import Broken, Run, schedule  # noqa: E402

SOAK = pathlib.Path(__file__).parent / "soak.py"
SECONDS = 40 if os.environ.get("LODE_SANITIZE") else 25


def soak(*words):
    done = subprocess.run([sys.executable, SOAK, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    print(done.stdout + done.stderr, end="")
    return done


def compared(entries, found, last=9, is_killed=True, pending=None):
    """Of point 1, of which these writes were acknowledged: how many bytes are lost; None: a promise is broken."""
    ledger = collections.defaultdict(list, {1: list(entries)})
    writer = types.SimpleNamespace(index="mixed", ledger=ledger, pending=pending and types.SimpleNamespace(key="k", outcome=pending))
    try:
        return Run.compare_writer(types.SimpleNamespace(counts=collections.Counter()), writer, last, dict(found), is_killed)
    except Broken:
        return None


# 30 minutes: kill -9 every 2 minutes, whatever comes in between.
planned = schedule(1800, 120)
assert [moment for moment, is_killed in planned if is_killed] == list(range(120, 1801, 120))
assert [moment for moment, is_killed in planned if not is_killed] == list(range(300, 1741, 240))

OLD, NEW = (8, "durable", "old", 100), (10, "durable", "new", 100)
assert compared([OLD], {1: ("old", 8)}) == 0
assert compared([OLD], {}) is None                                  # it is gone
assert compared([OLD], {1: ("older", 7)}) is None                   # as it was before
assert compared([OLD, NEW], {1: ("old", 8)}) is None                # what was acknowledged as durable is lost
assert compared([OLD, (10, "logged", "new", 100)], {1: ("old", 8)}) is None
assert compared([OLD, (10, "applied", "new", 100)], {1: ("old", 8)}) == 100
assert compared([OLD, (10, "applied", "new", 100)], {1: ("old", 8)}, is_killed=False) is None
assert compared([OLD], {1: ("new", 9)}, pending={1: "new"}) == 0    # what was under way is there, or not
assert compared([OLD], {1: ("old", 8)}, pending={1: "new"}) == 0
assert compared([OLD], {1: ("new", 9)}, pending={1: "new", 2: "new"}) is None  # but not in part

done = soak("--minutes", SECONDS / 60, "--every", 3)
assert done.returncode == 0
counts = {name: int(value) for name, value in re.findall(r"([a-zA-Z ]+): (\d+)", done.stdout.splitlines()[-1])}
counts = {name.strip(): value for name, value in counts.items()}
for name in ("kills", "stops", "writes durable", "writes logged", "writes applied", "reads", "compared", "looks"):
    assert counts.get(name), (name, counts)
assert counts["kills"] == SECONDS // 3, counts
