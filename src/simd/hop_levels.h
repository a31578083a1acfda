/* hop_levels.h: the tables that hop.c chooses from; for hop.c and the level files alone. */
#ifndef SIMD_HOP_LEVELS_H
#define SIMD_HOP_LEVELS_H

#include "simd/hop.h"

enum { HOP_SUM_DIM_MAX = 1024 }; /* 256 tables of at most 255: what 16-bit sums hold */

/* Widths of a step of the 2-bit grid tried, in units of the root mean square of the difference's
 * coordinates. The best differs between differences: trying four gives a mean cosine of 0.94. */
enum { HOP_STEPS = 4 };
__attribute__((unused)) static const float hop_steps[HOP_STEPS] = {0.8f, 0.9f, 1.0f, 1.1f};

#define HOP_TWINS_NORM2 1e-30f /* differences not longer than this are none */

extern const struct hop_ops hop_scalar;
void hop_scalar_hadamard(float *x, size_t count);
void hop_scalar_tables(const float *query, size_t dim, uint8_t *tables, float *ret_step,
                       float *ret_magnitude);

#if defined(__x86_64__)
extern const struct hop_ops hop_avx2;
extern const struct hop_ops hop_avx512;
uint32_t hop_avx512vnni_l2_u7(const uint8_t *restrict a, const uint8_t *restrict b, size_t dim);
#elif defined(__aarch64__)
extern const struct hop_ops hop_neon;
#endif

#endif
