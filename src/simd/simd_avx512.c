/* simd_avx512.c: kernels for AVX-512 F, BW, VL and DQ.
 *
 * Each sum has four accumulators, enough to keep two FMA units busy. Tails are read under a mask,
 * which never touches memory beyond the row.
 *
 * Scans take one row after another, so that memory is read in order (four rows in step were twice as
 * fast in L1, but up to twice as slow from memory: they confuse the hardware's prefetching), ask for
 * it SCAN_AHEAD bytes early, into the second-level cache (docs/decisions/0061; prefetching beyond the
 * rows is harmless), and fold the sums of four rows together. Terms are added in the same order as by
 * the distances, so that both give the same bits. */
#include "simd/levels.h"

#include <immintrin.h>

enum { SCAN_ROWS = 4, SCAN_AHEAD = 2048 };

static const size_t width = 16; /* floats of a vector */

#define INLINE static inline __attribute__((always_inline))

/* --- Loading 16 elements, or fewer and zeros ----------------------------------- */

struct type {
    __m512 (*load)(const void *row, size_t i);
    __m512 (*load_tail)(const void *row, struct tail tail);
    size_t size; /* bytes of an element */
};

INLINE __mmask16 first(size_t count)
{
    return (__mmask16)((1u << count) - 1);
}

INLINE __m512 widen_f16(__m256i halves)
{
    return _mm512_cvtph_ps(halves);
}

INLINE __m512 widen_bf16(__m256i halves)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

INLINE __m256i load_words(const void *row, size_t i)
{
    return _mm256_loadu_si256((const __m256i *)((const uint16_t *)row + i));
}

INLINE __m256i load_words_masked(const void *row, size_t i, __mmask16 mask)
{
    return _mm256_maskz_loadu_epi16(mask, (const uint16_t *)row + i);
}

INLINE __m512 load_f32(const void *row, size_t i)
{
    return _mm512_loadu_ps((const float *)row + i);
}

INLINE __m512 load_f32_masked(const void *row, size_t i, __mmask16 mask)
{
    return _mm512_maskz_loadu_ps(mask, (const float *)row + i);
}

INLINE __m512 load_f32_tail(const void *row, struct tail tail)
{
    return load_f32_masked(row, tail.at, (__mmask16)tail.mask);
}

INLINE __m512 load_f16(const void *row, size_t i)
{
    return widen_f16(load_words(row, i));
}

INLINE __m512 load_f16_tail(const void *row, struct tail tail)
{
    return widen_f16(load_words_masked(row, tail.at, (__mmask16)tail.mask));
}

static const struct type f32 = {load_f32, load_f32_tail, sizeof(float)};
static const struct type f16 = {load_f16, load_f16_tail, sizeof(half)};

/* --- Terms and their sums ------------------------------------------------------------------------- */

typedef __m512 (*adder)(__m512 sum, __m512 a, __m512 b);

INLINE __m512 add_square_of_difference(__m512 sum, __m512 a, __m512 b)
{
    __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_fmadd_ps(difference, difference, sum);
}

INLINE __m512 add_product(__m512 sum, __m512 a, __m512 b)
{
    return _mm512_fmadd_ps(a, b, sum);
}

INLINE __m128 fold_vector(__m512 all)
{
    __m256 half_sums = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half_sums), _mm256_extractf128_ps(half_sums, 1));
}

