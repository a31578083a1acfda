/* growing_rows.h: the inside of a growing segment, for growing.c and apply.c alone.
 *
 * Memory that readers share with the writer:
 *   vectors, infos   reserved once and never moved; a row is written before any version or slot speaks
 *                    of it, and never again after
 *   table            slots of id tag and latest row, stored with release and loaded with acquire; a slot
 *                    goes from empty to some row and then only to later rows of the same id
 *   spaces           the same from namespace to latest row (growing_spaces.c)
 *   chunks           ids and documents, behind the pointers of infos
 * A reader that meets a row its version does not have yet follows `prev` down to one it has. */
#ifndef STORAGE_GROWING_ROWS_H
#define STORAGE_GROWING_ROWS_H

#include "storage/growing.h"

#include "os/thread.h"

struct growing_row {
    const uint8_t *bytes; /* id, metadata, text, one behind the other */
    struct stamp stamp;
    uint32_t prev;          /* the row this id had before in this segment, or ROW_NONE */
    uint32_t prev_in_space; /* the row shown before this one in its namespace, or ROW_NONE */
    uint32_t metadata_size;
    uint32_t text_size;
    uint16_t id_size;
};

#define GROWING_CHUNK_SIZE ((size_t)256 << 10)

struct growing_chunk {
    struct growing_chunk *older;
    size_t used;
    size_t size;
    uint8_t data[];
};

struct growing {
    struct segment base;
    struct growing_options options;
    uint32_t capacity; /* rows */
    uint8_t *vectors;
    struct growing_row *infos;
    _Atomic uint64_t *table;  /* tag in the upper half, row + 1 in the lower; 0: empty */
    uint64_t table_mask;      /* slots - 1 */
    _Atomic uint64_t *spaces; /* as many slots */
    /* The writer's alone: */
    struct growing_chunk *chunks; /* newest first */
    uint32_t row_count;
    uint64_t bytes;
    struct mutex index_mutex;   /* held while rows enter the graph */
    struct mutex columns_mutex; /* guards the next two, for a moment */
    struct columns *columns;    /* of rows [0, columns_covered); NULL: none yet */
    uint32_t columns_covered;
    /* Anyone's: */
    _Atomic uint64_t memory;
    _Atomic uint64_t held; /* of the budget; relaxed, written by the writer */
    _Atomic(struct index *) index;
    _Atomic uint32_t covered;
    _Atomic int has_namespaces; /* relaxed: set before a version shows the first such row */
};

static inline struct growing *growing_of(const struct segment *segment)
{
    return (struct growing *)(uintptr_t)segment;
}

/* The latest row of an id, alive or not, or ROW_NONE. */
uint32_t growing_latest(const struct growing *growing, const uint8_t *id, size_t id_size,
                        uint64_t id_hash);
/* Write a row that no one sees yet: its vector, and its id and document into memory taken for them. */
NODISCARD lode_status growing_fill(struct growing *growing, uint32_t row, const struct op *op,
                                   struct stamp stamp, uint32_t prev, lode_error *error);
/* Let the table speak of a row, the latest of its id. */
void growing_show(struct growing *growing, uint32_t row, uint64_t id_hash);
/* The same of that of namespaces. */
void growing_show_space(struct growing *growing, uint32_t row);
/* segment_ops.space_rows. */
uint32_t growing_space_rows(const struct segment_view *view, const struct id_namespace *space,
                            uint64_t *words);
/* Rows [row_count, row_count + rows) are there for good, with so many bytes. */
void growing_advance(struct growing *growing, uint32_t rows, uint64_t bytes);

/* Where the chunks stood, so that fills can be taken back. */
struct growing_mark {
    struct growing_chunk *chunk;
    size_t used;
};
struct growing_mark growing_mark(const struct growing *growing);
void growing_take_back(struct growing *growing, struct growing_mark mark);

/* What an upsert counts for in growing_bytes: never more than the op's share of its batch. */
static inline uint64_t growing_op_bytes(const struct growing *growing, const struct op *op)
{
    return growing->base.rows.stride + op->id_size + op->metadata_size + op->text_size;
}

#endif
