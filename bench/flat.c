/* flat.c: exact search as a share of what the machine can do.
 *
 *     flat --dir DATABASE --query FILE.fvecs [--rounds 9] [--batch 64] [--json FILE]
 *
 * DATABASE holds a compacted collection "vectors" of f32, as bench/peers/speed builds it, larger than the
 * caches. One query must read every row once: bytes a second, against a plain sum over as large a
 * buffer on huge pages. Queries in batches could read a row once for all: floating point operations a
 * second, two for a component and query, against the peak of multiply-adds. By turns in one run; medians;
 * one core, which is why CPU time is what counts: of the whole process, as far as Lode is concerned. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bench.h"
#include "common/machine.h"

enum {
    K = 10,
    TURNS = 3
}; /* a round takes the best of so many turns: interruptions only slow down */

static struct bench_db db;
static struct bench_vecs queries;
static uint64_t points, batch;
static size_t next_query;
static lode_error error;

static const float *one_query(void)
{
    return bench_row(&queries, next_query++ % queries.count);
}

static double row_bytes(void)
{
    return (double)points * (double)queries.dim * sizeof(float);
}

/* Queries a second, one after another. */
static double one_by_one(void)
{
    lode_result *result;
    lode_search_request request = {.vector = one_query(), .k = K, .exact = 1};
    double begin = bench_cpu();
    bench_must(lode_search(db.collection, &request, &result, &error), &error);
    double spent = bench_cpu() - begin;
    lode_result_free(result);
    return 1 / spent;
}

/* Queries a second, `batch` of them handed over at once. Until the interface takes batches: a loop. */
static double in_batches(void)
{
    double begin = bench_cpu();
    for (uint64_t i = 0; i < batch; i++)
        one_by_one();
    return (double)batch / (bench_cpu() - begin);
}

static double best(double (*turn)(void), int turns)
{
    double most = 0;
    for (int i = 0; i < turns; i++) {
        double rate = turn();
        most = rate > most ? rate : most;
    }
    return most;
}

static void *buffer;
static size_t buffer_size;

static double read_buffer(void)
{
    return machine_read(buffer, buffer_size);
}

struct rates {
    double read, scan;  /* bytes a second */
    double peak, batch; /* operations a second */
};

static struct rates measure(uint64_t rounds)
{
    struct bench_series read = {0}, scan = {0}, peak = {0}, batched = {0};
    double operations = 2.0 * (double)points * (double)queries.dim;
    best(one_by_one, TURNS); /* maps what is not mapped yet */
    for (uint64_t round = 0; round < rounds; round++) {
        bench_push(&read, best(read_buffer, TURNS));
        bench_push(&scan, row_bytes() * best(one_by_one, TURNS));
        bench_push(&peak, best(machine_multiply_add, 1));
        bench_push(&batched, operations * best(in_batches, 1));
    }
    struct rates rates = {.read = bench_median(read.values, rounds),
                          .scan = bench_median(scan.values, rounds),
                          .peak = bench_median(peak.values, rounds),
                          .batch = bench_median(batched.values, rounds)};
    free(read.values);
    free(scan.values);
    free(peak.values);
    free(batched.values);
    return rates;
}

static void show(const struct rates *rates)
{
    printf("flat: %" PRIu64 " x %zu f32, exact, top %d, one thread, kernels %s\n", points,
           queries.dim, K, lode_simd_level());
    printf("  one query     %7.2f GB/s of %7.2f GB/s read      %5.1f%%  (%.1f q/s)\n",
           rates->scan / 1e9, rates->read / 1e9, 100 * rates->scan / rates->read,
           rates->scan / row_bytes());
    printf("  batches of %-3" PRIu64 "%6.1f GFLOP/s of %5.0f multiply-add %5.1f%%  (%.1f q/s)\n",
           batch, rates->batch / 1e9, rates->peak / 1e9, 100 * rates->batch / rates->peak,
           rates->batch / 2 / (double)points / (double)queries.dim);
}

static void write_json(const char *path, const struct rates *rates)
{
    FILE *file = fopen(path, "w");
    if (!file)
        bench_fail("cannot write %s", path);
    fprintf(file,
            "{\"points\": %" PRIu64 ", \"dim\": %zu, \"scan_bytes_per_s\": %.4g, "
            "\"read_bytes_per_s\": %.4g, \"read_share\": %.4f, \"batch\": %" PRIu64
            ", \"batch_flops\": %.4g, \"peak_flops\": %.4g, \"peak_share\": %.4f}\n",
            points, queries.dim, rates->scan, rates->read, rates->scan / rates->read, batch,
            rates->batch, rates->peak, rates->batch / rates->peak);
    fclose(file);
}

int main(int argc, char **argv)
{
    lode_stats *stats;
    batch = bench_number(argc, argv, "batch", 64);
    queries = bench_read(bench_option(argc, argv, "query", NULL), 0);
    db = bench_db_open(bench_option(argc, argv, "dir", NULL), 1);
    bench_must(lode_stats_get(db.collection, &stats, &error), &error);
    points = stats->points;
    lode_stats_free(stats);
    buffer_size = (size_t)row_bytes() / 4096 * 4096;
    buffer = machine_buffer(buffer_size);
    struct rates rates = measure(bench_number(argc, argv, "rounds", 9));
    show(&rates);
    const char *json = bench_option(argc, argv, "json", "");
    if (*json)
        write_json(json, &rates);
    machine_buffer_free(buffer, buffer_size);
    bench_db_close(&db);
    free(queries.values);
    return 0;
}
