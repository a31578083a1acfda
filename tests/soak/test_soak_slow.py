#!/usr/bin/env python3
"""A short soak: 25 seconds with a restart every 3; and that a ledger which is not kept would show."""

import os
import pathlib
import re
import subprocess
import sys

SOAK = pathlib.Path(__file__).parent / "soak.py"
SECONDS = 40 if os.environ.get("LODE_SANITIZE") else 25


def soak(*words):
    done = subprocess.run([sys.executable, SOAK, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    print(done.stdout + done.stderr, end="")
    return done


done = soak("--minutes", SECONDS / 60, "--every", 3)
assert done.returncode == 0
counts = {name: int(value) for name, value in re.findall(r"([a-zA-Z ]+): (\d+)", done.stdout.splitlines()[-1])}
counts = {name.strip(): value for name, value in counts.items()}
for name in ("kills", "stops", "writes durable", "writes logged", "writes applied", "reads", "compared", "looks"):
    assert counts.get(name), (name, counts)
