#!/usr/bin/env bash
# Every C and C++ file is as .clang-format says. With --fix: rewrites those that are not.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --fix ]; then
    mode=(-i)
else
    mode=(--dry-run -Werror)
fi
git ls-files -co --exclude-standard -- '*.c' '*.h' '*.cc' | xargs -r clang-format "${mode[@]}"
