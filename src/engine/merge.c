/* merge.c: background merges go by tiers; a compaction takes everything. */
#include "engine/merge.h"

#include <stdlib.h>

#include "base/limits.h"
#include "engine/build.h"
#include "engine/pressure.h"

/* Four of a size become one. More would leave more segments to search, fewer would rebuild graphs more
 * often: each point's graph is built once a tier. */
#define TIER_WIDTH     4u
#define DEAD_SHARE_MAX 0.25

size_t merge_inputs(const struct store *store, const struct version *version,
                    struct compaction_input *inputs)
{
    size_t count = 0;
    for (size_t i = 0; i < version->view_count; i++) {
        const struct segment_view *view = &version->views[i];
        uint64_t disk = 0, memory = 0, mapped = 0;
        if (!view->segment->sealed)
            continue;
        view->segment->ops->sizes(view->segment, &disk, &memory, &mapped);
        inputs[count++] = (struct compaction_input){
            .number = view->segment->number,
            .bytes = disk,
            .row_count = view->row_count,
            .live_count = view->live_count,
            .is_hasty = build_has_hasty_graph(store, view),
            .busy = segment_is_damaged(view->segment, DAMAGE_OF_ROWS, NULL),
        };
    }
    return count;
}

static struct compaction_options merge_options(const struct collection *collection)
{
    return (struct compaction_options){
        .tier_width = TIER_WIDTH,
        .tier_bytes_base = pressure_growing_bytes(collection),
        .dead_share_max = DEAD_SHARE_MAX,
        .rows_max = pressure_rows_max(collection),
    };
}

size_t merge_choose(const struct collection *collection, const struct compaction_input *inputs,
                    size_t count, size_t *chosen, lode_job_reason *ret_reason)
{
    static const lode_job_reason reasons[] = {
        [COMPACTION_TIER] = LODE_REASON_SIZE,
        [COMPACTION_DEAD] = LODE_REASON_DEAD,
        [COMPACTION_HASTY] = LODE_REASON_HASTY,
    };
    enum compaction_reason reason;
    struct compaction_options options = merge_options(collection);
    size_t chosen_count = compaction_plan(inputs, count, &options, chosen, &reason);
    if (chosen_count)
        *ret_reason = reasons[reason];
    return chosen_count;
}

size_t merge_debt(const struct collection *collection, const struct version *version)
{
    struct compaction_input *inputs = calloc(version->view_count + 1, sizeof *inputs);
    size_t *order = calloc(version->view_count + 1, sizeof *order);
    size_t debt = 0;
    if (inputs && order) {
        struct compaction_options options = merge_options(collection);
        size_t count = merge_inputs(&collection->store, version, inputs);
        debt = compaction_debt(inputs, count, &options, order);
    }
    free(inputs);
    free(order);
    return debt;
}

/* --- lode_flush -------------------------------------------------------------------------------- */

lode_status collection_flush(struct collection *collection, const lode_stop *stop,
                             lode_error *error)
{
    struct frozen_wait wait = {
        .count_max = FROZEN_MAX - 1, .number = UINT64_MAX, .insist = 1, .stop = stop};
    lode_status status = jobs_wait_frozen(collection, &wait, error);
    if (status)
        return status;
    lane_enter(&collection->lane);
    status = collection_freeze(collection, error);
    wait.number = atomic_load(&collection->next_number) - 1;
    wait.count_max = 0;
    lane_leave(&collection->lane);
    return status ? status : jobs_wait_frozen(collection, &wait, error);
}

/* --- lode_compact ------------------------------------------------------------------------------ */

/* Have the sealed segments for this thread alone: stop the builds in progress, let none begin. */
static lode_status begin_exclusive(struct collection *collection, const lode_stop *stop,
                                   lode_error *error)
{
    struct jobs *jobs = &collection->jobs;
    lode_status status = LODE_OK;
    mutex_lock(&jobs->mutex);
    while (!status && jobs->exclusive && !jobs->closing)
        status = jobs_sleep_unless(collection, stop, error);
    if (!status && jobs->closing)
        status =
            error_set(error, LODE_CANCELLED, "collection '%s' is being closed", collection->name);
    if (status) {
        mutex_unlock(&jobs->mutex);
        return status;
    }
    jobs->exclusive = 1;
    jobs->active++;
    atomic_store_explicit(&jobs->cancel.flag, 1, memory_order_relaxed);
    while (jobs->slots[SLOT_INDEX].active || jobs->slots[SLOT_MERGE].active)
        jobs_sleep(collection, 0);
    atomic_store_explicit(&jobs->cancel.flag, jobs->closing, memory_order_relaxed);
    jobs->cancel.stop = stop;
    mutex_unlock(&jobs->mutex);
    return LODE_OK;
}

