#!/usr/bin/env bash
# Builds the harnesses of this folder with libFuzzer, ASan and UBSan, runs each for a while and counts:
#
#     tests/fuzz/run.sh [SECONDS [HARNESS...]]        HARNESS as in fuzz_<HARNESS>.c; all by default
#
# Each begins with what is in tests/fuzz/corpus/<HARNESS> (committed; `make test` replays it) and keeps what it finds
# in build/fuzz/corpus/<HARNESS>; a crash is a file in build/fuzz/crashes. JOBS at once, 2 by default.
# FUZZ_KEEP=1 afterwards replaces the committed corpora by the smallest ones that reach as much.
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
cmake --build $build -j "${JOBS:-2}" --target lode_internal lode_test_support lode_service lode_cmd >/dev/null
hdf5_cflags=$(pkg-config --cflags hdf5) hdf5_libs=$(pkg-config --libs hdf5)
service_libs=$(pkg-config --libs libevent libevent_openssl libevent_pthreads libnghttp2 libssl libcrypto \
    libprotobuf-c libcyaml jansson libcurl)
mkdir -p $build/corpus $build/logs $build/crashes

build_one() {
    [ "$build/fuzz_$1" -nt "tests/fuzz/fuzz_$1.c" ] && [ "$build/fuzz_$1" -nt $build/liblode_internal.a ] &&
        [ "$build/fuzz_$1" -nt $build/liblode_test_support.a ] &&
        [ "$build/fuzz_$1" -nt $build/liblode_service.a ] && return
    # shellcheck disable=SC2086  # options, meant to be split
    clang -std=gnu17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -Iinclude -Isrc -Itests -isystem $build/generated $hdf5_cflags \
        "tests/fuzz/fuzz_$1.c" \
        $build/liblode_cmd.a $build/liblode_service.a $build/liblode_proto.a $build/liblode_test_support.a \
        $build/liblode_internal.a $hdf5_libs $service_libs \
        -lcmocka -lutf8proc -lstemmer -lroaring -lcrypto -lm -lpthread -o "$build/fuzz_$1"
}

run_one() {
    local name=$1 seeds=tests/fuzz/corpus/$1
    mkdir -p "$build/corpus/$name" "$seeds"
    setarch -R "$build/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=16384 \
        -artifact_prefix="$build/crashes/$name-" -print_final_stats=1 "$build/corpus/$name" "$seeds" \
        >"$build/logs/$name" 2>&1 || true
}

# number PATTERN NAME: the last number after the pattern in a log; 0 when there is none
number() { grep -oE "$1 *[0-9]+" "$build/logs/$2" | tail -n 1 | grep -oE '[0-9]+$' || echo 0; }

for name in "$@"; do
    build_one "$name"
done
begin=$SECONDS
for name in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do wait -n || true; done
    run_one "$name" &
done
wait

executions=0 crashes=0 count=0
printf '%-14s %12s %10s %10s %8s\n' harness executions a_second coverage crashes
for name in "$@"; do
    runs=$(number 'number_of_executed_units:' "$name")
    found=$(grep -cE 'SUMMARY: |broken invariant|deadly signal' "$build/logs/$name" || true)
    [ "$found" = 0 ] || found=1
    printf '%-14s %12s %10s %10s %8s\n' "$name" "$runs" $((runs / (seconds > 0 ? seconds : 1))) \
        "$(number 'cov:' "$name")" "$found"
    executions=$((executions + runs)) crashes=$((crashes + found)) count=$((count + 1))
    [ "$found" = 0 ] || grep -E 'ERROR|SUMMARY|broken invariant|Test unit written' "$build/logs/$name" || true
done
echo "$count harnesses, $((count * seconds)) s of fuzzing in $((SECONDS - begin)) s: $executions executions, $crashes crashes"

if [ "${FUZZ_KEEP:-0}" = 1 ]; then
    for name in "$@"; do
        rm -rf "$build/small" && mkdir "$build/small"
        setarch -R "$build/fuzz_$name" -merge=1 -max_len=1024 "$build/small" "tests/fuzz/corpus/$name" \
            "$build/corpus/$name" >"$build/logs/$name-merge" 2>&1 || true
        # Of those below 2 KiB some 100, from the smallest to the largest, in 40 kB at most.
        rm -rf "tests/fuzz/corpus/$name" && mkdir -p "tests/fuzz/corpus/$name"
        find "$build/small" -type f -size -2k -printf '%s %p\n' | sort -n | awk '
            { sizes[NR] = $1; files[NR] = $2 }
            END {
                for (i = 1; i <= NR; i += NR > 100 ? NR / 100 : 1) {
                    total += sizes[int(i)]
                    if (total < 40000)
                        print files[int(i)]
                }
            }' | xargs -r cp -t "tests/fuzz/corpus/$name"
    done
    du -sh --apparent-size tests/fuzz/corpus
fi
[ "$crashes" = 0 ]
