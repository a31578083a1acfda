/* Snapshots show one state for as long as they are held, whatever happens to the collection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};

static void old_states_stay(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 2048);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model, seen[4];
    lode_snapshot *snapshots[4];
    model_init(&model, &schema);
    for (unsigned i = 0; i < 4; i++) {
        seen[i] = model;
        assert_ok(lode_snapshot_open(collection, &snapshots[i], &error));
        model_write_range(&model, collection, i * 40, 120, (int)i * 1000);
        model_write_range(&model, collection, i * 40, 20, ENGINE_NONE);
        assert_ok(i % 2 ? lode_flush(collection, NULL, &error)
                        : lode_compact(collection, NULL, &error));
        for (unsigned j = 0; j <= i; j++) {
            model_check_points(&seen[j], collection, snapshots[j]);
            model_check_search(&seen[j], collection, snapshots[j], i, 30, 1);
        }
    }
    for (unsigned i = 1; i < 4; i++)
        assert_true(lode_snapshot_sequence(snapshots[i - 1]) <
                    lode_snapshot_sequence(snapshots[i]));
    lode_collection_close(collection); /* they hold it open */
    for (unsigned i = 0; i < 4; i++)
        lode_snapshot_close(snapshots[3 - i]);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

static void an_empty_state_is_one_too(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model empty, model;
    lode_snapshot *snapshot;
    model_init(&empty, &schema);
    model = empty;
    assert_ok(lode_snapshot_open(collection, &snapshot, &error));
    model_write_range(&model, collection, 0, 5, 1);
    model_check_points(&empty, collection, snapshot);
    model_check_search(&empty, collection, snapshot, 1, 10, 1);
    assert_int_equal(lode_snapshot_sequence(snapshot), 0);
    lode_snapshot_close(snapshot);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_states_stay),
        cmocka_unit_test(an_empty_state_is_one_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
