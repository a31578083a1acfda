/* Backups and restores: what comes back is the pinned state, whatever is written meanwhile; what was not finished
 * is never taken for a backup or a database; and no damage goes unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/backup.h"
#include "engine/files.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};
static const lode_schema flat = {
    .dim = 3, .metric = LODE_METRIC_IP, .scalar = LODE_SCALAR_F16, .index = LODE_INDEX_FLAT};

/* A database with something of everything: sealed segments, dead rows, rows in memory, two collections, an
 * alias. */
struct fixture {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *points, *other;
    struct model points_model, other_model;
};

static void fixture_open(struct fixture *fixture)
{
    *fixture = (struct fixture){.vfs = vfs_memory_new()};
    fixture->db = engine_open(fixture->vfs, "db", NULL, 2048);
    fixture->points = engine_create(fixture->db, "points", schema);
    fixture->other = engine_create(fixture->db, "other", flat);
    model_init(&fixture->points_model, &schema);
    model_init(&fixture->other_model, &flat);
    model_write_range(&fixture->points_model, fixture->points, 0, 60, 10);
    assert_ok(lode_flush(fixture->points, NULL, &error));
    model_write_range(&fixture->points_model, fixture->points, 5, 7, ENGINE_NONE);
    model_write_range(&fixture->points_model, fixture->points, 50, 20, 500);
    model_write_range(&fixture->other_model, fixture->other, 0, 9, 70);
    assert_ok(lode_alias_set(fixture->db, "alias", "points", &error));
}

static void fixture_reopen(struct fixture *fixture)
{
    fixture->db = engine_open(fixture->vfs, "db", NULL, 2048);
    fixture->points = engine_collection(fixture->db, "points");
    fixture->other = engine_collection(fixture->db, "other");
}

static void fixture_close_db(struct fixture *fixture)
{
    lode_collection_close(fixture->points);
    lode_collection_close(fixture->other);
    engine_close(fixture->db);
    fixture->db = NULL;
}

static void fixture_close(struct fixture *fixture)
{
    if (fixture->db)
        fixture_close_db(fixture);
    vfs_memory_free(fixture->vfs);
}

static lode_status restore(struct vfs *vfs, const char *backup, const char *path,
                           const lode_restore_options *options, lode_restore_info *info)
{
    struct db_env env = {.vfs = vfs};
    lode_restore_options with = options ? *options : (lode_restore_options){0};
    with.key = key_kit_default();
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_status status = restore_database(backup, path, &with, &env, info, &error);
    executor_free(env.executor);
    return status;
}

/* What was restored is that. */
static void check_restored(struct vfs *vfs, const char *path, const struct model *points,
                           const struct model *other)
{
    engine_verify(vfs, path);
    lode_db *db = engine_open(vfs, path, NULL, 2048);
    lode_collection *collection = engine_collection(db, "alias");
    model_check_points(points, collection, NULL);
    model_check_search(points, collection, NULL, 7, 30, 1);
    lode_collection_close(collection);
    collection = engine_collection(db, "other");
    model_check_points(other, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, path);
}

static void check_fixture(struct fixture *fixture, const char *path)
{
    check_restored(fixture->vfs, path, &fixture->points_model, &fixture->other_model);
}

/* --- There and back ---------------------------------------------------------------------------- */

static void there_and_back(int one_file)
{
    struct fixture fixture;
    lode_backup_options options = {.one_file = one_file};
    lode_backup_info info;
    lode_restore_info restored;
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", &options, &info, &error));
    assert_int_equal(info.number, 1);
    assert_int_equal(info.collections, 2);
    assert_int_equal(info.new_files, info.files);
    assert_int_equal(info.new_bytes, info.bytes);
    assert_ok(backup_verify(fixture.vfs, "b", NULL, &error));
    struct model points = fixture.points_model;
    model_write_range(&fixture.points_model, fixture.points, 100, 30, 1); /* not in it */
    assert_ok(restore(fixture.vfs, "b", "r", NULL, &restored));
    assert_string_equal(restored.root, info.root);
    assert_int_equal(restored.collections, 2);
    assert_int_equal(restored.points, model_count(&points) + model_count(&fixture.other_model));
    assert_int_equal(restored.files, info.files);
    assert_true(restored.searches > 0);
    assert_true(restored.recall > 0.99);
    check_restored(fixture.vfs, "r", &points, &fixture.other_model);
    assert_int_equal(restore(fixture.vfs, "b", "r", NULL, NULL), LODE_EXISTS);
    assert_int_equal(restore(fixture.vfs, "b", "db", NULL, NULL), LODE_EXISTS);
    fixture_close(&fixture);
}

