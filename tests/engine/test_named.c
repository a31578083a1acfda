/* Named snapshots: they show what they showed, over everything that happens to the collection, to the
 * database and to the disk; and their files go when the last one goes who needs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/files.h"
#include "engine/verify.h"
#include "storage/names.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};

static void check_named(const struct model *model, lode_collection *collection, const char *name)
{
    lode_snapshot *snapshot;
    assert_ok(lode_snapshot_open_named(collection, name, &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), model_count(model));
    model_check_points(model, collection, snapshot);
    model_check_search(model, collection, snapshot, 7, 30, 1);
    lode_snapshot_close(snapshot);
}

/* The files of that kind in the only collection there is. */
static size_t count_files(struct vfs *vfs, enum name_kind kind)
{
    struct file_names dirs, files;
    char path[64];
    size_t count = 0;
    assert_ok(file_names_list(vfs, "db", &dirs, &error));
    for (size_t i = 0; i < dirs.count; i++) {
        if (strncmp(dirs.names[i], "c-", 2) != 0)
            continue;
        snprintf(path, sizeof path, "db/%s", dirs.names[i]);
        assert_ok(file_names_list(vfs, path, &files, &error));
        for (size_t j = 0; j < files.count; j++)
            count += name_parse(files.names[j]).kind == kind;
        file_names_release(&files);
    }
    file_names_release(&dirs);
    return count;
}

static size_t sealed_count(lode_collection *collection)
{
    lode_stats *stats;
    size_t count = 0;
    assert_ok(lode_stats_get(collection, &stats, &error));
    for (size_t i = 0; i < stats->segment_count; i++)
        count += stats->segments[i].state >= LODE_SEGMENT_SEALED;
    lode_stats_free(stats);
    return count;
}

static const char *const names[] = {"one", "two", "three", "four"};

