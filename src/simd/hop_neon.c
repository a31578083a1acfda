/* hop_neon.c: hop kernels for 64-bit ARM: one group of 16 neighbours and one table at a time. */
#include "simd/hop_levels.h"
#include "simd/hop_round.h"

#include <arm_neon.h>
#include <string.h>

/* 16-bit sums of 16 neighbours. */
struct words {
    uint16x8_t low, high;
};

static inline void add_entries(struct words *sums, uint8x16_t entries)
{
    sums->low = vaddw_u8(sums->low, vget_low_u8(entries));
    sums->high = vaddw_high_u8(sums->high, entries);
}

static inline void fold_eight(uint16x8_t words, uint32_t *sums)
{
    vst1q_u32(sums, vaddw_u16(vld1q_u32(sums), vget_low_u16(words)));
    vst1q_u32(sums + 4, vaddw_high_u16(vld1q_u32(sums + 4), words));
}

/* One plane, of at most HOP_SUM_DIM_MAX coordinates. */
static void scan_part(const uint8_t *codes, const uint8_t *tables, size_t dim, uint32_t *sums)
{
    const uint16x8_t zero = vdupq_n_u16(0);
    struct words first = {zero, zero}, second = {zero, zero};

    for (size_t i = 0; i < 4 * dim; i += 16) {
        uint8x16_t code = vld1q_u8(codes + i), table = vld1q_u8(tables + i);
        add_entries(&first, vqtbl1q_u8(table, vandq_u8(code, vdupq_n_u8(15))));
        add_entries(&second, vqtbl1q_u8(table, vshrq_n_u8(code, 4)));
    }
    fold_eight(first.low, sums);
    fold_eight(first.high, sums + 8);
    fold_eight(second.low, sums + 16);
    fold_eight(second.high, sums + 24);
}

static void scan(const uint8_t *codes, const uint8_t *tables, size_t dim, unsigned bits,
                 uint32_t sums[HOP_LINKS])
{
    memset(sums, 0, HOP_LINKS * sizeof *sums);
    for (unsigned plane = 0; plane < bits; plane++, codes += 4 * dim) {
        for (size_t i = 0; i < HOP_LINKS; i++)
            sums[i] *= 2;
        for (size_t i = 0; i < dim; i += HOP_SUM_DIM_MAX) {
            size_t part = dim - i < HOP_SUM_DIM_MAX ? dim - i : HOP_SUM_DIM_MAX;
            scan_part(codes + 4 * i, tables + 4 * i, part, sums);
        }
    }
}

static inline float32x4_t load_halves(const uint8_t *halves)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(halves)));
}

static uint32_t estimate(const struct hop_query *query, const uint8_t *block, float base,
                         float bound, float estimates[HOP_LINKS])
{
    const uint8_t *add = block + hop_codes_size(query->dim, query->bits);
    const uint8_t *rescale = add + HOP_LINKS * sizeof(half);
    uint32_t sums[HOP_LINKS], below = 0;

    scan(block, query->tables, query->dim, query->bits, sums);
    for (size_t i = 0; i < HOP_LINKS; i += 4) {
        float32x4_t product = vfmaq_n_f32(vdupq_n_f32(query->offset),
                                          vcvtq_f32_u32(vld1q_u32(sums + i)), query->step);
        float32x4_t correction =
            vfmaq_f32(load_halves(add + 2 * i), load_halves(rescale + 2 * i), product);
        vst1q_f32(estimates + i, vaddq_f32(vdupq_n_f32(base), correction));
    }
    for (size_t i = 0; i < HOP_LINKS; i++)
        below |= (uint32_t)(estimates[i] < bound) << i;
    return below;
}

static inline float32x4_t square_step(float32x4_t sum, const float *a, int32x4_t code, float scale)
{
    float32x4_t difference = vfmsq_n_f32(vld1q_f32(a), vcvtq_f32_s32(code), scale);
    return vfmaq_f32(sum, difference, difference);
}

static float l2_f32_i8(const float *restrict a, const int8_t *restrict b, float scale, size_t dim)
{
    float32x4_t first = vdupq_n_f32(0), second = first;

    for (size_t i = 0; i < dim; i += 8) {
        int16x8_t codes = vmovl_s8(vld1_s8(b + i));
        first = square_step(first, a + i, vmovl_s16(vget_low_s16(codes)), scale);
        second = square_step(second, a + i + 4, vmovl_high_s16(codes), scale);
    }
    return vaddvq_f32(vaddq_f32(first, second));
}

static uint32_t l2_u7(const uint8_t *restrict a, const uint8_t *restrict b, size_t dim)
{
    uint32x4_t sum = vdupq_n_u32(0);

    for (size_t i = 0; i < dim; i += 16) {
        uint8x16_t difference = vabdq_u8(vld1q_u8(a + i), vld1q_u8(b + i));
        sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(difference), vget_low_u8(difference)));
        sum = vpadalq_u16(sum, vmull_high_u8(difference, difference));
    }
    return vaddvq_u32(sum);
}

const struct hop_ops hop_neon = {
    .name = "neon",
    .scan = scan,
    .estimate = estimate,
    .tables = hop_scalar_tables,
    .l2_f32_i8 = l2_f32_i8,
    .l2_u7 = l2_u7,
    .round_difference = round_difference,
    .hadamard = hop_scalar_hadamard,
};
