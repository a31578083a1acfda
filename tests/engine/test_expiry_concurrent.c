/* Expiry: a point is gone from the very millisecond, for every way of reading and for writes, wherever it is;
 * what was pinned before stays; space comes back by compaction. And readers, writers and compactions while
 * time goes by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "support/engine_kit.h"

static lode_error error;

#define NOW 1700000000000u /* when a test begins */

static const lode_schema schema = {.dim = 4};
static const float vector[4] = {1, 2, 3, 4};

struct world {
    struct vfs *vfs;
    _Atomic uint64_t now_ms;
    struct clock clock;
    lode_db *db;
    lode_collection *collection;
};

static uint64_t tell_time(void *context)
{
    return atomic_load(&((struct world *)context)->now_ms) * 1000;
}

static void begin_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->vfs = vfs_memory_new();
    atomic_init(&world->now_ms, NOW);
    world->clock = (struct clock){tell_time, tell_time, world};
    world->db = engine_open_at(world->vfs, "db", NULL, 1u << 20, &world->clock);
    world->collection = engine_create(world->db, "points", schema);
}

static void close_world(struct world *world)
{
    lode_collection_close(world->collection);
    engine_close(world->db);
    engine_live(world->vfs);
    engine_verify(world->vfs, "db");
}

static void reopen(struct world *world, int power_cut)
{
    if (power_cut)
        engine_crash(world->vfs);
    close_world(world);
    world->db = engine_open_at(world->vfs, "db", NULL, 1u << 20, &world->clock);
    world->collection = engine_collection(world->db, "points");
}

static void end_world(struct world *world)
{
    close_world(world);
    vfs_memory_free(world->vfs);
}

static lode_status put(struct world *world, uint64_t id, uint64_t expires_at_ms)
{
    lode_point point = {.id = lode_id_number(id), .vector = vector, .expires_at_ms = expires_at_ms};
    return lode_upsert(world->collection, &point, 1, NULL, &error);
}

static size_t got(struct world *world, const lode_snapshot *snapshot, uint64_t id)
{
    lode_id wanted = lode_id_number(id);
    lode_result *result;
    assert_ok(lode_get(world->collection, snapshot, &wanted, 1, 0, &result, &error));
    size_t count = result->hit_count;
    lode_result_free(result);
    return count;
}

static size_t searched(struct world *world, const lode_snapshot *snapshot)
{
    lode_search_request request = {.snapshot = snapshot, .vector = vector, .k = 100};
    lode_result *result;
    assert_ok(lode_search(world->collection, &request, &result, &error));
    size_t count = result->hit_count;
    lode_result_free(result);
    return count;
}

static size_t walked(lode_iterator *iterator)
{
    const lode_hit *hit;
    for (size_t count = 0;; count++) {
        assert_ok(lode_iterator_next(iterator, &hit, &error));
        if (!hit) {
            lode_iterator_close(iterator);
            return count;
        }
    }
}

static lode_iterator *iterator_of(struct world *world, const lode_snapshot *snapshot)
{
    lode_iterator *iterator;
    assert_ok(lode_iterator_open(world->collection, snapshot, 0, &iterator, &error));
    return iterator;
}

static lode_stats *stats_of(struct world *world)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(world->collection, &stats, &error));
    return stats;
}

/* Points [0, count) exist, all of 1, 2, ... expire at NOW + 1000 × id. */
static void check_count(struct world *world, size_t count)
{
    lode_snapshot *snapshot;
    lode_stats *stats = stats_of(world);
    assert_int_equal(stats->points, count);
    lode_stats_free(stats);
    assert_int_equal(searched(world, NULL), count);
    assert_int_equal(walked(iterator_of(world, NULL)), count);
    assert_ok(lode_snapshot_open(world->collection, &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), count);
    lode_snapshot_close(snapshot);
}

enum { POINTS = 9 }; /* one that stays, eight that go one after another */

static void points_go_at_their_millisecond(void **state)
{
    (void)state;
    for (int where = 0; where < 4; where++) {
        struct world world;
        begin_world(&world);
        for (uint64_t id = 0; id < POINTS; id++) {
            assert_ok(put(&world, id, id ? NOW + 1000 * id : 0));
            if (where == 3 && id % 3 == 0)
                assert_ok(lode_flush(world.collection, NULL, &error));
        }
        if (where == 1)
            assert_ok(lode_flush(world.collection, NULL, &error));
        if (where == 2)
            assert_ok(lode_compact(world.collection, NULL, &error));
        for (uint64_t id = 1; id < POINTS; id++) {
            lode_snapshot *before;
            atomic_store(&world.now_ms, NOW + 1000 * id - 1);
            assert_int_equal(got(&world, NULL, id), 1);
            check_count(&world, POINTS - (size_t)id + 1);
            assert_ok(lode_snapshot_open(world.collection, &before, &error));
            lode_iterator *walk = iterator_of(&world, NULL);
            atomic_store(&world.now_ms, NOW + 1000 * id);
            assert_int_equal(got(&world, NULL, id), 0);
            check_count(&world, POINTS - (size_t)id);
            lode_id like = lode_id_number(id);
            lode_result *result;
            assert_status(lode_search(world.collection, &(lode_search_request){.like = &like},
                                      &result, &error),
                          LODE_NOT_FOUND);
            if (id % 2) /* a write makes the newest version one without it */
                assert_ok(put(&world, 0, 0));
            assert_int_equal(got(&world, before, id), 1); /* what was pinned before stays */
            assert_int_equal(searched(&world, before), POINTS - id + 1);
            assert_int_equal(walked(walk), POINTS - id + 1);
            lode_snapshot_close(before);
            if (id == 4)
                reopen(&world, where % 2);
        }
        end_world(&world);
    }
}

