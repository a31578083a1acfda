/* story.h: the life of a database told in steps, through the public interface, on a file system that fails
 * or crashes meanwhile; and what must be found of it afterwards: every step that returned LODE_OK, the
 * last one that did not whole or not at all, and nothing else. */
#ifndef TESTS_SUPPORT_STORY_H
#define TESTS_SUPPORT_STORY_H

#include "base/random.h"
#include "support/engine_kit.h"

#include <stdatomic.h>

enum { STORY_POINTS, STORY_OTHER, STORY_WORDS, STORY_COLLECTIONS };
#define STORY_NO_ALIAS (-1)
enum { STORY_NAMES = 2 }; /* named snapshots that a collection may have */

/* What a database holds. */
struct story_state {
    struct {
        int exists;
        uint64_t sequence;
        uint32_t text_model;
        struct model model;
        struct {
            int exists;
            uint64_t sequence;
            struct model model;
        } named[STORY_NAMES];
    } collections[STORY_COLLECTIONS];
    int alias; /* the collection that the alias "alias" stands for, or STORY_NO_ALIAS */
};

enum story_kind {
    STORY_CREATE,
    STORY_DROP,
    STORY_ALIAS,
    STORY_UNALIAS,
    STORY_WRITE,
    STORY_EMPTY, /* the namespace that the points are in is dropped; it has some */
    STORY_TRAIN,
    STORY_FLUSH,
    STORY_COMPACT,
    STORY_SYNC,
    STORY_TIME, /* an hour goes by */
    STORY_IDLE,
    STORY_SNAPSHOT, /* open one, or close the one that is */
    STORY_KEEP,     /* make a named one: of the names, number seed % STORY_NAMES */
    STORY_FORGET,   /* drop it */
    STORY_RETRY,    /* the last batch that was given a request id comes again */
    STORY_BACKUP,   /* of all; of even seeds into a directory, else a new file */
    STORY_CLOSE,    /* the collection's handle */
    STORY_REOPEN,   /* the database */
};

struct story_step {
    enum story_kind kind;
    unsigned which; /* collection */
    unsigned seed;  /* of what is written */
};
#define STORY_SEEDS_WRITING                                                                        \
    100u /* batches of seeds below this have no condition that does not hold */

/* What happens to the disk, counted from story_open on. */
struct story_fate {
    uint64_t crash_at; /* the operation that changes something, before which all ends; 0: none */
    uint64_t fail_at;  /* the one of those that `fail_what` names which fails; 0: none */
    const char *fail_what; /* as in vfs_ops; NULL: any */
    int fail_errno;        /* as of vfs_memory_fault */
    unsigned fail_more;    /* how many after it fail too */
    unsigned crash_after;  /* this many changes after the first that fails, all ends; 0: never */
    uint64_t lie_at;       /* the sync that only says that it has happened; 0: none */
    unsigned lie_more;     /* how many after it lie too */
    const char *lie_where; /* only syncs of paths that contain this; NULL: any */
    uint64_t syncs;        /* of those, so far */
    unsigned lies;         /* told so far */
    uint64_t changes;      /* so far */
    uint64_t candidates;   /* for fail_at, so far */
    int paused;            /* nothing fails but by the crash */
    int failed;
    int crashed;
};

/* What a collection was, batch by batch, since it was durable: a crash may bring any of these back. */
#define STORY_WEAK_MAX 6
struct story_weak {
    size_t count;  /* 0: it is durable */
    size_t logged; /* models[logged] and those before it survive the end of the process */
    struct model models[STORY_WEAK_MAX]; /* the first is durable, the last is as it is sure */
};

/* The last batch of a collection that was given a request id. */
struct story_request {
    unsigned number;   /* its id is made of it; 0: there is none */
    uint64_t sequence; /* it is there if the collection is that far */
};

/* The last backup that was acknowledged. */
struct story_backup {
    char path[32]; /* "": there is none */
    uint64_t number;
    struct story_state state;
};

struct story {
    struct vfs *vfs;
    unsigned thread_count; /* 0: jobs run at once on the caller's thread */
    uint64_t growing_bytes;
    uint32_t
        graph_rows; /* segments of so many have graphs, which merges take over; 0: as always, so none has */
    lode_maintenance maintenance;
    int weak_writes;         /* some are acknowledged before they are durable; not with fail_at */
    uint64_t log_keep_bytes; /* as of lode_db_options */
    const lode_key_source *key; /* NULL: it is not encrypted */
    struct story_fate fate;
    struct story_state sure;  /* what was promised */
    struct story_state maybe; /* if in_doubt: what may be there instead */
    int in_doubt;
    struct story_weak weak[STORY_COLLECTIONS];
    struct story_request requests[STORY_COLLECTIONS];
    struct story_backup backup;
    unsigned numbers; /* of requests and backups, given out so far */
    int power_failed; /* since the last check; otherwise processes have ended, the machine went on */
    lode_error error; /* of the last call that failed */

    _Atomic uint64_t time_us;
    unsigned hours; /* gone by */
    struct clock clock;
    lode_db *db;
    struct executor *executor;
    lode_collection *handles[STORY_COLLECTIONS];
    lode_collection
        *space; /* of STORY_OTHER, whose points are all in a namespace; NULL: not open */
    lode_snapshot *snapshots[STORY_COLLECTIONS];
};

void story_init(struct story *story, struct vfs *vfs);
/* Open the database; the fate begins. */
NODISCARD lode_status story_open(struct story *story, struct story_fate fate);
NODISCARD lode_status story_do(struct story *story, struct story_step step);
/* Close everything that is open; the fate ends: the disk works again. */
void story_close(struct story *story);
/* The database, which is open, is in one of the two states, in all that can be read. */
enum story_look { STORY_UNKNOWN, STORY_AS_SURE, STORY_AS_MAYBE }; /* unknown: reading was refused */
enum story_look story_look(struct story *story);
/* The same just after story_open: what was in doubt is known from then on. Returns 0 when the disk
 * crashed before that could be told. */
int story_check(struct story *story);
/* The last backup is restored, on a disk that works, and is what was backed up. */
void story_restore(struct story *story);

/* The end of a life: the machine's, with or without what was not synced, or of one in four the process's alone.
 * Closes everything. */
void story_end(struct story *story, uint64_t seed);
/* What the last crash left opens and is as promised; it is so after a write and a flush too, and all of its
 * files verify before and after. */
void story_settle(struct story *story);

/* What has expired by now is gone from the state. */
void story_expire(const struct story *story, struct story_state *state);
const char *story_name(unsigned which); /* of a collection; static */
/* The handle that sees the points of a collection: of STORY_OTHER one of their namespace, to be closed; else NULL, the
 * collection's own does. */
lode_collection *story_space(unsigned which, lode_collection *collection);

/* A step that can succeed in the state that is sure. */
struct story_step story_random_step(const struct story *story, struct rng *rng);

/* A short life with something of everything. */
extern const struct story_step story_script[];
extern const size_t story_script_size;

/* A number from the environment. */
unsigned story_setting(const char *name, unsigned otherwise);
/* A quarter of it under sanitizers, which are slow. */
unsigned story_fewer(unsigned count);

#endif
