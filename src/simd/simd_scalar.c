/* simd_scalar.c: the specification of every kernel, in portable C.
 *
 * Sums run in eight independent lanes, element i in lane i % 8: more exact than one running sum,
 * and any compiler can make vectors of it. */
#include "simd/levels.h"

#include <string.h>

enum { LANES = 8 };

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* --- Conversions ------------------------------------------------------------------------------- */

/* Exact; signalling NaNs become quiet and keep their payload, as the hardware does it. Written so that
 * compilers can make vectors of it. */
static float half_to_float(half from)
{
    const uint32_t infinity = 0x7c00u << 13;
    uint32_t sign = (uint32_t)(from & 0x8000u) << 16;
    uint32_t magnitude = (uint32_t)(from & 0x7fffu) << 13;
    /* The multiplication corrects the exponent, and turns subnormal halves into normal floats. */
    uint32_t bits = bits_of(float_of(magnitude) * 0x1p112f);

    if (magnitude >= infinity)
        bits = 0x7f800000u | magnitude | (magnitude > infinity ? 0x400000u : 0u);
    return float_of(sign | bits);
}

static half float_to_half(float from)
{
    uint32_t bits = bits_of(from);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;

    if (magnitude > 0x7f800000u) /* NaN: quiet, the payload's upper bits kept */
        return (half)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) /* 65,520 and beyond */
        return (half)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) /* below 2^-14: near 0.5, floats are 2^-24 apart; let them round */
        return (half)(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u));
    magnitude += 0xfffu + (magnitude >> 13 & 1u);
    return (half)(sign | (magnitude - (112u << 23)) >> 13);
}

static float bfloat16_to_float(bfloat16 from)
{
    return float_of((uint32_t)from << 16);
}

static bfloat16 float_to_bfloat16(float from)
{
    uint32_t bits = bits_of(from);

    if ((bits & 0x7fffffffu) > 0x7f800000u) /* NaN: quiet, the payload's upper bits kept */
        return (bfloat16)(bits >> 16 | 0x40u);
    return (bfloat16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static void f32_to_f16(const float *restrict from, half *restrict to, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        to[i] = float_to_half(from[i]);
}

static void f16_to_f32(const half *restrict from, float *restrict to, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        to[i] = half_to_float(from[i]);
}

static void f32_to_bf16(const float *restrict from, bfloat16 *restrict to, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        to[i] = float_to_bfloat16(from[i]);
}

static void bf16_to_f32(const bfloat16 *restrict from, float *restrict to, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        to[i] = bfloat16_to_float(from[i]);
}

/* --- Distances --------------------------------------------------------------------------------- */

/* One loop for all types and both sums: the callers below pass constants, which are inlined. */
typedef float (*loader)(const void *row, size_t i);
typedef float (*term)(float a, float b);

static inline float load_f32(const void *row, size_t i)
{
    return ((const float *)row)[i];
}
static inline float load_f16(const void *row, size_t i)
{
    return half_to_float(((const half *)row)[i]);
}
static inline float load_bf16(const void *row, size_t i)
{
    return bfloat16_to_float(((const bfloat16 *)row)[i]);
}

static inline float square_of_difference(float a, float b)
{
    return (a - b) * (a - b);
}
static inline float product(float a, float b)
{
    return a * b;
}

static inline __attribute__((always_inline)) float sum_terms(const void *a, const void *b,
                                                             size_t dim, loader load, term of)
{
    float lanes[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= dim; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += of(load(a, i + lane), load(b, i + lane));
    for (size_t lane = 0; i + lane < dim; lane++)
        lanes[lane] += of(load(a, i + lane), load(b, i + lane));
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static float l2_f32(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, load_f32, square_of_difference);
}

static float ip_f32(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, load_f32, product);
}

static float l2_f16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, load_f16, square_of_difference);
}

static float ip_f16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, load_f16, product);
}

static float l2_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, load_bf16, square_of_difference);
}

static float ip_bf16(const void *restrict a, const void *restrict b, size_t dim)
{
    return sum_terms(a, b, dim, load_bf16, product);
}

static int32_t ip_i8(const int8_t *restrict a, const int8_t *restrict b, size_t dim)
{
    int32_t sum = 0;

    for (size_t i = 0; i < dim; i++)
        sum += a[i] * b[i];
    return sum;
}

/* --- Scans ------------------------------------------------------------------------------------- */

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

/* --- Tiles ------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void tile(const float *restrict panel,
                                                       size_t query_count, const uint8_t *rows,
                                                       size_t stride, size_t count, size_t dim,
                                                       float *restrict ret)
{
    for (size_t r = 0; r < count; r++, ret += SIMD_PANEL) {
        const float *row = (const float *)(const void *)(rows + r * stride);
        memset(ret, 0, query_count * sizeof *ret);
        for (size_t i = 0; i < dim; i++)
            for (size_t q = 0; q < query_count; q++)
                ret[q] += panel[i * SIMD_PANEL + q] * row[i];
    }
}

static void ip_tile(const float *restrict panel, int half_panel, const uint8_t *restrict rows,
                    size_t stride, size_t count, size_t dim, float *restrict ret)
{
    if (half_panel)
        tile(panel, SIMD_PANEL / 2, rows, stride, count, dim, ret);
    else
        tile(panel, SIMD_PANEL, rows, stride, count, dim, ret);
}

static void tile_near(const float *restrict products, size_t count,
                      const struct simd_tile_bounds *bounds, uint32_t *restrict ret)
{
    for (size_t r = 0; r < count; r++) {
        ret[r] = 0;
        for (size_t q = 0; q < SIMD_PANEL; q++) {
            float bound = bounds->base[q] + bounds->lift[r] - bounds->slack[q] * bounds->norm[r];
            ret[r] |= (uint32_t) !(products[r * SIMD_PANEL + q] < bound) << q;
        }
    }
}

const struct simd_ops simd_scalar = {
    .name = "scalar",
    .l2_f32 = l2_f32,
    .ip_f32 = ip_f32,
    .l2_f16 = l2_f16,
    .ip_f16 = ip_f16,
    .l2_bf16 = l2_bf16,
    .ip_bf16 = ip_bf16,
    .l2_f32_scan = l2_f32_scan,
    .ip_f32_scan = ip_f32_scan,
    .ip_tile = ip_tile,
    .in_range = scalar_in_range,
    .tile_near = tile_near,
    .ip_i8 = ip_i8,
    .f32_to_f16 = f32_to_f16,
    .f16_to_f32 = f16_to_f32,
    .f32_to_bf16 = f32_to_bf16,
    .bf16_to_f32 = bf16_to_f32,
};
