/* flat_bound.c: how far a product of a tile and a distance can be from the truth, and from each other.
 *
 * Let q and x be the stored vectors, n their dimension, u = 2^-24, P the product that the tile gives and
 * d the distance that the space gives, B the distance to stay below. Sums of n rounded products obey
 * |sum - exact| <= n u/(1 - n u) sum |term|, in any order (Higham, Accuracy and Stability of Numerical
 * Algorithms, 3.1); n u <= 2^-8 here, which makes n u/(1 - n u) <= 1.01 n u; sum |q_i x_i| <= |q| |x|.
 *
 * Product. P adds n terms: 1.01 n u |q| |x|. Decoding an int8 row rounds each component once: 3 u |q| |x|.
 *
 * Distance of floats. tests/simd/test_kernels.c holds every kernel to (n/8 + 8) u sum |term|. For ip
 * and cosine, that is (n/8 + 8) u |q| |x|; for l2, (n/8 + 8) u D of the exact distance D, since no
 * term is negative. Those of int8 are rounded once, from doubles: u, and 2^-48 (|q|^2 + |x|^2).
 *
 * So, when d <= B:
 *   ip, cosine   <q,x> >= -B - (n/8 + 8) u |q| |x|
 *                P >= -B - error |q| |x|
 *   l2           D <= growth B,   <q,x> = (|q|^2 + |x|^2 - D) / 2
 *                P >= (|q|^2 - growth B) / 2 + |x|^2 / 2 - error |q| |x|
 * which is P >= base + lift - slack * norm. A row where that is false is left out. `error` is the sum of
 * both, with some more units for what is rounded while the parts are put together: base and lift are made
 * smaller by 4 u of themselves, since adding up the bound in f32 rounds them twice, and their conversion
 * to f32 once.
 *
 * Squares. |q|^2 is taken in double. |x|^2 comes from ip_f32, of relative error (n/8 + 8) u; `square`
 * adds the 3 u of decoding twice, and the 4 u above.
 *
 * Underflow. A rounded product may be off by 2^-149 more. ip_bf16 of avx512 takes subnormals as zero, in
 * and out: terms with a subnormal factor are missing, at most 2^-126 sqrt(n) (|q| + |x|) in sum, and
 * n 2^-126 for the others. These terms are far below all vectors but the tiniest; they are added for all
 * types alike. Overflow cannot be: vectors are not longer than SPACE_NORM_MAX. Should a damaged file
 * hold infinities or NaN, the bound becomes NaN or infinite, and the filter keeps what it cannot compare. */
#include "index/flat_bound.h"

#include <math.h>

#define UNIT 0x1p-24

void flat_bound_init(struct flat_bound *bound, const struct space *space)
{
    double n = (double)space->dim;
    double distance = 1.01 * (n / 8 + 8) * UNIT;

    *bound = (struct flat_bound){
        .l2 = space->metric == LODE_METRIC_L2,
        .error = 1.01 * n * UNIT + distance + 16 * UNIT,
        .square = distance + 16 * UNIT,
        .growth = 1 / (1 - distance - 4 * UNIT),
        .flush = 0x1p-126 * sqrt(n),
        .least = n * 0x1p-125,
        .missed = n * 0x1p-148,
    };
}

void flat_bound_of_query(const struct flat_bound *bound, const float *vector, size_t dim,
                         struct flat_bound_query *ret)
{
    double square = 0;

    for (size_t i = 0; i < dim; i++)
        square += (double)vector[i] * (double)vector[i];
    double norm = sqrt(square) * (1 + 4 * UNIT);
    *ret = (struct flat_bound_query){
        .half_square = bound->l2 ? square / 2 * (1 - 16 * UNIT) : 0,
        .least = bound->least + bound->flush * norm,
        .slack = (float)((bound->error * norm + bound->flush) * (1 + 4 * UNIT)),
    };
}

float flat_bound_base(const struct flat_bound *bound, const struct flat_bound_query *query,
                      float distance)
{
    double base =
        bound->l2 ? query->half_square - (double)distance * bound->growth / 2 : -(double)distance;

    base -= query->least;
    return (float)(base - 4 * UNIT * fabs(base));
}

void flat_bound_of_row(const struct flat_bound *bound, float square, float *ret_lift,
                       float *ret_norm)
{
    double low = (double)square * (1 - bound->square) - bound->missed;
    double high = (double)square * (1 + bound->square) + bound->missed;

    *ret_lift = bound->l2 ? (float)(low / 2) : 0.0f;
    *ret_norm = (float)(sqrt(high) * (1 + 4 * UNIT));
}
