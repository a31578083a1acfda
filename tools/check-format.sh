#!/usr/bin/env bash
# Every C and C++ file is as .clang-format says. With --fix: rewrites those that are not.
set -uo pipefail
cd "$(dirname "$0")/.."
sources() {
    find . -path ./build -prune -o \( -name '*.[ch]' -o -name '*.cc' \) -printf '%P\0'
}

if [ "${1:-}" = --fix ]; then
    sources | xargs -0 -r clang-format -i
    exit
fi
sources | xargs -0 -r clang-format --dry-run -Werror 2>&1 | sed -n 's/: error: .*/: not as .clang-format says/p'
if [ "${PIPESTATUS[1]}" != 0 ]; then
    echo "mend it with: make format"
    exit 1
fi
