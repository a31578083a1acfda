/* metrics_collections.c: what the engine says of each collection, in the text format, and of jobs that have ended. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "server/metrics_state.h"

static const char *const kind_names[METRICS_JOB_KINDS] = {
    [LODE_JOB_FLUSH] = "flush", [LODE_JOB_INDEX] = "index", [LODE_JOB_MERGE] = "merge"};
#define STATES (LODE_SEGMENT_DAMAGED + 1) /* they begin at 1 */
static const char *const state_names[STATES] = {
    [LODE_SEGMENT_GROWING] = "growing", [LODE_SEGMENT_FLUSHING] = "flushing",
    [LODE_SEGMENT_SEALED] = "sealed",   [LODE_SEGMENT_INDEXED] = "indexed",
    [LODE_SEGMENT_DAMAGED] = "damaged",
};

/* Of one collection, or the sums of several. */
struct totals {
    const char *name;
    uint64_t points, sequence, snapshots;
    uint64_t owned_bytes, mapped_bytes, disk_bytes, wal_bytes, kept_bytes;
    uint64_t segments[STATES];
    uint64_t live_rows, graph_rows, dead_rows;
    uint64_t merge_debt, delays, delayed_ms, flushed_bytes, rewritten_bytes;
    uint64_t running[METRICS_JOB_KINDS], done[METRICS_JOB_KINDS], total[METRICS_JOB_KINDS];
    uint64_t failing; /* 1; of several: how many of them */
};

/* --- Adding up ---------------------------------------------------------------------------------- */

static void add_segments(struct totals *totals, const lode_stats *stats)
{
    for (size_t i = 0; i < stats->segment_count; i++) {
        const lode_segment_stats *segment = &stats->segments[i];
        if ((size_t)segment->state < STATES)
            totals->segments[segment->state]++;
        uint64_t dead = segment->dead_rows < segment->rows ? segment->dead_rows : segment->rows;
        totals->live_rows += segment->rows - dead;
        totals->dead_rows += dead;
        totals->graph_rows += segment->graph_rows;
    }
}

static void add_jobs(struct totals *totals, const lode_stats *stats)
{
    for (size_t i = 0; i < stats->job_count; i++) {
        const lode_job_stats *job = &stats->jobs[i];
        if ((size_t)job->kind >= METRICS_JOB_KINDS)
            continue;
        totals->running[job->kind]++;
        totals->done[job->kind] += job->done < job->total ? job->done : job->total;
        totals->total[job->kind] += job->total;
    }
    totals->failing += stats->job_error.status != LODE_OK;
}

static void add_stats(struct totals *totals, const lode_stats *stats)
{
    totals->points += stats->points;
    totals->sequence += stats->sequence;
    totals->snapshots += stats->named_snapshots;
    totals->owned_bytes += stats->memory_bytes;
    totals->mapped_bytes += stats->mapped_bytes;
    totals->disk_bytes += stats->disk_bytes;
    totals->wal_bytes += stats->wal_bytes;
    totals->kept_bytes += stats->kept_log_bytes;
    totals->merge_debt += stats->merge_debt;
    totals->delays += stats->delays;
    totals->delayed_ms += stats->delayed_ms;
    totals->flushed_bytes += stats->flushed_bytes;
    totals->rewritten_bytes += stats->rewritten_bytes;
    add_segments(totals, stats);
    add_jobs(totals, stats);
}

static size_t gather(const struct metrics_sources *sources, struct totals *totals)
{
    size_t count = 0;
    for (size_t i = 0; i < sources->collection_count; i++) {
        const struct metrics_collection *collection = &sources->collections[i];
        if (i <=
            METRICS_COLLECTIONS_MAX) /* each of the first ones its own, the next for all others */
            totals[count++].name = i < METRICS_COLLECTIONS_MAX ? collection->name : METRICS_OTHER;
        add_stats(&totals[count - 1], collection->stats);
    }
    return count;
}

/* --- Telling ------------------------------------------------------------------------------------ */

static uint64_t number_at(const struct totals *totals, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)totals + offset);
}

struct family {
    const char *name, *type, *help;
    size_t offset;
};
#define OF(member) offsetof(struct totals, member)

