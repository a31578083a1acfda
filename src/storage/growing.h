/* growing.h: the segment that takes writes, in memory: rows in one reserved run of addresses that never
 * moves, ids and documents in chunks, a hash table from id to latest row, a small graph.
 *
 * One writer (the lane) appends; any thread reads rows below the row_count of a version it holds. */
#ifndef STORAGE_GROWING_H
#define STORAGE_GROWING_H

#include "storage/batch.h"
#include "storage/version.h"

struct growing_options {
    const struct space *space;
    uint64_t number;
    uint64_t bytes_max; /* vectors, ids and documents; one batch always fits an empty segment */
    int use_graph;      /* index hnsw: overlay once rows pass overlay_rows_min */
    uint32_t overlay_rows_min; /* 0: OVERLAY_ROWS_MIN */
    struct index_params params;
};

NODISCARD lode_status growing_new(const struct growing_options *options,
                                  struct segment **ret_segment, lode_error *error);
/* A hint, while it is empty: that many bytes are going to be put into it at once. */
void growing_announce(struct segment *segment, uint64_t bytes);
/* Whether so many rows and bytes still fit; when not, freeze and start the next. */
int growing_fits(const struct segment *segment, size_t rows, size_t bytes);
/* How many of `bytes` it has room for. */
uint64_t growing_room(const struct segment *segment, uint64_t bytes);
uint32_t growing_row_count(const struct segment *segment); /* appended so far (the writer's view) */
uint64_t growing_bytes(const struct segment *segment);
/* The bytes_max it was made with. */
uint64_t growing_bytes_max(const struct segment *segment);

/* --- growing_memory.c: its share of the memory budget (os/budget.h) --- */

/* Of a segment that is to take at most `held` bytes of memory in all, how many may be vectors, ids and documents,
 * where points are little more than their vectors. Not above options->bytes_max. */
uint64_t growing_bytes_within(const struct growing_options *options, uint64_t held);
/* Have so much of the budget that so many more rows and bytes can be taken: 1. 0: there is no room, and nothing has
 * changed. By the writer. */
int growing_hold(struct segment *segment, size_t rows, size_t bytes);
/* Hold what it takes now, whether there is room or not. By the writer. */
void growing_hold_all(struct segment *segment);
uint64_t growing_held(const struct segment *segment); /* by any thread */
/* Insert at most `rows_max` of the rows below row_limit that are not in it into the overlay graph: by one
 * thread at a time, the others wait; beside readers and the writer. */
NODISCARD lode_status growing_index_some(struct segment *segment, uint32_t row_limit,
                                         uint32_t rows_max, lode_error *error);

#endif
