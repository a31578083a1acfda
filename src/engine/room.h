/* room.h: whether the disk has room for what background work is going to write. Asked before it begins, so that
 * it does not fill the disk, fail at its end, and take the writers' space with it meanwhile. */
#ifndef ENGINE_ROOM_H
#define ENGINE_ROOM_H

#include "engine/collection.h"

/* Bytes of the segment that these views become, its graph included: an estimate, rather too large. */
uint64_t room_for_merge(const struct store *store, const struct segment_view *views, size_t count);
/* Bytes of the graph alone of a segment. */
uint64_t room_for_graph(const struct store *store, const struct segment_view *view);
/* LODE_FULL, naming what is needed and what is free, unless so much fits beside a growing segment and its log.
 * Where the file system does not tell: LODE_OK. */
NODISCARD lode_status room_check(const struct lode_collection *collection, uint64_t bytes,
                                 lode_error *error);

#endif
