/* index_contract.c: see index_contract.h. */
#include "support/index_contract.h"

struct index_params contract_params = {.m = 16, .ef_construction = 100, .seed = 1};

struct index *contract_built(const struct index_ops *ops, const struct data *data)
{
    struct index *index = NULL;
    lode_error error;
    assert_int_equal(ops->build(&contract_params, &data->rows, data->count, NULL, &index, &error),
                     LODE_OK);
    assert_int_equal(index->ops->count(index), data->count);
    assert_int_equal(index->ops->check(index, &error), LODE_OK);
    return index;
}

static void keep_at_random(uint64_t *allowed, uint32_t count, double share)
{
    struct rng rng;
    rng_init(&rng, 3);
    memset(allowed, 0, bitset_words(count) * 8);
    for (uint32_t row = 0; row < count; row++)
        if (rng_unit(&rng) < share)
            bitset_set(allowed, row);
}

static const struct hard_case {
    enum data_kind kind;
    size_t dim;
    double floor;
} hard_cases[] = {
    {DATA_CLUSTERED, 24, 0.95}, {DATA_EQUAL, 16, 1.0},     {DATA_DUPLICATES, 16, 0.99},
    {DATA_ZEROS, 16, 0.95},     {DATA_OUTLIERS, 16, 0.95}, {DATA_UNIFORM, 1, 0.99},
    {DATA_UNIFORM, 2, 0.99},    {DATA_UNIFORM, 3, 0.99},   {DATA_DUPLICATES, 3, 0.95},
};

static void check_hard(const struct index_ops *ops, const struct hard_case *hard, int metric)
{
    struct data data;
    uint64_t half[(1500 + 63) / 64];
    data_init(&data, hard->kind, data_space((lode_metric)metric, LODE_SCALAR_F32, hard->dim), 1500,
              50);
    keep_at_random(half, data.count, 0.5);
    struct index *index = contract_built(ops, &data);
    double whole = data_recall(&data, index, 64, data.count, NULL);
    double halved = data_recall(&data, index, 64, data.count, half);
    if (whole < hard->floor || halved < hard->floor)
        fail_msg("kind %d, dim %zu, metric %d: recall %g, %g of half of the rows", hard->kind,
                 hard->dim, metric, whole, halved);
    index->ops->close(index);
    data_release(&data);
}

void contract_hard_data(const struct index_ops *ops)
{
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
        for (size_t i = 0; i < sizeof hard_cases / sizeof *hard_cases; i++)
            check_hard(ops, &hard_cases[i], metric);
}

/* Delete the nearest `dead` rows of a query: a whole region. */
static void delete_region(const struct data *data, uint64_t *allowed, uint32_t query, size_t dead)
{
    struct neighbor *items = malloc(dead * sizeof *items);
    struct topk topk;
    topk_init(&topk, items, dead);
    for (uint32_t row = 0; row < data->count; row++)
        topk_push(
            &topk,
            data->space.distance(&data->space, data_query(data, query), rows_at(&data->rows, row)),
            row);
    for (size_t i = 0; i < topk.count; i++)
        bitset_unset(allowed, items[i].row);
    free(items);
}

void contract_deletes(const struct index_ops *ops, enum data_kind kind, lode_metric metric)
{
    struct data data;
    data_init(&data, kind, data_space(metric, LODE_SCALAR_F32, 24), 5000, 50);
    struct index *index = contract_built(ops, &data);
    uint64_t *allowed = malloc(bitset_words(data.count) * 8);
    static const double shares[] = {0.9, 0.5, 0.1, 0.01, 0.001, 0.0};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        keep_at_random(allowed, data.count, shares[i]);
        assert_true(data_recall(&data, index, 100, data.count, allowed) >= 0.95);
    }
    keep_at_random(allowed, data.count, 1.0);
    for (uint32_t query = 0; query < 5; query++)
        delete_region(&data, allowed, query, 500);
    assert_true(data_recall(&data, index, 100, data.count, allowed) >= 0.95);
    keep_at_random(allowed, data.count, 0.0);
    bitset_set(allowed, 17);
    bitset_set(allowed, 4999);
    assert_true(data_recall(&data, index, 10, data.count, allowed) == 1.0);
    for (uint32_t limit = 1; limit <= data.count; limit = 3 * limit + 1)
        assert_true(data_recall(&data, index, 100, limit, NULL) >= 0.95);
    free(allowed);
    index->ops->close(index);
    data_release(&data);
}

