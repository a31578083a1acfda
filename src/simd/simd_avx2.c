/* simd_avx2.c: kernels for AVX2 with FMA and F16C.
 *
 * Each sum has four accumulators, enough to keep two FMA units busy. Tails are read under a mask or
 * put together from pieces, never beyond the row. Scans are made as in simd_avx512.c, which says why;
 * they add a row's terms in the same order as the distances, so that both give the same bits. */
#include "simd/levels.h"

#include <immintrin.h>
#include <string.h>

enum { SCAN_ROWS = 4, SCAN_AHEAD = 6144 };

static const size_t width = 8; /* floats of a vector */

#define INLINE static inline __attribute__((always_inline))

/* --- Loading 8 elements, or the `count` < 8 left, then zeros ------------------------------------- */

struct type {
    __m256 (*load)(const void *row, size_t i);
    __m256 (*load_tail)(const void *row, size_t i, size_t count);
    size_t size; /* bytes of an element */
};

INLINE __m256i first(size_t count)
{
    static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ones_then_zeros + width - count));
}

INLINE __m256 widen_f16(__m128i halves)
{
    return _mm256_cvtph_ps(halves);
}

INLINE __m256 widen_bf16(__m128i halves)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

INLINE __m128i load_words(const void *row, size_t i)
{
    return _mm_loadu_si128((const __m128i *)((const uint16_t *)row + i));
}

/* Put together in general registers: going through memory would stall on store forwarding. */
INLINE __m128i load_words_tail(const void *row, size_t i, size_t count)
{
    const uint16_t *at = (const uint16_t *)row + i;
    uint64_t four = 0, rest = 0;

    if (count & 4) {
        memcpy(&four, at, sizeof four);
        at += 4;
    }
    if (count & 2) {
        uint32_t two;
        memcpy(&two, at, sizeof two);
        rest = two;
    }
    if (count & 1)
        rest |= (uint64_t)at[count & 2] << 16 * (count & 2);
    if (count & 4)
        return _mm_set_epi64x((long long)rest, (long long)four);
    return _mm_cvtsi64_si128((long long)rest);
}

INLINE __m256 load_f32(const void *row, size_t i)
{
    return _mm256_loadu_ps((const float *)row + i);
}

INLINE __m256 load_f32_tail(const void *row, size_t i, size_t count)
{
    return _mm256_maskload_ps((const float *)row + i, first(count));
}

INLINE __m256 load_f16(const void *row, size_t i)
{
    return widen_f16(load_words(row, i));
}

INLINE __m256 load_f16_tail(const void *row, size_t i, size_t count)
{
    return widen_f16(load_words_tail(row, i, count));
}

static const struct type f32 = {load_f32, load_f32_tail, sizeof(float)};
static const struct type f16 = {load_f16, load_f16_tail, sizeof(half)};

/* --- Terms and their sums ------------------------------------------------------------------------- */

typedef __m256 (*adder)(__m256 sum, __m256 a, __m256 b);

INLINE __m256 add_square_of_difference(__m256 sum, __m256 a, __m256 b)
{
    __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_fmadd_ps(difference, difference, sum);
}

INLINE __m256 add_product(__m256 sum, __m256 a, __m256 b)
{
    return _mm256_fmadd_ps(a, b, sum);
}

