/* Where backups are put: somebody else's files stay, a directory that a crash left half made is completed, damage
 * heals, and the backups of one database do not mix with those of another. */
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
#include "engine/files.h"
#include "storage/backup_format.h"
#include "storage/backup_reader.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};

struct fixture {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model model;
};

static void write_points(struct fixture *fixture, unsigned first, unsigned count)
{
    for (unsigned id = first; id < first + count; id++) {
        struct model_op op = {.id = id, .value = (int)id * 3};
        assert_ok(model_write(&fixture->model, fixture->collection, &op, 1, &error));
    }
}

static void fixture_open(struct fixture *fixture)
{
    *fixture = (struct fixture){.vfs = vfs_memory_new()};
    fixture->db = engine_open(fixture->vfs, "db", NULL, 2048);
    fixture->collection = engine_create(fixture->db, "points", schema);
    model_init(&fixture->model, &schema);
    write_points(fixture, 0, 60);
}

static void fixture_close(struct fixture *fixture)
{
    lode_collection_close(fixture->collection);
    engine_close(fixture->db);
    vfs_memory_free(fixture->vfs);
}

static lode_status restore(struct fixture *fixture, const char *backup, const char *path)
{
    struct db_env env = {.vfs = fixture->vfs};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_restore_options options = {.key = key_kit_default()};
    lode_status status = restore_database(backup, path, &options, &env, NULL, &error);
    executor_free(env.executor);
    return status;
}

static uint64_t size_of(struct vfs *vfs, const char *path)
{
    size_t size;
    free(kit_read(vfs, path, &size));
    return size;
}

/* Of an encrypted database small files (keys, catalog, manifest, live set) are new in each backup. */
static size_t small_files(void)
{
    return key_kit_default() ? 4 : 0;
}

/* The newest backup is sound; and so are those before, unless a damaged file of theirs was one of these. */
static void check_newest(struct fixture *fixture, const char *backup, const char *path)
{
    lode_verify_options options = {.key = key_kit_default()};
    if (small_files() == 0)
        assert_ok(backup_verify(fixture->vfs, backup, &options, &error));
    assert_ok(restore(fixture, backup, path));
}

/* Nobody else's files are removed, wherever they lie. */
static void foreign_files_stay(void **state)
{
    (void)state;
    static const char *const foreign[] = {"f.tmp/letter", "b/tmp/letter", "e/tmp/letter",
                                          "o/objects/letter"};
    static const char *const targets[] = {"f", "b", "e", "o"};
    struct fixture fixture;
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    static const char *const dirs[] = {"f.tmp", "b/tmp", "e", "e/tmp", "o", "o/objects"};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
        assert_ok(vfs_make_dir(fixture.vfs, dirs[i], &error));
    kit_write(fixture.vfs, "f.tmp/data", "x", 1);
    kit_write(fixture.vfs, "b/tmp/object", "x", 1);
    for (size_t i = 0; i < 4; i++) {
        lode_backup_options options = {.one_file = i == 0};
        kit_write(fixture.vfs, foreign[i], "x", 1);
        assert_int_equal(backup_database(fixture.db, targets[i], &options, NULL, &error),
                         LODE_INVALID);
        if (i < 2)
            assert_non_null(strstr(error.message, "letter"));
        assert_true(kit_exists(fixture.vfs, foreign[i]));
    }
    assert_true(kit_exists(fixture.vfs, "f.tmp/data"));
    assert_true(kit_exists(fixture.vfs, "b/tmp/object"));
    assert_ok(vfs_remove(fixture.vfs, "b/tmp/letter", &error));
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    fixture_close(&fixture);
}

static void the_mark_is_read(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_list *list;
    fixture_open(&fixture);
    for (size_t size = 0; size <= 23;
         size++) { /* 23: the mark is whole, but `objects` is missing */
        char dir[8], mark[32];
        snprintf(dir, sizeof dir, "m%zu", size);
        snprintf(mark, sizeof mark, "%s/lode-backups", dir);
        assert_ok(vfs_make_dir(fixture.vfs, dir, &error));
        kit_write(fixture.vfs, mark, "Lode backups, format 1\n", size);
        assert_ok(backup_database(fixture.db, dir, NULL, NULL, &error));
        size_t whole;
        free(kit_read(fixture.vfs, mark, &whole));
        assert_int_equal(whole, 23);
    }
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    kit_write(fixture.vfs, "b/lode-backups", "Lode backups, format 2, of some later day\n", 42);
    assert_int_equal(backup_database(fixture.db, "b", NULL, NULL, &error), LODE_VERSION);
    assert_int_equal(backup_list(fixture.vfs, "b", &list, &error), LODE_VERSION);
    assert_int_equal(restore(&fixture, "b", "r"), LODE_VERSION);
    kit_write(fixture.vfs, "b/lode-backups", "shopping list", 13);
    assert_int_equal(backup_database(fixture.db, "b", NULL, NULL, &error), LODE_CORRUPT);
    assert_ok(restore(&fixture, "b", "r"));
    fixture_close(&fixture);
}

