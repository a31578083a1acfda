/* Databases: directories, the lock, names, aliases, dropping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/collection.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};

static void a_directory_is_made_once(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct db_env env = {.vfs = vfs};
    lode_db *db;
    lode_db_options options = {.must_exist = 1};
    assert_status(db_open("db", &options, &env, &db, &error), LODE_NOT_FOUND);
    assert_false(kit_exists(vfs, "db"));
    engine_close(engine_open(vfs, "db", NULL, 0));
    assert_true(kit_exists(vfs, "db/catalog"));
    vfs_memory_crash(vfs);
    engine_close(engine_open(vfs, "db", &options, 0));
    assert_ok(vfs_make_dir(vfs, "empty", &error));
    assert_status(db_open("empty", &options, &env, &db, &error), LODE_NOT_FOUND);
    vfs_memory_free(vfs);
}

/* Somebody's directory is not taken over, and a lost catalog is not the same as none. */
static void other_directories_are_refused(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct db_env env = {.vfs = vfs};
    lode_db *db;
    assert_ok(vfs_make_dir(vfs, "home", &error));
    kit_write(vfs, "home/letter", "dear", 4);
    assert_status(db_open("home", NULL, &env, &db, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "letter"));
    db = engine_open(vfs, "db", NULL, 0);
    lode_collection_close(engine_create(db, "a", schema));
    engine_close(db);
    assert_ok(vfs_remove(vfs, "db/catalog", &error));
    assert_status(db_open("db", NULL, &env, &db, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "catalog is missing"));
    vfs_memory_free(vfs);
}

static void one_process_at_a_time(void **state)
{
    (void)state;
    char path[PATH_SIZE_MAX], pid[32];
    int ready[2], status;
    lode_db *db;
    temp_dir_make(path);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        db = engine_open(NULL, path, NULL, 0);
        if (write(ready[1], "x", 1) != 1)
            abort();
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], pid, 1), 1);
    assert_status(lode_db_open(path, NULL, &db, &error), LODE_BUSY);
    snprintf(pid, sizeof pid, "%d", (int)child);
    assert_non_null(strstr(error.message, pid));
    assert_status(lode_verify(path, NULL, &error), LODE_BUSY);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    db = engine_open(NULL, path, NULL, 0);
    lode_db *second;
    assert_status(lode_db_open(path, NULL, &second, &error), LODE_BUSY);
    engine_close(db);
    assert_ok(lode_verify(path, NULL, &error));
    close(ready[0]);
    close(ready[1]);
    temp_dir_remove(path);
}

static void check_list(lode_db *db, const char *wanted)
{
    lode_catalog *catalog;
    char text[512] = "";
    assert_ok(lode_catalog_list(db, &catalog, &error));
    for (size_t i = 0; i < catalog->entry_count; i++) {
        strcat(text, catalog->entries[i].name);
        if (catalog->entries[i].target) {
            strcat(text, ">");
            strcat(text, catalog->entries[i].target);
        }
        strcat(text, " ");
    }
    lode_catalog_free(catalog);
    assert_string_equal(text, wanted);
}

static void names_and_aliases(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    check_list(db, "");
    lode_collection *b = engine_create(db, "b", schema), *a = engine_create(db, "a", schema);
    assert_ok(lode_alias_set(db, "now", "a", &error));
    assert_status(lode_alias_set(db, "later", "now", &error), LODE_NOT_FOUND);
    check_list(db, "a b now>a ");
    lode_collection *now = engine_collection(db, "now");
    assert_ptr_equal(now->shared, a->shared);
    assert_ok(lode_alias_set(db, "now", "b", &error));
    lode_collection *then = engine_collection(db, "now");
    assert_ptr_equal(then->shared, b->shared);
    assert_status(lode_collection_create(db, "now", &schema, &then, &error), LODE_EXISTS);
    assert_status(lode_collection_drop(db, "now", &error), LODE_NOT_FOUND);
    lode_collection_close(now);
    lode_collection_close(then);
    lode_collection_close(a);
    lode_collection_close(b);
    engine_close(db);
    vfs_memory_crash(vfs);
    db = engine_open(vfs, "db", NULL, 0);
    check_list(db, "a b now>b ");
    assert_ok(lode_alias_set(db, "now", NULL, &error));
    check_list(db, "a b ");
    engine_close(db);
    vfs_memory_free(vfs);
}

static void count_directory(void *context, const char *name)
{
    *(size_t *)context += strncmp(name, "c-", 2) == 0;
}

static size_t directories(struct vfs *vfs)
{
    size_t count = 0;
    assert_ok(vfs_list(vfs, "db", count_directory, &count, &error));
    return count;
}