INLINE __m128 fold_vector(__m256 all)
{
    return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

INLINE __m128 fold(__m256 s0, __m256 s1, __m256 s2, __m256 s3)
{
    return fold_vector(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

/* (0 + 2) + (1 + 3). */
INLINE float fold_one(__m128 sum)
{
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/* The same for four rows. */
INLINE __m128 fold_four(const __m128 sums[SCAN_ROWS])
{
    __m128 first_two =
        _mm_add_ps(_mm_unpacklo_ps(sums[0], sums[1]), _mm_unpackhi_ps(sums[0], sums[1]));
    __m128 last_two =
        _mm_add_ps(_mm_unpacklo_ps(sums[2], sums[3]), _mm_unpackhi_ps(sums[2], sums[3]));
    return _mm_add_ps(_mm_movelh_ps(first_two, last_two), _mm_movehl_ps(last_two, first_two));
}

/* When `ahead` is not 0, element i of row b is prefetched that many bytes early. */
INLINE __m256 add_at(__m256 sum, const void *a, const void *b, size_t i, struct type type,
                     adder add, size_t ahead)
{
    if (ahead)
        _mm_prefetch((const char *)b + ahead + i * type.size, _MM_HINT_T0);
    return add(sum, type.load(a, i), type.load(b, i));
}

/* One loop for all types and both sums: its callers pass constants, which are inlined. */
INLINE __m128 sum_terms(const void *a, const void *b, size_t dim, struct type type, adder add,
                        size_t ahead)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 4 * width <= dim; i += 4 * width) {
        s0 = add_at(s0, a, b, i, type, add, ahead); /* two vectors make a line */
        s1 = add_at(s1, a, b, i + width, type, add, 0);
        s2 = add_at(s2, a, b, i + 2 * width, type, add, ahead);
        s3 = add_at(s3, a, b, i + 3 * width, type, add, 0);
    }
    if (i + width <= dim) {
        s0 = add_at(s0, a, b, i, type, add, ahead);
        i += width;
    }
    if (i + width <= dim) {
        s1 = add_at(s1, a, b, i, type, add, ahead);
        i += width;
    }
    if (i + width <= dim) {
        s2 = add_at(s2, a, b, i, type, add, ahead);
        i += width;
    }
    if (i < dim)
        s3 = add(s3, type.load_tail(a, i, dim - i), type.load_tail(b, i, dim - i));
    return fold(s0, s1, s2, s3);
}

/* bf16 comes 16 at a time: within each 32-bit word the element of even index lies below the other,
 * and either is a float once its neighbour is cleared away. */
struct pair {
    __m256 even, odd;
};

INLINE struct pair split_bf16(__m256i words)
{
    __m256i upper = _mm256_set1_epi32((int)0xffff0000);
    return (struct pair){_mm256_castsi256_ps(_mm256_slli_epi32(words, 16)),
                         _mm256_castsi256_ps(_mm256_and_si256(words, upper))};
}

INLINE struct pair add_pairs(struct pair sums, const bfloat16 *a, const bfloat16 *b, adder add)
{
    struct pair x = split_bf16(_mm256_loadu_si256((const __m256i *)a));
    struct pair y = split_bf16(_mm256_loadu_si256((const __m256i *)b));
    return (struct pair){add(sums.even, x.even, y.even), add(sums.odd, x.odd, y.odd)};
}

INLINE float sum_terms_bf16(const bfloat16 *a, const bfloat16 *b, size_t dim, adder add)
{
    const size_t step = 16;
    struct pair p = {_mm256_setzero_ps(), _mm256_setzero_ps()}, q = p;
    size_t i = 0;

    for (; i + 2 * step <= dim; i += 2 * step) {
        p = add_pairs(p, a + i, b + i, add);
        q = add_pairs(q, a + i + step, b + i + step, add);
    }
    if (i + step <= dim) {
        p = add_pairs(p, a + i, b + i, add);
        i += step;
    }
    if (i + width <= dim) {
        q.even = add(q.even, widen_bf16(load_words(a, i)), widen_bf16(load_words(b, i)));
        i += width;
    }
    if (i < dim)
        q.odd = add(q.odd, widen_bf16(load_words_tail(a, i, dim - i)),
                    widen_bf16(load_words_tail(b, i, dim - i)));
    return fold_one(fold(p.even, p.odd, q.even, q.odd));
}

/* --- Distances ----------------------------------------------------------------------------------- */

static float l2_f32(const void *restrict a, const void *restrict b, size_t dim)
{
    return fold_one(sum_terms(a, b, dim, f32, add_square_of_difference, 0));
}

static float ip_f32(const void *restrict a, const void *restrict b, size_t dim)
{
    return fold_one(sum_terms(a, b, dim, f32, add_product, 0));
}

static float l2_f16(const void *restrict a, const void *restrict b, size_t dim)
{
    return fold_one(sum_terms(a, b, dim, f16, add_square_of_difference, 0));
}

static float ip_f16(const void *restrict a, const void *restrict b, size_t dim)
{
    return fold_one(sum_terms(a, b, dim, f16, add_product, 0));
}

static float l2_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms_bf16(a, b, dim, add_square_of_difference);
}

static float ip_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms_bf16(a, b, dim, add_product);
}

/* --- Scans of f32 --------------------------------------------------------------------------------- */

INLINE void scan(const void *query, const uint8_t *rows, size_t stride, size_t count, size_t dim,
                 adder add, float *ret)
{
    size_t i = 0;

    for (; i + SCAN_ROWS <= count; i += SCAN_ROWS) {
        __m128 sums[SCAN_ROWS];
        for (size_t r = 0; r < SCAN_ROWS; r++)
            sums[r] = sum_terms(query, rows + (i + r) * stride, dim, f32, add, SCAN_AHEAD);
        _mm_storeu_ps(ret + i, fold_four(sums));
    }
    for (; i < count; i++)
        ret[i] = fold_one(sum_terms(query, rows + i * stride, dim, f32, add, SCAN_AHEAD));
}

static void l2_f32_scan(const void *restrict query, const uint8_t *restrict rows, size_t stride,
                        size_t count, size_t dim, float *restrict ret)
{
    scan(query, rows, stride, count, dim, add_square_of_difference, ret);
}

