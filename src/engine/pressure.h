/* pressure.h: what happens when the memory budget (os/budget.h) is used up: rows in memory are written out, the most
 * first, whichever database of the process they are in; writers wait for that; and only when nothing moves any more
 * are they refused. Builds wait for one another. Reads are neither asked nor refused. */
#ifndef ENGINE_PRESSURE_H
#define ENGINE_PRESSURE_H

#include "engine/collection.h"

/* For so long a writer waits while nothing is given back. */
#define PRESSURE_PATIENCE_US ((uint64_t)5000000)

/* Databases whose rows may be asked to go. Leaving waits for who is just asking. No lock is held. */
NODISCARD lode_status pressure_join(lode_db *db, lode_error *error);
void pressure_leave(lode_db *db);

/* One writer's wait for room among rows in memory; zeroed in the beginning. */
struct pressure {
    uint64_t begin_us; /* 0: has not waited */
    uint64_t moved_us; /* when memory was last given back */
    uint64_t used;     /* what rows held then */
};

/* See that something gives memory back, and wait for it; then try again. LODE_NOMEM when nothing does, or why rows
 * cannot be written out. No lock is held, above all not the lane. */
NODISCARD lode_status pressure_wait(struct collection *collection, struct pressure *pressure,
                                    lode_error *error);
/* The wait, if there was one, is over. */
void pressure_end(const struct pressure *pressure);

/* What a batch takes on its way to the log, from its encoding on. LODE_LIMIT when it could never be had,
 * LODE_NOMEM when other batches have it and do not end. */
NODISCARD lode_status pressure_admit_batch(const struct collection *collection, size_t count,
                                           uint64_t bytes, lode_error *error);
void pressure_dismiss_batch(uint64_t bytes);

/* Memory of a build: have `bytes` beside the `held` that it has already, after builds that have them now; if that is
 * more than all builds may have, when there is hardly another. LODE_CANCELLED. */
NODISCARD lode_status pressure_admit_build(const struct collection *collection, uint64_t bytes,
                                           uint64_t held, lode_error *error);
void pressure_dismiss_build(uint64_t bytes);
/* The rows of the largest graph of this collection that is to be built in memory. */
uint64_t pressure_rows_max(const struct collection *collection);
/* The bytes at which its growing segments are full. */
uint64_t pressure_growing_bytes(const struct collection *collection);

#endif
