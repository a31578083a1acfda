/* hop_avx512.c: hop kernels for AVX-512 F, BW, VL and DQ.
 *
 * The scan looks up four groups at once, each in its own 128-bit lane, for 32 neighbours. Even and odd
 * bytes are summed in 16 bits apart: `all` adds whole words, that is low + 256 * high bytes modulo
 * 65536, `odd` the high bytes; the low bytes follow by subtraction, which saves a mask in each step. */
#include "simd/hop_levels.h"

#include <immintrin.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

struct words { /* 16-bit sums of 16 neighbours, in each lane those of one group in four */
    __m512i all, odd;
};

INLINE void add_entries(struct words *sums, __m512i entries)
{
    sums->all = _mm512_add_epi16(sums->all, entries);
    sums->odd = _mm512_add_epi16(sums->odd, _mm512_srli_epi16(entries, 8));
}

INLINE __m128i fold_lanes(__m512i words)
{
    __m256i two =
        _mm256_add_epi16(_mm512_castsi512_si256(words), _mm512_extracti64x4_epi64(words, 1));
    return _mm_add_epi16(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
}

/* The sums of neighbours 0 to 15 in order. */
INLINE __m512i fold(struct words sums)
{
    __m128i even = fold_lanes(_mm512_sub_epi16(sums.all, _mm512_slli_epi16(sums.odd, 8)));
    __m128i odd = fold_lanes(sums.odd);
    return _mm512_cvtepu16_epi32(
        _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd)));
}

/* One plane, of at most HOP_SUM_DIM_MAX coordinates. */
INLINE void scan_part(const uint8_t *codes, const uint8_t *tables, size_t dim, __m512i *low,
                      __m512i *high)
{
    const __m512i mask = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
    struct words first = {zero, zero}, second = {zero, zero};

    for (size_t i = 0; i < 4 * dim; i += 64) {
        __m512i code = _mm512_loadu_si512(codes + i), table = _mm512_loadu_si512(tables + i);
        __m512i upper = _mm512_and_si512(_mm512_srli_epi16(code, 4), mask);
        add_entries(&first, _mm512_shuffle_epi8(table, _mm512_and_si512(code, mask)));
        add_entries(&second, _mm512_shuffle_epi8(table, upper));
    }
    *low = _mm512_add_epi32(*low, fold(first));
    *high = _mm512_add_epi32(*high, fold(second));
}

INLINE void scan_planes(const uint8_t *codes, const uint8_t *tables, size_t dim, unsigned bits,
                        __m512i *low, __m512i *high)
{
    *low = *high = _mm512_setzero_si512();
    for (unsigned plane = 0; plane < bits; plane++, codes += 4 * dim) {
        *low = _mm512_slli_epi32(*low, 1);
        *high = _mm512_slli_epi32(*high, 1);
        for (size_t i = 0; i < dim; i += HOP_SUM_DIM_MAX) {
            size_t part = dim - i < HOP_SUM_DIM_MAX ? dim - i : HOP_SUM_DIM_MAX;
            scan_part(codes + 4 * i, tables + 4 * i, part, low, high);
        }
    }
}

static void scan(const uint8_t *codes, const uint8_t *tables, size_t dim, unsigned bits,
                 uint32_t sums[HOP_LINKS])
{
    __m512i low, high;

    scan_planes(codes, tables, dim, bits, &low, &high);
    _mm512_storeu_si512(sums, low);
    _mm512_storeu_si512(sums + 16, high);
}

INLINE __m512 load_halves(const uint8_t *halves)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)halves));
}

INLINE __m512 estimates_of(const struct hop_query *query, __m512i sums, const uint8_t *factors,
                           float base)
{
    __m512 product = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(query->step),
                                     _mm512_set1_ps(query->offset));
    __m512 correction = _mm512_fmadd_ps(load_halves(factors + HOP_LINKS * sizeof(half)), product,
                                        load_halves(factors));
    return _mm512_add_ps(_mm512_set1_ps(base), correction);
}

static uint32_t estimate(const struct hop_query *query, const uint8_t *block, float base,
                         float bound, float estimates[HOP_LINKS])
{
    const uint8_t *factors = block + hop_codes_size(query->dim, query->bits);
    __m512i low, high;

    if (query->bits == 1) /* so that the compiler unrolls both cases */
        scan_planes(block, query->tables, query->dim, 1, &low, &high);
    else
        scan_planes(block, query->tables, query->dim, query->bits, &low, &high);
    __m512 first = estimates_of(query, low, factors, base);
    __m512 second = estimates_of(query, high, factors + 16 * sizeof(half), base);
    _mm512_storeu_ps(estimates, first);
    _mm512_storeu_ps(estimates + 16, second);
    __m512 bounds = _mm512_set1_ps(bound);
    return (uint32_t)_mm512_cmp_ps_mask(first, bounds, _CMP_LT_OQ) |
           (uint32_t)_mm512_cmp_ps_mask(second, bounds, _CMP_LT_OQ) << 16;
}

