/* jobs.c: when background work is due, and who waits for it. The work itself: flush.c, build.c, merge.c. */
#include "engine/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/build.h"
#include "engine/collection.h"
#include "engine/merge.h"
#include "engine/overlay.h"

#define STOP_LOOK_US ((uint64_t)10000) /* between two looks of a caller who waits */

void jobs_init(struct jobs *jobs)
{
    mutex_init(&jobs->mutex);
    cond_init(&jobs->changed);
}

void jobs_release(struct jobs *jobs)
{
    free(jobs->frozen);
    free(jobs->merging);
    cond_release(&jobs->changed);
    mutex_release(&jobs->mutex);
}

/* --- Frozen segments --------------------------------------------------------------------------- */

lode_status jobs_frozen_reserve(struct jobs *jobs, lode_error *error)
{
    mutex_lock(&jobs->mutex);
    lode_status status = LODE_OK;
    if (jobs->frozen_count == jobs->frozen_capacity) {
        size_t capacity = jobs->frozen_capacity * 2 + FROZEN_MAX;
        struct frozen *frozen = realloc(jobs->frozen, capacity * sizeof *frozen);
        if (frozen) {
            jobs->frozen = frozen;
            jobs->frozen_capacity = capacity;
        } else {
            status = error_nomem(error, "frozen segments", capacity * sizeof *frozen);
        }
    }
    mutex_unlock(&jobs->mutex);
    return status;
}

void jobs_frozen_push(struct jobs *jobs, struct frozen frozen)
{
    mutex_lock(&jobs->mutex);
    INVARIANT(jobs->frozen_count < jobs->frozen_capacity);
    jobs->frozen[jobs->frozen_count++] = frozen;
    cond_broadcast(&jobs->changed);
    mutex_unlock(&jobs->mutex);
}

size_t jobs_frozen_count(struct jobs *jobs)
{
    mutex_lock(&jobs->mutex);
    size_t count = jobs->frozen_count;
    mutex_unlock(&jobs->mutex);
    return count;
}

int jobs_are_flushing(struct jobs *jobs)
{
    mutex_lock(&jobs->mutex);
    int are = jobs->frozen_count > 0 && !jobs->slots[SLOT_FLUSH].error.status;
    mutex_unlock(&jobs->mutex);
    return are;
}

static int oldest_frozen(struct jobs *jobs, struct frozen *ret_frozen)
{
    mutex_lock(&jobs->mutex);
    int found = jobs->frozen_count > 0;
    if (found)
        *ret_frozen = jobs->frozen[0];
    mutex_unlock(&jobs->mutex);
    return found;
}

static void pop_frozen(struct jobs *jobs)
{
    mutex_lock(&jobs->mutex);
    jobs->frozen_count--;
    memmove(jobs->frozen, jobs->frozen + 1, jobs->frozen_count * sizeof *jobs->frozen);
    cond_broadcast(&jobs->changed);
    mutex_unlock(&jobs->mutex);
}

/* --- Running ----------------------------------------------------------------------------------- */

/* Each failure in a row makes the wait twice as long: what fails may have read and written a lot. */
static uint64_t next_wait(const struct slot *slot, lode_status status)
{
    uint64_t wait = slot->wait_us ? slot->wait_us * 2 : JOB_RETRY_US;
    uint64_t max = status == LODE_FULL ? JOB_RETRY_FULL_US : JOB_RETRY_MAX_US;
    return wait < max ? wait : max;
}

/* Whether time alone may make an attempt succeed. */
static int may_heal(lode_status status)
{
    return status == LODE_FULL || status == LODE_IO || status == LODE_NOMEM;
}

/* The slot is free again; a failure is kept until an attempt succeeds. */
static void end_attempt(struct collection *collection, enum job_slot which, lode_status status,
                        const lode_error *error)
{
    struct jobs *jobs = &collection->jobs;
    mutex_lock(&jobs->mutex);
    struct slot *slot = &jobs->slots[which];
    slot->active = 0;
    slot->attempts++;
    if (status == LODE_OK)
        slot->error = (lode_error){0};
    else if (status != LODE_CANCELLED)
        slot->error = *error;
    slot->failed_us = status ? clock_now_us(collection->db->clock) : 0;
    slot->wait_us = status && status != LODE_CANCELLED ? next_wait(slot, status) : 0;
    if (which == SLOT_MERGE) {
        free(jobs->merging);
        jobs->merging = NULL;
        jobs->merging_count = 0;
    } else if (which == SLOT_INDEX) {
        jobs->indexing = 0;
    } else if (which == SLOT_OVERLAY) {
        atomic_store_explicit(&jobs->overlaid, 0, memory_order_relaxed);
    }
    cond_broadcast(&jobs->changed);
    mutex_unlock(&jobs->mutex);
}