/* What a later backup reads of the database anyway, and what it finds to be of another size, it writes anew. */
static void a_later_backup_heals_contents(void **state)
{
    (void)state;
    struct fixture fixture;
    struct file_names names;
    struct vfs_file *file;
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.collection, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(file_names_list(fixture.vfs, "b/objects", &names, &error));
    for (size_t i = 0; i < names.count; i++) {
        char path[128];
        snprintf(path, sizeof path, "b/objects/%s", names.names[i]);
        assert_ok(vfs_open(fixture.vfs, path, VFS_WRITE, &file, &error));
        assert_ok(vfs_truncate(file, i % 2 ? 0 : size_of(fixture.vfs, path) - 1, &error));
        vfs_close(file);
    }
    assert_int_equal(backup_verify(fixture.vfs, "b", NULL, &error), LODE_CORRUPT);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    check_newest(&fixture, "b", "r1");
    struct backup *backup;
    struct inventory inventory;
    assert_ok(backup_open(fixture.vfs, "b", &backup, &error));
    assert_ok(backup_inventory(backup, 0, &inventory, &error));
    for (size_t i = 0; i < inventory.file_count; i++) {
        char path[PATH_SIZE_MAX];
        if (inventory.files[i].name.kind != NAME_MANIFEST)
            continue;
        assert_ok(backup_object_path(path, "b", inventory.files[i].hash, &error));
        kit_flip(fixture.vfs, path, 800);
    }
    inventory_release(&inventory);
    backup_close(backup);
    assert_int_equal(backup_verify(fixture.vfs, "b", NULL, &error), LODE_CORRUPT);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    check_newest(&fixture, "b", "r2");
    file_names_release(&names);
    fixture_close(&fixture);
}

static void flip_objects(struct vfs *vfs, const char *dir)
{
    struct file_names names;
    char objects[64];
    snprintf(objects, sizeof objects, "%s/objects", dir);
    assert_ok(file_names_list(vfs, objects, &names, &error));
    for (size_t i = 0; i < names.count; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", objects, names.names[i]);
        kit_flip(vfs, path, 8 * (size_of(vfs, path) / 2));
    }
    file_names_release(&names);
}

/* A bit that flipped in what is neither read nor of another size: found when that is asked for. */
static void damage_heals_when_asked(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_options verify = {.verify = 1};
    lode_backup_info info;
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.collection, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", &verify, &info, &error));
    assert_int_equal(info.healed_files, 0);
    assert_int_equal(info.new_files, info.files);
    flip_objects(fixture.vfs, "b");
    assert_int_equal(backup_verify(fixture.vfs, "b", NULL, &error), LODE_CORRUPT);
    assert_ok(backup_database(fixture.db, "b", NULL, &info, &error));
    assert_int_equal(backup_verify(fixture.vfs, "b", NULL, &error), LODE_CORRUPT);
    assert_ok(backup_database(fixture.db, "b", &verify, &info, &error));
    assert_true(info.healed_files > 0);
    assert_true(info.new_files <= info.healed_files + small_files());
    check_newest(&fixture, "b", "r1");
    assert_ok(backup_database(fixture.db, "b", &verify, &info, &error));
    assert_true(info.new_files <= small_files() && info.healed_files == 0);
    assert_ok(restore(&fixture, "b", "r2"));
    fixture_close(&fixture);
}

/* Something else under the name of an object: a file takes its place, and it is kept. */
static void a_directory_is_moved_aside(void **state)
{
    (void)state;
    struct fixture fixture;
    struct file_names names;
    lode_backup_info info;
    char path[160], inside[192], aside[192];
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.collection, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(file_names_list(fixture.vfs, "b/objects", &names, &error));
    for (size_t i = 0; i < names.count; i++) {
        snprintf(path, sizeof path, "b/objects/%s", names.names[i]);
        snprintf(inside, sizeof inside, "%s/letter", path);
        assert_ok(vfs_remove(fixture.vfs, path, &error));
        assert_ok(vfs_make_dir(fixture.vfs, path, &error));
        kit_write(fixture.vfs, inside, "x", 1);
    }
    assert_ok(backup_database(fixture.db, "b", NULL, &info, &error));
    assert_true(info.healed_files > 0);
    assert_ok(restore(&fixture, "b", "r"));
    snprintf(aside, sizeof aside, "%s.damaged/letter", path);
    assert_true(kit_exists(fixture.vfs, aside) || kit_exists(fixture.vfs, inside));
    file_names_release(&names);
    fixture_close(&fixture);
}

static int no_objects(void *context, const char *operation, const char *path)
{
    (void)context;
    return strcmp(operation, "open") == 0 && strstr(path, "b/objects/") ? EACCES : 0;
}

