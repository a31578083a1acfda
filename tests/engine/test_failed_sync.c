/* A sync that failed is never repeated as if it had worked: whatever the second one says, what the first was to
 * make durable may be lost (on the disk of these tests it is). So a log is given up, and a file is
 * written anew; the error says what is to be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "support/engine_kit.h"

static lode_error error;
static const lode_db_options on_request = {.maintenance = LODE_MAINTAIN_ON_REQUEST};

/* The next `left` of this operation on paths with this part fail, and so does cutting a log if `no_cut`. */
struct fault {
    const char *operation;
    const char *part;
    int left;
    int no_cut;
    unsigned opened; /* how often files with that part were opened for whatever */
};

static int decide(void *context, const char *operation, const char *path)
{
    struct fault *fault = context;
    if (!strstr(path, fault->part))
        return 0;
    fault->opened += strcmp(operation, "open") == 0;
    if (fault->no_cut && strcmp(operation, "truncate") == 0)
        return EIO;
    if (fault->left == 0 || strcmp(operation, fault->operation) != 0)
        return 0;
    fault->left--;
    return -EIO; /* it does not make durable what it should have, ever */
}

struct kit {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *points;
    struct fault fault;
};

static void kit_open(struct kit *kit)
{
    kit->db = engine_open(kit->vfs, "db", &on_request, 0);
    kit->points = engine_collection(kit->db, "points");
}

static void kit_make(struct kit *kit)
{
    *kit = (struct kit){.vfs = vfs_memory_new(), .fault = {.operation = "", .part = "//"}};
    kit->db = engine_open(kit->vfs, "db", &on_request, 0);
    kit->points = engine_create(kit->db, "points", (lode_schema){.dim = 4});
    vfs_memory_set_fault(kit->vfs, decide, &kit->fault);
}

static void kit_close(struct kit *kit)
{
    lode_collection_close(kit->points);
    engine_close(kit->db);
}

static void kit_end(struct kit *kit)
{
    kit_close(kit);
    vfs_memory_set_fault(kit->vfs, NULL, NULL);
    engine_verify(kit->vfs, "db");
    vfs_memory_free(kit->vfs);
}

static lode_status put(struct kit *kit, uint64_t id, lode_ack ack)
{
    float vector[4];
    engine_vector((unsigned)id, 4, vector);
    lode_write_op op = {.kind = LODE_WRITE_UPSERT,
                        .point = {.id = lode_id_number(id), .vector = vector}};
    lode_write_options options = {.ack = ack};
    return lode_write(kit->points, &op, 1, &options, NULL, &error);
}

static int has(const struct kit *kit, uint64_t id)
{
    lode_id number = lode_id_number(id);
    lode_result *found;
    assert_ok(lode_get(kit->points, NULL, &number, 1, 0, &found, &error));
    int count = (int)found->hit_count;
    lode_result_free(found);
    return count;
}

static void says(const char *text)
{
    if (!strstr(error.message, text))
        fail_msg("'%s' does not say '%s'", error.message, text);
}

/* --- The log ------------------------------------------------------------------------------------ */

static void a_log_is_given_up(void **state)
{
    struct kit kit;
    (void)state;
    kit_make(&kit);
    assert_ok(put(&kit, 1, LODE_ACK_DURABLE));
    kit.fault = (struct fault){.operation = "sync", .part = "wal-", .left = 1};
    assert_int_equal(put(&kit, 2, LODE_ACK_DURABLE), LODE_IO);
    says("takes no writes until it is reopened");
    says("mend the disk");
    assert_int_not_equal(error.os_errno, 0);
    assert_int_equal(put(&kit, 3, LODE_ACK_DURABLE), LODE_READONLY); /* the disk works again */
    says("reopened");
    assert_int_equal(lode_flush(kit.points, NULL, &error), LODE_READONLY);
    assert_true(has(&kit, 1));
    assert_false(has(&kit, 2));
    kit_close(&kit);
    vfs_memory_crash(kit.vfs);
    kit_open(&kit);
    assert_true(has(&kit, 1));
    assert_false(has(&kit, 2));
    assert_ok(put(&kit, 3, LODE_ACK_DURABLE));
    kit_end(&kit);
}

/* The log could be neither synced nor cut back; the process ends. Who opens it reads from memory what the disk
 * does not have, and may show it only once it is written again: a sync alone would do nothing. */
static void what_is_replayed_is_written_again(void **state)
{
    struct kit kit;
    (void)state;
    kit_make(&kit);
    assert_ok(put(&kit, 1, LODE_ACK_DURABLE));
    assert_ok(put(&kit, 2, LODE_ACK_LOGGED));
    kit.fault = (struct fault){.operation = "sync", .part = "wal-", .left = 1, .no_cut = 1};
    assert_int_equal(lode_sync(kit.points, &error), LODE_IO);
    kit_close(&kit);
    vfs_memory_kill(kit.vfs);
    kit.fault = (struct fault){.operation = "", .part = "//"};
    kit_open(&kit);
    assert_true(has(&kit, 2));
    vfs_memory_crash(kit.vfs);
    kit_close(&kit);
    kit_open(&kit);
    assert_true(has(&kit, 1));
    assert_true(has(&kit, 2));
    kit_end(&kit);
}

static void a_log_that_cannot_be_begun(void **state)
{
    struct kit kit;
    (void)state;
    kit_make(&kit);
    kit.fault = (struct fault){.operation = "sync", .part = "wal-", .left = 1};
    assert_int_equal(put(&kit, 1, LODE_ACK_DURABLE), LODE_IO);
    assert_ok(put(&kit, 1, LODE_ACK_DURABLE)); /* in another file */
    vfs_memory_crash(kit.vfs);
    kit_close(&kit);
    kit_open(&kit);
    assert_true(has(&kit, 1));
    kit_end(&kit);
}

