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
    int use_graph;      /* index hnsw: overlay once rows pass OVERLAY_ROWS_MIN */
    struct index_params params;
};

NODISCARD lode_status growing_new(const struct growing_options *options,
                                  struct segment **ret_segment, lode_error *error);
/* Whether so many rows and bytes still fit; when not, freeze and start the next. */
int growing_fits(const struct segment *segment, size_t rows, size_t bytes);
uint32_t growing_row_count(const struct segment *segment); /* appended so far (the writer's view) */
uint64_t growing_bytes(const struct segment *segment);
/* Insert at most `rows_max` of the rows below row_limit that are not in it into the overlay graph: by one
 * thread at a time, the others wait; beside readers and the writer. */
NODISCARD lode_status growing_index_some(struct segment *segment, uint32_t row_limit,
                                         uint32_t rows_max, lode_error *error);

/* Applying batches, in two steps so that the second cannot fail: everything is allocated before the
 * log is written, and only what is durable becomes visible.
 *   prepare  looks ids up, writes rows where no version looks, makes the next version
 *   commit   lets the segment's id table speak of the rows, and gives the version out
 *   abort    forgets them
 * `from` must be the newest version and `growing` its last view's segment; one thread (the lane). */
struct apply;
struct apply_counts {
    size_t upserted;
    size_t deleted;
};
NODISCARD lode_status apply_prepare(struct version *from, struct segment *growing,
                                    const struct buf *const *batches, size_t batch_count,
                                    struct apply **ret_apply, lode_error *error);
/* Takes `own_apply`. counts: one for each batch. The version carries sequence first + batch_count - 1. */
struct version *apply_commit(struct apply *own_apply, uint64_t first_sequence,
                             struct apply_counts *counts);
void apply_abort(struct apply *own_apply); /* NULL is allowed */

#endif
