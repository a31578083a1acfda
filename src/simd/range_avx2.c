/* range_avx2.c: which numbers lie in a range, as bits, for AVX2: x <= most as min(x, most) == x. */
#include "simd/levels.h"

#include <immintrin.h>

static __m256i load(const uint8_t *at, size_t i)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)(at + i * 32));
}

/* Bit i: byte i of the vector is all ones. */
static uint64_t bits(__m256i truths)
{
    return (uint32_t)_mm256_movemask_epi8(truths);
}

static __m256i in_u8(__m256i x, __m256i begin, __m256i most)
{
    x = _mm256_sub_epi8(x, begin);
    return _mm256_cmpeq_epi8(_mm256_min_epu8(x, most), x);
}

static __m256i in_u16(__m256i x, __m256i begin, __m256i most)
{
    x = _mm256_sub_epi16(x, begin);
    return _mm256_cmpeq_epi16(_mm256_min_epu16(x, most), x);
}

static __m256i in_u32(__m256i x, __m256i begin, __m256i most)
{
    x = _mm256_sub_epi32(x, begin);
    return _mm256_cmpeq_epi32(_mm256_min_epu32(x, most), x);
}

static uint64_t word_of_u8(const uint8_t *at, __m256i begin, __m256i most)
{
    return bits(in_u8(load(at, 0), begin, most)) | bits(in_u8(load(at, 1), begin, most)) << 32;
}

/* Packing goes by halves of vectors: the second and third quarters change places. */
static uint64_t half_of_u16(const uint8_t *at, __m256i begin, __m256i most)
{
    __m256i truths =
        _mm256_packs_epi16(in_u16(load(at, 0), begin, most), in_u16(load(at, 1), begin, most));
    return bits(_mm256_permute4x64_epi64(truths, 0xd8));
}

static uint64_t half_of_u32(const uint8_t *at, __m256i begin, __m256i most)
{
    __m256i low =
        _mm256_packs_epi32(in_u32(load(at, 0), begin, most), in_u32(load(at, 1), begin, most));
    __m256i high =
        _mm256_packs_epi32(in_u32(load(at, 2), begin, most), in_u32(load(at, 3), begin, most));
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return bits(_mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
}

void avx2_in_range(const uint8_t *restrict numbers, size_t width, uint32_t begin, uint32_t most,
                   size_t word_count, uint64_t *restrict words)
{
    __m256i first, last;
    if (width == 1) {
        first = _mm256_set1_epi8((char)begin);
        last = _mm256_set1_epi8((char)most);
        for (size_t w = 0; w < word_count; w++, numbers += 64)
            words[w] &= word_of_u8(numbers, first, last);
    } else if (width == 2) {
        first = _mm256_set1_epi16((short)begin);
        last = _mm256_set1_epi16((short)most);
        for (size_t w = 0; w < word_count; w++, numbers += 128)
            words[w] &= half_of_u16(numbers, first, last) | half_of_u16(numbers + 64, first, last)
                                                                << 32;
    } else {
        first = _mm256_set1_epi32((int)begin);
        last = _mm256_set1_epi32((int)most);
        for (size_t w = 0; w < word_count; w++, numbers += 256)
            words[w] &= half_of_u32(numbers, first, last) | half_of_u32(numbers + 128, first, last)
                                                                << 32;
    }
}
