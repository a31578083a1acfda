/* levels.h: the tables that simd.c chooses from; for simd.c and the level files alone.
 *
 * A level file holds one instruction set and nothing else, and is compiled with that set's flags:
 * nothing in it may run before simd.c has asked the processor. */
#ifndef SIMD_LEVELS_H
#define SIMD_LEVELS_H

#include "simd/simd.h"

extern const struct simd_ops simd_scalar;

#if defined(__x86_64__)
extern const struct simd_ops simd_avx2;
extern const struct simd_ops simd_avx512;
/* Better slots for "avx512" where the processor has more than its base. */
int32_t avx512vnni_ip_i8(const int8_t *restrict a, const int8_t *restrict b, size_t dim);
float avx512bf16_ip_bf16(const void *restrict a, const void *restrict b, size_t dim);
#elif defined(__aarch64__)
extern const struct simd_ops simd_neon;
#endif

#endif
