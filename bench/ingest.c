/* ingest.c: how fast points are taken in, each batch durable when its call returns, and what opening
 * costs afterwards.
 *
 *     ingest [--points N] [--dim N] [--batch N] [--threads N] [--growing MIB] [--auto] [--json] DIR
 *
 * DIR must not exist. Each phase is a process of its own: `write` ends without closing, as if killed;
 * `replay` opens what that left and closes; `open` opens again and looks at memory; `found` writes
 * single points and searches until each is found. --auto lets graphs be built beside the writing. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lode/lode.h>

#include "base/random.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/thread.h"

#define POOL_FLOATS ((size_t)4 << 20)
#define THREADS_MAX 64
#define FOUND_TURNS 20

static struct options {
    uint64_t points, batch, threads, growing_mib;
    uint32_t dim;
    int json;
    lode_maintenance maintenance;
    const char *path;
} options = {.points = 1000000,
             .batch = 1000,
             .threads = 1,
             .dim = 128,
             .maintenance = LODE_MAINTAIN_ON_REQUEST};

static lode_error error;

static void need(lode_status status)
{
    if (status == LODE_OK)
        return;
    fprintf(stderr, "ingest: %s: %s\n", lode_status_name(status), error.message);
    exit(1);
}

static double seconds(void)
{
    return (double)clock_now_us(&clock_system) / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One figure, as text or as a line of JSON. */
static void report(const char *phase, const char *what, double value, const char *unit)
{
    if (options.json)
        printf("{\"phase\":\"%s\",\"what\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", phase, what,
               value, unit);
    else
        printf("%-8s %-28s %14.4g %s\n", phase, what, value, unit);
    fflush(stdout);
}

/* --- Points ------------------------------------------------------------------------------------ */

/* Vectors are windows of a pool of random numbers, nothing to compute; 17 and the modulus share no
 * factor, so that no two are alike. */
static float *pool;

static void make_pool(void)
{
    struct rng rng;
    rng_init(&rng, 7);
    pool = malloc(POOL_FLOATS * sizeof *pool);
    for (size_t i = 0; pool && i < POOL_FLOATS; i++)
        pool[i] = (float)rng_unit(&rng);
}

static const float *vector_of(uint64_t id)
{
    return pool + id * 17 % (POOL_FLOATS - options.dim);
}

static void open_db(lode_db **ret_db, lode_collection **ret_collection)
{
    lode_db_options db_options = {.maintenance = options.maintenance,
                                  .growing_bytes_max = options.growing_mib << 20};
    need(lode_db_open(options.path, &db_options, ret_db, &error));
    if (lode_collection_open(*ret_db, "points", ret_collection, &error) == LODE_OK)
        return;
    lode_schema schema = {.dim = options.dim};
    need(lode_collection_create(*ret_db, "points", &schema, ret_collection, &error));
}

/* --- write ------------------------------------------------------------------------------------- */

struct writer {
    struct thread thread;
    lode_collection *collection;
    uint64_t first, count;
    double *latencies; /* of each batch */
    size_t batches;
};

static void write_points(void *context)
{
    struct writer *writer = context;
    lode_point *points = calloc(options.batch, sizeof *points);
    uint64_t end = writer->first + writer->count;
    for (uint64_t id = writer->first; id < end;) {
        size_t count = end - id < options.batch ? (size_t)(end - id) : options.batch;
        for (size_t i = 0; i < count; i++)
            points[i] = (lode_point){.id = lode_id_number(id + i), .vector = vector_of(id + i)};
        double begin = seconds();
        need(lode_upsert(writer->collection, points, count, NULL, &error));
        writer->latencies[writer->batches++] = seconds() - begin;
        id += count;
    }
    free(points);
}

static void report_latencies(const char *phase, double *latencies, size_t count)
{
    qsort(latencies, count, sizeof *latencies, compare);
    report(phase, "batch p50", latencies[count / 2] * 1e3, "ms");
    report(phase, "batch p99", latencies[count * 99 / 100] * 1e3, "ms");
    report(phase, "batch max", latencies[count - 1] * 1e3, "ms");
}

static void run_write(void)
{
    lode_db *db;
    lode_collection *collection;
    struct writer writers[THREADS_MAX] = {0};
    uint64_t share = options.points / options.threads;
    size_t batches = 0;
    open_db(&db, &collection);
    for (uint64_t i = 0; i < options.threads; i++)
        writers[i].latencies = calloc(share / options.batch + 2, sizeof(double));
    double begin = seconds();
    for (uint64_t i = 0; i < options.threads; i++) {
        writers[i].collection = collection;
        writers[i].first = i * share;
        writers[i].count = share;
        thread_start(&writers[i].thread, "writer", write_points, &writers[i]);
    }
    for (uint64_t i = 0; i < options.threads; i++)
        thread_join(&writers[i].thread);
    double spent = seconds() - begin;
    double *all = calloc(options.points / options.batch + 2 * options.threads, sizeof *all);
    for (uint64_t i = 0; i < options.threads; i++) {
        memcpy(all + batches, writers[i].latencies, writers[i].batches * sizeof *all);
        batches += writers[i].batches;
    }
    report("write", "durable points", (double)(share * options.threads) / spent, "/s");
    report_latencies("write", all, batches);
    report("write", "peak memory", (double)memory_resident_peak() / (1 << 20), "MiB");
}