enum lie { LIE_RANDOM, LIE_NEAR, LIE_AWAY, LIE_COUNT };

/* The share of rows that are nearest to row 0, or furthest from it. */
static void keep_around(const struct data *data, uint64_t *allowed, double share, int is_near)
{
    size_t kept = (size_t)((is_near ? share : 1 - share) * data->count) + (size_t)is_near;
    struct neighbor *items = malloc((kept + 1) * sizeof *items);
    struct topk topk;
    topk_init(&topk, items, kept);
    for (uint32_t row = 0; kept && row < data->count; row++)
        topk_push(
            &topk,
            data->space.distance(&data->space, rows_at(&data->rows, 0), rows_at(&data->rows, row)),
            row);
    memset(allowed, 0, bitset_words(data->count) * 8);
    for (uint32_t row = 0; row < data->count && !is_near; row++)
        bitset_set(allowed, row);
    for (size_t i = 0; i < topk.count; i++)
        if (is_near)
            bitset_set(allowed, items[i].row);
        else
            bitset_unset(allowed, items[i].row);
    free(items);
}

/* Counts by distance, as data_recall does; that asserts of its searches what is asserted here. */
static double recall_by(const struct data *data, const struct index *index, const uint64_t *allowed,
                        enum index_plan plan)
{
    size_t all = bitset_count(allowed, data->count), right = 0, wanted = 0;
    for (uint32_t q = 0; q < data->query_count; q++) {
        struct neighbor items[10], true_items[10];
        struct topk topk, truth;
        struct index_choice choice;
        struct index_counts counts = {0};
        topk_init(&topk, items, 10);
        topk_init(&truth, true_items, 10);
        struct index_query query = {.query = data_query(data, q),
                                    .ef = 64,
                                    .row_limit = data->count,
                                    .allowed = allowed,
                                    .allowed_count = q % 2 ? (uint32_t)all : 0,
                                    .plan = plan,
                                    .choice = &choice};
        struct index_query exact = query;
        exact.topk = &truth;
        exact.counts = &counts;
        assert_int_equal(flat_search(&data->rows, 0, &exact, NULL), LODE_OK);
        topk_sort(&truth);
        data_search(data, index, &query, &topk);
        assert_int_equal(topk.count, all < 10 ? all : 10);
        assert_int_equal(choice.allowed, all);
        assert_true(plan != INDEX_PLAN_ANY || choice.reason != INDEX_REASON_ASKED);
        wanted += topk.count;
        for (size_t i = 0; i < topk.count; i++)
            right += topk.items[i].distance <= truth.items[truth.count - 1].distance;
    }
    return wanted ? (double)right / (double)wanted : 1;
}

static void check_filtered(const struct data *data, const struct index *index,
                           const uint64_t *allowed, enum lie lie, double share)
{
    static const double floors[] = {[INDEX_PLAN_ANY] = 0.95,
                                    [INDEX_PLAN_SCAN] = 1,
                                    [INDEX_PLAN_CONFINED] = 0.3,
                                    [INDEX_PLAN_SIEVE] = 0.6};
    for (int plan = INDEX_PLAN_ANY; plan < INDEX_PLAN_COUNT; plan++) {
        double recall = recall_by(data, index, allowed, (enum index_plan)plan);
        if (recall < floors[plan])
            fail_msg("lie %d, share %g, plan %d: recall %g", lie, share, plan, recall);
    }
}

void contract_filtered(const struct index_ops *ops, enum data_kind kind, lode_metric metric)
{
    static const double shares[] = {0.0005, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.9, 0.99, 1};
    struct data data;
    data_init(&data, kind, data_space(metric, LODE_SCALAR_F32, 24), 6000, 20);
    struct index *index = contract_built(ops, &data);
    uint64_t *allowed = malloc(bitset_words(data.count) * 8);
    for (int lie = LIE_RANDOM; lie < LIE_COUNT; lie++)
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
            if (lie == LIE_RANDOM)
                keep_at_random(allowed, data.count, shares[i]);
            else
                keep_around(&data, allowed, shares[i], lie == LIE_NEAR);
            check_filtered(&data, index, allowed, (enum lie)lie, shares[i]);
        }
    free(allowed);
    index->ops->close(index);
    data_release(&data);
}

