/* hop.h: kernels of the graph whose rows carry codes of their neighbours (index/qg.h), and of the
 * rotation those codes need. One table for each instruction set, as in simd.h; the scalar one is the
 * specification. `dim` is a multiple of HOP_DIM_STEP here: vectors are padded before they are rotated.
 *
 * A block holds what 32 neighbours of one row need, 64-byte aligned:
 *   codes    bits planes, most significant first, of dim/4 groups of 16 bytes. Byte i of group g: bit j
 *            of its low half is neighbour i's bit of coordinate 4g+j; the high half is neighbour 16+i's.
 *   add      f16[32]
 *   rescale  f16[32]
 *   links    u32[32]
 * (the FastScan layout of Andre, Kermarrec, Le Scouarnec 2015, on the codes of Gao and Long 2024). */
#ifndef SIMD_HOP_H
#define SIMD_HOP_H

#include "simd/simd.h"

enum {
    HOP_LINKS = 32,    /* neighbours of one block */
    HOP_DIM_STEP = 16, /* coordinates that one AVX-512 step of the scan covers */
    HOP_CODE_STEP = 64 /* l2_u7 takes multiples of this */
};

/* A query, ready to be compared with blocks: <query, code> ~ step * sum of table entries + offset. */
struct hop_query {
    const uint8_t *tables; /* dim/4 tables of 16 entries */
    size_t dim;
    unsigned bits; /* planes: 1 or 2 */
    float step, offset;
};

struct hop_sums {
    float r_r, r_u, c_u;
};

struct hop_ops {
    const char *name;
    /* sums[i] = sum over planes p and groups g of 2^(bits-1-p) * tables[g][code of neighbour i]. */
    void (*scan)(const uint8_t *codes, const uint8_t *tables, size_t dim, unsigned bits,
                 uint32_t sums[HOP_LINKS]);
    /* estimates[i] = base + add[i] + rescale[i] * (step * sums[i] + offset); the result has bit i set
     * when estimates[i] < bound. */
    uint32_t (*estimate)(const struct hop_query *query, const uint8_t *block, float base,
                         float bound, float estimates[HOP_LINKS]);
    /* Table entry c of group g: the sum of those of the group's 4 coordinates whose bit is set in c,
     * less the smallest entry of that table, in units of *ret_step, rounded: 0 to 255. *ret_magnitude is the
     * sum of all magnitudes. */
    void (*tables)(const float *query, size_t dim, uint8_t *tables, float *ret_step,
                   float *ret_magnitude);
    /* The squared distance of a and scale * b. */
    float (*l2_f32_i8)(const float *restrict a, const int8_t *restrict b, float scale, size_t dim);
    /* Codes of 0 to 127; dim is a multiple of HOP_CODE_STEP and at most 65,536. */
    uint32_t (*l2_u7)(const uint8_t *restrict a, const uint8_t *restrict b, size_t dim);
    /* For the codes of quant/edge_code.h: round r = to - c, c = from, to levels of `bits` (1 or 2), each
     * standing for u = level - (2^bits - 1)/2, on the grid of the best of a few steps; the sums are
     * <r,r>, <r,u> and <c,u>; all 0 when r is 0. room: 2 dim floats. */
    struct hop_sums (*round_difference)(const float *restrict from, const float *restrict to,
                                        size_t dim, unsigned bits, float *restrict room,
                                        uint8_t *restrict levels);
    /* Orthonormal fast Hadamard transform in place; count is a power of two, at least 16. */
    void (*hadamard)(float *x, size_t count);
};

static inline size_t hop_codes_size(size_t dim, unsigned bits)
{
    return 4 * dim * bits;
}

static inline size_t hop_block_size(size_t dim, unsigned bits)
{
    return hop_codes_size(dim, bits) + HOP_LINKS * (2 * sizeof(half) + sizeof(uint32_t));
}

/* The table that goes with simd(). */
const struct hop_ops *hop(void);
/* By name, for tests: NULL when this build or processor lacks it. */
const struct hop_ops *hop_level(const char *name);

#endif
