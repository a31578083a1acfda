#!/usr/bin/env bash
# Builds the harnesses of this folder with libFuzzer, ASan and UBSan, and runs each for a while:
#
#     tests/fuzz/run.sh [SECONDS [HARNESS...]]        HARNESS as in fuzz_<HARNESS>.c; all by default
#
# What was found interesting is kept in build/fuzz/corpus/<HARNESS>, a crash in build/fuzz.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
shift || true
build=build/fuzz
if [ $# = 0 ]; then
    for file in tests/fuzz/fuzz_*.c; do
        name=${file##*/fuzz_}
        set -- "$@" "${name%.c}"
    done
fi

cmake -S . -B $build -DCMAKE_C_COMPILER=clang -DLODE_SANITIZE=address \
    -DCMAKE_C_FLAGS=-fsanitize=fuzzer-no-link >/dev/null
cmake --build $build -j "${JOBS:-2}" --target lode_internal lode_test_support lode_cmd >/dev/null

hdf5_cflags=$(pkg-config --cflags hdf5) hdf5_libs=$(pkg-config --libs hdf5)
for name in "$@"; do
    corpus=$build/corpus/$name
    mkdir -p "$corpus"
    # shellcheck disable=SC2086  # options, meant to be split
    clang -std=gnu17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -Iinclude -Isrc -Itests $hdf5_cflags "tests/fuzz/fuzz_$name.c" \
        $build/liblode_cmd.a $build/liblode_test_support.a $build/liblode_internal.a $hdf5_libs \
        -lcmocka -lutf8proc -lstemmer -lcrypto -lm -lpthread -o "$build/fuzz_$name"
    echo "fuzz_$name: $seconds s"
    setarch -R "$build/fuzz_$name" -max_total_time="$seconds" -artifact_prefix="$build/$name-" \
        -verbosity=0 -print_final_stats=1 "$corpus" 2>&1 |
        grep -E 'number_of_executed|ERROR|SUMMARY|broken invariant' || true
done
