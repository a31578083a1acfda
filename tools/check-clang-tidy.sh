#!/usr/bin/env bash
# clang-tidy, with the checks of .clang-tidy, over every file of src/ that this machine compiles.
# With --why: also the path that leads to each fault.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${LODE_BUILD:-build/release}
[ -e "$build/compile_commands.json" ] || cmake -S . -B "$build" >/dev/null || exit 1

tidy_one() {
    local report
    report=$(clang-tidy --quiet -p "$1" "$2" 2>&1) && return
    if [ "$3" = --why ]; then
        echo "$report"
    else
        awk '/: (error|warning|note): / { show = !/: note: / } show && !/^[0-9]+ warnings? /' <<<"$report"
    fi
    return 1
}
export -f tidy_one

files=$(sed -n 's/^ *"file": "\(.*\)",\{0,1\}$/\1/p' "$build/compile_commands.json" | grep -F "$PWD/src/" | sort -u)
if [ -z "$files" ] && ls src/*/*.c >/dev/null 2>&1; then
    echo "$build/compile_commands.json names no file of src/"
    exit 1
fi
printf %s "$files" | xargs -r -d '\n' -P "${JOBS:-$(nproc)}" -I{} bash -c 'tidy_one "$0" "$2" "$1"' "$build" "${1:-}" {}