static void end_exclusive(struct collection *collection, lode_status status)
{
    struct jobs *jobs = &collection->jobs;
    mutex_lock(&jobs->mutex);
    jobs->exclusive = 0;
    jobs->cancel.stop = NULL;
    if (status == LODE_OK)
        jobs->slots[SLOT_INDEX].error = jobs->slots[SLOT_MERGE].error = (lode_error){0};
    cond_broadcast(&jobs->changed);
    mutex_unlock(&jobs->mutex);
    jobs_poke(collection);
    mutex_lock(&jobs->mutex);
    jobs->active--;
    cond_broadcast(&jobs->changed);
    mutex_unlock(&jobs->mutex);
}

static int is_damaged(const struct version *version, size_t i)
{
    return i < version->view_count &&
           segment_is_damaged(version->views[i].segment, DAMAGE_OF_ROWS, NULL);
}

/* Views [first, *end) of sealed segments that fit one segment together; their numbers. */
static size_t next_group(const struct version *version, size_t first, uint64_t rows_max,
                         uint64_t *numbers)
{
    size_t count = 0;
    uint64_t rows = 0;
    for (size_t i = first; i < version->view_count && version->views[i].segment->sealed; i++) {
        if (is_damaged(version, i))
            break;
        rows += version->views[i].live_count;
        if (count > 0 && rows > rows_max)
            break;
        numbers[count++] = version->views[i].segment->number;
    }
    return count;
}

static lode_status compact_group(struct collection *collection, const struct segment_view *first,
                                 const uint64_t *numbers, size_t count, lode_error *error)
{
    if (count > 1 || first->live_count < first->row_count ||
        build_has_hasty_graph(&collection->store, first))
        return merge_segments(collection, numbers, count, LODE_REASON_REQUEST, error);
    if (build_wants_graph(collection, first) || build_wants_columns(collection, first))
        return index_segment(collection, numbers[0], LODE_REASON_REQUEST, error);
    return LODE_OK;
}

/* *ret_freed: the disk was full, and yet something was given back. */
static lode_status compact_sealed(struct collection *collection, int *ret_freed, lode_error *error)
{
    struct version *version = collection_pin(collection);
    uint64_t *numbers = calloc(version->view_count + 1, sizeof *numbers);
    lode_status status = numbers ? LODE_OK : error_nomem(error, "a compaction", sizeof *numbers);
    size_t count = 0;
    for (size_t first = 0; !status; first += count) {
        count = 1;
        if (is_damaged(version, first))
            continue;
        count = next_group(version, first, pressure_rows_max(collection), numbers);
        if (count == 0)
            break;
        status = compact_group(collection, &version->views[first], numbers, count, error);
    }
    version_unref(version);
    *ret_freed =
        status == LODE_FULL && (merge_each(collection, numbers, count) ||
                                merge_fewer(collection, numbers, count, LODE_REASON_REQUEST));
    free(numbers);
    return status;
}

/* On a full disk what can be made smaller is, and then there may be room for all of it. */
static lode_status compact_all(struct collection *collection, lode_error *error)
{
    int freed = 0;
    lode_status status = compact_sealed(collection, &freed, error);
    while (freed)
        status = compact_sealed(collection, &freed, error);
    return status;
}

static lode_status expire(struct collection *collection, lode_error *error)
{
    lane_enter(&collection->lane);
    lode_status status = collection_expire(collection, collection_now_ms(collection), error);
    lane_leave(&collection->lane);
    return status;
}

lode_status collection_compact(struct collection *collection, const lode_stop *stop,
                               lode_error *error)
{
    /* What cannot be written out on a full disk may be once sealed segments are smaller. */
    lode_status flushed = collection_flush(collection, stop, error);
    if (flushed && flushed != LODE_FULL)
        return flushed;
    lode_status status = begin_exclusive(collection, stop, error);
    if (status)
        return status;
    status = expire(collection, error);
    if (!status)
        status = compact_all(collection, error);
    end_exclusive(collection, status);
    if (status == LODE_CANCELLED) { /* by its caller: told so, and not where that was */
        lode_status stopped = stop_look(stop, error);
        return stopped ? stopped : status;
    }
    return !status && flushed ? collection_flush(collection, stop, error) : status;
}