/* --- replay, open, found ----------------------------------------------------------------------- */

static void run_replay(void)
{
    lode_db *db;
    lode_collection *collection;
    lode_stats *stats;
    double begin = seconds();
    open_db(&db, &collection);
    report("replay", "open", (seconds() - begin) * 1e3, "ms");
    need(lode_stats_get(collection, &stats, &error));
    if (stats->points != options.points / options.threads * options.threads)
        fprintf(stderr, "ingest: %" PRIu64 " points found\n", stats->points);
    lode_stats_free(stats);
    lode_collection_close(collection);
    lode_db_close(db);
}

static void run_open(void)
{
    lode_db *db;
    lode_collection *collection;
    lode_stats *stats;
    size_t before = memory_resident();
    double begin = seconds();
    open_db(&db, &collection);
    report("open", "open", (seconds() - begin) * 1e3, "ms");
    size_t after = memory_resident();
    need(lode_stats_get(collection, &stats, &error));
    report("open", "segments", (double)stats->segment_count, "");
    report("open", "mapped", (double)stats->mapped_bytes / (1 << 20), "MiB");
    report("open", "resident", (double)(after - before) / (1 << 20), "MiB");
    lode_stats_free(stats);
    lode_collection_close(collection);
    lode_db_close(db);
}

static void find_one(lode_collection *collection, uint64_t id, double *ret_written,
                     double *ret_found)
{
    lode_point point = {.id = lode_id_number(id), .vector = vector_of(id)};
    lode_search_request request = {.vector = point.vector, .k = 1};
    double begin = seconds();
    need(lode_upsert(collection, &point, 1, NULL, &error));
    *ret_written = seconds() - begin;
    for (int found = 0; !found;) {
        lode_result *result;
        need(lode_search(collection, &request, &result, &error));
        found = result->hit_count == 1 && result->hits[0].id.number == id;
        lode_result_free(result);
    }
    *ret_found = seconds() - begin;
}

static void run_found(void)
{
    lode_db *db;
    lode_collection *collection;
    double written[FOUND_TURNS], found[FOUND_TURNS];
    open_db(&db, &collection);
    for (size_t i = 0; i < FOUND_TURNS; i++)
        find_one(collection, options.points * 2 + i, &written[i], &found[i]);
    qsort(written, FOUND_TURNS, sizeof *written, compare);
    qsort(found, FOUND_TURNS, sizeof *found, compare);
    report("found", "one point durable p50", written[FOUND_TURNS / 2] * 1e3, "ms");
    report("found", "and found p50", found[FOUND_TURNS / 2] * 1e3, "ms");
    lode_collection_close(collection);
    lode_db_close(db);
}

/* --- All of it --------------------------------------------------------------------------------- */

/* In a process of its own, which ends without closing what it has not closed itself. */
static void in_process(void (*run)(void))
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        run();
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "ingest: a phase has failed\n");
        exit(1);
    }
}

static uint64_t number(const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || *end || value < 1 || value > max) {
        fprintf(stderr, "ingest: '%s' is not a number from 1 to %" PRIu64 "\n", text, max);
        exit(2);
    }
    return value;
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"points", 1, NULL, 'p'},  {"dim", 1, NULL, 'd'},     {"batch", 1, NULL, 'b'},
        {"threads", 1, NULL, 't'}, {"growing", 1, NULL, 'g'}, {"auto", 0, NULL, 'a'},
        {"json", 0, NULL, 'j'},    {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 'p': options.points = number(optarg, 1000000000); break;
        case 'd': options.dim = (uint32_t)number(optarg, LODE_DIM_MAX); break;
        case 'b': options.batch = number(optarg, LODE_BATCH_MAX); break;
        case 't': options.threads = number(optarg, THREADS_MAX); break;
        case 'g': options.growing_mib = number(optarg, 4096); break;
        case 'a': options.maintenance = LODE_MAINTAIN_AUTO; break;
        case 'j': options.json = 1; break;
        default: exit(2);
        }
    if (optind + 1 != argc) {
        fprintf(stderr, "usage: ingest [options] DIR\n");
        exit(2);
    }
    options.path = argv[optind];
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    make_pool();
    in_process(run_write);
    in_process(run_replay);
    in_process(run_open);
    in_process(run_found);
    free(pool);
    return 0;
}
