/* lode_search_batch: each result is what lode_search gives, whatever else is in the batch; all or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/engine_kit.h"

enum { REQUESTS_MAX = 80, DIM = 24, IDS = 3000 };

static lode_error error;

struct place {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct rng rng;
    int integers; /* few different vectors */
};

static void begin(struct place *place, lode_schema schema)
{
    rng_init(&place->rng, (uint64_t)schema.metric * 4 + schema.scalar);
    place->vfs = vfs_memory_new();
    place->db = engine_open(place->vfs, "db", NULL, 64 << 10);
    place->collection = engine_create(place->db, "points", schema);
}

static void end(struct place *place)
{
    lode_collection_close(place->collection);
    engine_close(place->db);
    vfs_memory_free(place->vfs);
}

static void random_vector(struct place *place, float *vector)
{
    for (size_t i = 0; i < DIM; i++)
        vector[i] =
            place->integers ? (float)rng_below(&place->rng, 2) : (float)rng_normal(&place->rng);
    vector[0] += 2;
}

static void put(struct place *place, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        float vector[DIM];
        char metadata[32];
        struct engine_id id;
        random_vector(place, vector);
        int size = snprintf(metadata, sizeof metadata, "{\"group\":%u}", i % 9);
        lode_point point = {.id = *engine_id(i, &id),
                            .vector = vector,
                            .metadata = metadata,
                            .metadata_size = (size_t)size};
        assert_ok(lode_upsert(place->collection, &point, 1, NULL, &error));
    }
}

/* Growing, sealed and indexed segments, all with dead rows. */
static void put_all(struct place *place)
{
    put(place, 0, IDS / 2);
    assert_ok(lode_compact(place->collection, NULL, &error));
    put(place, IDS / 4, IDS / 2);
    assert_ok(lode_flush(place->collection, NULL, &error));
    put(place, IDS / 2, IDS / 10);
    for (unsigned i = 0; i < IDS; i += 3) {
        struct engine_id id;
        assert_ok(lode_delete(place->collection, engine_id(i, &id), 1, NULL, &error));
    }
}

struct asked {
    lode_search_request requests[REQUESTS_MAX];
    float vectors[REQUESTS_MAX][DIM];
    struct engine_id ids[REQUESTS_MAX];
    size_t count;
};

/* All kinds of requests. Ids of `like` are alive: no multiple of 3, below 3 / 4 IDS. */
static struct asked *ask(struct place *place, size_t count, const lode_snapshot *snapshot)
{
    struct asked *asked = calloc(1, sizeof *asked);
    asked->count = count;
    for (size_t i = 0; i < count; i++) {
        lode_search_request *request = &asked->requests[i];
        random_vector(place, asked->vectors[i]);
        *request = (lode_search_request){.snapshot = snapshot,
                                         .k = rng_below(&place->rng, 40),
                                         .exact = rng_below(&place->rng, 4) != 0,
                                         .with = rng_below(&place->rng, 8)};
        if (rng_below(&place->rng, 20) == 0)
            request->k = 2 * IDS;
        if (rng_below(&place->rng, 8) == 0)
            request->one_per = "group";
        if (rng_below(&place->rng, 4) == 0)
            request->like = engine_id(3 * rng_below(&place->rng, IDS / 4) + 1, &asked->ids[i]);
        else
            request->vector = asked->vectors[i];
    }
    return asked;
}

static void check_same(const lode_result *got, const lode_result *wanted)
{
    assert_int_equal(got->hit_count, wanted->hit_count);
    assert_int_equal(got->info.sequence, wanted->info.sequence);
    assert_int_equal(got->info.segments_scanned, wanted->info.segments_scanned);
    assert_int_equal(got->info.segments_walked, wanted->info.segments_walked);
    assert_int_equal(got->info.hops, wanted->info.hops);
    for (size_t i = 0; i < got->hit_count; i++) {
        const lode_hit *a = &got->hits[i], *b = &wanted->hits[i];
        assert_int_equal(lode_id_compare(&a->id, &b->id), 0);
        assert_memory_equal(&a->score, &b->score, sizeof a->score);
        assert_int_equal(!a->vector, !b->vector);
        if (a->vector)
            assert_memory_equal(a->vector, b->vector, DIM * sizeof(float));
        assert_int_equal(a->metadata_size, b->metadata_size);
    }
}

static void check(struct place *place, size_t count, const lode_snapshot *snapshot)
{
    struct asked *asked = ask(place, count, snapshot);
    lode_result *results[REQUESTS_MAX];
    assert_ok(lode_search_batch(place->collection, asked->requests, count, results, &error));
    for (size_t i = 0; i < count; i++) {
        lode_result *single;
        assert_ok(lode_search(place->collection, &asked->requests[i], &single, &error));
        check_same(results[i], single);
        lode_result_free(single);
        lode_result_free(results[i]);
    }
    free(asked);
}

