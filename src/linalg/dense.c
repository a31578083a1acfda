/* dense.c: the kernels over whole matrices, in parallel. Work is cut by the shapes alone, and each piece
 * is written by one thread: the result does not depend on how many there are. */
#include "linalg/dense.h"

#include <stdlib.h>
#include <string.h>

#include "os/memory.h"
#include "simd/simd.h"

#define ROWS_PER_PIECE 256

const struct dense_ops *dense(void)
{
#if defined(__x86_64__)
    const char *level = simd()->name;
    if (strncmp(level, "avx512", 6) == 0)
        return &dense_avx512;
    if (strcmp(level, "avx2") == 0)
        return &dense_avx2;
#endif
    return &dense_scalar;
}

float *dense_new(size_t rows, size_t stride)
{
    if (stride && rows > SIZE_MAX / sizeof(float) / stride)
        return NULL;
    size_t size = rows * stride * sizeof(float);
    float *matrix = memory_aligned(64, size ? size : 64);
    if (matrix)
        memset(matrix, 0, size);
    return matrix;
}

void dense_parallel(struct executor *executor, size_t count, void (*body)(void *context, size_t i),
                    void *context)
{
    if (executor) {
        executor_parallel(executor, count, body, context);
        return;
    }
    for (size_t i = 0; i < count; i++)
        body(context, i);
}

struct gram_job {
    const float *a;
    size_t stride;
    size_t row_count;
    size_t columns;
    double *gram;
};

/* Tile i of the lower triangle, counted row by row; written to both triangles. */
static void gram_piece(void *context, size_t i)
{
    const struct gram_job *job = context;
    double tile[GRAM_TILE * GRAM_TILE];
    size_t down = 0;
    while ((down + 1) * (down + 2) / 2 <= i)
        down++;
    size_t row = down * GRAM_TILE, column = (i - down * (down + 1) / 2) * GRAM_TILE;
    dense()->gram_tile(tile, job->a + row, job->a + column, job->stride, job->row_count);
    for (size_t y = row; y < row + GRAM_TILE && y < job->columns; y++) {
        for (size_t x = column; x < column + GRAM_TILE && x < job->columns; x++) {
            double value = tile[(y - row) * GRAM_TILE + (x - column)];
            job->gram[y * job->columns + x] = value;
            job->gram[x * job->columns + y] = value;
        }
    }
}

void dense_gram(const float *a, size_t stride, size_t row_count, size_t columns,
                struct executor *executor, double *gram)
{
    struct gram_job job = {a, stride, row_count, columns, gram};
    size_t tiles = (columns + GRAM_TILE - 1) / GRAM_TILE;
    dense_parallel(executor, tiles * (tiles + 1) / 2, gram_piece, &job);
}

struct multiply_job {
    float *out;
    size_t out_stride;
    const float *a;
    size_t inner;
    const float *b;
    size_t row_count;
    int upper;
};

/* Rows of a are copied aside first: in place or not, a row is read before it is written. */
static void multiply_piece(void *context, size_t i)
{
    const struct multiply_job *job = context;
    float scratch[DENSE_INNER_MAX * 4];
    size_t step = sizeof scratch / sizeof *scratch / job->inner / 4 * 4;
    size_t begin = i * ROWS_PER_PIECE, end = begin + ROWS_PER_PIECE;
    if (end > job->row_count)
        end = job->row_count;
    for (size_t row = begin; row < end; row += step) {
        size_t count = end - row < step ? end - row : step;
        memcpy(scratch, job->a + row * job->inner, count * job->inner * sizeof *scratch);
        dense()->multiply(job->out + row * job->out_stride, job->out_stride, scratch, job->inner,
                          job->b, count, job->upper);
    }
}

void dense_multiply(float *out, size_t out_stride, const float *a, size_t inner, const float *b,
                    size_t row_count, int upper, struct executor *executor)
{
    INVARIANT(inner > 0 && inner <= DENSE_INNER_MAX);
    struct multiply_job job = {out, out_stride, a, inner, b, row_count, upper};
    dense_parallel(executor, (row_count + ROWS_PER_PIECE - 1) / ROWS_PER_PIECE, multiply_piece,
                   &job);
}