static void a_directory_there_and_back(void **state)
{
    (void)state;
    there_and_back(0);
}

static void one_file_there_and_back(void **state)
{
    (void)state;
    there_and_back(1);
}

static void an_empty_database_too(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_restore_info info;
    assert_ok(backup_database(db, "b", NULL, NULL, &error));
    lode_collection_close(engine_create(db, "points", schema)); /* without points */
    assert_ok(backup_database(db, "b", NULL, NULL, &error));
    assert_ok(restore(vfs, "b", "r1", &(lode_restore_options){.number = 1}, &info));
    assert_int_equal(info.collections, 0);
    assert_ok(restore(vfs, "b", "r2", NULL, &info));
    assert_int_equal(info.collections, 1);
    assert_int_equal(info.searches, 0);
    engine_verify(vfs, "r1");
    engine_verify(vfs, "r2");
    engine_close(db);
    vfs_memory_free(vfs);
}

static void one_collection_of_several(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_restore_options options = {.collection = "other"};
    lode_collection *collection;
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    lode_restore_info info;
    assert_ok(restore(fixture.vfs, "b", "r", &options, &info));
    assert_string_equal(info.root, ""); /* not all of it lies there */
    lode_db *db = engine_open(fixture.vfs, "r", NULL, 2048);
    assert_int_equal(lode_collection_open(db, "points", &collection, &error), LODE_NOT_FOUND);
    assert_int_equal(lode_collection_open(db, "alias", &collection, &error), LODE_NOT_FOUND);
    collection = engine_collection(db, "other");
    model_check_points(&fixture.other_model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
    options.collection = "alias"; /* is none */
    assert_int_equal(restore(fixture.vfs, "b", "r2", &options, NULL), LODE_NOT_FOUND);
    fixture_close(&fixture);
}

/* --- Beside writers ---------------------------------------------------------------------------- */

struct meddling {
    struct fixture *fixture;
    unsigned calls;
    unsigned stop_at; /* 0: never */
};

/* Between any two pieces of the backup: writes, deletes, flushes, merges. */
static int meddle(void *context, uint64_t done, uint64_t total)
{
    struct meddling *meddling = context;
    struct fixture *fixture = meddling->fixture;
    assert_true(done <= total);
    unsigned call = meddling->calls++;
    model_write_range(&fixture->points_model, fixture->points, call * 13 % 200, 11, (int)call * 10);
    model_write_range(&fixture->points_model, fixture->points, call * 7 % 100, 5, ENGINE_NONE);
    model_write_range(&fixture->other_model, fixture->other, call % 50, 3, (int)call);
    assert_ok(call % 2 ? lode_compact(fixture->points, NULL, &error)
                       : lode_flush(fixture->other, NULL, &error));
    return meddling->stop_at && meddling->calls == meddling->stop_at;
}

static void writes_during_a_backup_are_not_in_it(void **state)
{
    (void)state;
    for (int one_file = 0; one_file < 2; one_file++) {
        struct fixture fixture;
        struct meddling meddling = {.fixture = &fixture};
        lode_backup_options options = {
            .one_file = one_file, .progress = meddle, .context = &meddling};
        fixture_open(&fixture);
        for (unsigned i = 0; i < 4; i++) {
            char target[8], path[8];
            struct model points = fixture.points_model, other = fixture.other_model;
            snprintf(target, sizeof target, one_file ? "f%u" : "b", i);
            snprintf(path, sizeof path, "r%u", i);
            assert_ok(backup_database(fixture.db, target, &options, NULL, &error));
            assert_ok(backup_verify(fixture.vfs, target, NULL, &error));
            assert_ok(restore(fixture.vfs, target, path, NULL, NULL));
            check_restored(fixture.vfs, path, &points, &other);
        }
        assert_true(meddling.calls > 20);
        model_check_points(&fixture.points_model, fixture.points, NULL);
        fixture_close_db(&fixture);
        engine_verify(fixture.vfs, "db");
        fixture_close(&fixture);
    }
}

static size_t count_names(struct vfs *vfs, const char *dir)
{
    struct file_names names;
    assert_ok(file_names_list(vfs, dir, &names, &error));
    size_t count = names.count;
    file_names_release(&names);
    return count;
}

static void a_stopped_backup_is_none(void **state)
{
    (void)state;
    struct fixture fixture;
    struct meddling meddling = {.fixture = &fixture, .stop_at = 3};
    lode_backup_options options = {.progress = meddle, .context = &meddling};
    lode_backup_list *list;
    int exists;
    fixture_open(&fixture);
    assert_int_equal(backup_database(fixture.db, "b", &options, NULL, &error), LODE_CANCELLED);
    assert_ok(backup_list(fixture.vfs, "b", &list, &error));
    assert_int_equal(list->count, 0);
    lode_backup_list_free(list);
    assert_int_equal(restore(fixture.vfs, "b", "r", NULL, NULL), LODE_NOT_FOUND);
    meddling.calls = 0;
    options.one_file = 1;
    assert_int_equal(backup_database(fixture.db, "f", &options, NULL, &error), LODE_CANCELLED);
    assert_ok(vfs_exists(fixture.vfs, "f", &exists, &error));
    assert_int_equal(exists, 0);
    assert_ok(vfs_exists(fixture.vfs, "f.tmp", &exists, &error));
    assert_int_equal(exists, 0);
    /* What the first left is of use, or out of the way. */
    options = (lode_backup_options){0};
    assert_ok(backup_database(fixture.db, "b", &options, NULL, &error));
    assert_ok(restore(fixture.vfs, "b", "r", NULL, NULL));
    check_fixture(&fixture, "r");
    fixture_close(&fixture);
}

/* A segment gets its graph, and so a second object with the same files, and is merged away: all of it between
 * two pieces of a backup that shows it without. */
static int index_and_merge(void *context, uint64_t done, uint64_t total)
{
    lode_collection *collection = context;
    lode_id id = lode_id_number(5);
    (void)done;
    (void)total;
    assert_ok(lode_compact(collection, NULL, &error));
    assert_ok(lode_delete(collection, &id, 1, NULL, &error));
    assert_ok(lode_compact(collection, NULL, &error));
    return 0;
}

static void write_many(lode_collection *collection, size_t count)
{
    lode_point *points = calloc(count, sizeof *points);
    float(*vectors)[2] = calloc(count, sizeof *vectors);
    for (size_t i = 0; i < count; i++) {
        engine_vector((unsigned)i, 2, vectors[i]);
        points[i] = (lode_point){.id = lode_id_number(i), .vector = vectors[i]};
    }
    assert_ok(lode_upsert(collection, points, count, NULL, &error));
    free(points);
    free(vectors);
}

static void files_stay_although_a_graph_comes_and_goes(void **state)
{
    (void)state;
    static const lode_schema small = {.dim = 2, .m = 4, .ef_construction = 8};
    lode_db_options on_request = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", &on_request, 1 << 20);
    lode_collection *collection = engine_create(db, "points", small);
    lode_snapshot *snapshot;
    lode_restore_info info;
    write_many(collection, 4200);
    assert_ok(lode_flush(collection, NULL, &error));
    assert_ok(lode_snapshot_create(collection, "one", &error));
    lode_backup_options options = {.progress = index_and_merge, .context = collection};
    assert_ok(backup_database(db, "b", &options, NULL, &error));
    assert_ok(restore(vfs, "b", "r", NULL, &info));
    assert_int_equal(info.points, 4200);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    db = engine_open(vfs, "db", &on_request, 1 << 20);
    collection = engine_collection(db, "points");
    assert_ok(lode_snapshot_open_named(collection, "one", &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), 4200);
    lode_snapshot_close(snapshot);
    assert_ok(lode_snapshot_drop(collection, "one", &error));
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

/* What a crash left between naming a backup and cleaning up is a second name of it. */
static void leftovers_are_not_written_into(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_options one_file = {.one_file = 1};
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "f", &one_file, NULL, &error));
    assert_ok(vfs_make_dir(fixture.vfs, "f.tmp", &error));
    assert_ok(vfs_link(fixture.vfs, "f", "f.tmp/data", &error));
    assert_ok(vfs_rename(fixture.vfs, "f", "g", &error));
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(vfs_make_dir(fixture.vfs, "b/tmp", &error));
    assert_ok(vfs_link(fixture.vfs, "b/backup-1", "b/tmp/inventory", &error));
    struct model points = fixture.points_model;
    model_write_range(&fixture.points_model, fixture.points, 0, 9, 900);
    assert_ok(backup_database(fixture.db, "f", &one_file, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(restore(fixture.vfs, "g", "r1", NULL, NULL));
    check_restored(fixture.vfs, "r1", &points, &fixture.other_model);
    assert_ok(restore(fixture.vfs, "b", "r2", &(lode_restore_options){.number = 1}, NULL));
    check_restored(fixture.vfs, "r2", &points, &fixture.other_model);
    assert_ok(restore(fixture.vfs, "f", "r3", NULL, NULL));
    check_fixture(&fixture, "r3");
    fixture_close(&fixture);
}

/* --- Only what is new -------------------------------------------------------------------------- */

/* Counts what is read of files that never change, beyond header and footer. */
struct reads {
    char path[128];    /* read last */
    unsigned expected; /* header, trailer, footer; of an encrypted file its own header */
    unsigned of_path, counted;
};
static int count_reads(void *context, const char *operation, const char *path)
{
    struct reads *reads = context;
    if (strcmp(operation, "read") != 0 || strncmp(path, "db/", 3) != 0 || !strstr(path, "seg-"))
        return 0;
    if (strcmp(reads->path, path) != 0)
        reads->of_path = 0;
    snprintf(reads->path, sizeof reads->path, "%s", path);
    reads->counted += ++reads->of_path > reads->expected;
    return 0;
}

static void the_next_takes_what_is_new(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_info first, second, third;
    int is_encrypted = key_kit_default() != NULL;
    struct reads reads = {.expected = is_encrypted ? 4 : 3};
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.points, NULL, &error));
    assert_ok(lode_flush(fixture.other, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", NULL, &first, &error));
    vfs_memory_set_fault(fixture.vfs, count_reads, &reads);
    assert_ok(backup_database(fixture.db, "b", NULL, &second, &error));
    vfs_memory_set_fault(fixture.vfs, NULL, NULL);
    assert_int_equal(reads.counted, 0);
    assert_int_equal(second.number, 2);
    assert_int_equal(second.files, first.files);
    if (is_encrypted) { /* small files are encrypted anew each time */
        assert_true(second.new_files < first.files / 2);
        fixture_close(&fixture);
        return;
    }
    assert_int_equal(second.new_files, 0);
    assert_string_equal(second.root, first.root);
    size_t objects = count_names(fixture.vfs, "b/objects");
    model_write_range(&fixture.points_model, fixture.points, 0, 1, ENGINE_NONE);
    assert_ok(backup_database(fixture.db, "b", NULL, &third, &error));
    assert_string_not_equal(third.root, first.root);
    assert_int_equal(third.new_files, 2); /* a live set and the manifest */
    assert_int_equal(count_names(fixture.vfs, "b/objects"), objects + 2);
    assert_ok(backup_verify(fixture.vfs, "b", NULL, &error));
    assert_ok(restore(fixture.vfs, "b", "r", NULL, NULL));
    check_fixture(&fixture, "r");
    fixture_close(&fixture);
}

static void files_with_bases_make_a_chain(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_info info[3];
    static const char *const names[] = {"f0", "f1", "f2"};
    static const char *const bases[] = {"f1", "f0"};
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.other, NULL, &error)); /* in the first alone */
    for (unsigned i = 0; i < 3; i++) {
        lode_backup_options options = {.one_file = 1, .base = i ? names[i - 1] : NULL};
        model_write_range(&fixture.points_model, fixture.points, i * 50, 70, 3);
        assert_ok(lode_flush(fixture.points, NULL, &error));
        assert_ok(backup_database(fixture.db, names[i], &options, &info[i], &error));
        assert_ok(backup_verify(fixture.vfs, names[i], NULL, &error));
    }
    assert_true(info[2].new_bytes < info[2].bytes);
    assert_int_equal(restore(fixture.vfs, "f2", "r", NULL, NULL), LODE_INVALID);
    assert_non_null(strstr(error.message, info[1].root));
    lode_restore_options options = {.bases = bases, .base_count = 1};
    assert_int_equal(restore(fixture.vfs, "f2", "r", &options, NULL), LODE_INVALID);
    options.base_count = 2;
    assert_ok(restore(fixture.vfs, "f2", "r", &options, NULL));
    check_fixture(&fixture, "r");
    fixture_close(&fixture);
}

