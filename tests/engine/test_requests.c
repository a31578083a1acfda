/* Request ids: a batch that comes again is not applied again, whatever happened in between: other writes,
 * flushes, merges, closing, crashes at any change on the disk; and how many are remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "support/story.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};
static const float vector[4] = {1, 2, 3, 4};

struct world {
    struct vfs *vfs;
    struct story_fate fate;
    lode_db *db;
    lode_collection *collection;
};

static void open_world(struct world *world)
{
    world->db = engine_open(world->vfs, "db", NULL, 1u << 14);
    world->collection = engine_collection(world->db, "points");
}

static void begin_world(struct world *world)
{
    *world = (struct world){.vfs = vfs_memory_new()};
    world->db = engine_open(world->vfs, "db", NULL, 1u << 14);
    world->collection = engine_create(world->db, "points", schema);
}

static void close_world(struct world *world)
{
    lode_collection_close(world->collection);
    engine_close(world->db);
}

static void end_world(struct world *world)
{
    close_world(world);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

/* Batch n under its own id: an upsert, a patch that finds no point, a delete of batch n - 1's point. */
static lode_status write_batch(lode_collection *collection, uint64_t n, lode_ack ack,
                               lode_write_info *ret_info, lode_error *ret_error)
{
    char id[32];
    size_t size = (size_t)snprintf(id, sizeof id, "batch %llu", (unsigned long long)n);
    lode_write_options options = {.ack = ack, .request_id = id, .request_id_size = size};
    lode_write_op ops[] = {
        {.kind = LODE_WRITE_UPSERT, .point = {.id = lode_id_number(n), .vector = vector}},
        {.kind = LODE_WRITE_PATCH, .point = {.id = lode_id_number(1u << 30), .text = ""}},
        {.kind = LODE_WRITE_DELETE, .point.id = lode_id_number(n - 1)}};
    return lode_write(collection, ops, 3, &options, ret_info, ret_error);
}

/* Write batch n, which is the `sequence`-th or was it when it was written first. */
static void expect(struct world *world, uint64_t n, uint64_t sequence, int repeated)
{
    lode_write_info info;
    assert_ok(write_batch(world->collection, n, LODE_ACK_DURABLE, &info, &error));
    assert_int_equal(info.repeated, repeated);
    assert_int_equal(info.sequence, sequence);
    assert_int_equal(info.upserted, 1);
    assert_int_equal(info.deleted, n > 1);
    assert_int_equal(info.patched, 0);
    assert_int_equal(info.missing, 1);
}

static uint64_t sequence_of(lode_collection *collection)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(collection, &stats, &error));
    uint64_t sequence = stats->sequence;
    lode_stats_free(stats);
    return sequence;
}

static void a_repeated_batch_is_not_applied_again(void **state)
{
    (void)state;
    enum { BATCHES = 12 };
    struct world world;
    begin_world(&world);
    for (uint64_t n = 1; n <= BATCHES; n++) {
        expect(&world, n, n, 0);
        expect(&world, n, n, 1);
        if (n == 4)
            assert_ok(lode_flush(world.collection, NULL, &error));
    }
    for (int how = 0; how < 6; how++) {
        for (uint64_t n = 1; n <= BATCHES; n++)
            expect(&world, n, n, 1);
        assert_int_equal(sequence_of(world.collection), BATCHES);
        if (how == 1)
            engine_crash(world.vfs);
        if (how == 2)
            assert_ok(lode_flush(world.collection, NULL, &error));
        if (how == 3)
            assert_ok(lode_compact(world.collection, NULL, &error));
        close_world(&world);
        engine_live(world.vfs);
        engine_verify(world.vfs, "db");
        open_world(&world);
    }
    end_world(&world);
}

static void a_refused_batch_is_not_remembered(void **state)
{
    (void)state;
    struct world world;
    lode_write_info info;
    lode_write_options options = {.request_id = "x", .request_id_size = 1};
    lode_write_op op = {.kind = LODE_WRITE_UPSERT,
                        .point = {.id = lode_id_number(1), .vector = vector},
                        .condition = LODE_IF_PRESENT};
    begin_world(&world);
    assert_status(lode_write(world.collection, &op, 1, &options, &info, &error), LODE_CONFLICT);
    op.condition = LODE_IF_ABSENT;
    assert_ok(lode_write(world.collection, &op, 1, &options, &info, &error));
    assert_int_equal(info.repeated, 0);
    /* It would not succeed now; but it has. */
    assert_ok(lode_write(world.collection, &op, 1, &options, &info, &error));
    assert_int_equal(info.repeated, 1);
    options.request_id = "xy"; /* one byte of it */
    assert_ok(lode_write(world.collection, &op, 1, &options, &info, &error));
    options.request_id_size = 2;
    assert_status(lode_write(world.collection, &op, 1, &options, &info, &error), LODE_CONFLICT);
    end_world(&world);
}

static void ids_are_bounded(void **state)
{
    (void)state;
    struct world world;
    char id[65] = {0};
    lode_write_op op = {.kind = LODE_WRITE_DELETE, .point.id = lode_id_number(1)};
    lode_write_options options = {.request_id = id, .request_id_size = 65};
    begin_world(&world);
    assert_status(lode_write(world.collection, &op, 1, &options, NULL, &error), LODE_LIMIT);
    assert_string_equal(error.message, "options.request_id of 65 bytes: at most 64");
    options.request_id = NULL;
    assert_status(lode_write(world.collection, &op, 1, &options, NULL, &error), LODE_INVALID);
    options = (lode_write_options){.request_id = id, .request_id_size = 64};
    assert_ok(lode_write(world.collection, &op, 1, &options, NULL, &error));
    end_world(&world);
}

