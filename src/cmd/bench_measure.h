/* bench_measure.h: all queries, on some threads, with one effort. */
#ifndef CMD_BENCH_MEASURE_H
#define CMD_BENCH_MEASURE_H

#include "cmd/bench_data.h"

struct bench_run {
    lode_collection *collection;
    lode_metric metric;
    const struct bench_queries *queries;
    size_t k;
    uint32_t ef_search;
    int exact;
    unsigned threads;
    double seconds_min;        /* whole passes are repeated until this much time has gone by */
    struct progress *progress; /* of one pass; NULL: none */

    /* Of the first pass, if not NULL: row-major count × k. */
    uint64_t *ids;
    float *scores;
    size_t *hit_counts;
};

struct bench_result {
    double qps, qps_cpu; /* by the clock; by processor seconds of the querying threads */
    double p50_us, p99_us;
    double distances, hops; /* a query, mean */
};

NODISCARD lode_status bench_measure(const struct bench_run *run, struct bench_result *ret_result,
                                    lode_error *error);

#define BENCH_THREADS_MAX 256u

#endif
