/* What background work tells of itself, and what it does not begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <string.h>

#include "engine/build.h"
#include "engine/collection.h"
#include "engine/debt.h"
#include "engine/job.h"
#include "engine/need.h"
#include "engine/readers.h"
#include "os/budget.h"
#include "os/memory.h"
#include "support/engine_kit.h"

static lode_error error;

/* --- Time left: a pure function ---------------------------------------------------------------- */

static void eta_adds_up_phases(void **state)
{
    (void)state;
    struct job_pace phases[3] = {{.done = 500, .total = 1000, .elapsed_us = 1000000, .us_a_row = 9},
                                 {.total = 1000, .us_a_row = 5000},
                                 {.total = 1000, .us_a_row = 10}};
    /* 500 at the pace of this phase, 2 ms a row; then as earlier jobs went. */
    assert_int_equal(job_eta_us(phases, 3), 1000000 + 5000000 + 10000);
    phases[1].us_a_row = 0;
    assert_true(job_eta_us(phases, 3) == JOB_ETA_UNKNOWN);
    assert_int_equal(job_eta_us(phases, 1), 1000000);
    phases[0].done = 1000;
    assert_int_equal(job_eta_us(phases, 1), 0);
    assert_int_equal(job_eta_us(phases, 0), 0);
}

/* A phase that has only begun says little: earlier ones say more, where there are any. */
static void eta_of_a_beginning(void **state)
{
    (void)state;
    struct job_pace phase = {.done = 1, .total = 1000, .elapsed_us = 100000, .us_a_row = 100};
    assert_int_equal(job_eta_us(&phase, 1), 99900);
    phase.us_a_row = 0;
    assert_int_equal(job_eta_us(&phase, 1), 99900000);
    phase.done = 0;
    assert_true(job_eta_us(&phase, 1) == JOB_ETA_UNKNOWN);
    phase = (struct job_pace){.done = 10, .total = 1000, .elapsed_us = 1000000, .us_a_row = 100};
    assert_int_equal(job_eta_us(&phase, 1), 99000000); /* a second tells enough */
}

/* --- Records ----------------------------------------------------------------------------------- */

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model model;
    lode_stats *stats; /* as of the last look */
};

static const lode_schema schema = {.dim = 4};

static void world_open(struct world *world, const lode_schema *of, const lode_db_options *options,
                       uint64_t growing_bytes, const struct clock *clock)
{
    *world = (struct world){.vfs = vfs_memory_new()};
    world->db = engine_open_at(world->vfs, "db", options, growing_bytes, clock);
    world->collection = engine_create(world->db, "points", *of);
    model_init(&world->model, of);
}

static void world_close(struct world *world)
{
    model_check_points(&world->model, world->collection, NULL);
    lode_stats_free(world->stats);
    lode_collection_close(world->collection);
    engine_close(world->db);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

static const lode_stats *look(struct world *world)
{
    lode_stats_free(world->stats);
    assert_ok(lode_stats_get(world->collection, &world->stats, &error));
    return world->stats;
}

static void fill(struct world *world, unsigned first, unsigned count, int value)
{
    model_write_range(&world->model, world->collection, first, count, value);
}

static const lode_job_record *last_of(const lode_stats *stats, lode_job_kind kind)
{
    for (size_t i = stats->history_count; i-- > 0;)
        if (stats->history[i].kind == kind)
            return &stats->history[i];
    return NULL;
}

/* Every row that a job took and left is in its record, and why it was begun. */
static void records_tell_what_for(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &schema, NULL, 512, NULL);
    fill(&world, 0, 60, 1);
    const lode_stats *stats = look(&world);
    const lode_job_record *flush = last_of(stats, LODE_JOB_FLUSH);
    assert_non_null(flush);
    assert_int_equal(flush->reason, LODE_REASON_FULL);
    assert_int_equal(flush->rows_in, flush->rows_out);
    assert_true(flush->bytes_out > 0 && flush->error.status == LODE_OK);
    const lode_job_record *merge = last_of(stats, LODE_JOB_MERGE);
    assert_non_null(merge);
    assert_int_equal(merge->reason, LODE_REASON_SIZE);
    assert_true(merge->segments >= 4 && merge->rows_out > 0 && merge->bytes_out > 0);
    assert_true(stats->flushed_bytes > 0 && stats->rewritten_bytes > 0);
    assert_true(stats->history_count <= JOB_HISTORY_MAX);
    fill(&world, 0, 20, ENGINE_NONE);
    assert_ok(lode_compact(world.collection, NULL, &error));
    merge = last_of(look(&world), LODE_JOB_MERGE);
    assert_int_equal(merge->reason, LODE_REASON_REQUEST);
    assert_int_equal(merge->rows_out, 40);
    world_close(&world);
}

