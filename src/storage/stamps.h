/* stamps.h: which write each row of a sealed segment is of: a section of its documents part
 * (docs/format/docs.md), used where it is mapped. */
#ifndef STORAGE_STAMPS_H
#define STORAGE_STAMPS_H

#include "storage/frame.h"
#include "storage/live_rows.h"

struct stamps {
    const uint8_t *sequences;
    uint32_t row_count;
};

/* Write the section. */
NODISCARD lode_status stamps_write(struct frame_writer *writer, const struct live_rows *rows,
                                   lode_error *error);
/* Borrows the frame's bytes. LODE_CORRUPT when sizes do not fit. */
NODISCARD lode_status stamps_open(const struct frame *frame, uint32_t row_count,
                                  struct stamps *ret_stamps, lode_error *error);
struct stamp stamps_get(const struct stamps *stamps, uint32_t row);
/* Check the block that holds the row's: LODE_CORRUPT. */
NODISCARD lode_status stamps_check_row(const struct stamps *stamps, const struct frame *frame,
                                       uint32_t row, lode_error *error);
/* Check that sequences are from 1 to `sequence_max`: LODE_CORRUPT, and *ret_offset where in the frame. */
NODISCARD lode_status stamps_check(const struct stamps *stamps, const struct frame *frame,
                                   uint64_t sequence_max, uint64_t *ret_offset, lode_error *error);

#endif