/* --- Damage ------------------------------------------------------------------------------------ */

struct found {
    unsigned count;
    char file[128];
    char problem[512];
};

static void keep_finding(void *context, const lode_verify_finding *finding)
{
    struct found *found = context;
    found->count++;
    snprintf(found->file, sizeof found->file, "%s", finding->file);
    snprintf(found->problem, sizeof found->problem, "%s", finding->problem);
}

static lode_status verify(struct vfs *vfs, const char *path, struct found *found)
{
    *found = (struct found){0};
    lode_verify_options options = {
        .report = keep_finding, .context = found, .key = key_kit_default()};
    return backup_verify(vfs, path, &options, &error);
}

static void flip(struct vfs *vfs, const char *path, uint64_t offset)
{
    kit_flip(vfs, path, offset * 8 + 4);
}

/* Each content in turn: a bit flipped, a byte short, gone. Nothing damaged is restored. */
static void each_damaged_content_is_named(void **state)
{
    (void)state;
    struct fixture fixture;
    struct file_names names;
    struct found found;
    unsigned restored = 0;
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(file_names_list(fixture.vfs, "b/objects", &names, &error));
    assert_true(names.count > 8);
    for (size_t i = 0; i < names.count; i++) {
        char path[128], away[128], target[16];
        snprintf(path, sizeof path, "b/objects/%s", names.names[i]);
        flip(fixture.vfs, path, vfs_size_at(fixture.vfs, path) / 2);
        assert_int_equal(verify(fixture.vfs, "b", &found), LODE_CORRUPT);
        assert_int_equal(found.count, 1);
        assert_string_equal(found.file, path + 2);
        assert_non_null(strstr(found.problem, "of backup 1"));
        assert_non_null(strstr(found.problem, "lost are, in it: "));
        snprintf(target, sizeof target, "r%u", restored++);
        assert_int_equal(restore(fixture.vfs, "b", target, NULL, NULL), LODE_CORRUPT);
        flip(fixture.vfs, path, vfs_size_at(fixture.vfs, path) / 2);
        snprintf(away, sizeof away, "b/tmp-%zu", i);
        assert_ok(vfs_rename(fixture.vfs, path, away, &error));
        assert_int_equal(verify(fixture.vfs, "b", &found), LODE_CORRUPT);
        assert_non_null(strstr(found.problem, "missing"));
        snprintf(target, sizeof target, "r%u", restored++);
        assert_int_equal(restore(fixture.vfs, "b", target, NULL, NULL), LODE_CORRUPT);
        int exists;
        assert_ok(vfs_exists(fixture.vfs, target, &exists, &error));
        assert_int_equal(exists, 0); /* seen before anything was written */
        assert_ok(vfs_rename(fixture.vfs, away, path, &error));
    }
    file_names_release(&names);
    assert_ok(verify(fixture.vfs, "b", &found));
    fixture_close(&fixture);
}

