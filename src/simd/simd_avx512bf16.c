/* simd_avx512bf16.c: the bf16 inner product by vdpbf16ps, which adds pairs of products in f32.
 *
 * Products of two bf16 are exact in f32 and sums are f32, so the error bound is that of any f32 sum.
 * The instruction takes subnormals, in and out, as zero: see docs/decisions. */
#include "simd/levels.h"

#include <immintrin.h>

static const size_t width = 32; /* elements of a vector */

static inline __m512bh load(const void *row, size_t i)
{
    return (__m512bh)_mm512_loadu_si512((const bfloat16 *)row + i);
}

static inline __m512bh load_tail(const void *row, struct tail tail)
{
    return (__m512bh)_mm512_maskz_loadu_epi16((__mmask32)tail.mask,
                                              (const bfloat16 *)row + tail.at);
}

static inline __m512 add(__m512 sum, const void *a, const void *b, size_t i)
{
    return _mm512_dpbf16_ps(sum, load(a, i), load(b, i));
}

float avx512bf16_ip_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 4 * width <= dim; i += 4 * width) {
        s0 = add(s0, a, b, i);
        s1 = add(s1, a, b, i + width);
        s2 = add(s2, a, b, i + 2 * width);
        s3 = add(s3, a, b, i + 3 * width);
    }
    for (; i + width <= dim; i += width)
        s0 = add(s0, a, b, i);
    if (i < dim) {
        struct tail tail = tail_of(i, dim, width);
        s1 = _mm512_dpbf16_ps(s1, load_tail(a, tail), load_tail(b, tail));
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}
