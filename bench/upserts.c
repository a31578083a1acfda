/* upserts.c: writing into a growing segment while its graph is built beside it, and what readers feel.
 *
 *     upserts --base FILE.fvecs --query FILE.fvecs --dir DIR [--part both|fill|readers]
 *             [--points 100000] [--batch 100] [--rounds 5] [--window-ms 1000] [--rates 2000,0]
 *             [--ef 64] [--json FILE]
 *
 * Default options, background maintenance on, public interface only. DIR is removed first.
 *
 * fill: `points` vectors are written to an empty database by one thread, `batch` at a time, each batch
 * durable when its call returns; then the time until no background work is left. Up to some 115,000 vectors
 * of 128 dimensions fit one growing segment, so that with the default nothing but the log and the overlay
 * graph is paid for. Vectors a CPU second counts every thread of the process until all rows are in the graph.
 *
 * readers: on what fill left, one thread searches without pause in windows of `window-ms`, by turns
 * alone and beside a writer; before a window alone begins, all background work is waited for. Once for each of the
 * `rates`: so many vectors a second; 0: as fast as the writer can. Percentiles are of all windows of a kind, by the wall and by the reader's own CPU time: what the two differ by is waiting for a core. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bench.h"
#include "os/thread.h"

enum { RATES_MAX = 8 };

static struct options {
    const char *dir, *json;
    uint64_t points, batch, rounds, ef;
    double window;
    uint64_t rates[RATES_MAX];
    size_t rate_count;
} options;

static struct bench_vecs base, queries;
static lode_db *db;
static lode_collection *collection;
static uint64_t written; /* so many rows of base are in the database; the writer's alone */
static lode_error error;

/* --- Writing ----------------------------------------------------------------------------------- */

struct writing {
    struct bench_series batches; /* seconds each */
    double wall, cpu;            /* cpu: of the writing thread */
    uint64_t vectors;
    uint64_t rate; /* vectors a second; 0: as many as possible */
    lode_error error;
};

static void write_batch(struct writing *writing, uint64_t count)
{
    lode_point points[LODE_BATCH_MAX];
    for (uint64_t i = 0; i < count; i++, written++)
        points[i] = (lode_point){.id = lode_id_number(written),
                                 .vector = bench_row(&base, written % base.count)};
    double begin = bench_wall();
    bench_must(lode_upsert(collection, points, count, NULL, &writing->error), &writing->error);
    bench_push(&writing->batches, bench_wall() - begin);
    writing->vectors += count;
}

static void fill(struct writing *writing)
{
    double wall = bench_wall(), cpu = bench_thread_cpu();
    while (writing->vectors < options.points) {
        uint64_t left = options.points - writing->vectors;
        write_batch(writing, left < options.batch ? left : options.batch);
    }
    writing->wall = bench_wall() - wall;
    writing->cpu = bench_thread_cpu() - cpu;
}

/* --- fill -------------------------------------------------------------------------------------- */

struct filled {
    double acknowledged; /* vectors a second of wall time, until the last batch returned */
    double finished;     /* until all rows are in the graph */
    double per_cpu;      /* vectors a CPU second of all threads */
    double writer_us,
        background_us; /* CPU time of a vector, in the writer's thread and in the rest */
    double batch_p50_ms, batch_p99_ms;
    double graph_share; /* rows in a graph at the end */
    double bytes;       /* memory a vector at the end */
    size_t segments;
};

static void look(struct filled *filled)
{
    lode_stats *stats;
    uint64_t rows = 0, graph_rows = 0, memory = 0;
    bench_must(lode_stats_get(collection, &stats, &error), &error);
    for (size_t i = 0; i < stats->segment_count; i++) {
        rows += stats->segments[i].rows;
        graph_rows += stats->segments[i].graph_rows;
        memory += stats->segments[i].memory_bytes;
    }
    filled->graph_share = (double)graph_rows / (double)rows;
    filled->bytes = (double)memory / (double)rows;
    filled->segments = stats->segment_count;
    lode_stats_free(stats);
}

static struct filled run_fill(void)
{
    struct filled filled = {0};
    struct writing writing = {0};
    double points = (double)options.points, wall = bench_wall(), cpu = bench_cpu();
    fill(&writing);
    bench_must(lode_wait_idle(collection, 0, &error), &error);
    wall = bench_wall() - wall;
    cpu = bench_cpu() - cpu;
    filled.acknowledged = points / writing.wall;
    filled.finished = points / wall;
    filled.per_cpu = points / cpu;
    filled.writer_us = 1e6 * writing.cpu / points;
    filled.background_us = 1e6 * (cpu - writing.cpu) / points;
    filled.batch_p50_ms = 1e3 * bench_percentile(writing.batches.values, writing.batches.count, .5);
    filled.batch_p99_ms =
        1e3 * bench_percentile(writing.batches.values, writing.batches.count, .99);
    free(writing.batches.values);
    look(&filled);
    return filled;
}

