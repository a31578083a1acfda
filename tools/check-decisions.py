#!/usr/bin/env python3
"""The index in docs/decisions/README.md has one line for each record, in order, with its title; and no other."""

import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "docs" / "decisions"


def title(path):
    """Of "# 0042: The title", or "# 42. The title", or "# 0085 The title": its words."""
    return re.sub(r"^# *\d+ *[.:]? *", "", path.read_text().split("\n", 1)[0]).strip()


def main():
    wanted = [f"* [{path.name[:4]}]({path.name}) {title(path)}" for path in sorted(FOLDER.glob("[0-9]*.md"))]
    index = (FOLDER / "README.md").read_text() if wanted else ""
    found = [line for line in index.splitlines() if re.match(r"\* \[\d", line)]
    if sys.argv[1:] == ["--print"]:
        print("\n".join(wanted))
        return 0
    for line in sorted(set(wanted) - set(found)):
        print(f"docs/decisions/README.md lacks: {line}")
    for line in sorted(set(found) - set(wanted)):
        print(f"docs/decisions/README.md has, and no record is: {line}")
    if found != wanted and set(found) == set(wanted):
        print("docs/decisions/README.md: not in order")
    return int(found != wanted)


if __name__ == "__main__":
    sys.exit(main())
