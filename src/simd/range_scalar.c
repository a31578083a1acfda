/* range_scalar.c: which numbers lie in a range, as bits; the specification, and, made of loops that compilers turn into
 * vector compares, the kernel of NEON. */
#include "simd/levels.h"

#include <string.h>

/* Eight truths, a byte each, as eight bits. */
static uint64_t pack(const uint8_t *truths)
{
    uint64_t bytes;
    memcpy(&bytes, truths, sizeof bytes);
    return bytes * 0x0102040810204080u >> 56;
}

static uint64_t pack_all(const uint8_t truths[64])
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= pack(truths + (size_t)8 * i) << 8 * i;
    return word;
}

static uint64_t word_of_u8(const uint8_t *numbers, uint8_t begin, uint8_t most)
{
    uint8_t truths[64];
    for (unsigned i = 0; i < 64; i++)
        truths[i] = (uint8_t)(numbers[i] - begin) <= most;
    return pack_all(truths);
}

static uint64_t word_of_u16(const uint8_t *numbers, uint16_t begin, uint16_t most)
{
    uint8_t truths[64];
    uint16_t own[64];
    memcpy(own, numbers, sizeof own);
    for (unsigned i = 0; i < 64; i++)
        truths[i] = (uint16_t)(own[i] - begin) <= most;
    return pack_all(truths);
}

static uint64_t word_of_u32(const uint8_t *numbers, uint32_t begin, uint32_t most)
{
    uint8_t truths[64];
    uint32_t own[64];
    memcpy(own, numbers, sizeof own);
    for (unsigned i = 0; i < 64; i++)
        truths[i] = own[i] - begin <= most;
    return pack_all(truths);
}

void scalar_in_range(const uint8_t *restrict numbers, size_t width, uint32_t begin, uint32_t most,
                     size_t word_count, uint64_t *restrict words)
{
    for (size_t w = 0; w < word_count; w++, numbers += 64 * width)
        words[w] &= width == 1   ? word_of_u8(numbers, (uint8_t)begin, (uint8_t)most)
                    : width == 2 ? word_of_u16(numbers, (uint16_t)begin, (uint16_t)most)
                                 : word_of_u32(numbers, begin, most);
}
