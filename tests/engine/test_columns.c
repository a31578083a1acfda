/* Segments without columns, as those of before there were any: they get them in the background, or by a compaction, whole
 * or not at all; and nothing else of them changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "engine/collection.h"
#include "engine/files.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};
static const lode_db_options on_request = {.maintenance = LODE_MAINTAIN_ON_REQUEST};

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model model;
    char dir[PATH_SIZE_MAX];
};

static void open_world(struct world *world, const lode_db_options *options)
{
    world->db = engine_open(world->vfs, "db", options, 0);
    world->db->index_rows_min = 50;
    world->collection = engine_collection(world->db, "points");
}

static void close_world(struct world *world)
{
    lode_collection_close(world->collection);
    engine_close(world->db);
}

/* Removes the files of columns, if so asked; how many there are. */
static unsigned columns(const struct world *world, int remove)
{
    struct file_names names;
    unsigned count = 0;
    assert_ok(file_names_list(world->vfs, world->dir, &names, &error));
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_SIZE_MAX];
        if (!strstr(names.names[i], ".columns"))
            continue;
        assert_null(strstr(names.names[i], ".tmp"));
        count++;
        assert_ok(vfs_join(path, world->dir, names.names[i], &error));
        if (remove)
            assert_ok(vfs_remove(world->vfs, path, &error));
    }
    file_names_release(&names);
    return count;
}

/* Two segments, one with a graph and dead rows, whose columns are taken away; closed. */
static void begin(struct world *world)
{
    *world = (struct world){.vfs = vfs_memory_new()};
    lode_db *db = engine_open(world->vfs, "db", NULL, 0);
    lode_collection_close(engine_create(db, "points", schema));
    engine_close(db);
    open_world(world, &on_request);
    model_init(&world->model, &schema);
    model_write_range(&world->model, world->collection, 0, 60, 3);
    assert_ok(lode_compact(world->collection, NULL, &error));
    model_write_range(&world->model, world->collection, 100, 20, 3);
    model_write_range(&world->model, world->collection, 10, 3, ENGINE_NONE);
    assert_ok(lode_flush(world->collection, NULL, &error));
    snprintf(world->dir, sizeof world->dir, "%s", world->collection->shared->dir);
    close_world(world);
    assert_int_equal(columns(world, 1), 2);
    assert_ok(vfs_dir_sync(world->vfs, world->dir, &error));
}

static void check_count(const struct world *world)
{
    uint64_t expected = 0, count;
    for (size_t i = 0; i < ENGINE_IDS; i++) {
        int document = world->model.documents[i];
        expected += world->model.values[i] != ENGINE_NONE && document % 11 && document % 7 == 3;
    }
    assert_ok(lode_count(world->collection, NULL, lode_filter_text("group = 3"), &count, &error));
    assert_int_equal(count, expected);
}

static void check_world(const struct world *world, unsigned column_count)
{
    lode_stats *stats;
    model_check_points(&world->model, world->collection, NULL);
    check_count(world);
    assert_int_equal(columns(world, 0), column_count);
    assert_ok(lode_stats_get(world->collection, &stats, &error));
    assert_int_equal(stats->segment_count, 2);
    assert_int_equal(stats->segments[0].graph_rows, 60);
    assert_int_equal(stats->segments[1].graph_rows, 0);
    assert_int_equal(stats->job_error.status, LODE_OK);
    lode_stats_free(stats);
}

/* Whether the collection answers from them, without being opened anew. */
static int all_are_used(const struct world *world)
{
    struct version *version = collection_pin(world->collection->shared);
    int used = 1;
    for (size_t i = 0; i < version->view_count; i++) {
        uint32_t covered = 0;
        const struct segment *segment = version->views[i].segment;
        struct columns *found = segment->ops->columns(segment, &covered);
        used = used && found && covered == version->views[i].row_count;
        columns_unref(found);
    }
    version_unref(version);
    return used;
}

