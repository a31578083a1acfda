/* jobs.h: a collection's background work: what is due, what runs, what failed.
 *
 *   FLUSH    the oldest frozen segment becomes a sealed one; first things first, one at a time
 *   OVERLAY  rows of the growing segment enter its graph, a slice at a time
 *   INDEX    a sealed segment gets its graph, and columns if it has none
 *   MERGE    several sealed segments become one, which gets its graph before it takes their place
 *
 * jobs_poke looks at the current version and submits what is due; it is called after whatever may make
 * something due. A job that fails is remembered and tried again by the first poke after JOB_RETRY_US, or
 * twice as long as before if it fails again; retry.h pokes when nobody else does. It is never lost,
 * because what is due is read from the state and not from a queue. */
#ifndef ENGINE_JOBS_H
#define ENGINE_JOBS_H

#include <stdatomic.h>

#include "engine/job.h"
#include "index/index.h"
#include "os/stop.h"
#include "os/thread.h"

#define FROZEN_MAX   4u                  /* frozen segments that may wait; then writers wait */
#define JOB_RETRY_US ((uint64_t)1000000) /* between a failure and the next attempt */
/* At most, after failures in a row; less where space on the disk is all that is wanting. */
#define JOB_RETRY_MAX_US  (64 * JOB_RETRY_US)
#define JOB_RETRY_FULL_US (4 * JOB_RETRY_US)

enum job_slot { SLOT_FLUSH, SLOT_OVERLAY, SLOT_INDEX, SLOT_MERGE, SLOT_COUNT };

/* A growing segment that takes no more writes. */
struct frozen {
    uint64_t number;        /* of segment and log file */
    uint64_t last_sequence; /* in its log file */
    uint64_t wal_bytes;
};

struct slot {
    int active;         /* submitted or running */
    lode_error error;   /* of the last attempt; cleared by the next that succeeds */
    uint64_t failed_us; /* when */
    uint64_t wait_us;   /* from then to the next attempt */
    uint64_t attempts;  /* ended so far */
};

struct jobs {
    struct mutex mutex;
    struct cond changed; /* anything below */
    int closing;
    int exclusive;   /* a compaction has the sealed segments for itself */
    unsigned active; /* jobs submitted and not yet ended, and compactions */
    struct slot slots[SLOT_COUNT];
    struct frozen *frozen; /* oldest first */
    size_t frozen_count;
    size_t frozen_capacity;
    struct job_list list;
    uint64_t *merging; /* segments of the merge in progress */
    size_t merging_count;
    lode_job_reason merge_reason;
    _Atomic size_t debt;      /* merge_debt of the version of debt_generation. Relaxed: a hint */
    uint64_t debt_generation; /* 0: not looked yet */
    uint64_t delays;          /* batches that waited for merges, */
    uint64_t delayed_us;      /* and for how long */
    uint64_t indexing;        /* the segment of the index job in progress; 0: none */
    struct cancel cancel;     /* of index and merge; its stop is that of a compaction */
    _Atomic int overlaid;     /* an overlay job is active: spares writers the poke. Relaxed: a stale
                             value costs one poke more or less, and each group asks again */
};

void jobs_init(struct jobs *jobs);
void jobs_release(struct jobs *jobs);

/* jobs.mutex is held, and given up meanwhile: until `changed`, or timeout_us have passed (0: no limit), or for no
 * reason at all. Where jobs have no threads of their own, one of them runs on this one. */
void jobs_sleep(struct collection *collection, uint64_t timeout_us);
/* The same for a caller who may want to stop: often enough to find that out. */
NODISCARD lode_status jobs_sleep_unless(struct collection *collection, const lode_stop *stop,
                                        lode_error *error);

/* Submit what is due. Takes no part of the lane; call it with no lock held. */
void jobs_poke(struct collection *collection);

/* A growing segment has been frozen. */
NODISCARD lode_status jobs_frozen_reserve(struct jobs *jobs, lode_error *error);
void jobs_frozen_push(struct jobs *jobs, struct frozen frozen); /* after a reserve */
size_t jobs_frozen_count(struct jobs *jobs);
/* Whether some are on their way out: there are any, and the last attempt did not fail. */
int jobs_are_flushing(struct jobs *jobs);
/* What jobs_wait_frozen waits for: that at most count_max frozen segments of numbers up to `number` are left. */
struct frozen_wait {
    size_t count_max;
    uint64_t number;
    int insist;            /* a recent failure but for LODE_FULL does not end it */
    const lode_stop *stop; /* NULL: never */
};
/* A flush that fails ends the wait with its error, and so may the stop. */
NODISCARD lode_status jobs_wait_frozen(struct collection *collection,
                                       const struct frozen_wait *wait, lode_error *error);
NODISCARD lode_status jobs_wait_idle(struct collection *collection, uint64_t timeout_us,
                                     lode_error *error);
/* 1: a failure stands that may go away by itself, and the collection is not freed before jobs_drop. */
int jobs_failed_hold(struct collection *collection);
void jobs_drop(struct collection *collection);
/* Stop builds, refuse new jobs and wait for the running ones. */
void jobs_stop(struct collection *collection);

/* lode_flush and lode_compact. */
NODISCARD lode_status collection_flush(struct collection *collection, const lode_stop *stop,
                                       lode_error *error);
NODISCARD lode_status collection_compact(struct collection *collection, const lode_stop *stop,
                                         lode_error *error);

#endif