static const struct family families[] = {
    {"lode_collection_points", "gauge", "Points.", OF(points)},
    {"lode_collection_sequence", "gauge", "Number of the last batch of writes.", OF(sequence)},
    {"lode_collection_disk_bytes", "gauge", "All its files.", OF(disk_bytes)},
    {"lode_collection_wal_bytes", "gauge",
     "Log that segments do not hold yet: what opening would have to replay.", OF(wal_bytes)},
    {"lode_collection_kept_log_bytes", "gauge",
     "Log that is kept for restoring to a point in time alone.", OF(kept_bytes)},
    {"lode_collection_named_snapshots", "gauge", "Snapshots kept under a name.", OF(snapshots)},
    {"lode_merge_debt", "gauge", "Segments that wait for a merge; above 8 writes are slowed.",
     OF(merge_debt)},
    {"lode_write_delays_total", "counter", "Batches of writes that were slowed.", OF(delays)},
    {"lode_flushed_bytes_total", "counter", "Bytes of segments written from memory.",
     OF(flushed_bytes)},
    {"lode_rewritten_bytes_total", "counter", "Bytes of segments written by merges and indexing.",
     OF(rewritten_bytes)},
    {"lode_job_failing", "gauge",
     "1: the last attempt of background work has failed; it is tried again.", OF(failing)},
};

/* A family whose samples have a second label. */
static void put_part(struct exposition *text, const struct totals *totals, const char *label,
                     const char *value, uint64_t number)
{
    exposition_label(text, 0, "collection", totals->name);
    exposition_label(text, 1, label, value);
    exposition_u64(text, number);
}

static void put_parts(struct exposition *text, const struct totals *all, size_t count)
{
    exposition_family(text, "lode_collection_memory_bytes", "gauge",
                      "Memory, owned by it and of files mapped, in memory or not.");
    for (size_t i = 0; i < count; i++) {
        put_part(text, &all[i], "part", "owned", all[i].owned_bytes);
        put_part(text, &all[i], "part", "mapped", all[i].mapped_bytes);
    }
    exposition_family(text, "lode_collection_rows", "gauge",
                      "Rows in segments: living, of them in graphs, and dead ones.");
    for (size_t i = 0; i < count; i++) {
        put_part(text, &all[i], "state", "living", all[i].live_rows);
        put_part(text, &all[i], "state", "in_graph", all[i].graph_rows);
        put_part(text, &all[i], "state", "dead", all[i].dead_rows);
    }
    exposition_family(text, "lode_collection_segments", "gauge", "Segments by state.");
    for (size_t i = 0; i < count; i++)
        for (size_t j = LODE_SEGMENT_GROWING; j < STATES; j++)
            put_part(text, &all[i], "state", state_names[j], all[i].segments[j]);
    exposition_family(text, "lode_write_delay_seconds_total", "counter",
                      "How long batches of writes were slowed, together.");
    for (size_t i = 0; i < count; i++) {
        exposition_label(text, 0, "collection", all[i].name);
        exposition_f64(text, (double)all[i].delayed_ms * 1e-3);
    }
}

static void put_running(struct exposition *text, const struct totals *all, size_t count)
{
    exposition_family(text, "lode_job_running", "gauge", "Background jobs that run now.");
    for (size_t i = 0; i < count; i++)
        for (size_t j = LODE_JOB_FLUSH; j < METRICS_JOB_KINDS; j++)
            put_part(text, &all[i], "kind", kind_names[j], all[i].running[j]);
    exposition_family(text, "lode_job_progress_ratio", "gauge",
                      "Of jobs that run now: how much of their rows is done.");
    for (size_t i = 0; i < count; i++)
        for (size_t j = LODE_JOB_FLUSH; j < METRICS_JOB_KINDS; j++) {
            if (!all[i].running[j])
                continue;
            exposition_label(text, 0, "collection", all[i].name);
            exposition_label(text, 1, "kind", kind_names[j]);
            exposition_f64(text,
                           all[i].total[j] ? (double)all[i].done[j] / (double)all[i].total[j] : 0);
        }
}

