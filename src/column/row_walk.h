/* row_walk.h: the rows of a set, one after another, for whoever reads something of each. */
#ifndef COLUMN_ROW_WALK_H
#define COLUMN_ROW_WALK_H

#include "base/bitset.h"
#include "base/error.h"
#include "os/mapped.h"
#include "os/stop.h"

/* Between two looks at how much memory is mapped, and at the caller's wish: so many rows, of which each is a document or an
 * id, a microsecond or two; or so many words without any. */
#define ROW_WALK_ROWS  512u
#define ROW_WALK_WORDS 8192u

struct row_walk {
    const uint64_t *words;
    uint32_t begin, end;   /* of the rows that are asked about */
    const lode_stop *stop; /* NULL: never */
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

NODISCARD static inline lode_status row_walk_look(const struct row_walk *walk, lode_error *error)
{
    mapped_look();
    return stop_look(walk->stop, error);
}

/* Call each() for the rows, ascending, until it fails. LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD static inline lode_status row_walk(const struct row_walk *walk, row_walk_fn *each,
                                             void *context, lode_error *error)
{
    lode_status status = LODE_OK;
    uint32_t rows = 0;
    for (size_t w = walk->begin / 64; !status && w < bitset_words(walk->end); w++) {
        if (w % ROW_WALK_WORDS == 0)
            status = row_walk_look(walk, error);
        for (uint64_t left = row_walk_word(walk, w); !status && left; left &= left - 1) {
            status = each(context, (uint32_t)w * 64 + (uint32_t)__builtin_ctzll(left), error);
            if (!status && ++rows % ROW_WALK_ROWS == 0)
                status = row_walk_look(walk, error);
        }
    }
    return status;
}

#endif
