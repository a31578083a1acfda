/* Restoring to any batch: by logs that are kept when their batches are in segments, and go along with backups. */
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
#include "engine/collection.h"
#include "storage/backup_format.h"
#include "storage/backup_reader.h"
#include "storage/names.h"
#include "storage/wal.h"
#include "support/engine_kit.h"

enum { STATES = 160 };

static lode_error error;
static const lode_schema schema = {.dim = 4};

/* A collection and what it was after each batch. */
struct history {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model states[STATES + 1];
    uint64_t sequence;
};

static void history_open(struct history *history, uint64_t log_keep_bytes)
{
    lode_db_options options = {.log_keep_bytes = log_keep_bytes};
    history->db = engine_open(history->vfs, "db", &options, 1024);
    if (history->sequence == 0)
        history->collection = engine_create(history->db, "points", schema);
    else
        history->collection = engine_collection(history->db, "points");
}

static void history_close(struct history *history)
{
    lode_collection_close(history->collection);
    engine_close(history->db);
}

static struct history *history_new(uint64_t log_keep_bytes)
{
    struct history *history = calloc(1, sizeof *history);
    assert_non_null(history);
    history->vfs = vfs_memory_new();
    model_init(&history->states[0], &schema);
    history_open(history, log_keep_bytes);
    return history;
}

static void history_free(struct history *history)
{
    history_close(history);
    engine_verify(history->vfs, "db");
    vfs_memory_free(history->vfs);
    free(history);
}

/* So many batches more, with flushes and merges between. */
static void go_on(struct history *history, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t sequence = ++history->sequence;
        assert_in_range(sequence, 1, STATES);
        history->states[sequence] = history->states[sequence - 1];
        struct model_op ops[4];
        for (unsigned j = 0; j < 4; j++)
            ops[j] = (struct model_op){.id = (unsigned)(sequence * 7 + j * 3) % 90,
                                       .value = (sequence + j) % 4 ? (int)(sequence * 10 + j)
                                                                   : ENGINE_NONE};
        assert_ok(model_write(&history->states[sequence], history->collection, ops, 4, &error));
        if (sequence % 17 == 0)
            assert_ok(lode_flush(history->collection, NULL, &error));
        if (sequence % 41 == 0)
            assert_ok(lode_compact(history->collection, NULL, &error));
    }
}

static lode_status restore_to(struct history *history, const char *backup, uint64_t sequence,
                              lode_restore_info *info)
{
    struct db_env env = {.vfs = history->vfs};
    lode_restore_options options = {.to_sequence = sequence, .sample = 5, .key = key_kit_default()};
    char path[16];
    assert_ok(executor_inline_new(&env.executor, &error));
    snprintf(path, sizeof path, "r%u", (unsigned)sequence);
    lode_status status = restore_database(backup, path, &options, &env, info, &error);
    executor_free(env.executor);
    return status;
}

/* It is what it was, and takes writes. */
static void check_state(struct history *history, uint64_t sequence)
{
    char path[16];
    struct model model = history->states[sequence];
    lode_stats *stats;
    snprintf(path, sizeof path, "r%u", (unsigned)sequence);
    engine_verify(history->vfs, path);
    lode_db *db = engine_open(history->vfs, path, NULL, 1024);
    lode_collection *collection = engine_collection(db, "points");
    assert_ok(lode_stats_get(collection, &stats, &error));
    assert_int_equal(stats->sequence, sequence);
    lode_stats_free(stats);
    model_check_points(&model, collection, NULL);
    model_check_search(&model, collection, NULL, 7, 20, 1);
    struct model_op op = {.id = 3, .value = 12345};
    assert_ok(model_write(&model, collection, &op, 1, &error));
    model_check_points(&model, collection, NULL);
    lode_collection_close(collection);
    engine_close(db);
}