/* The last thing a job does with its collection: who stops it may free it from here on. */
static void leave(struct collection *collection)
{
    struct jobs *jobs = &collection->jobs;
    mutex_lock(&jobs->mutex);
    jobs->active--;
    cond_broadcast(&jobs->changed);
    mutex_unlock(&jobs->mutex);
}

static void finish(struct collection *collection, enum job_slot which, lode_status status,
                   const lode_error *error)
{
    end_attempt(collection, which, status, error);
    jobs_poke(collection);
    if (may_heal(status))
        retry_wake(collection->db);
    leave(collection);
}

static void run_flush(void *context)
{
    struct collection *collection = context;
    lode_error error = {0};
    struct frozen frozen;
    lode_status status = LODE_OK;
    while (!status && oldest_frozen(&collection->jobs, &frozen)) {
        status = flush_frozen(collection, &frozen, &error);
        if (!status)
            pop_frozen(&collection->jobs);
    }
    finish(collection, SLOT_FLUSH, status, &error);
}

static void run_overlay(void *context)
{
    struct collection *collection = context;
    lode_error error = {0};
    lode_status status = overlay_slice(collection, &error);
    finish(collection, SLOT_OVERLAY, status, &error); /* pokes, and so comes again for the rest */
}

static void run_index(void *context)
{
    struct collection *collection = context;
    lode_error error = {0};
    lode_status status =
        index_segment(collection, collection->jobs.indexing, LODE_REASON_NO_GRAPH, &error);
    finish(collection, SLOT_INDEX, status, &error);
}

static void run_merge(void *context)
{
    struct collection *collection = context;
    lode_error error = {0};
    const struct jobs *jobs = &collection->jobs;
    lode_status status =
        merge_segments(collection, jobs->merging, jobs->merging_count, jobs->merge_reason, &error);
    if (status == LODE_FULL &&
        (merge_each(collection, jobs->merging, jobs->merging_count) ||
         merge_fewer(collection, jobs->merging, jobs->merging_count, jobs->merge_reason)))
        status = LODE_OK; /* what is due now is another merge */
    finish(collection, SLOT_MERGE, status, &error);
}

/* --- What is due ------------------------------------------------------------------------------- */

/* jobs.mutex is held by everything from here to jobs_poke. */

static int may_start(const struct collection *collection, enum job_slot which)
{
    const struct slot *slot = &collection->jobs.slots[which];
    if (slot->active)
        return 0;
    return !slot->error.status ||
           clock_now_us(collection->db->clock) - slot->failed_us >= slot->wait_us;
}

static int is_busy(const struct jobs *jobs, uint64_t number)
{
    if (jobs->indexing == number)
        return 1;
    for (size_t i = 0; i < jobs->merging_count; i++)
        if (jobs->merging[i] == number)
            return 1;
    return 0;
}

/* Whether a merge is due; its segments are then in jobs->merging. is_quiet: no rows are coming in. */
static int choose_merge(struct collection *collection, const struct version *version, int is_quiet)
{
    struct jobs *jobs = &collection->jobs;
    size_t count = 0, chosen_count = 0;
    struct compaction_input *inputs = calloc(version->view_count + 1, sizeof *inputs);
    size_t *chosen = calloc(version->view_count + 1, sizeof *chosen);
    uint64_t *numbers = calloc(version->view_count + 1, sizeof *numbers);
    if (inputs && chosen && numbers) {
        count = merge_inputs(&collection->store, version, inputs);
        for (size_t i = 0; i < count; i++) {
            inputs[i].busy |= is_busy(jobs, inputs[i].number);
            inputs[i].is_hasty = inputs[i].is_hasty && is_quiet;
        }
        chosen_count = merge_choose(collection, inputs, count, chosen, &jobs->merge_reason);
        for (size_t i = 0; i < chosen_count; i++)
            numbers[i] = inputs[chosen[i]].number;
    }
    free(inputs);
    free(chosen);
    if (chosen_count == 0) {
        free(numbers);
        return 0;
    }
    jobs->merging = numbers;
    jobs->merging_count = chosen_count;
    return 1;
}

/* A segment that wants a graph, or columns: the largest first, its scan costs most. */
static uint64_t choose_index(const struct collection *collection, const struct version *version)
{
    const struct segment_view *best = NULL;
    for (size_t i = 0; i < version->view_count; i++) {
        const struct segment_view *view = &version->views[i];
        if ((build_wants_graph(collection, view) || build_wants_columns(collection, view)) &&
            !is_busy(&collection->jobs, view->segment->number) &&
            (!best || view->row_count > best->row_count))
            best = view;
    }
    return best ? best->segment->number : 0;
}

