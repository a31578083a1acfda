/* grpc_state.c: what is about an index as a whole: Stats, Flush, Compact, its namespaces and named snapshots. */
#include "server/answers.h"
#include "server/grpc_methods.h"
#include "server/grpc_points.h"
#include "server/index_stats.h"
#include "server/namespace_page.h"
#include "server/routes.h"
#include "server/service.h"

#include <string.h>

/* The index as a whole; NULL, and the call has failed. */
static const struct handle *take_whole(struct call *call, const char *index)
{
    if (!*index) {
        grpc_invalid(call, "index", "index: its name is missing");
        return NULL;
    }
    call->parameters[0] = call_copy(call, index, strlen(index));
    return call->parameters[0] ? api_take_whole(call) : NULL;
}

/* --- Stats --------------------------------------------------------------------------------------- */

static void put_segment(struct put *put, const lode_segment_stats *segment)
{
    size_t begin = put_begin(put);
    put_u64(put, 1, segment->number);
    put_u64(put, 2, segment->state);
    put_u64(put, 3, segment->rows);
    put_u64(put, 4, segment->dead_rows);
    put_u64(put, 5, segment->graph_rows);
    put_u64(put, 6, segment->disk_bytes);
    put_u64(put, 7, segment->memory_bytes);
    put_bytes(put, 8, segment->damage, strlen(segment->damage));
    put_end(put, 12, begin);
}

static void put_job(struct put *put, const lode_job_stats *job)
{
    size_t begin = put_begin(put);
    put_u64(put, 1, job->kind);
    put_u64(put, 2, job->segments);
    put_u64(put, 3, job->done);
    put_u64(put, 4, job->total);
    put_u64(put, 5, job->elapsed_ms);
    put_u64(put, 6, job->eta_ms == LODE_ETA_UNKNOWN ? 0 : job->eta_ms);
    put_u64(put, 7, job->reason);
    put_u64(put, 8, job->rows_in);
    put_u64(put, 9, job->bytes_in);
    put_u64(put, 10, job->rate > 0 ? (uint64_t)job->rate : 0);
    put_u64(put, 11, job->waiting);
    put_end(put, 13, begin);
}

static void put_latency(struct put *put, const struct metrics_index *index, size_t i)
{
    Lode__V1__Latency message = LODE__V1__LATENCY__INIT;
    struct metrics_latency latency;
    char name[64];
    metrics_latency_get(index, i, &latency);
    size_t size = strlen(routes[i].operation);
    if (!latency.count || size >= sizeof name)
        return;
    memcpy(name, routes[i].operation, size + 1);
    message.operation = name;
    message.count = latency.count;
    message.p50_us = latency.p50_us;
    message.p95_us = latency.p95_us;
    message.p99_us = latency.p99_us;
    size_t begin = put_begin(put);
    put_fields(put, &message.base);
    put_end(put, 15, begin);
}

static void reply_stats(struct call *call, const lode_stats *stats)
{
    const struct index_stats sum = index_stats_of(stats);
    struct put put;
    lode_error error;
    put_init(&put, &call->out, &error);
    put_u64(&put, 1, stats->points);
    put_u64(&put, 2, stats->sequence);
    put_u64(&put, 3, stats->generation);
    put_u64(&put, 4, stats->wal_bytes);
    put_u64(&put, 5, stats->kept_log_bytes);
    put_u64(&put, 6, stats->disk_bytes);
    put_u64(&put, 7, stats->memory_bytes);
    put_u64(&put, 8, stats->mapped_bytes);
    put_u64(&put, 9, stats->text_model_version);
    put_u64(&put, 10, stats->named_snapshots);
    put_u64(&put, 11, stats->merge_debt);
    for (size_t i = 0; i < stats->segment_count; i++)
        put_segment(&put, &stats->segments[i]);
    for (size_t i = 0; i < stats->job_count; i++)
        put_job(&put, &stats->jobs[i]);
    if (stats->job_error.status)
        put_bytes(&put, 14, stats->job_error.message, strlen(stats->job_error.message));
    for (size_t i = 0; i < route_count; i++)
        put_latency(&put, call->measured, i);
    put_u64(&put, 16, sum.segment_bytes);
    put_u64(&put, 17, sum.other_bytes);
    put_u64(&put, 18, sum.growing_rows);
    put_u64(&put, 19, sum.unindexed_rows);
    put_u64(&put, 20, stats->delays);
    put_u64(&put, 21, stats->delayed_ms);
    if (put.status)
        call_fail(call, &error, NULL, -1);
}

