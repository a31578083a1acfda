/* A collection's life: batches, segments, full disks, back-pressure, what background work leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/jobs.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};

/* A database in memory whose time stands still unless a test moves it, and whose writes to files of a
 * certain name fail as on a full disk. */
struct world {
    struct vfs *vfs;
    struct db_env env;
    struct clock clock;
    uint64_t now;
    const char *full; /* part of the names that cannot be written; NULL: none */
    lode_db *db;
    lode_collection *collection;
    struct model model;
};

static uint64_t now_us(void *context)
{
    return ((struct world *)context)->now;
}

static int is_full(void *context, const char *operation, const char *path)
{
    const struct world *world = context;
    return world->full && strcmp(operation, "write") == 0 && strstr(path, world->full) ? ENOSPC : 0;
}

static void open_world(struct world *world)
{
    assert_ok(executor_inline_new(&world->env.executor, &error));
    assert_ok(db_open("db", NULL, &world->env, &world->db, &error));
    world->db->growing_bytes_max = 512;
}

static void begin_world(struct world *world)
{
    *world = (struct world){.now = 1000000000};
    world->vfs = vfs_memory_new();
    world->clock = (struct clock){now_us, now_us, world};
    world->env = (struct db_env){.vfs = world->vfs, .clock = &world->clock};
    vfs_memory_set_fault(world->vfs, is_full, world);
    open_world(world);
    world->collection = engine_create(world->db, "points", schema);
    model_init(&world->model, &schema);
}

static void close_world(struct world *world)
{
    lode_collection_close(world->collection);
    lode_db_close(world->db);
    executor_free(world->env.executor);
}

static void end_world(struct world *world)
{
    close_world(world);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

static lode_status write_point(struct world *world, unsigned id, int value)
{
    struct model_op op = {.id = id, .value = value};
    return model_write(&world->model, world->collection, &op, 1, &error);
}

static lode_stats *stats_of(const struct world *world)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(world->collection, &stats, &error));
    return stats;
}

static void batches_are_counted(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    float vector[4] = {1, 2, 3, 4};
    lode_write_op ops[] = {
        {.kind = LODE_WRITE_UPSERT, .point = {.id = lode_id_number(1), .vector = vector}},
        {.kind = LODE_WRITE_UPSERT,
         .point = {.id = lode_id_number(1), .vector = vector, .text = "", .text_size = 0}},
        {.kind = LODE_WRITE_DELETE, .point = {.id = lode_id_number(2)}},
        {.kind = LODE_WRITE_UPSERT, .point = {.id = lode_id_number(2), .vector = vector}},
        {.kind = LODE_WRITE_DELETE, .point = {.id = lode_id_number(2)}},
    };
    lode_write_info info;
    for (uint64_t i = 1; i <= 3; i++) {
        assert_ok(lode_write(world.collection, ops, 5, NULL, &info, &error));
        assert_int_equal(info.sequence, i);
        assert_int_equal(info.upserted, 3);
        assert_int_equal(info.deleted, 1);
    }
    lode_id ids[] = {lode_id_number(1), lode_id_number(2), lode_id_text("1")};
    assert_ok(lode_delete(world.collection, ids, 3, &info, &error));
    assert_int_equal(info.deleted, 1);
    lode_stats *stats = stats_of(&world);
    assert_int_equal(stats->points, 0);
    assert_int_equal(stats->sequence, 4);
    lode_stats_free(stats);
    end_world(&world);
}

/* The sequence goes on where it was, whether batches are in the log or in segments. */
static void sequences_survive(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    lode_write_info info;
    float vector[4] = {1, 2, 3, 4};
    lode_point point = {.id = lode_id_number(1), .vector = vector};
    for (uint64_t i = 1; i <= 12; i++) {
        assert_ok(lode_upsert(world.collection, &point, 1, &info, &error));
        assert_int_equal(info.sequence, i);
        if (i % 3 == 0)
            assert_ok(lode_flush(world.collection, NULL, &error));
        if (i % 4 == 0) {
            vfs_memory_crash(world.vfs);
            close_world(&world);
            open_world(&world);
            world.collection = engine_collection(world.db, "points");
        }
    }
    end_world(&world);
}

