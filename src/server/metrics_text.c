/* metrics_text.c: what the server has counted, in the text format; metrics_collections.c tells of collections and their jobs,
 * metrics_process.c of memory, disk and the process. What has never happened has no sample, where it would have labels. */
#include "server/metrics_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUM(metrics, member) metrics_sum(metrics, offsetof(struct metrics_shard, member))
#define MICRO                1e-6

static const char *operation_name(const struct metrics *metrics, size_t operation)
{
    return operation < metrics->operation_count ? metrics->operations[operation] : "unmatched";
}

/* --- Requests ----------------------------------------------------------------------------------- */

/* A counter of a row, over all shards. */
static uint64_t row_sum(const struct metrics *metrics, size_t operation, size_t offset)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < metrics->shard_count; i++) {
        const char *row = (const char *)&metrics->shards[i].rows[operation];
        sum += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(row + offset),
                                    memory_order_relaxed);
    }
    return sum;
}

static void put_statuses(const struct metrics *metrics, struct exposition *text)
{
    exposition_family(text, "lode_http_requests_total", "counter", "Requests that have ended.");
    for (size_t i = 0; i <= metrics->operation_count; i++)
        for (size_t j = 0; j < METRICS_STATUSES; j++) {
            uint64_t count = row_sum(metrics, i, offsetof(struct metrics_row, statuses[j]));
            exposition_label(text, 0, "operation", operation_name(metrics, i));
            exposition_label(text, 1, "status", metrics_status_texts[j]);
            if (count)
                exposition_u64(text, count);
        }
}

static void put_histogram(struct exposition *text, const struct histogram_counts *counts)
{
    size_t labels = text->label_count;
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_CLASSIC; i++) {
        char bound[32];
        snprintf(bound, sizeof bound, "%g", (double)histogram_bound_us(i) * MICRO);
        count += counts->classic[i];
        exposition_label(text, labels, "le", i + 1 < HISTOGRAM_CLASSIC ? bound : "+Inf");
        exposition_part_u64(text, "_bucket", count);
    }
    exposition_labels_keep(text, labels);
    exposition_part_f64(text, "_sum", (double)counts->sum_us * MICRO);
    exposition_part_u64(text, "_count", count);
}

static void put_times(const struct metrics *metrics, struct exposition *text)
{
    exposition_family(text, "lode_http_request_seconds", "histogram",
                      "From the head of a request to the end of its answer.");
    for (size_t i = 0; i <= metrics->operation_count; i++) {
        struct histogram_counts counts = {0};
        metrics_time_merge(metrics, i, &counts);
        exposition_label(text, 0, "operation", operation_name(metrics, i));
        if (histogram_count(&counts))
            put_histogram(text, &counts);
    }
}

static void put_bytes(const struct metrics *metrics, struct exposition *text, const char *name,
                      const char *help, size_t offset)
{
    exposition_family(text, name, "counter", help);
    for (size_t i = 0; i <= metrics->operation_count; i++) {
        uint64_t bytes = row_sum(metrics, i, offset);
        exposition_label(text, 0, "operation", operation_name(metrics, i));
        if (bytes)
            exposition_u64(text, bytes);
    }
}

static void put_wait(const struct metrics *metrics, struct exposition *text)
{
    struct histogram_counts counts = {0};
    for (size_t i = 0; i < metrics->shard_count; i++)
        histogram_merge(&metrics->shards[i].wait, &counts);
    exposition_family(text, "lode_queue_wait_seconds", "histogram",
                      "Time in the queue of a lane, of requests that were carried out.");
    put_histogram(text, &counts);
}

static void put_denied(const struct metrics *metrics, struct exposition *text)
{
    exposition_family(text, "lode_http_denied_total", "counter",
                      "Requests denied for who asked, by reason.");
    for (size_t i = 0; i < METRICS_REASONS_MAX; i++) {
        const char *reason = "other";
        if (i < METRICS_REASONS_MAX - 1)
            reason = atomic_load_explicit(&metrics->reasons[i], memory_order_acquire);
        uint64_t count = SUM(metrics, denied[i]);
        if (!reason || !count)
            continue;
        exposition_label(text, 0, "reason", reason);
        exposition_u64(text, count);
    }
}

static void put_malformed(const struct metrics *metrics, struct exposition *text)
{
    exposition_family(text, "lode_http_malformed_total", "counter",
                      "Requests that are no HTTP, by the status they were answered with.");
    for (size_t i = 0; i < METRICS_STATUSES; i++) {
        uint64_t count = SUM(metrics, malformed[i]);
        exposition_label(text, 0, "status", metrics_status_texts[i]);
        if (count)
            exposition_u64(text, count);
    }
}

