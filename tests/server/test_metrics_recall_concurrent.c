/* Recall measured beside queries and writes: on the state that the query read, and everything given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "os/thread.h"
#include "server/recall_sample.h"
#include "support/temp_dir.h"

enum { DIM = 8, POINTS = 500 };

static char dir[PATH_SIZE_MAX];
static char path[PATH_SIZE_MAX + 16];

struct found {
    _Atomic uint64_t reports, shared, hits, released;
};

static void report(void *context, const char *collection, uint64_t shared, uint64_t hits)
{
    struct found *found = context;
    assert_string_equal(collection, "films");
    atomic_fetch_add(&found->reports, 1);
    atomic_fetch_add(&found->shared, shared);
    atomic_fetch_add(&found->hits, hits);
}

static atomic_int wants_all; /* everybody waits for the collection */

static int is_unwanted(void *hold)
{
    (void)hold;
    return atomic_load(&wants_all);
}

static void release(void *hold)
{
    atomic_fetch_add(&((struct found *)hold)->released, 1);
}

static void random_vector(struct rng *rng, float vector[DIM])
{
    for (int i = 0; i < DIM; i++)
        vector[i] = (float)rng_normal(rng);
}

static void fill(lode_collection *collection, struct rng *rng)
{
    for (uint64_t i = 0; i < POINTS; i++) {
        float vector[DIM];
        random_vector(rng, vector);
        lode_point point = {.id = lode_id_number(i), .vector = vector, .metadata = "{\"a\":1}"};
        point.metadata_size = strlen(point.metadata);
        assert_int_equal(lode_upsert(collection, &point, 1, NULL, NULL), LODE_OK);
    }
}

static lode_collection *open_films(lode_db **ret_db)
{
    lode_collection *films = NULL;
    struct rng rng;
    rng_init(&rng, 5);
    temp_dir_make(dir);
    snprintf(path, sizeof path, "%s/db", dir);
    assert_int_equal(lode_db_open(path, NULL, ret_db, NULL), LODE_OK);
    assert_int_equal(
        lode_collection_create(*ret_db, "films", &(lode_schema){.dim = DIM}, &films, NULL),
        LODE_OK);
    fill(films, &rng);
    return films;
}

/* A query, sampled if the sampler wants it. */
static int ask(struct recall_sampler *sampler, lode_collection *films, struct found *found,
               uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    float vector[DIM];
    random_vector(&rng, vector);
    lode_id like = lode_id_number(seed % POINTS);
    char filter[] = "a = 1";
    lode_stop stop = {.deadline_us = 0}; /* of the caller: nobody may look at it later */
    lode_search_request request = {.vector = seed % 3 ? vector : NULL,
                                   .like = seed % 3 ? NULL : &like,
                                   .k = 10,
                                   .stop = &stop};
    request.filter = seed % 2 ? filter : NULL;
    request.filter_size = seed % 2 ? strlen(filter) : 0;
    lode_snapshot *snapshot = NULL;
    lode_result *result = NULL;
    int is_wanted = recall_sample_wants(sampler, &request);
    if (is_wanted)
        assert_int_equal(lode_snapshot_open(films, &snapshot, NULL), LODE_OK);
    request.snapshot = snapshot;
    assert_int_equal(lode_search(films, &request, &result, NULL), LODE_OK);
    struct recall_sample sample = {.name = "films",
                                   .collection = films,
                                   .dim = DIM,
                                   .request = &request,
                                   .own_snapshot = snapshot,
                                   .own_result = result,
                                   .release = release,
                                   .is_unwanted = is_unwanted,
                                   .own_hold = found};
    if (is_wanted)
        recall_sample_give(sampler, &sample);
    else
        lode_result_free(result);
    memset(vector, 0, sizeof vector); /* what the sample points at is gone */
    stop.deadline_us = 1;
    memset(filter, '!', sizeof filter);
    like.number = UINT64_MAX;
    return is_wanted;
}

static void wait_for(const _Atomic uint64_t *counter, uint64_t count)
{
    for (int i = 0; i < 60000 && atomic_load(counter) < count; i++)
        thread_sleep_us(1000);
    assert_int_equal(atomic_load(counter), count);
}

static struct recall_sampler *make(double share, struct found *found)
{
    struct recall_sampler *sampler = NULL;
    struct recall_options options = {share, report, found};
    assert_int_equal(recall_sampler_new(&options, &sampler, NULL), LODE_OK);
    return sampler;
}

