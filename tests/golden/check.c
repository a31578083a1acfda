/* check.c: the golden database is opened by today's code and holds what it held, in every way to read it; so do what
 * is restored of its backups. The directory is changed: give it a copy.
 *
 *     check DIRECTORY */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backup.h"
#include "support/engine_kit.h"
#include "support/key_kit.h"
#include "support/sample_database.h"

static lode_error error;
static const char *directory;

static void join(char path[PATH_SIZE_MAX], const char *name)
{
    assert_ok(vfs_join(path, directory, name, &error));
}

/* A second database, made now by the same steps, is what the golden one is compared with. */
struct pair {
    lode_collection *golden, *made;
};

static void compare_hit(const lode_hit *a, const lode_hit *b, uint32_t dim)
{
    assert_int_equal(lode_id_compare(&a->id, &b->id), 0);
    assert_memory_equal(a->vector, b->vector, dim * sizeof(float));
    assert_int_equal(a->metadata_size, b->metadata_size);
    assert_int_equal(a->text_size, b->text_size);
    if (a->metadata_size)
        assert_memory_equal(a->metadata, b->metadata, a->metadata_size);
    if (a->text_size)
        assert_memory_equal(a->text, b->text, a->text_size);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->expires_at_ms, b->expires_at_ms);
}

static void compare_points(const struct pair *pair, const lode_snapshot *golden_snapshot,
                           const lode_snapshot *made_snapshot)
{
    lode_iterator *golden, *made;
    const lode_hit *a, *b;
    uint32_t dim = lode_collection_schema(pair->golden)->dim;
    size_t count = 0;
    assert_ok(lode_iterator_open(pair->golden, golden_snapshot, 31, &golden, &error));
    assert_ok(lode_iterator_open(pair->made, made_snapshot, 31, &made, &error));
    for (;; count++) {
        assert_ok(lode_iterator_next(golden, &a, &error));
        assert_ok(lode_iterator_next(made, &b, &error));
        assert_int_equal(a == NULL, b == NULL);
        if (!a)
            break;
        compare_hit(a, b, dim);
    }
    assert_true(count > 30);
    lode_iterator_close(golden);
    lode_iterator_close(made);
}

static void compare_search(const struct pair *pair, int exact)
{
    float query[32];
    lode_result *golden, *made;
    engine_vector(11, 32, query);
    lode_search_request request = {.vector = query, .k = 10, .exact = exact};
    assert_ok(lode_search(pair->golden, &request, &golden, &error));
    assert_ok(lode_search(pair->made, &request, &made, &error));
    assert_int_equal(golden->hit_count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(lode_id_compare(&golden->hits[i].id, &made->hits[i].id), 0);
        assert_true(golden->hits[i].score == made->hits[i].score);
    }
    lode_result_free(golden);
    lode_result_free(made);
}

static void compare_snapshots(const struct pair *pair)
{
    lode_snapshot *golden, *made;
    assert_ok(lode_snapshot_open_named(pair->golden, "monday", &golden, &error));
    assert_ok(lode_snapshot_open_named(pair->made, "monday", &made, &error));
    compare_points(pair, golden, made);
    lode_snapshot_close(golden);
    lode_snapshot_close(made);
}

static void compare_databases(lode_db *golden, lode_db *made, int with_snapshots)
{
    for (size_t i = 0; sample_collections[i]; i++) {
        struct pair pair = {engine_collection(golden, sample_collections[i]),
                            engine_collection(made, sample_collections[i])};
        compare_points(&pair, NULL, NULL);
        compare_search(&pair, 1);
        compare_search(&pair, 0);
        if (with_snapshots)
            compare_snapshots(&pair);
        lode_collection_close(pair.golden);
        lode_collection_close(pair.made);
    }
}

static void golden_database(void **state)
{
    char path[PATH_SIZE_MAX];
    struct vfs *vfs = vfs_memory_new();
    struct executor *executors[2];
    lode_db *golden, *made;
    (void)state;
    join(path, "db");
    engine_verify(NULL, path);
    sample_database_make(vfs, "db", "backups", "backup.file", NULL, NULL);
    assert_ok(sample_database_open(vfs_posix(), path, &executors[0], &golden, &error));
    assert_ok(sample_database_open(vfs, "db", &executors[1], &made, &error));
    compare_databases(golden, made, 1);
    lode_db_close(golden);
    lode_db_close(made);
    for (int i = 0; i < 2; i++)
        executor_free(executors[i]);
    engine_verify(NULL, path);
    vfs_memory_free(vfs);
}

static void restore_and_open(struct vfs *vfs, const char *backup, const char *path,
                             struct executor **ret_executor, lode_db **ret_db)
{
    struct db_env env = {.vfs = vfs};
    assert_ok(executor_inline_new(&env.executor, &error));
    assert_ok(backup_verify(vfs, backup, NULL, &error));
    assert_ok(restore_database(backup, path, NULL, &env, NULL, &error));
    executor_free(env.executor);
    assert_ok(sample_database_open(vfs, path, ret_executor, ret_db, &error));
}

static void golden_backups(void **state)
{
    static const char *const names[] = {"backups", "backup.file"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char backup[PATH_SIZE_MAX], path[PATH_SIZE_MAX];
        struct vfs *vfs = vfs_memory_new();
        struct executor *executors[2];
        lode_db *golden, *made;
        join(backup, names[i]);
        join(path, i ? "restored from file" : "restored");
        sample_database_make(vfs, "db", "backups", "backup.file", NULL, NULL);
        restore_and_open(vfs_posix(), backup, path, &executors[0], &golden);
        restore_and_open(vfs, names[i], "restored", &executors[1], &made);
        compare_databases(golden, made, 0);
        lode_db_close(golden);
        lode_db_close(made);
        for (int j = 0; j < 2; j++)
            executor_free(executors[j]);
        vfs_memory_free(vfs);
    }
}

/* Without the key, or with another one, it says so and nothing else; with it, it holds what it held. */
static void golden_secret(void **state)
{
    char path[PATH_SIZE_MAX];
    struct vfs *vfs = vfs_memory_new();
    struct executor *executors[2];
    lode_db *golden, *made;
    (void)state;
    join(path, "secret");
    assert_int_equal(sample_secret_open(vfs_posix(), path, NULL, &executors[0], &golden, &error),
                     LODE_KEY);
    assert_int_equal(
        sample_secret_open(vfs_posix(), path, key_kit(2), &executors[0], &golden, &error),
        LODE_KEY);
    sample_secret_make(vfs, "secret", NULL, NULL);
    assert_ok(sample_secret_open(vfs_posix(), path, key_kit(1), &executors[0], &golden, &error));
    assert_ok(sample_secret_open(vfs, "secret", key_kit(1), &executors[1], &made, &error));
    struct pair pair = {engine_collection(golden, "links"), engine_collection(made, "links")};
    compare_points(&pair, NULL, NULL);
    compare_snapshots(&pair);
    lode_collection_close(pair.golden);
    lode_collection_close(pair.made);
    lode_db_close(golden);
    lode_db_close(made);
    for (int i = 0; i < 2; i++)
        executor_free(executors[i]);
    vfs_memory_free(vfs);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_database),
        cmocka_unit_test(golden_backups),
        cmocka_unit_test(golden_secret),
    };
    if (argc != 2) {
        fputs("usage: check DIRECTORY\n", stderr);
        return 2;
    }
    directory = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
