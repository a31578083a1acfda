/* tile_neon.c: tiles of queries by rows, for 64-bit ARM, made as in tile_avx512.c: 16 queries by 6 rows at
 * once, the two halves of a panel one after the other. */
#include "simd/levels.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 6, VECTORS = 4, WIDTH = 4, HALF = VECTORS * WIDTH };

/* `count` rows by HALF queries; a constant, at most ROWS. */
INLINE void tile(const float *panel, const uint8_t *rows, size_t stride, size_t count, size_t dim,
                 float *ret)
{
    float32x4_t sums[ROWS][VECTORS];

    for (size_t r = 0; r < count; r++)
        for (size_t v = 0; v < VECTORS; v++)
            sums[r][v] = vdupq_n_f32(0);
    for (size_t i = 0; i < dim; i++) {
        float32x4x4_t queries = vld1q_f32_x4(panel + i * SIMD_PANEL);
        for (size_t r = 0; r < count; r++) {
            float x = *(const float *)(const void *)(rows + r * stride + i * sizeof x);
            for (size_t v = 0; v < VECTORS; v++)
                sums[r][v] = vfmaq_n_f32(sums[r][v], queries.val[v], x);
        }
    }
    for (size_t r = 0; r < count; r++)
        for (size_t v = 0; v < VECTORS; v++)
            vst1q_f32(ret + r * SIMD_PANEL + v * WIDTH, sums[r][v]);
}

INLINE void halves(const float *panel, int half_panel, const uint8_t *rows, size_t stride,
                   size_t count, size_t dim, float *ret)
{
    tile(panel, rows, stride, count, dim, ret);
    if (!half_panel)
        tile(panel + HALF, rows, stride, count, dim, ret + HALF);
}

void neon_ip_tile(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                  size_t stride, size_t count, size_t dim, float *restrict ret)
{
    size_t r = 0;

    for (; r + ROWS <= count; r += ROWS)
        halves(panel, half_panel, rows + r * stride, stride, ROWS, dim, ret + r * SIMD_PANEL);
    for (; r < count; r++)
        halves(panel, half_panel, rows + r * stride, stride, 1, dim, ret + r * SIMD_PANEL);
}

/* A bit for each of four lanes. */
INLINE uint32_t near4(const float *products, const float *base, const float *slack, float lift,
                      float norm)
{
    static const uint32_t bits[WIDTH] = {1, 2, 4, 8};
    float32x4_t bound = vaddq_f32(vld1q_f32(base), vdupq_n_f32(lift));
    bound = vfmsq_n_f32(bound, vld1q_f32(slack), norm);
    uint32x4_t below = vcltq_f32(vld1q_f32(products), bound);
    return vaddvq_u32(vbicq_u32(vld1q_u32(bits), below));
}

void neon_tile_near(const float *restrict products, size_t count,
                    const struct simd_tile_bounds *bounds, uint32_t *restrict ret)
{
    for (size_t r = 0; r < count; r++, products += SIMD_PANEL) {
        ret[r] = 0;
        for (size_t q = 0; q < SIMD_PANEL; q += WIDTH)
            ret[r] |= near4(products + q, bounds->base + q, bounds->slack + q, bounds->lift[r],
                            bounds->norm[r])
                      << q;
    }
}
