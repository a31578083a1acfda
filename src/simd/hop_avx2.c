/* hop_avx2.c: hop kernels for AVX2 with FMA and F16C: those of hop_avx512.c at half the width. */
#include "simd/hop_levels.h"
#include "simd/hop_round.h"

#include <immintrin.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

struct words { /* 16-bit sums of 16 neighbours, in each lane those of every other group */
    __m256i all, odd;
};

INLINE void add_entries(struct words *sums, __m256i entries)
{
    sums->all = _mm256_add_epi16(sums->all, entries);
    sums->odd = _mm256_add_epi16(sums->odd, _mm256_srli_epi16(entries, 8));
}

INLINE __m128i fold_lanes(__m256i words)
{
    return _mm_add_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

/* Add the sums of 16 neighbours, in order, to sums[0, 16). */
INLINE void fold(struct words words, uint32_t *sums)
{
    __m128i even = fold_lanes(_mm256_sub_epi16(words.all, _mm256_slli_epi16(words.odd, 8)));
    __m128i odd = fold_lanes(words.odd);
    __m256i *at = (__m256i *)sums;
    __m256i low = _mm256_cvtepu16_epi32(_mm_unpacklo_epi16(even, odd));
    __m256i high = _mm256_cvtepu16_epi32(_mm_unpackhi_epi16(even, odd));
    _mm256_storeu_si256(at, _mm256_add_epi32(_mm256_loadu_si256(at), low));
    _mm256_storeu_si256(at + 1, _mm256_add_epi32(_mm256_loadu_si256(at + 1), high));
}

/* One plane, of at most HOP_SUM_DIM_MAX coordinates. */
INLINE void scan_part(const uint8_t *codes, const uint8_t *tables, size_t dim, uint32_t *sums)
{
    const __m256i mask = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    struct words first = {zero, zero}, second = {zero, zero};

    for (size_t i = 0; i < 4 * dim; i += 32) {
        __m256i code = _mm256_loadu_si256((const __m256i *)(codes + i));
        __m256i table = _mm256_loadu_si256((const __m256i *)(tables + i));
        __m256i upper = _mm256_and_si256(_mm256_srli_epi16(code, 4), mask);
        add_entries(&first, _mm256_shuffle_epi8(table, _mm256_and_si256(code, mask)));
        add_entries(&second, _mm256_shuffle_epi8(table, upper));
    }
    fold(first, sums);
    fold(second, sums + 16);
}

static void scan(const uint8_t *codes, const uint8_t *tables, size_t dim, unsigned bits,
                 uint32_t sums[HOP_LINKS])
{
    for (size_t i = 0; i < HOP_LINKS; i++)
        sums[i] = 0;
    for (unsigned plane = 0; plane < bits; plane++, codes += 4 * dim) {
        for (size_t i = 0; i < HOP_LINKS; i++)
            sums[i] *= 2;
        for (size_t i = 0; i < dim; i += HOP_SUM_DIM_MAX) {
            size_t part = dim - i < HOP_SUM_DIM_MAX ? dim - i : HOP_SUM_DIM_MAX;
            scan_part(codes + 4 * i, tables + 4 * i, part, sums);
        }
    }
}

INLINE __m256 load_halves(const uint8_t *halves)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves));
}

static uint32_t estimate(const struct hop_query *query, const uint8_t *block, float base,
                         float bound, float estimates[HOP_LINKS])
{
    const uint8_t *add = block + hop_codes_size(query->dim, query->bits);
    const uint8_t *rescale = add + HOP_LINKS * sizeof(half);
    uint32_t sums[HOP_LINKS], below = 0;

    scan(block, query->tables, query->dim, query->bits, sums);
    for (size_t i = 0; i < HOP_LINKS; i += 8) {
        __m256 sum = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(sums + i)));
        __m256 product =
            _mm256_fmadd_ps(sum, _mm256_set1_ps(query->step), _mm256_set1_ps(query->offset));
        __m256 correction =
            _mm256_fmadd_ps(load_halves(rescale + 2 * i), product, load_halves(add + 2 * i));
        __m256 estimated = _mm256_add_ps(_mm256_set1_ps(base), correction);
        __m256 is_below = _mm256_cmp_ps(estimated, _mm256_set1_ps(bound), _CMP_LT_OQ);
        _mm256_storeu_ps(estimates + i, estimated);
        below |= (uint32_t)_mm256_movemask_ps(is_below) << i;
    }
    return below;
}

