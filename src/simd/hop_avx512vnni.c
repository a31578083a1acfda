/* hop_avx512vnni.c: distances of 7-bit codes with VNNI. Differences fit in 7 bits, so that one and the
 * same register serves as the unsigned and the signed factor. */
#include "simd/hop_levels.h"

#include <immintrin.h>

static inline __m512i difference(const uint8_t *a, const uint8_t *b)
{
    return _mm512_abs_epi8(_mm512_sub_epi8(_mm512_loadu_si512(a), _mm512_loadu_si512(b)));
}

uint32_t hop_avx512vnni_l2_u7(const uint8_t *restrict a, const uint8_t *restrict b, size_t dim)
{
    __m512i first = _mm512_setzero_si512(), second = first;
    size_t i = 0;

    for (; i + 128 <= dim; i += 128) {
        __m512i x = difference(a + i, b + i), y = difference(a + i + 64, b + i + 64);
        first = _mm512_dpbusd_epi32(first, x, x);
        second = _mm512_dpbusd_epi32(second, y, y);
    }
    if (i < dim) {
        __m512i x = difference(a + i, b + i);
        first = _mm512_dpbusd_epi32(first, x, x);
    }
    return (uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(first, second));
}
