/* set.h: sets of rows on disk: Roaring bitmaps in their portable form (Lemire et al. 2018,
 * github.com/RoaringBitmap/RoaringFormatSpec).
 *
 * CRoaring makes them. Reading is our own: rows go straight into the words of a plain set, which is what a
 * filter is evaluated in, and whatever the bytes are, no row outside of the set is touched. */
#ifndef COLUMN_SET_H
#define COLUMN_SET_H

#include "base/buf.h"

/* Append the set of these rows, ascending. LODE_NOMEM. */
NODISCARD lode_status set_append(struct buf *out, const uint32_t *rows, size_t count,
                                 lode_error *error);
struct row_run { /* rows [begin, end) */
    uint32_t begin, end;
};
/* The same of runs, ascending. */
NODISCARD lode_status set_append_runs(struct buf *out, const struct row_run *runs, size_t count,
                                      lode_error *error);
/* Add the set's rows to words, which have room for row_count. LODE_CORRUPT. */
NODISCARD lode_status set_read(const uint8_t *bytes, size_t size, uint32_t row_count,
                               uint64_t *words, lode_error *error);

/* Add rows [begin, end). */
void words_fill(uint64_t *words, uint32_t begin, uint32_t end);

#endif
