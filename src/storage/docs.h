/* docs.h: the documents part of a sealed segment (docs/format/docs.md): metadata and text by row, used
 * where it is mapped. */
#ifndef STORAGE_DOCS_H
#define STORAGE_DOCS_H

#include "storage/frame.h"
#include "storage/live_rows.h"

struct docs {
    const uint8_t *bytes;
    uint64_t bytes_size;
    const uint8_t *offsets; /* NULL: no row has a document */
    uint32_t row_count;
    struct guard *guard; /* of all the above */
};

/* Write all sections of the part. */
NODISCARD lode_status docs_write(struct frame_writer *writer, const struct live_rows *rows,
                                 lode_error *error);
/* Borrows the frame's bytes. LODE_CORRUPT when sizes do not fit. */
NODISCARD lode_status docs_open(const struct frame *frame, uint32_t row_count,
                                struct docs *ret_docs, lode_error *error);
/* LODE_CORRUPT when the file is damaged there; the message names the row. */
NODISCARD lode_status docs_get(const struct docs *docs, uint32_t row, struct document *ret_document,
                               lode_error *error);
/* Check that offsets are in order and metadata is JSON: LODE_CORRUPT, and *ret_offset where in the
 * frame. */
NODISCARD lode_status docs_check(const struct docs *docs, const struct frame *frame,
                                 uint64_t *ret_offset, lode_error *error);

#endif
