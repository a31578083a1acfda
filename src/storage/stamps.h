/* stamps.h: which write each row of a sealed segment is of, and when it expires: sections of its documents
 * part (docs/format/docs.md), used where they are mapped. */
#ifndef STORAGE_STAMPS_H
#define STORAGE_STAMPS_H

#include "storage/frame.h"
#include "storage/live_rows.h"

struct stamps {
    const uint8_t *sequences;
    const uint8_t *expiries; /* NULL: no row expires */
    const uint8_t *order;    /* rows that expire, the first one to do so first */
    uint32_t row_count;
    uint32_t order_count;
    struct guard *guard; /* of all the above */
};

/* Write the sections. */
NODISCARD lode_status stamps_write(struct frame_writer *writer, const struct live_rows *rows,
                                   lode_error *error);
/* Borrows the frame's bytes. LODE_CORRUPT when sizes do not fit. */
NODISCARD lode_status stamps_open(const struct frame *frame, uint32_t row_count,
                                  struct stamps *ret_stamps, lode_error *error);
NODISCARD lode_status stamps_get(const struct stamps *stamps, uint32_t row, struct stamp *ret_stamp,
                                 lode_error *error);
/* segment_ops.expire. Where the file makes no sense it may find too few or too many, but no row that is not. */
NODISCARD lode_status stamps_expire(const struct stamps *stamps, const struct expiry_range *range,
                                    uint64_t *ret_next, lode_error *error);
/* Check that sequences are from 1 to `sequence_max`, expiries are possible and their order is what it
 * says: LODE_CORRUPT, and *ret_offset where in the frame. */
NODISCARD lode_status stamps_check(const struct stamps *stamps, const struct frame *frame,
                                   uint64_t sequence_max, uint64_t *ret_offset, lode_error *error);

#endif
