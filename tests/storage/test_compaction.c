/* The compaction plan: a pure function, by example and by simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/random.h"
#include "storage/compaction.h"

static const struct compaction_options options = {
    .tier_width = 4, .tier_bytes_base = 1000, .dead_share_max = 0.3, .rows_max = 10000};

/* The plan without its reason, which must go with it. */
static size_t planned(const struct compaction_input *inputs, size_t count,
                      const struct compaction_options *given, size_t *chosen)
{
    enum compaction_reason reason = COMPACTION_NONE;
    size_t chosen_count = compaction_plan(inputs, count, given, chosen, &reason);
    if (chosen_count == 0)
        assert_int_equal(reason, COMPACTION_NONE);
    else if (chosen_count > 1)
        assert_int_equal(reason, COMPACTION_TIER);
    else if (reason == COMPACTION_HASTY)
        assert_true(inputs[chosen[0]].is_hasty);
    else
        assert_int_equal(reason, COMPACTION_DEAD);
    return chosen_count;
}

/* 10 bytes a row. */
static struct compaction_input segment(uint64_t number, uint32_t rows, uint32_t live)
{
    return (struct compaction_input){
        .number = number, .bytes = rows * 10, .row_count = rows, .live_count = live};
}

static void nothing_is_due(void **state)
{
    (void)state;
    size_t chosen[4];
    struct compaction_input inputs[4] = {segment(1, 50, 50), segment(2, 60, 60), segment(3, 70, 70),
                                         segment(4, 200, 200)};
    assert_int_equal(planned(inputs, 0, &options, chosen), 0);
    assert_int_equal(planned(inputs, 1, &options, chosen), 0);
    assert_int_equal(planned(inputs, 4, &options, chosen), 0); /* two tiers */
}

static void a_full_tier_is_merged(void **state)
{
    (void)state;
    size_t chosen[6];
    struct compaction_input inputs[6] = {segment(1, 300, 300), segment(2, 60, 60),
                                         segment(3, 90, 90),   segment(4, 20, 20),
                                         segment(5, 500, 500), segment(6, 10, 10)};
    assert_int_equal(planned(inputs, 6, &options, chosen), 4);
    static const size_t wanted[] = {1, 2, 3, 5};
    assert_memory_equal(chosen, wanted, sizeof wanted);
    inputs[3].busy = 1;
    assert_int_equal(planned(inputs, 6, &options, chosen), 0);
}

static void dead_rows_do_not_count_as_size(void **state)
{
    (void)state;
    size_t chosen[4];
    struct compaction_input inputs[4] = {segment(1, 10, 10), segment(2, 20, 20), segment(3, 30, 30),
                                         segment(4, 300, 90)};
    assert_int_equal(planned(inputs, 4, &options, chosen), 4);
}

static void rows_max_bounds_a_merge(void **state)
{
    (void)state;
    size_t chosen[4];
    struct compaction_options few = options;
    few.rows_max = 150;
    struct compaction_input inputs[4] = {segment(1, 90, 90), segment(2, 60, 60), segment(3, 80, 80),
                                         segment(4, 50, 50)};
    assert_int_equal(planned(inputs, 4, &few, chosen), 2);
    assert_int_equal(chosen[0], 1);
    assert_int_equal(chosen[1], 3);
    few.rows_max = 100;
    assert_int_equal(planned(inputs, 4, &few, chosen), 0);
}

static void the_deadest_is_rewritten_alone(void **state)
{
    (void)state;
    size_t chosen[3];
    struct compaction_input inputs[3] = {segment(1, 100, 69), segment(2, 1000, 600),
                                         segment(3, 1000, 701)};
    assert_int_equal(planned(inputs, 3, &options, chosen), 1);
    assert_int_equal(chosen[0], 1);
    inputs[1].busy = 1;
    assert_int_equal(planned(inputs, 3, &options, chosen), 1);
    assert_int_equal(chosen[0], 0);
    inputs[2].live_count = 0; /* nothing lives: the rewrite is a removal */
    assert_int_equal(planned(inputs, 3, &options, chosen), 1);
    assert_int_equal(chosen[0], 2);
}

/* Last of all, the largest first. */
static void a_hasty_graph_is_made_anew(void **state)
{
    (void)state;
    size_t chosen[3];
    struct compaction_input inputs[3] = {segment(1, 50, 50), segment(2, 600, 600),
                                         segment(3, 700, 400)};
    inputs[0].is_hasty = inputs[1].is_hasty = 1;
    assert_int_equal(planned(inputs, 3, &options, chosen), 1);
    assert_int_equal(chosen[0], 2); /* dead rows */
    inputs[2].busy = 1;
    assert_int_equal(planned(inputs, 3, &options, chosen), 1);
    assert_int_equal(chosen[0], 1);
    inputs[1].busy = 1;
    assert_int_equal(planned(inputs, 3, &options, chosen), 1);
    assert_int_equal(chosen[0], 0);
    inputs[0].is_hasty = 0;
    assert_int_equal(planned(inputs, 3, &options, chosen), 0);
}

/* Each reason for what deserves it, and the first of several. */
static void reasons(void **state)
{
    (void)state;
    size_t chosen[5];
    enum compaction_reason reason;
    struct compaction_input inputs[5] = {segment(1, 50, 50), segment(2, 60, 60), segment(3, 70, 70),
                                         segment(4, 80, 80), segment(5, 5000, 2000)};
    inputs[4].is_hasty = 1;
    assert_int_equal(compaction_plan(inputs, 5, &options, chosen, &reason), 4);
    assert_int_equal(reason, COMPACTION_TIER);
    inputs[0].busy = 1;
    assert_int_equal(compaction_plan(inputs, 5, &options, chosen, &reason), 1);
    assert_int_equal(reason, COMPACTION_DEAD);
    inputs[4].live_count = 5000;
    assert_int_equal(compaction_plan(inputs, 5, &options, chosen, &reason), 1);
    assert_int_equal(reason, COMPACTION_HASTY);
    inputs[4].is_hasty = 0;
    assert_int_equal(compaction_plan(inputs, 5, &options, chosen, &reason), 0);
    assert_int_equal(reason, COMPACTION_NONE);
}

