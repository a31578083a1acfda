#!/usr/bin/env bash
# Every header compiles alone: the public ones as C99 and C++11, with both compilers; the internal
# ones as the library's own C.
set -uo pipefail
cd "$(dirname "$0")/.."
status=0

# alone HEADER COMPILER OPTION...
alone() {
    local header=$1
    shift
    if ! echo "#include \"$header\"" | "$@" -Wall -Wextra -Werror -fsyntax-only -; then
        echo "$header does not compile alone with $*"
        status=1
    fi
}

for header in include/lode/*.h; do
    for c in gcc clang; do
        alone "lode/${header##*/}" $c -x c -std=c99 -pedantic -Iinclude
    done
    for cxx in g++ clang++; do
        alone "lode/${header##*/}" $cxx -x c++ -std=c++11 -pedantic -Iinclude
    done
done
# Headers that protoc-c makes of api/, as the build does.
generated=$(mktemp -d)
trap 'rm -rf "$generated"' EXIT
mkdir "$generated/proto"
[ ! -d api ] || (cd api && protoc-c --c_out="$generated/proto" lode.proto grpc/*/v1/*.proto) || status=1
for header in src/*/*.h; do
    alone "${header#src/}" gcc -x c -std=gnu17 -D_GNU_SOURCE -Wshadow -Wconversion \
        -Wstrict-prototypes -Iinclude -Isrc -isystem "$generated"
done
exit $status