static void end(struct world *world)
{
    close_world(world);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

static void they_are_made_in_the_background(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    open_world(&world, NULL);
    assert_ok(lode_wait_idle(world.collection, 0, &error));
    check_world(&world, 2);
    assert_true(all_are_used(&world));
    close_world(&world);
    open_world(&world, NULL);
    check_world(&world, 2);
    assert_true(all_are_used(&world));
    end(&world);
}

static void a_compaction_makes_them(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    open_world(&world, &on_request);
    check_world(&world, 0);
    model_write_range(&world.model, world.collection, 0, ENGINE_IDS, ENGINE_NONE);
    model_write_range(&world.model, world.collection, 0, 60, 5);
    assert_ok(lode_compact(world.collection, NULL, &error));
    close_world(&world);
    assert_int_equal(columns(&world, 1), 1);
    open_world(&world, &on_request);
    assert_ok(
        lode_compact(world.collection, NULL, &error)); /* of one segment in which nothing is dead */
    assert_int_equal(columns(&world, 0), 1);
    assert_true(all_are_used(&world));
    check_count(&world);
    end(&world);
}

/* Without any field there is nothing to make. */
static void no_fields_no_columns(void **state)
{
    (void)state;
    struct world world = {.vfs = vfs_memory_new()};
    float vector[4] = {1};
    lode_point point = {.id = lode_id_number(1), .vector = vector};
    world.db = engine_open(world.vfs, "db", NULL, 0);
    world.collection = engine_create(world.db, "points", schema);
    snprintf(world.dir, sizeof world.dir, "%s", world.collection->shared->dir);
    assert_ok(lode_upsert(world.collection, &point, 1, NULL, &error));
    assert_ok(lode_flush(world.collection, NULL, &error));
    uint64_t generation = world.collection->shared->version->generation;
    close_world(&world);
    open_world(&world, NULL);
    assert_ok(lode_wait_idle(world.collection, 0, &error));
    assert_int_equal(columns(&world, 0), 0);
    assert_int_equal(world.collection->shared->version->generation, generation);
    end(&world);
}

/* --- Crashes ----------------------------------------------------------------------------------- */

static int fail_from(void *context, const char *operation, const char *path)
{
    static const char *const changes[] = {"write",  "truncate", "sync",    "remove",
                                          "rename", "link",     "dir_sync"};
    unsigned *left = context;
    (void)path;
    for (size_t i = 0; *left && i < sizeof changes / sizeof *changes; i++)
        if (strcmp(operation, changes[i]) == 0)
            --*left;
    return *left ? 0 : EIO;
}

/* Whether it came to that. */
static int crash_at(unsigned change)
{
    struct world world;
    unsigned left = change;
    begin(&world);
    world.db = engine_open(world.vfs, "db", NULL, 0);
    vfs_memory_set_fault(world.vfs, fail_from, &left);
    if (lode_collection_open(world.db, "points", &world.collection, &error))
        world.collection = NULL;
    int crashed = left == 0;
    vfs_memory_crash_random(world.vfs, random_mix(change));
    if (world.collection)
        lode_collection_close(world.collection);
    engine_close(world.db);
    vfs_memory_set_fault(world.vfs, NULL, NULL);
    engine_verify(world.vfs, "db");
    open_world(&world, NULL);
    assert_ok(lode_wait_idle(world.collection, 0, &error));
    check_world(&world, 2);
    assert_true(all_are_used(&world));
    end(&world);
    return crashed;
}

static void a_crash_leaves_all_of_them_or_none(void **state)
{
    (void)state;
    unsigned change = 1;
    while (crash_at(change))
        change++;
    assert_true(change > 10);
    print_message("%u changes\n", change - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_made_in_the_background),
        cmocka_unit_test(a_compaction_makes_them),
        cmocka_unit_test(no_fields_no_columns),
        cmocka_unit_test(a_crash_leaves_all_of_them_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