/* Every byte of one file is under some checksum or hash. */
static void each_damaged_byte_of_one_file_is_seen(void **state)
{
    (void)state;
    struct fixture fixture;
    struct found found;
    fixture_open(&fixture);
    lode_backup_options options = {.one_file = 1};
    assert_ok(backup_database(fixture.db, "f", &options, NULL, &error));
    uint64_t size = vfs_size_at(fixture.vfs, "f"), unseen = 0;
    uint64_t stride = getenv("LODE_SANITIZE") && *getenv("LODE_SANITIZE") ? 97 : 13;
    for (uint64_t at = 0; at < size; at += stride) {
        flip(fixture.vfs, "f", at);
        lode_status status = verify(fixture.vfs, "f", &found);
        if (status == LODE_OK)
            unseen++; /* zeros between contents */
        else
            assert_true(status == LODE_CORRUPT || status == LODE_INVALID);
        flip(fixture.vfs, "f", at);
    }
    assert_true(unseen * stride < 64 * 40);
    assert_ok(verify(fixture.vfs, "f", &found));
    fixture_close(&fixture);
}

static void a_file_cut_off_is_no_backup(void **state)
{
    (void)state;
    struct fixture fixture;
    struct found found;
    struct vfs_file *file;
    fixture_open(&fixture);
    lode_backup_options options = {.one_file = 1};
    assert_ok(backup_database(fixture.db, "f", &options, NULL, &error));
    for (uint64_t size = vfs_size_at(fixture.vfs, "f"); size > 0; size -= size / 7 + 1) {
        assert_ok(vfs_open(fixture.vfs, "f", VFS_WRITE, &file, &error));
        assert_ok(vfs_truncate(file, size - 1, &error));
        vfs_close(file);
        lode_status status = verify(fixture.vfs, "f", &found);
        assert_true(status == LODE_CORRUPT || (size < 10 && status == LODE_INVALID));
        status = restore(fixture.vfs, "f", "r", NULL, NULL);
        assert_true(status == LODE_CORRUPT || (size < 10 && status == LODE_INVALID));
    }
    fixture_close(&fixture);
}

