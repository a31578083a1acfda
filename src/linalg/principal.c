/* principal.c: leading eigenvectors of RᵀR for a matrix R of rows, by subspace iteration (Halko, Martinsson
 * and Tropp 2011, algorithms 4.4 and 5.3).
 *
 *     G = RᵀR                  columns x columns
 *     Q = random signs         columns x width, width a few more than wanted
 *     some times: Q = orth(G Q)
 *     (R Q)ᵀ(R Q) = U S Uᵀ     width x width, in double
 *     directions = (Q U)ᵀ
 *
 * orth is Cholesky-QR, done twice at the end. When all directions are wanted there is nothing to
 * iterate, and Q is the identity. */
#include "linalg/principal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "linalg/linalg.h"

#define MORE       16 /* directions kept while iterating, beyond those wanted */
#define ITERATIONS 6

struct work {
    const struct principal_request *request;
    size_t width, width_stride;
    float *gram;   /* columns x stride: RᵀR */
    float *q, *gq; /* stride x width_stride; rows beyond `columns` are zero */
    float *image;  /* row_count x width_stride: R Q */
    double *sums;  /* of a Gram matrix: the larger of columns^2 and width^2 */
    double *values;
    float *small; /* width_stride x width_stride */
};

static void work_release(struct work *work)
{
    free(work->gram);
    free(work->q);
    free(work->gq);
    free(work->image);
    free(work->sums);
    free(work->values);
    free(work->small);
}

static int work_init(struct work *work, const struct principal_request *request)
{
    size_t columns = request->columns, width = request->count + MORE;
    *work = (struct work){.request = request, .width = width < columns ? width : columns};
    work->width_stride = dense_stride(work->width);
    work->gram = dense_new(columns, request->stride);
    work->q = dense_new(request->stride, work->width_stride);
    work->gq = dense_new(request->stride, work->width_stride);
    work->image = dense_new(request->row_count, work->width_stride);
    work->small = dense_new(work->width_stride, work->width_stride);
    work->sums = malloc(columns * columns * sizeof *work->sums);
    work->values = malloc(3 * work->width * sizeof *work->values);
    return work->gram && work->q && work->gq && work->image && work->small && work->sums &&
                   work->values
               ? 0
               : -1;
}

static void fill_gram(struct work *work)
{
    const struct principal_request *request = work->request;
    size_t columns = request->columns;
    dense_gram(request->rows, request->stride, request->row_count, columns, request->executor,
               work->sums);
    for (size_t i = 0; i < columns; i++)
        for (size_t j = 0; j < columns; j++)
            work->gram[i * request->stride + j] = (float)work->sums[i * columns + j];
}

static void begin(struct work *work)
{
    const struct principal_request *request = work->request;
    for (size_t i = 0; i < request->columns; i++)
        for (size_t j = 0; j < work->width; j++) {
            float sign = random_mix(request->seed + i * work->width + j) >> 63 ? 1.0f : -1.0f;
            work->q[i * work->width_stride + j] =
                work->width < request->columns ? sign : (float)(i == j);
        }
}

/* The columns of q, made orthonormal. */
static void orthonormalise(struct work *work)
{
    size_t width = work->width, stride = work->width_stride;
    dense_gram(work->q, stride, work->request->columns, width, work->request->executor, work->sums);
    linalg_inverse_cholesky(work->sums, width);
    for (size_t i = 0; i < width; i++)
        for (size_t j = 0; j < width; j++)
            work->small[i * stride + j] = j < i ? 0 : (float)work->sums[i * width + j];
    dense_multiply(work->q, stride, work->q, stride, work->small, work->request->columns, 1,
                   work->request->executor);
}

static void iterate(struct work *work)
{
    const struct principal_request *request = work->request;
    for (int i = 0; i < ITERATIONS; i++) {
        dense_multiply(work->gq, work->width_stride, work->gram, request->stride, work->q,
                       request->columns, 0, request->executor);
        memcpy(work->q, work->gq, request->columns * work->width_stride * sizeof *work->q);
        orthonormalise(work);
    }
    orthonormalise(work);
}

/* Eigenvectors within the span of q, and from them the directions. */
static int finish(struct work *work, float *directions, double *energies)
{
    const struct principal_request *request = work->request;
    size_t width = work->width, stride = work->width_stride;
    dense_multiply(work->image, stride, request->rows, request->stride, work->q, request->row_count,
                   0, request->executor);
    dense_gram(work->image, stride, request->row_count, width, request->executor, work->sums);
    if (linalg_eigen(work->sums, width, work->values, work->values + width))
        return -1;
    for (size_t j = 0; j < width; j++)
        for (size_t i = 0; i < width; i++)
            work->small[i * stride + j] = (float)work->sums[j * width + i];
    dense_multiply(work->q, stride, work->q, stride, work->small, request->columns, 0,
                   request->executor);
    for (size_t d = 0; d < request->count; d++) {
        if (energies)
            energies[d] = work->values[d] > 0 ? work->values[d] : 0;
        for (size_t i = 0; i < request->columns; i++)
            directions[d * request->columns + i] = work->q[i * stride + d];
    }
    return 0;
}

int principal_directions(const struct principal_request *request, float *directions,
                         double *energies)
{
    struct work work;
    int failed = work_init(&work, request);
    if (!failed) {
        begin(&work);
        if (work.width < request->columns) {
            fill_gram(&work);
            iterate(&work);
        }
        failed = finish(&work, directions, energies);
    }
    work_release(&work);
    return failed;
}
