#!/usr/bin/env bash
# The kernels of 64-bit ARM: cross-compiled with their tests, and run under qemu. What the others need of
# cmocka is made here, since there is no such library for ARM.
set -euo pipefail
[ -z "$LODE_SANITIZE" ] || exit 77 # it has a compiler of its own: once is enough
cd "$(dirname "$0")/../.."

for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v $tool >/dev/null; then
        echo "no $tool: skipped"
        exit 77
    fi
done

simd="src/simd/simd.c src/simd/simd_scalar.c src/simd/range_scalar.c src/simd/simd_neon.c src/simd/tile_neon.c"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2086
aarch64-linux-gnu-gcc -static -std=gnu17 -O2 -D_GNU_SOURCE -ffp-contract=fast -fno-math-errno \
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror -Iinclude -Isrc \
    tests/simd/test_kernels.c $simd \
    -lm -pthread -o "$folder/test_kernels"
output=$(qemu-aarch64 "$folder/test_kernels")
echo "$output"
grep -q '^seed .* neon' <<<"$output"

cat >"$folder/cmocka.h" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define fail_msg(...) (printf(__VA_ARGS__), puts(""), exit(1))
#define assert_true(x) ((x) ? (void)0 : fail_msg("FAIL line %d: %s", __LINE__, #x))
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)
struct CMUnitTest {
    void (*run)(void **state);
};
#define cmocka_unit_test(test) {test}
#define cmocka_run_group_tests(tests, setup, teardown) run_all(tests, sizeof tests / sizeof *tests)
static inline int run_all(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tests[i].run(NULL);
    printf("PASS: %zu tests\n", count);
    return 0;
}
END
flags="-static -std=gnu17 -O2 -D_GNU_SOURCE -ffp-contract=fast -fno-math-errno -Iinclude -Isrc -I$folder"
# shellcheck disable=SC2086
aarch64-linux-gnu-gcc $flags tests/simd/test_hop.c src/simd/hop.c src/simd/hop_scalar.c \
    src/simd/hop_neon.c $simd src/base/random.c -lm -pthread -o "$folder/test_hop"
qemu-aarch64 "$folder/test_hop"
# shellcheck disable=SC2086
aarch64-linux-gnu-gcc $flags tests/simd/test_tile.c $simd src/base/random.c -lm -pthread \
    -o "$folder/test_tile"
qemu-aarch64 "$folder/test_tile"
# shellcheck disable=SC2086
aarch64-linux-gnu-gcc $flags tests/simd/test_range.c $simd src/base/random.c -lm -pthread \
    -o "$folder/test_range"
qemu-aarch64 "$folder/test_range"
