/* simd_avx512vnni.c: the int8 product by vpdpbusd, which multiplies unsigned by signed bytes.
 *
 * a is made unsigned by adding 128, and 128 * b is taken off again:
 *     sum (a + 128) * b  -  sum 128 * b
 * Both sums stay below 255 * 127 * 65,536 < 2^31. Masked-off lanes have b = 0 and add nothing. */
#include "simd/levels.h"

#include <immintrin.h>

static const size_t width = 64; /* bytes of a vector */

struct sums {
    __m512i shifted; /* (a + 128) * b */
    __m512i excess;  /* 128 * b */
};

static inline __m512i load(const int8_t *row, size_t i)
{
    return _mm512_loadu_si512(row + i);
}

static inline void add(struct sums *sums, __m512i a, __m512i b)
{
    const __m512i offset = _mm512_set1_epi8((char)0x80);
    sums->shifted = _mm512_dpbusd_epi32(sums->shifted, _mm512_xor_si512(a, offset), b);
    sums->excess = _mm512_dpbusd_epi32(sums->excess, offset, b);
}

int32_t avx512vnni_ip_i8(const int8_t *restrict a, const int8_t *restrict b, size_t dim)
{
    struct sums s0 = {_mm512_setzero_si512(), _mm512_setzero_si512()}, s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 4 * width <= dim; i += 4 * width) {
        add(&s0, load(a, i), load(b, i));
        add(&s1, load(a, i + width), load(b, i + width));
        add(&s2, load(a, i + 2 * width), load(b, i + 2 * width));
        add(&s3, load(a, i + 3 * width), load(b, i + 3 * width));
    }
    for (; i + width <= dim; i += width)
        add(&s0, load(a, i), load(b, i));
    if (i < dim) {
        struct tail tail = tail_of(i, dim, width);
        add(&s1, _mm512_maskz_loadu_epi8(tail.mask, a + tail.at),
            _mm512_maskz_loadu_epi8(tail.mask, b + tail.at));
    }
    return _mm512_reduce_add_epi32(
        _mm512_sub_epi32(_mm512_add_epi32(_mm512_add_epi32(s0.shifted, s1.shifted),
                                          _mm512_add_epi32(s2.shifted, s3.shifted)),
                         _mm512_add_epi32(_mm512_add_epi32(s0.excess, s1.excess),
                                          _mm512_add_epi32(s2.excess, s3.excess))));
}
