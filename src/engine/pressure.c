/* pressure.c: see pressure.h. */
#include "engine/pressure.h"

#include <stdlib.h>

#include "base/limits.h"
#include "engine/build.h"
#include "index/estimate.h"
#include "os/budget.h"

#define WAIT_STEP_US ((uint64_t)20000) /* between two looks at what nobody tells of */
/* A segment that grows may take this share of what all of them may: while one is written out, the next one fills. */
#define GROWING_SHARES 3u

/* --- Who is here ------------------------------------------------------------------------------- */

static struct mutex joined_mutex = {PTHREAD_MUTEX_INITIALIZER}; /* before all other locks */
static lode_db **joined;
static size_t joined_count, joined_capacity;

lode_status pressure_join(lode_db *db, lode_error *error)
{
    lode_status status = LODE_OK;
    mutex_lock(&joined_mutex);
    if (joined_count == joined_capacity) {
        size_t capacity = 2 * joined_capacity + 4;
        lode_db **grown = realloc(joined, capacity * sizeof(lode_db *));
        if (grown) {
            joined = grown;
            joined_capacity = capacity;
        } else {
            status = error_nomem(error, "the list of databases", capacity * sizeof(lode_db *));
        }
    }
    if (!status)
        joined[joined_count++] = db;
    mutex_unlock(&joined_mutex);
    return status;
}

void pressure_leave(lode_db *db)
{
    mutex_lock(&joined_mutex);
    size_t i = 0;
    while (i < joined_count && joined[i] != db)
        i++;
    if (i < joined_count)
        joined[i] = joined[--joined_count];
    if (joined_count == 0) {
        free(joined);
        joined = NULL;
        joined_capacity = 0;
    }
    mutex_unlock(&joined_mutex);
}

/* --- Rows that can go -------------------------------------------------------------------------- */

struct candidate {
    lode_db *db; /* NULL: none */
    uint64_t uid;
    uint64_t held;   /* by its growing segment */
    int is_flushing; /* some segment, of whomever, is on its way out already */
};

/* What the segment that takes writes holds of the budget; 0: there is none, or it is empty. */
static uint64_t held_by(struct collection *collection)
{
    struct version *version = collection_pin(collection);
    const struct segment_view *last =
        version->view_count ? &version->views[version->view_count - 1] : NULL;
    int grows = last && !last->segment->sealed && last->row_count > 0;
    uint64_t held = grows ? growing_held(last->segment) : 0;
    version_unref(version);
    return held;
}

/* Who only reads writes nothing out, and what cannot be written out gives nothing back. */
static void look_into(lode_db *db, struct candidate *best)
{
    if (db->read_only)
        return;
    mutex_lock(&db->mutex);
    for (struct collection *c = db->collections; c; c = c->next) {
        if (c->state != COLLECTION_OPEN)
            continue;
        if (jobs_frozen_count(&c->jobs) > 0) {
            best->is_flushing |= jobs_are_flushing(&c->jobs);
            continue;
        }
        uint64_t held = held_by(c);
        if (held > best->held)
            *best = (struct candidate){db, c->uid, held, best->is_flushing};
    }
    mutex_unlock(&db->mutex);
}

/* One more handle to it, unless it is being closed. */
static struct collection *hold(const struct candidate *candidate)
{
    struct collection *held = NULL;
    mutex_lock(&candidate->db->mutex);
    for (struct collection *c = candidate->db->collections; c; c = c->next)
        if (c->uid == candidate->uid && c->state == COLLECTION_OPEN && db_retain_open(c))
            held = c;
    mutex_unlock(&candidate->db->mutex);
    return held;
}

static int freeze(struct collection *collection)
{
    lane_enter(&collection->lane);
    int frozen = !collection->broken.status && collection_freeze(collection, NULL) == LODE_OK;
    lane_leave(&collection->lane);
    jobs_poke(collection);
    return frozen;
}

/* Have the largest growing segment of all written out, unless one is on its way: whether one is. Nobody's database
 * is closed meanwhile. */
static int relieve(void)
{
    struct candidate best = {0};
    mutex_lock(&joined_mutex);
    for (size_t i = 0; i < joined_count; i++)
        look_into(joined[i], &best);
    int goes = best.is_flushing;
    struct collection *largest = best.db && !goes ? hold(&best) : NULL;
    if (largest) {
        goes = freeze(largest);
        db_release(largest);
    }
    mutex_unlock(&joined_mutex);
    return goes;
}

/* --- Rows that wait for room ------------------------------------------------------------------- */

/* Whether memory has been given back since the last look, or it is too early to say. */
static int still_moves(struct pressure *pressure)
{
    uint64_t now = clock_us(), used = budget_used(BUDGET_GROWING);
    if (pressure->begin_us == 0)
        pressure->begin_us = now;
    if (pressure->moved_us == 0 || used < pressure->used)
        pressure->moved_us = now;
    pressure->used = used;
    return now - pressure->moved_us < PRESSURE_PATIENCE_US;
}

static lode_status refuse(const struct pressure *pressure, lode_error *error)
{
    budget_refused();
    return error_set(error, LODE_NOMEM,
                     "memory budget of %llu bytes: rows not written out yet hold %llu of their "
                     "%llu, and none was given back for %u s: close snapshots and iterators that "
                     "show them, or raise the budget",
                     (unsigned long long)budget_bytes(), (unsigned long long)pressure->used,
                     (unsigned long long)budget_share(BUDGET_GROWING),
                     (unsigned)(PRESSURE_PATIENCE_US / 1000000));
}

