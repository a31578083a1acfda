/* growth.c: how the work of a query grows with the number of points.
 *
 *     growth --base FILE.fvecs --query FILE.fvecs --truth FILE.ivecs --full DATABASE --out DIR
 *            [--recall 0.99] [--queries 500] [--rebuild no] [--json FILE]
 *
 * For N of 10,000, 30,000 and so on to all of the base, which a database of all its rows, DATABASE, stands
 * for: a database of its first N rows in DIR, kept for the next run; their exact neighbours; the least ef
 * that reaches the recall; distances and hops a query, as lode_search_info has them: rows compared by their
 * vectors (not by the codes that a quantised graph holds of a hop's neighbours), nodes expanded. No clock: the figures do not depend on what else the
 * machine does. Prints a table and writes DIR/growth.dat: N, distances, hops, ef. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bench.h"

static const size_t sizes[] = {10000, 30000, 100000, 300000};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0], K = 10 };

static struct bench_vecs base, queries;
static double target;

struct figure {
    size_t points;
    uint32_t ef;
    struct bench_effort effort;
};

static struct figure measure(const struct bench_db *db, const struct bench_truth *truth,
                             size_t points)
{
    struct figure figure = {.points = points};
    figure.ef = bench_least_ef(db, &queries, truth, target);
    figure.effort = bench_search(db, &queries, truth, figure.ef);
    printf("  %9zu %5u  %.4f %9.0f %7.1f\n", points, figure.ef, figure.effort.recall,
           figure.effort.distances, figure.effort.hops);
    fflush(stdout);
    return figure;
}

static struct figure measure_part(const char *out, size_t points, int rebuild)
{
    char dir[4096];
    snprintf(dir, sizeof dir, "%s/growth-%zu.lode", out, points);
    if (rebuild || access(dir, F_OK)) {
        char building
            [4200]; /* a name of its own, so that what an interrupted run leaves is not used */
        snprintf(building, sizeof building, "%s.part", dir);
        bench_db_build(building, &base, points, 0);
        bench_remove(dir);
        if (rename(building, dir))
            bench_fail("cannot rename %s", building);
    }
    struct bench_db db = bench_db_open(dir, 0);
    struct bench_truth truth = bench_truth_find(&db, &queries, K);
    struct figure figure = measure(&db, &truth, points);
    free(truth.ids);
    bench_db_close(&db);
    return figure;
}

static struct figure measure_full(const char *dir, const char *truth_path)
{
    struct bench_db db = bench_db_open(dir, 0);
    struct bench_truth truth = bench_truth_read(truth_path, K);
    struct figure figure = measure(&db, &truth, base.count);
    free(truth.ids);
    bench_db_close(&db);
    return figure;
}

static FILE *create(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s%s", dir, *dir ? "/" : "", name);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_fail("cannot write %s", path);
    return file;
}

static void write_files(const char *out, const char *json_path, const struct figure *figures,
                        size_t count)
{
    FILE *data = create(out, "growth.dat");
    FILE *json = *json_path ? create("", json_path) : NULL;
    fprintf(data, "# points  distances  hops  ef, at recall %g\n", target);
    for (size_t i = 0; i < count; i++) {
        const struct figure *figure = &figures[i];
        fprintf(data, "%zu %.1f %.2f %u\n", figure->points, figure->effort.distances,
                figure->effort.hops, figure->ef);
        if (json)
            fprintf(json,
                    "%s{\"points\": %zu, \"recall_target\": %g, \"recall\": %.5f, \"ef\": %u, "
                    "\"distances\": %.1f, \"hops\": %.2f}",
                    i ? ",\n " : "[", figure->points, target, figure->effort.recall, figure->ef,
                    figure->effort.distances, figure->effort.hops);
    }
    fclose(data);
    if (json) {
        fprintf(json, "]\n");
        fclose(json);
    }
}

int main(int argc, char **argv)
{
    struct figure figures[SIZE_COUNT + 1];
    size_t count = 0;
    const char *out = bench_option(argc, argv, "out", NULL);
    int rebuild = !strcmp(bench_option(argc, argv, "rebuild", "no"), "yes");
    target = strtod(bench_option(argc, argv, "recall", "0.99"), NULL);
    base = bench_read(bench_option(argc, argv, "base", NULL), 0);
    queries = bench_read(bench_option(argc, argv, "query", NULL),
                         bench_number(argc, argv, "queries", 500));
    printf("growth: work of a query at recall %g, %zu queries\n", target, queries.count);
    printf("     points    ef  reached distances    hops\n");
    for (size_t i = 0; i < SIZE_COUNT; i++)
        if (sizes[i] < base.count)
            figures[count++] = measure_part(out, sizes[i], rebuild);
    figures[count++] = measure_full(bench_option(argc, argv, "full", NULL),
                                    bench_option(argc, argv, "truth", NULL));
    write_files(out, bench_option(argc, argv, "json", ""), figures, count);
    free(base.values);
    free(queries.values);
    return 0;
}