/* Only a version of another generation has other segments: what dies between two of them is counted with the next. */
static void look_at_debt(struct collection *collection, const struct version *version)
{
    struct jobs *jobs = &collection->jobs;
    if (jobs->debt_generation == version->generation)
        return;
    jobs->debt_generation = version->generation;
    atomic_store_explicit(&jobs->debt, merge_debt(collection, version), memory_order_relaxed);
}

/* Upkeep of sealed segments. Merges go first, and no index is begun while segments are still coming in:
 * they would soon be merged, and the graph lost. */
static void upkeep_due(struct collection *collection, const struct version *version,
                       int due[SLOT_COUNT])
{
    struct jobs *jobs = &collection->jobs;
    if (collection->db->maintenance != LODE_MAINTAIN_AUTO)
        return;
    due[SLOT_OVERLAY] = may_start(collection, SLOT_OVERLAY) && overlay_is_due(collection, version);
    if (collection->db->read_only)
        return;
    look_at_debt(collection, version);
    if (jobs->exclusive)
        return;
    int is_quiet =
        jobs->frozen_count == 0 && !jobs->slots[SLOT_OVERLAY].active && !due[SLOT_OVERLAY];
    due[SLOT_MERGE] =
        may_start(collection, SLOT_MERGE) && choose_merge(collection, version, is_quiet);
    if (jobs->frozen_count == 0 && may_start(collection, SLOT_INDEX))
        jobs->indexing = choose_index(collection, version);
    due[SLOT_INDEX] = !jobs->slots[SLOT_INDEX].active && jobs->indexing != 0;
}

/* The version is pinned with the mutex held: a job publishes what it did before it says, under the
 * mutex, that it has ended. An older version would show segments that the job has just replaced. */
static void take_due(struct collection *collection, int due[SLOT_COUNT])
{
    struct jobs *jobs = &collection->jobs;
    memset(due, 0, SLOT_COUNT * sizeof *due);
    mutex_lock(&jobs->mutex);
    struct version *version = collection_pin(collection);
    if (!jobs->closing) {
        due[SLOT_FLUSH] = jobs->frozen_count > 0 && !collection->db->read_only &&
                          may_start(collection, SLOT_FLUSH);
        upkeep_due(collection, version, due);
    }
    for (int i = 0; i < SLOT_COUNT; i++)
        if (due[i]) {
            jobs->slots[i].active = 1;
            jobs->active++;
        }
    if (due[SLOT_OVERLAY])
        atomic_store_explicit(&jobs->overlaid, 1, memory_order_relaxed);
    mutex_unlock(&jobs->mutex);
    version_unref(version); /* perhaps the last: it may unmap and remove files */
}

static void submit(struct collection *collection, enum job_slot which)
{
    static void (*const run[SLOT_COUNT])(void *) = {
        [SLOT_FLUSH] = run_flush,
        [SLOT_OVERLAY] = run_overlay,
        [SLOT_INDEX] = run_index,
        [SLOT_MERGE] = run_merge,
    };
    const lode_db *db = collection->db;
    int quick = which == SLOT_FLUSH || which == SLOT_OVERLAY;
    enum executor_priority priority = which == SLOT_FLUSH ? EXECUTOR_HIGH : EXECUTOR_LOW;
    lode_error error = {0};
    lode_status status =
        executor_submit(quick ? db->quick : db->executor, priority, run[which], collection, &error);
    if (status) {
        end_attempt(collection, which, status, &error);
        retry_wake(collection->db);
        leave(collection);
    }
}

void jobs_poke(struct collection *collection)
{
    int due[SLOT_COUNT];
    take_due(collection, due);
    for (int i = 0; i < SLOT_COUNT; i++)
        if (due[i])
            submit(collection, (enum job_slot)i);
}

/* --- Waiting ----------------------------------------------------------------------------------- */

void jobs_sleep(struct collection *collection, uint64_t timeout_us)
{
    struct jobs *jobs = &collection->jobs;
    const lode_db *db = collection->db;
    if (executor_is_stepped(db->quick)) {
        mutex_unlock(&jobs->mutex);
        int ran = executor_step(db->quick) || executor_step(db->executor);
        INVARIANT(ran || timeout_us); /* it waits for something that nobody does */
        mutex_lock(&jobs->mutex);
    } else if (timeout_us) {
        (void)cond_wait_us(&jobs->changed, &jobs->mutex, timeout_us);
    } else {
        cond_wait(&jobs->changed, &jobs->mutex);
    }
}

