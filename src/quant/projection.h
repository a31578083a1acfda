/* projection.h: the coordinates in which rows are coded: centred at the mean of the rows, scaled so that
 * a typical row has length 4 (f16 holds everything that follows from that), padded and rotated.
 * Distances keep their order. Defined for l2, and for cosine as l2 of normalised rows. */
#ifndef QUANT_PROJECTION_H
#define QUANT_PROJECTION_H

#include "quant/rotation.h"
#include "quant/space.h"

struct projection {
    struct rotation rotation;
    size_t dim;       /* of the space */
    float *mean;      /* dim */
    float scale;      /* 0: more than half of the rows are equal, and nothing can be scaled */
    float code_scale; /* u7 code = coordinate * code_scale + 64, rounded, within 0 to 127 */
};

/* From a sample of rows [0, count), the same for the same seed. 0, or -1: out of memory. */
int projection_fit(struct projection *projection, const struct rows *rows, uint32_t count,
                   uint64_t seed);
/* With the scales of a file; the mean is to be filled in. 0, or -1: out of memory. */
int projection_init(struct projection *projection, size_t dim, uint64_t seed);
void projection_release(struct projection *projection);

/* Coordinates of a row. decoded: room for dim floats; coordinates: for rotation.dim. */
void projection_apply(const struct projection *projection, const struct space *space,
                      const void *row, float *decoded, float *coordinates);
/* 7-bit codes of coordinates, zero-padded to projection_code_size(). */
void projection_code(const struct projection *projection, const float *coordinates, uint8_t *code);
size_t projection_code_size(const struct projection *projection);

#endif
