/* Every public call that reaches the disk, each of whose operations on files fails in turn, having done nothing or after
 * the deed: the call succeeds or says what the system refused; nothing leaks; the collection is as before
 * or as after the call, and once it is reopened the same call succeeds, if there is anything left to do. */
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
#include "engine/verify.h"
#include "support/story.h"

static const lode_schema schema = {.dim = 4};

struct run {
    struct vfs *vfs;
    struct executor *executor;
    struct db_env env;
    lode_db *db; /* NULL: closed */
    lode_collection *points;
    struct model model;   /* what is in it */
    struct model written; /* and after a write */
    unsigned numbers;     /* so that each target of a backup or restore is a new one */
};

typedef lode_status call(struct run *run, lode_error *error);

/* --- The calls --------------------------------------------------------------------------------- */

static lode_status open_db(struct run *run, lode_error *error)
{
    lode_status status = db_open("db", NULL, &run->env, &run->db, error);
    if (!status)
        run->db->growing_bytes_max = 600;
    return status;
}

static lode_status open_all(struct run *run, lode_error *error)
{
    lode_status status = run->db ? LODE_OK : open_db(run, error);
    return status ? status : lode_collection_open(run->db, "points", &run->points, error);
}

static void close_all(struct run *run)
{
    lode_collection_close(run->points);
    lode_db_close(run->db);
    run->points = NULL;
    run->db = NULL;
}

static lode_status reopen_db(struct run *run, lode_error *error)
{
    close_all(run);
    return open_all(run, error);
}

static lode_status create(struct run *run, lode_error *error)
{
    lode_collection *made = NULL;
    lode_status status = lode_collection_create(run->db, "made", &schema, &made, error);
    lode_collection_close(made);
    return status;
}

static lode_status drop(struct run *run, lode_error *error)
{
    return lode_collection_drop(run->db, "spare", error);
}

static lode_status set_alias(struct run *run, lode_error *error)
{
    return lode_alias_set(run->db, "alias", "points", error);
}

static lode_status write_two(struct run *run, lode_error *error)
{
    static const struct model_op ops[] = {{.id = 1, .value = 70},
                                          {.id = 2, .value = 71, .patch = 1},
                                          {.id = 3, .value = ENGINE_NONE}};
    run->written = run->model;
    model_apply(&run->written, ops, 3);
    struct model model = run->model;
    return model_write(&model, run->points, ops, 3, error);
}

static lode_status write_logged_and_sync(struct run *run, lode_error *error)
{
    static const struct model_op op = {.id = 1, .value = 72};
    run->written = run->model;
    model_apply(&run->written, &op, 1);
    struct model model = run->model;
    lode_status status = model_write_ack(&model, run->points, &op, 1, LODE_ACK_APPLIED, error);
    return status ? status : lode_sync(run->points, error);
}

static lode_status flush(struct run *run, lode_error *error)
{
    return lode_flush(run->points, NULL, error);
}

static lode_status compact(struct run *run, lode_error *error)
{
    return lode_compact(run->points, NULL, error);
}

static lode_status wait_idle(struct run *run, lode_error *error)
{
    return lode_wait_idle(run->points, 0, error);
}

static lode_status keep(struct run *run, lode_error *error)
{
    return lode_snapshot_create(run->points, "new", error);
}

static lode_status forget(struct run *run, lode_error *error)
{
    return lode_snapshot_drop(run->points, "kept", error);
}

static lode_status use_kept(struct run *run, lode_error *error)
{
    lode_snapshot *snapshot;
    lode_snapshot_list *list;
    lode_status status = lode_snapshot_list_get(run->points, &list, error);
    if (status)
        return status;
    lode_snapshot_list_free(list);
    status = lode_snapshot_open_named(run->points, "kept", &snapshot, error);
    if (!status)
        lode_snapshot_close(snapshot);
    return status;
}

