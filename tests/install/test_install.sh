#!/usr/bin/env bash
# Installs into a fresh folder, moves it, and builds and runs program.c against it in each way that
# is promised: pkg-config and find_package(), shared and static.
set -euo pipefail
[ -z "$LODE_SANITIZE" ] || exit 77 # what is installed is the plain build
[ -d "$LODE_SOURCE/src/engine" ] && [ -x "$LODE_BIN" ] || exit 77 # not written yet
here=$LODE_SOURCE/tests/install

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$LODE_BUILD" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"
prefix=$work/prefix
libdir=$(dirname "$(find "$prefix" -name liblode.a)")
export PKG_CONFIG_PATH=$libdir/pkgconfig
runs=0

# runs_with NAME PROGRAM
runs_with() {
    local said
    said=$(LD_LIBRARY_PATH=$libdir "$2" "$work/db-$1") || { echo "$1: the program failed"; exit 1; }
    [ "$said" = "lode $(pkg-config --modversion lode)" ] || { echo "$1: it said '$said'"; exit 1; }
    runs=$((runs + 1))
}

# shellcheck disable=SC2046
cc "$here/program.c" -o "$work/pc-shared" $(pkg-config --cflags --libs lode)
runs_with pc-shared "$work/pc-shared"
# Read whole: under pipefail, a grep that stops reading early would fail ldd with a broken pipe.
libraries=$(LD_LIBRARY_PATH=$libdir ldd "$work/pc-shared")
[[ $libraries == *liblode.so.0* ]] || { echo "pc-shared does not use liblode.so.0:"; echo "$libraries"; exit 1; }

rm "$libdir"/liblode.so*
# shellcheck disable=SC2046
cc "$here/program.c" -o "$work/pc-static" $(pkg-config --static --cflags --libs lode)
runs_with pc-static "$work/pc-static"

cmake --install "$LODE_BUILD" --prefix "$prefix" >/dev/null
cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/cmake" >/dev/null
runs_with cmake-shared "$work/cmake/shared"
runs_with cmake-static "$work/cmake/static"

"$prefix/bin/lode" --version >/dev/null
echo "$runs programs built and run"
