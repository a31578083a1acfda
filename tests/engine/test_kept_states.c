/* What is kept of a collection beside itself, named snapshots and backups: never ahead of what the collection
 * finds after a crash, whatever the writes in it were acknowledged as; and what comes back with it of request
 * ids, versions and expiries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backup.h"
#include "support/engine_kit.h"

enum { BATCHES = 40, SEED_COUNT = 4 };

static lode_error error;

static const lode_schema schema = {.dim = 4};

#define NOW_MS  1700000000000u
#define HOUR_MS 3600000u

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model states[BATCHES + 1]; /* after each batch */
    uint64_t sequence;
    uint64_t now_ms;
    struct clock clock;
    uint64_t changes, crash_at; /* of the disk; 0: never */
    int logs_fail;              /* nothing else does */
};

static uint64_t tell_time(void *context)
{
    return *(uint64_t *)context * 1000;
}

/* From the crash on nothing works. Before it, logs may not be synced. */
static int fails_here(void *context, const char *operation, const char *path)
{
    static const char *const changes[] = {"write", "truncate", "sync",     "remove",    "rename",
                                          "link",  "make_dir", "dir_sync", "remove_dir"};
    struct world *world = context;
    if (world->logs_fail && strcmp(operation, "sync") == 0 && strstr(path, "wal-"))
        return EIO;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        world->changes += strcmp(operation, changes[i]) == 0;
    return world->crash_at && world->changes >= world->crash_at ? EIO : 0;
}

static void open_world(struct world *world, const char *path)
{
    lode_db_options options = {.log_keep_bytes = 1 << 20};
    world->db = engine_open_at(world->vfs, path, &options, 2048, &world->clock);
    if (world->sequence == 0)
        world->collection = engine_create(world->db, "points", schema);
    else
        world->collection = engine_collection(world->db, "points");
}

static struct world *begin_world(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->vfs = vfs_memory_new();
    world->now_ms = NOW_MS;
    world->clock = (struct clock){tell_time, tell_time, &world->now_ms};
    model_init(&world->states[0], &schema);
    open_world(world, "db");
    return world;
}

static void close_world(struct world *world)
{
    lode_collection_close(world->collection);
    engine_close(world->db);
}

static void free_world(struct world *world)
{
    vfs_memory_free(world->vfs);
    free(world);
}

static int write_next(struct world *world, lode_ack ack)
{
    uint64_t next = world->sequence + 1;
    struct model_op ops[3];
    for (unsigned i = 0; i < 3; i++)
        ops[i] = (struct model_op){.id = (unsigned)(next * 5 + i * 2) % 24,
                                   .value = i == 2 ? ENGINE_NONE : (int)(next * 10 + i)};
    world->states[next] = world->states[next - 1];
    if (model_write_ack(&world->states[next], world->collection, ops, 3, ack, &error)) {
        model_apply(&world->states[next], ops, 3); /* it may be there after the crash */
        return 0;
    }
    world->sequence = next;
    return 1;
}

static lode_status restore(struct world *world, const char *path, uint64_t to_sequence)
{
    struct db_env env = {.vfs = world->vfs, .clock = &world->clock};
    lode_restore_options options = {.to_sequence = to_sequence, .key = key_kit_default()};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_status status = restore_database("b", path, &options, &env, NULL, &error);
    executor_free(env.executor);
    return status;
}

static uint64_t sequence_of(lode_collection *collection)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(collection, &stats, &error));
    uint64_t sequence = stats->sequence;
    lode_stats_free(stats);
    return sequence;
}

/* --- Crashes ----------------------------------------------------------------------------------- */

/* Writes of one level, then a snapshot, more writes, then a backup, more writes. */
static void live(struct world *world, lode_ack ack)
{
    for (unsigned i = 0; i < 12; i++) {
        lode_status status = LODE_OK;
        if (!write_next(world, ack))
            return;
        if (i % 4 == 2)
            status = lode_snapshot_create(world->collection,
                                          i == 2   ? "a"
                                          : i == 6 ? "b"
                                                   : "c",
                                          &error);
        if (!status && i % 4 == 3)
            status = backup_database(world->db, "b", NULL, NULL, &error);
        if (status)
            return;
    }
}

