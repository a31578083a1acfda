/* Collections opened, written to, closed, created and dropped by many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/thread.h"
#include "support/engine_kit.h"

#define USERS  3
#define ROUNDS 60u

/* cmocka's assertions may be used on the main thread only. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, error.message);     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct user {
    struct thread thread;
    lode_db *db;
    uint64_t number;
};

static const lode_schema schema = {.dim = 2};

static void write_and_read(lode_collection *collection, uint64_t id)
{
    lode_error error = {0};
    float vector[2] = {(float)id, 1};
    lode_point point = {.id = lode_id_number(id), .vector = vector};
    lode_snapshot *snapshot;
    lode_result *result;
    CHECK(lode_upsert(collection, &point, 1, NULL, &error) == LODE_OK);
    CHECK(lode_snapshot_open(collection, &snapshot, &error) == LODE_OK);
    lode_search_request request = {.snapshot = snapshot, .vector = vector, .k = 1};
    CHECK(lode_search(collection, &request, &result, &error) == LODE_OK);
    CHECK(result->hits[0].id.number == id);
    lode_result_free(result);
    lode_snapshot_close(snapshot);
}

/* Use the shared collection: it closes and opens again whenever nobody has it. */
static void use_shared(void *context)
{
    struct user *user = context;
    lode_error error = {0};
    for (uint64_t i = 0; i < ROUNDS; i++) {
        lode_collection *collection;
        CHECK(lode_collection_open(user->db, i % 2 ? "shared" : "alias", &collection, &error) ==
              LODE_OK);
        write_and_read(collection, user->number * 1000 + i);
        lode_collection_close(collection);
    }
}

/* Two threads create and drop the same name; one of them at a time succeeds. */
static void create_and_drop(void *context)
{
    struct user *user = context;
    lode_error error = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        lode_collection *collection = NULL;
        lode_catalog *catalog;
        lode_status status =
            lode_collection_create(user->db, "fleeting", &schema, &collection, &error);
        if (status == LODE_OK)
            write_and_read(collection, i);
        CHECK(status == LODE_OK || status == LODE_EXISTS || status == LODE_NOT_FOUND);
        lode_collection_close(collection);
        status = lode_collection_drop(user->db, "fleeting", &error);
        CHECK(status == LODE_OK || status == LODE_BUSY || status == LODE_NOT_FOUND);
        CHECK(lode_alias_set(user->db, "alias", "shared", &error) == LODE_OK);
        CHECK(lode_catalog_list(user->db, &catalog, &error) == LODE_OK);
        CHECK(catalog->entry_count >= 2);
        lode_catalog_free(catalog);
    }
}

static void handles_come_and_go(void **state)
{
    (void)state;
    char path[PATH_SIZE_MAX];
    lode_error error = {0};
    struct user users[USERS + 2];
    temp_dir_make(path);
    lode_db *db = engine_open(NULL, path, &(lode_db_options){.thread_count = 2}, 0);
    lode_collection_close(engine_create(db, "shared", schema));
    assert_ok(lode_alias_set(db, "alias", "shared", &error));
    for (unsigned i = 0; i < USERS + 2; i++) {
        users[i].db = db;
        users[i].number = i;
        assert_int_equal(thread_start(&users[i].thread, "user",
                                      i < USERS ? use_shared : create_and_drop, &users[i]),
                         0);
    }
    for (unsigned i = 0; i < USERS + 2; i++)
        thread_join(&users[i].thread);
    lode_collection *collection = engine_collection(db, "shared");
    lode_snapshot *snapshot;
    assert_ok(lode_snapshot_open(collection, &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), USERS * ROUNDS);
    lode_snapshot_close(snapshot);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(NULL, path);
    temp_dir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(handles_come_and_go)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
