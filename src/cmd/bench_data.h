/* bench_data.h: the queries of a benchmark and what the right answers are. */
#ifndef CMD_BENCH_DATA_H
#define CMD_BENCH_DATA_H

#include "cmd/progress.h"
#include "cmd/source.h"

struct bench_queries {
    float *vectors; /* count × dim */
    uint32_t dim;
    size_t count;
};

/* At most `limit` vectors of a file; dataset: of an HDF5 file. */
NODISCARD lode_status bench_queries_read(struct bench_queries *queries, const char *path,
                                         const char *dataset, uint64_t limit, lode_error *error);
void bench_queries_release(struct bench_queries *queries);

/* The k nearest of every query. ids are numbers: rows of the base, from 0. */
struct bench_truth {
    uint64_t *ids; /* count × k, best first; fewer than k points: the rest is UINT64_MAX */
    float *worst;  /* count: the score of each query's last one; NULL when ids alone count */
    size_t k, count;
};

NODISCARD lode_status bench_truth_init(struct bench_truth *truth, size_t count, size_t k,
                                       lode_error *error);
void bench_truth_release(struct bench_truth *truth);

/* From .ivecs, or from a dataset of an HDF5 file. LODE_INVALID: fewer rows than queries, fewer than k
 * in a row, ids beyond `points`. */
NODISCARD lode_status bench_truth_read(struct bench_truth *truth, const char *path,
                                       const char *dataset, size_t count, size_t k, uint64_t points,
                                       lode_error *error);
/* Set `worst` from the stored vectors of the truth's last ids. */
NODISCARD lode_status bench_truth_score(struct bench_truth *truth, lode_collection *collection,
                                        const struct bench_queries *queries, lode_error *error);
/* By exact search of a collection whose ids are row numbers, on `threads` threads; sets `worst`. */
NODISCARD lode_status bench_truth_search(struct bench_truth *truth, lode_collection *collection,
                                         const struct bench_queries *queries, unsigned threads,
                                         struct progress *progress, lode_error *error);

/* How many of query i's hits (ids and scores, at most k) count. */
size_t bench_truth_hits(const struct bench_truth *truth, lode_metric metric, size_t i,
                        const uint64_t *ids, const float *scores, size_t hit_count);

#endif
