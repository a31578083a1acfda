/* need.h: how much of the disk work in the background is going to take, asked before it begins. Estimates, rather
 * too large. */
#ifndef ENGINE_NEED_H
#define ENGINE_NEED_H

#include "engine/collection.h"

/* Bytes of the segment that these views become, its graph included. */
uint64_t need_of_merge(const struct collection *collection, const struct segment_view *views,
                       size_t count);
/* Bytes of the graph alone of a segment. */
uint64_t need_of_graph(const struct store *store, const struct segment_view *view);
/* Bytes of the columns alone of a segment: no more than its documents. */
uint64_t need_of_columns(const struct segment_view *view);

#endif
