/* edge_code.c: see edge_code.h. */
#include "quant/edge_code.h"

#include "base/le.h"
#include "simd/hop.h"

#define F16_MAX 65504.0f

struct edge_code edge_encode_l2(const float *from, const float *to, size_t dim, unsigned bits,
                                float norm2, float *room, uint8_t *levels)
{
    struct hop_sums sums = hop()->round_difference(from, to, dim, bits, room, levels);
    if (!(sums.r_u > 0)) /* twins: the estimate is the distance to `from` */
        return (struct edge_code){norm2 < 0 ? 0 : norm2, 0};
    float whole = norm2 < 0 ? sums.r_r : norm2;
    float a = sums.r_u / whole;
    return (struct edge_code){.add = whole + 2 * sums.c_u / a, .rescale = -2 / a};
}

static float within_f16(float x)
{
    return x > F16_MAX ? F16_MAX : x < -F16_MAX ? -F16_MAX : x;
}

void edge_put(uint8_t *block, size_t dim, unsigned bits, unsigned i, struct edge_code code,
              const uint8_t *levels)
{
    unsigned shift = i < 16 ? 0 : 4;
    for (unsigned plane = 0; plane < bits; plane++) {
        uint8_t *codes = block + 4 * dim * plane + i % 16;
        for (size_t group = 0; group < dim / 4; group++) {
            /* One bit of each of four bytes; the product brings them side by side. */
            uint32_t four = le_load_u32(levels + 4 * group) >> (bits - 1 - plane) & 0x01010101u;
            codes[16 * group] |= (uint8_t)((four * 0x10204080u >> 28) << shift);
        }
    }
    uint8_t *factors = block + hop_codes_size(dim, bits);
    float values[2] = {within_f16(code.add), within_f16(code.rescale)};
    half halves[2];
    simd()->f32_to_f16(values, halves, 2);
    le_store_u16(factors + i * sizeof(half), halves[0]);
    le_store_u16(factors + (HOP_LINKS + i) * sizeof(half), halves[1]);
}