static void a_damaged_inventory_loses_its_backup_only(void **state)
{
    (void)state;
    struct fixture fixture;
    struct found found;
    lode_backup_list *list;
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    struct model points = fixture.points_model;
    model_write_range(&fixture.points_model, fixture.points, 0, 5, 900);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    flip(fixture.vfs, "b/backup-2", 150);
    assert_int_equal(verify(fixture.vfs, "b", &found), LODE_CORRUPT);
    assert_string_equal(found.file, "backup-2");
    assert_ok(backup_list(fixture.vfs, "b", &list, &error));
    assert_int_equal(list->count, 2);
    assert_int_equal(list->backups[0].damaged, 0);
    assert_int_equal(list->backups[1].damaged, 1);
    lode_backup_list_free(list);
    assert_int_equal(restore(fixture.vfs, "b", "r", NULL, NULL), LODE_CORRUPT);
    assert_ok(restore(fixture.vfs, "b", "r1", &(lode_restore_options){.number = 1}, NULL));
    check_restored(fixture.vfs, "r1", &points, &fixture.other_model);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error)); /* 3 */
    assert_ok(restore(fixture.vfs, "b", "r3", NULL, NULL));
    check_fixture(&fixture, "r3");
    fixture_close(&fixture);
}

/* A damaged file of the database is not backed up as if it were sound. */
static void damage_of_the_database_is_named(void **state)
{
    (void)state;
    struct fixture fixture;
    struct file_names dirs;
    char path[128] = "";
    int exists = 0;
    fixture_open(&fixture);
    assert_ok(lode_compact(fixture.points, NULL, &error));
    fixture_close_db(&fixture);
    assert_ok(file_names_list(fixture.vfs, "db", &dirs, &error));
    for (size_t i = 0; i < dirs.count; i++)
        for (unsigned n = 0; n < 30 && !exists && strncmp(dirs.names[i], "c-", 2) == 0; n++) {
            snprintf(path, sizeof path, "db/%s/seg-%u.docs", dirs.names[i], n);
            assert_ok(vfs_exists(fixture.vfs, path, &exists, &error));
        }
    file_names_release(&dirs);
    flip(fixture.vfs, path, 100);
    fixture_reopen(&fixture);
    assert_int_equal(backup_database(fixture.db, "b", NULL, NULL, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, ".docs"));
    fixture_close(&fixture);
}

