/* rotation.h: a seeded orthogonal map that spreads whatever a vector holds evenly over its coordinates,
 * in O(dim log dim): rounds of random sign flips and a fast Hadamard transform. When the dimension is
 * no power of two, the transform works in turn on the first and on the last 2^k coordinates. */
#ifndef QUANT_ROTATION_H
#define QUANT_ROTATION_H

#include <stddef.h>
#include <stdint.h>

enum { ROTATION_ROUNDS_MAX = 4, ROTATION_DIM_MIN = 64 };

struct rotation {
    size_t dim;    /* of rotated vectors: rotation_dim() of the original ones */
    size_t window; /* the largest power of two <= dim */
    unsigned rounds;
    uint32_t *signs; /* rounds x dim; the sign bit is set where a coordinate is flipped */
};

/* The smallest dimension rotated: `dim` rounded up to HOP_DIM_STEP, at least ROTATION_DIM_MIN, so that
 * vectors of few coordinates too are spread over enough of them for codes of a few bits to work. */
size_t rotation_dim(size_t dim);
/* 0, or -1: out of memory. The same seed gives the same map everywhere, for ever: files rely on it. */
int rotation_init(struct rotation *rotation, size_t dim, uint64_t seed);
void rotation_release(struct rotation *rotation);
void rotation_apply(const struct rotation *rotation, float *vector);

#endif