/* A batch that was not durable becomes as durable as who repeats it asks. */
static void repeating_may_ask_for_more(void **state)
{
    (void)state;
    for (int first = LODE_ACK_LOGGED; first <= LODE_ACK_APPLIED; first++)
        for (int second = LODE_ACK_DURABLE; second <= LODE_ACK_APPLIED; second++) {
            struct world world;
            lode_write_info info;
            begin_world(&world);
            assert_ok(write_batch(world.collection, 1, (lode_ack)first, &info, &error));
            assert_ok(write_batch(world.collection, 1, (lode_ack)second, &info, &error));
            assert_int_equal(info.repeated, 1);
            if (second == LODE_ACK_DURABLE)
                engine_crash(world.vfs);
            else
                engine_kill(world.vfs);
            close_world(&world);
            engine_live(world.vfs);
            open_world(&world);
            int kept = first == LODE_ACK_LOGGED || second != LODE_ACK_APPLIED;
            expect(&world, 1, 1, kept);
            end_world(&world);
        }
}

static void the_last_ones_are_remembered(void **state)
{
    (void)state;
    struct world world;
    lode_write_info info;
    begin_world(&world);
    world.db->growing_bytes_max = 1u << 20;
    for (uint64_t n = 1; n <= REQUEST_IDS_MAX + 2; n++)
        assert_ok(write_batch(world.collection, n, LODE_ACK_APPLIED, &info, &error));
    for (int how = 0; how < 2; how++) {
        expect(&world, 3 + (uint64_t)how, 3 + (uint64_t)how, 1);
        expect(&world, REQUEST_IDS_MAX + 2, REQUEST_IDS_MAX + 2, 1);
        close_world(&world);
        open_world(&world);
    }
    assert_ok(write_batch(world.collection, 2, LODE_ACK_DURABLE, &info, &error));
    assert_int_equal(info.repeated, 0); /* forgotten */
    assert_ok(write_batch(world.collection, 3, LODE_ACK_DURABLE, &info, &error));
    assert_int_equal(info.repeated, 0); /* it was the oldest */
    end_world(&world);
}

/* --- Crashes ----------------------------------------------------------------------------------- */

static int decide(void *context, const char *operation, const char *path)
{
    struct story_fate *fate = context;
    (void)path;
    fate->changes += strcmp(operation, "read") != 0;
    if (fate->changes == fate->crash_at)
        fate->crashed = 1;
    return fate->crashed ? EIO : 0;
}

/* Write on until the crash; retry what was not acknowledged, and what was. Each batch has been applied
 * once when their number is the sequence. */
static uint64_t live(struct world *world, struct rng *rng, uint64_t acknowledged)
{
    lode_write_info info;
    lode_error reason;
    for (uint64_t n = acknowledged > 30 ? acknowledged - 30 : 1; n <= acknowledged; n++)
        expect(world, n, n, 1);
    world->fate = (struct story_fate){.crash_at = 1 + rng_below(rng, 60)};
    vfs_memory_set_fault(world->vfs, decide, &world->fate);
    for (int i = 0; i < 40; i++) {
        uint64_t n = acknowledged + 1;
        if (rng_below(rng, 10) == 0 && lode_flush(world->collection, NULL, &reason))
            break;
        if (rng_below(rng, 20) == 0 && lode_compact(world->collection, NULL, &reason))
            break;
        if (write_batch(world->collection, n, LODE_ACK_DURABLE, &info, &reason))
            break;
        assert_true(i == 0 || !info.repeated); /* the first may have been in doubt */
        assert_int_equal(info.sequence, n);
        acknowledged = n;
    }
    return acknowledged;
}

static void crashes_make_no_second_one(void **state)
{
    (void)state;
    unsigned rounds = story_setting("LODE_CRASH_ROUNDS", story_fewer(60));
    for (uint64_t seed = 1; seed <= rounds; seed++) {
        struct world world;
        struct rng rng;
        uint64_t acknowledged = 0;
        rng_init(&rng, seed);
        begin_world(&world);
        world.db->growing_bytes_max = 512;
        for (int lives = 0; lives < 6; lives++) {
            acknowledged = live(&world, &rng, acknowledged);
            close_world(&world);
            vfs_memory_set_fault(world.vfs, NULL, NULL);
            vfs_memory_crash_random(world.vfs, rng_u64(&rng));
            open_world(&world);
            world.db->growing_bytes_max = 512;
            assert_in_range(sequence_of(world.collection), acknowledged, acknowledged + 1);
        }
        end_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_batch_is_not_applied_again),
        cmocka_unit_test(a_refused_batch_is_not_remembered),
        cmocka_unit_test(ids_are_bounded),
        cmocka_unit_test(repeating_may_ask_for_more),
        cmocka_unit_test(the_last_ones_are_remembered),
        cmocka_unit_test(crashes_make_no_second_one),
    };
    return cmocka_run_group_tests_name("engine/requests", tests, NULL, NULL);
}
