/* overlay.h: the graph of rows that are still being written. Rows not in it are scanned, so that it must keep
 * up where somebody searches; where nobody does, writers are not kept waiting. */
#ifndef ENGINE_OVERLAY_H
#define ENGINE_OVERLAY_H

#include "engine/collection.h"

#define OVERLAY_SLICE 256u /* rows a turn: flushes and other collections wait for one */
/* Rows not in the graph; then writers wait, if somebody searches. */
#define OVERLAY_BEHIND_MAX 1024u
/* Bytes of rows that a flush adds, so that the sealed segment has a graph: a second, more or less. */
#define OVERLAY_FINISH_MAX ((uint64_t)4 << 20)

/* Whether rows of the growing segment should go into its graph. jobs.mutex is held. */
int overlay_is_due(const struct collection *collection, const struct version *version);
/* Insert some of them. */
NODISCARD lode_status overlay_slice(struct collection *collection, lode_error *error);
/* Insert what is missing in a segment about to be flushed, unless that is much. */
NODISCARD lode_status overlay_finish(const struct collection *collection,
                                     const struct segment_view *view, lode_error *error);

/* Somebody searches this collection. */
void overlay_searched(struct collection *collection);
/* If somebody has searched within a second: wait until at most OVERLAY_BEHIND_MAX rows are not in the graph, or
 * there is no hope of it. By the leader of a group, without locks. */
void overlay_wait(struct collection *collection);

#endif
