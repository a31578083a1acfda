/* test_stop_upkeep.c: flushes and compactions whose callers want them to end early: at their first look at the wish, at the
 * second, and so on, through all that they do. All points stay, and the next compaction does what was left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/collection.h"
#include "support/engine_kit.h"
#include "support/wish.h"

enum { IDS = 400 };

static lode_error error;

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model model;
};

/* Several sealed segments with dead rows, none with a graph, and a growing one. */
static void begin(struct world *world, lode_layout layout)
{
    const lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    const lode_schema schema = {.dim = 64, .layout = layout};
    *world = (struct world){.vfs = vfs_memory_new()};
    world->db = engine_open(world->vfs, "db", &options, 1 << 14);
    world->db->index_rows_min = 64;
    world->collection = engine_create(world->db, "points", schema);
    model_init(&world->model, &schema);
    model_write_range(&world->model, world->collection, 0, IDS, 1);
    model_write_range(&world->model, world->collection, 0, IDS / 4, 2);
    model_write_range(&world->model, world->collection, IDS / 4, 20, ENGINE_NONE);
}

static size_t segments(const struct world *world)
{
    lode_stats *stats = NULL;
    assert_ok(lode_stats_get(world->collection, &stats, &error));
    size_t count = stats->segment_count;
    assert_int_equal(stats->job_count, 0);
    assert_int_equal(stats->job_error.status, LODE_OK);
    lode_stats_free(stats);
    return count;
}

static void end(struct world *world)
{
    model_check_points(&world->model, world->collection, NULL);
    lode_collection_close(world->collection);
    engine_close(world->db);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

static void stop_everywhere(lode_layout layout)
{
    struct world world;
    struct wish wish;
    begin(&world, layout);
    unsigned stopped = 0;
    lode_status status = LODE_CANCELLED;
    for (uint64_t look = 1; status; look += 1 + look / 8) {
        wish_init(&wish, look);
        status = lode_compact(world.collection, &wish.stop, &error);
        assert_true(status == LODE_OK || status == LODE_CANCELLED);
        if (!status)
            break;
        assert_string_equal(error.message, "stopped by the caller");
        model_check_points(&world.model, world.collection, NULL);
        assert_true(segments(&world) > 1);
        stopped++;
    }
    assert_true(stopped > 10);
    assert_int_equal(segments(&world), 1);
    end(&world);
}

static void a_compaction_is_stopped_anywhere(void **state)
{
    (void)state;
    stop_everywhere(LODE_LAYOUT_FAST);
    stop_everywhere(LODE_LAYOUT_COMPACT);
}

/* What was stopped takes nothing from what comes after it: not the wish, nor the right to build. */
static void a_stopped_compaction_leaves_no_wish(void **state)
{
    (void)state;
    struct world world;
    struct wish wish;
    begin(&world, LODE_LAYOUT_FAST);
    wish_init(&wish, 5);
    assert_int_equal(lode_compact(world.collection, &wish.stop, &error), LODE_CANCELLED);
    uint64_t looks = wish.looks;
    assert_ok(lode_compact(world.collection, NULL, &error));
    assert_int_equal(wish.looks, looks);
    assert_int_equal(segments(&world), 1);
    end(&world);
}

static void deadlines(void **state)
{
    (void)state;
    struct world world;
    const lode_stop past = {.deadline_us = 1};
    begin(&world, LODE_LAYOUT_FAST);
    assert_int_equal(lode_compact(world.collection, &past, &error), LODE_TIMEOUT);
    assert_string_equal(error.message, "the deadline has passed");
    assert_ok(lode_flush(world.collection, NULL, &error));
    assert_ok(lode_flush(world.collection, &past, &error)); /* there is nothing to wait for */
    end(&world);
}

/* A flush that nobody waits for goes on by itself. */
static void waiting_for_a_flush_is_stopped(void **state)
{
    (void)state;
    char path[PATH_SIZE_MAX];
    struct model model;
    const lode_schema schema = {.dim = 64};
    const lode_stop past = {.deadline_us = 1};
    temp_dir_make(path);
    lode_db *db = engine_open(NULL, path, NULL, 0);
    lode_collection *collection = engine_create(db, "points", schema);
    model_init(&model, &schema);
    model_write_range(&model, collection, 0, IDS, 1);
    assert_int_equal(lode_flush(collection, &past, &error), LODE_TIMEOUT);
    model_check_points(&model, collection, NULL);
    assert_ok(lode_flush(collection, NULL, &error));
    model_check_points(&model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    temp_dir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compaction_is_stopped_anywhere),
        cmocka_unit_test(a_stopped_compaction_leaves_no_wish),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(waiting_for_a_flush_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
