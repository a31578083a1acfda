/* tile_avx2.c: tiles of queries by rows, for AVX2, made as in tile_avx512.c. With half as many registers of
 * half the width: 16 queries by 6 rows at once, the two halves of a panel one after the other. */
#include "simd/levels.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 6, GROUP = 3, HALF = SIMD_PANEL / 2 };

static const size_t width = 8; /* floats of a vector */

struct sums {
    __m256 low, high;
};

INLINE struct sums add(struct sums sums, __m256 low, __m256 high, const uint8_t *at)
{
    __m256 x = _mm256_broadcast_ss((const float *)(const void *)at);
    return (struct sums){_mm256_fmadd_ps(low, x, sums.low), _mm256_fmadd_ps(high, x, sums.high)};
}

/* `count` rows by HALF queries; a constant, at most ROWS. */
INLINE void tile(const float *panel, const uint8_t *rows, size_t stride, size_t count, size_t dim,
                 float *ret)
{
    struct sums sums[ROWS];
    const uint8_t *at[ROWS / GROUP] = {rows, rows + (count > GROUP ? GROUP : 0) * stride};

#pragma GCC unroll 6
    for (size_t r = 0; r < count; r++)
        sums[r] = (struct sums){_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t i = 0; i < dim; i++) {
        __m256 low = _mm256_loadu_ps(panel + i * SIMD_PANEL);
        __m256 high = _mm256_loadu_ps(panel + i * SIMD_PANEL + width);
#pragma GCC unroll 6
        for (size_t r = 0; r < count; r++)
            sums[r] = add(sums[r], low, high, at[r / GROUP] + r % GROUP * stride + i * 4);
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < count; r++) {
        _mm256_storeu_ps(ret + r * SIMD_PANEL, sums[r].low);
        _mm256_storeu_ps(ret + r * SIMD_PANEL + width, sums[r].high);
    }
}

INLINE void halves(const float *panel, int half_panel, const uint8_t *rows, size_t stride,
                   size_t count, size_t dim, float *ret)
{
    tile(panel, rows, stride, count, dim, ret);
    if (!half_panel)
        tile(panel + HALF, rows, stride, count, dim, ret + HALF);
}

void avx2_ip_tile(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                  size_t stride, size_t count, size_t dim, float *restrict ret)
{
    size_t r = 0;

    for (; r + ROWS <= count; r += ROWS)
        halves(panel, half_panel, rows + r * stride, stride, ROWS, dim, ret + r * SIMD_PANEL);
    for (; r < count; r++)
        halves(panel, half_panel, rows + r * stride, stride, 1, dim, ret + r * SIMD_PANEL);
}

INLINE uint32_t near8(const float *products, const float *base, const float *slack, __m256 lift,
                      __m256 norm)
{
    __m256 bound = _mm256_add_ps(_mm256_loadu_ps(base), lift);
    bound = _mm256_fnmadd_ps(_mm256_loadu_ps(slack), norm, bound);
    __m256 near = _mm256_cmp_ps(_mm256_loadu_ps(products), bound, _CMP_NLT_UQ);
    return (uint32_t)_mm256_movemask_ps(near);
}

void avx2_tile_near(const float *restrict products, size_t count,
                    const struct simd_tile_bounds *bounds, uint32_t *restrict ret)
{
    for (size_t r = 0; r < count; r++, products += SIMD_PANEL) {
        __m256 lift = _mm256_set1_ps(bounds->lift[r]), norm = _mm256_set1_ps(bounds->norm[r]);
        ret[r] = 0;
        for (size_t q = 0; q < SIMD_PANEL; q += width)
            ret[r] |= near8(products + q, bounds->base + q, bounds->slack + q, lift, norm) << q;
    }
}