/* What cannot be flushed waits; when enough waits, writes are refused and reads are not; when there is
 * room again, all goes on without anybody's help. */
static void a_full_disk_refuses_writes_and_recovers(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    unsigned id = 0;
    lode_status status = LODE_OK;
    world.full = "seg-";
    for (; id < ENGINE_IDS && status == LODE_OK; id++)
        status = write_point(&world, id, (int)id);
    assert_int_equal(status, LODE_FULL);
    lode_stats *stats = stats_of(&world);
    assert_int_equal(stats->segment_count, FROZEN_MAX);
    assert_int_equal(stats->job_error.status, LODE_FULL);
    for (size_t i = 0; i < stats->segment_count; i++)
        assert_int_equal(stats->segments[i].state, LODE_SEGMENT_FLUSHING);
    lode_stats_free(stats);
    assert_status(write_point(&world, 0, 7), LODE_FULL);
    assert_status(lode_flush(world.collection, NULL, &error), LODE_FULL);
    assert_status(lode_wait_idle(world.collection, 0, &error), LODE_FULL);
    model_check_points(&world.model, world.collection, NULL);
    world.full = NULL;
    world.now += 2 * JOB_RETRY_US;
    assert_ok(write_point(&world, 0, 7));
    assert_ok(lode_wait_idle(world.collection, 0, &error));
    stats = stats_of(&world);
    assert_int_equal(stats->job_error.status, LODE_OK);
    lode_stats_free(stats);
    model_check_points(&world.model, world.collection, NULL);
    end_world(&world);
}

static void a_full_log_refuses_the_batch_alone(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    assert_ok(write_point(&world, 1, 1));
    world.full = "wal-";
    assert_status(write_point(&world, 2, 2), LODE_FULL);
    model_check_points(&world.model, world.collection, NULL);
    world.full = NULL;
    assert_ok(write_point(&world, 3, 3));
    vfs_memory_crash(world.vfs);
    close_world(&world);
    open_world(&world);
    world.collection = engine_collection(world.db, "points");
    model_check_points(&world.model, world.collection, NULL);
    end_world(&world);
}

static int sync_fails(void *context, const char *operation, const char *path)
{
    (void)context;
    return strcmp(operation, "sync") == 0 && strstr(path, "wal-") ? EIO : 0;
}

static void a_failed_sync_ends_writing_and_not_reading(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    assert_ok(write_point(&world, 1, 1));
    vfs_memory_set_fault(world.vfs, sync_fails, NULL);
    assert_status(write_point(&world, 2, 2), LODE_IO);
    vfs_memory_set_fault(world.vfs, NULL, NULL);
    assert_status(write_point(&world, 3, 3), LODE_READONLY);
    assert_non_null(strstr(error.message, "'points' takes no writes until it is reopened"));
    model_check_points(&world.model, world.collection, NULL);
    close_world(&world);
    open_world(&world);
    world.collection = engine_collection(world.db, "points");
    assert_ok(write_point(&world, 2, 2)); /* may have been there already, unacknowledged */
    model_check_points(&world.model, world.collection, NULL);
    end_world(&world);
}

/* Logs, live sets and merged segments go once nothing needs them; a snapshot needs what it shows. */
static void files_go_when_nothing_needs_them(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    for (unsigned id = 0; id < 200; id++)
        assert_ok(write_point(&world, id, (int)id));
    lode_snapshot *snapshot;
    struct model seen = world.model;
    assert_ok(lode_snapshot_open(world.collection, &snapshot, &error));
    for (unsigned id = 0; id < 150; id++)
        assert_ok(write_point(&world, id, id % 3 ? (int)(id + 1000) : ENGINE_NONE));
    assert_ok(lode_compact(world.collection, NULL, &error));
    lode_stats *with = stats_of(&world);
    assert_int_equal(with->segment_count, 1);
    assert_int_equal(with->segments[0].dead_rows, 0);
    assert_int_equal(with->wal_bytes, 0);
    assert_int_equal(with->snapshots, 1);
    model_check_points(&seen, world.collection, snapshot);
    lode_snapshot_close(snapshot);
    lode_stats *without = stats_of(&world);
    assert_true(without->disk_bytes < with->disk_bytes);
    assert_true(without->disk_bytes < without->segments[0].disk_bytes + 2000);
    lode_stats_free(with);
    lode_stats_free(without);
    model_check_points(&world.model, world.collection, NULL);
    end_world(&world);
}