static void ip_f32_scan(const void *restrict query, const uint8_t *restrict rows, size_t stride,
                        size_t count, size_t dim, float *restrict ret)
{
    scan(query, rows, stride, count, dim, add_product, ret);
}

/* --- Integers --------------------------------------------------------------------------------------- */

/* a * b as |a| * (b with the sign of a): vpmaddubsw multiplies unsigned by signed bytes and adds pairs
 * in 16 bits, where 2 * 127 * 127 = 32,258 fits. Nearly twice as fast as widening to 16 bits first. */
INLINE __m256i add_products_i8(__m256i sum, __m256i a, __m256i b)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE __m256i load_i8(const int8_t *row, size_t i)
{
    return _mm256_loadu_si256((const __m256i *)(row + i));
}

INLINE int32_t fold_i32(__m256i sums)
{
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

static int32_t ip_i8(const int8_t *restrict a, const int8_t *restrict b, size_t dim)
{
    const size_t step = 32;
    static const int8_t zeros_then_ones[64] = {[32 ... 63] = -1};
    __m256i even = _mm256_setzero_si256(), odd = even;
    size_t i = 0, tail = dim % step;
    int32_t rest = 0;

    if (dim < step) {
        for (; i < dim; i++)
            rest += a[i] * b[i];
        return rest;
    }
    for (; i + 2 * step <= dim; i += 2 * step) {
        even = add_products_i8(even, load_i8(a, i), load_i8(b, i));
        odd = add_products_i8(odd, load_i8(a, i + step), load_i8(b, i + step));
    }
    if (i + step <= dim)
        even = add_products_i8(even, load_i8(a, i), load_i8(b, i));
    if (tail) { /* the last 32 bytes, without those that are in already */
        __m256i mask = load_i8(zeros_then_ones, tail);
        __m256i last = _mm256_and_si256(load_i8(a, dim - step), mask);
        odd = add_products_i8(odd, last, load_i8(b, dim - step));
    }
    return fold_i32(_mm256_add_epi32(even, odd));
}

/* --- Conversions ------------------------------------------------------------------------------------ */

INLINE __m128i narrow_f16(__m256 floats)
{
    return _mm256_cvtps_ph(floats, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE __m128i narrow_bf16(__m256 floats)
{
    __m256i bits = _mm256_castps_si256(floats);
    __m256i upper = _mm256_srli_epi32(bits, 16);
    __m256i even = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    __m256i bias = _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
    __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(floats, floats, _CMP_UNORD_Q));
    __m256i words = _mm256_blendv_epi8(rounded, quiet, nan);
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

INLINE void narrow(const float *from, uint16_t *to, size_t dim, __m128i (*convert)(__m256))
{
    size_t i = 0, tail = dim % width;

    for (; i + width <= dim; i += width)
        _mm_storeu_si128((__m128i *)(to + i), convert(load_f32(from, i)));
    if (tail) {
        uint16_t words[8];
        _mm_storeu_si128((__m128i *)words, convert(load_f32_tail(from, i, tail)));
        memcpy(to + i, words, tail * sizeof *to);
    }
}

INLINE void widen(const uint16_t *from, float *to, size_t dim, __m256 (*convert)(__m128i))
{
    size_t i = 0, tail = dim % width;

    for (; i + width <= dim; i += width)
        _mm256_storeu_ps(to + i, convert(load_words(from, i)));
    if (tail)
        _mm256_maskstore_ps(to + i, first(tail), convert(load_words_tail(from, i, tail)));
}

static void f32_to_f16(const float *restrict from, half *restrict to, size_t dim)
{
    narrow(from, to, dim, narrow_f16);
}

static void f16_to_f32(const half *restrict from, float *restrict to, size_t dim)
{
    widen(from, to, dim, widen_f16);
}

static void f32_to_bf16(const float *restrict from, bfloat16 *restrict to, size_t dim)
{
    narrow(from, to, dim, narrow_bf16);
}

static void bf16_to_f32(const bfloat16 *restrict from, float *restrict to, size_t dim)
{
    widen(from, to, dim, widen_bf16);
}

const struct simd_ops simd_avx2 = {
    .name = "avx2",
    .l2_f32 = l2_f32,
    .ip_f32 = ip_f32,
    .l2_f16 = l2_f16,
    .ip_f16 = ip_f16,
    .l2_bf16 = l2_bf16,
    .ip_bf16 = ip_bf16,
    .l2_f32_scan = l2_f32_scan,
    .ip_f32_scan = ip_f32_scan,
    .ip_tile = avx2_ip_tile,
    .in_range = avx2_in_range,
    .tile_near = avx2_tile_near,
    .ip_i8 = ip_i8,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .f32_to_bf16 = f32_to_bf16,
    .bf16_to_f32 = bf16_to_f32,
};
