/* range_avx512.c: which numbers lie in a range, as bits, for AVX-512: compares give bits at once. */
#include "simd/levels.h"

#include <immintrin.h>

static __m512i load(const uint8_t *at, size_t i)
{
    return _mm512_loadu_si512(at + i * 64);
}

static uint64_t in_u8(__m512i x, __m512i begin, __m512i most)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(x, begin), most);
}

static uint64_t in_u16(__m512i x, __m512i begin, __m512i most)
{
    return _mm512_cmple_epu16_mask(_mm512_sub_epi16(x, begin), most);
}

static uint64_t in_u32(__m512i x, __m512i begin, __m512i most)
{
    return _mm512_cmple_epu32_mask(_mm512_sub_epi32(x, begin), most);
}

void avx512_in_range(const uint8_t *restrict numbers, size_t width, uint32_t begin, uint32_t most,
                     size_t word_count, uint64_t *restrict words)
{
    __m512i first, last;
    if (width == 1) {
        first = _mm512_set1_epi8((char)begin);
        last = _mm512_set1_epi8((char)most);
        for (size_t w = 0; w < word_count; w++, numbers += 64)
            words[w] &= in_u8(load(numbers, 0), first, last);
    } else if (width == 2) {
        first = _mm512_set1_epi16((short)begin);
        last = _mm512_set1_epi16((short)most);
        for (size_t w = 0; w < word_count; w++, numbers += 128)
            words[w] &=
                in_u16(load(numbers, 0), first, last) | in_u16(load(numbers, 1), first, last) << 32;
    } else {
        first = _mm512_set1_epi32((int)begin);
        last = _mm512_set1_epi32((int)most);
        for (size_t w = 0; w < word_count; w++, numbers += 256)
            words[w] &= in_u32(load(numbers, 0), first, last) |
                        in_u32(load(numbers, 1), first, last) << 16 |
                        in_u32(load(numbers, 2), first, last) << 32 |
                        in_u32(load(numbers, 3), first, last) << 48;
    }
}
