/* segment.h: what growing and sealed segments have in common: rows with ids and documents, counted.
 *
 * Rows, ids and documents of a segment never change once a version shows them. Which rows exist and
 * live is not the segment's knowledge but that of the views of a version (version.h). */
#ifndef STORAGE_SEGMENT_H
#define STORAGE_SEGMENT_H

#include <stdatomic.h>

#include "column/columns.h"
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

enum segment_damage { DAMAGE_OF_ROWS, DAMAGE_OF_ANY };

struct id_key { /* an id to look up */
    const uint8_t *bytes;
    size_t size;
    uint64_t hash; /* id_hash of the bytes */
};

struct segment;
struct segment_view;
struct id_namespace;

struct segment_ops {
    /* What is fallible here fails when a file cannot be read or is not what was written: LODE_CORRUPT, LODE_IO.
     * Vectors are touched by whoever reads them: rows_touch. */

    /* The id bytes (id.h) of a row; borrowed from the segment. */
    NODISCARD lode_status (*id)(const struct segment *segment, uint32_t row, const uint8_t **ret_id,
                                size_t *ret_size, lode_error *error);
    /* The live row of this id in that view of the segment, or ROW_NONE. */
    NODISCARD lode_status (*find)(const struct segment_view *view, const struct id_key *id,
                                  uint32_t *ret_row, lode_error *error);
    /* Whether an id of it is in a namespace, or may be: 0 is for sure. */
    int (*has_namespaces)(const struct segment *segment);
    /* Add the living rows of a namespace, not the default one, to words; returns how many. NULL: columns tell. */
    uint32_t (*space_rows)(const struct segment_view *view, const struct id_namespace *space,
                           uint64_t *words);
    /* A hint: an id of this hash is going to be looked up soon. */
    void (*expect)(const struct segment *segment, uint64_t id_hash);
    /* Borrowed from the segment. */
    NODISCARD lode_status (*document)(const struct segment *segment, uint32_t row,
                                      struct document *ret_document, lode_error *error);
    /* The row must be one of a version's. */
    NODISCARD lode_status (*stamp)(const struct segment *segment, uint32_t row,
                                   struct stamp *ret_stamp, lode_error *error);
    /* Clear the bits of rows that expire in that range. *ret_next is when the next one after it does, or the first
     * from from_ms on when the range is empty; EXPIRES_NONE. Some of them may be dead. Damage is no failure: a
     * segment that cannot tell which rows have expired clears some of them, and lets none be read from then on. */
    NODISCARD lode_status (*expire)(const struct segment *segment, const struct expiry_range *range,
                                    uint64_t *ret_next, lode_error *error);
    /* The index to search, or NULL; *ret_covered rows [0, n) are in it, the rest is to be scanned. */
    const struct index *(*index)(const struct segment *segment, uint32_t *ret_covered);
    /* The columns of its rows [0, *ret_covered), referenced: columns_unref; NULL: documents answer alone. */
    struct columns *(*columns)(const struct segment *segment, uint32_t *ret_covered);
    /* Keep columns of rows [0, covered) for those who ask after this. Takes them. NULL: it has its own. */
    void (*keep_columns)(const struct segment *segment, struct columns *own_columns,
                         uint32_t covered);
    /* Whether something of it is known to be damaged: 1, and why. Of rows: they are lost, or may be: reads of them
     * fail, searches that allow damage leave the segment out, and merges leave it alone. With the graph:
     * also one that is not used any more, which loses nothing. ret_reason may be NULL. damage NULL: never. */
    int (*damage)(const struct segment *segment, enum segment_damage which, lode_error *ret_reason);
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
/* segment_ops.damage; ret_reason may be NULL. */
int segment_is_damaged(const struct segment *segment, enum segment_damage which,
                       lode_error *ret_reason);

/* Whether an error says that a file is not what was written, or that the disk cannot read it. */
static inline int status_is_damage(lode_status status)
{
    return status == LODE_CORRUPT || status == LODE_IO;
}

#endif
