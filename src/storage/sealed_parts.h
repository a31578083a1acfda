/* sealed_parts.h: what writing and opening a sealed segment share. */
#ifndef STORAGE_SEALED_PARTS_H
#define STORAGE_SEALED_PARTS_H

#include "base/le.h"
#include "storage/frame.h"
#include "storage/names.h"
#include "storage/sealed.h"

/* seg-<n>.vectors: docs/format/vectors.md */
enum { VECTORS_INFO = 1, VECTORS_ROWS = 2 };
#define VECTORS_INFO_SIZE 32

struct vectors_info {
    uint32_t row_count;
    uint32_t dim;
    uint32_t row_size;
    uint8_t metric;
    uint8_t scalar;
};

/* seg-<n>.graph: one section, the index's own bytes: docs/format/graph.md */
enum { GRAPH_BYTES = 1 };

/* seg-<n>.columns: docs/format/columns.md */
enum { COLUMNS_BYTES = 1, COLUMNS_DIRECTORY = 2 };

/* seg-<n>.del-<g>: docs/format/live.md */
enum { LIVE_INFO = 1, LIVE_BITS = 2 };
#define LIVE_INFO_SIZE 32

/* Remove all parts, in whatever order; what cannot be removed is swept away at the next open. */
void sealed_remove(const struct store *store, uint64_t number);
/* Check every byte of an open segment's vectors. */
NODISCARD lode_status sealed_check_vectors(const struct segment *segment, lode_error *error);
/* What a merge has read once and reads no more need not stay in memory; searches read it again. */
void sealed_forget(const struct segment *segment);

static inline struct vectors_info vectors_info_of(const struct space *space, uint32_t row_count)
{
    return (struct vectors_info){.row_count = row_count,
                                 .dim = (uint32_t)space->dim,
                                 .row_size = (uint32_t)space->row_size,
                                 .metric = (uint8_t)space->metric,
                                 .scalar = (uint8_t)space->scalar};
}

static inline void vectors_info_put(uint8_t bytes[VECTORS_INFO_SIZE],
                                    const struct vectors_info *info)
{
    memset(bytes, 0, VECTORS_INFO_SIZE);
    le_store_u32(bytes, info->row_count);
    le_store_u32(bytes + 4, info->dim);
    le_store_u32(bytes + 8, info->row_size);
    bytes[12] = info->metric;
    bytes[13] = info->scalar;
}

#endif