/* --- Crashes ----------------------------------------------------------------------------------- */

struct fate {
    uint64_t left; /* changes until everything fails */
    int crashed;
    int one_only; /* that one fails, and no more */
    int fail_errno;
};

static int decide(void *context, const char *operation, const char *path)
{
    static const char *const changes[] = {"write", "truncate", "sync",     "remove",    "rename",
                                          "link",  "make_dir", "dir_sync", "remove_dir"};
    struct fate *fate = context;
    (void)path;
    if (fate->crashed)
        return fate->one_only ? 0 : EIO;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (strcmp(operation, changes[i]) == 0 && --fate->left == 0) {
            fate->crashed = 1;
            return fate->fail_errno;
        }
    return 0;
}

static void after_crash(struct fixture *fixture, uint64_t seed)
{
    vfs_memory_set_fault(fixture->vfs, NULL, NULL);
    if (seed % 4 == 0)
        vfs_memory_crash(fixture->vfs);
    else if (seed % 4 == 1)
        vfs_memory_kill(fixture->vfs);
    else
        vfs_memory_crash_random(fixture->vfs, seed);
}

/* The backup before is there and sound; this one is there and sound, or not there; the next works. */
static int crash_in_backup(uint64_t change, uint64_t seed, int one_file)
{
    struct fixture fixture;
    lode_backup_list *list;
    lode_backup_options options = {.one_file = one_file, .base = one_file ? "b" : NULL};
    const char *target = one_file ? "f" : "b";
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    struct model points = fixture.points_model;
    model_write_range(&fixture.points_model, fixture.points, 0, 40, 900);
    struct fate fate = {.left = change, .fail_errno = EIO};
    vfs_memory_set_fault(fixture.vfs, decide, &fate);
    lode_status status = backup_database(fixture.db, target, &options, NULL, &error);
    assert_true(status == LODE_OK || fate.crashed);
    lode_collection_close(fixture.points);
    lode_collection_close(fixture.other);
    engine_close(fixture.db);
    after_crash(&fixture, seed);
    assert_ok(backup_verify(fixture.vfs, "b", NULL, &error));
    assert_ok(backup_list(fixture.vfs, "b", &list, &error));
    assert_in_range(list->count, 1, one_file ? 1 : 2);
    if (status == LODE_OK && !one_file)
        assert_int_equal(list->count, 2);
    size_t count = list->count;
    lode_backup_list_free(list);
    assert_ok(restore(fixture.vfs, "b", "r", NULL, NULL));
    check_restored(fixture.vfs, "r", count == 2 ? &fixture.points_model : &points,
                   &fixture.other_model);
    int exists;
    assert_ok(vfs_exists(fixture.vfs, "f", &exists, &error));
    assert_true(exists || !one_file || status != LODE_OK);
    if (exists)
        assert_ok(backup_verify(fixture.vfs, "f", NULL, &error));
    fixture_reopen(&fixture);
    if (!exists)
        assert_ok(backup_database(fixture.db, target, &options, NULL, &error));
    static const char *const bases[] = {"b"};
    lode_restore_options with_base = {.bases = bases, .base_count = (size_t)one_file};
    assert_ok(restore(fixture.vfs, target, "r2", &with_base, NULL));
    check_fixture(&fixture, "r2");
    fixture_close(&fixture);
    return fate.crashed;
}

