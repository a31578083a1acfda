#!/usr/bin/env bash
# Every C and C++ file is as .clang-format says. With --fix: rewrites those that are not.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --fix ]; then
    mode=(-i)
else
    mode=(--dry-run -Werror)
fi
find . -path ./build -prune -o \( -name '*.[ch]' -o -name '*.cc' \) -print0 |
    xargs -0 -r clang-format "${mode[@]}"
