/* room.h: what happens when the disk is full.
 *
 * A database that is written to keeps a little space to itself, in a file without contents (RESERVE_NAME).
 * When the disk is full, that space is given up for what frees space: deletes, and merges of segments in
 * which no row lives. From then on the database is short of space: other writes are refused with LODE_FULL
 * before they take any, until there is enough again to keep the reserve anew, which the next write finds out.
 *
 * Thread-safe. */
#ifndef ENGINE_ROOM_H
#define ENGINE_ROOM_H

#include <stdatomic.h>

#include "os/thread.h"
#include "os/vfs.h"

#define RESERVE_NAME "reserve"

struct room {
    struct mutex mutex;    /* guards the file */
    struct vfs_file *file; /* NULL: nothing is kept */
    uint64_t size;         /* of the reserve, the last time there was one */
    _Atomic int
        is_short; /* given up, and not there again. Written under the mutex; relaxed: who reads a
                              stale value writes, or asks for the reserve, one write too late */
};

void room_init(struct room *kept);
/* The reserve stays, for who opens the database when the disk has been filled meanwhile. */
void room_release(lode_db *db);

/* Keep the reserve, if the disk has room for it: before the first write. It is never an error not to. */
void room_keep(lode_db *db);
/* Give it up; returns its bytes. 0: there was none, and another attempt makes no sense. */
uint64_t room_spend(lode_db *db);
/* Whether the database is short of space; looks whether it still is. */
int room_is_short(lode_db *db);
/* LODE_FULL if it is: for writes that take space. */
NODISCARD lode_status room_admit(lode_db *db, lode_error *error);

/* LODE_FULL when the disk surely has no room for this many bytes of new files in dir: so that work in the
 * background does not fill it for nothing. `what` begins the message. frees: the reserve may be spent. */
struct room_need {
    const char *what; /* as "merging 4 segments" */
    uint64_t bytes;
    int frees;
};
NODISCARD lode_status room_check(lode_db *db, const char *dir, const struct room_need *need,
                                 lode_error *error);

#endif
