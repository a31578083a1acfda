/* metrics.h: counters and latency histograms of a server, and their Prometheus text (docs/metrics.md has every name).
 * Counting costs a few atomic additions without a lock, from any thread. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "base/buf.h"
#include "net/net.h"

struct metrics;

NODISCARD lode_status metrics_new(const char *const *operations, size_t operation_count,
                                  struct metrics **ret_metrics, lode_error *error);
void metrics_free(struct metrics *metrics);

/* A request has ended. operation: its number; SIZE_MAX: of no route. */
void metrics_request(struct metrics *metrics, size_t operation, const struct net_outcome *outcome);
void metrics_refused(struct metrics *metrics, enum net_refusal why);
void metrics_denied(struct metrics *metrics, const char *reason); /* static text */
void metrics_malformed(struct metrics *metrics, unsigned status);
void metrics_queries(struct metrics *metrics, uint64_t queries, uint64_t distances, uint64_t hops);
void metrics_points(struct metrics *metrics, uint64_t written, uint64_t deleted);
/* Recall measured on sampled queries: hits that the exact answer shares, of how many. */
void metrics_recall(struct metrics *metrics, const char *collection, uint64_t shared,
                    uint64_t hits);
void metrics_slow(struct metrics *metrics);

struct metrics_latency {
    uint64_t count;
    double p50_us, p95_us, p99_us; /* since the server began; by buckets of 1/8 of a power of two */
};
void metrics_latency_get(const struct metrics *metrics, size_t operation,
                         struct metrics_latency *ret_latency);

/* What the text takes from elsewhere at the moment it is asked for. */
struct metrics_collection {
    const char *name;
    const lode_stats *stats;
};
struct metrics_sources {
    const struct net_stats *net;
    const struct metrics_collection *collections;
    size_t collection_count;
    bool is_ready;
    uint64_t audit_failures, traces_dropped;
};
/* Append the whole of /metrics, in the text format 0.0.4. */
NODISCARD lode_status metrics_text(const struct metrics *metrics,
                                   const struct metrics_sources *sources, struct buf *out,
                                   lode_error *error);

#endif
