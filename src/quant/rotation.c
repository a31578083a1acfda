/* rotation.c: see rotation.h. */
#include "quant/rotation.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "simd/hop.h"

size_t rotation_dim(size_t dim)
{
    if (dim < ROTATION_DIM_MIN)
        return ROTATION_DIM_MIN;
    return (dim + HOP_DIM_STEP - 1) / HOP_DIM_STEP * HOP_DIM_STEP;
}

int rotation_init(struct rotation *rotation, size_t dim, uint64_t seed)
{
    *rotation = (struct rotation){.dim = rotation_dim(dim), .window = ROTATION_DIM_MIN};
    while (rotation->window * 2 <= rotation->dim)
        rotation->window *= 2;
    rotation->rounds = rotation->window == rotation->dim ? 2 : ROTATION_ROUNDS_MAX;
    size_t count = rotation->rounds * rotation->dim;
    rotation->signs = malloc(count * sizeof *rotation->signs);
    if (!rotation->signs)
        return -1;
    for (size_t i = 0; i < count; i++)
        rotation->signs[i] = (uint32_t)(random_mix(seed ^ (i + 1)) >> 63) << 31;
    return 0;
}

void rotation_release(struct rotation *rotation)
{
    free(rotation->signs);
    rotation->signs = NULL;
}

static void flip(float *vector, const uint32_t *signs, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        uint32_t bits;
        memcpy(&bits, &vector[i], sizeof bits);
        bits ^= signs[i];
        memcpy(&vector[i], &bits, sizeof bits);
    }
}

void rotation_apply(const struct rotation *rotation, float *vector)
{
    size_t behind = rotation->dim - rotation->window;
    for (unsigned round = 0; round < rotation->rounds; round++) {
        flip(vector, rotation->signs + round * rotation->dim, rotation->dim);
        hop()->hadamard(vector + (round % 2 ? behind : 0), rotation->window);
    }
}