INLINE __m128 fold(__m512 s0, __m512 s1, __m512 s2, __m512 s3)
{
    return fold_vector(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
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
INLINE void prefetch(const void *b, size_t i, struct type type, size_t ahead)
{
    if (ahead)
        _mm_prefetch((const char *)b + ahead + i * type.size, _MM_HINT_T1);
}

INLINE __m512 add_at(__m512 sum, const void *a, const void *b, size_t i, struct type type,
                     adder add, size_t ahead)
{
    prefetch(b, i, type, ahead);
    return add(sum, type.load(a, i), type.load(b, i));
}

struct sums {
    __m512 s0, s1, s2, s3;
};

INLINE struct sums add_four(struct sums sums, const void *a, const void *b, size_t i,
                            struct type type, adder add, size_t ahead)
{
    sums.s0 = add_at(sums.s0, a, b, i, type, add, ahead);
    sums.s1 = add_at(sums.s1, a, b, i + width, type, add, ahead);
    sums.s2 = add_at(sums.s2, a, b, i + 2 * width, type, add, ahead);
    sums.s3 = add_at(sums.s3, a, b, i + 3 * width, type, add, ahead);
    return sums;
}

/* One loop for all types and both sums: its callers pass constants, which are inlined. */
INLINE __m128 sum_terms(const void *a, const void *b, size_t dim, struct type type, adder add,
                        size_t ahead)
{
    struct sums s = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                     _mm512_setzero_ps()};
    size_t i = 0;

    /* Eight at a turn read memory a tenth faster than four do. */
    for (; ahead && i + 8 * width <= dim; i += 8 * width) {
        s = add_four(s, a, b, i, type, add, ahead);
        s = add_four(s, a, b, i + 4 * width, type, add, ahead);
    }
    for (; i + 4 * width <= dim; i += 4 * width)
        s = add_four(s, a, b, i, type, add, ahead);
    if (i + width <= dim) {
        s.s0 = add_at(s.s0, a, b, i, type, add, ahead);
        i += width;
    }
    if (i + width <= dim) {
        s.s1 = add_at(s.s1, a, b, i, type, add, ahead);
        i += width;
    }
    if (i + width <= dim) {
        s.s2 = add_at(s.s2, a, b, i, type, add, ahead);
        i += width;
    }
    if (i < dim) {
        struct tail tail = tail_of(i, dim, width);
        prefetch(b, i, type, ahead);
        s.s3 = add(s.s3, type.load_tail(a, tail), type.load_tail(b, tail));
    }
    return fold(s.s0, s.s1, s.s2, s.s3);
}

/* bf16 comes 32 at a time: within each 32-bit word the element of even index lies below the other,
 * and either is a float once its neighbour is cleared away. */
struct pair {
    __m512 even, odd;
};

INLINE struct pair split_bf16(__m512i words)
{
    __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    return (struct pair){_mm512_castsi512_ps(_mm512_slli_epi32(words, 16)),
                         _mm512_castsi512_ps(_mm512_and_si512(words, upper))};
}

INLINE struct pair add_pairs(struct pair sums, __m512i a, __m512i b, adder add)
{
    struct pair x = split_bf16(a), y = split_bf16(b);
    return (struct pair){add(sums.even, x.even, y.even), add(sums.odd, x.odd, y.odd)};
}

INLINE float sum_terms_bf16(const bfloat16 *a, const bfloat16 *b, size_t dim, adder add)
{
    const size_t step = 32;
    struct pair p = {_mm512_setzero_ps(), _mm512_setzero_ps()}, q = p;
    size_t i = 0;

    for (; i + 2 * step <= dim; i += 2 * step) {
        p = add_pairs(p, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i), add);
        q = add_pairs(q, _mm512_loadu_si512(a + i + step), _mm512_loadu_si512(b + i + step), add);
    }
    if (i + step <= dim) {
        p = add_pairs(p, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i), add);
        i += step;
    }
    if (i < dim) {
        struct tail tail = tail_of(i, dim, step);
        __mmask32 mask = (__mmask32)tail.mask;
        q = add_pairs(q, _mm512_maskz_loadu_epi16(mask, a + tail.at),
                      _mm512_maskz_loadu_epi16(mask, b + tail.at), add);
    }
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

/* One vector a row, with the query in a register. Sums that stay 0 are left out. */
INLINE void scan_short(const void *query, const uint8_t *rows, size_t stride, size_t count,
                       size_t dim, adder add, float *ret)
{
    __mmask16 mask = first(dim);
    __m512 zero = _mm512_setzero_ps(), q = load_f32_masked(query, 0, mask);
    size_t i = 0;

    for (; i + SCAN_ROWS <= count; i += SCAN_ROWS) {
        __m128 sums[SCAN_ROWS];
        for (size_t r = 0; r < SCAN_ROWS; r++) {
            const uint8_t *row = rows + (i + r) * stride;
            _mm_prefetch((const char *)row + SCAN_AHEAD, _MM_HINT_T1);
            sums[r] = fold_vector(add(zero, q, load_f32_masked(row, 0, mask)));
        }
        _mm_storeu_ps(ret + i, fold_four(sums));
    }
    for (; i < count; i++)
        ret[i] = fold_one(fold_vector(add(zero, q, load_f32_masked(rows + i * stride, 0, mask))));
}

INLINE void scan_any(const void *query, const uint8_t *rows, size_t stride, size_t count,
                     size_t dim, adder add, float *ret)
{
    if (dim <= width)
        scan_short(query, rows, stride, count, dim, add, ret);
    else
        scan(query, rows, stride, count, dim, add, ret);
}

