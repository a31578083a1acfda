/* bench.h: one benchmark: what was asked, what is there while it runs, what came out. */
#ifndef CMD_BENCH_H
#define CMD_BENCH_H

#include "cmd/args.h"
#include "cmd/bench_data.h"
#include "cmd/bench_measure.h"
#include "cmd/session.h"

#define BENCH_PROBES_MAX 256
#define BENCH_PATH_MAX   4096

struct bench_probe {
    uint32_t ef_search;
    double recall;
};

struct bench_row {
    double target;
    int reached;
    struct bench_probe best;
    struct bench_result result;
};

struct bench {
    struct args args;
    const char *base, *query, *truth_path, *dir;
    int metric, scalar, index, layout, has_metric;
    uint64_t m, ef_construction, k, threads, build_threads, seed, limit_queries, limit_base;
    struct arg_reals recalls;
    /* while it runs */
    char path[BENCH_PATH_MAX]; /* of the database */
    int temporary;
    struct session session;
    struct bench_queries queries;
    struct bench_truth truth;
    struct progress progress;
    uint64_t *ids;
    float *scores;
    size_t *hit_counts;
    struct bench_probe probes[BENCH_PROBES_MAX];
    size_t probe_count;
    /* what is reported */
    uint64_t points, peak_bytes, resident_bytes, disk_bytes;
    uint32_t dim;
    double build_s, build_cpu_s, open_ms;
    struct bench_row rows[ARG_LIST_MAX];
    size_t row_count;
};

/* Build, close, open, find the truth and measure: fills what is reported. */
NODISCARD lode_status bench_run(struct bench *bench, lode_error *error);
void bench_release(struct bench *bench);

#endif
