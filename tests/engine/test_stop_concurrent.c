/* test_stop_concurrent.c: searches of a large flat collection, stopped from another thread while they scan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/thread.h"
#include "support/engine_kit.h"

enum { DIM = 64, POINTS = 40000, REQUESTS = 4000, ROUNDS = 10 };

static lode_error error;

/* A search on a thread of its own, and whoever stops it. */
struct search {
    struct thread thread;
    lode_collection *collection;
    lode_stop stop;
    _Atomic int has_begun; /* release: the search looked at the wish */
    _Atomic int is_wanted; /* acquire by the search, release by the other */
    int looks_after;       /* after the one that was answered with 1 */
    int is_batch;
    lode_status status;
    lode_error error;
};

static int is_wanted(void *context)
{
    struct search *search = context;
    int wanted = atomic_load_explicit(&search->is_wanted, memory_order_acquire);
    search->looks_after += wanted;
    atomic_store_explicit(&search->has_begun, 1, memory_order_release);
    return wanted;
}

static const float vector[DIM] = {1, 2, 3};

static void search_one(struct search *search)
{
    lode_search_request request = {.vector = vector, .exact = 1, .stop = &search->stop};
    lode_result *result;
    while (!search->status) {
        search->status = lode_search(search->collection, &request, &result, &search->error);
        if (!search->status)
            lode_result_free(result);
    }
}

static void search_many(struct search *search)
{
    lode_search_request *requests = calloc(REQUESTS, sizeof *requests);
    lode_result **results = calloc(REQUESTS, sizeof(lode_result *));
    for (size_t i = 0; i < REQUESTS; i++)
        requests[i] =
            (lode_search_request){.vector = vector, .exact = 1, .k = 1, .stop = &search->stop};
    search->status =
        lode_search_batch(search->collection, requests, REQUESTS, results, &search->error);
    free(requests);
    free(results);
}

static void run(void *context)
{
    struct search *search = context;
    if (search->is_batch)
        search_many(search);
    else
        search_one(search);
}

static void put_all(lode_collection *collection)
{
    enum { BATCH = 2000 };
    lode_point *points = calloc(BATCH, sizeof *points);
    float *vectors = calloc((size_t)BATCH * DIM, sizeof *vectors);
    for (unsigned first = 0; first < POINTS; first += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            float *own = vectors + (size_t)i * DIM;
            engine_vector(first + i, DIM, own);
            points[i] = (lode_point){.id = lode_id_number(first + i), .vector = own};
        }
        assert_ok(lode_upsert(collection, points, BATCH, NULL, &error));
    }
    free(points);
    free(vectors);
}

static void stop_one(lode_collection *collection, int is_batch)
{
    struct search search = {.collection = collection, .is_batch = is_batch};
    search.stop = (lode_stop){.is_wanted = is_wanted, .context = &search};
    assert_int_equal(thread_start(&search.thread, "search", run, &search), 0);
    while (!atomic_load_explicit(&search.has_begun, memory_order_acquire))
        thread_sleep_us(100);
    atomic_store_explicit(&search.is_wanted, 1, memory_order_release);
    thread_join(&search.thread);
    assert_int_equal(search.status, LODE_CANCELLED);
    assert_int_equal(search.error.status, LODE_CANCELLED);
    assert_int_equal(search.looks_after, 1);
}

static void from_another_thread(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 1 << 30);
    lode_collection *collection =
        engine_create(db, "large", (lode_schema){.dim = DIM, .index = LODE_INDEX_FLAT});
    put_all(collection);
    for (int round = 0; round < ROUNDS; round++) {
        stop_one(collection, 0);
        stop_one(collection, 1);
    }
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_another_thread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
