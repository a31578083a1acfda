/* stats.c: figures of one moment; those of jobs and segments need not be of the very same one. */
#include <stdlib.h>
#include <string.h>

#include "engine/files.h"
#include "engine/logs.h"
#include "engine/merge.h"
#include "engine/read.h"

struct stats {
    lode_stats head; /* what the caller sees: first, so that both have one address */
    lode_job_stats jobs[SLOT_COUNT + 1]; /* and a compaction */
    lode_job_record history[JOB_HISTORY_MAX];
    lode_segment_stats segments[];
};

static lode_segment_state state_of(const struct segment_view *view, const struct index *index,
                                   uint64_t growing)
{
    if (segment_is_damaged(view->segment, DAMAGE_OF_ROWS, NULL))
        return LODE_SEGMENT_DAMAGED;
    if (view->segment->sealed)
        return index ? LODE_SEGMENT_INDEXED : LODE_SEGMENT_SEALED;
    return view->segment->number == growing ? LODE_SEGMENT_GROWING : LODE_SEGMENT_FLUSHING;
}

static void describe_segment(const struct segment_view *view, uint64_t growing, lode_stats *stats,
                             lode_segment_stats *ret_segment)
{
    const struct segment *segment = view->segment;
    uint32_t covered = 0;
    uint64_t disk = 0, memory = 0, mapped = 0;
    const struct index *index = segment->ops->index(segment, &covered);
    segment->ops->sizes(segment, &disk, &memory, &mapped);
    *ret_segment = (lode_segment_stats){
        .number = segment->number,
        .state = state_of(view, index, growing),
        .rows = view->row_count,
        .dead_rows = view->row_count - view->live_count,
        .graph_rows = !index                      ? 0
                      : covered < view->row_count ? covered
                                                  : view->row_count,
        .disk_bytes = disk,
        .memory_bytes = memory,
    };
    lode_error reason;
    if (segment_is_damaged(segment, DAMAGE_OF_ANY, &reason))
        memcpy(ret_segment->damage, reason.message, sizeof ret_segment->damage);
    stats->memory_bytes += memory;
    stats->mapped_bytes += mapped;
}

/* The segment that takes writes: growing and not frozen. 0: none. */
static uint64_t growing_number(struct collection *collection, const struct version *version)
{
    if (version->view_count == 0)
        return 0;
    const struct segment *last = version->views[version->view_count - 1].segment;
    struct jobs *jobs = &collection->jobs;
    uint64_t number = last->sealed ? 0 : last->number;
    mutex_lock(&jobs->mutex);
    for (size_t i = 0; i < jobs->frozen_count; i++)
        if (jobs->frozen[i].number == number)
            number = 0;
    mutex_unlock(&jobs->mutex);
    return number;
}

static void describe_jobs(struct collection *collection, struct stats *stats)
{
    struct jobs *jobs = &collection->jobs;
    uint64_t now = clock_now_us(collection->db->clock);
    size_t room = sizeof stats->jobs / sizeof stats->jobs[0];
    mutex_lock(&jobs->mutex);
    for (const struct job *job = jobs->list.running; job && stats->head.job_count < room;
         job = job->next)
        job_describe(&jobs->list, job, now, &stats->jobs[stats->head.job_count++]);
    for (size_t i = 0; i < stats->head.job_count; i++)
        if (stats->jobs[i].kind != LODE_JOB_FLUSH && !stats->jobs[i].waiting &&
            readers_are_given_way(&collection->db->readers))
            stats->jobs[i].waiting = LODE_WAIT_READERS;
    stats->head.history_count = job_history(&jobs->list, stats->history);
    stats->head.flushed_bytes = jobs->list.flushed_bytes;
    stats->head.rewritten_bytes = jobs->list.rewritten_bytes;
    stats->head.delays = jobs->delays;
    stats->head.delayed_ms = jobs->delayed_us / 1000;
    for (size_t i = 0; i < jobs->frozen_count; i++)
        stats->head.wal_bytes += jobs->frozen[i].wal_bytes;
    for (int i = 0; i < SLOT_COUNT; i++)
        if (jobs->slots[i].error.status && !stats->head.job_error.status)
            stats->head.job_error = jobs->slots[i].error;
    mutex_unlock(&jobs->mutex);
}

static void describe_model(struct collection *collection, lode_stats *stats)
{
    struct text_model *model = collection_model(collection);
    if (!model)
        return;
    stats->text_model_version = model->version;
    if (model->embedder)
        stats->memory_bytes += model->embedder->ops->memory(model->embedder);
    text_model_unref(model);
}

static void describe(struct collection *collection, const struct version *version,
                     struct stats *stats)
{
    lode_stats *head = &stats->head;
    head->points = version->point_count;
    head->sequence = version->sequence;
    head->generation = version->generation;
    head->segments = stats->segments;
    head->segment_count = version->view_count;
    head->jobs = stats->jobs;
    head->history = stats->history;
    head->snapshots = atomic_load_explicit(&collection->snapshots, memory_order_relaxed);
    head->named_snapshots = named_count(collection);
    struct logs_kept kept;
    logs_measure(collection, version, &kept);
    head->kept_log_bytes = kept.bytes;
    head->kept_log_sequence = kept.first_sequence;
    head->wal_bytes = atomic_load_explicit(&collection->wal_bytes, memory_order_relaxed);
    uint64_t growing = growing_number(collection, version);
    for (size_t i = 0; i < version->view_count; i++)
        describe_segment(&version->views[i], growing, head, &stats->segments[i]);
    describe_jobs(collection, stats);
    head->merge_debt = merge_debt(collection, version);
    describe_model(collection, head);
}

lode_status stats_get(struct collection *collection, lode_stats **ret_stats, lode_error *error)
{
    struct version *version;
    lode_status status = collection_pin_now(collection, &version, NULL, error);
    if (status)
        return status;
    size_t size = sizeof(struct stats) + version->view_count * sizeof(lode_segment_stats);
    struct stats *stats = calloc(1, size);
    if (!stats)
        status = error_nomem(error, "statistics", size);
    if (!status) {
        describe(collection, version, stats);
        status = files_size(collection->store.vfs, collection->dir, &stats->head.disk_bytes, error);
    }
    version_unref(version);
    if (status)
        free(stats);
    else
        *ret_stats = &stats->head;
    return status;
}
