/* levels.h: the tables that simd.c chooses from; for simd.c and the level files alone.
 *
 * A level file holds one instruction set and nothing else, and is compiled with that set's flags:
 * nothing in it may run before simd.c has asked the processor. */
#ifndef SIMD_LEVELS_H
#define SIMD_LEVELS_H

#include "simd/simd.h"

extern const struct simd_ops simd_scalar;
/* range_*.c, for the slots of the tables. */
void scalar_in_range(const uint8_t *restrict numbers, size_t width, uint32_t begin, uint32_t most,
                     size_t word_count, uint64_t *restrict words);

#if defined(__x86_64__)
extern const struct simd_ops simd_avx2;
extern const struct simd_ops simd_avx512;
/* tile_avx2.c and tile_avx512.c, for the slots of those tables. */
void avx2_ip_tile(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                  size_t stride, size_t count, size_t dim, float *restrict ret);
void avx2_tile_near(const float *restrict products, size_t count,
                    const struct simd_tile_bounds *bounds, uint32_t *restrict ret);
void avx512_ip_tile(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                    size_t stride, size_t count, size_t dim, float *restrict ret);
void avx512_tile_near(const float *restrict products, size_t count,
                      const struct simd_tile_bounds *bounds, uint32_t *restrict ret);
void avx2_in_range(const uint8_t *restrict numbers, size_t width, uint32_t begin, uint32_t most,
                   size_t word_count, uint64_t *restrict words);
void avx512_in_range(const uint8_t *restrict numbers, size_t width, uint32_t begin, uint32_t most,
                     size_t word_count, uint64_t *restrict words);
/* Better slots for "avx512" where the processor has more than its base. */
int32_t avx512vnni_ip_i8(const int8_t *restrict a, const int8_t *restrict b, size_t dim);
float avx512bf16_ip_bf16(const void *restrict a, const void *restrict b, size_t dim);

/* How AVX-512 reads the last elements [begin, dim) of a row, fewer than `width`: as a whole vector that
 * ends with the row, where the row is long enough, the others masked off. A vector that began at
 * `begin` would do too, but often reach into a cache line that nobody has asked for: the processor
 * waits for it although it is masked off (dim 100, rows at random, prefetched: 51 ns against 32). */
struct tail {
    size_t at;     /* where the vector begins */
    uint64_t mask; /* bit i: element at + i */
};

static inline struct tail tail_of(size_t begin, size_t dim, size_t width)
{
    size_t at = dim < width ? 0 : dim - width;
    return (struct tail){at, ~(uint64_t)0 >> (64 - (dim - at)) & ~(uint64_t)0 << (begin - at)};
}
#elif defined(__aarch64__)
extern const struct simd_ops simd_neon;
/* tile_neon.c. */
void neon_ip_tile(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                  size_t stride, size_t count, size_t dim, float *restrict ret);
void neon_tile_near(const float *restrict products, size_t count,
                    const struct simd_tile_bounds *bounds, uint32_t *restrict ret);
#endif

#endif
