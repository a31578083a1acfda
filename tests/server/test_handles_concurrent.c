/* test_handles_concurrent.c: handles are shared, counted and closed; parts see parts; a collection is dropped only when
 * nobody uses it, and at once for those who come later; aliases lead where they point at that moment. Alone and by many
 * threads at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "os/clock.h"
#include "os/thread.h"
#include "server/handles.h"
#include "support/temp_dir.h"

enum { DIM = 4, THREADS = 6, ROUNDS = 300 };

static char path[PATH_SIZE_MAX];
static lode_db *db;
static struct handles *handles;
static lode_error error;

static void check(lode_status status)
{
    if (status)
        fail_msg("%s: %s", lode_status_name(status), error.message);
}

static void put(lode_collection *collection, uint64_t id, const char *metadata)
{
    const float vector[DIM] = {1, (float)id, 0, 0};
    const lode_point point = {.id = lode_id_number(id),
                              .vector = vector,
                              .metadata = metadata,
                              .metadata_size = strlen(metadata)};
    check(lode_upsert(collection, &point, 1, NULL, &error));
}

static uint64_t count(const struct handle *handle)
{
    uint64_t points = 0;
    check(lode_count(handle->collection, NULL, (lode_filter){.text = NULL}, &points, &error));
    return points;
}

static const struct handle *take(const char *name, const char *namespace_,
                                 const struct principal *who)
{
    const struct handle *handle = NULL;
    check(handles_take(handles, name, namespace_, who, &handle, &error));
    return handle;
}

static lode_status try(const char *name)
{
    const struct handle *handle = NULL;
    lode_status status = handles_take(handles, name, NULL, NULL, &handle, &error);
    if (!status)
        handles_give(handles, handle);
    return status;
}

static int setup(void **state)
{
    (void)state;
    const lode_schema schema = {.dim = DIM};
    temp_dir_make(path);
    check(lode_db_open(path, &(lode_db_options){.thread_count = 1}, &db, &error));
    check(handles_open(db, &handles, &error));
    check(handles_create(handles, "films", &schema, &error));
    check(handles_create(handles, "books", &schema, &error));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    handles_close(handles);
    lode_db_close(db);
    temp_dir_remove(path);
    return 0;
}

static void test_parts(void **state)
{
    (void)state;
    struct principal narrow = {.filter = (char *)"year >= 2000"};
    const struct handle *all = take("films", NULL, NULL), *tenant = take("films", "a", NULL);
    put(all->collection, 1, "{\"year\":1990}");
    put(all->collection, 2, "{\"year\":2010}");
    put(tenant->collection, 1, "{\"year\":1980}");
    const struct handle *new_ones = take("films", "", &narrow);
    const struct handle *none = take("films", "a", &narrow);
    assert_ptr_equal(take("films", NULL, NULL), all);
    assert_ptr_equal(take("films", "a", NULL), tenant);
    assert_int_equal(count(all), 2);
    assert_int_equal(count(tenant), 1);
    assert_int_equal(count(new_ones), 1);
    assert_int_equal(count(none), 0);
    assert_int_equal(all->schema->dim, DIM);
    handles_give(handles, all);
    handles_give(handles, all);
    handles_give(handles, tenant);
    handles_give(handles, tenant);
    handles_give(handles, new_ones);
    handles_give(handles, none);
}

/* A filter of a key that means nothing here must not open the whole. */
static void test_filter_that_cannot_be_bound(void **state)
{
    (void)state;
    struct principal narrow = {.filter = (char *)"no_such_field = 1"};
    const struct handle *handle = NULL;
    assert_int_equal(handles_take(handles, "books", NULL, &narrow, &handle, &error),
                     LODE_UNSUPPORTED);
    assert_null(handle);
}

static void test_aliases(void **state)
{
    (void)state;
    const struct handle *films = take("films", NULL, NULL), *books = take("books", NULL, NULL);
    char name[HANDLES_NAME_SIZE];
    check(handles_alias(handles, "shelf", "films", &error));
    const struct handle *shelf = take("shelf", NULL, NULL);
    assert_ptr_equal(shelf, films);
    check(handles_alias(handles, "shelf", "books", &error));
    const struct handle *other = take("shelf", NULL, NULL);
    assert_ptr_equal(other, books);
    handles_resolve(handles, "shelf", name);
    assert_string_equal(name, "books");
    assert_int_equal(handles_drop(handles, "shelf", 0, &error), LODE_NOT_FOUND);
    check(handles_alias(handles, "shelf", NULL, &error));
    assert_int_equal(try("shelf"), LODE_NOT_FOUND);
    handles_give(handles, films);
    handles_give(handles, films);
    handles_give(handles, books);
    handles_give(handles, books);
}

