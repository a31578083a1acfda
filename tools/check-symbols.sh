#!/usr/bin/env bash
# Only lode_* leaves the libraries, shared and static, and everything the public header declares does.
# Uses the release build, or the one in LODE_BUILD.
set -euo pipefail
cd "$(dirname "$0")/.."
library=${LODE_BUILD:-build/release}/liblode.so
[ -e "$library" ] || { echo "$library is not built: make build"; exit 1; }

exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
declared=$(cat include/lode/*.h | tr '\n' ' ' | grep -o 'LODE_API [^;()]*(' | grep -o 'lode_[a-z0-9_]*(' |
    tr -d '(' | sort -u)
status=0
for symbol in $({ cat <<<"$exported"; nm -g --defined-only "${library%.so}.a" | awk 'NF == 3 { print $3 }'; } |
    grep -v '^lode_' | sort -u); do
    echo "$symbol leaves the library; only lode_* may"
    status=1
done
for symbol in $(comm -23 <(cat <<<"$exported") <(cat <<<"$declared") | grep '^lode_'); do
    echo "$symbol is exported but no public header declares it"
    status=1
done
[ -d src/engine ] || declared=$exported # nothing implements the public interface yet
for symbol in $(comm -13 <(cat <<<"$exported") <(cat <<<"$declared")); do
    echo "$symbol is declared in a public header but not exported"
    status=1
done
exit $status