void grpc_stats(struct call *call, const void *message)
{
    const Lode__V1__StatsRequest *request = message;
    const struct handle *handle = take_whole(call, request->index);
    lode_stats *stats;
    lode_error error;
    if (handle && lode_stats_get(handle->collection, &stats, &error)) {
        call_fail(call, &error, NULL, -1);
    } else if (handle) {
        reply_stats(call, stats);
        lode_stats_free(stats);
    }
    api_give(call, handle);
}

/* --- Upkeep -------------------------------------------------------------------------------------- */

void grpc_flush(struct call *call, const void *message)
{
    const Lode__V1__FlushRequest *request = message;
    Lode__V1__FlushResponse response = LODE__V1__FLUSH_RESPONSE__INIT;
    const struct handle *handle = take_whole(call, request->index);
    const lode_stop stop = call_stop(call);
    lode_error error;
    if (handle && lode_flush(handle->collection, &stop, &error))
        asked_fail(call, &error);
    else if (handle)
        grpc_reply(call, &response.base);
    api_give(call, handle);
}

void grpc_compact(struct call *call, const void *message)
{
    const Lode__V1__CompactRequest *request = message;
    Lode__V1__CompactResponse response = LODE__V1__COMPACT_RESPONSE__INIT;
    const struct handle *handle = take_whole(call, request->index);
    const lode_stop stop = call_stop(call);
    lode_error error;
    if (handle && lode_compact(handle->collection, &stop, &error))
        asked_fail(call, &error);
    else if (handle)
        grpc_reply(call, &response.base);
    api_give(call, handle);
}

/* --- Namespaces ---------------------------------------------------------------------------------- */

/* The index for what is about namespaces, which its own handle alone can tell. Points that the principal's filter hides are
 * counted: not for who has one. namespace_ NULL: whoever sees the index. */
static const struct handle *take_for_namespaces(struct call *call, const char *index,
                                                const char *namespace_)
{
    char *copy = namespace_ ? call_copy(call, namespace_, strlen(namespace_)) : NULL;
    call->parameters[0] = call_copy(call, index, strlen(index));
    return call_has_failed(call) ? NULL : api_take_namespaces(call, copy);
}

static void put_namespace(void *context, const lode_namespace_entry *entry)
{
    struct put *put = context;
    size_t begin = put_begin(put);
    put_bytes(put, 1, entry->name, strlen(entry->name));
    put_u64(put, 2, entry->points);
    put_end(put, 1, begin);
}

static void reply_namespaces(struct call *call, const struct handle *handle,
                             struct namespace_page *page)
{
    struct put put;
    lode_error error;
    put_init(&put, &call->out, &error);
    lode_status status =
        namespace_page_read(page, call, handle->collection, put_namespace, &put, &error);
    if (!status && !page->is_last)
        put_bytes(&put, 2, page->after, strlen(page->after));
    if (status || put.status)
        call_fail(call, &error, NULL, -1);
}

void grpc_namespaces_list(struct call *call, const void *message)
{
    const Lode__V1__ListNamespacesRequest *request = message;
    const struct handle *handle = NULL;
    struct namespace_page page;
    size_t limit = request->limit ? request->limit : NAMESPACES_DEFAULT;
    if (grpc_at_most(call, "limit", limit, NAMESPACES_MAX) &&
        namespace_page_init(&page, call, request->after, limit))
        handle = take_for_namespaces(call, request->index, NULL);
    if (handle)
        reply_namespaces(call, handle, &page);
    api_give(call, handle);
}