/* --- Files that are written once ---------------------------------------------------------------- */

/* Flush, index, live sets, manifest, snapshot: the file whose sync fails is written anew by the next attempt,
 * and then holds what it should. */
static void is_written_anew(const char *part, lode_status (*attempt)(struct kit *kit))
{
    struct kit kit;
    kit_make(&kit);
    for (uint64_t id = 1; id <= 4; id++)
        assert_ok(put(&kit, id, LODE_ACK_DURABLE));
    assert_ok(lode_flush(kit.points, NULL, &error));
    for (uint64_t id = 3; id <= 6; id++)
        assert_ok(put(&kit, id, LODE_ACK_DURABLE));
    kit.fault = (struct fault){.operation = "sync", .part = part, .left = 1};
    assert_int_equal(attempt(&kit), LODE_IO);
    assert_int_equal(kit.fault.left, 0);
    unsigned opened = kit.fault.opened;
    if (attempt(&kit))
        fail_msg("%s: %s", part, error.message);
    if (kit.fault.opened == opened)
        fail_msg("%s was not written anew", part);
    vfs_memory_crash(kit.vfs);
    kit_close(&kit);
    kit_open(&kit);
    for (uint64_t id = 1; id <= 6; id++)
        assert_true(has(&kit, id));
    kit_end(&kit);
}

static lode_status flush(struct kit *kit)
{
    return lode_flush(kit->points, NULL, &error);
}

static lode_status compact(struct kit *kit)
{
    return lode_compact(kit->points, NULL, &error);
}

static lode_status keep(struct kit *kit)
{
    return lode_snapshot_create(kit->points, "monday", &error);
}

/* Nobody knows which manifest the next open would find: none is written anew before that. */
static void after_a_manifest_it_is_reopened(void **state)
{
    struct kit kit;
    (void)state;
    kit_make(&kit);
    assert_ok(put(&kit, 1, LODE_ACK_DURABLE));
    kit.fault = (struct fault){.operation = "sync", .part = "manifest-", .left = 1};
    assert_int_equal(lode_flush(kit.points, NULL, &error), LODE_IO);
    assert_int_equal(lode_flush(kit.points, NULL, &error), LODE_READONLY);
    says("reopened");
    assert_int_equal(put(&kit, 2, LODE_ACK_DURABLE), LODE_READONLY);
    says("reopened");
    assert_true(has(&kit, 1));
    vfs_memory_crash(kit.vfs);
    kit_close(&kit);
    kit_open(&kit);
    assert_true(has(&kit, 1));
    assert_ok(put(&kit, 2, LODE_ACK_DURABLE));
    kit_end(&kit);
}

static lode_status rename_it(struct kit *kit)
{
    return lode_alias_set(kit->db, "alias", "points", &error);
}

static void files_are_written_anew(void **state)
{
    (void)state;
    is_written_anew(".vectors", flush);
    is_written_anew(".ids", flush);
    is_written_anew(".docs", flush);
    is_written_anew(".del-", flush);
    is_written_anew(".vectors", compact);
    is_written_anew("snapshot-", keep);
    is_written_anew(".vectors", keep);
    is_written_anew("catalog", rename_it);
}

/* --- Directories -------------------------------------------------------------------------------- */

/* The sync before a manifest's link fails: as above. (test_faults.c has the one after it.) */
static void a_directory_of_a_collection(void **state)
{
    struct kit kit;
    (void)state;
    kit_make(&kit);
    assert_ok(put(&kit, 1, LODE_ACK_DURABLE));
    kit.fault = (struct fault){.operation = "dir_sync", .part = "db/c-", .left = 1};
    assert_int_equal(lode_flush(kit.points, NULL, &error), LODE_IO);
    assert_int_equal(lode_flush(kit.points, NULL, &error), LODE_READONLY);
    says("reopened");
    vfs_memory_crash(kit.vfs);
    kit_close(&kit);
    kit_open(&kit);
    assert_true(has(&kit, 1));
    kit_end(&kit);
}

/* The database's directory, with the catalog in it: nothing is believed of it before it is opened anew. */
static void the_directory_of_the_database(void **state)
{
    struct kit kit;
    lode_collection *other;
    lode_schema schema = {.dim = 4};
    (void)state;
    kit_make(&kit);
    kit.fault = (struct fault){.operation = "dir_sync", .part = "db", .left = 1};
    assert_int_equal(lode_alias_set(kit.db, "alias", "points", &error), LODE_IO);
    assert_int_equal(lode_collection_create(kit.db, "other", &schema, &other, &error),
                     LODE_READONLY);
    says("reopened");
    assert_ok(put(&kit, 1, LODE_ACK_DURABLE)); /* an open collection is not concerned */
    kit_close(&kit);
    kit_open(&kit);
    assert_true(has(&kit, 1));
    assert_ok(lode_alias_set(kit.db, "alias", "points", &error));
    kit_end(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_given_up),
        cmocka_unit_test(what_is_replayed_is_written_again),
        cmocka_unit_test(a_log_that_cannot_be_begun),
        cmocka_unit_test(files_are_written_anew),
        cmocka_unit_test(after_a_manifest_it_is_reopened),
        cmocka_unit_test(a_directory_of_a_collection),
        cmocka_unit_test(the_directory_of_the_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