static void test_drop(void **state)
{
    (void)state;
    const lode_schema schema = {.dim = DIM};
    check(handles_alias(handles, "shelf", "films", &error));
    const struct handle *part = take("films", "a", NULL);
    put(part->collection, 1, "{}");
    assert_int_equal(handles_drop(handles, "films", 20, &error), LODE_BUSY);
    assert_false(handle_is_unwanted(part)); /* as if nothing had been asked for */
    assert_int_equal(try("films"), LODE_OK);
    handles_give(handles, part);
    check(handles_drop(handles, "films", 20, &error));
    assert_int_equal(try("films"), LODE_NOT_FOUND);
    assert_int_equal(try("shelf"), LODE_NOT_FOUND); /* its aliases go with it */
    assert_int_equal(handles_drop(handles, "films", 20, &error), LODE_NOT_FOUND);
    check(handles_create(handles, "films", &schema, &error));
    const struct handle *fresh = take("films", "a", NULL);
    assert_int_equal(count(fresh), 0);
    handles_give(handles, fresh);
}

/* More parts than are kept: those that were used longest ago are closed, and open again when they are asked for. */
static void test_many_parts(void **state)
{
    (void)state;
    char name[24];
    const struct handle *held = take("films", "held", NULL);
    put(held->collection, 1, "{}");
    for (unsigned i = 0; i < HANDLES_MAX + 200; i++) {
        snprintf(name, sizeof name, "n%u", i % (HANDLES_MAX + 100));
        handles_give(handles, take("films", name, NULL));
    }
    assert_int_equal(count(held), 1);
    handles_give(handles, held);
    const struct handle *again = take("films", "held", NULL);
    assert_int_equal(count(again), 1);
    handles_give(handles, again);
}

/* --- Threads ------------------------------------------------------------------------------------- */

struct dropper {
    lode_status status;
    lode_error error;
};

static void drop_in_thread(void *context)
{
    struct dropper *dropper = context;
    dropper->status = handles_drop(handles, "films", 10000, &dropper->error);
}

static void test_drop_waits(void **state)
{
    (void)state;
    struct dropper dropper = {.status = LODE_OK};
    struct thread thread;
    const struct handle *held = take("films", NULL, NULL);
    put(held->collection, 1, "{}");
    assert_int_equal(thread_start(&thread, "drop", drop_in_thread, &dropper), 0);
    while (!handle_is_unwanted(held))
        thread_sleep_us(1000);
    assert_int_equal(try("films"), LODE_NOT_FOUND); /* nobody is given it any more */
    assert_int_equal(count(held), 1);               /* who has it goes on */
    handles_give(handles, held);
    thread_join(&thread);
    assert_int_equal(dropper.status, LODE_OK);
}

struct worker {
    unsigned number;
    unsigned wrong;
    char what[300]; /* the last that was wrong */
};

/* What may happen while others do anything: there is no such collection, or it was made or is dropped by somebody else. */
static void work(void *context)
{
    static const char *const spaces[] = {NULL, "a", "b"};
    struct worker *worker = context;
    lode_error own = {.status = LODE_OK};
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct handle *handle = NULL;
        unsigned what = (i * 7 + worker->number * 5) % 29;
        lode_status status = LODE_OK;
        if (what == 0)
            status = handles_drop(handles, "films", 20000, &own);
        else if (what <= 3)
            status = handles_create(handles, "films", &(lode_schema){.dim = DIM}, &own);
        else if (what == 4)
            status = handles_alias(handles, "shelf", i % 2 ? "films" : "books", &own);
        else
            status = handles_take(handles, i % 3 ? "films" : "shelf", spaces[i % 3], NULL, &handle,
                                  &own);
        if (handle) {
            uint64_t points = 0;
            status =
                lode_count(handle->collection, NULL, (lode_filter){.text = NULL}, &points, &own);
        }
        handles_give(handles, handle);
        if (status == LODE_OK || status == LODE_NOT_FOUND || status == LODE_EXISTS)
            continue;
        worker->wrong++;
        snprintf(worker->what, sizeof worker->what, "%u: %s", what, own.message);
    }
}

static void test_everything_at_once(void **state)
{
    (void)state;
    struct worker workers[THREADS] = {{0}};
    struct thread threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].number = i;
        assert_int_equal(thread_start(&threads[i], "work", work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&threads[i]);
        if (workers[i].wrong)
            fail_msg("%u times, at last %s", workers[i].wrong, workers[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_filter_that_cannot_be_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drop_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_everything_at_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