/* Flush after flush, merging while anything is due: few segments, and few rewrites of a row. */
static void a_long_run_stays_cheap(void **state)
{
    (void)state;
    enum { FLUSHES = 1000, MAX = 64 };
    struct compaction_options unbounded = options;
    unbounded.rows_max = 1u << 30;
    struct compaction_input inputs[MAX];
    size_t count = 0, most = 0, chosen[MAX];
    uint64_t rewritten = 0, next = 1;
    for (int i = 0; i < FLUSHES; i++) {
        assert_true(count < MAX);
        inputs[count++] = segment(next++, 90, 90);
        for (size_t n; (n = planned(inputs, count, &unbounded, chosen)) > 0;) {
            uint32_t rows = 0;
            for (size_t c = n; c-- > 0;) {
                rows += inputs[chosen[c]].live_count;
                count--;
                memmove(&inputs[chosen[c]], &inputs[chosen[c] + 1],
                        (count - chosen[c]) * sizeof inputs[0]);
            }
            rewritten += rows;
            inputs[count++] = segment(next++, rows, rows);
        }
        most = count > most ? count : most;
    }
    assert_true(most <= 3 * 6); /* under tier_width a tier, log4(1000) tiers */
    assert_true(rewritten <= (uint64_t)FLUSHES * 90 * 6); /* about once a tier */
}

/* Whatever the inputs: chosen ones are idle, ascending, within rows_max, and a merge takes at least two. */
static void any_plan_is_sound(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 2);
    for (int round = 0; round < 20000; round++) {
        struct compaction_input inputs[12];
        size_t chosen[12], count = rng_below(&rng, 13);
        for (size_t i = 0; i < count; i++) {
            uint32_t rows = rng_below(&rng, 1u << (1 + rng_below(&rng, 13)));
            inputs[i] = segment(i + 1, rows, rows ? rng_below(&rng, rows + 1) : 0);
            inputs[i].busy = rng_below(&rng, 4) == 0;
            inputs[i].is_hasty = rng_below(&rng, 4) == 0;
        }
        size_t n = planned(inputs, count, &options, chosen);
        uint64_t rows = 0;
        for (size_t i = 0; i < n; i++) {
            assert_true(chosen[i] < count && !inputs[chosen[i]].busy);
            assert_true(i == 0 || chosen[i] > chosen[i - 1]);
            rows += inputs[chosen[i]].live_count;
        }
        assert_true(n < 2 || rows <= options.rows_max);
        if (n == 1)
            assert_true(inputs[chosen[0]].is_hasty ||
                        inputs[chosen[0]].live_count < inputs[chosen[0]].row_count ||
                        inputs[chosen[0]].row_count == 0);
    }
}

/* What a full tier has beyond what a merge leaves, and rows that should have been rewritten long ago. */
static void debt_is_what_waits(void **state)
{
    (void)state;
    size_t order[16];
    struct compaction_input inputs[16];
    for (unsigned i = 0; i < 12; i++)
        inputs[i] = segment(i + 1, 50 + i, 50 + i);
    assert_int_equal(compaction_debt(inputs, 0, &options, order), 0);
    assert_int_equal(compaction_debt(inputs, 3, &options, order), 0);
    assert_int_equal(compaction_debt(inputs, 4, &options, order), 1);
    assert_int_equal(compaction_debt(inputs, 12, &options, order), 9);
    for (unsigned i = 0; i < 4; i++)
        inputs[12 + i] = segment(i + 13, 300, 300); /* another tier */
    assert_int_equal(compaction_debt(inputs, 16, &options, order), 9 + 1);
    inputs[0].busy = 1;
    assert_int_equal(compaction_debt(inputs, 16, &options, order), 8 + 1);
    /* No two of these fit one segment: they are left as they are, but for those that are dead mostly. */
    for (unsigned i = 0; i < 12; i++)
        inputs[i] = segment(i + 1, 9000, 9000);
    assert_int_equal(compaction_debt(inputs, 12, &options, order), 0);
    inputs[3].live_count = 3700; /* 59% are dead, from 30% on it is rewritten */
    assert_int_equal(compaction_debt(inputs, 12, &options, order), 0);
    inputs[3].live_count = 3500;
    assert_int_equal(compaction_debt(inputs, 12, &options, order), 1);
    /* Of these only the two smallest do. */
    for (unsigned i = 0; i < 12; i++)
        inputs[i] = segment(i + 1, i < 2 ? 4000 : 6000, i < 2 ? 4000 : 6000);
    assert_int_equal(compaction_debt(inputs, 12, &options, order), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_due),
        cmocka_unit_test(a_full_tier_is_merged),
        cmocka_unit_test(debt_is_what_waits),
        cmocka_unit_test(dead_rows_do_not_count_as_size),
        cmocka_unit_test(rows_max_bounds_a_merge),
        cmocka_unit_test(the_deadest_is_rewritten_alone),
        cmocka_unit_test(a_hasty_graph_is_made_anew),
        cmocka_unit_test(reasons),
        cmocka_unit_test(a_long_run_stays_cheap),
        cmocka_unit_test(any_plan_is_sound),
    };
    return cmocka_run_group_tests_name("storage/compaction", tests, NULL, NULL);
}
