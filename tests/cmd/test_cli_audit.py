#!/usr/bin/env python3
"""`lode audit verify`, on logs that are written here from docs/format/audit.md alone."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

LODE = os.environ["LODE_BIN"]


def run(*words, code=0):
    done = subprocess.run([LODE, "audit", *words], capture_output=True, text=True, timeout=60)
    if done.returncode != code:
        sys.exit(f"{words}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def chain(count, first=1, previous="0" * 64, **more):
    lines = []
    for i in range(count):
        text = json.dumps({"line": first + i, "previous": previous, "time": "2026-02-28T12:00:00.000001Z",
                           "operation": "vectors.upsert", "outcome": "ok", "status": 200, **more})
        previous = hashlib.sha256(text.encode()).hexdigest()
        lines.append(text)
    return lines, previous


def write(name, lines, folder="db/server/audit"):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{name}", "w") as file:
        file.write("".join(line + "\n" for line in lines))


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        run("verify", "db", code=3)
        one, head = chain(3)
        write("audit-00000001.jsonl", one)
        two, last = chain(2, first=4, previous=head)
        write("audit-00000002.jsonl", two)
        write("notes.txt", ["not ours"])
        found = json.loads(run("verify", "db", "--json"))
        assert found == {"sound": True, "files": 2, "lines": 5, "first_line": 1, "torn": 0, "lost": 0,
                         "skipped": 0, "open_bytes": 0, "last_hash": last}, found
        assert last in run("verify", "db")
        run("verify", "db", "--last", last)
        run("verify", "db", "--last", head)
        run("verify", "db/server/audit", "--last", last)
        assert "hash" in run("verify", "db", "--last", "0" * 64, code=6)
        run("verify", "db", "--last", "abc", code=2)

        write("audit-00000002.jsonl", two[:1])
        run("verify", "db")
        run("verify", "db", "--last", last, code=6)
        write("audit-00000002.jsonl", [two[0].replace("200", "201"), two[1]])
        output = run("verify", "db", "--json", code=6)
        assert "audit-00000002.jsonl, line 2" in output and "CORRUPT" in output
        write("audit-00000002.jsonl", two)
        write("audit-00000001.jsonl", one[1:])
        assert "audit-00000001.jsonl, line 1" in run("verify", "db", code=6)

        # Numbers are checked beside hashes.
        skipping, _ = chain(1, first=7, previous=last)
        write("audit-00000001.jsonl", one)
        write("audit-00000002.jsonl", two + skipping)
        assert "audit-00000002.jsonl, line 3: its number" in run("verify", "db", code=6)
        write("audit-00000002.jsonl", two)

        # Older files that are gone are missed, unless a line says that they were deleted.
        os.remove("db/server/audit/audit-00000001.jsonl")
        assert "is missing" in run("verify", "db", code=6)
        told, last = chain(1, first=6, previous=last, file="audit-00000001.jsonl")
        told = [told[0].replace("vectors.upsert", "audit.deleted")]
        write("audit-00000002.jsonl", two + told)
        assert json.loads(run("verify", "db", "--json"))["first_line"] == 4
        write("audit-00000002.jsonl", two + told + ['{"line":7,"previous'])
        run("verify", "db", code=6)  # a whole line that is none
        with open("db/server/audit/audit-00000002.jsonl", "r+") as file:
            text = file.read()[:-1]
            file.seek(0)
            file.truncate()
            file.write(text)
        assert json.loads(run("verify", "db", "--json"))["open_bytes"] == 19  # torn by a crash
        run("frobnicate", "db", code=2)
        run("verify", code=2)


main()