static void put_refused(const struct metrics *metrics, struct exposition *text)
{
    static const char *const reasons[METRICS_REFUSALS] = {
        "other", "size", "queue", "deadline", "draining", "memory",
    };
    exposition_family(text, "lode_http_refused_total", "counter",
                      "Requests refused before they were carried out, by reason.");
    for (size_t i = NET_REFUSED_SIZE; i < METRICS_REFUSALS; i++) {
        exposition_label(text, 0, "reason", reasons[i]);
        exposition_u64(text, SUM(metrics, refused[i]));
    }
}

void metrics_text_requests(const struct metrics *metrics, struct exposition *text)
{
    put_statuses(metrics, text);
    put_times(metrics, text);
    put_bytes(metrics, text, "lode_http_request_bytes_total", "Bytes of request bodies.",
              offsetof(struct metrics_row, bytes_in));
    put_bytes(metrics, text, "lode_http_response_bytes_total", "Bytes of answers' bodies.",
              offsetof(struct metrics_row, bytes_out));
    put_refused(metrics, text);
    put_denied(metrics, text);
    put_malformed(metrics, text);
    put_wait(metrics, text);
    exposition_one_u64(text, "lode_queries_total", "counter", "Queries carried out.",
                       SUM(metrics, queries));
    exposition_one_u64(text, "lode_query_distances_total", "counter",
                       "Vectors compared with queries.", SUM(metrics, distances));
    exposition_one_u64(text, "lode_query_hops_total", "counter",
                       "Nodes of graphs that queries went through.", SUM(metrics, hops));
    exposition_one_u64(text, "lode_slow_queries_total", "counter",
                       "Queries that took longer than log.slow-query says.", SUM(metrics, slow));
    exposition_one_u64(text, "lode_points_written_total", "counter",
                       "Points inserted, replaced or patched.", SUM(metrics, written));
    exposition_one_u64(text, "lode_points_deleted_total", "counter", "Points deleted.",
                       SUM(metrics, deleted));
}

/* --- Connections and lanes ---------------------------------------------------------------------- */

static const char *const lane_names[NET_LANE_COUNT] = {"read", "write", "slow", "watch"};

static void put_lanes(const struct net_stats *net, struct exposition *text, const char *name,
                      const char *type, const char *help,
                      uint64_t (*get)(const struct net_lane_stats *lane))
{
    exposition_family(text, name, type, help);
    for (size_t i = 0; i < NET_LANE_COUNT; i++) {
        exposition_label(text, 0, "lane", lane_names[i]);
        exposition_u64(text, get(&net->lanes[i]));
    }
}

static uint64_t lane_running(const struct net_lane_stats *lane)
{
    return lane->running;
}

static uint64_t lane_queued(const struct net_lane_stats *lane)
{
    return lane->queued;
}

static uint64_t lane_admitted(const struct net_lane_stats *lane)
{
    return lane->admitted;
}

static uint64_t lane_refused(const struct net_lane_stats *lane)
{
    return lane->refused;
}

void metrics_text_net(const struct net_stats *net, struct exposition *text)
{
    exposition_one_u64(text, "lode_http_connections", "gauge", "Connections that are open.",
                       net->connections);
    exposition_one_u64(text, "lode_http_connections_accepted_total", "counter",
                       "Connections accepted.", net->accepted);
    exposition_one_u64(text, "lode_http_connections_refused_total", "counter",
                       "Connections closed at once: there were too many.", net->turned_away);
    exposition_one_u64(text, "lode_http_resets_limited_total", "counter",
                       "Connections closed for resetting too many streams.", net->resets_limited);
    exposition_one_u64(text, "lode_http_gathered_bytes", "gauge",
                       "Bodies and answers in memory now.", net->gathered_bytes);
    if (net->tls_expires_s)
        exposition_one_f64(text, "lode_tls_certificate_expires_seconds", "gauge",
                           "When the certificate ceases to be valid, in seconds since 1970.",
                           (double)net->tls_expires_s);
    put_lanes(net, text, "lode_lane_running", "gauge", "Requests being carried out, by lane.",
              lane_running);
    put_lanes(net, text, "lode_lane_queued", "gauge", "Requests waiting, by lane.", lane_queued);
    put_lanes(net, text, "lode_lane_admitted_total", "counter", "Requests admitted, by lane.",
              lane_admitted);
    put_lanes(net, text, "lode_lane_refused_total", "counter",
              "Requests refused because the wait was too long, by lane.", lane_refused);
    exposition_family(text, "lode_lane_expected_wait_seconds", "gauge",
                      "How long a request that came now would wait, by lane.");
    for (size_t i = 0; i < NET_LANE_COUNT; i++) {
        exposition_label(text, 0, "lane", lane_names[i]);
        exposition_f64(text, (double)net->lanes[i].expected_wait_us * MICRO);
    }
}