/* --- Room on the disk -------------------------------------------------------------------------- */

/* A compaction that would fill the disk is not begun, and says what it lacks; writes and reads go on. */
static void what_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    struct world world;
    const lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    world_open(&world, &schema, &options, 512, NULL);
    fill(&world, 0, 60, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    uint64_t disk = look(&world)->disk_bytes, rewritten = world.stats->rewritten_bytes;
    vfs_memory_set_room(world.vfs, 512 + 100);
    assert_int_equal(lode_compact(world.collection, NULL, &error), LODE_FULL);
    assert_non_null(strstr(error.message, "612 are free"));
    const lode_stats *stats = look(&world);
    assert_int_equal(stats->disk_bytes, disk);
    assert_int_equal(stats->rewritten_bytes, rewritten);
    assert_int_equal(stats->history[stats->history_count - 1].error.status, LODE_FULL);
    fill(&world, 60, 3, 1);
    model_check_points(&world.model, world.collection, NULL);
    vfs_memory_set_room(world.vfs, VFS_ROOM_UNKNOWN);
    assert_ok(lode_compact(world.collection, NULL, &error));
    model_check_points(&world.model, world.collection, NULL);
    fill(&world, 0, 63, ENGINE_NONE);
    assert_ok(lode_flush(world.collection, NULL, &error));
    vfs_memory_set_room(world.vfs, 0); /* what only removes files needs no room */
    assert_ok(lode_compact(world.collection, NULL, &error));
    world_close(&world);
}

/* In the background: the reason stands in the statistics, and the merge is made once there is room. */
static void a_merge_waits_for_room(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &schema, NULL, 512, NULL);
    vfs_memory_set_room(world.vfs,
                        512); /* a flush fits, a merge would leave nothing for the next */
    fill(&world, 0, 60, 1);
    size_t segments = look(&world)->segment_count;
    assert_int_equal(world.stats->job_error.status, LODE_FULL);
    assert_non_null(strstr(world.stats->job_error.message, "merging segments needs at least"));
    model_check_points(&world.model, world.collection, NULL);
    vfs_memory_set_room(world.vfs, VFS_ROOM_UNKNOWN);
    assert_ok(lode_compact(world.collection, NULL, &error));
    assert_true(look(&world)->segment_count < segments);
    assert_int_equal(world.stats->job_error.status, LODE_OK);
    world_close(&world);
}

