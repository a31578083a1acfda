#!/usr/bin/env bash
# clang-tidy, with the checks of .clang-tidy, over every file of src/ that this machine compiles.
# With --why: also the path that leads to each fault.
#
# What it says of a file follows from all that the compiler reads for it, the command, the checks and clang-tidy
# itself: a file without faults is not looked at again until one of these changes (build/tidy/clean).
set -uo pipefail
cd "$(dirname "$0")/.."
export build=${LODE_BUILD:-build/release} why=${1:-} clean=$PWD/build/tidy/clean checks
[ -e "$build/compile_commands.json" ] || cmake -S . -B "$build" >/dev/null || exit 1
checks=$(clang-tidy --version; cat .clang-tidy)
mkdir -p "$clean"

# A name for all of that; none where the compiler cannot say what it reads. `-M -o` replaces no object file.
key_of() {
    local directory=$1 command=$2 read
    set -o pipefail
    read=$(cd "$directory" && eval "${command%% -o *} -w -M $3" 2>/dev/null | tr -d '\\' | tr -s ' \n' '\n' |
        grep -v ':$' | sort -u | xargs -r -d '\n' cat | sha256sum) || return
    sha256sum <<<"$checks $directory $command $read" | cut -d ' ' -f 1
}

tidy_one() {
    local directory command file report key
    IFS=$'\t' read -r directory command file <<<"$1"
    key=$(key_of "$directory" "$command" "$file")
    [ -n "$key" ] && [ -e "$clean/$key" ] && return
    if report=$(clang-tidy --quiet -p "$build" "$file" 2>&1); then
        [ -z "$key" ] || touch "$clean/$key"
        return
    fi
    if [ "$why" = --why ]; then
        echo "$report"
    else
        awk '/: (error|warning|note): / { show = !/: note: / } show && !/^[0-9]+ warnings? /' <<<"$report"
    fi
    return 1
}
export -f key_of tidy_one

# directory, command and file of each, by tabs
entries=$(sed -n 's/^ *"\(directory\|command\|file\)": "\(.*\)",\{0,1\}$/\2/p' "$build/compile_commands.json" |
    paste - - - | awk -F '\t' -v src="$PWD/src/" 'index($3, src) == 1 && !met[$3]++')
if [ -z "$entries" ] && ls src/*/*.c >/dev/null 2>&1; then
    echo "$build/compile_commands.json names no file of src/"
    exit 1
fi
printf %s "$entries" | xargs -r -d '\n' -P "${JOBS:-$(nproc)}" -I{} bash -c 'tidy_one "$1"' tidy {}