/* --- Recall ------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const struct metrics_collection *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Whether the sources have the collection too: it has not been dropped, and who asks may see it. */
static int is_told(const struct metrics_sources *sources, const char *name)
{
    const struct metrics_collection wanted = {.name = name};
    if (strcmp(name, METRICS_OTHER) == 0)
        return sources->collection_count > METRICS_COLLECTIONS_MAX;
    return sources->collection_count > 0 &&
           bsearch(&wanted, sources->collections, sources->collection_count, sizeof wanted,
                   compare_names) != NULL;
}

static void put_recall(const struct metrics *metrics, const struct metrics_sources *sources,
                       struct exposition *text, size_t offset)
{
    for (size_t i = 0; i < metrics->recall_count; i++) {
        const char *entry = (const char *)&metrics->recall[i];
        if (!is_told(sources, metrics->recall[i].name))
            continue;
        exposition_label(text, 0, "collection", metrics->recall[i].name);
        if (offset == offsetof(struct metrics_recall_entry, ratio))
            exposition_f64(text, metrics->recall[i].ratio);
        else
            exposition_u64(text, *(const uint64_t *)(const void *)(entry + offset));
    }
}

void metrics_text_recall(struct metrics *metrics, const struct metrics_sources *sources,
                         struct exposition *text)
{
    mutex_lock(&metrics->lock);
    exposition_family(text, "lode_recall_queries_total", "counter",
                      "Queries that were answered exactly too, to measure recall.");
    put_recall(metrics, sources, text, offsetof(struct metrics_recall_entry, queries));
    exposition_family(text, "lode_recall_hits_total", "counter", "Hits of these exact answers.");
    put_recall(metrics, sources, text, offsetof(struct metrics_recall_entry, hits));
    exposition_family(text, "lode_recall_hits_found_total", "counter",
                      "Hits of these exact answers that the queries had found.");
    put_recall(metrics, sources, text, offsetof(struct metrics_recall_entry, shared));
    exposition_family(
        text, "lode_recall_ratio", "gauge",
        "Recall of the last hundred or so of these queries, later ones counting more.");
    put_recall(metrics, sources, text, offsetof(struct metrics_recall_entry, ratio));
    mutex_unlock(&metrics->lock);
}

/* --- All of it ---------------------------------------------------------------------------------- */

static void put_caches(const struct metrics_sources *sources, struct exposition *text)
{
    exposition_family(text, "lode_cache_requests_total", "counter",
                      "Look-ups in caches, by whether the thing was there.");
    for (size_t i = 0; i < sources->cache_count; i++) {
        exposition_label(text, 0, "cache", sources->caches[i].name);
        exposition_label(text, 1, "result", "hit");
        exposition_u64(text, sources->caches[i].hits);
        exposition_label(text, 1, "result", "miss");
        exposition_u64(text, sources->caches[i].misses);
    }
}

static void put_server(const struct metrics_sources *sources, struct exposition *text)
{
    exposition_family(text, "lode_build_info", "gauge",
                      "1; its labels are the version and the instruction set in use.");
    exposition_label(text, 0, "version", lode_version());
    exposition_label(text, 1, "simd", lode_simd_level());
    exposition_u64(text, 1);
    exposition_one_u64(text, "lode_ready", "gauge", "1: it takes requests; 0: it opens or stops.",
                       sources->is_ready);
    exposition_one_u64(text, "lode_audit_failing", "gauge",
                       "1: the audit log could not be written.", sources->is_audit_failing);
    exposition_one_u64(text, "lode_audit_failures_total", "counter",
                       "Entries of the audit log that could not be written.",
                       sources->audit_failures);
    exposition_one_u64(text, "lode_trace_spans_sent_total", "counter",
                       "Spans that the collector of traces has taken.", sources->traces_sent);
    exposition_one_u64(text, "lode_trace_spans_dropped_total", "counter",
                       "Spans dropped: no room, or the collector did not take them.",
                       sources->traces_dropped);
    exposition_one_u64(text, "lode_log_lines_suppressed_total", "counter",
                       "Repeated warnings and errors that the log left out.",
                       sources->log_suppressed);
    exposition_one_u64(text, "lode_recall_skipped_total", "counter",
                       "Queries chosen to measure recall that were not: others were waiting.",
                       sources->recall_skipped);
}

lode_status metrics_text(struct metrics *metrics, const struct metrics_sources *sources,
                         struct buf *out, lode_error *error)
{
    struct exposition text;
    exposition_init(&text, out, error);
    put_server(sources, &text);
    metrics_text_requests(metrics, &text);
    if (sources->net)
        metrics_text_net(sources->net, &text);
    put_caches(sources, &text);
    metrics_text_recall(metrics, sources, &text);
    metrics_text_collections(sources, &text);
    metrics_text_jobs(metrics, sources, &text);
    metrics_text_memory(&text);
    metrics_text_process(metrics, sources->data, &text);
    return text.status;
}
