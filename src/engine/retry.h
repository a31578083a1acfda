/* retry.h: background work that failed is tried again by itself, also where nobody calls.
 *
 * A thread of the database, begun by the first failure, looks every RETRY_LOOK_US whether a job that failed
 * may be tried again (jobs.h says when), as long as a failure stands; then it sleeps until the next one. A
 * database in which nothing fails has no such thread. */
#ifndef ENGINE_RETRY_H
#define ENGINE_RETRY_H

#include "base/error.h"
#include "os/thread.h"

#define RETRY_LOOK_US ((uint64_t)250000)

struct retry {
    struct mutex mutex;
    struct cond changed; /* wanted or stopping */
    int enabled;         /* 0: whoever brought executors of their own pokes for themselves */
    int started;
    int wanted; /* a failure may stand */
    int stopping;
    struct thread thread;
};

void retry_init(struct retry *retry, int enabled);
/* A job has failed. Takes no lock but its own. */
void retry_wake(lode_db *db);
/* Ends the thread; before collections are closed for good. */
void retry_stop(lode_db *db);
void retry_release(struct retry *retry);

#endif
