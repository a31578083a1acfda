/* Recall through the public interface on data that is hard for a graph: in the growing segment, after
 * half of the points are deleted at random, after a compaction. Default ef; distances decide, so that
 * it does not matter which of equally near points are found. */
#include "support/engine_kit.h"
#include "support/index_kit.h"

#include <stdio.h>

#define QUERIES 30u
#define K       10u
#define BATCH   500u

static lode_error error;

#define FAST    LODE_LAYOUT_FAST
#define COMPACT LODE_LAYOUT_COMPACT

/* `points`: half of 9,000 are walked when compacted, half of 13,000 also before. */
static const struct hard_case {
    const char *name;
    enum data_kind kind;
    lode_metric metric;
    uint32_t dim, points;
    double floor;
    lode_layout layout;
} cases[] = {
    {"clustered, l2", DATA_CLUSTERED, LODE_METRIC_L2, 32, 13000, 0.95, FAST},
    {"clustered, ip", DATA_CLUSTERED, LODE_METRIC_IP, 32, 9000, 0.95, FAST},
    {"clustered, cosine", DATA_CLUSTERED, LODE_METRIC_COSINE, 32, 13000, 0.95, FAST},
    {"all equal, l2", DATA_EQUAL, LODE_METRIC_L2, 16, 9000, 1.0, FAST},
    {"all equal, cosine", DATA_EQUAL, LODE_METRIC_COSINE, 16, 9000, 1.0, FAST},
    {"duplicates, l2", DATA_DUPLICATES, LODE_METRIC_L2, 16, 9000, 0.99, FAST},
    {"outliers, l2", DATA_OUTLIERS, LODE_METRIC_L2, 16, 9000, 0.95, FAST},
    {"outliers, ip", DATA_OUTLIERS, LODE_METRIC_IP, 16, 9000, 0.95, FAST},
    {"1 dimension, l2", DATA_UNIFORM, LODE_METRIC_L2, 1, 9000, 0.99, FAST},
    {"1 dimension, cosine", DATA_UNIFORM, LODE_METRIC_COSINE, 1, 9000, 0.99, FAST},
    {"2 dimensions, l2", DATA_UNIFORM, LODE_METRIC_L2, 2, 13000, 0.99, FAST},
    {"3 dimensions, l2", DATA_UNIFORM, LODE_METRIC_L2, 3, 9000, 0.99, FAST},
    {"tight, l2", DATA_TIGHT, LODE_METRIC_L2, 32, 9000, 0.95, FAST},
    {"tight, compact", DATA_TIGHT, LODE_METRIC_L2, 32, 9000, 0.95, COMPACT},
    {"few directions, l2", DATA_LOW_RANK, LODE_METRIC_L2, 192, 9000, 0.95, FAST},
    {"few directions, compact", DATA_LOW_RANK, LODE_METRIC_COSINE, 192, 9000, 0.95, COMPACT},
    {"3 dimensions, ip", DATA_UNIFORM, LODE_METRIC_IP, 3, 9000, 0.99, FAST},
};

/* Rows of f32 are the vectors themselves; under cosine at length 1. */
static const float *vector_of(const struct data *data, uint32_t i)
{
    return (const float *)(const void *)rows_at(&data->rows, i);
}

static void insert_all(lode_collection *collection, const struct data *data)
{
    lode_point points[BATCH] = {0};
    for (uint32_t at = 0; at < data->count; at += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++)
            points[i] =
                (lode_point){.id = lode_id_number(at + i), .vector = vector_of(data, at + i)};
        assert_ok(lode_upsert(collection, points, BATCH, NULL, &error));
    }
}

static void delete_half(lode_collection *collection, uint32_t count)
{
    static lode_id ids[LODE_BATCH_MAX];
    struct rng rng;
    size_t deleted = 0;
    rng_init(&rng, 11);
    for (uint32_t id = 0; id < count; id++)
        if (rng_below(&rng, 2))
            ids[deleted++] = lode_id_number(id);
    assert_ok(lode_delete(collection, ids, deleted, NULL, &error));
}

static size_t count_right(lode_metric metric, const lode_result *exact, const lode_result *found)
{
    float last = exact->hits[K - 1].score;
    size_t right = 0;
    for (size_t i = 0; i < found->hit_count; i++)
        right +=
            metric == LODE_METRIC_L2 ? found->hits[i].score <= last : found->hits[i].score >= last;
    return right;
}

static void check(const struct hard_case *hard, lode_collection *collection,
                  const struct data *data, const char *when, int walks)
{
    size_t right = 0, walked = 0;
    for (uint32_t q = 0; q < data->query_count; q++) {
        lode_search_request request = {.vector = vector_of(data, data->count + q), .k = K};
        lode_result *exact, *found;
        assert_ok(lode_search(collection, &request, &found, &error));
        request.exact = 1;
        assert_ok(lode_search(collection, &request, &exact, &error));
        assert_int_equal(exact->hit_count, K);
        assert_int_equal(found->hit_count, K);
        right += count_right(hard->metric, exact, found);
        walked += found->info.segments_walked > 0;
        lode_result_free(exact);
        lode_result_free(found);
    }
    double recall = (double)right / (data->query_count * K);
    printf("%-22s %-10s %.4f\n", hard->name, when, recall);
    if (walks && walked == 0)
        fail_msg("%s, %s: no graph was walked", hard->name, when);
    if (recall < hard->floor)
        fail_msg("%s, %s: recall %g", hard->name, when, recall);
}

static void run(const struct hard_case *hard)
{
    char path[PATH_SIZE_MAX];
    struct data data;
    lode_schema schema = {
        .dim = hard->dim, .metric = hard->metric, .ef_construction = 50, .layout = hard->layout};
    data_init(&data, hard->kind, data_space(hard->metric, LODE_SCALAR_F32, hard->dim), hard->points,
              QUERIES);
    temp_dir_make(path);
    lode_db *db = engine_open(NULL, path, NULL, 64 << 20);
    lode_collection *collection = engine_create(db, "points", schema);
    insert_all(collection, &data);
    assert_ok(lode_wait_idle(collection, 0, &error));
    check(hard, collection, &data, "growing", 1);
    delete_half(collection, data.count);
    check(hard, collection, &data, "halved", hard->points > 12500);
    assert_ok(lode_compact(collection, NULL, &error));
    check(hard, collection, &data, "compacted", 1);
    lode_collection_close(collection);
    engine_close(db);
    temp_dir_remove(path);
    data_release(&data);
}

static void hard_data_keeps_its_floors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hard_data_keeps_its_floors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
