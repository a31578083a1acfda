#!/usr/bin/env python3
"""What the formatter cannot see: long files, long functions, tabs, trailing spaces, leftovers."""

import pathlib
import re
import sys

FILE_LINES_MAX = 900
FUNCTION_LINES_MAX = 90
TEXT = {".c", ".h", ".cc", ".py", ".sh", ".md", ".cmake", ".in", ".yml", ".js"}
ROOT = pathlib.Path(__file__).resolve().parent.parent


def files():
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
        if parts[0] not in ("build", "demo-data") and not hidden and path.suffix in TEXT:
            if path.is_file():
                yield path, parts


def long_functions(lines):
    """The formatter puts a function's braces, and no others, alone in the first column."""
    begin = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line == "}" and begin:
            if number - begin + 1 > FUNCTION_LINES_MAX:
                yield begin, f"a function of {number - begin + 1} lines; at most {FUNCTION_LINES_MAX}"
            begin = None


def faults(path, parts):
    text = path.read_text(errors="replace")
    lines = text.splitlines()
    if path.suffix in {".c", ".h", ".cc", ".py", ".sh"} and len(lines) > FILE_LINES_MAX:
        yield len(lines), f"a file of {len(lines)} lines; at most {FILE_LINES_MAX}"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end"
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield number, "trailing space"
        if "\t" in line:
            yield number, "a tab"
        if parts[0] in ("src", "include") and re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield number, "a leftover: finish it, or say in docs/decisions why not"
    if path.suffix in {".c", ".h"}:
        yield from long_functions(lines)


def main():
    count = 0
    for path, parts in files():
        for number, text in faults(path, parts):
            print(f"{path.relative_to(ROOT)}:{number}: {text}")
            count += 1
    return 1 if count else 0


sys.exit(main())
