/* api_state.c: what an index is in now, and what is done about that: statistics, flush, compaction, namespaces,
 * snapshots. */
#include "server/api.h"
#include "server/index_stats.h"
#include "server/json_asked.h"
#include "server/metrics.h"
#include "server/namespace_page.h"
#include "server/routes.h"
#include "server/schema_json.h"
#include "server/service.h"

#include <string.h>

static const char *const no_names[] = {NULL};
static const char *const segment_states[] = {"",       "growing", "flushing",
                                             "sealed", "indexed", "damaged"};
static const char *const job_kinds[] = {"", "flush", "index", "merge"};
static const char *const job_reasons[] = {"",     "full",    "no_graph", "size",
                                          "dead", "expired", "hasty",    "request"};
static const char *const job_waits[] = {"nothing", "readers", "memory"};

/* --- Statistics ---------------------------------------------------------------------------------- */

static void write_segments(struct json_writer *json, const lode_stats *stats)
{
    json_write_key(json, "segments");
    json_write_array(json);
    for (size_t i = 0; i < stats->segment_count; i++) {
        const lode_segment_stats *segment = &stats->segments[i];
        json_write_object(json);
        json_write_count(json, "number", segment->number);
        json_write_text(json, "state", segment_states[segment->state]);
        json_write_count(json, "rows", segment->rows);
        json_write_count(json, "dead_rows", segment->dead_rows);
        json_write_count(json, "graph_rows", segment->graph_rows);
        json_write_count(json, "disk_bytes", segment->disk_bytes);
        json_write_count(json, "memory_bytes", segment->memory_bytes);
        if (segment->damage[0])
            json_write_text(json, "damage", segment->damage);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_job(struct json_writer *json, const lode_job_stats *job)
{
    json_write_object(json);
    json_write_text(json, "kind", job_kinds[job->kind]);
    json_write_text(json, "reason", job_reasons[job->reason]);
    json_write_count(json, "segments", job->segments);
    json_write_count(json, "rows", job->rows_in);
    json_write_count(json, "bytes", job->bytes_in);
    json_write_count(json, "done", job->done);
    json_write_count(json, "total", job->total);
    json_write_key(json, "progress");
    json_write_f64(json, job->total ? (double)job->done / (double)job->total : 0);
    json_write_count(json, "elapsed_ms", job->elapsed_ms);
    json_write_key(json, "eta_ms");
    if (job->eta_ms == LODE_ETA_UNKNOWN)
        json_write_null(json);
    else
        json_write_u64(json, job->eta_ms);
    json_write_key(json, "rows_per_s");
    json_write_f64(json, job->rate);
    json_write_text(json, "waits_for", job_waits[job->waiting]);
    json_write_object_end(json);
}

static void write_jobs(struct json_writer *json, const lode_stats *stats)
{
    json_write_key(json, "jobs");
    json_write_array(json);
    for (size_t i = 0; i < stats->job_count; i++)
        write_job(json, &stats->jobs[i]);
    json_write_array_end(json);
    json_write_key(json, "job_error");
    if (stats->job_error.status)
        json_write_string(json, stats->job_error.message, strlen(stats->job_error.message));
    else
        json_write_null(json);
}

/* Bytes by part: of memory, what is owned and what is mapped. */
static void write_bytes(struct json_writer *json, const lode_stats *stats,
                        const struct index_stats *sum)
{
    json_write_key(json, "memory");
    json_write_object(json);
    json_write_count(json, "owned_bytes", stats->memory_bytes);
    json_write_count(json, "mapped_bytes", stats->mapped_bytes);
    json_write_object_end(json);
    json_write_key(json, "disk");
    json_write_object(json);
    json_write_count(json, "total_bytes", stats->disk_bytes);
    json_write_count(json, "segment_bytes", sum->segment_bytes);
    json_write_count(json, "log_bytes", stats->wal_bytes);
    json_write_count(json, "kept_log_bytes", stats->kept_log_bytes);
    json_write_count(json, "other_bytes", sum->other_bytes);
    json_write_object_end(json);
}

static void write_freshness(struct json_writer *json, const lode_stats *stats,
                            const struct index_stats *sum)
{
    json_write_key(json, "freshness");
    json_write_object(json);
    json_write_count(json, "sequence", stats->sequence);
    json_write_count(json, "growing_rows", sum->growing_rows);
    json_write_count(json, "unindexed_rows", sum->unindexed_rows);
    json_write_count(json, "merge_debt", stats->merge_debt);
    json_write_count(json, "delayed_writes", stats->delays);
    json_write_count(json, "delayed_ms", stats->delayed_ms);
    json_write_object_end(json);
}

/* By operation, of those that were asked for. */
static void write_latency(struct json_writer *json, const struct metrics_index *index)
{
    json_write_key(json, "latency");
    json_write_object(json);
    for (size_t i = 0; i < route_count; i++) {
        struct metrics_latency latency;
        metrics_latency_get(index, i, &latency);
        if (latency.count == 0)
            continue;
        json_write_key(json, routes[i].operation);
        json_write_object(json);
        json_write_count(json, "count", latency.count);
        json_write_key(json, "p50_us");
        json_write_f64(json, latency.p50_us);
        json_write_key(json, "p95_us");
        json_write_f64(json, latency.p95_us);
        json_write_key(json, "p99_us");
        json_write_f64(json, latency.p99_us);
        json_write_object_end(json);
    }
    json_write_object_end(json);
}

static void answer_stats(struct call *call, const lode_stats *stats)
{
    const struct index_stats sum = index_stats_of(stats);
    struct json_writer json;
    call_json(call, &json);
    json_write_object(&json);
    json_write_count(&json, "points", stats->points);
    json_write_count(&json, "sequence", stats->sequence);
    json_write_count(&json, "generation", stats->generation);
    json_write_count(&json, "text_model_version", stats->text_model_version);
    json_write_count(&json, "snapshots", stats->named_snapshots);
    write_bytes(&json, stats, &sum);
    write_freshness(&json, stats, &sum);
    write_segments(&json, stats);
    write_jobs(&json, stats);
    write_latency(&json, call->measured);
    json_write_object_end(&json);
    call_json_end(call, &json);
}

void api_indices_stats(struct call *call)
{
    lode_stats *stats = NULL;
    lode_error error = {.status = LODE_OK};
    const struct handle *handle = call_query_only(call, no_names) ? api_take_whole(call) : NULL;
    if (!handle)
        return;
    if (lode_stats_get(handle->collection, &stats, &error))
        call_fail(call, &error, NULL, -1);
    else
        answer_stats(call, stats);
    lode_stats_free(stats);
    api_give(call, handle);
}

/* --- Upkeep -------------------------------------------------------------------------------------- */

/* {"sequence": ...} of the state that it stands at afterwards. */
static void answer_done(struct call *call, const struct handle *handle)
{
    struct json_writer json;
    lode_snapshot *snapshot = NULL;
    lode_error error = {.status = LODE_OK};
    if (lode_snapshot_open(handle->collection, &snapshot, &error)) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    call_json(call, &json);
    json_write_object(&json);
    json_write_count(&json, "points", lode_snapshot_point_count(snapshot));
    json_write_count(&json, "sequence", lode_snapshot_sequence(snapshot));
    json_write_object_end(&json);
    call_json_end(call, &json);
    lode_snapshot_close(snapshot);
}

static void upkeep(struct call *call, lode_status (*work)(lode_collection *collection,
                                                          const lode_stop *stop, lode_error *error))
{
    lode_error error = {.status = LODE_OK};
    const lode_stop stop = call_stop(call);
    const struct handle *handle = asked_nothing(call) ? api_take_whole(call) : NULL;
    if (!handle)
        return;
    if (work(handle->collection, &stop, &error))
        asked_fail(call, &error);
    else
        answer_done(call, handle);
    api_give(call, handle);
}

void api_indices_flush(struct call *call)
{
    upkeep(call, lode_flush);
}

void api_indices_compact(struct call *call)
{
    upkeep(call, lode_compact);
}

/* --- Namespaces ---------------------------------------------------------------------------------- */

static void write_namespace(void *context, const lode_namespace_entry *entry)
{
    struct json_writer *json = context;
    json_write_object(json);
    json_write_text(json, "name", entry->name);
    json_write_count(json, "points", entry->points);
    json_write_object_end(json);
}

static void answer_namespaces(struct call *call, const struct handle *handle,
                              struct namespace_page *page)
{
    struct json_writer json;
    lode_error error = {.status = LODE_OK};
    call_json(call, &json);
    json_write_object(&json);
    json_write_key(&json, "namespaces");
    json_write_array(&json);
    if (namespace_page_read(page, call, handle->collection, write_namespace, &json, &error)) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    json_write_array_end(&json);
    json_write_key(&json,
                   "next"); /* the page ended with a name that was shown, if there may be more */
    if (page->is_last)
        json_write_null(&json);
    else
        json_write_string(&json, page->after, strlen(page->after));
    json_write_object_end(&json);
    call_json_end(call, &json);
}

void api_namespaces_list(struct call *call)
{
    static const char *const names[] = {"after", "limit", NULL};
    uint64_t limit = 0;
    struct namespace_page page;
    if (!call_query_only(call, names) ||
        !call_query_u64(call, "limit", 1, NAMESPACES_MAX, NAMESPACES_DEFAULT, &limit) ||
        !namespace_page_init(&page, call, call_query(call, "after"), (size_t)limit))
        return;
    const struct handle *handle = api_take_namespaces(call, NULL);
    if (handle)
        answer_namespaces(call, handle, &page);
    api_give(call, handle);
}

static const struct handle *take_namespace(struct call *call)
{
    return call_query_only(call, no_names) ? api_take_namespaces(call, call->parameters[1]) : NULL;
}

void api_namespaces_get(struct call *call)
{
    lode_namespace_stats stats;
    struct json_writer json;
    lode_error error = {.status = LODE_OK};
    const struct handle *handle = take_namespace(call);
    if (!handle)
        return;
    if (lode_namespace_stats_get(handle->collection, call->parameters[1], &stats, &error)) {
        call_fail(call, &error, NULL, -1);
    } else if (stats.points == 0) {
        call_refuse(call, 404, "not_found", NULL, "there is no namespace '%.128s'",
                    call->parameters[1]);
    } else {
        call_json(call, &json);
        json_write_object(&json);
        json_write_text(&json, "name", call->parameters[1]);
        json_write_count(&json, "points", stats.points);
        json_write_count(&json, "vector_bytes", stats.vector_bytes);
        json_write_object_end(&json);
        call_json_end(call, &json);
    }
    api_give(call, handle);
}

void api_namespaces_delete(struct call *call)
{
    lode_write_info info = {0};
    struct json_writer json;
    lode_error error = {.status = LODE_OK};
    const struct handle *handle = take_namespace(call);
    if (!handle)
        return;
    if (lode_namespace_drop(handle->collection, call->parameters[1], &info, &error)) {
        call_fail(call, &error, NULL, -1);
    } else {
        call->points = info.deleted;
        call->sequence = info.sequence;
        metrics_points(call->server->metrics, 0, info.deleted);
        call_json(call, &json);
        json_write_object(&json);
        json_write_count(&json, "deleted", info.deleted);
        json_write_count(&json, "sequence", info.sequence);
        json_write_object_end(&json);
        call_json_end(call, &json);
    }
    api_give(call, handle);
}

/* --- Snapshots ----------------------------------------------------------------------------------- */

static void write_snapshot(struct json_writer *json, const lode_snapshot_info *snapshot)
{
    json_write_object(json);
    json_write_text(json, "name", snapshot->name);
    json_write_count(json, "sequence", snapshot->sequence);
    json_write_count(json, "points", snapshot->points);
    json_write_count(json, "created_ms", snapshot->created_us / 1000);
    json_write_count(json, "own_bytes", snapshot->own_bytes);
    json_write_key(json, "damaged");
    json_write_bool(json, snapshot->damaged);
    json_write_object_end(json);
}

void api_snapshots_list(struct call *call)
{
    lode_snapshot_list *list = NULL;
    struct json_writer json;
    lode_error error = {.status = LODE_OK};
    const struct handle *handle = call_query_only(call, no_names) ? api_take_whole(call) : NULL;
    if (!handle)
        return;
    if (lode_snapshot_list_get(handle->collection, &list, &error)) {
        call_fail(call, &error, NULL, -1);
    } else {
        call_json(call, &json);
        json_write_object(&json);
        json_write_key(&json, "snapshots");
        json_write_array(&json);
        for (size_t i = 0; i < list->count; i++)
            write_snapshot(&json, &list->snapshots[i]);
        json_write_array_end(&json);
        json_write_object_end(&json);
        call_json_end(call, &json);
    }
    lode_snapshot_list_free(list);
    api_give(call, handle);
}

/* The one of this name, as the list has it. */
static void answer_snapshot(struct call *call, const struct handle *handle)
{
    lode_snapshot_list *list = NULL;
    struct json_writer json;
    lode_error error = {.status = LODE_OK};
    if (lode_snapshot_list_get(handle->collection, &list, &error)) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    size_t i = 0;
    while (i < list->count && strcmp(list->snapshots[i].name, call->parameters[1]) != 0)
        i++;
    if (i < list->count) {
        call_json(call, &json);
        write_snapshot(&json, &list->snapshots[i]);
        call_json_end(call, &json);
    } else {
        call_refuse(call, 404, "not_found", NULL, "snapshot '%.128s' was dropped meanwhile",
                    call->parameters[1]);
    }
    lode_snapshot_list_free(list);
}

void api_snapshots_create(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    const struct handle *handle = asked_nothing(call) ? api_take_whole(call) : NULL;
    if (!handle)
        return;
    if (lode_snapshot_create(handle->collection, call->parameters[1], &error)) {
        call_fail(call, &error, NULL, -1);
    } else {
        call->status = 201;
        answer_snapshot(call, handle);
    }
    api_give(call, handle);
}

void api_snapshots_delete(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    const struct handle *handle = call_query_only(call, no_names) ? api_take_whole(call) : NULL;
    if (!handle)
        return;
    if (lode_snapshot_drop(handle->collection, call->parameters[1], &error)) {
        call_fail(call, &error, NULL, -1);
    } else {
        call->status = 204;
        call->content_type = NULL;
    }
    api_give(call, handle);
}
