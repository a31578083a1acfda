/* What background work tells of itself, and what it does not begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/collection.h"
#include "engine/debt.h"
#include "engine/job.h"
#include "engine/readers.h"
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

static const lode_schema schema = {.dim = 4};

static lode_stats *stats_of(lode_collection *collection)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(collection, &stats, &error));
    return stats;
}

static void fill(struct model *model, lode_collection *collection, unsigned from, unsigned to,
                 int value)
{
    for (unsigned id = from; id < to; id++) {
        struct model_op op = {.id = id,
                              .value = value == ENGINE_NONE ? ENGINE_NONE : value + (int)id};
        assert_ok(model_write(model, collection, &op, 1, &error));
    }
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
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 512);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    model_init(&model, &schema);
    fill(&model, collection, 0, 60, 1);
    lode_stats *stats = stats_of(collection);
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
    lode_stats_free(stats);
    fill(&model, collection, 0, 20, ENGINE_NONE);
    assert_ok(lode_compact(collection, &error));
    stats = stats_of(collection);
    merge = last_of(stats, LODE_JOB_MERGE);
    assert_int_equal(merge->reason, LODE_REASON_REQUEST);
    assert_int_equal(merge->rows_out, 40);
    lode_stats_free(stats);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

/* --- Room on the disk -------------------------------------------------------------------------- */

/* A compaction that would fill the disk is not begun, and says what it lacks; writes and reads go on. */
static void what_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db =
        engine_open(vfs, "db", &(lode_db_options){.maintenance = LODE_MAINTAIN_ON_REQUEST}, 512);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    model_init(&model, &schema);
    fill(&model, collection, 0, 60, 1);
    assert_ok(lode_flush(collection, &error));
    lode_stats *stats = stats_of(collection);
    uint64_t disk = stats->disk_bytes, rewritten = stats->rewritten_bytes;
    lode_stats_free(stats);
    vfs_memory_set_room(vfs, 512 + 100);
    assert_int_equal(lode_compact(collection, &error), LODE_FULL);
    assert_non_null(strstr(error.message, "612 are free"));
    stats = stats_of(collection);
    assert_int_equal(stats->disk_bytes, disk);
    assert_int_equal(stats->rewritten_bytes, rewritten);
    assert_int_equal(stats->history[stats->history_count - 1].error.status, LODE_FULL);
    lode_stats_free(stats);
    fill(&model, collection, 60, 63, 1);
    model_check_points(&model, collection, NULL);
    vfs_memory_set_room(vfs, VFS_ROOM_UNKNOWN);
    assert_ok(lode_compact(collection, &error));
    model_check_points(&model, collection, NULL);
    fill(&model, collection, 0, 63, ENGINE_NONE);
    assert_ok(lode_flush(collection, &error));
    vfs_memory_set_room(vfs, 0); /* what only removes files needs no room */
    assert_ok(lode_compact(collection, &error));
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

/* In the background: the reason stands in the statistics, and the merge is made once there is room. */
static void a_merge_waits_for_room(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 512);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    model_init(&model, &schema);
    vfs_memory_set_room(vfs, 512); /* a flush fits, a merge would leave nothing for the next */
    fill(&model, collection, 0, 60, 1);
    lode_stats *stats = stats_of(collection);
    size_t segments = stats->segment_count;
    assert_int_equal(stats->job_error.status, LODE_FULL);
    assert_non_null(strstr(stats->job_error.message, "merging segments needs at least"));
    lode_stats_free(stats);
    model_check_points(&model, collection, NULL);
    vfs_memory_set_room(vfs, VFS_ROOM_UNKNOWN);
    assert_ok(lode_compact(collection, &error));
    stats = stats_of(collection);
    assert_true(stats->segment_count < segments);
    assert_int_equal(stats->job_error.status, LODE_OK);
    lode_stats_free(stats);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

/* --- Readers ----------------------------------------------------------------------------------- */

static uint64_t test_now;

static uint64_t now_us(void *context)
{
    (void)context;
    return test_now;
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

static void flush_some(lode_collection *collection, struct model *model, unsigned from, unsigned to)
{
    for (unsigned id = from; id < to; id++) {
        fill(model, collection, id, id + 1, 1);
        assert_ok(lode_flush(collection, &error));
    }
}

/* Merges fall behind: writers are slowed from more than eight segments on, deletes never, and nobody once they
 * have caught up. */
static void writers_keep_to_merges(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    model_init(&model, &schema);
    hold_merges(collection, 1);
    flush_some(collection, &model, 0, 11);
    lode_stats *stats = stats_of(collection);
    assert_int_equal(stats->merge_debt, 8);
    assert_int_equal(stats->delays, 0);
    lode_stats_free(stats);
    flush_some(collection, &model, 11, 13);
    fill(&model, collection, 3, 4, ENGINE_NONE);
    stats = stats_of(collection);
    assert_int_equal(stats->merge_debt, 11); /* one has no row left */
    assert_int_equal(stats->delays, 1);      /* of the last write that was no delete */
    lode_stats_free(stats);
    fail_merges(collection, LODE_FULL); /* nobody waits for what does not come */
    fill(&model, collection, 14, 16, 1);
    stats = stats_of(collection);
    assert_int_equal(stats->delays, 1);
    lode_stats_free(stats);
    fail_merges(collection, LODE_OK);
    hold_merges(collection, 0);
    assert_ok(lode_wait_idle(collection, 0, &error));
    fill(&model, collection, 20, 30, 1);
    stats = stats_of(collection);
    assert_int_equal(stats->merge_debt, 0);
    assert_int_equal(stats->delays, 1);
    lode_stats_free(stats);
    model_check_points(&model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eta_adds_up_phases),
        cmocka_unit_test(eta_of_a_beginning),
        cmocka_unit_test(records_tell_what_for),
        cmocka_unit_test(waits_grow_with_debt),
        cmocka_unit_test(writers_keep_to_merges),
        cmocka_unit_test(what_does_not_fit_is_not_begun),
        cmocka_unit_test(a_merge_waits_for_room),
        cmocka_unit_test(builds_give_way_while_somebody_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