void grpc_namespaces_get(struct call *call, const void *message)
{
    const Lode__V1__GetNamespaceRequest *request = message;
    Lode__V1__Namespace response = LODE__V1__NAMESPACE__INIT;
    const struct handle *handle = take_for_namespaces(call, request->index, request->namespace_);
    lode_namespace_stats stats;
    lode_error error;
    if (!handle)
        return;
    lode_status status =
        lode_namespace_stats_get(handle->collection, request->namespace_, &stats, &error);
    if (!status && stats.points == 0)
        status = error_set(&error, LODE_NOT_FOUND, "there is no namespace '%.128s'",
                           request->namespace_);
    response.name = request->namespace_;
    response.points = stats.points;
    response.vector_bytes = stats.vector_bytes;
    if (status)
        call_fail(call, &error, "namespace", -1);
    else
        grpc_reply(call, &response.base);
    api_give(call, handle);
}

void grpc_namespaces_delete(struct call *call, const void *message)
{
    const Lode__V1__DeleteNamespaceRequest *request = message;
    Lode__V1__WriteResponse response = LODE__V1__WRITE_RESPONSE__INIT;
    const struct handle *handle = take_for_namespaces(call, request->index, request->namespace_);
    lode_write_info info;
    lode_error error;
    if (handle && lode_namespace_drop(handle->collection, request->namespace_, &info, &error)) {
        call_fail(call, &error, "namespace", -1);
    } else if (handle) {
        response.sequence = info.sequence;
        response.deleted = info.deleted;
        answer_write_done(call, &info);
        grpc_reply(call, &response.base);
    }
    api_give(call, handle);
}

/* --- Snapshots ----------------------------------------------------------------------------------- */

/* The fields of a Snapshot. */
static void put_snapshot(struct put *put, const lode_snapshot_info *info)
{
    put_bytes(put, 1, info->name, strlen(info->name));
    put_u64(put, 2, info->sequence);
    put_u64(put, 3, info->points);
    put_u64(put, 4, info->created_us);
    put_u64(put, 5, info->own_bytes);
    put_u64(put, 6, info->damaged != 0);
}

/* name NULL: all of them, as a list; else the fields of this one. */
static void reply_snapshots(struct call *call, const struct handle *handle, const char *name)
{
    lode_snapshot_list *list;
    struct put put;
    lode_error error;
    if (lode_snapshot_list_get(handle->collection, &list, &error)) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    put_init(&put, &call->out, &error);
    for (size_t i = 0; i < list->count; i++) {
        size_t begin = put_begin(&put);
        if (name && strcmp(list->snapshots[i].name, name) != 0)
            continue;
        put_snapshot(&put, &list->snapshots[i]);
        if (!name)
            put_end(&put, 1, begin);
    }
    lode_snapshot_list_free(list);
    if (put.status)
        call_fail(call, &error, NULL, -1);
}

void grpc_snapshots_list(struct call *call, const void *message)
{
    const Lode__V1__ListSnapshotsRequest *request = message;
    const struct handle *handle = take_whole(call, request->index);
    if (handle)
        reply_snapshots(call, handle, NULL);
    api_give(call, handle);
}

void grpc_snapshots_create(struct call *call, const void *message)
{
    const Lode__V1__CreateSnapshotRequest *request = message;
    const struct handle *handle = take_whole(call, request->index);
    lode_error error;
    if (handle && lode_snapshot_create(handle->collection, request->name, &error))
        call_fail(call, &error, "name", -1);
    else if (handle)
        reply_snapshots(call, handle, request->name);
    api_give(call, handle);
}

void grpc_snapshots_delete(struct call *call, const void *message)
{
    const Lode__V1__DeleteSnapshotRequest *request = message;
    Lode__V1__DeleteSnapshotResponse response = LODE__V1__DELETE_SNAPSHOT_RESPONSE__INIT;
    const struct handle *handle = take_whole(call, request->index);
    lode_error error;
    if (handle && lode_snapshot_drop(handle->collection, request->name, &error))
        call_fail(call, &error, "name", -1);
    else if (handle)
        grpc_reply(call, &response.base);
    api_give(call, handle);
}