static void what_cannot_be_opened_is_damaged(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_info info;
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.collection, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    vfs_memory_set_fault(fixture.vfs, no_objects, NULL);
    assert_ok(backup_database(fixture.db, "b", NULL, &info, &error));
    vfs_memory_set_fault(fixture.vfs, NULL, NULL);
    assert_true(info.healed_files > 0 && info.healed_files == info.new_files);
    fixture_close(&fixture);
}

/* What is damaged in its base goes into the file, if it is asked for; what is missing there does anyway. */
static void a_file_leaves_out_what_its_base_has(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_options file = {.one_file = 1, .base = "b"};
    lode_backup_info info, whole;
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.collection, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", NULL, &whole, &error));
    assert_ok(backup_database(fixture.db, "f0", &file, &info, &error));
    assert_true(info.new_files <= small_files());
    flip_objects(fixture.vfs, "b");
    file.verify = 1;
    assert_ok(backup_database(fixture.db, "f1", &file, &info, &error));
    assert_int_equal(info.new_files, whole.files);
    assert_true(info.healed_files > 0);
    assert_ok(restore(&fixture, "f1", "r1"));
    fixture_close(&fixture);
}

static lode_status restore_with(struct fixture *fixture, const char *backup, const char *base,
                                const char *path)
{
    struct db_env env = {.vfs = fixture->vfs};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_restore_options options = {.key = key_kit_default(), .bases = &base, .base_count = 1};
    lode_status status = restore_database(backup, path, &options, &env, NULL, &error);
    executor_free(env.executor);
    return status;
}

static void copy_files(struct vfs *vfs, const char *from, const char *to)
{
    struct file_names names;
    assert_ok(vfs_make_dir(vfs, to, &error));
    assert_ok(file_names_list(vfs, from, &names, &error));
    for (size_t i = 0; i < names.count; i++) {
        char path[160], copy[160];
        size_t size;
        if (strcmp(names.names[i], "objects") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", from, names.names[i]);
        snprintf(copy, sizeof copy, "%s/%s", to, names.names[i]);
        uint8_t *bytes = kit_read(vfs, path, &size);
        kit_write(vfs, copy, bytes, size);
        free(bytes);
    }
    file_names_release(&names);
}

/* Contents are looked for in all places until one is sound. */
static void a_restore_takes_the_sound_content(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture);
    assert_ok(lode_flush(fixture.collection, NULL, &error));
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    copy_files(fixture.vfs, "b", "other");
    copy_files(fixture.vfs, "b/objects", "other/objects");
    flip_objects(fixture.vfs, "b");
    assert_int_equal(restore(&fixture, "b", "r1"), LODE_CORRUPT);
    assert_ok(restore_with(&fixture, "b", "other", "r2"));
    assert_ok(restore_with(&fixture, "other", "b", "r3"));
    flip_objects(fixture.vfs, "other");
    assert_int_equal(restore_with(&fixture, "b", "other", "r4"), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "not what was backed up"));
    lode_db *restored = engine_open(fixture.vfs, "r2", NULL, 2048);
    lode_collection *collection = engine_collection(restored, "points");
    model_check_points(&fixture.model, collection, NULL);
    lode_collection_close(collection);
    engine_close(restored);
    fixture_close(&fixture);
}

/* What a restored database writes has numbers that its past used for something else. */
static void histories_do_not_mix(void **state)
{
    (void)state;
    struct fixture fixture;
    lode_backup_options full = {.one_file = 1}, with_base = {.one_file = 1, .base = "b"};
    fixture_open(&fixture);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(backup_database(fixture.db, "f", &full, NULL, &error));
    write_points(&fixture, 100, 5);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    assert_ok(restore(&fixture, "b", "r"));
    lode_db *restored = engine_open(fixture.vfs, "r", NULL, 2048);
    assert_int_equal(backup_database(restored, "b", NULL, NULL, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "restored since"));
    assert_int_equal(backup_database(restored, "g", &with_base, NULL, &error), LODE_INVALID);
    with_base.base = "f";
    assert_int_equal(backup_database(restored, "g", &with_base, NULL, &error), LODE_INVALID);
    assert_ok(backup_database(restored, "new", NULL, NULL, &error));
    engine_close(restored);
    restored = engine_open(fixture.vfs, "r", NULL, 2048); /* it stays the same */
    assert_ok(backup_database(restored, "new", NULL, NULL, &error));
    engine_close(restored);
    assert_ok(backup_database(fixture.db, "b", NULL, NULL, &error));
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_files_stay),
        cmocka_unit_test(histories_do_not_mix),
        cmocka_unit_test(the_mark_is_read),
        cmocka_unit_test(a_later_backup_heals_contents),
        cmocka_unit_test(damage_heals_when_asked),
        cmocka_unit_test(a_directory_is_moved_aside),
        cmocka_unit_test(what_cannot_be_opened_is_damaged),
        cmocka_unit_test(a_file_leaves_out_what_its_base_has),
        cmocka_unit_test(a_restore_takes_the_sound_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
