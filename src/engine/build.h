/* build.h: the work that makes sealed segments and graphs. Called by jobs and by compaction, each of
 * which has marked the segments it uses. */
#ifndef ENGINE_BUILD_H
#define ENGINE_BUILD_H

#include "engine/collection.h"

/* Write the oldest frozen segment out and drop its log. */
NODISCARD lode_status flush_frozen(struct lode_collection *collection, const struct frozen *frozen,
                                   lode_error *error);

/* Whether this segment is sealed, large enough for a graph and without one. */
int build_wants_graph(const struct lode_collection *collection, const struct segment_view *view);
/* Whether this segment is sealed and its graph the overlay that it was flushed with. */
int build_has_hasty_graph(const struct store *store, const struct segment_view *view);
/* Give that sealed segment its graph. */
NODISCARD lode_status index_segment(struct lode_collection *collection, uint64_t number,
                                    lode_error *error);
/* Merge these sealed segments into one, with its graph; or remove them when no row lives. */
NODISCARD lode_status merge_segments(struct lode_collection *collection, const uint64_t *numbers,
                                     size_t count, lode_error *error);

#endif
