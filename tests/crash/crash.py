#!/usr/bin/env python3
"""Crashes databases for a while, in every way that the tests know, and counts: `make crash`.

It runs the programs of `make test` that crash databases, slice after slice with seeds that go on from the
first, as many at once as there are cores, and adds up what each counted (tests/support/crash_counts.h). It ends
after MINUTES, but not before 10,000 simulated crashes and 500 real kills, unless that takes over 450 s; the last line
is the counts.

    tests/crash/crash.py [--build DIR] [--minutes N] [--seed N] [--jobs N] [--only PROGRAM]
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile
import time

CRASHES_MIN, KILLS_MIN = 10_000, 500
SEEDS_A_SLICE = 1000
SEED_MAX = 2**32 - 2**28  # seeds of programs are of 32 bits, and go on from there
SLICE_SECONDS_MAX = 200
SECONDS_MAX = 450  # or the minutes asked for, if more: no slice is begun later, counted enough or not

# What to run, and how much of it is a slice of some seconds. "share": of the slices that are begun.
PROGRAMS = [
    {"name": "test_kill", "what": "kill -9 under load", "share": 3,
     "set": {"LODE_KILL_ROUNDS": "40"}},
    {"name": "test_crash", "what": "every change of a script, random lives", "share": 3,
     "set": {"LODE_CRASH_ROUNDS": "200"}},
    {"name": "test_crash_concurrent", "what": "writers and jobs on threads", "share": 1,
     "set": {"LODE_CRASH_ROUNDS": "300"}},
    {"name": "test_faults", "what": "disks that refuse, then crashes", "share": 2,
     "set": {"LODE_CRASH_ROUNDS": "200", "LODE_FAULT_LIVES": "1"}},
    {"name": "test_lies", "what": "syncs that lie, bits that turn over", "share": 2,
     "set": {"LODE_CRASH_ROUNDS": "700"}},
    {"name": "test_background", "what": "background jobs in any order", "share": 2,
     "set": {"LODE_CRASH_ROUNDS": "700"}},
]
COUNTS = ["powers", "processes", "kills", "opens", "verifies", "damages", "steps", "lost", "partial",
          "unopened"]
UNSYNCED = ["kept", "reordered", "dropped", "torn_at_sectors", "torn_at_bytes", "garbage", "names_lost",
            "renames_halved"]


class Program:
    def __init__(self, entry):
        self.name, self.what, self.share, self.set = (entry[k] for k in ("name", "what", "share", "set"))
        self.slices, self.failures, self.seconds, self.counts = 0, 0, 0.0, {}

    def count(self, name):
        return self.counts.get(name, 0)


class Slice:
    """One run of a program, with seeds of its own."""

    def __init__(self, run, program):
        self.program, self.begin = program, time.monotonic()
        self.seed = run.seed + program.slices * SEEDS_A_SLICE
        self.counts_path = os.path.join(run.folder, f"{program.name}-{program.slices}.counts")
        self.output = tempfile.TemporaryFile(dir=run.folder)
        program.slices += 1
        environment = dict(os.environ, LODE_SEED=str(self.seed), LODE_CRASH_COUNTS=self.counts_path,
                           LODE_SANITIZE="", **program.set)
        self.process = subprocess.Popen([run.path(program)], stdout=self.output, stderr=self.output,
                                        env=environment)

    def is_over(self):
        if time.monotonic() - self.begin > SLICE_SECONDS_MAX:
            self.process.kill()
        return self.process.poll() is not None

    def tail(self):
        self.output.seek(0)
        text = self.output.read().decode(errors="replace").replace("\r", "\n")
        return "\n".join(text.splitlines()[-12:])


class Run:
    def __init__(self, options, folder):
        self.build, self.seed, self.folder = options.build, options.seed, folder
        self.begin, self.minutes, self.jobs = time.monotonic(), options.minutes, options.jobs
        self.programs = [Program(entry) for entry in PROGRAMS if options.only in (None, entry["name"])]
        self.targets = options.only is None
        self.order = [p for i in range(3) for p in self.programs if i < p.share]
        self.next, self.running, self.told = 0, [], 0.0

    def path(self, program):
        return os.path.join(self.build, "tests", "engine", program.name)

    def total(self, name):
        return sum(program.count(name) for program in self.programs)

    def crashes(self):
        return self.total("powers") + self.total("processes")

    def failures(self):
        return sum(program.failures for program in self.programs)

    def elapsed(self):
        return time.monotonic() - self.begin

    def share_done(self):
        """Of the time and of what is to be counted at least, the part that is done."""
        shares = [self.elapsed() / (self.minutes * 60)]
        if self.targets:
            shares += [self.crashes() / CRASHES_MIN, self.total("kills") / KILLS_MIN]
        return min(shares)

    def is_late(self):
        return self.elapsed() > max(self.minutes * 60, SECONDS_MAX)

    def choose(self):
        """The next in order; once only kills are missing, kills."""
        if self.targets and self.elapsed() > self.minutes * 60:
            name = "test_kill" if self.total("kills") < KILLS_MIN else "test_crash"
            return next(program for program in self.programs if program.name == name)
        self.next += 1
        return self.order[(self.next - 1) % len(self.order)]

    def collect(self, part):
        program = part.program
        self.running.remove(part)
        program.seconds += time.monotonic() - part.begin
        try:
            with open(part.counts_path) as file:
                for line in file:
                    name, number = line.split()
                    program.counts[name] = program.count(name) + int(number)
        except OSError:
            pass  # it died: its exit status says so
        if part.process.returncode != 0:
            program.failures += 1
            settings = " ".join(f"{name}={value}" for name, value in program.set.items())
            print(f"\n{program.name}, seeds from {part.seed}: exit status {part.process.returncode}\n"
                  f"{part.tail()}\nrepeat: LODE_SEED={part.seed} {settings} {self.path(program)}\n"
                  f"or everything: make crash SEED={self.seed}", flush=True)

    def tell(self):
        interval = 1 if sys.stdout.isatty() else 30
        if time.monotonic() - self.told < interval:
            return
        self.told = time.monotonic()
        done, seconds = self.share_done(), self.elapsed()
        left = f"{seconds / done - seconds:.0f} s left" if done > 0.02 else "just begun"
        print(f"{seconds:4.0f} s, {left}: {self.crashes():,} crashes ({self.crashes() / seconds:.0f} a second), "
              f"{self.total('kills')} kills, {self.total('opens'):,} databases compared, "
              f"{self.failures()} failures", end="\r" if sys.stdout.isatty() else "\n", flush=True)

    def go(self):
        while self.running or (self.share_done() < 1 and not self.is_late()):
            while self.share_done() < 1 and not self.is_late() and len(self.running) < self.jobs:
                self.running.append(Slice(self, self.choose()))
            time.sleep(0.05)
            for part in [part for part in self.running if part.is_over()]:
                self.collect(part)
            self.tell()

    def table(self):
        heads = ["power", "process", "kill -9", "compared", "verified", "damage", "steps", "lost", "partial",
                 "unopened"]
        print(f"\n{'':22}" + "".join(f"{head:>10}" for head in heads) + f"{'failed':>8}{'runs':>6}{'s':>6}")
        for program in self.programs:
            print(f"{program.name:22}" + "".join(f"{program.count(name):>10}" for name in COUNTS) +
                  f"{program.failures:>8}{program.slices:>6}{program.seconds:>6.0f}  {program.what}")
        print("what was not synced: " +
              ", ".join(f"{self.total(name):,} {name.replace('_', ' ')}" for name in UNSYNCED))
        print(f"power, process: simulated crashes; compared: with what was promised; damage: done on purpose and "
              f"named;\nsteps: of background work in a chosen order; {self.elapsed():.0f} s, seed {self.seed} "
              f"(make crash SEED={self.seed} repeats it)")

    def last_line(self):
        print(f"crash: {self.crashes()} simulated crashes, {self.total('kills')} kill -9 under load: "
              f"{self.total('lost')} lost acknowledged batches, {self.total('partial')} partial ones, "
              f"{self.total('unopened')} unopened databases, {self.failures()} failed runs")


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(root, "build", "release"))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first slice; random otherwise")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", choices=[entry["name"] for entry in PROGRAMS])
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(SEED_MAX // SEEDS_A_SLICE) * SEEDS_A_SLICE
    if options.minutes <= 0 or options.jobs < 1 or not 0 <= options.seed <= SEED_MAX:
        parser.error("minutes and jobs are above 0, the seed from 0 to 4,026,531,840")
    print(f"seed {options.seed}, {options.minutes:g} minutes, {options.jobs} at once", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(options, folder)
        run.go()
    run.table()
    if run.share_done() < 1:
        print(f"fewer than {CRASHES_MIN:,} crashes or {KILLS_MIN} kills: the time was over")
    run.last_line()
    return 1 if run.failures() or run.share_done() < 1 else 0


if __name__ == "__main__":
    sys.exit(main())