static void check_snapshots(struct world *world, uint64_t found)
{
    lode_snapshot_list *list;
    assert_ok(lode_snapshot_list_get(world->collection, &list, &error));
    for (size_t i = 0; i < list->count; i++) {
        lode_snapshot *snapshot;
        const lode_snapshot_info *info = &list->snapshots[i];
        assert_in_range(info->sequence, 1, found);
        assert_ok(lode_snapshot_open_named(world->collection, info->name, &snapshot, &error));
        model_check_points(&world->states[info->sequence], world->collection, snapshot);
        lode_snapshot_close(snapshot);
    }
    lode_snapshot_list_free(list);
}

static void check_backups(struct world *world, uint64_t found)
{
    lode_backup_list *list;
    if (backup_list(world->vfs, "b", &list, &error))
        return; /* not even begun */
    for (size_t i = 0; i < list->count; i++)
        assert_in_range(list->backups[i].collections[0].sequence, 1, found);
    size_t count = list->count;
    uint64_t sequence = count ? list->backups[count - 1].collections[0].sequence : 0;
    lode_backup_list_free(list);
    if (count == 0)
        return;
    close_world(world);
    assert_ok(restore(world, "r", 0));
    engine_verify(world->vfs, "r");
    open_world(world, "r");
    model_check_points(&world->states[sequence], world->collection, NULL);
    if (sequence > 1) {
        assert_ok(restore(world, "s", sequence - 1)); /* by the logs in it */
        close_world(world);
        open_world(world, "s");
        model_check_points(&world->states[sequence - 1], world->collection, NULL);
    }
}

/* Returns whether the crash came before the end. */
static int crash_once(lode_ack ack, uint64_t crash_at, uint64_t seed)
{
    struct world *world = begin_world();
    assert_true(write_next(world, LODE_ACK_DURABLE));
    vfs_memory_set_fault(world->vfs, fails_here, world);
    world->crash_at = crash_at;
    live(world, ack);
    int crashed = world->changes >= crash_at;
    if (seed == 0)
        vfs_memory_crash(world->vfs);
    else if (seed == 1)
        vfs_memory_kill(world->vfs);
    else
        vfs_memory_crash_random(world->vfs, seed * 1000 + crash_at);
    close_world(world);
    vfs_memory_set_fault(world->vfs, NULL, NULL);
    engine_verify(world->vfs, "db");
    open_world(world, "db");
    uint64_t found = sequence_of(world->collection);
    model_check_points(&world->states[found], world->collection, NULL);
    check_snapshots(world, found);
    check_backups(world, found);
    close_world(world);
    free_world(world);
    return crashed;
}

static void they_are_never_ahead(void **state)
{
    (void)state;
    for (int ack = LODE_ACK_LOGGED; ack <= LODE_ACK_APPLIED; ack++)
        for (uint64_t seed = 0; seed < SEED_COUNT; seed++)
            for (uint64_t at = 1; crash_once((lode_ack)ack, at, seed); at++)
                ;
}

/* What cannot be synced is not kept. */
static void without_a_sync_there_is_none(void **state)
{
    (void)state;
    struct world *world = begin_world();
    assert_true(write_next(world, LODE_ACK_APPLIED));
    vfs_memory_set_fault(world->vfs, fails_here, world);
    world->logs_fail = 1;
    assert_status(lode_snapshot_create(world->collection, "a", &error), LODE_IO);
    world->logs_fail = 0; /* but what that left is unknown */
    assert_status(lode_snapshot_create(world->collection, "a", &error), LODE_READONLY);
    assert_status(backup_database(world->db, "b", NULL, NULL, &error), LODE_READONLY);
    lode_snapshot_list *list;
    assert_ok(lode_snapshot_list_get(world->collection, &list, &error));
    assert_int_equal(list->count, 0);
    lode_snapshot_list_free(list);
    close_world(world);
    engine_verify(world->vfs, "db");
    free_world(world);
}

/* --- What comes along -------------------------------------------------------------------------- */

static void put(struct world *world, uint64_t n, uint64_t expires_at_ms, int repeated)
{
    static const float vector[4] = {1, 2, 3, 4};
    char id[32];
    size_t size = (size_t)snprintf(id, sizeof id, "batch %u", (unsigned)n);
    lode_write_options options = {
        .ack = LODE_ACK_APPLIED, .request_id = id, .request_id_size = size};
    lode_write_info info;
    lode_write_op op = {
        .kind = LODE_WRITE_UPSERT,
        .point = {.id = lode_id_number(n), .vector = vector, .expires_at_ms = expires_at_ms}};
    assert_ok(lode_write(world->collection, &op, 1, &options, &info, &error));
    assert_int_equal(info.repeated, repeated);
    assert_int_equal(info.sequence, n);
}

