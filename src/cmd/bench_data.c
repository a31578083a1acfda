/* bench_data.c: see bench_data.h. */
#include "cmd/bench_data.h"

#include "cmd/bench_measure.h"
#include "cmd/recall.h"
#include "cmd/source_hdf5.h"

#include "base/le.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define READ_BATCH 256

/* --- Queries -------------------------------------------------------------------------------------- */

static lode_status add_vectors(struct bench_queries *queries, const struct batch *batch,
                               size_t *capacity, lode_error *error)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->points[i].vector)
            return error_set(error, LODE_INVALID, "a query has no vector");
        if (queries->count == *capacity) {
            size_t wanted = *capacity ? *capacity * 2 : 1024;
            float *vectors =
                realloc(queries->vectors, wanted * queries->dim * sizeof *queries->vectors);
            if (!vectors)
                return error_nomem(error, "the queries", wanted * queries->dim * sizeof(float));
            queries->vectors = vectors;
            *capacity = wanted;
        }
        memcpy(queries->vectors + queries->count++ * queries->dim, batch->points[i].vector,
               queries->dim * sizeof *queries->vectors);
    }
    return LODE_OK;
}

static lode_status read_vectors(struct bench_queries *queries, struct source *source,
                                uint64_t limit, lode_error *error)
{
    struct batch batch;
    size_t capacity = 0;
    lode_status status = batch_init(&batch, READ_BATCH, error);
    while (status == LODE_OK && queries->count < limit) {
        uint64_t left = limit - queries->count;
        batch_clear(&batch);
        status = source_fill(source, &batch, left < READ_BATCH ? (size_t)left : READ_BATCH, error);
        if (status || batch.count == 0)
            break;
        queries->dim = source->dim;
        status = add_vectors(queries, &batch, &capacity, error);
    }
    batch_release(&batch);
    if (status == LODE_OK && queries->count == 0)
        status = error_set(error, LODE_INVALID, "there are no queries");
    return status;
}

lode_status bench_queries_read(struct bench_queries *queries, const char *path, const char *dataset,
                               uint64_t limit, lode_error *error)
{
    const struct source_options options = {.dataset = dataset, .id_start_given = 1};
    struct source *source = NULL;
    *queries = (struct bench_queries){.count = 0};
    lode_status status = source_open(path, &options, &source, error);
    if (status == LODE_OK)
        status = read_vectors(queries, source, limit, error);
    source_close(source);
    if (status)
        bench_queries_release(queries);
    return status;
}

void bench_queries_release(struct bench_queries *queries)
{
    free(queries->vectors);
    *queries = (struct bench_queries){.count = 0};
}

/* --- Truth ---------------------------------------------------------------------------------------- */

lode_status bench_truth_init(struct bench_truth *truth, size_t count, size_t k, lode_error *error)
{
    *truth = (struct bench_truth){.k = k, .count = count};
    truth->ids = malloc(count * k * sizeof *truth->ids);
    truth->worst = malloc(count * sizeof *truth->worst);
    if (!truth->ids || !truth->worst) {
        bench_truth_release(truth);
        return error_nomem(error, "the truth", count * k * sizeof *truth->ids);
    }
    memset(truth->ids, 0xff, count * k * sizeof *truth->ids);
    return LODE_OK;
}

void bench_truth_release(struct bench_truth *truth)
{
    free(truth->ids);
    free(truth->worst);
    *truth = (struct bench_truth){.count = 0};
}

static lode_status check_id(int64_t id, uint64_t points, size_t row, lode_error *error)
{
    if (id >= 0 && (uint64_t)id < points)
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "row %zu names neighbour %lld; the base has rows 0 to %llu", row + 1,
                     (long long)id, (unsigned long long)(points - 1));
}

static lode_status too_narrow(uint64_t columns, size_t k, lode_error *error)
{
    return error_set(error, LODE_INVALID, "it has %llu neighbours a query; --k is %zu",
                     (unsigned long long)columns, k);
}

static lode_status read_ivecs_row(struct bench_truth *truth, struct input *input, size_t row,
                                  uint64_t points, lode_error *error)
{
    size_t available = 0;
    lode_status status = input_peek(input, 4, &available, error);
    if (status)
        return status;
    if (available < 4)
        return error_set(error, LODE_INVALID, "it ends after %zu rows; there are %zu queries", row,
                         truth->count);
    uint32_t columns = le_load_u32(input_data(input));
    if (columns < truth->k || columns > LODE_DIM_MAX)
        return too_narrow(columns, truth->k, error);
    size_t row_size = 4 + 4 * (size_t)columns;
    status = input_peek(input, row_size, &available, error);
    if (status == LODE_OK && available < row_size)
        status = error_set(error, LODE_INVALID, "it ends within row %zu", row + 1);
    const char *data = input_data(input) + 4;
    for (size_t i = 0; i < truth->k && status == LODE_OK; i++) {
        int32_t id = (int32_t)le_load_u32(data + 4 * i);
        status = check_id(id, points, row, error);
        truth->ids[row * truth->k + i] = (uint64_t)id;
    }
    if (status == LODE_OK)
        input_take(input, row_size);
    return status;
}

