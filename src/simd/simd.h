/* simd.h: distance and conversion kernels, one table for each instruction set, chosen once.
 *
 * Kernels are pure functions. Pointers need only the alignment of their element type (rows in files
 * are not always 64-byte aligned); dim is any number from 0 up. simd_scalar.c is the specification:
 * every other level agrees with it within the bounds stated in tests/simd/. Float sums may be
 * reordered; NaN and infinities propagate as in the scalar code. */
#ifndef SIMD_SIMD_H
#define SIMD_SIMD_H

#include <stddef.h>
#include <stdint.h>

typedef uint16_t half;     /* IEEE 754 binary16, as bits */
typedef uint16_t bfloat16; /* upper half of a binary32, as bits */

/* Sum over i of (a[i]-b[i])^2, and of a[i]*b[i]; arithmetic in f32 whatever the stored type. */
typedef float (*simd_distance)(const void *restrict a, const void *restrict b, size_t dim);

/* The same against `count` rows, `stride` bytes apart: ret[i] = kernel(query, rows + i*stride), bit for
 * bit what the distance of the same table gives.
 * Rows are read once, in order: made for scans at memory speed. */
typedef void (*simd_scan)(const void *restrict query, const uint8_t *restrict rows, size_t stride,
                          size_t count, size_t dim, float *restrict ret);

/* A tile: some rows by the SIMD_PANEL queries of a panel, which holds component i of query q at
 * [i * SIMD_PANEL + q]. Rows and panels share the loads of a tile's inner products, so that it costs what
 * its multiplications do: made for many queries at once. */
enum { SIMD_PANEL = 32 };

/* For the tile's filter: row r and query q are near when their inner product is not below
 * base[q] + lift[r] - slack[q] * norm[r], computed in f32 in any order. */
struct simd_tile_bounds {
    const float *base, *slack; /* [SIMD_PANEL] */
    const float *lift, *norm;  /* [count] */
};

struct simd_ops {
    const char *name; /* "scalar", "avx2", "avx512", "neon" */
    simd_distance l2_f32, ip_f32;
    simd_distance l2_f16, ip_f16;
    simd_distance l2_bf16, ip_bf16;
    simd_scan l2_f32_scan, ip_f32_scan;
    /* ret[r * SIMD_PANEL + q]: the inner product of row r and query q; each a sum of `dim` products and
     * nothing else, in any order. count: any number from 0 up. For half of a panel, 1, only its
     * first half is looked at, and only those products are written. */
    void (*ip_tile)(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                    size_t stride, size_t count, size_t dim, float *restrict ret);
    /* ret[r] has bit q set unless that product is below its bound: NaN on either side sets it. */
    void (*tile_near)(const float *restrict products, size_t count,
                      const struct simd_tile_bounds *bounds, uint32_t *restrict ret);
    /* Exact integer sums; |a|, |b| <= 127, so dim up to 65,536 fits. */
    int32_t (*ip_i8)(const int8_t *restrict a, const int8_t *restrict b, size_t dim);
    /* Of 64 * word_count little-endian numbers of `width` bytes, 1, 2 or 4: bit i % 64 of words[i / 64] stays if
     * begin <= number <= begin + most, which fits the width. */
    void (*in_range)(const uint8_t *restrict numbers, size_t width, uint32_t begin, uint32_t most,
                     size_t word_count, uint64_t *restrict words);
    /* To nearest even. */
    void (*f32_to_f16)(const float *restrict from, half *restrict to, size_t dim);
    void (*f16_to_f32)(const half *restrict from, float *restrict to, size_t dim);
    /* To nearest even. */
    void (*f32_to_bf16)(const float *restrict from, bfloat16 *restrict to, size_t dim);
    void (*bf16_to_f32)(const bfloat16 *restrict from, float *restrict to, size_t dim);
};

/* The table in use: the best this processor has, or the one LODE_SIMD names. Chosen at first use,
 * thread-safe, constant afterwards. An unknown or impossible LODE_SIMD falls back to the best. */
const struct simd_ops *simd(void);
/* By name, for tests: NULL when this build or processor lacks it. */
const struct simd_ops *simd_level(const char *name);

#endif