/* The widest range of any table, and the sum of all ranges. */
INLINE float widest(const float *query, size_t dim, float *ret_magnitude)
{
    const __m512 zero = _mm512_setzero_ps();
    __m512 width_max = zero, sum = zero;

    for (size_t i = 0; i < dim; i += 16) {
        __m512 x = _mm512_loadu_ps(query + i), width = _mm512_abs_ps(x);
        sum = _mm512_add_ps(sum, width);
        width = _mm512_add_ps(width, _mm512_permute_ps(width, 0xb1));
        width = _mm512_add_ps(width, _mm512_permute_ps(width, 0x4e));
        width_max = _mm512_max_ps(width_max, width);
    }
    *ret_magnitude = _mm512_reduce_add_ps(sum);
    return _mm512_reduce_max_ps(width_max);
}

static void tables(const float *query, size_t dim, uint8_t *ret_tables, float *ret_step,
                   float *ret_magnitude)
{
    float step = (widest(query, dim, ret_magnitude) + 1e-30f) / 255.0f;
    const __m512 scale = _mm512_set1_ps(1 / step), most = _mm512_set1_ps(255);

    for (size_t i = 0; i < dim; i += 4) {
        __m512 sum = _mm512_setzero_ps();
        static const __mmask16 present[4] = {0xaaaa, 0xcccc, 0xf0f0, 0xff00};
        for (size_t j = 0; j < 4; j++) {
            float x = query[i + j];
            __mmask16 counts = x > 0 ? present[j] : (__mmask16)~present[j];
            sum = _mm512_mask_add_ps(sum, counts, sum, _mm512_set1_ps(fabsf(x)));
        }
        __m512i entries = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_mul_ps(sum, scale), most));
        _mm_storeu_si128((__m128i *)(ret_tables + 4 * i), _mm512_cvtepi32_epi8(entries));
    }
    *ret_step = step;
}

INLINE __m512 square_step(__m512 sum, const float *a, const int8_t *b, __m512 scale)
{
    __m512 code = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)b)));
    __m512 difference = _mm512_fnmadd_ps(scale, code, _mm512_loadu_ps(a));
    return _mm512_fmadd_ps(difference, difference, sum);
}

static float l2_f32_i8(const float *restrict a, const int8_t *restrict b, float scale, size_t dim)
{
    const __m512 scales = _mm512_set1_ps(scale);
    __m512 first = _mm512_setzero_ps(), second = first, third = first, fourth = first;
    size_t i = 0;

    for (; i + 64 <= dim; i += 64) {
        first = square_step(first, a + i, b + i, scales);
        second = square_step(second, a + i + 16, b + i + 16, scales);
        third = square_step(third, a + i + 32, b + i + 32, scales);
        fourth = square_step(fourth, a + i + 48, b + i + 48, scales);
    }
    for (; i < dim; i += 16)
        first = square_step(first, a + i, b + i, scales);
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(first, second), _mm512_add_ps(third, fourth)));
}

static uint32_t l2_u7(const uint8_t *restrict a, const uint8_t *restrict b, size_t dim)
{
    const __m512i ones = _mm512_set1_epi16(1);
    __m512i sum = _mm512_setzero_si512();

    for (size_t i = 0; i < dim; i += 64) {
        __m512i difference =
            _mm512_abs_epi8(_mm512_sub_epi8(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i)));
        __m512i pairs = _mm512_maddubs_epi16(difference, difference);
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, ones));
    }
    return (uint32_t)_mm512_reduce_add_epi32(sum);
}

/* Each lane plus or minus its partner in `other`; `minus` marks the upper ones of the pairs. */
INLINE __m512 butterfly(__m512 x, __m512 other, __mmask16 minus)
{
    return _mm512_mask_sub_ps(_mm512_add_ps(x, other), minus, other, x);
}

/* The transform of 16 values, scaled. */
INLINE __m512 hadamard_16(__m512 x, __m512 scale)
{
    x = _mm512_mul_ps(x, scale);
    x = butterfly(x, _mm512_permute_ps(x, 0xb1), 0xaaaa);
    x = butterfly(x, _mm512_permute_ps(x, 0x4e), 0xcccc);
    x = butterfly(x, _mm512_shuffle_f32x4(x, x, 0xb1), 0xf0f0);
    return butterfly(x, _mm512_shuffle_f32x4(x, x, 0x4e), 0xff00);
}

INLINE void step_2(float *x, size_t half_size)
{
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + half_size);
    _mm512_storeu_ps(x, _mm512_add_ps(a, b));
    _mm512_storeu_ps(x + half_size, _mm512_sub_ps(a, b));
}

