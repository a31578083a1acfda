/* edge_code.c: see edge_code.h. */
#include "quant/edge_code.h"

#include <math.h>

#include "base/le.h"
#include "simd/hop.h"

/* Widths of a step of the grid tried, in units of the root mean square of the difference's coordinates.
 * The best differs between differences: with 2 bits, trying four gives a mean cosine of 0.94. */
static const float steps[] = {0.8f, 0.9f, 1.0f, 1.1f};

#define F16_MAX 65504.0f

/* Sums run in lanes, which a compiler may keep in vector registers without reordering anything. dim is
 * a multiple of them. */
enum { LANES = 16 };

static float lanes_sum(const float lanes[LANES])
{
    float sum = 0;
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

static float difference_of(const float *from, const float *to, size_t dim, float *difference)
{
    float sums[LANES] = {0};
    for (size_t i = 0; i < dim; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            float x = to[i + lane] - from[i + lane];
            difference[i + lane] = x;
            sums[lane] += x * x;
        }
    return lanes_sum(sums);
}

static float dot(const float *a, const float *b, size_t dim)
{
    float sums[LANES] = {0};
    for (size_t i = 0; i < dim; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += a[i + lane] * b[i + lane];
    return lanes_sum(sums);
}

/* The level of a coordinate on the 2-bit grid. */
static float level_of(float x, float inverse)
{
    float level = x * inverse + 2.0f;
    level = level < 0 ? 0 : level;
    level = level > 3 ? 3 : level;
    return (float)(int)level;
}

/* <r,u> / |u| on the grid of this step. */
static float cosine_on_grid(const float *difference, size_t dim, float inverse)
{
    float products[LANES] = {0}, norms[LANES] = {0};
    for (size_t i = 0; i < dim; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            float u = level_of(difference[i + lane], inverse) - 1.5f;
            products[lane] += u * difference[i + lane];
            norms[lane] += u * u;
        }
    return lanes_sum(products) / sqrtf(lanes_sum(norms));
}

static float best_inverse(const float *difference, float norm2, size_t dim)
{
    float unit = sqrtf((float)dim / norm2), best = -1, inverse = unit;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        float cosine = cosine_on_grid(difference, dim, unit / steps[i]);
        if (cosine > best) {
            best = cosine;
            inverse = unit / steps[i];
        }
    }
    return inverse;
}

/* Levels, and the numbers they stand for. */
static void choose_levels(const float *difference, float norm2, size_t dim, unsigned bits, float *u,
                          uint8_t *levels)
{
    if (bits == 1) {
        for (size_t i = 0; i < dim; i++) {
            levels[i] = difference[i] > 0;
            u[i] = difference[i] > 0 ? 0.5f : -0.5f;
        }
        return;
    }
    float inverse = best_inverse(difference, norm2, dim);
    for (size_t i = 0; i < dim; i++) {
        float level = level_of(difference[i], inverse);
        levels[i] = (uint8_t)(int)level;
        u[i] = level - 1.5f;
    }
}

struct edge_code edge_encode_l2(const float *from, const float *to, size_t dim, unsigned bits,
                                float *room, uint8_t *levels)
{
    float *difference = room, *u = room + dim;
    float norm2 = difference_of(from, to, dim, difference);
    if (!(norm2 > 1e-30f)) { /* twins: the estimate is the distance to `from` */
        for (size_t i = 0; i < dim; i++)
            levels[i] = 0;
        return (struct edge_code){0, 0};
    }
    choose_levels(difference, norm2, dim, bits, u, levels);
    float a = dot(difference, u, dim) / norm2;
    return (struct edge_code){.add = norm2 + 2 * dot(from, u, dim) / a, .rescale = -2 / a};
}

static float within_f16(float x)
{
    return x > F16_MAX ? F16_MAX : x < -F16_MAX ? -F16_MAX : x;
}

void edge_put(uint8_t *block, size_t dim, unsigned bits, unsigned i, struct edge_code code,
              const uint8_t *levels)
{
    unsigned shift = i < 16 ? 0 : 4;
    for (unsigned plane = 0; plane < bits; plane++)
        for (size_t group = 0; group < dim / 4; group++) {
            const uint8_t *four = levels + 4 * group;
            unsigned bit = bits - 1 - plane;
            unsigned mask = (four[0] >> bit & 1u) | (four[1] >> bit & 1u) << 1 |
                            (four[2] >> bit & 1u) << 2 | (four[3] >> bit & 1u) << 3;
            block[4 * dim * plane + 16 * group + i % 16] |= (uint8_t)(mask << shift);
        }
    uint8_t *factors = block + hop_codes_size(dim, bits);
    float values[2] = {within_f16(code.add), within_f16(code.rescale)};
    half halves[2];
    simd()->f32_to_f16(values, halves, 2);
    le_store_u16(factors + 2 * i, halves[0]);
    le_store_u16(factors + 2 * (HOP_LINKS + i), halves[1]);
}