static lode_status sink_write(void *context, const void *bytes, size_t size, lode_error *error)
{
    return buf_append(context, bytes, size, error);
}

void contract_serialized(const struct index *index, struct buf *buf)
{
    buf_init(buf, 1u << 30);
    struct index_sink sink = {.write = sink_write, .context = buf};
    assert_int_equal(index->ops->serialize(index, &sink, NULL), LODE_OK);
    assert_int_equal(buf->size % 64, 0);
}

void contract_same_bytes_twice(const struct index_ops *ops, size_t dim)
{
    struct data data;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, dim), 2000, 20);
    struct buf first, second;
    struct index *index = contract_built(ops, &data);
    contract_serialized(index, &first);
    index->ops->close(index);
    index = contract_built(ops, &data);
    contract_serialized(index, &second);
    index->ops->close(index);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    buf_release(&first);
    buf_release(&second);
    data_release(&data);
}

void contract_opened_answers_the_same(const struct index_ops *ops, enum data_kind kind,
                                      lode_metric metric, size_t dim)
{
    struct data data;
    data_init(&data, kind, data_space(metric, LODE_SCALAR_F32, dim), 2000, 50);
    struct index *index = contract_built(ops, &data), *opened = NULL;
    struct buf buf, again;
    contract_serialized(index, &buf);
    uint8_t *mapped = aligned_alloc(64, buf.size);
    memcpy(mapped, buf.data, buf.size);
    struct index_file file = {
        .rows = &data.rows, .count = data.count, .data = mapped, .size = buf.size};
    assert_int_equal(ops->open(&file, &opened, NULL), LODE_OK);
    assert_int_equal(opened->ops->check(opened, NULL), LODE_OK);
    for (uint32_t q = 0; q < data.query_count; q++) {
        struct neighbor a[10], b[10];
        struct topk topk_a, topk_b;
        topk_init(&topk_a, a, 10);
        topk_init(&topk_b, b, 10);
        struct index_query query = {
            .query = data_query(&data, q), .ef = 30, .row_limit = data.count};
        data_search(&data, index, &query, &topk_a);
        data_search(&data, opened, &query, &topk_b);
        assert_memory_equal(a, b, sizeof a);
    }
    contract_serialized(opened, &again);
    assert_int_equal(again.size, buf.size);
    assert_memory_equal(again.data, buf.data, buf.size);
    opened->ops->close(opened);
    index->ops->close(index);
    buf_release(&buf);
    buf_release(&again);
    free(mapped);
    data_release(&data);
}

void contract_damaged_bytes(const struct index_ops *ops, enum data_kind kind, lode_metric metric,
                            size_t dim)
{
    struct data data;
    data_init(&data, kind, data_space(metric, LODE_SCALAR_F32, dim), 600, 5);
    struct index *index = contract_built(ops, &data);
    struct buf buf;
    contract_serialized(index, &buf);
    index->ops->close(index);
    uint8_t *mapped = aligned_alloc(64, buf.size);
    struct rng rng;
    rng_init(&rng, 5);
    for (int round = 0; round < 300; round++) {
        memcpy(mapped, buf.data, buf.size);
        uint32_t reach = round % 2 ? 64 : (uint32_t)buf.size;
        for (uint32_t i = 0; i < 1 + rng_below(&rng, 200); i++)
            mapped[rng_below(&rng, reach)] = (uint8_t)rng_u64(&rng);
        size_t size = rng_below(&rng, 4) ? buf.size : rng_below(&rng, (uint32_t)buf.size);
        struct index *opened = NULL;
        struct index_file file = {
            .rows = &data.rows, .count = data.count, .data = mapped, .size = size};
        if (ops->open(&file, &opened, NULL) != LODE_OK)
            continue;
        (void)!opened->ops->check(opened, NULL);
        data_recall(&data, opened, 20, data.count, NULL);
        opened->ops->close(opened);
    }
    free(mapped);
    buf_release(&buf);
    data_release(&data);
}