static void to_every_batch_of_all(void **state)
{
    (void)state;
    struct history *history = history_new(1 << 20);
    lode_restore_info info;
    for (unsigned i = 0; i < 4; i++) {
        go_on(history, 40);
        if (i == 1) { /* the setting is remembered */
            history_close(history);
            history_open(history, 0);
        }
        if (i != 2)
            assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    }
    for (uint64_t sequence = 1; sequence <= history->sequence; sequence++) {
        if (restore_to(history, "b", sequence, &info))
            fail_msg("batch %u: %s", (unsigned)sequence, error.message);
        assert_int_equal(info.replayed, sequence < 40    ? sequence
                                        : sequence < 80  ? sequence - 40
                                        : sequence < 160 ? sequence - 80
                                                         : 0);
        check_state(history, sequence);
    }
    assert_int_equal(restore_to(history, "b", history->sequence + 1, &info), LODE_INVALID);
    assert_non_null(strstr(error.message, "no kept log holds batch 161"));
    history_free(history);
}

static void not_before_logs_were_kept(void **state)
{
    (void)state;
    struct history *history = history_new(0);
    lode_backup_list *list;
    lode_restore_info info;
    go_on(history, 50);
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    history_close(history); /* what is in memory is written out, its log removed */
    history_open(history, 1 << 20);
    go_on(history, 30);
    lode_backup_options options = {.one_file = 1, .base = "b"};
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    assert_ok(backup_database(history->db, "f", &options, NULL, &error));
    assert_ok(backup_list(history->vfs, "b", &list, &error));
    assert_int_equal(list->backups[0].collections[0].oldest_sequence, 0);
    assert_int_equal(list->backups[1].collections[0].oldest_sequence, 51);
    assert_int_equal(list->backups[1].collections[0].sequence, 80);
    lode_backup_list_free(list);
    assert_int_equal(restore_to(history, "b", 49, &info), LODE_INVALID);
    for (uint64_t sequence = 50; sequence <= 80; sequence += 5) {
        assert_ok(restore_to(history, "b", sequence, &info));
        check_state(history, sequence);
    }
    /* By one file, with the logs it has and the state that its base has. */
    static const char *const bases[] = {"b"};
    struct db_env env = {.vfs = history->vfs};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_restore_options with = {
        .bases = bases, .base_count = 1, .to_sequence = 77, .key = key_kit_default()};
    assert_ok(restore_database("f", "r77", &with, &env, &info, &error));
    executor_free(env.executor);
    check_state(history, 77);
    history_free(history);
}

static void logs_are_kept_within_bounds(void **state)
{
    (void)state;
    struct history *history = history_new(4000);
    lode_stats *stats;
    assert_int_equal(lode_db_log_keep_bytes(history->db), 4000);
    uint64_t oldest = 0;
    for (unsigned i = 0; i < 10; i++) {
        go_on(history, 8);
        assert_ok(lode_flush(history->collection, NULL, &error));
        assert_ok(lode_stats_get(history->collection, &stats, &error));
        assert_in_range(stats->kept_log_bytes, 1, 4000);
        assert_in_range(stats->kept_log_sequence, oldest ? oldest : 1, history->sequence);
        oldest = stats->kept_log_sequence;
        lode_stats_free(stats);
    }
    assert_true(oldest > 1);
    history_close(history);
    engine_verify(history->vfs, "db");
    history_open(history, LODE_LOG_KEEP_NONE);
    assert_int_equal(lode_db_log_keep_bytes(history->db), 0);
    assert_ok(lode_stats_get(history->collection, &stats, &error));
    assert_int_equal(stats->kept_log_bytes, 0);
    lode_stats_free(stats);
    history_free(history);
}

struct meddling {
    struct history *history;
    unsigned left;
};

static int meddle(void *context, uint64_t done, uint64_t total)
{
    struct meddling *meddling = context;
    (void)done;
    (void)total;
    if (meddling->left > 0) {
        meddling->left--;
        go_on(meddling->history, 2);
    }
    return 0;
}