static void l2_f32_scan(const void *restrict query, const uint8_t *restrict rows, size_t stride,
                        size_t count, size_t dim, float *restrict ret)
{
    scan_any(query, rows, stride, count, dim, add_square_of_difference, ret);
}

static void ip_f32_scan(const void *restrict query, const uint8_t *restrict rows, size_t stride,
                        size_t count, size_t dim, float *restrict ret)
{
    scan_any(query, rows, stride, count, dim, add_product, ret);
}

/* --- Integers --------------------------------------------------------------------------------------- */

/* Without VNNI: 16-bit products of pairs, added in 32 bits. */
INLINE __m512i add_products_i8(__m512i sum, __m256i a, __m256i b)
{
    return _mm512_add_epi32(sum,
                            _mm512_madd_epi16(_mm512_cvtepi8_epi16(a), _mm512_cvtepi8_epi16(b)));
}

static int32_t ip_i8(const int8_t *restrict a, const int8_t *restrict b, size_t dim)
{
    const size_t step = 32;
    __m512i even = _mm512_setzero_si512(), odd = even;
    size_t i = 0;

    for (; i + 2 * step <= dim; i += 2 * step) {
        even = add_products_i8(even, _mm256_loadu_si256((const __m256i *)(a + i)),
                               _mm256_loadu_si256((const __m256i *)(b + i)));
        odd = add_products_i8(odd, _mm256_loadu_si256((const __m256i *)(a + i + step)),
                              _mm256_loadu_si256((const __m256i *)(b + i + step)));
    }
    if (i + step <= dim) {
        even = add_products_i8(even, _mm256_loadu_si256((const __m256i *)(a + i)),
                               _mm256_loadu_si256((const __m256i *)(b + i)));
        i += step;
    }
    if (i < dim) {
        struct tail tail = tail_of(i, dim, step);
        __mmask32 mask = (__mmask32)tail.mask;
        odd = add_products_i8(odd, _mm256_maskz_loadu_epi8(mask, a + tail.at),
                              _mm256_maskz_loadu_epi8(mask, b + tail.at));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
}

/* --- Conversions ------------------------------------------------------------------------------------ */

INLINE __m256i narrow_f16(__m512 floats)
{
    return _mm512_cvtps_ph(floats, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* In integers: the instruction of AVX512-BF16 would turn subnormals to zero. */
INLINE __m256i narrow_bf16(__m512 floats)
{
    __m512i bits = _mm512_castps_si512(floats);
    __m512i upper = _mm512_srli_epi32(bits, 16);
    __m512i even = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    __m512i bias = _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
    __m512i quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
    __mmask16 nan = _mm512_cmp_ps_mask(floats, floats, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, quiet));
}

INLINE void narrow(const float *from, uint16_t *to, size_t dim, __m256i (*convert)(__m512))
{
    __mmask16 rest = first(dim % width);
    size_t i = 0;

    for (; i + width <= dim; i += width)
        _mm256_storeu_si256((__m256i *)(to + i), convert(load_f32(from, i)));
    if (rest)
        _mm256_mask_storeu_epi16(to + i, rest, convert(load_f32_masked(from, i, rest)));
}

INLINE void widen(const uint16_t *from, float *to, size_t dim, __m512 (*convert)(__m256i))
{
    __mmask16 rest = first(dim % width);
    size_t i = 0;

    for (; i + width <= dim; i += width)
        _mm512_storeu_ps(to + i, convert(load_words(from, i)));
    if (rest)
        _mm512_mask_storeu_ps(to + i, rest, convert(load_words_masked(from, i, rest)));
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

const struct simd_ops simd_avx512 = {
    .name = "avx512",
    .l2_f32 = l2_f32,
    .ip_f32 = ip_f32,
    .l2_f16 = l2_f16,
    .ip_f16 = ip_f16,
    .l2_bf16 = l2_bf16,
    .ip_bf16 = ip_bf16,
    .l2_f32_scan = l2_f32_scan,
    .ip_f32_scan = ip_f32_scan,
    .ip_tile = avx512_ip_tile,
    .in_range = avx512_in_range,
    .tile_near = avx512_tile_near,
    .ip_i8 = ip_i8,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .f32_to_bf16 = f32_to_bf16,
    .bf16_to_f32 = bf16_to_f32,
};
