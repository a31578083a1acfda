/* hop_scalar.c: what the hop kernels compute, in plain C. */
#include "simd/hop_levels.h"
#include "simd/hop_round.h"

#include <math.h>
#include <string.h>

static void scan(const uint8_t *codes, const uint8_t *tables, size_t dim, unsigned bits,
                 uint32_t sums[HOP_LINKS])
{
    memset(sums, 0, HOP_LINKS * sizeof *sums);
    for (unsigned plane = 0; plane < bits; plane++) {
        for (size_t i = 0; i < HOP_LINKS; i++)
            sums[i] *= 2;
        for (size_t group = 0; group < dim / 4; group++, codes += 16)
            for (size_t i = 0; i < 16; i++) {
                sums[i] += tables[16 * group + (codes[i] & 15)];
                sums[16 + i] += tables[16 * group + (codes[i] >> 4)];
            }
    }
}

static uint32_t estimate(const struct hop_query *query, const uint8_t *block, float base,
                         float bound, float estimates[HOP_LINKS])
{
    uint32_t sums[HOP_LINKS], below = 0;
    half halves[2 * HOP_LINKS];
    float factors[2 * HOP_LINKS];

    scan(block, query->tables, query->dim, query->bits, sums);
    memcpy(halves, block + hop_codes_size(query->dim, query->bits), sizeof halves);
    simd()->f16_to_f32(halves, factors, (size_t)2 * HOP_LINKS);
    for (size_t i = 0; i < HOP_LINKS; i++) {
        float product = query->step * (float)sums[i] + query->offset;
        estimates[i] = base + (factors[HOP_LINKS + i] * product + factors[i]);
        if (estimates[i] < bound)
            below |= 1u << i;
    }
    return below;
}

/* The widest range of any table, and the sum of all ranges. */
static float widest(const float *query, size_t dim, float *ret_magnitude)
{
    float width_max = 0, sum = 0;

    for (size_t i = 0; i < dim; i += 4) {
        float width = 0;
        for (size_t j = i; j < i + 4; j++)
            width += fabsf(query[j]);
        sum += width;
        width_max = width > width_max ? width : width_max;
    }
    *ret_magnitude = sum;
    return width_max;
}

void hop_scalar_tables(const float *query, size_t dim, uint8_t *tables, float *ret_step,
                       float *ret_magnitude)
{
    float step = (widest(query, dim, ret_magnitude) + 1e-30f) / 255.0f, scale = 1 / step;

    for (size_t i = 0; i < dim; i += 4) {
        for (unsigned code = 0; code < 16; code++) {
            float sum = 0;
            for (unsigned j = 0; j < 4; j++) { /* a negative coordinate counts when it is absent */
                float x = query[i + j];
                sum += (code >> j & 1) == (x > 0) ? fabsf(x) : 0;
            }
            float entry = sum * scale;
            *tables++ = entry < 255 ? (uint8_t)lrintf(entry) : 255;
        }
    }
    *ret_step = step;
}

static float l2_f32_i8(const float *restrict a, const int8_t *restrict b, float scale, size_t dim)
{
    float sum = 0;

    for (size_t i = 0; i < dim; i++) {
        float difference = a[i] - scale * (float)b[i];
        sum += difference * difference;
    }
    return sum;
}

static uint32_t l2_u7(const uint8_t *restrict a, const uint8_t *restrict b, size_t dim)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < dim; i++) {
        int difference = a[i] - b[i];
        sum += (uint32_t)(difference * difference);
    }
    return sum;
}

void hop_scalar_hadamard(float *x, size_t count)
{
    float scale = 1 / sqrtf((float)count);

    for (size_t i = 0; i < count; i++)
        x[i] *= scale;
    for (size_t half_size = 1; half_size < count; half_size *= 2)
        for (size_t i = 0; i < count; i += 2 * half_size)
            for (size_t j = i; j < i + half_size; j++) {
                float a = x[j], b = x[j + half_size];
                x[j] = a + b;
                x[j + half_size] = a - b;
            }
}

const struct hop_ops hop_scalar = {
    .name = "scalar",
    .scan = scan,
    .estimate = estimate,
    .tables = hop_scalar_tables,
    .l2_f32_i8 = l2_f32_i8,
    .l2_u7 = l2_u7,
    .round_difference = round_difference,
    .hadamard = hop_scalar_hadamard,
};