static uint64_t expiry_of(struct world *world, uint64_t id)
{
    lode_id wanted = lode_id_number(id);
    lode_result *result;
    assert_ok(lode_get(world->collection, NULL, &wanted, 1, LODE_WITH_EXPIRY, &result, &error));
    assert_int_equal(result->hit_count, 1);
    uint64_t expires = result->hits[0].expires_at_ms;
    lode_result_free(result);
    return expires;
}

static lode_status patch(struct world *world, uint64_t id, uint64_t expires_at_ms, const char *text)
{
    lode_write_op op = {.kind = LODE_WRITE_PATCH,
                        .point = {.id = lode_id_number(id),
                                  .text = text,
                                  .text_size = text ? strlen(text) : 0,
                                  .expires_at_ms = expires_at_ms}};
    return lode_write(world->collection, &op, 1, NULL, NULL, &error);
}

static void writes_set_and_clear_it(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    for (int round = 0; round < 3; round++) { /* growing, sealed, opened again */
        assert_ok(put(&world, 1, NOW + 500));
        assert_int_equal(expiry_of(&world, 1), NOW + 500);
        if (round == 1)
            assert_ok(lode_flush(world.collection, NULL, &error));
        if (round == 2)
            reopen(&world, 1);
        assert_ok(patch(&world, 1, 0, "text"));
        assert_int_equal(expiry_of(&world, 1), NOW + 500);
        assert_ok(patch(&world, 1, NOW + 900, NULL));
        assert_int_equal(expiry_of(&world, 1), NOW + 900);
        assert_ok(patch(&world, 1, LODE_EXPIRES_NEVER, NULL));
        assert_int_equal(expiry_of(&world, 1), 0);
        assert_ok(put(&world, 1, NOW + 500));
        assert_ok(put(&world, 1, round ? 0 : LODE_EXPIRES_NEVER));
        assert_int_equal(expiry_of(&world, 1), 0);
        atomic_store(&world.now_ms, NOW + 1000);
        assert_int_equal(got(&world, NULL, 1), 1);
        atomic_store(&world.now_ms, NOW);
    }
    end_world(&world);
}

static void writes_do_not_find_what_has_expired(void **state)
{
    (void)state;
    struct world world;
    lode_write_info info;
    begin_world(&world);
    lode_write_op ops[] = {
        {.kind = LODE_WRITE_UPSERT,
         .point = {.id = lode_id_number(1), .vector = vector, .expires_at_ms = NOW + 10}},
        {.kind = LODE_WRITE_PATCH, .point = {.id = lode_id_number(1), .text = ""}},
        {.kind = LODE_WRITE_DELETE, .point = {.id = lode_id_number(1)}},
        {.kind = LODE_WRITE_UPSERT,
         .point = {.id = lode_id_number(1), .vector = vector, .expires_at_ms = NOW + 10},
         .condition = LODE_IF_ABSENT}};
    assert_ok(lode_write(world.collection, ops, 1, NULL, &info, &error));
    atomic_store(&world.now_ms, NOW + 10);
    assert_ok(lode_write(world.collection, ops + 1, 2, NULL, &info, &error));
    assert_int_equal(info.missing, 1);
    assert_int_equal(info.deleted, 0);
    /* Born dead: later operations of the batch do not find it either. */
    assert_ok(lode_write(world.collection, ops, 4, NULL, &info, &error));
    assert_int_equal(info.upserted, 2);
    assert_int_equal(info.missing, 1);
    assert_int_equal(info.deleted, 0);
    assert_int_equal(got(&world, NULL, 1), 0);
    reopen(&world, 1);
    assert_int_equal(got(&world, NULL, 1), 0);
    end_world(&world);
}

static uint64_t rows_of(struct world *world)
{
    lode_stats *stats = stats_of(world);
    uint64_t rows = 0;
    for (size_t i = 0; i < stats->segment_count; i++)
        rows += stats->segments[i].rows;
    lode_stats_free(stats);
    return rows;
}

