/* simd_avx512bf16.c: the bf16 inner product by vdpbf16ps, which adds pairs of products in f32.
 *
 * Products of two bf16 are exact in f32 and sums are f32, so the error bound is that of any f32 sum.
 * The instruction takes subnormals, in and out, as zero: see docs/decisions. */
#include "simd/levels.h"

#include <immintrin.h>

enum { WIDTH = 32, BLOCK = 4 * WIDTH };

static inline __m512bh load(const void *row, size_t i)
{
    return (__m512bh)_mm512_loadu_si512((const bfloat16 *)row + i);
}

static inline __m512bh load_tail(const void *row, size_t i, __mmask32 mask)
{
    return (__m512bh)_mm512_maskz_loadu_epi16(mask, (const bfloat16 *)row + i);
}

float avx512bf16_ip_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    size_t i = 0, tail = dim % WIDTH;

    for (; i + BLOCK <= dim; i += BLOCK)
        for (size_t j = 0; j < 4; j++)
            sums[j] = _mm512_dpbf16_ps(sums[j], load(a, i + j * WIDTH), load(b, i + j * WIDTH));
    for (size_t j = 0; j < 3 && i + WIDTH <= dim; j++, i += WIDTH)
        sums[j] = _mm512_dpbf16_ps(sums[j], load(a, i), load(b, i));
    if (tail) {
        __mmask32 mask = (1u << tail) - 1;
        sums[3] = _mm512_dpbf16_ps(sums[3], load_tail(a, i, mask), load_tail(b, i, mask));
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}