static void check_point(struct world *world, const lode_snapshot *snapshot, uint64_t n,
                        uint64_t expires_at_ms)
{
    lode_id id = lode_id_number(n);
    lode_result *result;
    assert_ok(lode_get(world->collection, snapshot, &id, 1, LODE_WITH_VERSION | LODE_WITH_EXPIRY,
                       &result, &error));
    assert_int_equal(result->hit_count, 1);
    assert_int_equal(result->hits[0].version, n);
    assert_int_equal(result->hits[0].expires_at_ms, expires_at_ms);
    lode_result_free(result);
}

/* Points 1 to 6 by batches of their numbers; 2 and 5 expire. The backup comes after batch 6. */
static void fill(struct world *world)
{
    for (uint64_t n = 1; n <= 6; n++) {
        put(world, n, n % 3 == 2 ? NOW_MS + HOUR_MS : 0, 0);
        if (n == 3)
            assert_ok(lode_flush(world->collection, NULL, &error));
    }
    world->sequence = 6;
}

static void check_restored(struct world *world, const char *path, uint64_t last, uint64_t points)
{
    open_world(world, path);
    lode_stats *stats;
    assert_ok(lode_stats_get(world->collection, &stats, &error));
    assert_int_equal(stats->sequence, last);
    assert_int_equal(stats->points, points);
    lode_stats_free(stats);
    for (uint64_t n = 1; n <= last; n++)
        put(world, n, 0, 1); /* remembered */
    put(world, last + 1, 0, 0);
    check_point(world, NULL, 1, 0);
    close_world(world);
    engine_verify(world->vfs, path);
}

static void versions_expiries_and_requests_come_back(void **state)
{
    (void)state;
    struct world *world = begin_world();
    lode_snapshot *snapshot;
    fill(world);
    assert_ok(lode_snapshot_create(world->collection, "a", &error));
    assert_ok(backup_database(world->db, "b", NULL, NULL, &error));
    assert_ok(restore(world, "early", 0));
    world->now_ms += 2 * HOUR_MS;
    for (int reopened = 0; reopened < 2; reopened++) {
        assert_ok(lode_snapshot_open_named(world->collection, "a", &snapshot, &error));
        assert_int_equal(lode_snapshot_point_count(snapshot), 6);
        for (uint64_t n = 1; n <= 6; n++)
            check_point(world, snapshot, n, n % 3 == 2 ? NOW_MS + HOUR_MS : 0);
        lode_snapshot_close(snapshot);
        close_world(world);
        engine_verify(world->vfs, "db");
        open_world(world, "db");
    }
    assert_ok(restore(world, "late", 0)); /* what has expired since is no difference */
    assert_ok(restore(world, "five", 5)); /* from nothing, by logs */
    close_world(world);
    check_restored(world, "early", 6, 4);
    check_restored(world, "late", 6, 4);
    check_restored(world, "five", 5, 3);
    free_world(world);
}

/* What has expired before is not in it. */
static void what_has_expired_is_not_kept(void **state)
{
    (void)state;
    struct world *world = begin_world();
    lode_snapshot *snapshot;
    lode_restore_info info;
    struct db_env env = {.vfs = world->vfs, .clock = &world->clock};
    fill(world);
    world->now_ms += HOUR_MS;
    assert_ok(lode_snapshot_create(world->collection, "a", &error));
    assert_ok(lode_snapshot_open_named(world->collection, "a", &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), 4);
    lode_snapshot_close(snapshot);
    assert_ok(backup_database(world->db, "b", NULL, NULL, &error));
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_restore_options options = {.key = key_kit_default()};
    assert_ok(restore_database("b", "r", &options, &env, &info, &error));
    executor_free(env.executor);
    assert_int_equal(info.points, 4);
    close_world(world);
    check_restored(world, "r", 6, 4);
    free_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_never_ahead),
        cmocka_unit_test(without_a_sync_there_is_none),
        cmocka_unit_test(versions_expiries_and_requests_come_back),
        cmocka_unit_test(what_has_expired_is_not_kept),
    };
    return cmocka_run_group_tests_name("engine/kept_states", tests, NULL, NULL);
}