/* Mapped files are read without a call to the system: there may be nothing that fails. */
static lode_status read_all(struct run *run, lode_error *error)
{
    const float query[4] = {1, 2, 3, 4};
    lode_search_request requests[2] = {{.vector = query, .with = 31},
                                       {.vector = query, .exact = 1}};
    lode_result *results[2];
    lode_iterator *iterator;
    const lode_hit *hit;
    lode_stats *stats;
    lode_catalog *catalog;
    lode_id id = lode_id_number(0);
    lode_status status = lode_search_batch(run->points, requests, 2, results, error);
    for (size_t i = 0; !status && i < 2; i++)
        lode_result_free(results[i]);
    if (!status && !(status = lode_search(run->points, &requests[0], &results[0], error)))
        lode_result_free(results[0]);
    if (!status && !(status = lode_get(run->points, NULL, &id, 1, 31, &results[0], error)))
        lode_result_free(results[0]);
    if (!status && !(status = lode_stats_get(run->points, &stats, error)))
        lode_stats_free(stats);
    if (!status && !(status = lode_catalog_list(run->db, &catalog, error)))
        lode_catalog_free(catalog);
    if (status || (status = lode_iterator_open(run->points, NULL, 31, &iterator, error)))
        return status;
    while (!(status = lode_iterator_next(iterator, &hit, error)) && hit)
        ;
    lode_iterator_close(iterator);
    return status;
}

static lode_status back_up(struct run *run, lode_error *error)
{
    return backup_database(run->db, "backups", NULL, NULL, error);
}

static lode_status back_up_into_file(struct run *run, lode_error *error)
{
    char path[32];
    lode_backup_options options = {.one_file = 1, .base = "backups"};
    snprintf(path, sizeof path, "file-%u", ++run->numbers);
    return backup_database(run->db, path, &options, NULL, error);
}

static lode_status list_backups(struct run *run, lode_error *error)
{
    lode_backup_list *list;
    lode_status status = backup_list(run->vfs, "backups", &list, error);
    if (!status)
        lode_backup_list_free(list);
    return status;
}

static lode_status verify_backups(struct run *run, lode_error *error)
{
    return backup_verify(run->vfs, "backups", NULL, error);
}

static lode_status verify_db(struct run *run, lode_error *error)
{
    close_all(run);
    return verify_database(run->vfs, "db", NULL, error);
}

static lode_status restore(struct run *run, lode_error *error)
{
    char path[32];
    snprintf(path, sizeof path, "restored-%u", ++run->numbers);
    return restore_database("backups", path, NULL, &run->env, NULL, error);
}

static lode_status restore_to(struct run *run, lode_error *error)
{
    char path[32];
    lode_restore_options options = {.collection = "points", .to_sequence = 2, .sample = 2};
    snprintf(path, sizeof path, "restored-%u", ++run->numbers);
    return restore_database("backups", path, &options, &run->env, NULL, error);
}

static lode_status train(struct run *run, lode_error *error)
{
    static const char *const words[] = {"a ship sails on the sea",     "the sea is deep and blue",
                                        "a captain commands the ship", "a deer runs in the forest",
                                        "the hunter follows the deer", "the ship is blue"};
    lode_text texts[6];
    float vector[4];
    lode_collection *empty;
    for (size_t i = 0; i < 6; i++)
        texts[i] = (lode_text){words[i], strlen(words[i])};
    lode_status status = lode_collection_open(run->db, "texts", &empty, error);
    if (status)
        return status;
    status = lode_text_model_train(empty, texts, 6, NULL, NULL, error);
    int known;
    if (!status)
        status = lode_text_embed(empty, words[0], strlen(words[0]), vector, &known, error);
    lode_collection_close(empty);
    return status;
}

static const struct {
    const char *name;
    call *call;
} calls[] = {
    {"open", reopen_db},
    {"create", create},
    {"drop", drop},
    {"alias", set_alias},
    {"write", write_two},
    {"sync", write_logged_and_sync},
    {"flush", flush},
    {"compact", compact},
    {"wait_idle", wait_idle},
    {"snapshot_create", keep},
    {"snapshot_drop", forget},
    {"snapshot_open", use_kept},
    {"reads", read_all},
    {"backup", back_up},
    {"backup into a file", back_up_into_file},
    {"backup_list", list_backups},
    {"verify a backup", verify_backups},
    {"verify", verify_db},
    {"restore", restore},
    {"restore to a batch", restore_to},
    {"train", train},
};

/* --- One failure ------------------------------------------------------------------------------- */

struct failing {
    uint64_t left; /* operations before the one that fails */
    int fail_errno;
    int failed;
};

static int decide(void *context, const char *operation, const char *path)
{
    struct failing *failing = context;
    (void)operation;
    (void)path;
    if (failing->failed || --failing->left > 0)
        return 0;
    failing->failed = 1;
    return failing->fail_errno;
}

