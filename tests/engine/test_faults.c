/* The disk fails at each of its operations in turn: for good, as when the power goes, or just once, as when
 * it is full. LODE_FAULT_STRIDE=1 tries every operation. Afterwards every acknowledged batch is there, and every other one whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/engine_kit.h"

static lode_error error;

/* Fail the operation number `at`, and all later ones when `forever`. */
struct fault {
    uint64_t count;
    uint64_t at;
    int forever;
    int os_errno;
};

static int decide(void *context, const char *operation, const char *path)
{
    struct fault *fault = context;
    (void)operation;
    (void)path;
    fault->count++;
    return fault->count == fault->at || (fault->forever && fault->count > fault->at)
               ? fault->os_errno
               : 0;
}

static const lode_schema schema = {.dim = 4};

/* What may be found afterwards: `sure`, and with it any of the batches that failed, in order; those
 * touch points of their own, so that each can be told. */
struct story {
    struct model sure;
    struct model_op failed[64][3];
    size_t failed_count;
};

/* Three points a batch: a new one, a replaced one, a deleted one. */
static void make_batch(unsigned i, struct model_op ops[3])
{
    unsigned base = i * 3 % (ENGINE_IDS - 3);
    ops[0] = (struct model_op){base, (int)(1000 + i)};
    ops[1] = (struct model_op){base + 1, (int)(2000 + i)};
    ops[2] = (struct model_op){i > 4 ? base - 9 : base + 2, ENGINE_NONE};
}

static void write_one(struct story *story, lode_collection *collection, unsigned i)
{
    struct model_op ops[3];
    make_batch(i, ops);
    if (model_write(&story->sure, collection, ops, 3, &error) != LODE_OK) {
        assert_true(story->failed_count < 64);
        memcpy(story->failed[story->failed_count++], ops, sizeof ops);
    }
}

/* What a program does with a database; everything may fail. */
static void live(struct story *story, lode_db *db)
{
    lode_collection *collection;
    if (lode_collection_create(db, "points", &schema, &collection, &error) != LODE_OK)
        return;
    for (unsigned i = 0; i < 40; i++) {
        write_one(story, collection, i);
        lode_status status = LODE_OK;
        if (i % 8 == 7)
            status = lode_flush(collection, &error);
        if (i == 30)
            status = lode_compact(collection, &error);
        (void)status;
        model_check_points(&story->sure, collection, NULL);
    }
    lode_collection_close(collection);
}

static int holds(lode_collection *collection, const struct model_op *op)
{
    struct engine_id id;
    lode_result *result;
    assert_ok(lode_get(collection, NULL, engine_id(op->id, &id), 1, 0, &result, &error));
    int found = result->hit_count == 1;
    lode_result_free(result);
    return found;
}

/* Whether this failed batch was found whole; if so the rest must show it. */
static void settle(struct story *story, lode_collection *collection, const struct model_op *ops)
{
    if (story->sure.values[ops[0].id] == ENGINE_NONE && holds(collection, &ops[0]))
        model_apply(&story->sure, ops, 3);
}

static void check_story(struct story *story, lode_db *db)
{
    lode_collection *collection;
    lode_status status = lode_collection_open(db, "points", &collection, &error);
    if (status == LODE_NOT_FOUND) {
        assert_int_equal(model_count(&story->sure), 0);
        return;
    }
    if (status)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < story->failed_count; i++)
        settle(story, collection, story->failed[i]);
    model_check_points(&story->sure, collection, NULL);
    struct model_op ops[3];
    make_batch(41, ops);
    assert_ok(model_write(&story->sure, collection, ops, 3, &error));
    assert_ok(lode_compact(collection, &error));
    model_check_points(&story->sure, collection, NULL);
    lode_collection_close(collection);
}

/* Returns 0 once the fault lies behind all that is done. */
static int run(uint64_t at, int forever, int os_errno, int power_cut)
{
    struct vfs *vfs = vfs_memory_new();
    struct fault fault = {.at = at, .forever = forever, .os_errno = os_errno};
    struct story story = {0};
    struct db_env env = {.vfs = vfs};
    lode_db *db = NULL;
    model_init(&story.sure, &schema);
    assert_ok(executor_inline_new(&env.executor, &error));
    vfs_memory_set_fault(vfs, decide, &fault);
    if (db_open("db", NULL, &env, &db, &error) == LODE_OK) {
        db->growing_bytes_max = 256;
        live(&story, db);
        if (power_cut)
            vfs_memory_crash(vfs);
        lode_db_close(db);
    }
    if (power_cut)
        vfs_memory_crash(vfs);
    vfs_memory_set_fault(vfs, NULL, NULL);
    executor_free(env.executor);
    db = engine_open(vfs, "db", NULL, 256);
    check_story(&story, db);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
    return fault.count >= at;
}

static void each(int forever, int os_errno, int power_cut)
{
    const char *text = getenv("LODE_FAULT_STRIDE");
    uint64_t stride = text ? strtoull(text, NULL, 10) : 23, at = 1;
    while (run(at, forever, os_errno, power_cut))
        at += stride;
    printf("%llu operations\n", (unsigned long long)at);
}

static void the_power_goes(void **state)
{
    (void)state;
    each(1, EIO, 1);
}

static void an_operation_fails_once(void **state)
{
    (void)state;
    each(0, EIO, 0);
}

static void the_disk_is_full_once(void **state)
{
    (void)state;
    each(0, ENOSPC, 0);
}

static void the_disk_is_full_then_the_power_goes(void **state)
{
    (void)state;
    each(1, ENOSPC, 1);
}

/* Fail the sync of the database's directory, once. */
static int fail_database_sync(void *context, const char *operation, const char *path)
{
    int *armed = context;
    int fails = *armed && strcmp(operation, "dir_sync") == 0 && strcmp(path, "db") == 0;
    *armed &= !fails;
    return fails ? EIO : 0;
}

/* A drop that failed after the catalog was replaced: the next open finds no collection, so nothing may be
 * acknowledged into it before. */
static void a_drop_fails_halfway(void **state)
{
    (void)state;
    int armed = 0;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection_close(engine_create(db, "points", schema));
    vfs_memory_set_fault(vfs, fail_database_sync, &armed);
    armed = 1;
    assert_int_equal(lode_collection_drop(db, "points", &error), LODE_IO);
    lode_collection *collection;
    assert_int_equal(lode_collection_open(db, "points", &collection, &error), LODE_NOT_FOUND);
    lode_collection_close(engine_create(db, "points", schema));
    engine_close(db);
    db = engine_open(vfs, "db", NULL, 0);
    lode_collection_close(engine_collection(db, "points"));
    engine_close(db);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_power_goes),
        cmocka_unit_test(an_operation_fails_once),
        cmocka_unit_test(the_disk_is_full_once),
        cmocka_unit_test(the_disk_is_full_then_the_power_goes),
        cmocka_unit_test(a_drop_fails_halfway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
