/* Databases opened for reading alone: by several processes at once, never beside a writer, where nothing may be
 * written or can be; and nothing on the disk changes by it. Real files and real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "engine/files.h"
#include "support/engine_kit.h"
#include "support/key_kit.h"
#include "support/small_disk.h"

enum { POINTS = 500, IN_LOG = 40 };

static lode_error error;
static lode_db_options writing,
    reading = {.read_only = 1}; /* with the key, if there is to be one */

static void put(lode_collection *points, uint64_t first, uint64_t count)
{
    for (uint64_t id = first; id < first + count; id++) {
        float vector[4];
        engine_vector((unsigned)id, 4, vector);
        lode_point point = {.id = lode_id_number(id), .vector = vector};
        assert_ok(lode_upsert(points, &point, 1, NULL, &error));
    }
}

/* A process that waits until it may go on. It is begun while this one has no database open, and so no threads: what
 * another thread had locked when a process forks stays locked in the child for ever. */
struct child {
    pid_t pid;
    int go; /* written to, it runs */
};

static struct child child_begin(void (*run)(const char *path), const char *path)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    struct child child = {.pid = fork(), .go = ends[1]};
    if (child.pid == 0) {
        close(ends[1]);
        if (read(ends[0], &byte, 1) == 1)
            run(path);
        _exit(0);
    }
    close(ends[0]);
    return child;
}

/* Let it run to its end, which is as if it had been killed. */
static void child_run(struct child child)
{
    int status = 0;
    assert_int_equal(write(child.go, "", 1), 1);
    close(child.go);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    assert_int_equal(status, 0);
}

static void in_child(void (*run)(const char *path), const char *path)
{
    child_run(child_begin(run, path));
}

/* Flushed points, a named snapshot, an alias; then points and a death in the log alone. */
static void write_and_die(const char *path)
{
    lode_db *db;
    lode_collection *points;
    lode_schema schema = {.dim = 4};
    lode_id id = lode_id_number(3);
    assert_ok(lode_db_open(path, &writing, &db, &error));
    assert_ok(lode_collection_create(db, "points", &schema, &points, &error));
    put(points, 0, POINTS);
    assert_ok(lode_flush(points, NULL, &error));
    assert_ok(lode_snapshot_create(points, "monday", &error));
    assert_ok(lode_alias_set(db, "alias", "points", &error));
    put(points, POINTS, IN_LOG);
    assert_ok(lode_delete(points, &id, 1, NULL, &error));
    _exit(0);
}

static void log_path(const char *path, char log[PATH_SIZE_MAX])
{
    struct file_names names, logs;
    *log = '\0';
    assert_ok(file_names_list(vfs_posix(), path, &names, &error));
    for (size_t i = 0; i < names.count; i++) {
        char dir[PATH_SIZE_MAX];
        if (strncmp(names.names[i], "c-", 2) != 0)
            continue;
        assert_ok(vfs_join(dir, path, names.names[i], &error));
        assert_ok(file_names_list(vfs_posix(), dir, &logs, &error));
        for (size_t j = 0; j < logs.count; j++)
            if (strncmp(logs.names[j], "wal-", 4) == 0)
                assert_ok(vfs_join(log, dir, logs.names[j], &error));
        file_names_release(&logs);
    }
    file_names_release(&names);
    assert_true(*log);
}

/* What a group that was cut off by the end of the process leaves. */
static void tear_log(const char *path)
{
    char log[PATH_SIZE_MAX];
    log_path(path, log);
    int fd = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "torn tail", 9), 9);
    close(fd);
}

/* --- What lies on the disk ---------------------------------------------------------------------- */

static uint64_t hash_file(const char *path, uint64_t seed)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc((size_t)info.st_size + 1);
    assert_non_null(file);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)info.st_size, file), info.st_size);
    uint64_t hash = hash64(data, (size_t)info.st_size, seed);
    fclose(file);
    free(data);
    return hash ^ (uint64_t)info.st_mtim.tv_nsec ^ (uint64_t)info.st_size << 40;
}