static void check_schema(lode_schema schema, int integers)
{
    struct place place = {.integers = integers};
    lode_snapshot *snapshot;
    begin(&place, schema);
    check(&place, 0, NULL);
    put_all(&place);
    assert_ok(lode_snapshot_open(place.collection, &snapshot, &error));
    for (size_t count = 0; count <= REQUESTS_MAX; count = count * 2 + 1)
        check(&place, count, NULL);
    for (unsigned i = 1; i < IDS / 8; i += 6) { /* not those that `like` may name */
        struct engine_id id;
        assert_ok(lode_upsert(
            place.collection,
            &(lode_point){.id = *engine_id(3 * i, &id), .vector = (const float[DIM]){1}}, 1, NULL,
            &error));
    }
    check(&place, REQUESTS_MAX, snapshot);
    check(&place, REQUESTS_MAX, NULL);
    lode_snapshot_close(snapshot);
    assert_ok(lode_compact(place.collection, NULL, &error));
    check(&place, REQUESTS_MAX, NULL);
    end(&place);
}

static void the_same_as_one_by_one(void **state)
{
    (void)state;
    for (int metric = 0; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = 0; scalar <= LODE_SCALAR_INT8; scalar++)
            check_schema((lode_schema){.dim = DIM,
                                       .metric = (lode_metric)metric,
                                       .scalar = (lode_scalar)scalar,
                                       .index = scalar % 2 ? LODE_INDEX_FLAT : LODE_INDEX_HNSW},
                         0);
}

static void ties_go_to_the_smallest_ids(void **state)
{
    (void)state;
    for (int metric = 0; metric <= LODE_METRIC_COSINE; metric++)
        check_schema((lode_schema){.dim = DIM, .metric = (lode_metric)metric}, 1);
}

/* More than one group, and results that are not written on an error. */
static void all_or_nothing(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct place place = {0};
    float vector[DIM] = {1}, bad[DIM] = {0};
    lode_search_request *requests = calloc(COUNT, sizeof *requests);
    lode_result **results = calloc(COUNT, sizeof(lode_result *));
    struct engine_id nobody;
    begin(&place, (lode_schema){.dim = DIM, .metric = LODE_METRIC_COSINE});
    put(&place, 0, 100);
    for (size_t i = 0; i < COUNT; i++)
        requests[i] = (lode_search_request){.vector = vector, .k = 1 + i % 7};
    assert_ok(lode_search_batch(place.collection, requests, COUNT, results, &error));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(results[i]->hit_count, 1 + i % 7);
        lode_result_free(results[i]);
        results[i] = NULL;
    }
    requests[2900].vector = bad; /* no direction */
    assert_int_equal(lode_search_batch(place.collection, requests, COUNT, results, &error),
                     LODE_SCHEMA);
    assert_non_null(strstr(error.message, "requests[2900]: vector: "));
    requests[2900] = (lode_search_request){.like = engine_id(4711, &nobody)};
    assert_int_equal(lode_search_batch(place.collection, requests, COUNT, results, &error),
                     LODE_NOT_FOUND);
    assert_non_null(strstr(error.message, "requests[2900]: like: "));
    for (size_t i = 0; i < COUNT; i++)
        assert_null(results[i]);
    free(requests);
    free(results);
    end(&place);
}

static void one_snapshot_for_all(void **state)
{
    (void)state;
    struct place place = {0};
    lode_snapshot *snapshot;
    lode_result *results[2] = {NULL, NULL};
    float vector[DIM] = {1};
    begin(&place, (lode_schema){.dim = DIM});
    put(&place, 0, 10);
    assert_ok(lode_snapshot_open(place.collection, &snapshot, &error));
    lode_search_request requests[] = {{.vector = vector}, {.vector = vector, .snapshot = snapshot}};
    assert_int_equal(lode_search_batch(place.collection, requests, 2, results, &error),
                     LODE_INVALID);
    assert_non_null(strstr(error.message, "requests[1].snapshot"));
    assert_null(results[0]);
    lode_snapshot_close(snapshot);
    end(&place);
}

/* A text whose words the model does not know finds nothing, beside others that do. */
static void texts(void **state)
{
    (void)state;
    struct place place = {0};
    lode_text corpus[60];
    char words[60][32];
    lode_result *results[3], *single;
    begin(&place, (lode_schema){.dim = 4, .metric = LODE_METRIC_COSINE});
    for (unsigned i = 0; i < 60; i++) {
        int size = snprintf(words[i], sizeof words[i], "%s %s %s", i % 2 ? "red" : "blue",
                            i % 3 ? "fish" : "bird", i % 5 ? "river" : "tree");
        corpus[i] = (lode_text){words[i], (size_t)size};
    }
    snprintf(words[59], sizeof words[59], "green fish and birds of a lake");
    corpus[59].size = strlen(words[59]);
    lode_status trained = lode_text_model_train(place.collection, corpus, 60, NULL, NULL, &error);
    assert_ok(trained);
    for (unsigned i = 0; i < 60; i++) {
        lode_point point = {
            .id = lode_id_number(i), .text = corpus[i].data, .text_size = corpus[i].size};
        assert_ok(lode_upsert(place.collection, &point, 1, NULL, &error));
    }
    lode_search_request requests[] = {{.text = "red bird", .text_size = 8},
                                      {.text = "zzzzqqqq", .text_size = 8},
                                      {.text = "blue river", .text_size = 10}};
    assert_ok(lode_search_batch(place.collection, requests, 3, results, &error));
    for (size_t i = 0; i < 3; i++) {
        assert_ok(lode_search(place.collection, &requests[i], &single, &error));
        check_same(results[i], single);
        lode_result_free(single);
        lode_result_free(results[i]);
    }
    end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_as_one_by_one),
        cmocka_unit_test(ties_go_to_the_smallest_ids),
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(one_snapshot_for_all),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