/* Two segments, one of them with dead rows; a log; a named snapshot; a backup with logs. */
static void begin(struct run *run)
{
    lode_error error;
    lode_schema words = {.dim = 4, .metric = LODE_METRIC_COSINE};
    lode_db_options options = {.log_keep_bytes = 100000};
    *run = (struct run){.vfs = vfs_memory_new()};
    assert_ok(executor_inline_new(&run->executor, &error));
    run->env = (struct db_env){.vfs = run->vfs, .executor = run->executor};
    assert_ok(db_open("db", &options, &run->env, &run->db, &error));
    run->points = engine_create(run->db, "points", schema);
    lode_collection_close(engine_create(run->db, "spare", schema));
    lode_collection_close(engine_create(run->db, "texts", words));
    model_init(&run->model, &schema);
    for (unsigned i = 0; i < 4; i++) {
        struct model_op ops[5];
        for (unsigned j = 0; j < 5; j++)
            ops[j] = (struct model_op){.id = i * 3 + j, .value = (int)(i * 5 + j)};
        assert_ok(model_write(&run->model, run->points, ops, 5, &error));
        if (i == 1 || i == 2)
            assert_ok(lode_flush(run->points, NULL, &error));
    }
    assert_ok(lode_snapshot_create(run->points, "kept", &error));
    assert_ok(backup_database(run->db, "backups", NULL, NULL, &error));
    run->written = run->model;
}

static void check_status(const char *name, uint64_t at, lode_status status, const lode_error *error)
{
    if (status == LODE_OK)
        return;
    if (error->status != status || strlen(error->message) < 10)
        fail_msg("%s, operation %llu: status %d, but error %d '%s'", name, (unsigned long long)at,
                 (int)status, (int)error->status, error->message);
    if (status != LODE_IO && status != LODE_FULL && status != LODE_READONLY &&
        status != LODE_CORRUPT)
        fail_msg("%s, operation %llu: %s: %s", name, (unsigned long long)at,
                 lode_status_name(status), error->message);
    if ((status == LODE_IO || status == LODE_FULL) && error->os_errno == 0)
        fail_msg("%s: an error of the system without its errno: %s", name, error->message);
}

static void check_state(struct run *run, int must_be_written)
{
    lode_stats *stats;
    lode_error error;
    assert_ok(lode_stats_get(run->points, &stats, &error));
    int is_written = stats->sequence == run->written.sequence;
    assert_true(is_written || (!must_be_written && stats->sequence == run->model.sequence));
    lode_stats_free(stats);
    model_check_points(is_written ? &run->written : &run->model, run->points, NULL);
    run->model = is_written ? run->written : run->model;
}

/* Done already, though it said otherwise. */
static int was_done(lode_status status)
{
    return status == LODE_EXISTS || status == LODE_NOT_FOUND;
}

/* Returns whether the call had so many operations. */
static int fail_once(size_t which, uint64_t at)
{
    static const int errnos[] = {EIO, -EIO, ENOSPC, -ENOSPC};
    struct failing failing = {.left = at, .fail_errno = errnos[at % 4]};
    struct run run;
    lode_error error = {0};
    begin(&run);
    vfs_memory_set_fault(run.vfs, decide, &failing);
    lode_status status = calls[which].call(&run, &error);
    check_status(calls[which].name, at, status, &error);
    vfs_memory_set_fault(run.vfs, NULL, NULL);
    assert_true(status == LODE_OK || failing.failed);
    close_all(&run);
    assert_ok(open_all(&run, &error));
    check_state(&run, status == LODE_OK);
    if (status) {
        lode_status again = calls[which].call(&run, &error);
        if (again && !was_done(again))
            fail_msg("%s fails again: %s", calls[which].name, error.message);
    }
    close_all(&run);
    engine_verify(run.vfs, "db");
    executor_free(run.executor);
    vfs_memory_free(run.vfs);
    return failing.failed;
}

static void each_operation_of_each_call_fails(void **state)
{
    (void)state;
    uint64_t stride = story_setting("LODE_REFUSAL_STRIDE", story_fewer(4) == 4 ? 1 : 5);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        uint64_t at = 1;
        while (fail_once(i, at))
            at += stride;
        print_message("%s: %llu operations\n", calls[i].name, (unsigned long long)(at - 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_operation_of_each_call_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
