/* test_filtered_walk.c: searches under filters that walk graphs keep their recall at every share of allowed rows, near
 * the query and far from it, and always find k; what lode_explain says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/engine_kit.h"

#define DIM        96
#define DIRECTIONS 16
#define POINTS     40000u
#define BATCH      500u
#define QUERIES    40u
#define CLUSTERS   20u
#define K          10u
#define FLOOR      0.95

static lode_error error;

/* Clusters that spread in few directions, as embeddings do. */
static void make_vector(struct rng *rng, unsigned cluster, float vector[DIM])
{
    double spread[DIRECTIONS];
    for (size_t i = 0; i < DIRECTIONS; i++)
        spread[i] = rng_normal(rng);
    for (size_t i = 0; i < DIM; i++) {
        double centre = (double)(random_mix(cluster * DIM + i) % 1000) / 250 - 2;
        vector[i] = (float)(centre + spread[i % DIRECTIONS] * (double)(1 + i % 5) / 5 +
                            0.1 * rng_normal(rng));
    }
}

/* {"part": of a thousand, at random; "cluster": which} */
static void insert(lode_collection *collection, struct rng *rng, unsigned first, unsigned count)
{
    static float vectors[BATCH][DIM];
    static char documents[BATCH][64];
    lode_point points[BATCH] = {0};
    for (unsigned at = 0; at < count; at += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned cluster = rng_below(rng, CLUSTERS);
            make_vector(rng, cluster, vectors[i]);
            int size = snprintf(documents[i], sizeof documents[i], "{\"part\":%u,\"cluster\":%u}",
                                rng_below(rng, 1000), cluster);
            points[i] = (lode_point){.id = lode_id_number(first + at + i),
                                     .vector = vectors[i],
                                     .metadata = documents[i],
                                     .metadata_size = (size_t)size};
        }
        assert_ok(lode_upsert(collection, points, BATCH, NULL, &error));
    }
}

static size_t common(const lode_result *a, const lode_result *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->hit_count; i++)
        for (size_t j = 0; j < b->hit_count; j++)
            count += lode_id_compare(&a->hits[i].id, &b->hits[j].id) == 0;
    return count;
}

/* Recall of queries around a cluster, CLUSTERS: around all of them. */
static void check(lode_collection *collection, const char *filter, unsigned cluster, int walks)
{
    struct rng rng;
    size_t found = 0;
    uint64_t distances = 0, walked_segments = 0;
    rng_init(&rng, 99);
    for (unsigned q = 0; q < QUERIES; q++) {
        float query[DIM];
        lode_result *exact, *walked;
        make_vector(&rng, cluster < CLUSTERS ? cluster : rng_below(&rng, CLUSTERS), query);
        lode_search_request request = {
            .vector = query, .k = K, .exact = 1, .filter = filter, .filter_size = strlen(filter)};
        assert_ok(lode_search(collection, &request, &exact, &error));
        request.exact = 0;
        assert_ok(lode_search(collection, &request, &walked, &error));
        assert_int_equal(exact->hit_count, K);
        assert_int_equal(walked->hit_count, K);
        walked_segments += walked->info.segments_walked;
        distances += walked->info.distances;
        found += common(exact, walked);
        lode_result_free(exact);
        lode_result_free(walked);
    }
    double recall = (double)found / (QUERIES * K);
    printf("%-36s recall %.4f, %llu distances, %.1f segments walked\n", filter, recall,
           (unsigned long long)(distances / QUERIES), (double)walked_segments / QUERIES);
    assert_true(recall >= FLOOR);
    if (walks)
        assert_true(walked_segments > 0);
}

static void check_all(lode_collection *collection)
{
    check(collection, "part < 2", CLUSTERS, 0);
    check(collection, "part < 10", CLUSTERS, 0);
    check(collection, "part < 50", CLUSTERS, 0);
    check(collection, "part < 100", CLUSTERS, 0);
    check(collection, "part < 250", CLUSTERS, 0);
    check(collection, "part < 500", CLUSTERS, 1);
    check(collection, "part < 900", CLUSTERS, 1);
    check(collection, "part < 990", CLUSTERS, 1);
    check(collection, "part >= 0", CLUSTERS, 1);
    check(collection, "cluster = 3", 3, 0);
    check(collection, "cluster = 3", 4, 0);
    check(collection, "cluster < 10", 15, 0);
    check(collection, "cluster != 3", 3, 0);
}

static void ask(lode_collection *collection, const char *filter, const float *query,
                lode_explanation **ret_explanation)
{
    lode_search_request request = {
        .vector = query, .filter = filter, .filter_size = filter ? strlen(filter) : 0};
    assert_ok(lode_explain(collection, &request, ret_explanation, &error));
}

/* Where a sieved walk has met no row that may be found, none is near: segments as small as these are scanned then, also
 * when some links of links lead to such rows. */