static lode_status read_ivecs(struct bench_truth *truth, const char *path, uint64_t points,
                              lode_error *error)
{
    struct input input;
    lode_status status = input_open(&input, path, error);
    if (status)
        return status;
    for (size_t row = 0; row < truth->count && status == LODE_OK; row++)
        status = read_ivecs_row(truth, &input, row, points, error);
    input_close(&input);
    return status;
}

static lode_status read_hdf5(struct bench_truth *truth, const char *path, const char *dataset,
                             uint64_t points, lode_error *error)
{
    struct hdf5_integers table;
    lode_status status = hdf5_read_integers(path, dataset, &table, error);
    if (status)
        return status;
    if (table.columns < truth->k)
        status = too_narrow(table.columns, truth->k, error);
    else if (table.rows < truth->count)
        status = error_set(error, LODE_INVALID, "it has %llu rows; there are %zu queries",
                           (unsigned long long)table.rows, truth->count);
    for (size_t row = 0; row < truth->count && status == LODE_OK; row++) {
        for (size_t i = 0; i < truth->k && status == LODE_OK; i++) {
            int64_t id = table.values[row * table.columns + i];
            status = check_id(id, points, row, error);
            truth->ids[row * truth->k + i] = (uint64_t)id;
        }
    }
    free(table.values);
    return status;
}

lode_status bench_truth_read(struct bench_truth *truth, const char *path, const char *dataset,
                             size_t count, size_t k, uint64_t points, lode_error *error)
{
    lode_status status = bench_truth_init(truth, count, k, error);
    if (status)
        return status;
    if (format_of(path) == FORMAT_HDF5)
        status = read_hdf5(truth, path, dataset, points, error);
    else
        status = read_ivecs(truth, path, points, error);
    if (status)
        bench_truth_release(truth);
    return status;
}

/* The score of two vectors, as lode_metric defines it. */
static float score(lode_metric metric, const float *a, const float *b, uint32_t dim)
{
    double squares = 0, product = 0, a_norm = 0, b_norm = 0;
    for (uint32_t i = 0; i < dim; i++) {
        double x = (double)a[i], y = (double)b[i];
        squares += (x - y) * (x - y);
        product += x * y;
        a_norm += x * x;
        b_norm += y * y;
    }
    if (metric == LODE_METRIC_L2)
        return (float)squares;
    if (metric == LODE_METRIC_IP)
        return (float)product;
    return (float)(product / sqrt(a_norm * b_norm));
}

lode_status bench_truth_score(struct bench_truth *truth, lode_collection *collection,
                              const struct bench_queries *queries, lode_error *error)
{
    lode_metric metric = lode_collection_schema(collection)->metric;
    lode_status status = LODE_OK;
    for (size_t i = 0; i < truth->count && status == LODE_OK; i++) {
        lode_result *found = NULL;
        lode_id id = lode_id_number(truth->ids[i * truth->k + truth->k - 1]);
        status = lode_get(collection, NULL, &id, 1, LODE_WITH_VECTOR, &found, error);
        if (status == LODE_OK && found->hit_count == 1)
            truth->worst[i] = score(metric, queries->vectors + i * queries->dim,
                                    found->hits[0].vector, queries->dim);
        else if (status == LODE_OK)
            status =
                error_set(error, LODE_INVALID, "row %zu names a point that is not there", i + 1);
        lode_result_free(found);
    }
    return status;
}

lode_status bench_truth_search(struct bench_truth *truth, lode_collection *collection,
                               const struct bench_queries *queries, unsigned threads,
                               struct progress *progress, lode_error *error)
{
    size_t places = truth->count * truth->k;
    struct bench_result ignored;
    struct bench_run run = {
        .collection = collection,
        .queries = queries,
        .k = truth->k,
        .exact = 1,
        .threads = threads,
        .progress = progress,
        .ids = truth->ids,
        .scores = malloc(places * sizeof(float)),
        .hit_counts = calloc(truth->count, sizeof(size_t)),
    };
    lode_status status = LODE_OK;
    if (!run.scores || !run.hit_counts)
        status = error_nomem(error, "the truth", places * sizeof(float));
    if (status == LODE_OK)
        status = bench_measure(&run, &ignored, error);
    for (size_t i = 0; i < truth->count && status == LODE_OK; i++)
        truth->worst[i] = run.hit_counts[i] ? run.scores[i * truth->k + run.hit_counts[i] - 1] : 0;
    free(run.scores);
    free(run.hit_counts);
    return status;
}

size_t bench_truth_hits(const struct bench_truth *truth, lode_metric metric, size_t i,
                        const uint64_t *ids, const float *scores, size_t hit_count)
{
    const uint64_t *right = truth->ids + i * truth->k;
    size_t count = 0;
    for (size_t hit = 0; hit < hit_count; hit++) {
        int counts = truth->worst && recall_as_good(metric, scores[hit], truth->worst[i]);
        for (size_t j = 0; j < truth->k && !counts; j++)
            counts = right[j] == ids[hit];
        count += (size_t)counts;
    }
    return count;
}
