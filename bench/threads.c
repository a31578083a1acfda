/* threads.c: what a second thread is worth, to queries and to a build.
 *
 *     threads --dir DATABASE --base FILE.fvecs --query FILE.fvecs --truth FILE.ivecs --scratch DIR
 *             [--recall 0.99] [--rounds 5] [--window-ms 1000] [--points 200000] [--build-rounds 1]
 *             [--json FILE]
 *
 * Queries: on DATABASE, which holds the base, at the least ef that reaches the recall, one thread and two by
 * turns; queries a second together, p50 and p99 of each query. Builds: the first `points` rows of the
 * base, written and compacted in DIR with options.thread_count 1 and 2 by turns. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/bench.h"
#include "os/thread.h"

enum { K = 10, THREADS = 2 };

static struct bench_vecs base, queries;
static struct bench_db db;
static uint32_t ef;
static double window;

/* --- Queries ----------------------------------------------------------------------------------- */

struct reader {
    struct thread thread;
    size_t first;               /* query */
    struct bench_series micros; /* of each query */
    double qps;
};

static void read_for_a_while(void *context)
{
    struct reader *reader = context;
    lode_error error;
    size_t done = 0, before = reader->micros.count;
    double begin = bench_wall(), last = begin;
    for (; last - begin < window; done++) {
        lode_result *result;
        const float *vector = bench_row(&queries, (reader->first + done) % queries.count);
        lode_search_request request = {.vector = vector, .k = K, .ef_search = ef};
        bench_must(lode_search(db.collection, &request, &result, &error), &error);
        lode_result_free(result);
        double now = bench_wall();
        bench_push(&reader->micros, 1e6 * (now - last));
        last = now;
    }
    reader->qps = (double)(reader->micros.count - before) / (last - begin);
}

struct readers {
    struct reader readers[THREADS];
    size_t count;
    struct bench_series qps; /* together, of each round */
};

static void read_together(struct readers *readers)
{
    double together = 0;
    for (size_t i = 0; i < readers->count; i++) {
        readers->readers[i].first = i * queries.count / readers->count;
        if (thread_start(&readers->readers[i].thread, "reader", read_for_a_while,
                         &readers->readers[i]))
            bench_fail("no thread");
    }
    for (size_t i = 0; i < readers->count; i++) {
        thread_join(&readers->readers[i].thread);
        together += readers->readers[i].qps;
    }
    bench_push(&readers->qps, together);
}

struct speed {
    double qps, p50, p99;
};

static struct speed speed_of(struct readers *readers)
{
    struct bench_series *micros = &readers->readers[0].micros;
    struct speed speed = {.qps = bench_median(readers->qps.values, readers->qps.count),
                          .p50 = bench_percentile(micros->values, micros->count, .5),
                          .p99 = bench_percentile(micros->values, micros->count, .99)};
    for (size_t i = 0; i < readers->count; i++)
        free(readers->readers[i].micros.values);
    free(readers->qps.values);
    return speed;
}

static void measure_queries(uint64_t rounds, struct speed ret_speeds[THREADS])
{
    struct readers one = {.count = 1}, two = {.count = 2};
    for (uint64_t round = 0; round < rounds; round++) {
        read_together(round % 2 ? &two : &one);
        read_together(round % 2 ? &one : &two);
    }
    ret_speeds[0] = speed_of(&one);
    ret_speeds[1] = speed_of(&two);
}

static void show_queries(const struct speed *speeds)
{
    for (int i = 0; i < THREADS; i++)
        printf("  %d thread%s  %9.0f q/s  p50 %6.1f us  p99 %6.1f us  (p99 %.2f x p50)\n", i + 1,
               i ? "s" : " ", speeds[i].qps, speeds[i].p50, speeds[i].p99,
               speeds[i].p99 / speeds[i].p50);
    printf("  two threads answer %.3f times as many as one\n", speeds[1].qps / speeds[0].qps);
    fflush(stdout);
}

