/* segment.h: what growing and sealed segments have in common: rows with ids and documents, counted.
 *
 * Rows, ids and documents of a segment never change once a version shows them. Which rows exist and
 * live is not the segment's knowledge but that of the views of a version (version.h). */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include <stdatomic.h>

#include "index/index.h"
#include "quant/space.h"

#define ROW_NONE 0xffffffffu

struct document {
    const char *metadata; /* not NUL-terminated; NULL and 0 when there is none */
    size_t metadata_size;
    const char *text;
    size_t text_size;
};

struct stamp {
    uint64_t sequence;   /* of the batch that wrote the row: the point's version */
    uint64_t expires_ms; /* since 1970, from when on it is dead; 0: never */
};

/* Which rows of a segment expire in [from_ms, to_ms]. */
struct expiry_range {
    uint32_t row_count; /* rows below this alone */
    uint64_t from_ms;   /* not 0 */
    uint64_t to_ms;     /* below from_ms: none */
    uint64_t *words;    /* their bits are cleared; may be NULL when there are none */
};
#define EXPIRES_NONE UINT64_MAX

struct segment;
struct segment_view;

struct segment_ops {
    /* The id bytes (id.h) of a row; borrowed from the segment. NULL when the file is damaged. */
    const uint8_t *(*id)(const struct segment *segment, uint32_t row, size_t *ret_size);
    /* The live row of this id in that view of the segment, or ROW_NONE. */
    uint32_t (*find)(const struct segment_view *view, const uint8_t *id, size_t id_size,
                     uint64_t id_hash);
    /* A hint: an id of this hash is going to be looked up soon. */
    void (*expect)(const struct segment *segment, uint64_t id_hash);
    /* Borrowed from the segment. LODE_CORRUPT when the file is damaged. */
    NODISCARD lode_status (*document)(const struct segment *segment, uint32_t row,
                                      struct document *ret_document, lode_error *error);
    /* The row must be one of a version's. */
    struct stamp (*stamp)(const struct segment *segment, uint32_t row);
    /* Clear the bits of rows that expire in that range. Returns when the next one after it does, or the
     * first from from_ms on when the range is empty; EXPIRES_NONE. Some of them may be dead. */
    uint64_t (*expire)(const struct segment *segment, const struct expiry_range *range);
    /* Whether every byte of the row's vector, document and stamp is what was written: LODE_CORRUPT. May be NULL:
     * there is nothing to check. */
    NODISCARD lode_status (*check_row)(const struct segment *segment, uint32_t row,
                                       lode_error *error);
    /* The index to search, or NULL; *ret_covered rows [0, n) are in it, the rest is to be scanned. */
    const struct index *(*index)(const struct segment *segment, uint32_t *ret_covered);
    void (*sizes)(const struct segment *segment, uint64_t *ret_disk, uint64_t *ret_memory,
                  uint64_t *ret_mapped);
    void (*free)(struct segment *segment); /* called by the last unref */
};

struct segment {
    const struct segment_ops *ops;
    uint64_t number;
    struct rows rows;
    int sealed;
    _Atomic uint32_t refs;
    _Atomic int retired; /* sealed: the last unref also removes the files */
};

struct segment *segment_ref(struct segment *segment);
void segment_unref(struct segment *segment); /* NULL is allowed */

#endif
