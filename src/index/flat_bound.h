/* flat_bound.h: which rows a tile of inner products (simd.h) leaves out for certain.
 *
 * A tile's products are not the bits that a space's distance gives, so they decide nothing but who
 * cannot be near: a row is left out only when no rounding, in the tile or in the distance, could have
 * let its distance fall to the bound. flat_bound.c derives the figures. */
#ifndef INDEX_FLAT_BOUND_H
#define INDEX_FLAT_BOUND_H

#include "quant/space.h"

struct flat_bound {
    int l2;
    double error;  /* of the product and the distance together, in units of |q| |x| */
    double square; /* of a row's square, in units of itself */
    double growth; /* what a distance's rounding can take away, as a factor of the distance */
    double flush;  /* of a product, in units of |q| and of |x|: subnormals taken as zero */
    double least;  /* of a product, whatever the vectors: underflow */
    double missed; /* of a square, whatever the row: underflow */
};

/* What one query brings. `slack` goes to simd_tile_bounds. */
struct flat_bound_query {
    double half_square; /* at most half of |q|^2 */
    double least;
    float slack;
};

void flat_bound_init(struct flat_bound *bound, const struct space *space);
/* vector: the decoded query. */
void flat_bound_of_query(const struct flat_bound *bound, const float *vector, size_t dim,
                         struct flat_bound_query *ret);
/* base of simd_tile_bounds: rows at distances up to `distance` are not left out. */
float flat_bound_base(const struct flat_bound *bound, const struct flat_bound_query *query,
                      float distance);
/* lift and norm of simd_tile_bounds, from the ip_f32 of a decoded row with itself. */
void flat_bound_of_row(const struct flat_bound *bound, float square, float *ret_lift,
                       float *ret_norm);

#endif
