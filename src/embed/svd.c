/* svd.c: randomised singular value decomposition (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1)
 * of a sparse n × w matrix X.
 *
 *     Y = X Ω                 Ω: w × l random signs, l = rank + oversampling
 *     twice:  Y = orth(Y), Y = X Xᵀ Y
 *     Q = orth(orth(Y))
 *     B = Xᵀ Q                w × l
 *     BᵀB = U S² Uᵀ           l × l in double
 *     V = B U S⁻¹
 *
 * orth(Y) = Y R⁻¹ with YᵀY = RᵀR: Cholesky-QR, one pass over tall matrices instead of Householder's many.
 * One is enough between iterations, where it only keeps directions apart; the last is done twice,
 * which brings QᵀQ to the identity within float rounding (Yamamoto and others 2015). Random signs do what
 * Gaussian numbers do here and cost a bit each. */
#include "embed/svd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "linalg/linalg.h"

#define ROWS_PER_PIECE 256

void sparse_release(struct sparse *matrix)
{
    free(matrix->starts);
    free(matrix->columns);
    free(matrix->values);
    memset(matrix, 0, sizeof *matrix);
}

lode_status sparse_transpose(const struct sparse *matrix, struct sparse *ret_transposed,
                             lode_error *error)
{
    size_t count = matrix->starts[matrix->row_count];
    struct sparse t = {.row_count = matrix->column_count, .column_count = matrix->row_count};
    t.starts = calloc(t.row_count + 2, sizeof *t.starts);
    t.columns = malloc((count + 1) * sizeof *t.columns);
    t.values = malloc((count + 1) * sizeof *t.values);
    if (!t.starts || !t.columns || !t.values) {
        sparse_release(&t);
        return error_nomem(error, "a transposed matrix", count * 8);
    }
    size_t *next = t.starts + 1; /* next[j] ends as starts[j + 1] */
    for (size_t e = 0; e < count; e++)
        next[matrix->columns[e] + 1]++;
    for (size_t j = 0; j < t.row_count; j++)
        next[j + 1] += next[j];
    for (size_t i = 0; i < matrix->row_count; i++) {
        for (size_t e = matrix->starts[i]; e < matrix->starts[i + 1]; e++) {
            size_t to = next[matrix->columns[e]]++;
            t.columns[to] = (uint32_t)i;
            t.values[to] = matrix->values[e];
        }
    }
    *ret_transposed = t;
    return LODE_OK;
}

struct sparse_job {
    const struct sparse *matrix;
    const float *b;
    size_t stride;
    float *out;
};

static void sparse_piece(void *context, size_t i)
{
    const struct sparse_job *job = context;
    const struct sparse *m = job->matrix;
    size_t begin = i * ROWS_PER_PIECE, end = begin + ROWS_PER_PIECE;
    for (size_t row = begin; row < end && row < m->row_count; row++)
        dense()->gather(job->out + row * job->stride, job->b, job->stride,
                        m->columns + m->starts[row], m->values + m->starts[row],
                        m->starts[row + 1] - m->starts[row]);
}