/* Names, contents, sizes and times of change, in whatever order. */
static uint64_t hash_tree(const char *path)
{
    struct file_names names;
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    if (!S_ISDIR(info.st_mode))
        return hash_file(path, hash64((const uint8_t *)path, strlen(path), 1));
    uint64_t sum = hash64((const uint8_t *)path, strlen(path), (uint64_t)info.st_mtim.tv_nsec);
    assert_ok(file_names_list(vfs_posix(), path, &names, &error));
    for (size_t i = 0; i < names.count; i++) {
        char below[PATH_SIZE_MAX];
        assert_ok(vfs_join(below, path, names.names[i], &error));
        sum += hash_tree(below);
    }
    file_names_release(&names);
    return sum;
}

/* --- Reading ------------------------------------------------------------------------------------ */

static void read_all(lode_db *db)
{
    lode_collection *points;
    lode_snapshot *snapshot;
    lode_result *found;
    lode_stats *stats;
    float query[4];
    engine_vector(POINTS + 1, 4, query);
    lode_id ids[] = {lode_id_number(3), lode_id_number(4), lode_id_number(POINTS + IN_LOG - 1)};
    assert_ok(lode_collection_open(db, "alias", &points, &error));
    assert_ok(lode_get(points, NULL, ids, 3, LODE_WITH_VECTOR, &found, &error));
    assert_int_equal(found->hit_count, 2);
    lode_result_free(found);
    assert_ok(lode_search(points, &(lode_search_request){.vector = query, .k = 3}, &found, &error));
    assert_int_equal(found->hit_count, 3);
    assert_true(found->hits[0].score == 0);
    lode_result_free(found);
    assert_ok(lode_snapshot_open_named(points, "monday", &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), POINTS);
    lode_snapshot_close(snapshot);
    assert_ok(lode_stats_get(points, &stats, &error));
    assert_int_equal(stats->points, POINTS + IN_LOG - 1);
    lode_stats_free(stats);
    assert_ok(lode_wait_idle(points, 0, &error));
    assert_ok(lode_sync(points, &error));
    lode_collection_close(points);
}

static void open_and_read(const char *path)
{
    lode_db *db;
    assert_ok(lode_db_open(path, &reading, &db, &error));
    read_all(db);
    lode_db_close(db);
}

static void nothing_can_be_written(lode_db *db)
{
    lode_collection *points, *other;
    lode_schema schema = {.dim = 4};
    float vector[4] = {1, 2, 3, 4};
    lode_point point = {.id = lode_id_number(1), .vector = vector};
    lode_text text = {"some words", 10};
    assert_ok(lode_collection_open(db, "points", &points, &error));
    assert_int_equal(lode_upsert(points, &point, 1, NULL, &error), LODE_READONLY);
    assert_non_null(strstr(error.message, "open read-only"));
    assert_int_equal(lode_delete(points, &point.id, 1, NULL, &error), LODE_READONLY);
    assert_int_equal(lode_flush(points, NULL, &error), LODE_READONLY);
    assert_int_equal(lode_compact(points, NULL, &error), LODE_READONLY);
    assert_int_equal(lode_snapshot_create(points, "tuesday", &error), LODE_READONLY);
    assert_int_equal(lode_snapshot_drop(points, "monday", &error), LODE_READONLY);
    assert_int_equal(lode_text_model_train(points, &text, 1, NULL, NULL, &error), LODE_READONLY);
    assert_int_equal(lode_backup(db, "/nonexistent/b", NULL, NULL, &error), LODE_READONLY);
    lode_collection_close(points);
    assert_int_equal(lode_collection_create(db, "new", &schema, &other, &error), LODE_READONLY);
    assert_int_equal(lode_collection_drop(db, "points", &error), LODE_READONLY);
    assert_int_equal(lode_alias_set(db, "other", "points", &error), LODE_READONLY);
    assert_int_equal(lode_alias_set(db, "alias", NULL, &error), LODE_READONLY);
}

/* --- Tests -------------------------------------------------------------------------------------- */

static void make(char path[PATH_SIZE_MAX])
{
    temp_dir_make(path);
    strcat(path, "/db");
    in_child(write_and_die, path);
    tear_log(path);
}

static void discard(char path[PATH_SIZE_MAX])
{
    path[strlen(path) - 3] = '\0';
    temp_dir_remove(path);
}

