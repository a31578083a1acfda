/* lane.h: one at a time, first come first served: a lock that is held across I/O.
 *
 * A plain mutex would let a stream of writers overtake a background job that wants to commit, for as
 * long as the stream lasts. */
#ifndef ENGINE_LANE_H
#define ENGINE_LANE_H

#include "os/thread.h"

struct lane {
    struct mutex mutex;
    struct cond turn;
    uint64_t next;    /* ticket of the next to come; guarded by mutex, as is */
    uint64_t serving; /* the ticket whose turn it is */
};

void lane_init(struct lane *lane);
void lane_release(struct lane *lane);
void lane_enter(struct lane *lane);
void lane_leave(struct lane *lane);

#endif