lode_status pressure_wait(struct collection *collection, struct pressure *pressure,
                          lode_error *error)
{
    uint64_t seen = budget_returns();
    size_t frozen = jobs_frozen_count(&collection->jobs);
    if (!still_moves(pressure))
        return refuse(pressure, error);
    if (frozen > 0) {
        const struct frozen_wait wait = {.count_max = frozen - 1, .number = UINT64_MAX};
        lode_status status = jobs_wait_frozen(collection, &wait, error);
        pressure->moved_us = clock_us();
        return status;
    }
    if (relieve() && jobs_frozen_count(&collection->jobs) > 0)
        return LODE_OK;
    (void)budget_wait(seen, WAIT_STEP_US);
    return LODE_OK;
}

void pressure_end(const struct pressure *pressure)
{
    if (pressure->begin_us)
        budget_waited(clock_us() - pressure->begin_us);
}

/* --- Batches ----------------------------------------------------------------------------------- */

static lode_status refuse_batch(const struct collection *collection, size_t count, uint64_t bytes,
                                lode_error *error)
{
    uint64_t share = budget_share(BUDGET_WRITE);
    budget_refused();
    if (bytes > share)
        return error_set(
            error, LODE_LIMIT,
            "collection '%s': a batch of %zu operations takes %llu bytes of memory; of "
            "a budget of %llu, batches may take %llu: write fewer at once",
            collection->name, count, (unsigned long long)bytes, (unsigned long long)budget_bytes(),
            (unsigned long long)share);
    return error_set(error, LODE_NOMEM,
                     "memory budget of %llu bytes: other batches on their way hold %llu of their "
                     "%llu, and none has ended for %u s; this one needs %llu",
                     (unsigned long long)budget_bytes(),
                     (unsigned long long)budget_used(BUDGET_WRITE), (unsigned long long)share,
                     (unsigned)(PRESSURE_PATIENCE_US / 1000000), (unsigned long long)bytes);
}

lode_status pressure_admit_batch(const struct collection *collection, size_t count, uint64_t bytes,
                                 lode_error *error)
{
    if (budget_try(BUDGET_WRITE, bytes))
        return LODE_OK;
    uint64_t begin = clock_us(), moved = begin, used = budget_used(BUDGET_WRITE);
    for (;;) {
        uint64_t seen = budget_returns();
        if (budget_try(BUDGET_WRITE, bytes)) {
            budget_waited(clock_us() - begin);
            return LODE_OK;
        }
        uint64_t before = used;
        used = budget_used(BUDGET_WRITE);
        moved = used < before ? clock_us() : moved;
        if (bytes > budget_share(BUDGET_WRITE) || clock_us() - moved >= PRESSURE_PATIENCE_US)
            return refuse_batch(collection, count, bytes, error);
        (void)budget_wait(seen, WAIT_STEP_US);
    }
}

void pressure_dismiss_batch(uint64_t bytes)
{
    budget_give(BUDGET_WRITE, bytes);
}

/* --- Builds ------------------------------------------------------------------------------------ */

lode_status pressure_admit_build(const struct collection *collection, uint64_t bytes, uint64_t held,
                                 lode_error *error)
{
    uint64_t share = budget_share(BUDGET_BUILD);
    for (;;) {
        uint64_t seen = budget_returns();
        if (budget_try(BUDGET_BUILD, bytes))
            return LODE_OK;
        if (bytes + held > share && budget_used(BUDGET_BUILD) <= held + share / 2) {
            budget_take(BUDGET_BUILD, bytes); /* what any graph of so many dimensions takes */
            return LODE_OK;
        }
        if (cancel_is_wanted(&collection->jobs.cancel))
            return error_set(error, LODE_CANCELLED, "graph: build cancelled");
        (void)budget_wait(seen, WAIT_STEP_US);
    }
}

void pressure_dismiss_build(uint64_t bytes)
{
    budget_give(BUDGET_BUILD, bytes);
}

uint64_t pressure_rows_max(const struct collection *collection)
{
    if (budget_bytes() == 0)
        return SEGMENT_ROWS_MAX;
    int has_graph = collection->store.index == LODE_INDEX_HNSW;
    struct estimate estimate = has_graph ? build_estimate(collection) : (struct estimate){0};
    estimate.per_row += BUILD_ROW_BYTES;
    estimate.fixed += BUILD_WRITE_BYTES;
    uint64_t rows = estimate_rows(estimate, budget_share(BUDGET_BUILD));
    uint64_t least = (uint64_t)BUILD_ROWS_LEAST;
    rows = rows > least ? rows : least;
    return rows < SEGMENT_ROWS_MAX ? rows : SEGMENT_ROWS_MAX;
}

uint64_t pressure_growing_bytes(const struct collection *collection)
{
    uint64_t bytes = collection->db->growing_bytes_max, share = budget_share(BUDGET_GROWING);
    if (share == UINT64_MAX)
        return bytes;
    struct growing_options options = {
        .space = &collection->store.space,
        .bytes_max = bytes,
        .use_graph = collection->store.index == LODE_INDEX_HNSW,
        .params = collection->store.params,
    };
    uint64_t within = growing_bytes_within(&options, share / GROWING_SHARES);
    uint64_t least = bytes < GROWING_BYTES_MIN ? bytes : GROWING_BYTES_MIN;
    return within > least ? within : least;
}
