/* named.h: snapshots that are kept by name, over close, reopen and crash.
 *
 * A named snapshot is a file (storage/snapshot_file.h) and pins (storage/pins.h) on the segments and the text
 * model it speaks of. Sealed segments are shared with the collection; what is in growing ones when it is
 * made is written out as a segment of its own, beside writers, who notice nothing. */
#ifndef ENGINE_NAMED_H
#define ENGINE_NAMED_H

#include <stdatomic.h>

#include "os/thread.h"
#include "storage/pins.h"
#include "storage/snapshot_file.h"

struct collection;

struct named_snapshot {
    struct saved_snapshot saved; /* of a damaged one: the number, and its file's name as its name */
    int damaged;                 /* its file cannot be read */
    int ghost; /* neither there nor gone for sure: dropping or making it failed. It pins, and is not shown */
};

struct named {
    /* Guards what follows; held while one is made, opened or dropped, with its I/O */
    struct mutex mutex;
    struct named_snapshot *items; /* in no order */
    size_t count;
    size_t capacity;
    _Atomic uint32_t shown; /* that are no ghosts; for statistics, which wait for nobody. Relaxed */
};

void named_init(struct named *named);
void named_release(struct named *named);
/* Read what snapshots there are and pin their files; while loading, before the sweep. *ret_all_known is 0
 * when one is damaged: what it needs is unknown then. next_number comes to be above all of them. */
NODISCARD lode_status named_load(struct collection *collection, int *ret_all_known,
                                 lode_error *error);

/* Contracts: lode.h. */
NODISCARD lode_status named_create(struct collection *collection, const char *name,
                                   lode_error *error);
NODISCARD lode_status named_drop(struct collection *collection, const char *name,
                                 lode_error *error);
NODISCARD lode_status named_open(struct collection *collection, const char *name,
                                 lode_snapshot **ret_snapshot, lode_error *error);
NODISCARD lode_status named_list(struct collection *collection, lode_snapshot_list **ret_list,
                                 lode_error *error);
/* As it was when the last one was made, dropped or opened. */
uint32_t named_count(struct collection *collection);

#endif