void sparse_multiply(const struct sparse *matrix, const float *b, size_t stride, float *out,
                     struct executor *executor)
{
    struct sparse_job job = {matrix, b, stride, out};
    dense_parallel(executor, (matrix->row_count + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE,
                   sparse_piece, &job);
}

void svd_release(struct svd *svd)
{
    free(svd->vectors);
    free(svd->values);
    memset(svd, 0, sizeof *svd);
}

/* What one decomposition works with. */
struct work {
    const struct svd_request *request;
    struct sparse transposed;
    size_t width;   /* l: directions kept */
    size_t stride;  /* of y and z */
    float *y;       /* n × stride */
    float *z;       /* w × stride */
    double *gram;   /* width × width */
    double *values; /* width, and 2 × width of scratch */
    float *small;   /* stride × stride: what y or z is multiplied with */
    uint64_t step;
};

static void work_release(struct work *work)
{
    sparse_release(&work->transposed);
    free(work->y);
    free(work->z);
    free(work->gram);
    free(work->values);
    free(work->small);
}

static lode_status work_init(struct work *work, const struct svd_request *request,
                             lode_error *error)
{
    const struct sparse *matrix = request->matrix;
    size_t side =
        matrix->row_count < matrix->column_count ? matrix->row_count : matrix->column_count;
    size_t width = request->rank + request->oversampling;
    memset(work, 0, sizeof *work);
    work->request = request;
    work->width = width < side ? width : side;
    work->stride = dense_stride(work->width);
    lode_status status = sparse_transpose(matrix, &work->transposed, error);
    if (status)
        return status;
    work->y = dense_new(matrix->row_count, work->stride);
    work->z = dense_new(matrix->column_count, work->stride);
    work->small = dense_new(work->stride, work->stride);
    work->gram = calloc(work->width * work->width + 1, sizeof *work->gram);
    work->values = calloc(work->width * 3 + 1, sizeof *work->values);
    if (!work->y || !work->z || !work->small || !work->gram || !work->values) {
        work_release(work);
        return error_nomem(error, "a decomposition",
                           (matrix->row_count + matrix->column_count) * work->stride *
                               sizeof(float));
    }
    return LODE_OK;
}

static void report(struct work *work)
{
    const struct svd_request *request = work->request;
    if (request->progress)
        request->progress(request->context, "factorise", ++work->step,
                          2 * (request->iterations + 1) + 2);
}

/* z = random signs, a function of the seed and the place alone. */
static void fill_signs(struct work *work)
{
    size_t rows = work->request->matrix->column_count;
    uint64_t seed = random_mix(work->request->seed ^ 0x6c6f6465);
    for (size_t i = 0; i < rows; i++) {
        uint64_t bits = 0;
        for (size_t j = 0; j < work->width; j++) {
            if (j % 64 == 0)
                bits = random_mix(seed + i * 128 + j / 64);
            work->z[i * work->stride + j] = bits >> (j % 64) & 1 ? 1.0f : -1.0f;
        }
    }
}

static void orthonormalise(struct work *work, float *tall, size_t row_count)
{
    size_t width = work->width, stride = work->stride;
    struct executor *executor = work->request->executor;
    dense_gram(tall, stride, row_count, width, executor, work->gram);
    linalg_inverse_cholesky(work->gram, width);
    memset(work->small, 0, stride * stride * sizeof *work->small);
    for (size_t i = 0; i < width; i++)
        for (size_t j = i; j < width; j++)
            work->small[i * stride + j] = (float)work->gram[i * width + j];
    dense_multiply(tall, stride, tall, stride, work->small, row_count, 1, executor);
}

static void find_range(struct work *work)
{
    const struct svd_request *request = work->request;
    const struct sparse *matrix = request->matrix;
    fill_signs(work);
    sparse_multiply(matrix, work->z, work->stride, work->y, request->executor);
    report(work);
    for (size_t i = 0; i < request->iterations; i++) {
        orthonormalise(work, work->y, matrix->row_count);
        sparse_multiply(&work->transposed, work->y, work->stride, work->z, request->executor);
        report(work);
        sparse_multiply(matrix, work->z, work->stride, work->y, request->executor);
        report(work);
    }
    orthonormalise(work, work->y, matrix->row_count);
    orthonormalise(work, work->y, matrix->row_count);
    report(work);
}

/* small (stride × out_stride) = U S⁻¹: column j is an eigenvector over its singular value. */
static void fill_right(struct work *work, size_t rank, size_t out_stride, double *values)
{
    memset(work->small, 0, work->stride * work->stride * sizeof *work->small);
    double largest = work->values[0] > 0 ? sqrt(work->values[0]) : 0;
    for (size_t j = 0; j < rank; j++) {
        double square = j < work->width ? work->values[j] : 0;
        values[j] = square > 0 ? sqrt(square) : 0;
        if (values[j] <= largest * 1e-4) {
            values[j] = 0; /* rounding, not a direction */
            continue;
        }
        for (size_t i = 0; i < work->width; i++)
            work->small[i * out_stride + j] = (float)(work->gram[j * work->width + i] / values[j]);
    }
}

static lode_status finish(struct work *work, struct svd *svd, lode_error *error)
{
    const struct svd_request *request = work->request;
    size_t words = request->matrix->column_count;
    sparse_multiply(&work->transposed, work->y, work->stride, work->z, request->executor);
    report(work);
    dense_gram(work->z, work->stride, words, work->width, request->executor, work->gram);
    if (linalg_eigen(work->gram, work->width, work->values, work->values + work->width))
        return error_set(error, LODE_INVALID, "the decomposition does not converge");
    svd->stride = dense_stride(request->rank);
    svd->values = calloc(request->rank, sizeof *svd->values);
    svd->vectors = dense_new(words, svd->stride);
    if (!svd->values || !svd->vectors)
        return error_nomem(error, "word vectors", words * svd->stride * sizeof(float));
    fill_right(work, request->rank, svd->stride, svd->values);
    dense_multiply(svd->vectors, svd->stride, work->z, work->stride, work->small, words, 0,
                   request->executor);
    report(work);
    return LODE_OK;
}

lode_status svd_compute(const struct svd_request *request, struct svd *ret_svd, lode_error *error)
{
    struct work work;
    struct svd svd = {0};
    lode_status status = work_init(&work, request, error);
    if (status)
        return status;
    find_range(&work);
    status = finish(&work, &svd, error);
    work_release(&work);
    if (status)
        svd_release(&svd);
    else
        *ret_svd = svd;
    return status;
}
