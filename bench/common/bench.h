/* bench.h: what the drivers in bench/ share: clocks, files of vectors, medians, searching for an ef. */
#ifndef BENCH_COMMON_BENCH_H
#define BENCH_COMMON_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <lode/lode.h>

/* Say why on standard error and end. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Fails with the error's message unless status is LODE_OK. */
void bench_must(lode_status status, const lode_error *error);

double bench_wall(void); /* seconds */
double bench_cpu(void);  /* of the process */
double bench_thread_cpu(void);

/* Rows of four-byte values, each row with its width before it: .fvecs and .ivecs; of .bvecs the bytes, as
 * values. */
struct bench_vecs {
    size_t count, dim;
    float *values; /* int32_t in .ivecs; free with free */
};

/* At most count_max rows; 0: all. */
struct bench_vecs bench_read(const char *path, size_t count_max);
static inline const float *bench_row(const struct bench_vecs *vecs, size_t row)
{
    return vecs->values + row * vecs->dim;
}

/* Both sort `values`. share: 0.99 for the 99th percentile. */
double bench_median(double *values, size_t count);
double bench_percentile(double *values, size_t count, double share);

/* Room for one more double at a time. */
struct bench_series {
    double *values;
    size_t count, capacity;
};
void bench_push(struct bench_series *series, double value);

/* --- Lode, on a set of vectors ----------------------------------------------------------------- */

/* An open database whose one collection, "vectors", holds row i of a file under id i. */
struct bench_db {
    lode_db *db;
    lode_collection *collection;
};

struct bench_db bench_db_open(const char *dir, unsigned thread_count);
void bench_db_close(struct bench_db *db);
/* Replace `dir` by a database of rows [0, count), l2, compacted and closed. */
void bench_db_build(const char *dir, const struct bench_vecs *base, size_t count,
                    unsigned thread_count);

/* What searches are held against: for each query its k nearest. */
struct bench_truth {
    size_t k;
    uint64_t *ids; /* of each query, k */
};

/* The first k of each row of a file, or what an exact search finds. Free ids with free. */
struct bench_truth bench_truth_read(const char *path, size_t k);
struct bench_truth bench_truth_find(const struct bench_db *db, const struct bench_vecs *queries,
                                    size_t k);

struct bench_effort {
    double recall, distances, hops; /* means a query */
};

/* Every query once. */
struct bench_effort bench_search(const struct bench_db *db, const struct bench_vecs *queries,
                                 const struct bench_truth *truth, uint32_t ef);
/* The least ef whose recall is at least `target`, by bisection. */
uint32_t bench_least_ef(const struct bench_db *db, const struct bench_vecs *queries,
                        const struct bench_truth *truth, double target);

/* --- Files and options ------------------------------------------------------------------------- */

/* Removes a directory and all below it; nothing when it is not there. */
void bench_remove(const char *dir);

/* `--name value` of the arguments, or `otherwise`; NULL there: it is required. Names that no call asked
 * for are not noticed. */
const char *bench_option(int argc, char **argv, const char *name, const char *otherwise);
uint64_t bench_number(int argc, char **argv, const char *name, uint64_t otherwise);

#endif
