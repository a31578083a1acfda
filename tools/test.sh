#!/usr/bin/env bash
# Runs the named phases (release, asan, tsan, tidy), one line each, then the sum of all of them.
# A phase that does not build counts as one failure. Logs stay in build/<phase>/.
set -uo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
passed=0 failed=0 skipped=0

# AddressSanitizer and ThreadSanitizer of Clang 14 trip over a wide address randomisation.
no_aslr=
setarch -R true 2>/dev/null && no_aslr="setarch -R"

# count PHASE PASSED FAILED SKIPPED SECONDS
count() {
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    printf '%-8s %s passed, %s failed, %s skipped (%s s)\n' "$1:" "$2" "$3" "$4" "$5"
}

# ctest_phase PHASE "TARGETS" "CMAKE OPTIONS" [CTEST OPTION...]
ctest_phase() {
    local phase=$1 targets=$2 options=$3 begin=$SECONDS build=build/$1 results n f s
    shift 3
    mkdir -p "$build"
    # shellcheck disable=SC2086
    if ! { cmake -S . -B "$build" $options && cmake --build "$build" -j "$jobs" --target $targets; } \
        >"$build/build.log" 2>&1; then
        grep -E -A 12 'error|Error|warning:' "$build/build.log" | head -n 80
        echo "$phase does not build; see $build/build.log"
        count "$phase" 0 1 0 $((SECONDS - begin))
        return
    fi
    rm -f "$build/results.xml"
    # shellcheck disable=SC2086
    $no_aslr ctest --test-dir "$build" -j "$jobs" --output-on-failure --no-tests=ignore \
        --output-junit results.xml "$@" >"$build/test.log" 2>&1
    results=$(tr '\n' ' ' <"$build/results.xml" 2>/dev/null | grep -o '<testsuite [^>]*>')
    attribute() { sed -n "s/.*[^a-z]$1=\"\([0-9]*\)\".*/\1/p" <<<"$results"; }
    n=$(attribute tests) f=$(attribute failures) s=$(attribute skipped)
    n=${n:-0} f=${f:-0} s=${s:-0}
    [ "$f" = 0 ] || grep -vE " (Passed|Start) |^ +Start +[0-9]+:|Skipped" "$build/test.log"
    count "$phase" $((n - f - s)) "$f" "$s" $((SECONDS - begin))
}

tidy_phase() {
    local begin=$SECONDS p=0 f=0 check log
    mkdir -p build/tidy
    for check in tools/check-*; do
        log=build/tidy/$(basename "$check").log
        if JOBS=$jobs "$check" >"$log" 2>&1; then
            p=$((p + 1))
        else
            f=$((f + 1))
            cat "$log"
            echo "$check failed"
        fi
    done
    count tidy $p $f 0 $((SECONDS - begin))
}

for phase in "$@"; do
    case $phase in
        release) ctest_phase release "all bench-programs" -DCMAKE_BUILD_TYPE=Release ;;
        # Clang here, GCC above: both must accept every file.
        asan) ctest_phase asan all "-DLODE_SANITIZE=address -DCMAKE_C_COMPILER=clang" -LE slow ;;
        tsan) ctest_phase tsan tests-concurrent "-DLODE_SANITIZE=thread -DCMAKE_C_COMPILER=clang" -L concurrent ;;
        tidy) tidy_phase ;;
        *) echo "test.sh: unknown phase '$phase'" >&2; exit 2 ;;
    esac
done

summary="$passed passed, $failed failed"
[ "$skipped" = 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ "$failed" = 0 ]
