/* dense_kernels.h: the kernels of dense.h, written once with the compilers' vector types and compiled
 * by dense_<level>.c with that level's flags and lanes. Included by nothing else. */
#ifndef LINALG_DENSE_KERNELS_H
#define LINALG_DENSE_KERNELS_H

#include <string.h>

#include "linalg/dense.h"

#ifndef DENSE_LANES
#define DENSE_LANES ((size_t)4)
#endif

#define DENSE_BLOCK 64 /* rows: what a float sum may span before it is added in double */

typedef float lanes
    __attribute__((vector_size(DENSE_LANES * sizeof(float)), aligned(4), may_alias));

static inline void dense_gather(float *restrict out, const float *restrict rows, size_t stride,
                                const uint32_t *restrict indexes, const float *restrict values,
                                size_t count)
{
    size_t t = 0;
    memset(out, 0, stride * sizeof *out);
    for (; t + 4 <= count; t += 4) {
        const float *a = rows + indexes[t] * stride, *b = rows + indexes[t + 1] * stride;
        const float *c = rows + indexes[t + 2] * stride, *d = rows + indexes[t + 3] * stride;
        for (size_t j = 0; j < stride; j += DENSE_LANES) {
            lanes sum =
                *(const lanes *)(a + j) * values[t] + *(const lanes *)(b + j) * values[t + 1];
            sum += *(const lanes *)(c + j) * values[t + 2];
            sum += *(const lanes *)(d + j) * values[t + 3];
            *(lanes *)(out + j) += sum;
        }
    }
    for (; t < count; t++)
        for (size_t j = 0; j < stride; j += DENSE_LANES)
            *(lanes *)(out + j) += *(const lanes *)(rows + indexes[t] * stride + j) * values[t];
}

/* Plain loops: GCC 12 makes better code of them than of vectors converted by hand. */
static inline void dense_gather_i8(float *restrict out, const int8_t *restrict rows, size_t stride,
                                   const uint32_t *restrict indexes, const float *restrict values,
                                   size_t count)
{
    size_t t = 0;
    memset(out, 0, stride * sizeof *out);
    for (; t + 2 <= count; t += 2) {
        const int8_t *a = rows + indexes[t] * stride, *b = rows + indexes[t + 1] * stride;
        float va = values[t], vb = values[t + 1];
        for (size_t block = 0; block < stride; block += DENSE_ALIGN)
            for (size_t j = block; j < block + DENSE_ALIGN; j++)
                out[j] += (float)a[j] * va + (float)b[j] * vb;
    }
    for (; t < count; t++) {
        const int8_t *a = rows + indexes[t] * stride;
        for (size_t j = 0; j < stride; j++)
            out[j] += (float)a[j] * values[t];
    }
}

/* Four columns of a against two vectors of columns of b, over at most DENSE_BLOCK rows. */
static inline void dense_gram_block(double *restrict tile, const float *a, const float *b,
                                    size_t stride, size_t row_count)
{
    lanes sums[4][2];
    memset(sums, 0, sizeof sums);
    for (size_t row = 0; row < row_count; row++, a += stride, b += stride) {
        lanes b0 = *(const lanes *)b, b1 = *(const lanes *)(b + DENSE_LANES);
        for (size_t i = 0; i < 4; i++) {
            sums[i][0] += b0 * a[i];
            sums[i][1] += b1 * a[i];
        }
    }
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 2 * DENSE_LANES; j++)
            tile[i * GRAM_TILE + j] += (double)sums[i][j / DENSE_LANES][j % DENSE_LANES];
}

static inline void dense_gram_tile(double *restrict tile, const float *a, const float *b,
                                   size_t stride, size_t row_count)
{
    memset(tile, 0, sizeof(double) * GRAM_TILE * GRAM_TILE);
    for (size_t row = 0; row < row_count; row += DENSE_BLOCK) {
        size_t count = row_count - row < DENSE_BLOCK ? row_count - row : DENSE_BLOCK;
        for (size_t i = 0; i < GRAM_TILE; i += 4)
            for (size_t j = 0; j < GRAM_TILE; j += 2 * DENSE_LANES)
                dense_gram_block(tile + i * GRAM_TILE + j, a + row * stride + i,
                                 b + row * stride + j, stride, count);
    }
}

/* Four rows of a (fewer: the last is read again) times two vectors of columns of b. */
static inline void dense_multiply_block(float *restrict out, size_t out_stride,
                                        const float *restrict a, size_t inner, size_t depth,
                                        const float *restrict b, size_t row_count)
{
    const float *rows[4];
    lanes sums[4][2];
    memset(sums, 0, sizeof sums);
    for (size_t i = 0; i < 4; i++)
        rows[i] = a + (i < row_count ? i : row_count - 1) * inner;
    for (size_t p = 0; p < depth; p++) {
        lanes b0 = *(const lanes *)(b + p * out_stride);
        lanes b1 = *(const lanes *)(b + p * out_stride + DENSE_LANES);
        for (size_t i = 0; i < 4; i++) {
            sums[i][0] += b0 * rows[i][p];
            sums[i][1] += b1 * rows[i][p];
        }
    }
    for (size_t i = 0; i < row_count; i++) {
        *(lanes *)(out + i * out_stride) = sums[i][0];
        *(lanes *)(out + i * out_stride + DENSE_LANES) = sums[i][1];
    }
}

static inline void dense_multiply_rows(float *restrict out, size_t out_stride,
                                       const float *restrict a, size_t inner,
                                       const float *restrict b, size_t row_count, int upper)
{
    for (size_t j = 0; j < out_stride; j += 2 * DENSE_LANES) {
        size_t end = j + 2 * DENSE_LANES;
        size_t depth = upper && end < inner ? end : inner;
        for (size_t row = 0; row < row_count; row += 4)
            dense_multiply_block(out + row * out_stride + j, out_stride, a + row * inner, inner,
                                 depth, b + j, row_count - row < 4 ? row_count - row : 4);
    }
}

#define DENSE_OPS                                                                                  \
    {                                                                                              \
        dense_gather, dense_gather_i8, dense_gram_tile, dense_multiply_rows                        \
    }

#endif
