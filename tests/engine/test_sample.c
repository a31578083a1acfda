/* test_sample.c: samples are of the points that match, without repetition, each point as likely as any other, and the same
 * for a seed wherever the points are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "support/mixed_kit.h"

static lode_error error;

/* The numbers of a sample, in its order; returns how many. */
static size_t sample(const struct mixed *mixed, const char *filter, size_t count, uint64_t seed,
                     unsigned numbers[MIXED_IDS])
{
    lode_result *result;
    lode_sample_request request = {
        .filter = filter, .filter_size = filter ? strlen(filter) : 0, .count = count, .seed = seed};
    assert_ok(lode_sample(mixed->collection, &request, &result, &error));
    size_t found = result->hit_count;
    for (size_t i = 0; i < found; i++)
        numbers[i] = mixed_number(&result->hits[i].id);
    lode_result_free(result);
    return found;
}

static void samples_are_of_what_matches(void **state)
{
    (void)state;
    static const char *const filters[] = {NULL, "year >= 1998", "NOT tags = \"cult\"", "FALSE"};
    struct mixed mixed;
    mixed_begin(&mixed, 4);
    mixed_upsert(&mixed, 200);
    for (unsigned round = 0; round < 60; round++) {
        unsigned numbers[MIXED_IDS];
        uint8_t seen[MIXED_IDS] = {0};
        struct arena arena;
        size_t expected = 0, count = 1 + rng_below(&mixed.rng, MIXED_IDS);
        const char *text = filters[round % 4];
        arena_init(&arena);
        const struct filter *filter = mixed_filter(&mixed, &arena, text);
        for (unsigned i = 0; i < MIXED_IDS; i++)
            expected += (size_t)mixed_matches(&mixed, filter, i);
        size_t found = sample(&mixed, text, count, round + 1, numbers);
        assert_int_equal(found, expected < count ? expected : count);
        for (size_t i = 0; i < found; i++) {
            assert_true(mixed_matches(&mixed, filter, numbers[i]));
            assert_int_equal(seen[numbers[i]]++, 0);
        }
        arena_release(&arena);
        if (round % 4 == 3)
            mixed_step(&mixed);
    }
    mixed_end(&mixed);
}

/* The sum over all points of (times - expected)^2 / expected. */
static double deviation(const unsigned *times, size_t count, double expected)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ((double)times[i] - expected) * ((double)times[i] - expected) / expected;
    return sum;
}

/* Of the seeds 1 to 6000: how often each point is taken, is the first, and comes together with another. 99.9% of random
 * draws stay below the bounds: those of chi-square with 59 and, of pairs, 1769 degrees of freedom. */
static void all_points_are_as_likely(void **state)
{
    (void)state;
    enum { POINTS = 60, COUNT = 6, SEEDS = 6000 };
    static unsigned taken[POINTS], first[POINTS], pairs[POINTS * (POINTS - 1) / 2];
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *points = engine_create(db, "points", (lode_schema){.dim = 2});
    const float vector[2] = {1, 2};
    for (unsigned i = 0; i < POINTS; i++) {
        lode_point point = {.id = lode_id_number(i), .vector = vector};
        assert_ok(lode_upsert(points, &point, 1, NULL, &error));
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        lode_result *result;
        lode_sample_request request = {.count = COUNT, .seed = seed};
        assert_ok(lode_sample(points, &request, &result, &error));
        first[result->hits[0].id.number]++;
        for (size_t i = 0; i < COUNT; i++) {
            size_t a = result->hits[i].id.number;
            taken[a]++;
            for (size_t j = 0; j < COUNT; j++)
                if (result->hits[j].id.number < a)
                    pairs[a * (a - 1) / 2 + result->hits[j].id.number]++;
        }
        lode_result_free(result);
    }
    assert_true(deviation(taken, POINTS, SEEDS * COUNT / (double)POINTS) < 98.3);
    assert_true(deviation(first, POINTS, SEEDS / (double)POINTS) < 98.3);
    assert_true(deviation(pairs, POINTS * (POINTS - 1) / 2,
                          SEEDS * COUNT * (COUNT - 1) / 2.0 / (POINTS * (POINTS - 1) / 2.0)) <
                1957);
    lode_collection_close(points);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* Merges and reopening change no sample; a smaller one is the beginning of a larger one; seed 0 is another each time. */
static void a_seed_gives_one_sample(void **state)
{
    (void)state;
    struct mixed mixed;
    unsigned before[MIXED_IDS], after[MIXED_IDS];
    mixed_begin(&mixed, 6);
    mixed_upsert(&mixed, 300);
    mixed_reopen(&mixed);
    size_t count = sample(&mixed, NULL, 20, 99, before);
    assert_int_equal(count, 20);
    assert_ok(lode_compact(mixed.collection, NULL, &error));
    mixed_reopen(&mixed);
    assert_int_equal(sample(&mixed, NULL, 50, 99, after), 50);
    assert_memory_equal(before, after, count * sizeof *before);
    sample(&mixed, NULL, 20, 0, before);
    sample(&mixed, NULL, 20, 0, after);
    assert_memory_not_equal(before, after, count * sizeof *before);
    mixed_end(&mixed);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    struct mixed mixed;
    lode_result *result;
    mixed_begin(&mixed, 1);
    lode_sample_request request = {.count = 16385};
    assert_status(lode_sample(mixed.collection, &request, &result, &error), LODE_LIMIT);
    request = (lode_sample_request){.filter = "gerne = 1", .filter_size = 9};
    assert_status(lode_sample(mixed.collection, &request, &result, &error), LODE_SCHEMA);
    assert_status(lode_sample(mixed.collection, NULL, &result, &error), LODE_INVALID);
    mixed_end(&mixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_of_what_matches),
        cmocka_unit_test(all_points_are_as_likely),
        cmocka_unit_test(a_seed_gives_one_sample),
        cmocka_unit_test(wrong_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