lode_status jobs_sleep_unless(struct collection *collection, const lode_stop *stop,
                              lode_error *error)
{
    lode_status status = stop_look(stop, error);
    if (!status)
        jobs_sleep(collection, stop ? STOP_LOOK_US : 0);
    return status;
}

static size_t frozen_up_to(const struct jobs *jobs, uint64_t number)
{
    size_t count = 0;
    while (count < jobs->frozen_count && jobs->frozen[count].number <= number)
        count++;
    return count;
}

/* Why it is no use to wait for the flush, if so; its next attempt is allowed. */
static lode_status flush_failure(struct jobs *jobs, uint64_t attempts, int insist,
                                 lode_error *error)
{
    struct slot *slot = &jobs->slots[SLOT_FLUSH];
    if (slot->active || !slot->error.status)
        return LODE_OK;
    /* Space may be there again: an attempt costs little while it is plain that it is not (room.h). */
    if (slot->attempts == attempts && (insist || slot->error.status == LODE_FULL)) {
        slot->failed_us = slot->wait_us = 0;
        return LODE_OK;
    }
    if (error)
        *error = slot->error;
    error_prefix(error, "full segments cannot be written out: ");
    return slot->error.status;
}

lode_status jobs_wait_frozen(struct collection *collection, const struct frozen_wait *wait,
                             lode_error *error)
{
    struct jobs *jobs = &collection->jobs;
    lode_status status = LODE_OK;
    mutex_lock(&jobs->mutex);
    uint64_t attempts = jobs->slots[SLOT_FLUSH].attempts;
    while (!status && frozen_up_to(jobs, wait->number) > wait->count_max) {
        if (jobs->closing) {
            status = error_set(error, LODE_CANCELLED, "collection '%s' is being closed",
                               collection->name);
            break;
        }
        if (!jobs->slots[SLOT_FLUSH].active) {
            mutex_unlock(&jobs->mutex);
            jobs_poke(collection); /* an attempt, when one is allowed */
            mutex_lock(&jobs->mutex);
        }
        status = flush_failure(jobs, attempts, wait->insist, error);
        if (!status && jobs->slots[SLOT_FLUSH].active)
            status = jobs_sleep_unless(collection, wait->stop, error);
    }
    mutex_unlock(&jobs->mutex);
    return status;
}

/* The first failure that stands. */
static lode_status standing_failure(const struct jobs *jobs, lode_error *error)
{
    for (int i = 0; i < SLOT_COUNT; i++)
        if (jobs->slots[i].error.status) {
            if (error)
                *error = jobs->slots[i].error;
            return jobs->slots[i].error.status;
        }
    return LODE_OK;
}

lode_status jobs_wait_idle(struct collection *collection, uint64_t timeout_us, lode_error *error)
{
    struct jobs *jobs = &collection->jobs;
    const struct clock *clock = collection->db->clock;
    uint64_t begin = clock_now_us(clock);
    lane_enter(&collection->lane);
    lode_status expired = collection_expire(collection, collection_now_ms(collection),
                                            NULL); /* its rows are dead to merges now */
    lane_leave(&collection->lane);
    (void)expired; /* without memory they are at the next write */
    jobs_poke(collection);
    mutex_lock(&jobs->mutex);
    int out_of_time = 0;
    while (jobs->active > 0 && !out_of_time) {
        uint64_t spent = clock_now_us(clock) - begin;
        if (timeout_us == 0)
            jobs_sleep(collection, 0);
        else if (spent < timeout_us)
            jobs_sleep(collection, timeout_us - spent);
        else
            out_of_time = 1;
    }
    lode_status status =
        out_of_time ? error_set(error, LODE_PARTIAL, "background work goes on after %llu ms",
                                (unsigned long long)(timeout_us / 1000))
                    : standing_failure(jobs, error);
    mutex_unlock(&jobs->mutex);
    return status;
}

int jobs_failed_hold(struct collection *collection)
{
    struct jobs *jobs = &collection->jobs;
    int stands = 0;
    mutex_lock(&jobs->mutex);
    for (int i = 0; i < SLOT_COUNT; i++)
        stands |= may_heal(jobs->slots[i].error.status);
    stands = stands && !jobs->closing;
    jobs->active += (unsigned)stands;
    mutex_unlock(&jobs->mutex);
    return stands;
}

void jobs_drop(struct collection *collection)
{
    leave(collection);
}

void jobs_stop(struct collection *collection)
{
    struct jobs *jobs = &collection->jobs;
    mutex_lock(&jobs->mutex);
    jobs->closing = 1;
    atomic_store_explicit(&jobs->cancel.flag, 1, memory_order_relaxed);
    cond_broadcast(&jobs->changed);
    while (jobs->active > 0)
        jobs_sleep(collection, 0);
    mutex_unlock(&jobs->mutex);
}
