/* simd_neon.c: kernels for 64-bit ARM, with what every such processor has.
 *
 * Each sum has four accumulators. Tails are loaded lane by lane, never beyond the row. Scans are the
 * distances one after another: no machine to measure prefetching on has been at hand. */
#include "simd/levels.h"

#include <arm_neon.h>

static const size_t width = 4; /* floats of a vector */

#define INLINE static inline __attribute__((always_inline))

/* --- Loading 4 elements, or the `count` < 4 left, then zeros ---------------------------------- */

struct type {
    float32x4_t (*load)(const void *row, size_t i);
    float32x4_t (*load_tail)(const void *row, size_t i, size_t count);
};

INLINE float32x4_t widen_f16(uint16x4_t halves)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(halves));
}

INLINE float32x4_t widen_bf16(uint16x4_t halves)
{
    return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

INLINE uint16x4_t load_words(const void *row, size_t i)
{
    return vld1_u16((const uint16_t *)row + i);
}

INLINE uint16x4_t load_words_tail(const void *row, size_t i, size_t count)
{
    const uint16_t *at = (const uint16_t *)row + i;
    uint16x4_t words = vld1_lane_u16(at, vdup_n_u16(0), 0);

    if (count > 1)
        words = vld1_lane_u16(at + 1, words, 1);
    if (count > 2)
        words = vld1_lane_u16(at + 2, words, 2);
    return words;
}

INLINE float32x4_t load_f32(const void *row, size_t i)
{
    return vld1q_f32((const float *)row + i);
}

INLINE float32x4_t load_f32_tail(const void *row, size_t i, size_t count)
{
    const float *at = (const float *)row + i;
    float32x4_t floats = vld1q_lane_f32(at, vdupq_n_f32(0), 0);

    if (count > 1)
        floats = vld1q_lane_f32(at + 1, floats, 1);
    if (count > 2)
        floats = vld1q_lane_f32(at + 2, floats, 2);
    return floats;
}

INLINE float32x4_t load_f16(const void *row, size_t i)
{
    return widen_f16(load_words(row, i));
}

INLINE float32x4_t load_f16_tail(const void *row, size_t i, size_t count)
{
    return widen_f16(load_words_tail(row, i, count));
}

INLINE float32x4_t load_bf16(const void *row, size_t i)
{
    return widen_bf16(load_words(row, i));
}

INLINE float32x4_t load_bf16_tail(const void *row, size_t i, size_t count)
{
    return widen_bf16(load_words_tail(row, i, count));
}

static const struct type f32 = {load_f32, load_f32_tail};
static const struct type f16 = {load_f16, load_f16_tail};
static const struct type bf16 = {load_bf16, load_bf16_tail};

/* --- Terms and their sums ---------------------------------------------------------------------- */

typedef float32x4_t (*adder)(float32x4_t sum, float32x4_t a, float32x4_t b);

INLINE float32x4_t add_square_of_difference(float32x4_t sum, float32x4_t a, float32x4_t b)
{
    float32x4_t difference = vsubq_f32(a, b);
    return vfmaq_f32(sum, difference, difference);
}

INLINE float32x4_t add_product(float32x4_t sum, float32x4_t a, float32x4_t b)
{
    return vfmaq_f32(sum, a, b);
}

INLINE float32x4_t add_at(float32x4_t sum, const void *a, const void *b, size_t i, struct type type,
                          adder add)
{
    return add(sum, type.load(a, i), type.load(b, i));
}

/* One loop for all types and both sums: its callers pass constants, which are inlined. */
INLINE float sum_terms(const void *a, const void *b, size_t dim, struct type type, adder add)
{
    float32x4_t s0 = vdupq_n_f32(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;

    for (; i + 4 * width <= dim; i += 4 * width) {
        s0 = add_at(s0, a, b, i, type, add);
        s1 = add_at(s1, a, b, i + width, type, add);
        s2 = add_at(s2, a, b, i + 2 * width, type, add);
        s3 = add_at(s3, a, b, i + 3 * width, type, add);
    }
    for (; i + width <= dim; i += width)
        s0 = add_at(s0, a, b, i, type, add);
    if (i < dim)
        s1 = add(s1, type.load_tail(a, i, dim - i), type.load_tail(b, i, dim - i));
    return vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)));
}

/* --- Distances and scans ----------------------------------------------------------------------- */

static float l2_f32(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, f32, add_square_of_difference);
}

static float ip_f32(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, f32, add_product);
}

static float l2_f16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, f16, add_square_of_difference);
}

