/* The power goes, or the process is killed, at every operation that changes something on the disk, and
 * again while the database recovers from it: every acknowledged step is found afterwards, the one
 * in progress is whole or absent, and nothing else is there. LODE_SEED repeats random lives,
 * LODE_CRASH_ROUNDS makes more of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "support/crash_counts.h"
#include "support/story.h"

/* Random steps until the crash, at most `steps`. */
static void go_on(struct story *story, struct rng *rng, unsigned steps)
{
    for (unsigned i = 0; i < steps && !story->fate.crashed; i++)
        if (story_do(story, story_random_step(story, rng)) && !story->fate.crashed)
            fail_msg("a step failed on a disk that works: %s", story->error.message);
}

/* One life after a crash, which may itself end in one before it has done anything. */
static void live_again(struct story *story, struct rng *rng, uint64_t crash_at, unsigned steps)
{
    crash_count(&crash_counts.unopened);
    lode_status status = story_open(story, (struct story_fate){.crash_at = crash_at});
    if (status && !story->fate.crashed)
        fail_msg("it does not open: %s", story->error.message);
    crash_uncount(&crash_counts.unopened);
    if (!status && story_check(story))
        go_on(story, rng, steps);
}

/* What the last crash left is whole and usable. */
static void settle(struct story *story, struct rng *rng)
{
    live_again(story, rng, 0, 6);
    story_close(story);
    story_settle(story);
}

/* --- Every change ------------------------------------------------------------------------------ */

/* Returns whether the crash came before the script was over. */
static int crash_at_change(uint64_t crash_at, uint64_t seed)
{
    struct story story;
    struct rng rng;
    rng_init(&rng, seed);
    story_init(&story, vfs_memory_new());
    story.weak_writes = 1;
    lode_status status = story_open(&story, (struct story_fate){.crash_at = crash_at});
    for (size_t i = 0; !status && i < story_script_size && !story.fate.crashed; i++)
        status = story_do(&story, story_script[i]);
    if (status && !story.fate.crashed)
        fail_msg("a step failed on a disk that works: %s", story.error.message);
    int crashed = story.fate.crashed;
    story_end(&story, seed);
    live_again(&story, &rng, 1 + rng_below(&rng, 40), 5);
    story_end(&story, rng_u64(&rng));
    settle(&story, &rng);
    vfs_memory_free(story.vfs);
    return crashed;
}

static void at_every_change(void **state)
{
    (void)state;
    unsigned lives = story_setting("LODE_CRASH_LIVES", story_fewer(4));
    uint64_t first = story_setting("LODE_SEED", 1);
    uint64_t crash_at = 1;
    int crashed = 1;
    for (; crashed; crash_at++)
        for (unsigned i = 0; i < lives; i++) {
            uint64_t seed = random_mix((first << 32) + crash_at * lives + i) / 4 * 4 + i % 4;
            print_message("change %llu life %u of seed %llu\r", (unsigned long long)crash_at, i,
                          (unsigned long long)first);
            crashed = crash_at_change(crash_at, seed);
        }
    print_message("%llu changes, %u lives each\n", (unsigned long long)crash_at - 2, lives);
}

/* --- Random lives ------------------------------------------------------------------------------ */

static void random_lives(uint64_t seed, unsigned thread_count)
{
    struct story story;
    struct rng rng;
    rng_init(&rng, seed);
    story_init(&story, vfs_memory_new());
    story.weak_writes = 1;
    story.thread_count = thread_count;
    story.growing_bytes = 256u << rng_below(&rng, 4);
    story.graph_rows = rng_below(&rng, 4) ? 0 : 8;
    story.maintenance = rng_below(&rng, 4) ? LODE_MAINTAIN_AUTO : LODE_MAINTAIN_ON_REQUEST;
    static const uint64_t keep_bytes[] = {0, 0, 500, 5000, LODE_LOG_KEEP_NONE};
    unsigned lives = 1 + rng_below(&rng, 5);
    for (unsigned i = 0; i < lives; i++) {
        unsigned changes = rng_below(&rng, 3) ? 400 : 40;
        story.log_keep_bytes = keep_bytes[rng_below(&rng, 5)];
        live_again(&story, &rng, 1 + rng_below(&rng, changes), 60);
        story_end(&story, rng_u64(&rng));
    }
    settle(&story, &rng);
    vfs_memory_free(story.vfs);
}

static void each_round(unsigned thread_count, unsigned rounds)
{
    uint64_t seed = story_setting("LODE_SEED", 1);
    rounds = story_setting("LODE_CRASH_ROUNDS", story_fewer(rounds));
    for (unsigned i = 0; i < rounds; i++) {
        print_message("seed %llu\r", (unsigned long long)(seed + i));
        random_lives(seed + i, thread_count);
    }
    print_message("%u rounds from seed %llu\n", rounds, (unsigned long long)seed);
}