/* Logs grow, end, and would be removed, while they are copied: none is lost, no batch beyond the state is in. */
static void writes_during_the_backup_are_beyond_it(void **state)
{
    (void)state;
    struct history *history = history_new(600); /* hardly one log */
    struct meddling meddling = {.history = history};
    lode_backup_options options = {.progress = meddle, .context = &meddling};
    lode_restore_info info;
    uint64_t backed_up = 0;
    for (unsigned i = 0; i < 5; i++) {
        go_on(history, 3);
        meddling.left = 8;
        backed_up = history->sequence;
        assert_ok(backup_database(history->db, "b", &options, NULL, &error));
    }
    assert_ok(restore_to(history, "b", backed_up, &info));
    check_state(history, backed_up);
    assert_int_equal(restore_to(history, "b", backed_up + 1, &info), LODE_INVALID);
    history_free(history);
}

static int refuse_maps_of_logs(void *context, const char *operation, const char *path)
{
    (void)context;
    return strcmp(operation, "map") == 0 && strstr(path, "/wal-") ? EIO : 0;
}

/* A log may be cut back by its writer, and then a map of it would end the process. */
static void a_backup_maps_no_log(void **state)
{
    (void)state;
    struct history *history = history_new(1 << 20);
    lode_restore_info info;
    go_on(history, 30);
    vfs_memory_set_fault(history->vfs, refuse_maps_of_logs, NULL);
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    vfs_memory_set_fault(history->vfs, NULL, NULL);
    assert_ok(restore_to(history, "b", 13, &info));
    check_state(history, 13);
    history_free(history);
}

static void several_collections_need_a_name(void **state)
{
    (void)state;
    struct history *history = history_new(1 << 20);
    lode_restore_info info;
    go_on(history, 20);
    lode_collection_close(engine_create(history->db, "other", schema));
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    assert_int_equal(restore_to(history, "b", 10, &info), LODE_INVALID);
    struct db_env env = {.vfs = history->vfs};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_restore_options options = {
        .collection = "points", .to_sequence = 10, .number = 1, .key = key_kit_default()};
    assert_int_equal(restore_database("b", "r10", &options, &env, &info, &error), LODE_INVALID);
    options.number = 0;
    assert_ok(restore_database("b", "r10", &options, &env, &info, &error));
    executor_free(env.executor);
    check_state(history, 10);
    history_free(history);
}

/* A damaged log in a backup is named, and batches in it are not restored wrongly. */
static void a_damaged_log_is_seen(void **state)
{
    (void)state;
    struct history *history = history_new(1 << 20);
    lode_restore_info info;
    struct vfs_file *file;
    struct backup *backup;
    struct backup_content content;
    struct inventory inventory;
    go_on(history, 40);
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    assert_ok(backup_open(history->vfs, "b", &backup, &error));
    assert_ok(backup_inventory(backup, 0, &inventory, &error));
    struct inventory_file log = {0};
    for (size_t i = 0; i < inventory.file_count && log.size == 0; i++)
        if (inventory.files[i].name.kind == NAME_LOG && inventory.files[i].last_sequence < 30)
            log = inventory.files[i];
    assert_true(log.size > 0);
    assert_ok(backup_content_open(backup, &log, &content, &error));
    backup_content_close(&content);
    char path[128], text[SHA256_TEXT_SIZE];
    snprintf(path, sizeof path, "b/objects/%s", sha256_text(log.hash, text));
    assert_ok(vfs_open(history->vfs, path, VFS_WRITE, &file, &error));
    uint8_t byte; /* any value, where it is encrypted */
    assert_ok(vfs_read(file, log.size / 2, &byte, 1, &error));
    byte ^= 1;
    assert_ok(vfs_write(file, log.size / 2, &byte, 1, &error));
    vfs_close(file);
    uint64_t in_it = log.last_sequence;
    inventory_release(&inventory);
    backup_close(backup);
    assert_int_equal(backup_verify(history->vfs, "b", NULL, &error), LODE_CORRUPT);
    assert_int_equal(restore_to(history, "b", in_it, &info), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "log-"));
    assert_ok(restore_to(history, "b", 40, &info)); /* needs none */
    check_state(history, 40);
    history_free(history);
}