static void they_stay_what_they_are(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 2048);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model, seen[4];
    model_init(&model, &schema);
    for (unsigned i = 0; i < 4; i++) {
        seen[i] = model;
        assert_ok(lode_snapshot_create(collection, names[i], &error));
        model_write_range(&model, collection, i * 40, 120, (int)i * 1000);
        model_write_range(&model, collection, i * 40, 20, ENGINE_NONE);
        assert_ok(i % 2 ? lode_flush(collection, NULL, &error)
                        : lode_compact(collection, NULL, &error));
        if (i == 1)
            model_write_range(&model, collection, 300, 9, 5);
        for (unsigned j = 0; j <= i; j++)
            check_named(&seen[j], collection, names[j]);
        if (i % 2)
            continue;
        lode_collection_close(collection);
        engine_close(db);
        vfs_memory_crash(vfs);
        engine_verify(vfs, "db");
        db = engine_open(vfs, "db", NULL, 2048);
        collection = engine_collection(db, "points");
    }
    lode_snapshot_list *list;
    assert_ok(lode_snapshot_list_get(collection, &list, &error));
    assert_int_equal(list->count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(list->snapshots[i].name, names[i]);
        assert_int_equal(list->snapshots[i].points, model_count(&seen[i]));
        assert_int_equal(list->snapshots[i].damaged, 0);
        assert_true(i == 0 || list->snapshots[i].own_bytes > 0);
    }
    lode_snapshot_list_free(list);
    model_check_points(&model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

static void files_go_with_the_last_pin(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 2048);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model, seen;
    lode_snapshot *opened;
    model_init(&model, &schema);
    model_write_range(&model, collection, 0, 100, 10);
    assert_ok(lode_flush(collection, NULL, &error));
    model_write_range(&model, collection, 0, 5, 1000); /* in the growing segment */
    seen = model;
    assert_ok(lode_snapshot_create(collection, "one", &error));
    assert_ok(lode_snapshot_create(collection, "two", &error));
    model_write_range(&model, collection, 50, 100, 2000);
    assert_ok(lode_compact(collection, NULL, &error));
    size_t needed = sealed_count(collection);
    size_t held = count_files(vfs, NAME_VECTORS);
    assert_true(held > needed);
    assert_ok(lode_snapshot_open_named(collection, "one", &opened, &error));
    assert_ok(lode_snapshot_drop(collection, "one", &error));
    assert_int_equal(lode_snapshot_drop(collection, "one", &error), LODE_NOT_FOUND);
    assert_int_equal(count_files(vfs, NAME_VECTORS), held); /* open still */
    model_check_points(&seen, collection, opened);
    assert_ok(lode_snapshot_drop(collection, "two", &error));
    assert_int_equal(count_files(vfs, NAME_VECTORS), held - 1); /* two's tail */
    lode_snapshot_close(opened);
    assert_int_equal(count_files(vfs, NAME_VECTORS), needed);
    assert_int_equal(count_files(vfs, NAME_SNAPSHOT), 0);
    model_check_points(&model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

/* After a reopen nothing of what the snapshot needs is open; dropping it takes the files all the same. */
static void files_go_after_a_reopen_too(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 2048);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    model_init(&model, &schema);
    model_write_range(&model, collection, 0, 60, 10);
    assert_ok(lode_snapshot_create(collection, "one", &error));
    model_write_range(&model, collection, 0, 60, 90);
    assert_ok(lode_compact(collection, NULL, &error));
    lode_collection_close(collection);
    engine_close(db);
    db = engine_open(vfs, "db", NULL, 2048);
    collection = engine_collection(db, "points");
    assert_true(count_files(vfs, NAME_IDS) > sealed_count(collection));
    assert_ok(lode_snapshot_drop(collection, "one", &error));
    assert_int_equal(count_files(vfs, NAME_IDS), sealed_count(collection));
    model_check_points(&model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

static void empty_and_refused_ones(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model empty, model;
    lode_snapshot *snapshot;
    char name[16];
    model_init(&empty, &schema);
    model = empty;
    assert_ok(lode_snapshot_create(collection, "empty", &error));
    model_write_range(&model, collection, 0, 5, 1);
    check_named(&empty, collection, "empty");
    assert_int_equal(lode_snapshot_create(collection, "empty", &error), LODE_EXISTS);
    assert_int_equal(lode_snapshot_create(collection, "a/b", &error), LODE_INVALID);
    assert_int_equal(lode_snapshot_create(collection, "", &error), LODE_INVALID);
    assert_int_equal(lode_snapshot_create(collection, "snapshot-3", &error), LODE_INVALID);
    assert_int_equal(lode_snapshot_create(collection, NULL, &error), LODE_INVALID);
    assert_int_equal(lode_snapshot_open_named(collection, "none", &snapshot, &error),
                     LODE_NOT_FOUND);
    assert_non_null(strstr(error.message, "none"));
    for (unsigned i = 1; i < LODE_SNAPSHOTS_MAX; i++) {
        snprintf(name, sizeof name, "n%u", i);
        assert_ok(lode_snapshot_create(collection, name, &error));
    }
    assert_int_equal(lode_snapshot_create(collection, "more", &error), LODE_LIMIT);
    lode_collection_close(collection);
    assert_ok(lode_collection_drop(db, "points", &error)); /* with all of them */
    engine_close(db);
    vfs_memory_free(vfs);
}

/* --- Damage ------------------------------------------------------------------------------------ */

static void find_file(struct vfs *vfs, enum name_kind kind, char path[128])
{
    struct file_names dirs, files;
    char dir[64];
    path[0] = '\0';
    assert_ok(file_names_list(vfs, "db", &dirs, &error));
    for (size_t i = 0; i < dirs.count; i++) {
        if (strncmp(dirs.names[i], "c-", 2) != 0)
            continue;
        snprintf(dir, sizeof dir, "db/%s", dirs.names[i]);
        assert_ok(file_names_list(vfs, dir, &files, &error));
        for (size_t j = 0; j < files.count; j++)
            if (name_parse(files.names[j]).kind == kind)
                snprintf(path, 128, "%s/%s", dir, files.names[j]);
        file_names_release(&files);
    }
    file_names_release(&dirs);
    assert_true(path[0]);
}

static void flip(struct vfs *vfs, const char *path, uint64_t offset)
{
    struct vfs_file *file;
    uint8_t byte;
    assert_ok(vfs_open(vfs, path, VFS_WRITE, &file, &error));
    assert_ok(vfs_read(file, offset, &byte, 1, &error));
    byte ^= 4;
    assert_ok(vfs_write(file, offset, &byte, 1, &error));
    assert_ok(vfs_sync(file, &error));
    vfs_close(file);
}

/* It is listed as such and can be dropped; the collection is as good as ever, and no file that the snapshot
 * may need is swept away before. */
static void a_damaged_one_is_contained(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 2048);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    lode_snapshot_list *list;
    lode_snapshot *snapshot;
    char path[128];
    model_init(&model, &schema);
    model_write_range(&model, collection, 0, 60, 10);
    assert_ok(lode_snapshot_create(collection, "one", &error));
    model_write_range(&model, collection, 0, 60, 90);
    assert_ok(lode_compact(collection, NULL, &error));
    lode_collection_close(collection);
    engine_close(db);
    find_file(vfs, NAME_SNAPSHOT, path);
    flip(vfs, path, 70);
    assert_int_equal(
        verify_database(vfs, "db", &(lode_verify_options){.key = key_kit_default()}, &error),
        LODE_CORRUPT);
    db = engine_open(vfs, "db", NULL, 2048);
    collection = engine_collection(db, "points");
    size_t held = count_files(vfs, NAME_IDS);
    assert_true(held > sealed_count(collection));
    assert_ok(lode_snapshot_list_get(collection, &list, &error));
    assert_int_equal(list->count, 1);
    assert_int_equal(list->snapshots[0].damaged, 1);
    assert_string_equal(list->snapshots[0].name, strrchr(path, '/') + 1);
    assert_int_equal(
        lode_snapshot_open_named(collection, list->snapshots[0].name, &snapshot, &error),
        LODE_CORRUPT);
    model_check_points(&model, collection, NULL);
    assert_ok(lode_snapshot_drop(collection, list->snapshots[0].name, &error));
    lode_snapshot_list_free(list);
    lode_collection_close(collection);
    engine_close(db);
    db = engine_open(vfs, "db", NULL, 2048);
    collection = engine_collection(db, "points");
    assert_int_equal(count_files(vfs, NAME_IDS), sealed_count(collection));
    model_check_points(&model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

/* Files that only a snapshot needs are verified too. */
static void verify_sees_its_files(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(db, "points", schema);
    struct model model;
    char path[128];
    model_init(&model, &schema);
    model_write_range(&model, collection, 0, 60, 10);
    assert_ok(lode_snapshot_create(collection, "one", &error));
    model_write_range(&model, collection, 0, 60, ENGINE_NONE);
    assert_ok(lode_compact(collection, NULL, &error)); /* no segment is left but the snapshot's */
    assert_int_equal(count_files(vfs, NAME_DOCS), 1);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    find_file(vfs, NAME_DOCS, path);
    flip(vfs, path, 100);
    assert_int_equal(
        verify_database(vfs, "db", &(lode_verify_options){.key = key_kit_default()}, &error),
        LODE_CORRUPT);
    vfs_memory_free(vfs);
}

/* --- Texts ------------------------------------------------------------------------------------- */

static void train(lode_collection *collection, const char *last)
{
    const char *texts[] = {"a ship sails on the sea",     "the sea is deep and blue",
                           "a captain commands the ship", "the forest is deep and green",
                           "a deer runs in the forest",   "the hunter follows the deer",
                           "a captain follows the sea",   last};
    lode_text given[8];
    for (size_t i = 0; i < 8; i++)
        given[i] = (lode_text){texts[i], strlen(texts[i])};
    assert_ok(lode_text_model_train(collection, given, 8, NULL, NULL, &error));
}

static void check_text(lode_collection *collection, uint64_t wanted)
{
    lode_snapshot *snapshot;
    lode_result *result;
    assert_ok(lode_snapshot_open_named(collection, "one", &snapshot, &error));
    lode_search_request request = {.snapshot = snapshot, .text = "whale", .text_size = 5, .k = 1};
    assert_ok(lode_search(collection, &request, &result, &error));
    assert_int_equal(result->hit_count, 1);
    assert_int_equal(result->hits[0].id.number, wanted);
    lode_result_free(result);
    lode_snapshot_close(snapshot);
}

/* The model that its points were embedded with stays as long as the snapshot. */
static void it_keeps_its_text_model(void **state)
{
    (void)state;
    const lode_schema words = {.dim = 4, .metric = LODE_METRIC_COSINE};
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(db, "words", words);
    lode_id id = lode_id_number(1);
    lode_point point = {.id = id, .text = "a whale in the sea", .text_size = 18};
    train(collection, "a whale swims in the sea");
    assert_ok(lode_upsert(collection, &point, 1, NULL, &error));
    assert_ok(lode_snapshot_create(collection, "one", &error));
    assert_ok(lode_delete(collection, &id, 1, NULL, &error));
    train(collection, "a fox lives in the forest");
    check_text(collection, 1);
    assert_int_equal(count_files(vfs, NAME_TEXT_MODEL), 2);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    db = engine_open(vfs, "db", NULL, 0);
    collection = engine_collection(db, "words");
    check_text(collection, 1);
    assert_ok(lode_snapshot_drop(collection, "one", &error));
    assert_int_equal(count_files(vfs, NAME_TEXT_MODEL), 1);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

struct asking {
    lode_collection *collection;
    unsigned asked;
    int active;
};

static void ask_stats(void *context)
{
    struct asking *asking = context;
    lode_stats *stats;
    if (asking->active)
        return;
    asking->active = 1;
    assert_false(lode_stats_get(asking->collection, &stats, NULL));
    lode_stats_free(stats);
    asking->asked++;
    asking->active = 0;
}

/* Statistics need no lock that is held over I/O: they are asked for between all operations, by the thread that
 * would hold it. */
static void stats_do_not_wait_for_a_snapshot(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 2048);
    lode_collection *collection = engine_create(db, "points", schema);
    struct asking asking = {.collection = collection};
    struct model model;
    lode_snapshot *snapshot;
    model_init(&model, &schema);
    model_write_range(&model, collection, 0, 70, 10);
    alarm(60); /* who waits for itself waits forever */
    vfs_memory_set_hook(vfs, ask_stats, &asking);
    assert_ok(lode_snapshot_create(collection, "one", &error));
    assert_true(asking.asked > 10);
    assert_ok(lode_snapshot_open_named(collection, "one", &snapshot, &error));
    lode_snapshot_close(snapshot);
    assert_ok(lode_snapshot_drop(collection, "one", &error));
    vfs_memory_set_hook(vfs, NULL, NULL);
    alarm(0);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_stay_what_they_are),
        cmocka_unit_test(files_go_with_the_last_pin),
        cmocka_unit_test(files_go_after_a_reopen_too),
        cmocka_unit_test(empty_and_refused_ones),
        cmocka_unit_test(a_damaged_one_is_contained),
        cmocka_unit_test(verify_sees_its_files),
        cmocka_unit_test(it_keeps_its_text_model),
        cmocka_unit_test(stats_do_not_wait_for_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
