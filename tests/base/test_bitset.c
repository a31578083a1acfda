/* Bitsets against an array of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/bitset.h"
#include "base/random.h"

enum { BITS = 1000 };

static void same_as_bytes(void **state)
{
    (void)state;
    uint64_t words[(BITS + 63) / 64] = {0};
    unsigned char bytes[BITS] = {0};
    struct rng rng;
    rng_init(&rng, 5);
    assert_int_equal(bitset_words(BITS), sizeof words / sizeof *words);
    for (int round = 0; round < 10000; round++) {
        size_t i = rng_below(&rng, BITS);
        bytes[i] = (unsigned char)rng_below(&rng, 2);
        (bytes[i] ? bitset_set : bitset_unset)(words, i);
        assert_int_equal(bitset_test(words, i), bytes[i]);
    }
    size_t count = 0;
    for (size_t i = 0; i < BITS; i++) {
        assert_int_equal(bitset_count(words, i), count);
        assert_int_equal(bitset_test(words, i), bytes[i]);
        count += bytes[i];
    }
    assert_int_equal(bitset_count(words, BITS), count);
}

static void words_needed(void **state)
{
    (void)state;
    assert_int_equal(bitset_words(0), 0);
    assert_int_equal(bitset_words(1), 1);
    assert_int_equal(bitset_words(64), 1);
    assert_int_equal(bitset_words(65), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_bytes),
        cmocka_unit_test(words_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
