/* row_walk.h: the rows of a set, one after another, for whoever reads something of each. */
#ifndef COLUMN_ROW_WALK_H
#define COLUMN_ROW_WALK_H

#include "base/bitset.h"
#include "base/error.h"
#include "os/mapped.h"

#define ROW_WALK_WORDS 16u /* between two looks at how much memory is mapped */

struct row_walk {
    const uint64_t *words;
    uint32_t begin, end; /* of the rows that are asked about */
};

/* `row` is the walk's; it may be taken out of the set meanwhile. */
typedef lode_status row_walk_fn(void *context, uint32_t row, lode_error *error);

static inline uint64_t row_walk_word(const struct row_walk *walk, size_t w)
{
    uint64_t word = walk->words[w];
    if (w == walk->begin / 64)
        word &= ~(uint64_t)0 << walk->begin % 64;
    if (w == walk->end / 64)
        word &= ((uint64_t)1 << walk->end % 64) - 1;
    return word;
}

/* Call each() for the rows, ascending, until it fails. */
NODISCARD static inline lode_status row_walk(const struct row_walk *walk, row_walk_fn *each,
                                             void *context, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t w = walk->begin / 64; !status && w < bitset_words(walk->end); w++) {
        if (w % ROW_WALK_WORDS == 0)
            mapped_look();
        for (uint64_t left = row_walk_word(walk, w); !status && left; left &= left - 1)
            status = each(context, (uint32_t)w * 64 + (uint32_t)__builtin_ctzll(left), error);
    }
    return status;
}

#endif
