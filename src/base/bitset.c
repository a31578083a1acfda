/* bitset.c: counting bits. No x86-64 must be able to; where a processor is, that takes a tenth of what stands in its
 * place otherwise. */
#include "base/bitset.h"

typedef size_t count_words(const uint64_t *words, size_t count);

#define COUNT_WORDS(name)                                                                          \
    static size_t name(const uint64_t *words, size_t count)                                        \
    {                                                                                              \
        size_t sum = 0;                                                                            \
        for (size_t w = 0; w < count; w++)                                                         \
            sum += (size_t)__builtin_popcountll(words[w]);                                         \
        return sum;                                                                                \
    }

COUNT_WORDS(count_plain)

#if defined(__x86_64__)
__attribute__((target("popcnt"))) COUNT_WORDS(count_popcnt)

    static count_words *best(void)
{
    return __builtin_cpu_supports("popcnt") ? count_popcnt : count_plain;
}
#else
static count_words *best(void)
{
    return count_plain;
}
#endif

size_t bitset_count(const uint64_t *words, size_t bits)
{
    size_t count = best()(words, bits / 64);
    if (bits % 64)
        count +=
            (size_t)__builtin_popcountll(words[bits / 64] & (((uint64_t)1 << (bits % 64)) - 1));
    return count;
}