static lode_status restore_points(struct history *history, uint64_t sequence, const char *path)
{
    struct db_env env = {.vfs = history->vfs};
    lode_restore_options options = {.to_sequence = sequence,
                                    .collection = sequence ? "points" : NULL,
                                    .sample = 5,
                                    .key = key_kit_default()};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_status status = restore_database("b", path, &options, &env, NULL, &error);
    executor_free(env.executor);
    return status;
}

static void flip_inventory(struct history *history, uint64_t number)
{
    char name[BACKUP_NAME_MAX], path[64];
    struct vfs_file *file;
    snprintf(path, sizeof path, "b/%s", backup_name(number, name));
    assert_ok(vfs_open(history->vfs, path, VFS_WRITE, &file, &error));
    assert_ok(vfs_write(file, 50, "?!?", 3, &error));
    vfs_close(file);
}

/* A collection that has been dropped since is in older backups, and a damaged newest one does not hide those. */
static void a_dropped_collection_comes_back(void **state)
{
    (void)state;
    struct history *history = history_new(1 << 20);
    go_on(history, 40);
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    go_on(history, 40);
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    lode_collection_close(history->collection);
    history->collection = NULL;
    assert_ok(lode_collection_drop(history->db, "points", &error));
    lode_collection_close(engine_create(history->db, "other", schema));
    assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
    assert_ok(restore_points(history, 60, "r60"));
    check_state(history, 60);
    flip_inventory(history, 3);
    assert_ok(restore_points(history, 61, "r61"));
    check_state(history, 61);
    assert_int_equal(restore_points(history, 0, "newest"), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "the newest sound one is 2"));
    flip_inventory(history, 1);
    flip_inventory(history, 2);
    assert_int_equal(restore_points(history, 60, "none"), LODE_CORRUPT);
    history_free(history);
}

/* The last log, and somebody who writes to it: a group is there, and is cut off again, between operations. */
struct cutting {
    struct vfs *vfs;
    char path[PATH_SIZE_MAX];
    uint64_t size;
    unsigned operations;
    int active;
};

static void find_last_log(struct cutting *cutting, const struct history *history)
{
    uint64_t *numbers;
    size_t count;
    assert_ok(wal_list(cutting->vfs, history->collection->shared->dir, &numbers, &count, &error));
    assert_true(count > 0);
    struct name name = {.kind = NAME_LOG, .number = numbers[count - 1]};
    assert_ok(name_path(cutting->path, history->collection->shared->dir, name, &error));
    free(numbers);
    cutting->size = vfs_size_at(cutting->vfs, cutting->path);
}

static void cut_or_grow(void *context)
{
    static const char group[3000] = "a group that is never finished";
    struct cutting *cutting = context;
    struct vfs_file *file;
    if (cutting->active)
        return;
    cutting->active = 1;
    assert_false(vfs_open(cutting->vfs, cutting->path, VFS_READ | VFS_WRITE, &file, NULL));
    unsigned turn = cutting->operations++ % 5; /* grow, cut, grow, cut, leave alone */
    if (turn != 0 && turn != 2)
        assert_false(vfs_truncate(file, cutting->size, NULL));
    else
        assert_false(vfs_write(file, cutting->size, group, sizeof group, NULL));
    vfs_close(file);
    cutting->active = 0;
}

