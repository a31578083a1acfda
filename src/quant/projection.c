/* projection.c: see projection.h. */
#include "quant/projection.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "linalg/dense.h"
#include "simd/hop.h"

#define CODE_MIDDLE 64.0f
#define CODE_MAX    127.0f

size_t projection_padded(size_t dim)
{
    return dense_stride(dim);
}

int projection_is_reduced(const struct projection *projection)
{
    return projection->kept < rotation_dim(projection->dim);
}

int projection_init(struct projection *projection, size_t dim, size_t kept, uint64_t seed)
{
    *projection = (struct projection){.dim = dim, .kept = kept};
    projection->mean = calloc(dim, sizeof *projection->mean);
    if (!projection->mean)
        return -1;
    if (!projection_is_reduced(projection) && rotation_init(&projection->rotation, dim, seed)) {
        projection_release(projection);
        return -1;
    }
    return 0;
}

void projection_release(struct projection *projection)
{
    free(projection->mean);
    free(projection->owned);
    free(projection->columns);
    rotation_release(&projection->rotation);
    *projection = (struct projection){0};
}

size_t projection_memory(const struct projection *projection)
{
    size_t padded = projection_padded(projection->dim), size = projection->dim * sizeof(float);
    if (projection->owned)
        size += projection->kept * (padded + sizeof(float));
    if (projection->columns)
        size += projection->kept * padded * sizeof(float);
    return size;
}

void projection_centre(const struct projection *projection, const struct space *space,
                       const void *row, float *decoded, float *centred)
{
    const float *mean = projection->mean;
    float scale = projection->scale;
    size_t dim = projection->dim;
    space_decode(space, row, decoded);
    for (size_t i = 0; i < dim; i++)
        centred[i] = (decoded[i] - mean[i]) * scale;
    memset(centred + dim, 0, (projection_padded(dim) - dim) * sizeof *centred);
}

static void rotate(const struct projection *projection, const float *centred, float *coordinates)
{
    size_t dim = projection->dim, kept = projection->kept;
    memcpy(coordinates, centred, dim * sizeof *coordinates);
    memset(coordinates + dim, 0, (kept - dim) * sizeof *coordinates);
    rotation_apply(&projection->rotation, coordinates);
}

float projection_round_i8(const float *vector, size_t dim, int8_t *code)
{
    float most = 0;
    for (size_t i = 0; i < dim; i++)
        most = fabsf(vector[i]) > most ? fabsf(vector[i]) : most;
    float inverse = most > 0 ? 127.0f / most : 0;
    for (size_t i = 0; i < dim; i++) {
        float x = vector[i] * inverse;
        x = fabsf(x) < 127.5f ? x : 0; /* NaN, from damaged files: of no int */
        code[i] = (int8_t)(int)(x + (x < 0 ? -0.5f : 0.5f));
    }
    return most / 127.0f;
}

void projection_apply(const struct projection *projection, const float *centred, int8_t *room,
                      float *coordinates)
{
    if (!projection_is_reduced(projection)) {
        rotate(projection, centred, coordinates);
        return;
    }
    size_t padded = projection_padded(projection->dim);
    float scale = projection_round_i8(centred, padded, room);
    for (size_t i = 0; i < projection->kept; i++)
        coordinates[i] = scale * projection->basis_scales[i] *
                         (float)simd()->ip_i8(projection->basis + i * padded, room, padded);
}

void projection_apply_rows(const struct projection *projection, const float *centred, size_t count,
                           float *coordinates)
{
    size_t padded = projection_padded(projection->dim), kept = projection->kept;
    if (projection_is_reduced(projection))
        dense()->multiply(coordinates, kept, centred, padded, projection->columns, count, 0);
    else
        for (size_t i = 0; i < count; i++)
            rotate(projection, centred + i * padded, coordinates + i * kept);
}

size_t projection_code_size(const struct projection *projection)
{
    return (projection->kept + HOP_CODE_STEP - 1) / HOP_CODE_STEP * HOP_CODE_STEP;
}

void projection_code(const struct projection *projection, const float *coordinates, uint8_t *code)
{
    size_t dim = projection->kept;
    for (size_t i = 0; i < dim; i++) {
        float x = coordinates[i] * projection->code_scale + (CODE_MIDDLE + 0.5f);
        x = x < CODE_MAX ? x : CODE_MAX;
        x = x > 0 ? x : 0; /* NaN, from damaged files, too */
        code[i] = (uint8_t)(int)x;
    }
    memset(code + dim, 0, projection_code_size(projection) - dim);
}