static void check_far(lode_collection *collection)
{
    struct rng rng;
    size_t far_count = 0;
    rng_init(&rng, 99);
    for (unsigned q = 0; q < QUERIES; q++) {
        float query[DIM];
        lode_explanation *said;
        make_vector(&rng, 3, query);
        ask(collection, "cluster != 3", query, &said);
        for (size_t i = 0; i < said->segment_count; i++) {
            if (said->segments[i].reason != LODE_PLAN_FAR)
                continue;
            far_count++;
            assert_int_equal(said->segments[i].first, LODE_PLAN_WALK);
            assert_int_equal(said->segments[i].plan, LODE_PLAN_SCAN);
        }
        lode_explanation_free(said);
    }
    assert_true(far_count > 0);
}

static lode_collection *make(lode_db *db, lode_layout layout)
{
    struct rng rng;
    rng_init(&rng, 7);
    lode_collection *collection =
        engine_create(db, "points", (lode_schema){.dim = DIM, .layout = layout});
    insert(collection, &rng, 0, POINTS / 2);
    assert_ok(lode_flush(collection, NULL, &error));
    insert(collection, &rng, POINTS / 2, POINTS / 2);
    assert_ok(lode_wait_idle(collection, 0, &error));
    return collection;
}

static void delete_some(lode_collection *collection, unsigned step)
{
    static lode_id ids[LODE_BATCH_MAX];
    for (unsigned id = 0; id < POINTS;) {
        size_t count = 0;
        for (; id < POINTS && count < LODE_BATCH_MAX; id += step)
            ids[count++] = lode_id_number(id);
        assert_ok(lode_delete(collection, ids, count, NULL, &error));
    }
}

static void keep_floor(lode_layout layout)
{
    char path[PATH_SIZE_MAX];
    temp_dir_make(path);
    lode_db *db = engine_open(NULL, path, NULL, 64 << 20);
    lode_collection *collection = make(db, layout);
    check_all(collection);
    check_far(collection);
    delete_some(collection, 3);
    check_all(collection);
    check_far(collection);
    assert_ok(lode_compact(collection, NULL, &error));
    check_all(collection);
    lode_collection_close(collection);
    engine_close(db);
    temp_dir_remove(path);
}

static void fast_graphs_keep_the_floor(void **state)
{
    (void)state;
    keep_floor(LODE_LAYOUT_FAST);
}

static void compact_graphs_keep_the_floor(void **state)
{
    (void)state;
    keep_floor(LODE_LAYOUT_COMPACT);
}

/* --- Explanations ------------------------------------------------------------------------------- */

static void check_costs(const lode_explain_segment *segment)
{
    static const lode_plan plans[] = {LODE_PLAN_SCAN, LODE_PLAN_WALK, LODE_PLAN_CONFINED};
    for (size_t i = 0; i < 3; i++) {
        assert_true(segment->expected_us[plans[i]] > 0);
        if (plans[i] != LODE_PLAN_SCAN && segment->first != LODE_PLAN_SCAN)
            assert_true(segment->expected_us[segment->first] <= segment->expected_us[plans[i]]);
    }
}

static void searches_are_explained(void **state)
{
    (void)state;
    char path[PATH_SIZE_MAX];
    float query[DIM];
    struct rng rng;
    lode_explanation *said;
    temp_dir_make(path);
    lode_db *db = engine_open(NULL, path, NULL, 64 << 20);
    lode_collection *collection = make(db, LODE_LAYOUT_FAST);
    assert_ok(lode_compact(collection, NULL, &error));
    rng_init(&rng, 1);
    make_vector(&rng, 0, query);

    ask(collection, "part < 900", query, &said);
    assert_int_equal(said->segment_count, 1);
    assert_true(said->is_searched);
    assert_int_equal(said->segments[0].plan, LODE_PLAN_WALK);
    assert_int_equal(said->segments[0].reason, LODE_PLAN_CHEAPEST);
    assert_in_range(said->segments[0].hops, 1, POINTS / 10);
    assert_in_range(said->segments[0].distances, K, POINTS / 2);
    assert_true(said->segments[0].us > 0);
    check_costs(&said->segments[0]);
    lode_explanation_free(said);

    ask(collection, "part < 2", query, &said);
    assert_int_equal(said->segments[0].plan, LODE_PLAN_SCAN);
    assert_int_equal(said->segments[0].distances, said->allowed_rows);
    assert_int_equal(said->segments[0].hops, 0);
    check_costs(&said->segments[0]);
    lode_explanation_free(said);

    ask(collection, "part < 900", NULL, &said);
    assert_false(said->is_searched);
    assert_int_equal(said->segments[0].plan, LODE_PLAN_WALK);
    assert_int_equal(said->segments[0].distances, 0);
    check_costs(&said->segments[0]);
    lode_explanation_free(said);

    ask(collection, NULL, query, &said);
    assert_int_equal(said->segments[0].plan, LODE_PLAN_WALK);
    assert_true(said->segments[0].hops > 0);
    lode_explanation_free(said);

    query[3] = NAN;
    lode_search_request request = {.vector = query};
    assert_int_equal(lode_explain(collection, &request, &said, &error), LODE_INVALID);
    request.text = "two queries";
    assert_int_equal(lode_explain(collection, &request, &said, &error), LODE_INVALID);
    lode_collection_close(collection);
    engine_close(db);
    temp_dir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_graphs_keep_the_floor),
                                       cmocka_unit_test(compact_graphs_keep_the_floor),
                                       cmocka_unit_test(searches_are_explained)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
