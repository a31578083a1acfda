/* projection.h: the coordinates in which rows are coded: centred at the mean of the rows, scaled so that
 * a typical row has length 4 (f16 holds everything that follows from that), then rotated at random, so
 * that what a vector holds is spread evenly over its coordinates. Where most of what tells near rows
 * apart lies in fewer directions than there are dimensions, only those are kept, found by principal
 * component analysis of a sample (LeanVec: Tepper and others 2023; ours keeps the differences of near
 * rows in view when it chooses how many). Distances keep their order, nearly so when not all directions
 * are kept. Defined for l2, for cosine as l2 of normalised rows, and for ip as if that were l2. */
#ifndef QUANT_PROJECTION_H
#define QUANT_PROJECTION_H

#include "os/executor.h"
#include "os/stop.h"
#include "quant/rotation.h"
#include "quant/space.h"

#define PROJECTION_LENGTH 4.0f /* of a typical centred row */

struct projection {
    size_t dim;  /* of the space */
    size_t kept; /* coordinates of a projected row; a multiple of 16, at least 64 */
    float *mean; /* dim */
    float scale; /* 0: more than half of the rows are equal, and nothing can be scaled */
    /* Of an estimate from 2-bit codes of kept coordinates, in parts of the distance of near
     * rows; 0 when all directions are kept */
    float error;
    float code_scale;         /* u7 code = coordinate * code_scale + 64, rounded, within 0 to 127 */
    struct rotation rotation; /* when all directions are kept */
    /* Otherwise kept rows of padded dim, each to be multiplied by its scale; orthonormal up to rounding,
     * the rotation in them. */
    const int8_t *basis;
    const float *basis_scales;
    void *owned;    /* the two above, when they are ours */
    float *columns; /* the same transposed, padded dim x kept, after projection_fit alone */
};

/* Floats of a centred row: dim, and zeros up to a multiple of 32. */
size_t projection_padded(size_t dim);

/* From a sample of rows [0, count), the same for the same seed. executor, cancel: may be NULL, see
 * struct index_work. 0, or -1: out of memory, or cancelled. */
int projection_fit(struct projection *projection, const struct rows *rows, uint32_t count,
                   uint64_t seed, struct executor *executor, const struct cancel *cancel);
/* With the scales of a file; the mean is to be filled in, and the basis set where kept is not
 * rotation_dim(dim). 0, or -1: out of memory. */
int projection_init(struct projection *projection, size_t dim, size_t kept, uint64_t seed);
void projection_release(struct projection *projection);
size_t projection_memory(const struct projection *projection); /* bytes owned */
/* Whether some directions are left out. */
int projection_is_reduced(const struct projection *projection);

/* (row - mean) * scale. decoded: room for dim floats; centred: for projection_padded(dim). */
void projection_centre(const struct projection *projection, const struct space *space,
                       const void *row, float *decoded, float *centred);
/* Coordinates (kept) of one centred vector, in a few steps of 8-bit arithmetic where directions are left
 * out: for queries. room: projection_padded(dim) bytes. */
void projection_apply(const struct projection *projection, const float *centred, int8_t *room,
                      float *coordinates);
/* Coordinates of `count` centred rows, in f32; after projection_fit alone. */
void projection_apply_rows(const struct projection *projection, const float *centred, size_t count,
                           float *coordinates);
/* 7-bit codes of coordinates, zero-padded to projection_code_size(). */
void projection_code(const struct projection *projection, const float *coordinates, uint8_t *code);
size_t projection_code_size(const struct projection *projection);

/* vector ~ scale * code, scale = the largest magnitude / 127; 0 for the zero vector. */
float projection_round_i8(const float *vector, size_t dim, int8_t *code);

#endif
