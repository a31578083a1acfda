/* hop_round.h: the kernel hop_ops.round_difference, in plain C that level files without one of their own
 * include. Sums run in lanes, which a compiler may keep in vector registers without reordering
 * anything. */
#ifndef SIMD_HOP_ROUND_H
#define SIMD_HOP_ROUND_H

#include "simd/hop_levels.h"

#include <math.h>

enum { LANES = 16 }; /* HOP_DIM_STEP is a multiple */

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
    for (size_t i = 0; i < HOP_STEPS; i++) {
        float cosine = cosine_on_grid(difference, dim, unit / hop_steps[i]);
        if (cosine > best) {
            best = cosine;
            inverse = unit / hop_steps[i];
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

static struct hop_sums round_difference(const float *restrict from, const float *restrict to,
                                        size_t dim, unsigned bits, float *restrict room,
                                        uint8_t *restrict levels)
{
    float *difference = room, *u = room + dim;
    float norm2 = difference_of(from, to, dim, difference);
    if (!(norm2 > HOP_TWINS_NORM2)) {
        for (size_t i = 0; i < dim; i++)
            levels[i] = 0;
        return (struct hop_sums){0, 0, 0};
    }
    choose_levels(difference, norm2, dim, bits, u, levels);
    return (struct hop_sums){norm2, dot(difference, u, dim), dot(from, u, dim)};
}

#endif