/* Deletes alone fill no segment, but their log is bounded all the same. */
static void deletes_alone_do_not_grow_the_log(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    for (unsigned id = 0; id < 100; id++)
        assert_ok(write_point(&world, id, (int)id));
    for (unsigned i = 0; i < 300; i++)
        assert_ok(write_point(&world, i % ENGINE_IDS, ENGINE_NONE));
    lode_stats *stats = stats_of(&world);
    assert_int_equal(stats->points, 0);
    assert_true(stats->wal_bytes < 4096);
    lode_stats_free(stats);
    assert_ok(lode_compact(world.collection, NULL, &error));
    stats = stats_of(&world);
    assert_int_equal(stats->segment_count, 0);
    lode_stats_free(stats);
    end_world(&world);
}

/* A batch larger than a whole segment may be is taken all the same. */
static void a_large_batch_fits(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    struct model_op ops[ENGINE_IDS];
    for (unsigned i = 0; i < ENGINE_IDS; i++)
        ops[i] = (struct model_op){.id = i, .value = (int)i};
    assert_ok(model_write(&world.model, world.collection, ops, ENGINE_IDS, &error));
    assert_ok(model_write(&world.model, world.collection, ops, ENGINE_IDS, &error));
    vfs_memory_crash(world.vfs);
    close_world(&world);
    open_world(&world);
    world.collection = engine_collection(world.db, "points");
    model_check_points(&world.model, world.collection, NULL);
    end_world(&world);
}

/* Its ids are looked up segment by segment, together, in the order of their tables; when the log is replayed too. */
static void a_large_batch_finds_points_in_every_segment(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    world.db->maintenance = LODE_MAINTAIN_ON_REQUEST; /* nothing is merged */
    for (unsigned first = 0; first < ENGINE_IDS - 64; first += 32)
        model_write_range(&world.model, world.collection, first, 32, (int)first);
    lode_stats *stats = stats_of(&world);
    assert_true(stats->segment_count > 8);
    lode_stats_free(stats);
    struct model_op ops[ENGINE_IDS + 100];
    for (unsigned i = 0; i < ENGINE_IDS; i++)
        ops[i] = (struct model_op){.id = i, .value = i % 3 == 0 ? ENGINE_NONE : (int)(i * 7)};
    for (unsigned i = 0; i < 100; i++) /* once more in the same batch */
        ops[ENGINE_IDS + i] = (struct model_op){.id = i * 5, .value = (int)i, .patch = i % 2};
    assert_ok(model_write(&world.model, world.collection, ops, ENGINE_IDS + 100, &error));
    model_check_points(&world.model, world.collection, NULL);
    vfs_memory_crash(world.vfs);
    close_world(&world);
    open_world(&world);
    world.collection = engine_collection(world.db, "points");
    model_check_points(&world.model, world.collection, NULL);
    end_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_counted),
        cmocka_unit_test(sequences_survive),
        cmocka_unit_test(a_full_disk_refuses_writes_and_recovers),
        cmocka_unit_test(a_full_log_refuses_the_batch_alone),
        cmocka_unit_test(a_failed_sync_ends_writing_and_not_reading),
        cmocka_unit_test(files_go_when_nothing_needs_them),
        cmocka_unit_test(deletes_alone_do_not_grow_the_log),
        cmocka_unit_test(a_large_batch_fits),
        cmocka_unit_test(a_large_batch_finds_points_in_every_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
