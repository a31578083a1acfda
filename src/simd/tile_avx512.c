/* tile_avx512.c: tiles of queries by rows, for AVX-512.
 *
 * Lanes are queries: a step takes component i of all queries of the panel, in two vectors, and that of
 * ROWS rows, each spread over all lanes by the load itself. 24 sums stay in registers; 14 loads feed
 * 24 FMAs, fewer than two load ports and two FMA units could take. No sum has to be folded, and rows
 * need no packing: their components come one after another. */
#include "simd/levels.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 12, GROUP = 3 }; /* rows are addressed from the first of their group */

static const size_t width = 16; /* floats of a vector */

struct sums {
    __m512 low, high; /* of half a panel, `high` stays unused */
};

INLINE struct sums add(struct sums sums, __m512 low, __m512 high, const uint8_t *at, int half_panel)
{
    __m512 x = _mm512_set1_ps(*(const float *)(const void *)at);
    sums.low = _mm512_fmadd_ps(low, x, sums.low);
    if (!half_panel)
        sums.high = _mm512_fmadd_ps(high, x, sums.high);
    return sums;
}

/* `count` rows at once; it and half_panel are constants. */
INLINE void tile(const float *panel, int half_panel, const uint8_t *rows, size_t stride,
                 size_t count, size_t dim, float *ret)
{
    struct sums sums[ROWS];
    const uint8_t *at[ROWS / GROUP];

#pragma GCC unroll 12
    for (size_t r = 0; r < count; r++)
        sums[r] = (struct sums){_mm512_setzero_ps(), _mm512_setzero_ps()};
#pragma GCC unroll 4
    for (size_t g = 0; g * GROUP < count; g++)
        at[g] = rows + g * GROUP * stride;
    for (size_t i = 0; i < dim; i++, panel += SIMD_PANEL) {
        __m512 low = _mm512_loadu_ps(panel);
        __m512 high = half_panel ? low : _mm512_loadu_ps(panel + width);
#pragma GCC unroll 12
        for (size_t r = 0; r < count; r++)
            sums[r] =
                add(sums[r], low, high, at[r / GROUP] + r % GROUP * stride + i * 4, half_panel);
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < count; r++, ret += SIMD_PANEL) {
        _mm512_storeu_ps(ret, sums[r].low);
        if (!half_panel)
            _mm512_storeu_ps(ret + width, sums[r].high);
    }
}

INLINE void tiles(const float *panel, int half_panel, const uint8_t *rows, size_t stride,
                  size_t count, size_t dim, float *ret)
{
    size_t r = 0;

    for (; r + ROWS <= count; r += ROWS)
        tile(panel, half_panel, rows + r * stride, stride, ROWS, dim, ret + r * SIMD_PANEL);
    for (; r + GROUP <= count; r += GROUP)
        tile(panel, half_panel, rows + r * stride, stride, GROUP, dim, ret + r * SIMD_PANEL);
    for (; r < count; r++)
        tile(panel, half_panel, rows + r * stride, stride, 1, dim, ret + r * SIMD_PANEL);
}

void avx512_ip_tile(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                    size_t stride, size_t count, size_t dim, float *restrict ret)
{
    if (half_panel)
        tiles(panel, 1, rows, stride, count, dim, ret);
    else
        tiles(panel, 0, rows, stride, count, dim, ret);
}

INLINE __mmask16 near16(const float *products, const float *base, const float *slack, __m512 lift,
                        __m512 norm)
{
    __m512 bound = _mm512_add_ps(_mm512_loadu_ps(base), lift);
    bound = _mm512_fnmadd_ps(_mm512_loadu_ps(slack), norm, bound);
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(products), bound, _CMP_NLT_UQ);
}

void avx512_tile_near(const float *restrict products, size_t count,
                      const struct simd_tile_bounds *bounds, uint32_t *restrict ret)
{
    const float *base = bounds->base, *slack = bounds->slack;

    for (size_t r = 0; r < count; r++, products += SIMD_PANEL) {
        __m512 lift = _mm512_set1_ps(bounds->lift[r]), norm = _mm512_set1_ps(bounds->norm[r]);
        uint32_t low = near16(products, base, slack, lift, norm);
        uint32_t high = near16(products + width, base + width, slack + width, lift, norm);
        ret[r] = high << width | low;
    }
}