static float ip_f16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, f16, add_product);
}

static float l2_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, bf16, add_square_of_difference);
}

static float ip_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, bf16, add_product);
}

static void l2_f32_scan(const void *restrict query, const uint8_t *restrict rows, size_t stride,
                        size_t count, size_t dim, float *restrict ret)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = l2_f32(query, rows + i * stride, dim);
}

static void ip_f32_scan(const void *restrict query, const uint8_t *restrict rows, size_t stride,
                        size_t count, size_t dim, float *restrict ret)
{
    for (size_t i = 0; i < count; i++)
        ret[i] = ip_f32(query, rows + i * stride, dim);
}

/* --- Integers ---------------------------------------------------------------------------------- */

/* Two products of magnitudes up to 127 fit in 16 bits: 2 * 127 * 127 = 32,258. */
INLINE int32x4_t add_products_i8(int32x4_t sum, const int8_t *a, const int8_t *b)
{
    int8x16_t x = vld1q_s8(a), y = vld1q_s8(b);
    int16x8_t pairs = vmull_s8(vget_low_s8(x), vget_low_s8(y));
    return vpadalq_s16(sum, vmlal_high_s8(pairs, x, y));
}

static int32_t ip_i8(const int8_t *restrict a, const int8_t *restrict b, size_t dim)
{
    const size_t step = 16;
    int32x4_t even = vdupq_n_s32(0), odd = even;
    int32_t rest = 0;
    size_t i = 0;

    for (; i + 2 * step <= dim; i += 2 * step) {
        even = add_products_i8(even, a + i, b + i);
        odd = add_products_i8(odd, a + i + step, b + i + step);
    }
    if (i + step <= dim) {
        even = add_products_i8(even, a + i, b + i);
        i += step;
    }
    for (; i < dim; i++)
        rest += a[i] * b[i];
    return vaddvq_s32(vaddq_s32(even, odd)) + rest;
}

/* --- Conversions ------------------------------------------------------------------------------- */

INLINE uint16x4_t narrow_f16(float32x4_t floats)
{
    return vreinterpret_u16_f16(vcvt_f16_f32(floats));
}

INLINE uint16x4_t narrow_bf16(float32x4_t floats)
{
    uint32x4_t bits = vreinterpretq_u32_f32(floats);
    uint32x4_t upper = vshrq_n_u32(bits, 16);
    uint32x4_t even = vandq_u32(upper, vdupq_n_u32(1));
    uint32x4_t bias = vaddq_u32(even, vdupq_n_u32(0x7fff));
    uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, bias), 16);
    uint32x4_t quiet = vorrq_u32(upper, vdupq_n_u32(0x40));
    uint32x4_t number = vceqq_f32(floats, floats); /* no NaN */
    return vmovn_u32(vbslq_u32(number, rounded, quiet));
}

INLINE void narrow(const float *from, uint16_t *to, size_t dim, uint16x4_t (*convert)(float32x4_t))
{
    size_t i = 0, tail = dim % width;

    for (; i + width <= dim; i += width)
        vst1_u16(to + i, convert(load_f32(from, i)));
    if (tail) {
        uint16_t words[4];
        vst1_u16(words, convert(load_f32_tail(from, i, tail)));
        for (size_t j = 0; j < tail; j++)
            to[i + j] = words[j];
    }
}

INLINE void widen(const uint16_t *from, float *to, size_t dim, float32x4_t (*convert)(uint16x4_t))
{
    size_t i = 0, tail = dim % width;

    for (; i + width <= dim; i += width)
        vst1q_f32(to + i, convert(load_words(from, i)));
    if (tail) {
        float floats[4];
        vst1q_f32(floats, convert(load_words_tail(from, i, tail)));
        for (size_t j = 0; j < tail; j++)
            to[i + j] = floats[j];
    }
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

const struct simd_ops simd_neon = {
    .name = "neon",
    .l2_f32 = l2_f32,
    .ip_f32 = ip_f32,
    .l2_f16 = l2_f16,
    .ip_f16 = ip_f16,
    .l2_bf16 = l2_bf16,
    .ip_bf16 = ip_bf16,
    .l2_f32_scan = l2_f32_scan,
    .ip_f32_scan = ip_f32_scan,
    .ip_tile = neon_ip_tile,
    .in_range = scalar_in_range,
    .tile_near = neon_tile_near,
    .ip_i8 = ip_i8,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .f32_to_bf16 = f32_to_bf16,
    .bf16_to_f32 = bf16_to_f32,
};