/* --- Builds ------------------------------------------------------------------------------------ */

struct build {
    double wall, cpu;
};

static void measure_builds(const char *scratch, size_t points, uint64_t rounds,
                           struct build ret_builds[THREADS])
{
    struct bench_series wall[THREADS] = {{0}}, cpu[THREADS] = {{0}};
    for (uint64_t round = 0; round < rounds; round++)
        for (unsigned i = 0; i < THREADS; i++) {
            double wall_begin = bench_wall(), cpu_begin = bench_cpu();
            bench_db_build(scratch, &base, points, i + 1);
            bench_push(&wall[i], bench_wall() - wall_begin);
            bench_push(&cpu[i], bench_cpu() - cpu_begin);
        }
    bench_remove(scratch);
    for (unsigned i = 0; i < THREADS; i++) {
        ret_builds[i].wall = bench_median(wall[i].values, wall[i].count);
        ret_builds[i].cpu = bench_median(cpu[i].values, cpu[i].count);
        free(wall[i].values);
        free(cpu[i].values);
    }
}

static void show_builds(const struct build *builds, size_t points)
{
    for (int i = 0; i < THREADS; i++)
        printf("  build of %zu with thread_count %d: %6.1f s, %6.1f CPU s\n", points, i + 1,
               builds[i].wall, builds[i].cpu);
    printf("  two threads build %.3f times as fast\n", builds[0].wall / builds[1].wall);
}

/* --- All of it --------------------------------------------------------------------------------- */

static void write_json(const char *path, const struct speed *speeds, const struct build *builds)
{
    FILE *file = fopen(path, "w");
    if (!file)
        bench_fail("cannot write %s", path);
    fprintf(file, "{\"ef\": %u, \"queries\": [", ef);
    for (int i = 0; i < THREADS; i++)
        fprintf(file, "%s{\"threads\": %d, \"qps\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f}",
                i ? ", " : "", i + 1, speeds[i].qps, speeds[i].p50, speeds[i].p99);
    fprintf(file, "], \"ratio\": %.4f,\n \"builds\": [", speeds[1].qps / speeds[0].qps);
    for (int i = 0; i < THREADS; i++)
        fprintf(file, "%s{\"threads\": %d, \"wall_s\": %.2f, \"cpu_s\": %.2f}", i ? ", " : "",
                i + 1, builds[i].wall, builds[i].cpu);
    fprintf(file, "], \"build_ratio\": %.4f}\n", builds[0].wall / builds[1].wall);
    fclose(file);
}

int main(int argc, char **argv)
{
    struct speed speeds[THREADS];
    struct build builds[THREADS] = {{0}};
    size_t points = bench_number(argc, argv, "points", 200000);
    uint64_t build_rounds = bench_number(argc, argv, "build-rounds", 1);
    double target = strtod(bench_option(argc, argv, "recall", "0.99"), NULL);
    window = (double)bench_number(argc, argv, "window-ms", 1000) / 1e3;
    base = bench_read(bench_option(argc, argv, "base", NULL), points);
    queries = bench_read(bench_option(argc, argv, "query", NULL), 0);
    struct bench_truth truth = bench_truth_read(bench_option(argc, argv, "truth", NULL), K);
    db = bench_db_open(bench_option(argc, argv, "dir", NULL), 0);
    ef = bench_least_ef(&db, &queries, &truth, target);
    printf("threads: recall %g, ef %u\n", target, ef);
    measure_queries(bench_number(argc, argv, "rounds", 5), speeds);
    show_queries(speeds);
    bench_db_close(&db);
    if (build_rounds) {
        measure_builds(bench_option(argc, argv, "scratch", NULL), base.count, build_rounds, builds);
        show_builds(builds, base.count);
    }
    const char *json = bench_option(argc, argv, "json", "");
    if (*json)
        write_json(json, speeds, builds);
    free(truth.ids);
    free(base.values);
    free(queries.values);
    return 0;
}
