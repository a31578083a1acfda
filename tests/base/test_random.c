/* Random numbers: the same everywhere, and random. Reference values come from the authors' published
 * algorithms, computed apart from our code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"

static void known_numbers(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 0);
    assert_true(rng.s[0] == 0xe220a8397b1dcdaf); /* splitmix64's well-known first number */
    assert_true(rng_u64(&rng) == 0x99ec5f36cb75f2b4);
    assert_true(rng_u64(&rng) == 0xbf6e1f784956452a);
    assert_true(rng_u64(&rng) == 0x1a5f849d4933e6e0);
    rng_init(&rng, 42);
    assert_true(rng_u64(&rng) == 0x15780b2e0c2ec716);
    assert_true(random_mix(0x9e3779b97f4a7c15) == 0xe220a8397b1dcdaf);
}

/* Equal, but for roundings, to what a C library's logarithm gives. */
static void known_normals(void **state)
{
    (void)state;
    static const double expected[] = {0x1.edc0d635eea0cp-1, -0x1.3739755916c21p-2,
                                      0x1.381c0324118c3p-2};
    struct rng rng;
    rng_init(&rng, 7);
    for (size_t i = 0; i < 3; i++) {
        double value = rng_normal(&rng);
        assert_true(fabs(value - expected[i]) <= 0x1p-49 * fabs(expected[i]));
    }
}

/* Bit for bit, whatever the compiler and its options: fold many of them together. */
static void normals_are_the_same_everywhere(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 99);
    uint64_t folded = 0;
    for (int i = 0; i < 100000; i++) {
        union {
            double value;
            uint64_t bits;
        } normal = {rng_normal(&rng)};
        folded = random_mix(folded ^ normal.bits);
    }
    if (folded != 0xe93285282156f7d1)
        fail_msg("0x%016llx", (unsigned long long)folded);
}

static void below_is_uniform(void **state)
{
    (void)state;
    enum { ROUNDS = 700000 };
    struct rng rng;
    rng_init(&rng, 1);
    int counts[7] = {0};
    for (int i = 0; i < ROUNDS; i++)
        counts[rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_true(abs(counts[i] - ROUNDS / 7) < 1500); /* five standard deviations */
    for (int i = 0; i < 100; i++)
        assert_int_equal(rng_below(&rng, 1), 0);
}

/* With a bound of 3 * 2^30, the remainder of a random number would make the lower third twice as
 * likely, and its scaling without rejection every third number. */
static void below_is_unbiased(void **state)
{
    (void)state;
    enum { ROUNDS = 300000 };
    struct rng rng;
    rng_init(&rng, 2);
    int low = 0, thirds = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t value = rng_below(&rng, 3u << 30);
        low += value < 1u << 30;
        thirds += value % 3 == 0;
    }
    assert_true(abs(low - ROUNDS / 3) < 1300);
    assert_true(abs(thirds - ROUNDS / 3) < 1300);
}

static void unit_is_below_one(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3);
    double sum = 0, smallest = 1, largest = 0;
    for (int i = 0; i < 100000; i++) {
        double value = rng_unit(&rng);
        sum += value;
        smallest = fmin(smallest, value);
        largest = fmax(largest, value);
    }
    assert_true(smallest >= 0 && smallest < 0.001);
    assert_true(largest < 1 && largest > 0.999);
    assert_true(fabs(sum / 100000 - 0.5) < 0.005);
}

static void normals_are_normal(void **state)
{
    (void)state;
    enum { ROUNDS = 300000 };
    struct rng rng;
    rng_init(&rng, 4);
    double sum = 0, squares = 0, fourths = 0;
    int beyond_two = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double value = rng_normal(&rng);
        sum += value;
        squares += value * value;
        fourths += value * value * value * value;
        beyond_two += fabs(value) > 2;
    }
    assert_true(fabs(sum / ROUNDS) < 0.01);
    assert_true(fabs(squares / ROUNDS - 1) < 0.015);
    assert_true(fabs(fourths / ROUNDS - 3) < 0.1);
    assert_true(fabs((double)beyond_two / ROUNDS - 0.0455) < 0.002);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers),
        cmocka_unit_test(known_normals),
        cmocka_unit_test(normals_are_the_same_everywhere),
        cmocka_unit_test(below_is_uniform),
        cmocka_unit_test(below_is_unbiased),
        cmocka_unit_test(unit_is_below_one),
        cmocka_unit_test(normals_are_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