static void compaction_gives_the_space_back(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    for (uint64_t id = 0; id < 40; id++)
        assert_ok(put(&world, id, id % 4 ? NOW + 10 : NOW + 20));
    assert_ok(lode_flush(world.collection, NULL, &error));
    atomic_store(&world.now_ms, NOW + 10);
    assert_int_equal(rows_of(&world), 40);
    assert_ok(lode_wait_idle(world.collection, 0, &error)); /* three in four are dead: it is due */
    assert_int_equal(rows_of(&world), 10);
    atomic_store(&world.now_ms, NOW + 20);
    assert_ok(lode_compact(world.collection, NULL, &error));
    assert_int_equal(rows_of(&world), 0);
    reopen(&world, 1);
    check_count(&world, 0);
    end_world(&world);
}

#define INVALID(value)                                                                             \
    do {                                                                                           \
        assert_status(put(&world, 1, value), LODE_INVALID);                                        \
        assert_non_null(strstr(error.message, "points[0] (id 1): expires_at_ms is"));              \
        assert_status(patch(&world, 1, value, NULL), LODE_INVALID);                                \
    } while (0)

static void impossible_times_are_refused(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    INVALID(1);
    INVALID(NOW / 1000);           /* seconds */
    INVALID((uint64_t)NOW * 1000); /* microseconds */
    INVALID(LODE_EXPIRES_AT_MIN - 1);
    INVALID(LODE_EXPIRES_AT_MAX + 1);
    INVALID(LODE_EXPIRES_NEVER - 1);
    assert_ok(put(&world, 1, LODE_EXPIRES_AT_MAX));
    assert_ok(put(&world, 2, LODE_EXPIRES_AT_MIN));
    check_count(&world, 1);
    end_world(&world);
}

/* --- At once ----------------------------------------------------------------------------------- */

enum { READERS = 3, ROUNDS = 400 };

struct actor {
    struct world *world;
    struct thread thread;
    _Atomic int *over;
    int failed;
};

/* Point id expires at NOW + id. What is read is never older than what the clock said before. No assertion
 * of cmocka's here: they belong to the first thread. */
static void read_on(void *context)
{
    struct actor *actor = context;
    lode_error reason;
    while (!actor->failed && !atomic_load(actor->over)) {
        uint64_t now = atomic_load(&actor->world->now_ms);
        lode_search_request request = {.vector = vector, .k = 2000, .with = LODE_WITH_EXPIRY};
        lode_result *result;
        if (lode_search(actor->world->collection, &request, &result, &reason)) {
            actor->failed = 1;
            break;
        }
        for (size_t i = 0; i < result->hit_count; i++)
            actor->failed |= result->hits[i].expires_at_ms <= now;
        lode_result_free(result);
    }
}

static void readers_and_writers_at_once(void **state)
{
    (void)state;
    struct world world;
    char dir[PATH_SIZE_MAX];
    _Atomic int over;
    struct actor readers[READERS];
    temp_dir_make(dir);
    memset(&world, 0, sizeof world);
    atomic_init(&world.now_ms, NOW);
    atomic_init(&over, 0);
    world.clock = (struct clock){tell_time, tell_time, &world};
    world.db = engine_open_at(NULL, dir, NULL, 1u << 12, &world.clock);
    world.collection = engine_create(world.db, "points", schema);
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct actor){.world = &world, .over = &over};
        assert_int_equal(thread_start(&readers[i].thread, "reader", read_on, &readers[i]), 0);
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        lode_write_op op = {.kind = LODE_WRITE_UPSERT,
                            .point = {.id = lode_id_number(round),
                                      .vector = vector,
                                      .expires_at_ms = NOW + round + 100}};
        lode_write_options options = {.ack = LODE_ACK_APPLIED};
        assert_ok(lode_write(world.collection, &op, 1, &options, NULL, &error));
        atomic_fetch_add(&world.now_ms, 1);
        if (round % 100 == 0)
            assert_ok(lode_compact(world.collection, NULL, &error));
    }
    atomic_store(&over, 1);
    for (size_t i = 0; i < READERS; i++) {
        thread_join(&readers[i].thread);
        assert_false(readers[i].failed);
    }
    assert_int_equal(searched(&world, NULL), 100);
    lode_collection_close(world.collection);
    engine_close(world.db);
    engine_verify(NULL, dir);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_go_at_their_millisecond),
        cmocka_unit_test(writes_set_and_clear_it),
        cmocka_unit_test(writes_do_not_find_what_has_expired),
        cmocka_unit_test(compaction_gives_the_space_back),
        cmocka_unit_test(impossible_times_are_refused),
        cmocka_unit_test(readers_and_writers_at_once),
    };
    return cmocka_run_group_tests_name("engine/expiry", tests, NULL, NULL);
}
