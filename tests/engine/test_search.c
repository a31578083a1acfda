/* Searches: exact to the last id, k beyond what there is, like, one_per. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/engine_kit.h"

static lode_error error;

struct place {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model model;
};

static void begin(struct place *place, lode_schema schema)
{
    place->vfs = vfs_memory_new();
    place->db = engine_open(place->vfs, "db", NULL, 2048);
    place->collection = engine_create(place->db, "points", schema);
    model_init(&place->model, &schema);
}

static void end(struct place *place)
{
    lode_collection_close(place->collection);
    engine_close(place->db);
    vfs_memory_free(place->vfs);
}

static void put(struct place *place, unsigned id, int value)
{
    struct model_op op = {.id = id, .value = value};
    assert_ok(model_write(&place->model, place->collection, &op, 1, &error));
}

/* With many equal vectors, wherever they are stored, the smallest ids are found. */
static void ties_go_to_the_smallest_ids(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++) {
        struct place place;
        begin(&place, (lode_schema){.dim = 6, .metric = (lode_metric)metric});
        for (unsigned i = 0; i < 400; i++)
            put(&place, i * 211 % ENGINE_IDS, (int)(i % 3)); /* three different vectors */
        for (size_t k = 1; k < 450; k += k < 20 ? 1 : 47)
            for (unsigned value = 0; value < 4; value++)
                model_check_search(&place.model, place.collection, NULL, value, k, 1);
        assert_ok(lode_compact(place.collection, NULL, &error));
        for (size_t k = 1; k < 450; k += 37)
            model_check_search(&place.model, place.collection, NULL, 1, k, 1);
        end(&place);
    }
}

static void an_empty_collection_gives_nothing(void **state)
{
    (void)state;
    struct place place;
    begin(&place, (lode_schema){.dim = 6});
    model_check_search(&place.model, place.collection, NULL, 1, 10, 1);
    put(&place, 1, 1);
    put(&place, 1, ENGINE_NONE);
    model_check_search(&place.model, place.collection, NULL, 1, 10, 1);
    assert_ok(lode_compact(place.collection, NULL, &error));
    model_check_search(&place.model, place.collection, NULL, 1, LODE_K_MAX, 1);
    end(&place);
}

static void defaults_and_info(void **state)
{
    (void)state;
    struct place place;
    float query[6];
    lode_result *result;
    begin(&place, (lode_schema){.dim = 6});
    for (unsigned i = 0; i < 100; i++)
        put(&place, i, (int)i);
    engine_vector(1, 6, query);
    assert_ok(
        lode_search(place.collection, &(lode_search_request){.vector = query}, &result, &error));
    assert_int_equal(result->hit_count, 10);
    assert_int_equal(result->info.distances, 100);
    assert_int_equal(result->info.segments_walked, 0);
    assert_true(result->info.segments_scanned > 1);
    assert_int_equal(result->info.sequence, 100);
    assert_null(result->hits[0].vector);
    lode_result_free(result);
    end(&place);
}

/* A point found with its own vector scores as lode.h says: 0, |x|^2, 1. */
static void scores_have_their_meaning(void **state)
{
    (void)state;
    static const double wanted[] = {0, -1, 1};
    for (int metric = 0; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = 0; scalar <= LODE_SCALAR_INT8; scalar++) {
            struct place place;
            float query[6];
            double square = 0;
            lode_result *result;
            begin(&place, (lode_schema){.dim = 6,
                                        .metric = (lode_metric)metric,
                                        .scalar = (lode_scalar)scalar});
            put(&place, 1, 5);
            engine_vector(5, 6, query);
            for (size_t i = 0; i < 6; i++)
                square += (double)query[i] * (double)query[i];
            lode_search_request request = {.vector = query, .with = LODE_WITH_VECTOR};
            assert_ok(lode_search(place.collection, &request, &result, &error));
            double score = (double)result->hits[0].score;
            assert_true(fabs(score - (wanted[metric] < 0 ? square : wanted[metric])) < 0.01);
            lode_result_free(result);
            end(&place);
        }
}

static void like_leaves_the_point_itself_out(void **state)
{
    (void)state;
    struct place place;
    struct engine_id id;
    lode_result *result;
    begin(&place, (lode_schema){.dim = 6});
    for (unsigned i = 0; i < 90; i++)
        put(&place, i, (int)(i % 30)); /* each vector three times */
    for (unsigned i = 0; i < 90; i += 7) {
        lode_search_request request = {.like = engine_id(i, &id), .k = 89};
        assert_ok(lode_search(place.collection, &request, &result, &error));
        assert_int_equal(result->hit_count, 89);
        for (size_t h = 0; h < 89; h++)
            assert_int_not_equal(lode_id_compare(&result->hits[h].id, engine_id(i, &id)), 0);
        assert_true(result->hits[1].score == 0 && result->hits[2].score > 0);
        lode_result_free(result);
        request.k = 1;
        assert_ok(lode_search(place.collection, &request, &result, &error));
        assert_int_equal(result->hit_count, 1);
        lode_result_free(result);
    }
    end(&place);
}

static void put_json(struct place *place, uint64_t id, float x, const char *metadata)
{
    float vector[1] = {x};
    lode_point point = {.id = lode_id_number(id), .vector = vector, .metadata = metadata};
    point.metadata_size = metadata ? strlen(metadata) : 0;
    assert_ok(lode_upsert(place->collection, &point, 1, NULL, &error));
}

