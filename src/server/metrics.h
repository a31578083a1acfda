/* metrics.h: counters and latency histograms of a server, and their Prometheus text (docs/metrics.md has every name).
 * Counting costs a few atomic additions without a lock, from any thread; threads are spread over shards, so that two that
 * count at once seldom write to one cache line. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "base/buf.h"
#include "net/net.h"

struct metrics;

/* The names are copied. */
NODISCARD lode_status metrics_new(const char *const *operations, size_t operation_count,
                                  struct metrics **ret_metrics, lode_error *error);
void metrics_free(struct metrics *metrics); /* NULL is allowed */

/* A request has ended. operation: its number; SIZE_MAX: of no route. outcome->status of a gRPC call: what the same fault
 * has over HTTP, so that failures of both are counted alike. */
void metrics_request(struct metrics *metrics, size_t operation, const struct net_outcome *outcome);
void metrics_refused(struct metrics *metrics, enum net_refusal why);
/* reason: static text, as "expired"; 31 different ones are told apart, others are "other". */
void metrics_denied(struct metrics *metrics, const char *reason);
void metrics_malformed(struct metrics *metrics, unsigned status);
void metrics_queries(struct metrics *metrics, uint64_t queries, uint64_t distances, uint64_t hops);
void metrics_points(struct metrics *metrics, uint64_t written, uint64_t deleted);
/* Recall measured on a sampled query: hits that the exact answer shares, of how many. */
void metrics_recall(struct metrics *metrics, const char *collection, uint64_t shared,
                    uint64_t hits);
void metrics_slow(struct metrics *metrics);

/* --- Latencies of one collection, for its statistics (metrics_latency.c) ------------------------- */

struct metrics_index;
/* Of this name, for as long as the metrics live; NULL: there are METRICS_COLLECTIONS_MAX others, or no memory. */
struct metrics_index *metrics_index(struct metrics *metrics, const char *name);
/* A request of it has ended. NULL: nothing is counted. */
void metrics_index_request(struct metrics_index *index, size_t operation, uint64_t us);

struct metrics_latency {
    uint64_t count;
    double p50_us, p95_us, p99_us; /* since the server began; by buckets of 1/8 of a power of two */
};
/* NULL: none. */
void metrics_latency_get(const struct metrics_index *index, size_t operation,
                         struct metrics_latency *ret_latency);

/* What the text takes from elsewhere at the moment it is asked for. */
struct metrics_collection {
    const char *name;
    const lode_stats *stats;
};
struct metrics_cache {
    const char *name; /* "handles", "tokens" */
    uint64_t hits, misses;
};
/* Of collections beyond this many, in the order given, the sums are told, under the name "(other)". */
#define METRICS_COLLECTIONS_MAX 1000
struct metrics_sources {
    const struct net_stats *net; /* NULL: these are left out */
    /* Those that who asks may see, ordered by name, as lode_catalog_list has them, without aliases. */
    const struct metrics_collection *collections;
    size_t collection_count;
    size_t unopened;                    /* collections that cannot be opened, of all there are */
    const struct metrics_cache *caches; /* that count how often they were of use; may be none */
    size_t cache_count;
    const char *data; /* directory of the database: its file system is told; NULL: it is not */
    bool is_ready;
    bool is_audit_failing;   /* the audit log cannot be written now */
    uint64_t audit_failures; /* entries that could not be written */
    uint64_t traces_dropped, traces_sent, log_suppressed;
    uint64_t recall_skipped; /* samples: recall_sampler_skipped */
};
/* Append the whole of /metrics, in the text format 0.0.4. out must have room for it: 16 KiB, 6 KiB more for each operation
 * that was asked for and 3 KiB for each collection are enough. Any thread. */
NODISCARD lode_status metrics_text(struct metrics *metrics, const struct metrics_sources *sources,
                                   struct buf *out, lode_error *error);
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
