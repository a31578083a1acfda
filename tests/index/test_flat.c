/* test_flat.c: the exact scan is exact: ties, filters, ranges, what was in the top-k before. */
#include "support/index_kit.h"

enum { K_MAX = 64 };

/* The same by pushing row after row. */
static void expect(const struct data *data, const struct index_query *query, uint32_t first,
                   struct topk *topk, uint64_t *ret_compared)
{
    for (uint32_t row = first; row < query->row_limit; row++)
        if (!query->allowed || bitset_test(query->allowed, row)) {
            const void *vector = rows_at(&data->rows, row);
            topk_push(topk, data->space.distance(&data->space, query->query, vector), row);
            ++*ret_compared;
        }
}

static void compare(const struct data *data, uint32_t first, uint32_t row_limit,
                    const uint64_t *allowed, size_t k)
{
    struct neighbor found_items[K_MAX], true_items[K_MAX];
    struct topk found, truth;
    struct index_counts counts = {0, 0};
    uint64_t compared = 0;
    topk_init(&found, found_items, k);
    topk_init(&truth, true_items, k);
    struct index_query query = {.query = data_query(data, 0),
                                .row_limit = row_limit,
                                .allowed = allowed,
                                .topk = &found,
                                .counts = &counts};
    assert_int_equal(flat_search(&data->rows, first, &query, NULL), LODE_OK);
    expect(data, &query, first, &truth, &compared);
    topk_sort(&found);
    topk_sort(&truth);
    assert_true(counts.distances >= compared);
    if (!allowed)
        assert_int_equal(counts.distances, compared);
    assert_int_equal(counts.hops, 0);
    assert_int_equal(found.count, truth.count);
    for (size_t i = 0; i < truth.count; i++)
        assert_int_equal(found.items[i].row, truth.items[i].row);
}

static void compare_ranges(const struct data *data, const uint64_t *allowed)
{
    static const uint32_t edges[] = {0, 1, 63, 64, 65, 255, 256, 257, 500, 1000};
    for (size_t a = 0; a < sizeof edges / sizeof *edges; a++)
        for (size_t b = 0; b < sizeof edges / sizeof *edges; b++)
            for (size_t k = 1; k <= K_MAX; k *= 8)
                compare(data, edges[a], edges[b], allowed, k);
}

static void every_range_and_filter(void **state)
{
    (void)state;
    static const double shares[] = {0.0, 0.01, 0.5, 0.99, 1.0};
    struct data data;
    struct rng rng;
    uint64_t allowed[16];
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 7), 1000, 1);
    compare_ranges(&data, NULL);
    rng_init(&rng, 1);
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        memset(allowed, 0, sizeof allowed);
        for (uint32_t row = 0; row < data.count; row++)
            if (rng_unit(&rng) < shares[s])
                bitset_set(allowed, row);
        compare_ranges(&data, allowed);
    }
    data_release(&data);
}

static void ties_end_at_the_smaller_row(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, DATA_EQUAL, data_space(LODE_METRIC_COSINE, LODE_SCALAR_F32, 5), 1000, 1);
    compare_ranges(&data, NULL);
    data_release(&data);
}

static void every_space(void **state)
{
    (void)state;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++) {
            struct data data;
            struct space space = data_space((lode_metric)metric, (lode_scalar)scalar, 33);
            data_init(&data, DATA_CLUSTERED, space, 700, 1);
            compare(&data, 0, 700, NULL, 10);
            data_release(&data);
        }
}

static void a_top_k_is_carried_on(void **state)
{
    (void)state;
    struct data data;
    struct neighbor items[2];
    struct topk topk;
    struct index_counts counts = {0, 0};
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 7), 500, 1);
    topk_init(&topk, items, 2);
    topk_push(&topk, -1.0f, 123456);
    struct index_query query = {
        .query = data_query(&data, 0), .row_limit = 500, .topk = &topk, .counts = &counts};
    assert_int_equal(flat_search(&data.rows, 0, &query, NULL), LODE_OK);
    topk_sort(&topk);
    assert_int_equal(topk.count, 2);
    assert_int_equal(topk.items[0].row, 123456);
    assert_true(topk.items[1].row < 500);
    data_release(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_range_and_filter),
        cmocka_unit_test(ties_end_at_the_smaller_row),
        cmocka_unit_test(every_space),
        cmocka_unit_test(a_top_k_is_carried_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