/* The very first, into a directory that is not there: there and sound, or none; the next works. */
static int crash_in_first_backup(uint64_t change, uint64_t seed)
{
    struct fixture fixture;
    struct fate fate = {.left = change, .fail_errno = EIO};
    fixture_open(&fixture);
    vfs_memory_set_fault(fixture.vfs, decide, &fate);
    lode_status status = backup_database(fixture.db, "b", NULL, NULL, &error);
    assert_true(status == LODE_OK || fate.crashed);
    lode_collection_close(fixture.points);
    lode_collection_close(fixture.other);
    engine_close(fixture.db);
    after_crash(&fixture, seed);
    lode_status found = restore(fixture.vfs, "b", "r", NULL, NULL);
    if (found == LODE_OK)
        check_fixture(&fixture, "r");
    else
        assert_true(status && (found == LODE_NOT_FOUND || found == LODE_INVALID));
    fixture_reopen(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(backup_verify(fixture.vfs, "b", NULL, &error));
    assert_ok(restore(fixture.vfs, "b", "r2", NULL, NULL));
    check_fixture(&fixture, "r2");
    fixture_close(&fixture);
    return fate.crashed;
}

static void a_crash_at_every_change_of_the_first_backup(void **state)
{
    (void)state;
    uint64_t change = 1;
    for (; crash_in_first_backup(change, random_mix(change)); change++)
        for (uint64_t i = 0; i < 8 && change < 12; i++)
            (void)crash_in_first_backup(change, 2 + i * 4);
    assert_true(change > 15);
    print_message("%llu changes\n", (unsigned long long)change - 1);
}

static void a_crash_at_every_change_of_a_backup(void **state)
{
    (void)state;
    for (int one_file = 0; one_file < 2; one_file++) {
        uint64_t change = 1;
        while (crash_in_backup(change, random_mix(change), one_file))
            change++;
        assert_true(change > 15);
        print_message("%llu changes\n", (unsigned long long)change - 1);
    }
}

/* The target is not opened before it is whole. */
static int crash_in_restore(uint64_t change, uint64_t seed)
{
    struct fixture fixture;
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    struct fate fate = {.left = change, .fail_errno = EIO};
    vfs_memory_set_fault(fixture.vfs, decide, &fate);
    lode_status status = restore(fixture.vfs, "b", "r", NULL, NULL);
    assert_true(status == LODE_OK || fate.crashed);
    lode_collection_close(fixture.points);
    lode_collection_close(fixture.other);
    engine_close(fixture.db);
    fixture.db = NULL;
    after_crash(&fixture, seed);
    struct db_env env = {.vfs = fixture.vfs};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_db *db = NULL;
    lode_db_options options = {.must_exist = 1, .key = key_kit_default()};
    lode_status opened = db_open("r", &options, &env, &db, &error);
    lode_db_close(db);
    executor_free(env.executor);
    if (status == LODE_OK)
        assert_ok(opened);
    if (opened)
        assert_true(opened == LODE_CORRUPT || opened == LODE_NOT_FOUND);
    else
        check_fixture(&fixture, "r");
    if (opened == LODE_CORRUPT)
        assert_non_null(strstr(error.message, "restore again"));
    fixture_close(&fixture);
    return fate.crashed;
}

static void a_crash_at_every_change_of_a_restore(void **state)
{
    (void)state;
    uint64_t change = 1;
    for (; crash_in_restore(change, random_mix(change)); change++)
        for (uint64_t i = 1; i < 3; i++)
            (void)crash_in_restore(change, random_mix(change * 7 + i));
    assert_true(change > 30);
    print_message("%llu changes\n", (unsigned long long)change - 1);
}

/* One operation fails; what it was part of says so, or does without; the next attempt succeeds. */
static int fail_in_backup(uint64_t change, int fail_errno)
{
    struct fixture fixture;
    fixture_open(&fixture);
    struct fate fate = {.left = change, .one_only = 1, .fail_errno = fail_errno};
    vfs_memory_set_fault(fixture.vfs, decide, &fate);
    lode_status status = backup_database(fixture.db, "b", NULL, NULL, &error);
    vfs_memory_set_fault(fixture.vfs, NULL, NULL);
    int failed = fate.crashed;
    if (status)
        assert_true(failed && error.os_errno != 0);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(backup_verify(fixture.vfs, "b", NULL, &error));
    fate = (struct fate){.left = change, .one_only = 1, .fail_errno = fail_errno};
    vfs_memory_set_fault(fixture.vfs, decide, &fate);
    status = restore(fixture.vfs, "b", "r", NULL, NULL);
    vfs_memory_set_fault(fixture.vfs, NULL, NULL);
    assert_ok(restore(fixture.vfs, "b", status ? "r2" : "r3", NULL, NULL));
    check_fixture(&fixture, status ? "r2" : "r");
    fixture_close(&fixture);
    return failed || fate.crashed;
}

static void an_operation_fails(void **state)
{
    (void)state;
    uint64_t change = 1;
    while (fail_in_backup(change, change % 2 ? EIO : ENOSPC))
        change++;
    for (uint64_t again = 1; again < change; again += 3)
        (void)fail_in_backup(again, -EIO);
    print_message("%llu changes\n", (unsigned long long)change - 1);
}

/* --- Refusals ---------------------------------------------------------------------------------- */

static void what_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_list *list;
    struct found found;
    fixture_open(&fixture);
    assert_int_equal(backup_database(fixture.db, "db", NULL, NULL, &error), LODE_BUSY);
    assert_ok(vfs_make_dir(fixture.vfs, "full", &error));
    kit_write(fixture.vfs, "full/x", "x", 1);
    assert_int_equal(backup_database(fixture.db, "full", NULL, NULL, &error), LODE_INVALID);
    lode_backup_options one = {.one_file = 1}, based = {.base = "b"};
    assert_int_equal(backup_database(fixture.db, "full", &one, NULL, &error), LODE_EXISTS);
    assert_int_equal(backup_database(fixture.db, "b", &based, NULL, &error), LODE_INVALID);
    based.one_file = 1;
    assert_int_equal(backup_database(fixture.db, "f", &based, NULL, &error), LODE_NOT_FOUND);
    assert_int_equal(restore(fixture.vfs, "none", "r", NULL, NULL), LODE_NOT_FOUND);
    assert_int_equal(restore(fixture.vfs, "full", "r", NULL, NULL), LODE_INVALID);
    assert_int_equal(restore(fixture.vfs, "full/x", "r", NULL, NULL), LODE_INVALID);
    assert_int_equal(verify(fixture.vfs, "db", &found), LODE_INVALID);
    assert_int_equal(backup_list(fixture.vfs, "db", &list, &error), LODE_INVALID);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_int_equal(restore(fixture.vfs, "b", "r", &(lode_restore_options){.number = 7}, NULL),
                     LODE_NOT_FOUND);
    assert_int_equal(
        restore(fixture.vfs, "b", "r", &(lode_restore_options){.collection = "no"}, NULL),
        LODE_NOT_FOUND);
    assert_int_equal(restore(fixture.vfs, "b", "full", NULL, NULL), LODE_EXISTS);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_there_and_back),
        cmocka_unit_test(one_file_there_and_back),
        cmocka_unit_test(an_empty_database_too),
        cmocka_unit_test(one_collection_of_several),
        cmocka_unit_test(writes_during_a_backup_are_not_in_it),
        cmocka_unit_test(a_stopped_backup_is_none),
        cmocka_unit_test(files_stay_although_a_graph_comes_and_goes),
        cmocka_unit_test(leftovers_are_not_written_into),
        cmocka_unit_test(the_next_takes_what_is_new),
        cmocka_unit_test(files_with_bases_make_a_chain),
        cmocka_unit_test(each_damaged_content_is_named),
        cmocka_unit_test(each_damaged_byte_of_one_file_is_seen),
        cmocka_unit_test(a_file_cut_off_is_no_backup),
        cmocka_unit_test(a_damaged_inventory_loses_its_backup_only),
        cmocka_unit_test(damage_of_the_database_is_named),
        cmocka_unit_test(a_crash_at_every_change_of_the_first_backup),
        cmocka_unit_test(a_crash_at_every_change_of_a_backup),
        cmocka_unit_test(a_crash_at_every_change_of_a_restore),
        cmocka_unit_test(an_operation_fails),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
