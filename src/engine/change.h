/* change.h: committing a structural change: some views of segments are replaced by at most one sealed
 * segment that holds their rows. Flush, index and merge all end here.
 *
 * The slow part (writing files) is done before, on a pinned version, beside writers. Deaths that come
 * meanwhile are carried over twice: into the manifest as of the moment before it is written, and into
 * memory inside the lane. Only the second step keeps writers waiting, and it does no I/O.
 *
 * Why the manifest may know fewer deaths than memory: a death comes from a batch, and batches after
 * flushed_sequence are in logs that are kept; replaying them brings it about again. */
#ifndef ENGINE_CHANGE_H
#define ENGINE_CHANGE_H

#include "engine/collection.h"

struct change_source {
    const struct segment_view *view; /* as of the version whose rows were copied */
    const uint32_t *row_map;         /* its rows in the target, or ROW_NONE; NULL: the same rows */
};

struct change {
    const struct change_source *sources;
    size_t source_count;
    struct segment *target;       /* borrowed; NULL: no row lived */
    struct sealed_entry entry;    /* of the target; live_count and del_generation are found here */
    const struct frozen *flushed; /* the source that was flushed, or NULL */
    int unknown; /* out, on failure: the manifest may have been written; keep the target's files */
};

/* To be asked before files of a segment number are written that an earlier attempt may have written too:
 * LODE_READONLY once it is unknown which manifest counts, since it may speak of those. */
NODISCARD lode_status change_check(struct collection *collection, lode_error *error);

/* Durable, and visible, on return. No other job may use the sources: the caller has seen to that.
 * Afterwards merged segments are retired and the flushed log is removed. On failure nothing has
 * changed; when it is unknown whether the manifest was written, the collection refuses writes. */
NODISCARD lode_status change_commit(struct collection *collection, struct change *change,
                                    lode_error *error);

/* Change the manifest's text_model_version alone. change_mutex and lane are held. */
NODISCARD lode_status change_text_model(struct collection *collection, uint32_t model_version,
                                        lode_error *error);

#endif