/* Two steps at once, which halves the loads and stores. */
INLINE void step_4(float *x, size_t quarter)
{
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + quarter);
    __m512 c = _mm512_loadu_ps(x + 2 * quarter), d = _mm512_loadu_ps(x + 3 * quarter);
    __m512 ab = _mm512_add_ps(a, b), a_b = _mm512_sub_ps(a, b);
    __m512 cd = _mm512_add_ps(c, d), c_d = _mm512_sub_ps(c, d);
    _mm512_storeu_ps(x, _mm512_add_ps(ab, cd));
    _mm512_storeu_ps(x + quarter, _mm512_add_ps(a_b, c_d));
    _mm512_storeu_ps(x + 2 * quarter, _mm512_sub_ps(ab, cd));
    _mm512_storeu_ps(x + 3 * quarter, _mm512_sub_ps(a_b, c_d));
}

static void hadamard(float *x, size_t count)
{
    const __m512 scale = _mm512_set1_ps(1 / sqrtf((float)count));
    size_t size = 16;

    for (size_t i = 0; i < count; i += 16)
        _mm512_storeu_ps(x + i, hadamard_16(_mm512_loadu_ps(x + i), scale));
    for (; size * 4 <= count; size *= 4)
        for (size_t i = 0; i < count; i += 4 * size)
            for (size_t j = i; j < i + size; j += 16)
                step_4(x + j, size);
    for (; size < count; size *= 2)
        for (size_t i = 0; i < count; i += 2 * size)
            for (size_t j = i; j < i + size; j += 16)
                step_2(x + j, size);
}

/* --- Rounding differences ---------------------------------------------------------------------- */

INLINE __m512i level_of(__m512 x, __m512 inverse)
{
    __m512 level = _mm512_fmadd_ps(x, inverse, _mm512_set1_ps(2));
    level = _mm512_min_ps(_mm512_max_ps(level, _mm512_setzero_ps()), _mm512_set1_ps(3));
    return _mm512_cvttps_epi32(level);
}

INLINE float square_sum(const float *x, size_t dim)
{
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < dim; i += 16)
        sum = _mm512_fmadd_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i), sum);
    return _mm512_reduce_add_ps(sum);
}

/* <r,u> / |u| on the 2-bit grid of this step. */
INLINE float cosine_on_grid(const float *r, size_t dim, float inverse)
{
    __m512 product = _mm512_setzero_ps(), norm = product;
    for (size_t i = 0; i < dim; i += 16) {
        __m512 x = _mm512_loadu_ps(r + i);
        __m512i level = level_of(x, _mm512_set1_ps(inverse));
        __m512 u = _mm512_sub_ps(_mm512_cvtepi32_ps(level), _mm512_set1_ps(1.5f));
        product = _mm512_fmadd_ps(u, x, product);
        norm = _mm512_fmadd_ps(u, u, norm);
    }
    return _mm512_reduce_add_ps(product) / sqrtf(_mm512_reduce_add_ps(norm));
}

INLINE float best_inverse(const float *r, float norm2, size_t dim)
{
    float unit = sqrtf((float)dim / norm2), best = -1, inverse = unit;
    for (size_t i = 0; i < HOP_STEPS; i++) {
        float cosine = cosine_on_grid(r, dim, unit / hop_steps[i]);
        if (cosine > best) {
            best = cosine;
            inverse = unit / hop_steps[i];
        }
    }
    return inverse;
}

static struct hop_sums round_difference(const float *restrict from, const float *restrict to,
                                        size_t dim, unsigned bits, float *restrict room,
                                        uint8_t *restrict levels)
{
    const __m512 middle = _mm512_set1_ps(bits == 1 ? 0.5f : 1.5f);
    __m512 product = _mm512_setzero_ps(), centre = product, inverse = product;
    for (size_t i = 0; i < dim; i += 16)
        _mm512_storeu_ps(room + i,
                         _mm512_sub_ps(_mm512_loadu_ps(to + i), _mm512_loadu_ps(from + i)));
    float norm2 = square_sum(room, dim);
    if (norm2 > HOP_TWINS_NORM2 && bits > 1)
        inverse = _mm512_set1_ps(best_inverse(room, norm2, dim));
    for (size_t i = 0; i < dim; i += 16) {
        __m512 x = _mm512_loadu_ps(room + i);
        __m512i level =
            bits == 1
                ? _mm512_maskz_set1_epi32(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), 1)
                : level_of(x, inverse);
        __m512 u = _mm512_sub_ps(_mm512_cvtepi32_ps(level), middle);
        _mm_storeu_si128((__m128i *)(levels + i), _mm512_cvtepi32_epi8(level));
        product = _mm512_fmadd_ps(u, x, product);
        centre = _mm512_fmadd_ps(u, _mm512_loadu_ps(from + i), centre);
    }
    if (!(norm2 > HOP_TWINS_NORM2))
        return (struct hop_sums){0, 0, 0};
    return (struct hop_sums){norm2, _mm512_reduce_add_ps(product), _mm512_reduce_add_ps(centre)};
}

const struct hop_ops hop_avx512 = {
    .name = "avx512",
    .scan = scan,
    .estimate = estimate,
    .tables = tables,
    .l2_f32_i8 = l2_f32_i8,
    .l2_u7 = l2_u7,
    .round_difference = round_difference,
    .hadamard = hadamard,
};
