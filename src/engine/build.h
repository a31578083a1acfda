/* build.h: the work that makes sealed segments and graphs. Called by jobs and by compaction, each of
 * which has marked the segments it uses. */
#ifndef ENGINE_BUILD_H
#define ENGINE_BUILD_H

#include "base/limits.h"
#include "engine/collection.h"
#include "index/estimate.h"

/* Write the oldest frozen segment out and drop its log. */
NODISCARD lode_status flush_frozen(struct collection *collection, const struct frozen *frozen,
                                   lode_error *error);

/* Memory of a merge for each row, beside its graph: the row maps of its sources and the table of ids. */
#define BUILD_ROW_BYTES   16u
#define BUILD_WRITE_BYTES ((uint64_t)2 << 20) /* and for all: buffers of the files being written */
/* The rows of the smallest graph that a memory budget must not forbid: more memory than that is in files. */
#define BUILD_ROWS_LEAST (4 * INDEX_ROWS_MIN)

/* The memory of building a graph of this collection. */
struct estimate build_estimate(const struct collection *collection);
/* Whether so many rows are to have a graph. */
int build_wants_graph_of(const struct collection *collection, uint64_t rows);
/* Whether this segment is sealed, large enough for a graph and without one. */
int build_wants_graph(const struct collection *collection, const struct segment_view *view);
/* Whether this segment is sealed and its graph the overlay that it was flushed with. */
int build_has_hasty_graph(const struct store *store, const struct segment_view *view);
/* Whether this segment is sealed, sound, and without columns although the collection knows fields. */
int build_wants_columns(const struct collection *collection, const struct segment_view *view);
/* Give that sealed segment what it wants: its graph, its columns. */
NODISCARD lode_status index_segment(struct collection *collection, uint64_t number,
                                    lode_job_reason reason, lode_error *error);
/* Merge these sealed segments into one, with its graph; or remove them when no row lives. */
NODISCARD lode_status merge_segments(struct collection *collection, const uint64_t *numbers,
                                     size_t count, lode_job_reason reason, lode_error *error);
/* Where the disk has no room for that: each of them that has dead rows becomes one without, if there is room for
 * this one. Returns whether any did. The caller pins no version, or no space is given back. */
int merge_each(struct collection *collection, const uint64_t *numbers, size_t count);
/* The same where none has dead rows: all but one of them, or three quarters of that, and so on, the first for which there is room. Returns whether any were
 * merged. */
int merge_fewer(struct collection *collection, const uint64_t *numbers, size_t count,
                lode_job_reason reason);

#endif