static void a_log_is_cut_back_meanwhile(void **state)
{
    (void)state;
    struct history *history = history_new(1 << 20);
    struct cutting cutting = {.vfs = history->vfs};
    lode_restore_info info;
    go_on(history, 30);
    for (unsigned i = 0; i < 5; i++) { /* each beginning */
        go_on(history, 3);
        find_last_log(&cutting, history);
        cutting.operations = i;
        vfs_memory_set_hook(history->vfs, cut_or_grow, &cutting);
        assert_ok(backup_database(history->db, "b", NULL, NULL, &error));
        vfs_memory_set_hook(history->vfs, NULL, NULL);
        cutting.operations = 1;
        cut_or_grow(&cutting);
    }
    assert_true(cutting.operations > 1);
    assert_ok(backup_verify(history->vfs, "b", NULL, &error));
    for (uint64_t sequence = 29; sequence <= 45; sequence++) {
        assert_ok(restore_to(history, "b", sequence, &info));
        check_state(history, sequence);
    }
    history_free(history);
}

static lode_status restore_from(struct history *history, const char *backup, const char *base,
                                uint64_t sequence, const char *path)
{
    struct db_env env = {.vfs = history->vfs};
    lode_restore_options options = {
        .bases = &base, .base_count = 1, .to_sequence = sequence, .key = key_kit_default()};
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_status status = restore_database(backup, path, &options, &env, NULL, &error);
    executor_free(env.executor);
    return status;
}

/* A restored database gives the numbers of its past to other batches. Its backups lie elsewhere, and neither
 * history is taken for the other, although both are at hand. */
static void to_a_batch_of_another_history(void **state)
{
    (void)state;
    struct history *first = history_new(1 << 20);
    lode_restore_info info;
    go_on(first, 60);
    assert_ok(backup_database(first->db, "b", NULL, NULL, &error));
    assert_ok(restore_to(first, "b", 40, &info));
    struct history *second = calloc(1, sizeof *second);
    assert_non_null(second);
    *second = (struct history){.vfs = first->vfs, .sequence = 40};
    lode_db_options options = {.log_keep_bytes = 1 << 20};
    second->db = engine_open(first->vfs, "r40", &options, 1024);
    second->collection = engine_collection(second->db, "points");
    memcpy(second->states, first->states, 41 * sizeof *second->states);
    for (unsigned i = 0; i < 30; i++) { /* beyond the end of the first */
        second->states[second->sequence + 1] = second->states[second->sequence];
        struct model_op op = {.id = i, .value = 7000 + (int)i};
        assert_ok(
            model_write(&second->states[++second->sequence], second->collection, &op, 1, &error));
        if (i == 9) {
            assert_int_equal(backup_database(second->db, "b", NULL, NULL, &error), LODE_INVALID);
            assert_ok(backup_database(second->db, "b2", NULL, NULL, &error));
        }
    }
    assert_ok(backup_database(second->db, "b2", NULL, NULL, &error));
    history_close(second);
    for (uint64_t sequence = 50; sequence <= 60; sequence += 5) { /* of the first */
        char path[16];
        snprintf(path, sizeof path, "r%u", (unsigned)sequence);
        assert_ok(restore_from(first, "b", "b2", sequence, path));
        check_state(first, sequence);
    }
    assert_int_equal(restore_from(first, "b", "b2", 65, "r65"), LODE_INVALID);
    for (uint64_t sequence = 51; sequence <= 70; sequence += 6) { /* of the second */
        char path[16];
        snprintf(path, sizeof path, "r%u", (unsigned)sequence);
        assert_ok(restore_from(second, "b2", "b", sequence, path));
        check_state(second, sequence);
    }
    /* The second knows nothing before its restore. */
    assert_int_equal(restore_from(second, "b2", "b", 39, "r39"), LODE_INVALID);
    free(second);
    history_free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_every_batch_of_all),
        cmocka_unit_test(not_before_logs_were_kept),
        cmocka_unit_test(logs_are_kept_within_bounds),
        cmocka_unit_test(writes_during_the_backup_are_beyond_it),
        cmocka_unit_test(a_backup_maps_no_log),
        cmocka_unit_test(several_collections_need_a_name),
        cmocka_unit_test(a_damaged_log_is_seen),
        cmocka_unit_test(a_dropped_collection_comes_back),
        cmocka_unit_test(a_log_is_cut_back_meanwhile),
        cmocka_unit_test(to_a_batch_of_another_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