static void show_fill(const struct filled *filled)
{
    printf("fill: %" PRIu64 " vectors x %zu in batches of %" PRIu64 ", default options\n",
           options.points, base.dim, options.batch);
    printf("  %9.0f vectors a CPU second, all threads, graph included\n", filled->per_cpu);
    printf("  %9.1f us CPU a vector in the writing thread, %.1f in the background\n",
           filled->writer_us, filled->background_us);
    printf("  %9.0f vectors a second durable, %.0f until in the graph (wall)\n",
           filled->acknowledged, filled->finished);
    printf("  %9.3f ms a batch p50, %.3f p99\n", filled->batch_p50_ms, filled->batch_p99_ms);
    printf("  %9.0f bytes of memory a vector; %zu segments, %.1f%% of rows in a graph\n\n",
           filled->bytes, filled->segments, 100 * filled->graph_share);
    fflush(stdout);
}

/* --- readers ----------------------------------------------------------------------------------- */

struct reading {
    struct bench_series wall, cpu; /* microseconds of each query */
    double seconds, distances;
};

static void read_one(struct reading *reading, uint64_t *query)
{
    lode_search_request request = {.vector = bench_row(&queries, (*query)++ % queries.count),
                                   .k = 10,
                                   .ef_search = (uint32_t)options.ef};
    lode_result *result;
    double wall = bench_wall(), cpu = bench_thread_cpu();
    bench_must(lode_search(collection, &request, &result, &error), &error);
    bench_push(&reading->cpu, 1e6 * (bench_thread_cpu() - cpu));
    bench_push(&reading->wall, 1e6 * (bench_wall() - wall));
    reading->distances += (double)result->info.distances;
    lode_result_free(result);
}

static void read_window(struct reading *reading)
{
    static uint64_t query;
    double begin = bench_wall();
    while (bench_wall() - begin < options.window)
        read_one(reading, &query);
    reading->seconds += bench_wall() - begin;
}

static _Atomic int stop; /* relaxed: the writer looks again after each batch */

static void write_until_stopped(void *context)
{
    struct writing *writing = context;
    uint64_t before = writing->vectors;
    double begin = bench_wall(), cpu = bench_thread_cpu();
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        write_batch(writing, options.batch);
        double due =
            writing->rate ? (double)(writing->vectors - before) / (double)writing->rate : 0;
        double early = begin + due - bench_wall();
        if (early > 0)
            usleep((useconds_t)(1e6 * early));
    }
    writing->wall += bench_wall() - begin;
    writing->cpu += bench_thread_cpu() - cpu;
}

static void read_beside_writer(struct reading *reading, struct writing *writing)
{
    struct thread thread;
    atomic_store(&stop, 0);
    if (thread_start(&thread, "writer", write_until_stopped, writing))
        bench_fail("no thread");
    read_window(reading);
    atomic_store(&stop, 1);
    thread_join(&thread);
}

struct felt {
    double p50, p99, cpu_p50, cpu_p99, qps, distances;
};

static struct felt felt_of(struct reading *reading)
{
    size_t count = reading->wall.count;
    return (struct felt){.p50 = bench_percentile(reading->wall.values, count, .5),
                         .p99 = bench_percentile(reading->wall.values, count, .99),
                         .cpu_p50 = bench_percentile(reading->cpu.values, count, .5),
                         .cpu_p99 = bench_percentile(reading->cpu.values, count, .99),
                         .qps = (double)count / reading->seconds,
                         .distances = reading->distances / (double)count};
}

static void show_felt(const char *what, const struct felt *felt)
{
    printf("  %-14s p50 %7.0f us  p99 %7.0f us  (CPU %6.0f, %6.0f)  %7.0f q/s  %6.0f distances\n",
           what, felt->p50, felt->p99, felt->cpu_p50, felt->cpu_p99, felt->qps, felt->distances);
}

struct readers {
    struct felt alone, beside;
    double vectors_per_s;
};

static struct readers run_readers(uint64_t rate)
{
    struct reading alone = {0}, beside = {0}, warm = {0};
    struct writing writing = {.rate = rate};
    read_window(&warm);
    for (uint64_t round = 0; round < options.rounds; round++) {
        bench_must(lode_wait_idle(collection, 0, &error), &error);
        read_window(&alone);
        read_beside_writer(&beside, &writing);
    }
    struct readers readers = {.alone = felt_of(&alone),
                              .beside = felt_of(&beside),
                              .vectors_per_s = (double)writing.vectors / writing.wall};
    struct reading *all[] = {&alone, &beside, &warm};
    for (size_t i = 0; i < 3; i++) {
        free(all[i]->wall.values);
        free(all[i]->cpu.values);
    }
    free(writing.batches.values);
    return readers;
}

