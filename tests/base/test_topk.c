/* The k nearest, against sorting everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/topk.h"

enum { COUNT_MAX = 500 };

static int compare(const void *a, const void *b)
{
    const struct neighbor *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Few distinct values, so that ties are common; and everything that a float can be. */
static float random_distance(struct rng *rng)
{
    switch (rng_below(rng, 12)) {
    case 0: return INFINITY;
    case 1: return -INFINITY;
    case 2: return NAN;
    case 3: return -0.0f;
    default: return (float)rng_below(rng, 10) - 3;
    }
}

/* What is beyond the bound does not enter. */
static void check_bound(const struct topk *topk, struct neighbor item)
{
    float bound = topk_bound(topk);
    if (topk->count < topk->k)
        assert_true(bound == INFINITY);
    else if (topk->k && item.distance > bound)
        assert_false(neighbor_before(item, topk->items[0]));
}

static void one_round(struct rng *rng, size_t count, size_t k)
{
    struct neighbor all[COUNT_MAX], items[COUNT_MAX + 1];
    struct topk topk;
    items[k].row = 12345; /* must not be touched */
    topk_init(&topk, items, k);
    size_t numbers = 0;
    for (size_t i = 0; i < count; i++) {
        struct neighbor item = {random_distance(rng), (uint32_t)((i * 7919) % COUNT_MAX)};
        check_bound(&topk, item);
        topk_push(&topk, item.distance, item.row);
        if (!isnan(item.distance))
            all[numbers++] = item;
    }
    qsort(all, numbers, sizeof *all, compare);
    topk_sort(&topk);
    assert_int_equal(topk.count, numbers < k ? numbers : k);
    for (size_t i = 0; i < topk.count; i++) {
        assert_true(items[i].distance == all[i].distance);
        assert_int_equal(items[i].row, all[i].row);
    }
    assert_int_equal(items[k].row, 12345);
}

static void same_as_sorting(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 11);
    for (int round = 0; round < 3000; round++)
        one_round(&rng, rng_below(&rng, COUNT_MAX), rng_below(&rng, round % 2 ? 20 : COUNT_MAX));
}

static void bound_and_ties(void **state)
{
    (void)state;
    struct neighbor items[2];
    struct topk topk;
    topk_init(&topk, items, 2);
    assert_true(topk_bound(&topk) == INFINITY);
    topk_push(&topk, 1, 10);
    topk_push(&topk, 2, 20);
    assert_true(topk_bound(&topk) == 2);
    topk_push(&topk, 2, 21); /* a tie with a larger row stays out */
    assert_int_equal(topk.items[0].row, 20);
    topk_push(&topk, 2, 19);
    assert_int_equal(topk.items[0].row, 19);
    topk_push(&topk, NAN, 0);
    topk_push(&topk, 0, 30);
    assert_true(topk_bound(&topk) == 1);
    topk_sort(&topk);
    assert_int_equal(items[0].row, 30);
    assert_int_equal(items[1].row, 10);
}

static void k_of_zero(void **state)
{
    (void)state;
    struct topk topk;
    topk_init(&topk, NULL, 0);
    topk_push(&topk, -INFINITY, 1);
    assert_int_equal(topk.count, 0);
    assert_true(topk_bound(&topk) == -INFINITY);
    topk_sort(&topk);
}

static void order(void **state)
{
    (void)state;
    struct neighbor a = {1, 5}, b = {1, 6}, c = {2, 0}, nan = {NAN, 0};
    assert_true(neighbor_before(a, b) && neighbor_before(b, c) && neighbor_before(a, c));
    assert_false(neighbor_before(b, a) || neighbor_before(a, a));
    assert_false(neighbor_before(nan, a) || neighbor_before(a, nan));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_sorting),
        cmocka_unit_test(bound_and_ties),
        cmocka_unit_test(k_of_zero),
        cmocka_unit_test(order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
