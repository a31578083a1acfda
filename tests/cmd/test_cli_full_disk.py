#!/usr/bin/env python3
"""`lode import` onto a disk that has room for the points and none for what searches them faster: a warning. Needs to
mount a small file system; skipped where that may not be."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

LODE = os.environ.get("LODE_BIN", "build/release/lode")
DIM, POINTS = 64, 6000
SKIPPED = 77


def run(*words, code=0):
    done = subprocess.run([LODE, *map(str, words)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done


def write_points(path, first, count):
    rng = random.Random(first)
    with open(path, "w") as file:
        for i in range(first, first + count):
            file.write(json.dumps({"id": i, "vector": [round(rng.random(), 2) for _ in range(DIM)]}) + "\n")
    return path


def fill(path, leave):
    room = os.statvfs(path)
    with open(path / "ballast", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave)


def check(folder, disk):
    many, few = write_points(folder / "many.jsonl", 0, POINTS), write_points(folder / "few.jsonl", POINTS, 10)
    db = disk / "db"
    run("create", db, "c", "--dim", DIM, "--metric", "l2")
    run("import", db, "c", many, "--no-wait")
    fill(disk, 1_000_000)
    for bulk in ([], ["--bulk"]):
        done = run("import", db, "c", few, *bulk)
        assert "imported 10 points" in done.stdout and "indexes ready" not in done.stdout, done
        assert "warning" in done.stderr and "lode compact" in done.stderr and "are free" in done.stderr, done
        report = json.loads(run("import", db, "c", few, "--json", *bulk).stdout)
        assert report["imported"] == 10 and "are free" in report["waits_for_space"], report
    error = json.loads(run("compact", db, "c", "--json", code=1).stdout)["error"]
    assert error["status"] == "LODE_FULL", error  # that was what it was asked for
    assert run("get", db, "c", POINTS + 9).stdout
    (disk / "ballast").unlink()
    report = json.loads(run("import", db, "c", few, "--json").stdout)
    assert "waits_for_space" not in report, report
    run("verify", db)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        disk = folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "lode-test", disk], capture_output=True)
        if mounted.returncode:
            print("skipped: cannot mount a small file system")
            sys.exit(SKIPPED)
        try:
            check(folder, disk)
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


if __name__ == "__main__":
    main()
