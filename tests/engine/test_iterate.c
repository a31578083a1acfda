/* Walks: every point of one state once, in an order that repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};

static void fill(struct model *model, lode_collection *collection)
{
    model_init(model, &schema);
    for (unsigned id = 0; id < 300; id++) {
        struct model_op ops[] = {{.id = id, .value = (int)id},
                                 {.id = id / 2, .value = (int)(id + 500)},
                                 {.id = id / 3, .value = ENGINE_NONE}};
        assert_ok(model_write(model, collection, ops, 3, &error));
    }
}

static size_t walk(lode_iterator *iterator, lode_id *ids, size_t ids_max)
{
    size_t count = 0;
    for (;; count++) {
        const lode_hit *hit;
        assert_ok(lode_iterator_next(iterator, &hit, &error));
        if (!hit)
            break;
        assert_true(count < ids_max);
        ids[count] = hit->id;
        ids[count].string = NULL; /* the next call takes it away */
        assert_null(hit->vector);
        assert_null(hit->metadata);
        assert_null(hit->text);
    }
    return count;
}

static void a_walk_repeats(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 4096);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    lode_snapshot *snapshot;
    lode_iterator *iterator;
    lode_id first[ENGINE_IDS], second[ENGINE_IDS];
    fill(&model, collection);
    assert_ok(lode_snapshot_open(collection, &snapshot, &error));
    assert_ok(lode_iterator_open(collection, snapshot, 0, &iterator, &error));
    size_t count = walk(iterator, first, ENGINE_IDS);
    assert_int_equal(count, model_count(&model));
    const lode_hit *hit;
    assert_ok(lode_iterator_next(iterator, &hit, &error)); /* the end stays the end */
    assert_null(hit);
    lode_iterator_close(iterator);
    assert_ok(lode_compact(collection, NULL, &error));
    assert_ok(lode_iterator_open(collection, snapshot, 0, &iterator, &error));
    assert_int_equal(walk(iterator, second, ENGINE_IDS), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(lode_id_compare(&first[i], &second[i]), 0);
    lode_iterator_close(iterator);
    lode_snapshot_close(snapshot);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* An iterator pins what it walks over, and the collection with it. */
static void a_walk_sees_one_state(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 4096);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    lode_iterator *iterator;
    lode_id ids[ENGINE_IDS];
    fill(&model, collection);
    size_t count = model_count(&model);
    assert_ok(lode_iterator_open(collection, NULL, 0, &iterator, &error));
    for (unsigned id = 0; id < 200; id++) {
        struct model_op op = {.id = id, .value = ENGINE_NONE};
        assert_ok(model_write(&model, collection, &op, 1, &error));
    }
    assert_ok(lode_compact(collection, NULL, &error));
    lode_collection_close(collection);
    assert_int_equal(walk(iterator, ids, ENGINE_IDS), count);
    lode_iterator_close(iterator);
    engine_close(db);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_repeats),
        cmocka_unit_test(a_walk_sees_one_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
