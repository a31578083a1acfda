/* space.h: how vectors of a collection are stored and compared: a scalar type and a metric.
 *
 * A row is a stored vector. Queries are encoded to rows too, so that a distance is a function of two
 * rows. Distances are floats, smaller is nearer, whatever the metric: l2 is the squared distance, ip
 * and cosine the negated inner product (cosine rows are normalised before they are encoded).
 *
 * Row layout, `row_size` bytes, a multiple of 4:
 *   f32   f32[dim]            f16, bf16   u16[dim], zero padding to 4
 *   int8  i8[dim], zero padding to 4, f32 scale, u32 square_sum   (x ~ scale * code)
 *         Integers from -127 to 127 are their own codes, with scale 1; otherwise scale = max|x|/127.
 *         square_sum = sum of code^2, kept whole so that l2 needs no subtraction of rounded norms:
 *         rows of one scale have distance scale^2 * (an integer), identical ones exactly 0.
 *         Under cosine scale = 1/sqrt(square_sum): the row's length is 1 again after rounding. */
#ifndef QUANT_SPACE_H
#define QUANT_SPACE_H

#include "base/error.h"
#include "os/guard.h"

struct space {
    lode_metric metric;
    lode_scalar scalar;
    size_t dim;
    size_t row_size;
    /* Distance of two rows. Call as space->distance(space, a, b). */
    float (*distance)(const struct space *space, const void *a, const void *b);
    /* Distances of one row to `count` rows laid `stride` bytes apart. */
    void (*scan)(const struct space *space, const void *query, const uint8_t *rows, size_t stride,
                 size_t count, float *ret);
    float (*kernel)(const void *a, const void *b, size_t dim); /* for distance(); not for callers */
};

void space_init(struct space *space, lode_metric metric, lode_scalar scalar, size_t dim);

/* The longest vector of l2 and ip, 2^62: the squared distance of two such is 2^126, so that no
 * distance of accepted vectors overflows a float, whatever is rounded on the way. */
#define SPACE_NORM_MAX 0x1p62

/* Whether this vector can be a point or query of the space. LODE_INVALID names component and value where one is not
 *   finite, LODE_SCHEMA what the space does not take: beyond the range of f16 or, for int8, all so small that the scale would be subnormal
 *   (under cosine neither can happen); longer than SPACE_NORM_MAX under l2 and ip; zero under
 *   cosine. Norms are taken in f64, where no f32 over- or underflows: every other vector has one. */
NODISCARD lode_status space_check(const struct space *space, const float *vector,
                                  lode_error *error);
/* Encode a checked vector; under cosine it is normalised first. row: row_size bytes, 4-byte aligned;
 * distances are nearly twice as fast where both rows are 64-byte aligned. */
void space_encode(const struct space *space, const float *vector, void *row);
void space_decode(const struct space *space, const void *row, float *vector);
/* How far apart two neighbouring codes of an int8 row are. */
float space_scale(const struct space *space, const void *row);
/* The public score of a distance: see lode_metric. */
float space_score(const struct space *space, float distance);

/* Rows laid out in memory or in a mapped file. */
struct rows {
    const struct space *space;
    const uint8_t *base;
    size_t stride;       /* >= row_size */
    struct guard *guard; /* of the file, to be touched before a row is read; NULL: of memory */
};

static inline const uint8_t *rows_at(const struct rows *rows, uint32_t row)
{
    return rows->base + (size_t)row * rows->stride;
}

#define ROWS_PREFETCH_MAX                                                                          \
    4096u /* bytes of a row; the processor's own prefetcher goes on from there */

/* A hint: the row is going to be read soon. */
static inline void rows_prefetch(const struct rows *rows, uint32_t row)
{
    const uint8_t *bytes = rows_at(rows, row);
    size_t size =
        rows->space->row_size < ROWS_PREFETCH_MAX ? rows->space->row_size : ROWS_PREFETCH_MAX;
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch(bytes + at, 0, 2);
    if (rows->stride % 64)
        __builtin_prefetch(bytes + size - 1, 0, 2);
}

/* Before `count` rows from `first` on are read; at least 1. */
NODISCARD static inline lode_status rows_touch(const struct rows *rows, uint32_t first,
                                               uint32_t count, lode_error *error)
{
    if (!rows->guard)
        return LODE_OK;
    return guard_touch(rows->guard, rows_at(rows, first),
                       (size_t)(count - 1) * rows->stride + rows->space->row_size, error);
}

#endif