static void dropping_removes_all(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *c = engine_create(db, "a", schema);
    assert_ok(lode_alias_set(db, "x", "a", &error));
    lode_snapshot *snapshot;
    assert_ok(lode_snapshot_open(c, &snapshot, &error));
    lode_collection_close(c);
    assert_status(lode_collection_drop(db, "a", &error), LODE_BUSY); /* the snapshot holds it */
    lode_snapshot_close(snapshot);
    assert_int_equal(directories(vfs), 1);
    assert_ok(lode_collection_drop(db, "a", &error));
    assert_int_equal(directories(vfs), 0);
    check_list(db, "");
    c = engine_create(db, "a", schema); /* the name is free again, and the collection a new one */
    lode_collection_close(c);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* A directory of no catalog entry is what a crash left. */
static void leftovers_are_swept(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection_close(engine_create(db, "a", schema));
    engine_close(db);
    assert_ok(vfs_make_dir(vfs, "db/c-00000000000000aa", &error));
    kit_write(vfs, "db/c-00000000000000aa/seg-1.vectors", "x", 1);
    assert_ok(vfs_make_dir(vfs, "db/c-mine", &error));
    /* Other things of such a name are nobody's business, and no reason not to open. */
    kit_write(vfs, "db/c-00000000000000bb", "x", 1);
    assert_ok(vfs_make_dir(vfs, "db/c-00000000000000cc", &error));
    assert_ok(vfs_make_dir(vfs, "db/c-00000000000000cc/notes", &error));
    kit_write(vfs, "db/c-00000000000000cc/wal-1.log", "x", 1);
    assert_ok(vfs_make_dir(vfs, "db/c-00000000000000dd", &error));
    assert_ok(vfs_make_dir(vfs, "db/c-00000000000000dd/wal-1.log", &error));
    db = engine_open(vfs, "db", NULL, 0);
    assert_int_equal(directories(vfs), 5);
    assert_false(kit_exists(vfs, "db/c-00000000000000aa"));
    assert_true(kit_exists(vfs, "db/c-mine"));
    assert_true(kit_exists(vfs, "db/c-00000000000000cc/wal-1.log"));
    engine_close(db);
    vfs_memory_free(vfs);
}

static void handles_are_counted(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *first = engine_create(db, "a", schema);
    lode_collection *second = engine_collection(db, "a");
    lode_collection_close(first);
    float vector[4] = {1, 2, 3, 4};
    lode_point point = {.id = lode_id_number(1), .vector = vector};
    assert_ok(lode_upsert(second, &point, 1, NULL, &error));
    lode_collection_close(second);
    second = engine_collection(db, "a");
    lode_snapshot *snapshot;
    assert_ok(lode_snapshot_open(second, &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), 1);
    lode_snapshot_close(snapshot);
    engine_close(db); /* closes what is open still */
    vfs_memory_free(vfs);
}

static void a_schema_is_kept_with_its_defaults(void **state)
{
    (void)state;
    static const lode_field fields[] = {{"year", LODE_FIELD_INTEGER}, {"tag", LODE_FIELD_KEYWORD}};
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_schema given = {.dim = 3,
                         .metric = LODE_METRIC_COSINE,
                         .scalar = LODE_SCALAR_INT8,
                         .m = 7,
                         .fields = fields,
                         .field_count = 2};
    lode_collection_close(engine_create(db, "a", given));
    engine_close(db);
    db = engine_open(vfs, "db", NULL, 0);
    lode_collection *c = engine_collection(db, "a");
    const lode_schema *kept = lode_collection_schema(c);
    assert_int_equal(kept->dim, 3);
    assert_int_equal(kept->metric, LODE_METRIC_COSINE);
    assert_int_equal(kept->scalar, LODE_SCALAR_INT8);
    assert_int_equal(kept->m, 7);
    assert_int_equal(kept->ef_construction, 200);
    assert_int_not_equal(kept->seed, 0);
    assert_int_equal(kept->field_count, 2);
    assert_string_equal(kept->fields[1].name, "tag");
    assert_int_equal(kept->fields[1].type, LODE_FIELD_KEYWORD);
    lode_collection_close(c);
    engine_close(db);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_made_once),
        cmocka_unit_test(other_directories_are_refused),
        cmocka_unit_test(one_process_at_a_time),
        cmocka_unit_test(names_and_aliases),
        cmocka_unit_test(dropping_removes_all),
        cmocka_unit_test(leftovers_are_swept),
        cmocka_unit_test(handles_are_counted),
        cmocka_unit_test(a_schema_is_kept_with_its_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