/* Writes come between query and measurement, and change nothing: the state is the query's. */
static void measures_the_state_of_the_query(void **state)
{
    (void)state;
    lode_db *db = NULL;
    lode_collection *films = open_films(&db);
    struct found found = {0};
    struct recall_sampler *sampler = make(1, &found);
    struct rng rng;
    rng_init(&rng, 77);
    for (uint64_t i = 0; i < 24; i++) {
        assert_true(ask(sampler, films, &found, i));
        float vector[DIM];
        random_vector(&rng, vector);
        lode_point point = {.id = lode_id_number(i), .vector = vector};
        assert_int_equal(lode_upsert(films, &point, 1, NULL, NULL), LODE_OK);
        wait_for(&found.released, i + 1);
    }
    assert_int_equal(found.reports, 24);
    assert_int_equal(found.hits, 240);
    assert_int_equal(found.shared, 240); /* small segments are scanned: exact */
    recall_sampler_free(sampler);
    lode_collection_close(films);
    lode_db_close(db);
    temp_dir_remove(dir);
}

/* An answer that lacks hits shows: here that of a query for fewer. */
static void misses_show(void **state)
{
    (void)state;
    lode_db *db = NULL;
    lode_collection *films = open_films(&db);
    struct found found = {0};
    struct recall_sampler *sampler = make(1, &found);
    float vector[DIM] = {1, 2, 3};
    lode_search_request request = {.vector = vector, .k = 7};
    struct recall_sample sample = {
        .name = "films", .collection = films, .dim = DIM, .release = release, .own_hold = &found};
    assert_int_equal(lode_search(films, &request, &sample.own_result, NULL), LODE_OK);
    request.k = 10;
    sample.request = &request;
    recall_sample_give(sampler, &sample);
    wait_for(&found.released, 1);
    assert_int_equal(found.hits, 10);
    assert_int_equal(found.shared, 7);
    recall_sampler_free(sampler);
    lode_collection_close(films);
    lode_db_close(db);
    temp_dir_remove(dir);
}

struct asking {
    struct recall_sampler *sampler;
    lode_collection *films;
    struct found *found;
    _Atomic uint64_t wanted;
};

static void ask_many(void *context)
{
    struct asking *asking = context;
    for (uint64_t i = 0; i < 200; i++)
        atomic_fetch_add(&asking->wanted,
                         (uint64_t)ask(asking->sampler, asking->films, asking->found, i));
}

/* More than can be measured: skipped and counted, and all is given back when the sampler goes. */
static void what_is_too_much_is_skipped(void **state)
{
    (void)state;
    lode_db *db = NULL;
    lode_collection *films = open_films(&db);
    struct found found = {0};
    struct thread threads[4];
    struct asking asking = {make(1, &found), films, &found, 0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(thread_start(&threads[i], "ask", ask_many, &asking), 0);
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    uint64_t skipped = recall_sampler_skipped(asking.sampler);
    assert_true(skipped > 0);
    recall_sampler_free(asking.sampler);
    assert_int_equal(found.released, asking.wanted);
    assert_true(found.reports <= asking.wanted);
    assert_int_equal(found.shared, found.hits);
    lode_collection_close(films);
    lode_db_close(db); /* which no snapshot keeps open */
    temp_dir_remove(dir);
}

/* Whoever waits for the collection need not wait until all samples have had their turn. */
static void what_is_unwanted_is_given_up(void **state)
{
    (void)state;
    lode_db *db = NULL;
    lode_collection *films = open_films(&db);
    struct found found = {0};
    struct recall_sampler *sampler = make(1, &found);
    uint64_t wanted = 0;
    atomic_store(&wants_all, 1);
    for (uint64_t i = 0; i < RECALL_QUEUE_MAX; i++)
        wanted += (uint64_t)ask(sampler, films, &found, i);
    wait_for(&found.released, wanted);
    assert_int_equal(found.reports, 0);
    atomic_store(&wants_all, 0);
    assert_true(ask(sampler, films, &found, 1));
    wait_for(&found.released, wanted + 1);
    assert_int_equal(found.reports, 1);
    recall_sampler_free(sampler);
    lode_collection_close(films);
    lode_db_close(db);
    temp_dir_remove(dir);
}

static void not_all_are_wanted(void **state)
{
    (void)state;
    struct found found = {0};
    struct recall_sampler *sampler = make(0, &found);
    float vector[DIM] = {0};
    lode_search_request request = {.vector = vector};
    for (int i = 0; i < 100; i++)
        assert_false(recall_sample_wants(sampler, &request));
    recall_sampler_free(sampler);
    assert_false(recall_sample_wants(NULL, &request));
    sampler = make(1, &found);
    assert_true(recall_sample_wants(sampler, &request));
    request.exact = 1;
    assert_false(recall_sample_wants(sampler, &request));
    request.exact = 0;
    request.one_per = "a";
    assert_false(recall_sample_wants(sampler, &request));
    recall_sampler_free(sampler);
    lode_error error = {0};
    assert_int_equal(recall_sampler_new(&(struct recall_options){.share = 2}, &sampler, &error),
                     LODE_INVALID);
    assert_non_null(strstr(error.message, "recall.share: 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_the_state_of_the_query),
        cmocka_unit_test(misses_show),
        cmocka_unit_test(what_is_too_much_is_skipped),
        cmocka_unit_test(what_is_unwanted_is_given_up),
        cmocka_unit_test(not_all_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