static void at_random(void **state)
{
    (void)state;
    each_round(0, 200);
}

/* The same with background jobs on threads of their own: where the crash falls is up to them. */
static void at_random_with_threads(void **state)
{
    (void)state;
    each_round(2, 60);
}

/* --- Graphs ------------------------------------------------------------------------------------ */

enum { GRAPH_ROWS = INDEX_ROWS_MIN + 100 };

static lode_status write_rows(lode_collection *collection, uint64_t first, size_t count,
                              lode_error *error)
{
    lode_point *points = calloc(count, sizeof *points);
    float *vectors = calloc(count * 2, sizeof *vectors);
    for (size_t i = 0; i < count; i++) {
        engine_vector((unsigned)(first + i), 2, vectors + 2 * i);
        points[i] = (lode_point){.id = lode_id_number(first + i), .vector = vectors + 2 * i};
    }
    lode_status status = lode_upsert(collection, points, count, NULL, error);
    free(points);
    free(vectors);
    return status;
}

/* Returns how many batches were acknowledged. */
static uint64_t build_graphs(lode_db *db, lode_error *error)
{
    static const lode_schema schema = {.dim = 2, .m = 4, .ef_construction = 8};
    lode_collection *collection;
    uint64_t batches = 0;
    if (lode_collection_create(db, "points", &schema, &collection, error))
        return 0;
    if (write_rows(collection, 0, GRAPH_ROWS, error) == LODE_OK)
        batches++;
    if (batches == 1 && lode_flush(collection, NULL, error) == LODE_OK &&
        write_rows(collection, GRAPH_ROWS / 2, GRAPH_ROWS, error) == LODE_OK)
        batches++;
    if (batches == 2 && lode_compact(collection, NULL, error) == LODE_OK &&
        write_rows(collection, 10, 10, error) == LODE_OK)
        batches++;
    lode_collection_close(collection);
    return batches;
}

/* Batches in doubt are told by the sequence. */
static void check_graphs(lode_db *db, uint64_t batches)
{
    static const uint64_t points[] = {0, GRAPH_ROWS, GRAPH_ROWS / 2 + GRAPH_ROWS,
                                      GRAPH_ROWS / 2 + GRAPH_ROWS};
    static const float query[2] = {1, 1};
    static lode_error error;
    lode_collection *collection;
    lode_result *result;
    lode_stats *stats;
    lode_status status = lode_collection_open(db, "points", &collection, &error);
    if (status == LODE_NOT_FOUND && batches == 0)
        return;
    if (status)
        fail_msg("%s", error.message);
    assert_ok(lode_compact(collection, NULL, &error));
    assert_ok(lode_stats_get(collection, &stats, &error));
    assert_in_range(stats->sequence, batches, batches < 3 ? batches + 1 : 3);
    assert_int_equal(stats->points, points[stats->sequence]);
    for (size_t i = 0; i < stats->segment_count; i++)
        assert_int_equal(stats->segments[i].graph_rows, stats->segments[i].rows);
    assert_ok(
        lode_search(collection, &(lode_search_request){.vector = query, .k = 30}, &result, &error));
    assert_int_equal(result->hit_count, stats->points ? 30 : 0);
    lode_result_free(result);
    lode_stats_free(stats);
    lode_collection_close(collection);
}

static int crash_with_graphs(uint64_t crash_at)
{
    lode_error error;
    struct story story;
    uint64_t batches = 0;
    story_init(&story, vfs_memory_new());
    story.growing_bytes = 0;
    int opened = story_open(&story, (struct story_fate){.crash_at = crash_at}) == LODE_OK;
    if (opened) {
        story.db->growing_bytes_max = 1u << 20;
        batches = build_graphs(story.db, &error);
    }
    int crashed = story.fate.crashed;
    story_end(&story, random_mix(crash_at));
    lode_db *db = engine_open(story.vfs, "db", NULL, 1u << 20);
    check_graphs(db, batches);
    engine_close(db);
    engine_verify(story.vfs, "db");
    vfs_memory_free(story.vfs);
    return crashed;
}

static void while_graphs_are_built(void **state)
{
    (void)state;
    uint64_t stride = story_setting("LODE_GRAPH_STRIDE", story_fewer(4) == 4 ? 5 : 20);
    uint64_t crash_at = 1 + story_setting("LODE_SEED", 1) / 1000 % stride;
    while (crash_with_graphs(crash_at))
        crash_at += stride;
    print_message("%llu changes, every %llu\n", (unsigned long long)crash_at,
                  (unsigned long long)stride);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_change),
        cmocka_unit_test(at_random),
        cmocka_unit_test(at_random_with_threads),
        cmocka_unit_test(while_graphs_are_built),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crash_counts_report();
    return failed;
}