static void nothing_changes(void **state)
{
    char path[PATH_SIZE_MAX];
    lode_db *db;
    (void)state;
    make(path);
    uint64_t before = hash_tree(path);
    for (int i = 0; i < 2; i++) {
        assert_ok(lode_db_open(path, &reading, &db, &error));
        read_all(db);
        nothing_can_be_written(db);
        read_all(db);
        lode_db_close(db);
        assert_true(hash_tree(path) == before);
    }
    const lode_verify_options with_key = {.key = reading.key};
    assert_ok(lode_verify(path, &with_key, &error)); /* reads, too */
    assert_true(hash_tree(path) == before);
    assert_ok(lode_db_open(path, &writing, &db, &error)); /* and a writer finds all of it */
    read_all(db);
    lode_db_close(db);
    open_and_read(path);
    discard(path);
}

static void several_read_at_once(void **state)
{
    char path[PATH_SIZE_MAX];
    lode_db *one, *two, *writer;
    (void)state;
    make(path);
    struct child child = child_begin(open_and_read, path);
    assert_ok(lode_db_open(path, &reading, &one, &error));
    assert_ok(lode_db_open(path, &reading, &two, &error));
    child_run(child);
    read_all(one);
    assert_int_equal(lode_db_open(path, &writing, &writer, &error), LODE_BUSY);
    lode_db_close(one);
    read_all(two);
    assert_int_equal(lode_db_open(path, &writing, &writer, &error), LODE_BUSY);
    lode_db_close(two);
    assert_ok(lode_db_open(path, &writing, &writer, &error));
    lode_db_close(writer);
    discard(path);
}

static void cannot_be_opened_for_reading(const char *path)
{
    lode_db *db;
    char owner[32];
    snprintf(owner, sizeof owner, "process %ld", (long)getppid());
    assert_int_equal(lode_db_open(path, &reading, &db, &error), LODE_BUSY);
    assert_non_null(strstr(error.message, owner));
}

static void not_beside_a_writer(void **state)
{
    char path[PATH_SIZE_MAX];
    lode_db *writer;
    (void)state;
    make(path);
    struct child child = child_begin(cannot_be_opened_for_reading, path);
    assert_ok(lode_db_open(path, &writing, &writer, &error));
    child_run(child);
    lode_db_close(writer);
    in_child(open_and_read, path);
    discard(path);
}

static void there_must_be_one(void **state)
{
    char path[PATH_SIZE_MAX];
    lode_db *db;
    (void)state;
    temp_dir_make(path);
    assert_int_equal(lode_db_open(path, &reading, &db, &error), LODE_NOT_FOUND);
    assert_int_equal(rmdir(path), 0); /* it is still empty */
    assert_int_equal(lode_db_open(path, &reading, &db, &error), LODE_NOT_FOUND);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void as_nobody(const char *path)
{
    lode_db *db;
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return;
    open_and_read(path);
    assert_int_equal(lode_db_open(path, &writing, &db, &error), LODE_IO);
}

static void without_permission_to_write(void **state)
{
    char path[PATH_SIZE_MAX], parent[PATH_SIZE_MAX];
    (void)state;
    if (geteuid() != 0)
        skip(); /* there is nobody to become */
    make(path);
    vfs_parent(path, parent);
    assert_int_equal(chmod(parent, 0755), 0);
    in_child(as_nobody, path);
    discard(path);
}

static void a_copy_without_its_lock(void **state)
{
    char lock[PATH_SIZE_MAX], path[PATH_SIZE_MAX];
    (void)state;
    make(path);
    assert_ok(vfs_join(lock, path, "LOCK", &error));
    assert_int_equal(unlink(lock), 0);
    open_and_read(path);
    assert_int_equal(access(lock, F_OK), 0); /* or a writer could come beside who reads */
    discard(path);
}

static void on_a_readonly_file_system(void **state)
{
    char disk[PATH_SIZE_MAX], path[PATH_SIZE_MAX];
    (void)state;
    if (!small_disk_make(64, disk))
        skip();
    assert_ok(vfs_join(path, disk, "db", &error));
    in_child(write_and_die, path);
    char lock[PATH_SIZE_MAX];
    assert_ok(vfs_join(lock, path, "LOCK", &error));
    assert_int_equal(unlink(lock), 0); /* as of a copy that left it out */
    small_disk_make_readonly(disk);
    open_and_read(path);
    small_disk_remove(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changes),           cmocka_unit_test(several_read_at_once),
        cmocka_unit_test(not_beside_a_writer),       cmocka_unit_test(there_must_be_one),
        cmocka_unit_test(a_copy_without_its_lock),   cmocka_unit_test(without_permission_to_write),
        cmocka_unit_test(on_a_readonly_file_system),
    };
    writing.key = reading.key = key_kit_default();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
