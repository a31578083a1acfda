/* dense.h: the arithmetic of training and embedding on row-major f32 matrices, one table for each
 * instruction set, chosen as simd() chooses its own.
 *
 * Rows are padded with zeros to a multiple of DENSE_ALIGN floats (a row's stride), so that no kernel
 * has a tail. Sums run in an order that depends on the shapes and the level alone: one machine gives
 * the same bits always, whatever the threads; two levels may differ in the last bits. */
#ifndef LINALG_DENSE_H
#define LINALG_DENSE_H

#include <stddef.h>
#include <stdint.h>

#include "os/executor.h"

#define DENSE_ALIGN 32 /* floats */
#define GRAM_TILE   32 /* rows and columns of one tile of a Gram matrix */

static inline size_t dense_stride(size_t columns)
{
    return (columns + DENSE_ALIGN - 1) / DENSE_ALIGN * DENSE_ALIGN;
}

struct dense_ops {
    /* out[0, stride) = sum over t of values[t] * rows[indexes[t]]. */
    void (*gather)(float *restrict out, const float *restrict rows, size_t stride,
                   const uint32_t *restrict indexes, const float *restrict values, size_t count);
    /* The same from rows of integers. */
    void (*gather_i8)(float *restrict out, const int8_t *restrict rows, size_t stride,
                      const uint32_t *restrict indexes, const float *restrict values, size_t count);
    /* tile[i][j] = sum over rows of a[row][i] * b[row][j] for GRAM_TILE columns of each; in double
     * from row blocks summed in float. a and b point into matrices of the same stride. */
    void (*gram_tile)(double *restrict tile, const float *a, const float *b, size_t stride,
                      size_t row_count);
    /* out (row_count × out_stride) = a (row_count × inner) times b (inner × out_stride). upper: b is
     * upper triangular, its zeros are not read. */
    void (*multiply)(float *restrict out, size_t out_stride, const float *restrict a, size_t inner,
                     const float *restrict b, size_t row_count, int upper);
};

const struct dense_ops *dense(void);

extern const struct dense_ops dense_scalar;
#if defined(__x86_64__)
extern const struct dense_ops dense_avx2;
extern const struct dense_ops dense_avx512;
#endif

/* rows × stride zeroed floats, 64-byte aligned; free with free(). NULL: out of memory. */
float *dense_new(size_t rows, size_t stride);

/* executor_parallel, or a plain loop when executor is NULL. */
void dense_parallel(struct executor *executor, size_t count, void (*body)(void *context, size_t i),
                    void *context);

/* gram = aᵀa of the first `columns` columns, columns × columns doubles. */
void dense_gram(const float *a, size_t stride, size_t row_count, size_t columns,
                struct executor *executor, double *gram);

#define DENSE_INNER_MAX 5120 /* columns of a: bounds a buffer on the stack */

/* out = a times b, as dense_ops.multiply. out may be a itself when the strides are equal. */
void dense_multiply(float *out, size_t out_stride, const float *a, size_t inner, const float *b,
                    size_t row_count, int upper, struct executor *executor);

#endif