void metrics_text_collections(const struct metrics_sources *sources, struct exposition *text)
{
    exposition_one_u64(text, "lode_collections", "gauge", "Collections of the database.",
                       sources->collection_count);
    exposition_one_u64(text, "lode_collections_unopened", "gauge",
                       "Collections that cannot be opened, and of which nothing is told.",
                       sources->unopened);
    size_t room = sources->collection_count < METRICS_COLLECTIONS_MAX ? sources->collection_count
                                                                      : METRICS_COLLECTIONS_MAX;
    struct totals *all = calloc(room + 1, sizeof *all);
    if (!all && !text->status)
        text->status = error_nomem(text->error, "metrics of collections", (room + 1) * sizeof *all);
    if (text->status) {
        free(all);
        return;
    }
    size_t count = gather(sources, all);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        exposition_family(text, families[i].name, families[i].type, families[i].help);
        for (size_t j = 0; j < count; j++) {
            exposition_label(text, 0, "collection", all[j].name);
            exposition_u64(text, number_at(&all[j], families[i].offset));
        }
    }
    put_parts(text, all, count);
    put_running(text, all, count);
    free(all);
}

/* --- Jobs that have ended ------------------------------------------------------------------------ */

/* The engine tells the last few jobs of each collection, oldest first. Each is counted once, when it is first seen: those
 * that end later than what was seen, or at that very moment but were not among it. */

#define JOBS_ENTRIES_MAX 4096u /* collections; jobs of others are not counted */

static struct metrics_jobs_entry *jobs_entry(struct metrics *metrics, const char *collection)
{
    uint64_t hash = hash64(collection, strlen(collection), 0);
    for (size_t i = 0; i < metrics->job_count; i++)
        if (metrics->jobs[i].name_hash == hash)
            return &metrics->jobs[i];
    if (metrics->job_count == JOBS_ENTRIES_MAX)
        return NULL;
    if (!metrics->jobs)
        metrics->jobs = calloc(JOBS_ENTRIES_MAX, sizeof *metrics->jobs);
    if (!metrics->jobs)
        return NULL;
    struct metrics_jobs_entry *entry = &metrics->jobs[metrics->job_count++];
    entry->name_hash = hash;
    return entry;
}

static void count_ended(struct metrics *metrics, struct metrics_jobs_entry *entry,
                        const lode_stats *stats)
{
    uint64_t seen = entry->same_time; /* of that moment, still to be passed over */
    for (size_t i = 0; i < stats->history_count; i++) {
        const lode_job_record *job = &stats->history[i];
        if (job->ended_ms < entry->ended_ms || (size_t)job->kind >= METRICS_JOB_KINDS)
            continue;
        if (job->ended_ms == entry->ended_ms && seen) {
            seen--;
            continue;
        }
        entry->same_time = job->ended_ms == entry->ended_ms ? entry->same_time + 1 : 1;
        entry->ended_ms = job->ended_ms;
        metrics->ended[job->kind][job->error.status != LODE_OK]++;
        seen = 0;
    }
}

static void put_ended(const struct metrics *metrics, struct exposition *text, const char *name,
                      const char *help, size_t failed)
{
    exposition_family(text, name, "counter", help);
    for (size_t kind = LODE_JOB_FLUSH; kind < METRICS_JOB_KINDS; kind++) {
        exposition_label(text, 0, "kind", kind_names[kind]);
        exposition_u64(text, metrics->ended[kind][failed]);
    }
}

void metrics_text_jobs(struct metrics *metrics, const struct metrics_sources *sources,
                       struct exposition *text)
{
    mutex_lock(&metrics->lock);
    for (size_t i = 0; i < sources->collection_count && i < JOBS_ENTRIES_MAX; i++) {
        struct metrics_jobs_entry *entry = jobs_entry(metrics, sources->collections[i].name);
        if (entry)
            count_ended(metrics, entry, sources->collections[i].stats);
    }
    put_ended(metrics, text, "lode_jobs_done_total", "Background jobs that ended well.", 0);
    put_ended(metrics, text, "lode_jobs_failed_total", "Background jobs that failed.", 1);
    mutex_unlock(&metrics->lock);
}
