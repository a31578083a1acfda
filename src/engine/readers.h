/* readers.h: whether somebody searches, so that builds leave a core to them. Of a whole database: searches of one
 * collection are no less disturbed by builds of another. */
#ifndef ENGINE_READERS_H
#define ENGINE_READERS_H

#include <stdatomic.h>

#include "os/clock.h"

#define READERS_US ((uint64_t)500000) /* for so long after a search, another is expected */

/* All relaxed: hints. */
struct readers {
    const struct clock *clock;
    _Atomic int searched;     /* since somebody looked */
    _Atomic uint64_t seen_us; /* when a search was last seen to have been; 0: never */
    _Atomic uint64_t gave_us; /* when a build last gave way; 0: never */
};

/* By every search: cheap, and mostly only a load. */
void readers_searched(struct readers *readers);
int readers_are_active(struct readers *readers);
/* struct index_work.give_way, of a struct readers: sleeps a little while searches come in. */
void readers_give_way(void *context);
/* struct index_work.is_crowded, likewise. */
int readers_crowd(void *context);
/* Whether builds give way now. */
int readers_are_given_way(const struct readers *readers);

#endif