static void check_one_per(struct place *place, size_t k, const char *field, const uint64_t *wanted,
                          size_t count)
{
    float zero[1] = {0};
    lode_result *result;
    lode_search_request request = {.vector = zero, .k = k, .one_per = field};
    assert_ok(lode_search(place->collection, &request, &result, &error));
    assert_int_equal(result->hit_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(result->hits[i].id.number, wanted[i]);
    lode_result_free(result);
}

static void one_per_value(void **state)
{
    (void)state;
    struct place place;
    begin(&place, (lode_schema){.dim = 1});
    put_json(&place, 1, 1, "{\"a\":\"x\"}");
    put_json(&place, 2, 2, "{\"a\":\"\\u0078\",\"b\":1}"); /* x again */
    put_json(&place, 3, 3, "{\"b\":1,\"a\":\"1\"}");
    put_json(&place, 4, 4, "{\"a\":\"2\"}");
    put_json(&place, 5, 5, "{\"a\":\"1\"}");
    put_json(&place, 6, 6, NULL); /* without the field: a value each */
    put_json(&place, 7, 7, "{}");
    put_json(&place, 8, 8, "{\"a\":null}");
    put_json(&place, 9, 9, "{\"a\":[\"1\",\"2\"]}");
    put_json(&place, 10, 10, "{\"a\":[\"1\",\"2\"]}");
    put_json(&place, 11, 11, "{\"nested\":{\"a\":\"x\"}}");
    static const uint64_t all[] = {1, 3, 4, 6, 7, 8, 9, 11};
    check_one_per(&place, 10, "a", all, 8);
    check_one_per(&place, 3, "a", all, 3);
    static const uint64_t each[] = {1, 2, 3, 4, 5, 6};
    check_one_per(&place, 6, "none", each, 6);
    end(&place);
}

/* More and more hits are fetched until there are values enough. */
static void one_per_looks_far(void **state)
{
    (void)state;
    struct place place;
    char metadata[32];
    begin(&place, (lode_schema){.dim = 1});
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(metadata, sizeof metadata, "{\"g\":%u}", i / 500);
        put_json(&place, i, (float)i, metadata);
    }
    static const uint64_t wanted[] = {0, 500, 1000, 1500};
    check_one_per(&place, 2, "g", wanted, 2);
    check_one_per(&place, 4, "g", wanted, 4);
    check_one_per(&place, 5, "g", wanted, 4);
    end(&place);
}

/* The value of the point of `like` is taken: more like it, not more of it. */
static void one_per_leaves_out_the_value_of_like(void **state)
{
    (void)state;
    struct place place;
    begin(&place, (lode_schema){.dim = 1});
    put_json(&place, 1, 1, "{\"a\":\"x\"}");
    put_json(&place, 2, 2, "{\"a\":\"x\"}");
    put_json(&place, 3, 3, "{\"a\":\"y\"}");
    put_json(&place, 4, 4, "{\"a\":\"y\"}");
    put_json(&place, 5, 5, NULL); /* without a value: takes none */
    put_json(&place, 6, 6, NULL);
    static const struct {
        uint64_t like;
        size_t k, count;
        uint64_t wanted[4];
    } cases[] = {
        {1, 10, 3, {3, 5, 6}},
        {1, 1, 1, {3}},
        {3, 10, 3, {2, 5, 6}},
        {6, 10, 3, {5, 4, 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lode_id id = lode_id_number(cases[i].like);
        lode_result *result;
        lode_search_request request = {.like = &id, .k = cases[i].k, .one_per = "a"};
        assert_ok(lode_search(place.collection, &request, &result, &error));
        assert_int_equal(result->hit_count, cases[i].count);
        for (size_t j = 0; j < cases[i].count; j++)
            assert_int_equal(result->hits[j].id.number, cases[i].wanted[j]);
        lode_result_free(result);
    }
    end(&place);
}

/* What was asked for is returned, and no more; texts may be empty or hold anything. */
static void documents_come_back(void **state)
{
    (void)state;
    struct place place;
    float vector[1] = {1};
    lode_result *result;
    begin(&place, (lode_schema){.dim = 1});
    lode_point point = {.id = lode_id_text("a"), .vector = vector, .text = "a\0b", .text_size = 3};
    assert_ok(lode_upsert(place.collection, &point, 1, NULL, &error));
    for (unsigned with = 0; with < 8; with++) {
        lode_search_request request = {.vector = vector, .with = with};
        assert_ok(lode_search(place.collection, &request, &result, &error));
        const lode_hit *hit = &result->hits[0];
        assert_int_equal(hit->vector != NULL, (with & LODE_WITH_VECTOR) != 0);
        assert_int_equal(hit->text != NULL, (with & LODE_WITH_TEXT) != 0);
        assert_null(hit->metadata);
        if (hit->text)
            assert_memory_equal(hit->text, "a\0b", 4);
        lode_result_free(result);
    }
    end(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ties_go_to_the_smallest_ids),
        cmocka_unit_test(an_empty_collection_gives_nothing),
        cmocka_unit_test(defaults_and_info),
        cmocka_unit_test(scores_have_their_meaning),
        cmocka_unit_test(like_leaves_the_point_itself_out),
        cmocka_unit_test(one_per_value),
        cmocka_unit_test(one_per_looks_far),
        cmocka_unit_test(one_per_leaves_out_the_value_of_like),
        cmocka_unit_test(documents_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