/* Room for a graph is asked for where there will be one. */
static void a_small_merge_needs_no_room_for_a_graph(void **state)
{
    (void)state;
    struct world world;
    const lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    world_open(&world, &schema, &options, 512, NULL);
    fill(&world, 0, 60, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    struct collection *collection = world.collection->shared;
    const struct store *store = &collection->store;
    struct version *version = collection_pin(collection);
    world.db->index_rows_min = 60;
    uint64_t with = need_of_merge(collection, version->views, version->view_count);
    world.db->index_rows_min = 61;
    uint64_t without = need_of_merge(collection, version->views, version->view_count);
    assert_int_equal(with - without, 60 * index_graph_row_max(&store->params, &store->space));
    version_unref(version);
    world_close(&world);
}

/* --- Memory ------------------------------------------------------------------------------------ */

static size_t trims;

/* In place of the C library's. */
int malloc_trim(size_t pad)
{
    (void)pad;
    trims++;
    return 0;
}

/* Where there is a budget and half of it is taken, malloc is asked for what it keeps after each job. */
static void what_malloc_keeps_is_asked_for(void **state)
{
    (void)state;
#ifndef __GLIBC__
    skip(); /* there is nothing to ask */
#endif
    struct world world;
    const lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    world_open(&world, &schema, &options, 0, NULL);
    fill(&world, 0, 20, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    assert_int_equal(trims, 0);
    size_t size = LODE_MEMORY_BUDGET_MIN / 8 * 5;
    void *ballast = memory_reserve(size);
    assert_non_null(ballast);
    explicit_bzero(ballast, size); /* no compiler leaves that out */
    budget_set(LODE_MEMORY_BUDGET_MIN);
    fill(&world, 20, 20, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    assert_int_equal(trims, 1);
    assert_ok(lode_compact(world.collection, NULL, &error)); /* a merge */
    assert_int_equal(trims, 2);
    world.db->index_rows_min = 10;
    fill(&world, 40, 10, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    struct version *version = collection_pin(world.collection->shared);
    uint64_t last = version->views[version->view_count - 1].segment->number;
    version_unref(version);
    assert_ok(index_segment(world.collection->shared, last, LODE_REASON_REQUEST, &error));
    assert_int_equal(trims, 4);
    budget_set(LODE_MEMORY_BUDGET_MIN + 4 * memory_resident());
    fill(&world, 50, 10, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    assert_int_equal(trims, 4);
    budget_set(0);
    memory_unreserve(ballast, size);
    world_close(&world);
}

/* --- Readers ----------------------------------------------------------------------------------- */

static uint64_t test_now;

static uint64_t now_us(void *context)
{
    (void)context;
    return test_now;
}

/* A tenth of a millisecond goes by whenever somebody looks. */
static uint64_t ticking_us(void *context)
{
    (void)context;
    static uint64_t ticks;
    return ++ticks * 100;
}

static void builds_give_way_while_somebody_searches(void **state)
{
    (void)state;
    const struct clock clock = {now_us, now_us, NULL};
    struct readers readers = {.clock = &clock};
    test_now = 1000;
    assert_int_equal(readers_crowd(&readers), 0);
    assert_int_equal(readers_are_given_way(&readers), 0);
    readers_searched(&readers);
    assert_int_equal(readers_crowd(&readers), 1);
    assert_int_equal(readers_are_given_way(&readers), 1);
    test_now += READERS_US - 1;
    assert_int_equal(readers_crowd(&readers), 1);
    test_now += 1;
    assert_int_equal(readers_crowd(&readers), 0);
    test_now += READERS_US;
    assert_int_equal(readers_are_given_way(&readers), 0);
}

/* --- Debt --------------------------------------------------------------------------------------- */

/* The farther merges are behind, the longer; half a second at most. */
static void waits_grow_with_debt(void **state)
{
    (void)state;
    assert_int_equal(debt_us(8, 1000, 50), 0);
    assert_int_equal(debt_us(12, 1000, 50), 2 * 50000);
    assert_int_equal(debt_us(20, 1000, 50), 4 * 50000);
    assert_int_equal(debt_us(12, 0, 50), 0);
    assert_int_equal(debt_us(12, 10, 0), 2 * 1000); /* unknown: 100 us a row */
    assert_int_equal(debt_us(1000000, 10000, 1e6), 500000);
}

static void fail_merges(lode_collection *collection, lode_status status)
{
    mutex_lock(&collection->shared->jobs.mutex);
    collection->shared->jobs.slots[SLOT_MERGE].error.status = status;
    mutex_unlock(&collection->shared->jobs.mutex);
}

static void hold_merges(lode_collection *collection, int held)
{
    mutex_lock(&collection->shared->jobs.mutex);
    collection->shared->jobs.exclusive = held; /* as a compaction would */
    mutex_unlock(&collection->shared->jobs.mutex);
    jobs_poke(collection->shared);
}

static void flush_some(struct world *world, unsigned first, unsigned segments, unsigned rows_each)
{
    for (unsigned i = 0; i < segments; i++) {
        fill(world, first + i * rows_each, rows_each, 1);
        assert_ok(lode_flush(world->collection, NULL, &error));
    }
}

/* Merges fall behind: writers are slowed from more than eight segments on, deletes never, and nobody once they
 * have caught up. */
static void writers_keep_to_merges(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &schema, NULL, 0, NULL);
    hold_merges(world.collection, 1);
    flush_some(&world, 0, 11, 1);
    assert_int_equal(look(&world)->merge_debt, 8);
    assert_int_equal(world.stats->delays, 0);
    flush_some(&world, 11, 2, 1);
    fill(&world, 3, 1, ENGINE_NONE);
    assert_int_equal(look(&world)->merge_debt, 11); /* one has no row left */
    assert_int_equal(world.stats->delays, 1);       /* of the last write that was no delete */
    fail_merges(world.collection, LODE_FULL);       /* nobody waits for what does not come */
    fill(&world, 14, 2, 1);
    assert_int_equal(look(&world)->delays, 1);
    fail_merges(world.collection, LODE_OK);
    hold_merges(world.collection, 0);
    assert_ok(lode_wait_idle(world.collection, 0, &error));
    fill(&world, 20, 10, 1);
    assert_int_equal(look(&world)->merge_debt, 0);
    assert_int_equal(world.stats->delays, 1);
    world_close(&world);
}

/* It takes a look at every segment: when there are others, and not whenever jobs are poked. */
static void debt_is_that_of_a_generation(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &schema, NULL, 0, NULL);
    struct jobs *jobs = &world.collection->shared->jobs;
    hold_merges(world.collection, 1);
    flush_some(&world, 0, 5, 1);
    assert_int_equal(atomic_load(&jobs->debt), 2);
    atomic_store(&jobs->debt, 7);
    fill(&world, 5, 1, 1);
    jobs_poke(world.collection->shared);
    assert_int_equal(atomic_load(&jobs->debt), 7);
    assert_ok(lode_flush(world.collection, NULL, &error));
    assert_int_equal(atomic_load(&jobs->debt), 3);
    hold_merges(world.collection, 0);
    assert_int_equal(atomic_load(&jobs->debt), 0);
    world_close(&world);
}

static unsigned two(const struct executor *executor)
{
    (void)executor;
    return 2;
}

/* When the merge of so many segments gave way last, beside a search; 0: never. */
static uint64_t merge_beside_a_search(unsigned segments)
{
    struct world world;
    const lode_schema wide = {.dim = 16};
    const struct clock clock = {ticking_us, ticking_us, NULL};
    world_open(&world, &wide, NULL, 0, &clock);
    struct executor_ops ops = *world.db->executor->ops;
    ops.width = two; /* the first thread of a build never gives way */
    world.db->executor->ops = &ops;
    world.db->index_rows_min = 256;
    hold_merges(world.collection, 1);
    flush_some(&world, 0, segments, 300 / segments + 1);
    model_check_search(&world.model, world.collection, NULL, 3, 5, 0);
    hold_merges(world.collection, 0);
    assert_int_equal(look(&world)->segment_count, 1);
    assert_int_equal(world.stats->segments[0].state, LODE_SEGMENT_INDEXED);
    uint64_t gave_us = atomic_load(&world.db->readers.gave_us);
    world_close(&world);
    return gave_us;
}

static void a_merge_far_behind_gives_way_to_nobody(void **state)
{
    (void)state;
    assert_true(merge_beside_a_search(5) > 0);
    assert_int_equal(merge_beside_a_search(13), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eta_adds_up_phases),
        cmocka_unit_test(eta_of_a_beginning),
        cmocka_unit_test(records_tell_what_for),
        cmocka_unit_test(waits_grow_with_debt),
        cmocka_unit_test(writers_keep_to_merges),
        cmocka_unit_test(debt_is_that_of_a_generation),
        cmocka_unit_test(a_merge_far_behind_gives_way_to_nobody),
        cmocka_unit_test(what_does_not_fit_is_not_begun),
        cmocka_unit_test(a_merge_waits_for_room),
        cmocka_unit_test(a_small_merge_needs_no_room_for_a_graph),
        cmocka_unit_test(what_malloc_keeps_is_asked_for),
        cmocka_unit_test(builds_give_way_while_somebody_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