static void show_readers(const struct readers *readers)
{
    struct filled now;
    look(&now);
    printf("readers: one, ef %" PRIu64 ", %" PRIu64 " windows of %.1f s each; writer at %.0f /s\n",
           options.ef, options.rounds, options.window, readers->vectors_per_s);
    show_felt("alone", &readers->alone);
    show_felt("beside writer", &readers->beside);
    printf("  p99 %.2f times as long beside the writer (CPU %.2f); %" PRIu64
           " points, %zu segments at the end\n",
           readers->beside.p99 / readers->alone.p99,
           readers->beside.cpu_p99 / readers->alone.cpu_p99, written, now.segments);
}

/* --- All of it --------------------------------------------------------------------------------- */

static void write_felt(FILE *file, const char *name, const struct felt *felt)
{
    fprintf(file,
            ",\n \"%s\": {\"p50_us\": %.1f, \"p99_us\": %.1f, \"cpu_p50_us\": %.1f, "
            "\"cpu_p99_us\": %.1f, \"qps\": %.1f, \"distances\": %.1f}",
            name, felt->p50, felt->p99, felt->cpu_p50, felt->cpu_p99, felt->qps, felt->distances);
}

static void write_json(const struct filled *filled, const struct readers *readers, size_t count)
{
    FILE *file = fopen(options.json, "w");
    if (!file)
        bench_fail("cannot write %s", options.json);
    fprintf(file,
            "{\"points\": %" PRIu64 ", \"dim\": %zu, \"batch\": %" PRIu64
            ", \"vectors_per_cpu_s\": %.1f, \"durable_per_s\": %.1f, \"finished_per_s\": %.1f, "
            "\"writer_cpu_us\": %.2f, \"background_cpu_us\": %.2f, \"memory_bytes\": %.1f, "
            "\"readers\": [",
            options.points, base.dim, options.batch, filled->per_cpu, filled->acknowledged,
            filled->finished, filled->writer_us, filled->background_us, filled->bytes);
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%s\n{\"rate\": %" PRIu64 ", \"written_per_s\": %.1f, \"p99_ratio\": %.3f",
                i ? "," : "", options.rates[i], readers[i].vectors_per_s,
                readers[i].beside.p99 / readers[i].alone.p99);
        write_felt(file, "alone", &readers[i].alone);
        write_felt(file, "beside_writer", &readers[i].beside);
        fprintf(file, "}");
    }
    fprintf(file, "]}\n");
    fclose(file);
}

static void parse_rates(const char *text)
{
    for (char *end; *text && options.rate_count < RATES_MAX; text = *end ? end + 1 : end) {
        options.rates[options.rate_count++] = strtoull(text, &end, 10);
        if (end == text || (*end && *end != ','))
            bench_fail("--rates: '%s' is not a list of numbers", text);
    }
}

static void open_new(void)
{
    bench_remove(options.dir);
    bench_must(lode_db_open(options.dir, NULL, &db, &error), &error);
    lode_schema schema = {.dim = (uint32_t)base.dim};
    bench_must(lode_collection_create(db, "points", &schema, &collection, &error), &error);
}

int main(int argc, char **argv)
{
    options.dir = bench_option(argc, argv, "dir", NULL);
    options.json = bench_option(argc, argv, "json", "");
    options.points = bench_number(argc, argv, "points", 100000);
    options.batch = bench_number(argc, argv, "batch", 100);
    options.rounds = bench_number(argc, argv, "rounds", 5);
    parse_rates(bench_option(argc, argv, "rates", "2000,0"));
    options.ef = bench_number(argc, argv, "ef", 64);
    options.window = (double)bench_number(argc, argv, "window-ms", 1000) / 1e3;
    if (!options.points || !options.batch || options.batch > LODE_BATCH_MAX)
        bench_fail("--points and --batch are at least 1, --batch at most %d", LODE_BATCH_MAX);
    base = bench_read(bench_option(argc, argv, "base", NULL), 0);
    queries = bench_read(bench_option(argc, argv, "query", NULL), 0);
    const char *part = bench_option(argc, argv, "part", "both");
    struct readers readers[RATES_MAX] = {0};
    size_t done = 0;
    open_new();
    struct filled filled = run_fill();
    show_fill(&filled);
    for (; strcmp(part, "fill") != 0 && done < options.rate_count; done++) {
        readers[done] = run_readers(options.rates[done]);
        show_readers(&readers[done]);
    }
    if (*options.json)
        write_json(&filled, readers, done);
    lode_collection_close(collection);
    lode_db_close(db);
    bench_remove(options.dir);
    return 0;
}
