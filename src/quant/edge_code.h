/* edge_code.h: a neighbour's vector as 1 or 2 bits a coordinate, seen from the row that links to it.
 *
 * For a row c and its neighbour x, both rotated: r = x - c; every coordinate of r is rounded to a level
 * v in [0, 2^bits), standing for v - (2^bits - 1)/2 =: u. With a = <r,u> / <r,r>, the inner product of
 * any vector with r is estimated as the one with u, divided by a (RaBitQ: Gao and Long 2024, extended to
 * more bits in 2025; unbiased, since the rotation leaves no direction preferred). So
 *   |q-x|^2 = |q-c|^2 + |r|^2 - 2 <q-c, r>  ~  |q-c|^2 + add + rescale * <q, u>
 * with rescale = -2/a and add = |r|^2 + 2 <c,u> / a: two numbers for each neighbour, and one inner
 * product of the query with bits, which comes from tables (simd/hop.h).
 * For the inner product instead of the distance:
 *   -<q,x>  ~  -<q,c> + add + rescale * <q,u>  with rescale = -1/a and add = <c,u>/a - <c,r>. */
#ifndef QUANT_EDGE_CODE_H
#define QUANT_EDGE_CODE_H

#include <stddef.h>
#include <stdint.h>

struct edge_code {
    float add, rescale;
};

/* norm2: |r|^2, of which the coordinates may hold only a part (projection.h); negative: all of it.
 * levels: dim of them, each below 2^bits; bits is 1 or 2, dim a multiple of 16. room: 2 dim floats. */
struct edge_code edge_encode_l2(const float *from, const float *to, size_t dim, unsigned bits,
                                float norm2, float *room, uint8_t *levels);
/* Put neighbour `i` (0 to 31) of a block; the block's codes are zero before. See simd/hop.h. */
void edge_put(uint8_t *block, size_t dim, unsigned bits, unsigned i, struct edge_code code,
              const uint8_t *levels);

#endif