INLINE float sum_of(__m256 x)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

INLINE __m256 square_step(__m256 sum, const float *a, const int8_t *b, __m256 scale)
{
    __m256 code = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)b)));
    __m256 difference = _mm256_fnmadd_ps(scale, code, _mm256_loadu_ps(a));
    return _mm256_fmadd_ps(difference, difference, sum);
}

static float l2_f32_i8(const float *restrict a, const int8_t *restrict b, float scale, size_t dim)
{
    const __m256 scales = _mm256_set1_ps(scale);
    __m256 first = _mm256_setzero_ps(), second = first;

    for (size_t i = 0; i < dim; i += 16) {
        first = square_step(first, a + i, b + i, scales);
        second = square_step(second, a + i + 8, b + i + 8, scales);
    }
    return sum_of(_mm256_add_ps(first, second));
}

static uint32_t l2_u7(const uint8_t *restrict a, const uint8_t *restrict b, size_t dim)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    uint32_t parts[8], total = 0;

    for (size_t i = 0; i < dim; i += 32) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(a + i));
        __m256i y = _mm256_loadu_si256((const __m256i *)(b + i));
        __m256i difference = _mm256_abs_epi8(_mm256_sub_epi8(x, y));
        __m256i pairs = _mm256_maddubs_epi16(difference, difference);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    _mm256_storeu_si256((__m256i *)parts, sum);
    for (size_t i = 0; i < 8; i++)
        total += parts[i];
    return total;
}

/* The first three steps, on 8 values. */
INLINE __m256 hadamard_8(__m256 x, __m256 scale)
{
    x = _mm256_mul_ps(x, scale);
    __m256 other = _mm256_permute_ps(x, 0xb1);
    x = _mm256_blend_ps(_mm256_add_ps(x, other), _mm256_sub_ps(other, x), 0xaa);
    other = _mm256_permute_ps(x, 0x4e);
    x = _mm256_blend_ps(_mm256_add_ps(x, other), _mm256_sub_ps(other, x), 0xcc);
    other = _mm256_permute2f128_ps(x, x, 1);
    return _mm256_blend_ps(_mm256_add_ps(x, other), _mm256_sub_ps(other, x), 0xf0);
}

static void hadamard(float *x, size_t count)
{
    const __m256 scale = _mm256_set1_ps(1 / sqrtf((float)count));

    for (size_t i = 0; i < count; i += 8)
        _mm256_storeu_ps(x + i, hadamard_8(_mm256_loadu_ps(x + i), scale));
    for (size_t size = 8; size < count; size *= 2)
        for (size_t i = 0; i < count; i += 2 * size)
            for (size_t j = i; j < i + size; j += 8) {
                __m256 a = _mm256_loadu_ps(x + j), b = _mm256_loadu_ps(x + j + size);
                _mm256_storeu_ps(x + j, _mm256_add_ps(a, b));
                _mm256_storeu_ps(x + j + size, _mm256_sub_ps(a, b));
            }
}

const struct hop_ops hop_avx2 = {
    .name = "avx2",
    .scan = scan,
    .estimate = estimate,
    .tables = hop_scalar_tables,
    .l2_f32_i8 = l2_f32_i8,
    .l2_u7 = l2_u7,
    .round_difference = round_difference,
    .hadamard = hadamard,
};
