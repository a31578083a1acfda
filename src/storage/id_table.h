/* id_table.h: the ids part of a sealed segment (docs/format/ids.md): id bytes by row, and a hash table from
 * id to row, both used where they are mapped.
 *
 * The table is made of buckets of one cache line: 12 rows, a tag byte of each one's hash, and a mark that
 * more rows of this bucket stand in the next. A miss costs one cache line. Whatever the file holds, every
 * access stays within it. */
#ifndef STORAGE_ID_TABLE_H
#define STORAGE_ID_TABLE_H

#include "storage/frame.h"
#include "storage/live_rows.h"

struct id_table {
    const uint8_t *bytes;
    uint64_t bytes_size;
    const uint8_t *offsets;
    unsigned offset_size; /* 4 or 8; 0: every id has fixed_size bytes and there are no offsets */
    uint32_t fixed_size;
    const uint8_t *buckets;
    uint32_t bucket_count;
    uint32_t row_count;
    int has_namespaces;  /* some id is in one, or may be */
    struct guard *guard; /* of all the above */
};

/* Write all sections of the part. */
NODISCARD lode_status id_table_write(struct frame_writer *writer, const struct live_rows *rows,
                                     lode_error *error);
/* Borrows the frame's bytes. LODE_CORRUPT when sizes do not fit. */
NODISCARD lode_status id_table_open(const struct frame *frame, uint32_t row_count,
                                    struct id_table *ret_table, lode_error *error);
/* The id of a row, from 2 to ID_BYTES_MAX bytes. LODE_CORRUPT, LODE_IO. */
NODISCARD lode_status id_table_id(const struct id_table *table, uint32_t row,
                                  const uint8_t **ret_id, size_t *ret_size, lode_error *error);
/* *ret_row: the row of that id, or ROW_NONE. LODE_CORRUPT, LODE_IO. */
NODISCARD lode_status id_table_find(const struct id_table *table, const struct id_key *id,
                                    uint32_t *ret_row, lode_error *error);
/* A hint: an id of this hash is going to be looked up soon. */
void id_table_expect(const struct id_table *table, uint64_t id_hash);
/* Check that every id is one, and is found at its row: LODE_CORRUPT says which is not, and
 * *ret_offset where in the frame. */
NODISCARD lode_status id_table_check(const struct id_table *table, const struct frame *frame,
                                     uint64_t *ret_offset, lode_error *error);

#endif
