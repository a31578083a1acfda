/* Buckets, on a clock that the tests move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bucket.h"

#define SECOND ((uint64_t)1000000)
#define BEGIN  (1000 * SECOND)

static struct bucket full(uint64_t rate, uint64_t size)
{
    struct bucket bucket;
    bucket_init(&bucket, rate, size, BEGIN);
    return bucket;
}

static void it_holds_its_size_and_fills_at_its_rate(void **state)
{
    (void)state;
    struct bucket bucket = full(10, 30);
    assert_int_equal(bucket_wait_us(&bucket, 30, BEGIN), 0);
    bucket_take(&bucket, 30, BEGIN);
    assert_int_equal(bucket_wait_us(&bucket, 1, BEGIN), SECOND / 10);
    assert_int_equal(bucket_wait_us(&bucket, 1, BEGIN + SECOND / 10 - 1), 1);
    assert_int_equal(bucket_wait_us(&bucket, 1, BEGIN + SECOND / 10), 0);
    assert_int_equal(bucket_wait_us(&bucket, 5, BEGIN + SECOND / 10), 4 * SECOND / 10);
    assert_false(bucket_is_full(&bucket, BEGIN + 3 * SECOND - 1));
    assert_true(bucket_is_full(&bucket, BEGIN + 3 * SECOND));
    bucket_take(&bucket, 30, BEGIN + 3600 * SECOND); /* an hour fills it no more than that */
    assert_int_equal(bucket_wait_us(&bucket, 30, BEGIN + 3600 * SECOND), 3 * SECOND);
}

/* Asked every microsecond it gives as much as asked once. */
static void what_flows_in_is_exact(void **state)
{
    (void)state;
    struct bucket bucket = full(7, 7);
    bucket_take(&bucket, 7, BEGIN);
    uint64_t got = 0;
    for (uint64_t us = 1; us <= SECOND; us++)
        if (bucket_wait_us(&bucket, 1, BEGIN + us) == 0) {
            bucket_take(&bucket, 1, BEGIN + us);
            got++;
        }
    assert_int_equal(got, 7);
}

static void more_than_there_is_is_owed(void **state)
{
    (void)state;
    struct bucket bucket = full(10, 10);
    assert_int_equal(bucket_wait_us(&bucket, 1000, BEGIN), 0); /* counts as all it holds */
    bucket_take(&bucket, 30, BEGIN);
    assert_int_equal(bucket_wait_us(&bucket, 0, BEGIN), 2 * SECOND);
    assert_int_equal(bucket_wait_us(&bucket, 1000, BEGIN), 3 * SECOND);
}

static void what_is_given_does_not_overflow(void **state)
{
    (void)state;
    struct bucket bucket = full(1, 10);
    bucket_take(&bucket, 4, BEGIN);
    bucket_give(&bucket, 3);
    assert_false(bucket_is_full(&bucket, BEGIN));
    bucket_give(&bucket, 3);
    assert_true(bucket_is_full(&bucket, BEGIN));
    bucket_take(&bucket, 11, BEGIN);
    assert_int_equal(bucket_wait_us(&bucket, 0, BEGIN), SECOND);
}

static void rates_change(void **state)
{
    (void)state;
    struct bucket bucket = full(10, 10);
    bucket_take(&bucket, 5, BEGIN);
    bucket_change(&bucket, 2, 20, BEGIN);
    assert_int_equal(bucket_wait_us(&bucket, 6, BEGIN), SECOND / 2); /* the five are there still */
    bucket_change(&bucket, 2, 3, BEGIN);
    bucket_change(&bucket, 1, 20, BEGIN);
    assert_int_equal(bucket_wait_us(&bucket, 4, BEGIN), SECOND); /* and three of them now */
    bucket_take(&bucket, 20, BEGIN);
    bucket_change(&bucket, 0, 0, BEGIN);
    assert_int_equal(bucket_wait_us(&bucket, 1000, BEGIN), 0);
    assert_true(bucket_is_full(&bucket, BEGIN)); /* whatever was owed */
}

static void without_a_rate_there_is_any_amount(void **state)
{
    (void)state;
    struct bucket bucket = full(0, 0);
    for (int i = 0; i < 1000; i++)
        bucket_take(&bucket, UINT64_MAX, BEGIN);
    assert_int_equal(bucket_wait_us(&bucket, UINT64_MAX, BEGIN), 0);
    assert_true(bucket_is_full(&bucket, BEGIN));
}

static void extremes_do_not_overflow(void **state)
{
    (void)state;
    struct bucket bucket = full(UINT64_MAX, UINT64_MAX);
    for (int i = 0; i < 1000; i++)
        bucket_take(&bucket, UINT64_MAX, BEGIN);
    assert_true(bucket_wait_us(&bucket, 0, BEGIN) > 0);
    assert_int_equal(bucket_wait_us(&bucket, UINT64_MAX, UINT64_MAX), 0);
    assert_true(bucket_is_full(&bucket, 0)); /* a clock that goes back gives and takes nothing */
    for (int i = 0; i < 1000; i++)
        bucket_give(&bucket, UINT64_MAX);
    assert_true(bucket_is_full(&bucket, UINT64_MAX));
    bucket = full(1, 1);
    for (int i = 0; i < 10000000; i++)
        bucket_take(&bucket, UINT64_MAX, BEGIN);
    assert_true(bucket_wait_us(&bucket, UINT64_MAX, BEGIN) > 1000 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_its_size_and_fills_at_its_rate),
        cmocka_unit_test(what_flows_in_is_exact),
        cmocka_unit_test(more_than_there_is_is_owed),
        cmocka_unit_test(what_is_given_does_not_overflow),
        cmocka_unit_test(rates_change),
        cmocka_unit_test(without_a_rate_there_is_any_amount),
        cmocka_unit_test(extremes_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
