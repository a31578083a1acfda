/* index_kit.c: see index_kit.h. */
#include "support/index_kit.h"

#include <math.h>

enum { K = 10 };

/* A component of a vector of this kind. */
static double data_value(enum data_kind kind, double mean, struct rng *rng)
{
    switch (kind) {
    case DATA_CLUSTERED:
    case DATA_LENGTHS:
    case DATA_LONG: return mean + 0.4 * rng_normal(rng);
    case DATA_TIGHT: return mean + 0.02 * rng_normal(rng);
    case DATA_DUPLICATES: return mean;
    case DATA_EQUAL: return 1.0;
    case DATA_GRID: return rng_below(rng, 4);
    case DATA_ONE_HOT: return 0.0;
    default: return rng_normal(rng);
    }
}

/* Clustered in the space of a fixed map of few directions, with a little of `vector` as noise. */
static void data_low_rank(struct rng *rng, size_t dim, float *vector)
{
    enum { DIRECTIONS = 12 };
    struct rng of_centre, of_map;
    rng_init(&of_centre, 2000 + rng_below(rng, 20));
    rng_init(&of_map, 5);
    for (size_t i = 0; i < dim; i++)
        vector[i] *= 0.05f;
    for (int d = 0; d < DIRECTIONS; d++) {
        double x = rng_normal(&of_centre) + 0.4 * rng_normal(rng);
        for (size_t i = 0; i < dim; i++)
            vector[i] += (float)(x * rng_normal(&of_map));
    }
}

/* A factor by which a vector is longer. */
static double data_length(enum data_kind kind, struct rng *rng)
{
    if (kind == DATA_OUTLIERS)
        return rng_below(rng, 100) == 0 ? 1000.0 : 1.0;
    if (kind != DATA_LENGTHS && kind != DATA_LONG)
        return 1.0;
    uint32_t lot = rng_below(rng, 2000);
    if (kind == DATA_LONG && lot > 1997)
        return 100.0;
    return lot < 2 ? 0.0 : exp(0.3 * rng_normal(rng));
}

static void data_vector(struct rng *rng, enum data_kind kind, size_t dim, float *vector)
{
    struct rng of_centre;
    int is_same = kind == DATA_ZEROS && rng_below(rng, 3) == 0;
    rng_init(&of_centre, 1000 + rng_below(rng, kind == DATA_DUPLICATES ? 50 : 20));
    double scale = data_length(kind, rng);
    int is_dense = kind == DATA_DENSE && rng_below(rng, 4) == 0;
    if (kind == DATA_ZEROS)
        kind = is_same ? DATA_EQUAL : DATA_CLUSTERED;
    for (size_t i = 0; i < dim; i++)
        vector[i] = (float)(scale * data_value(kind, rng_normal(&of_centre), rng));
    for (size_t i = 0; i < dim && is_dense; i++)
        vector[i] = 1.0f + vector[i] / 1000;
    if (kind == DATA_LOW_RANK)
        data_low_rank(rng, dim, vector);
    if (kind == DATA_ONE_HOT)
        vector[rng_below(rng, (uint32_t)dim)] = 1.0f;
}

void data_init(struct data *data, enum data_kind kind, struct space space, uint32_t count,
               uint32_t query_count)
{
    struct rng rng;
    rng_init(&rng, 7);
    size_t total = (size_t)count + query_count;
    float *vector = malloc((space.dim + 1) * sizeof *vector);
    *data = (struct data){.space = space, .count = count, .query_count = query_count};
    data->bytes = malloc(total * space.row_size + 1);
    for (size_t i = 0; i < total; i++) {
        data_vector(&rng, kind, space.dim, vector);
        space_encode(&space, vector, data->bytes + i * space.row_size);
    }
    data->rows =
        (struct rows){.space = &data->space, .base = data->bytes, .stride = space.row_size};
    free(vector);
}

void data_release(struct data *data)
{
    free(data->bytes);
}

const void *data_query(const struct data *data, uint32_t i)
{
    return rows_at(&data->rows, data->count + i);
}

/* The distance of the k-th nearest allowed row below row_limit, by comparing with every row. */
static float data_bound(const struct data *data, const void *query, uint32_t row_limit,
                        const uint64_t *allowed, size_t k)
{
    struct neighbor items[128];
    struct topk topk;
    topk_init(&topk, items, k);
    for (uint32_t row = 0; row < row_limit; row++)
        if (!allowed || bitset_test(allowed, row))
            topk_push(&topk, data->space.distance(&data->space, query, rows_at(&data->rows, row)),
                      row);
    topk_sort(&topk);
    return topk.count ? topk.items[topk.count - 1].distance : 0.0f;
}

/* Search; asserts that hits are allowed, in order, distinct and truly at their distances. */
void data_search(const struct data *data, const struct index *index, struct index_query *query,
                 struct topk *topk)
{
    struct index_counts counts = {0, 0};
    query->topk = topk;
    query->counts = &counts;
    assert_int_equal(index->ops->search(index, query, NULL), LODE_OK);
    topk_sort(topk);
    for (size_t i = 0; i < topk->count; i++) {
        struct neighbor hit = topk->items[i];
        assert_true(hit.row < query->row_limit);
        assert_true(!query->allowed || bitset_test(query->allowed, hit.row));
        assert_true(i == 0 || neighbor_before(topk->items[i - 1], hit));
        assert_true(hit.distance == data->space.distance(&data->space, query->query,
                                                         rows_at(&data->rows, hit.row)));
    }
}

/* Mean share of the true top k found, counting by distance so that ties do not matter. Every search
 * must return k hits when k rows are allowed. */
double data_recall(const struct data *data, const struct index *index, uint32_t ef,
                   uint32_t row_limit, const uint64_t *allowed)
{
    size_t right = 0, wanted = 0;
    size_t all = allowed ? bitset_count(allowed, row_limit) : row_limit;
    size_t k = all < K ? all : K;
    for (uint32_t q = 0; q < data->query_count && k; q++) {
        struct neighbor items[K];
        struct topk topk;
        topk_init(&topk, items, K);
        struct index_query query = {
            .query = data_query(data, q), .ef = ef, .row_limit = row_limit, .allowed = allowed};
        float bound = data_bound(data, query.query, row_limit, allowed, k);
        data_search(data, index, &query, &topk);
        assert_int_equal(topk.count, k);
        wanted += k;
        for (size_t i = 0; i < topk.count; i++)
            right += topk.items[i].distance <= bound;
    }
    return wanted ? (double)right / (double)wanted : 1.0;
}

struct space data_space(lode_metric metric, lode_scalar scalar, size_t dim)
{
    struct space space;
    space_init(&space, metric, scalar, dim);
    return space;
}
