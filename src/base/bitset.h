/* bitset.h: plain sets of rows. A 1 bit ALWAYS means allowed, alive, in the set. */
#ifndef BASE_BITSET_H
#define BASE_BITSET_H

#include <stddef.h>
#include <stdint.h>

static inline size_t bitset_words(size_t bits)
{
    return (bits + 63) / 64;
}
static inline int bitset_test(const uint64_t *words, size_t i)
{
    return (int)(words[i / 64] >> (i % 64) & 1);
}
static inline void bitset_set(uint64_t *words, size_t i)
{
    words[i / 64] |= (uint64_t)1 << (i % 64);
}
static inline void bitset_unset(uint64_t *words, size_t i)
{
    words[i / 64] &= ~((uint64_t)1 << (i % 64));
}
/* Of the first `bits`. */
size_t bitset_count(const uint64_t *words, size_t bits);

#endif
