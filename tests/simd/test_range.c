/* test_range.c: numbers in a range, as bits, of every level, against one comparison at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "simd/simd.h"

enum { WORDS = 5, TRIES = 400 };

static uint32_t number_at(const uint8_t *numbers, size_t width, size_t i)
{
    uint32_t number = 0;
    memcpy(&number, numbers + i * width, width); /* little-endian */
    return number;
}

/* Numbers around the ends of ranges, and of all sizes. */
static uint32_t some_number(struct rng *rng, size_t width)
{
    uint32_t greatest = width == 4 ? UINT32_MAX : (1u << 8 * width) - 1;
    switch (rng_below(rng, 4)) {
    case 0: return rng_below(rng, 4);
    case 1: return greatest - rng_below(rng, 4);
    case 2: return greatest / 2 + rng_below(rng, 4);
    default: return rng_below(rng, UINT32_MAX) & greatest;
    }
}

static void check(const struct simd_ops *ops, struct rng *rng, size_t width, size_t word_count)
{
    uint8_t *numbers = malloc(64 * width * word_count + 1); /* of just that size, for sanitizers */
    uint64_t words[WORDS], before[WORDS];
    uint32_t begin = some_number(rng, width), last = some_number(rng, width);
    if (last < begin)
        last = begin;
    assert_non_null(numbers);
    for (size_t i = 0; i < 64 * word_count; i++) {
        uint32_t number = some_number(rng, width);
        memcpy(numbers + 1 + i * width, &number, width);
    }
    for (size_t w = 0; w < word_count; w++)
        words[w] = before[w] =
            (uint64_t)rng_below(rng, UINT32_MAX) << 32 | rng_below(rng, UINT32_MAX);
    ops->in_range(numbers + 1, width, begin, last - begin, word_count, words);
    for (size_t i = 0; i < 64 * word_count; i++) {
        uint32_t number = number_at(numbers + 1, width, i);
        uint64_t in = number >= begin && number <= last && (before[i / 64] >> i % 64 & 1);
        if ((words[i / 64] >> i % 64 & 1) != in)
            fail_msg("%s: width %zu, %u in [%u, %u], number %zu of %zu", ops->name, width, number,
                     begin, last, i, 64 * word_count);
    }
    free(numbers);
}

static void levels_agree(void **state)
{
    (void)state;
    static const char *const names[] = {"scalar", "avx2", "avx512", "neon"};
    for (size_t n = 0; n < 4; n++) {
        const struct simd_ops *ops = simd_level(names[n]);
        struct rng rng;
        rng_init(&rng, 3);
        for (int i = 0; ops && i < TRIES; i++)
            for (size_t width = 1; width <= 4; width *= 2)
                check(ops, &rng, width, (size_t)i % (WORDS + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
