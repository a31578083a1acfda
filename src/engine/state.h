/* state.h: one version of a collection as files: sealed segments that are there already, held so that they
 * stay, and what only memory has, written beside them. Named snapshots and backups begin with it. */
#ifndef ENGINE_STATE_H
#define ENGINE_STATE_H

#include "engine/collection.h"

struct state {
    struct collection *collection;
    struct version *version;
    struct text_model *model; /* of its points, or NULL */
    uint64_t number; /* free to be given to what is made of it: above all of its segments */
    struct sealed_entry *entries; /* of the sealed segments, then the tail; del_generation is 0 */
    struct liveset **live; /* of each entry, borrowed from the version; NULL: every row lives */
    size_t entry_count;
    struct pin_key *pins;
    size_t pin_count;
    struct buf requests; /* of its batches, encoded (storage/requests.h) */
};

/* The newest version, without what has expired by now. Its batches are on disk first, those too that were
 * acknowledged earlier: what is made of it is never ahead of what a crash leaves. Writers wait for that, if it
 * is to be done, and for nothing else. On success state_release is to be called. */
NODISCARD lode_status state_hold(struct collection *collection, struct state *ret_state,
                                 lode_error *error);
/* Write the living rows of its growing segments, if there are any, as segment state->number of `store`, which
 * must outlive the state, and add its entry. Written to the collection's own directory it is pinned. What was
 * in memory is not held any more. */
NODISCARD lode_status state_write_tail(struct state *state, const struct store *store,
                                       lode_error *error);
/* The pins are somebody else's to drop. */
void state_keep_pins(struct state *state);
/* Drop what is held; a tail in the collection's directory goes unless its pin was kept. */
void state_release(struct state *state);

#endif
