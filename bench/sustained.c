/* sustained.c: writes, deletes and queries together, for minutes, in a process whose memory budget is a part of its
 * data: what comes of it each second, and what the process has in memory meanwhile.
 *
 *     sustained --base FILE.fvecs --query FILE.fvecs --dir DIR [--seconds 600] [--memory BYTES]
 *               [--points 1000000] [--rate 1000] [--readers 2] [--batch 100] [--ef 64] [--window 10]
 *               [--json FILE] [--dat FILE]
 *
 * --memory: default a quarter of the bytes of the vectors. DIR is written first, under the same budget, unless it is
 * there already; then a process of its own opens it. The vectors are read from their file row by row and do not
 * count. One thread writes `rate` points a second (0: as many as it can), `batch` at a time, each durable: four times
 * of five they replace points by others of the file, the fifth they are deleted, and come back later. Readers search
 * without pause. Every 50 ms the resident memory is looked at, every `window` seconds a line is printed. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "common/bench.h"
#include "os/thread.h"

enum { READERS_MAX = 16, K = 10, DELETE_EVERY = 5, LOAD_BATCH = 500 };

static struct options {
    const char *base, *query, *dir, *json, *dat;
    uint64_t seconds, memory, points, rate, readers, batch, ef, window;
} options;

static lode_db *db;
static lode_collection *collection;
static _Atomic int stopping;

/* --- Vectors ----------------------------------------------------------------------------------- */

static int base_fd;
static size_t dim;

static void base_open(void)
{
    int32_t width = 0;
    base_fd = open(options.base, O_RDONLY);
    if (base_fd < 0 || pread(base_fd, &width, sizeof width, 0) != sizeof width || width <= 0)
        bench_fail("%s: cannot be read", options.base);
    dim = (size_t)width;
}

static void base_row(uint64_t row, float *vector)
{
    size_t size = dim * sizeof *vector;
    off_t at = (off_t)(row * (size + sizeof(int32_t)) + sizeof(int32_t));
    if (pread(base_fd, vector, size, at) != (ssize_t)size)
        bench_fail("%s: ends before row %" PRIu64, options.base, row);
}

/* --- The database ------------------------------------------------------------------------------ */

static void open_db(lode_maintenance maintenance)
{
    lode_db_options db_options = {.maintenance = maintenance};
    lode_error error = {0};
    bench_must(lode_memory_budget_set(options.memory, &error), &error);
    bench_must(lode_db_open(options.dir, &db_options, &db, &error), &error);
    lode_status status = lode_collection_open(db, "vectors", &collection, &error);
    if (status != LODE_NOT_FOUND) {
        bench_must(status, &error);
        return;
    }
    lode_schema schema = {.dim = (uint32_t)dim};
    bench_must(lode_collection_create(db, "vectors", &schema, &collection, &error), &error);
}

static void close_db(void)
{
    lode_collection_close(collection);
    lode_db_close(db);
}

/* Keep the figures of the moment when most is resident. */
static void look_at_memory(lode_memory_stats *highest)
{
    lode_memory_stats memory;
    lode_memory_stats_get(&memory);
    if (memory.resident_bytes > highest->resident_bytes)
        *highest = memory;
}

static void load(void)
{
    lode_error error = {0};
    lode_point points[LOAD_BATCH];
    float *vectors = malloc(LOAD_BATCH * dim * sizeof *vectors);
    lode_memory_stats highest = {0};
    double begin = bench_wall();
    open_db(LODE_MAINTAIN_ON_REQUEST);
    for (uint64_t id = 0; id < options.points;) {
        size_t count = 0;
        for (; count < LOAD_BATCH && id < options.points; count++, id++) {
            base_row(id, vectors + count * dim);
            points[count] = (lode_point){.id = lode_id_number(id), .vector = vectors + count * dim};
        }
        bench_must(lode_upsert(collection, points, count, NULL, &error), &error);
        look_at_memory(&highest);
    }
    bench_must(lode_compact(collection, NULL, &error), &error);
    printf("loaded %" PRIu64 " points in %.0f s, at most %.1f MiB resident while writing\n",
           options.points, bench_wall() - begin, (double)highest.resident_bytes / 0x1p20);
    fflush(stdout);
    close_db();
    free(vectors);
}

/* --- Threads ----------------------------------------------------------------------------------- */

struct worker {
    struct thread thread;
    struct mutex mutex;         /* guards what follows */
    struct bench_series series; /* seconds of each call, since the window began */
    uint64_t done, deleted;     /* points or searches */
    uint64_t refused;
    char first_refusal[240];
    uint64_t seed;
};

static struct worker writer, readers[READERS_MAX];

static void note(struct worker *worker, double seconds, uint64_t done, uint64_t deleted,
                 const lode_error *refusal)
{
    mutex_lock(&worker->mutex);
    bench_push(&worker->series, seconds);
    worker->done += done;
    worker->deleted += deleted;
    if (refusal && worker->refused++ == 0)
        memcpy(worker->first_refusal, refusal->message, sizeof worker->first_refusal);
    mutex_unlock(&worker->mutex);
}

static void write_some(struct worker *worker, struct rng *rng, uint64_t turn, float *vectors)
{
    lode_write_op ops[LODE_BATCH_MAX / 10];
    lode_error error = {0};
    int deletes = turn % DELETE_EVERY == DELETE_EVERY - 1;
    for (uint64_t i = 0; i < options.batch; i++) {
        float *vector = vectors + i * dim;
        lode_id id = lode_id_number(rng_u64(rng) % options.points);
        if (!deletes)
            base_row(rng_u64(rng) % options.points, vector);
        ops[i] = (lode_write_op){.kind = deletes ? LODE_WRITE_DELETE : LODE_WRITE_UPSERT,
                                 .point = {.id = id, .vector = deletes ? NULL : vector}};
    }
    double begin = bench_wall();
    lode_status status = lode_write(collection, ops, options.batch, NULL, NULL, &error);
    uint64_t done = status ? 0 : options.batch;
    note(worker, bench_wall() - begin, deletes ? 0 : done, deletes ? done : 0,
         status ? &error : NULL);
}

static void run_writer(void *context)
{
    struct worker *worker = context;
    struct rng rng;
    float *vectors = malloc(options.batch * dim * sizeof *vectors);
    double begin = bench_wall();
    rng_init(&rng, worker->seed);
    for (uint64_t turn = 0; !atomic_load(&stopping); turn++) {
        double due = options.rate ? (double)(turn * options.batch) / (double)options.rate : 0;
        double ahead = due - (bench_wall() - begin);
        if (ahead > 0)
            usleep((useconds_t)(ahead * 1e6));
        write_some(worker, &rng, turn, vectors);
    }
    free(vectors);
}

static void run_reader(void *context)
{
    struct worker *worker = context;
    struct bench_vecs queries = bench_read(options.query, 1000);
    for (uint64_t i = worker->seed; !atomic_load(&stopping); i++) {
        lode_error error = {0};
        lode_result *result = NULL;
        lode_search_request request = {.vector = bench_row(&queries, i % queries.count),
                                       .k = K,
                                       .ef_search = (uint32_t)options.ef};
        double begin = bench_wall();
        lode_status status = lode_search(collection, &request, &result, &error);
        if (!status && result->hit_count < K)
            status = error.status = LODE_CORRUPT;
        note(worker, bench_wall() - begin, status == LODE_OK, 0, status ? &error : NULL);
        lode_result_free(result);
    }
    free(queries.values);
}

/* --- Windows ----------------------------------------------------------------------------------- */

struct window {
    double at, seconds;
    double writes, deletes, searches;                    /* a second */
    double search_p50, search_p99, write_p50, write_p99; /* ms */
    lode_memory_stats memory;                            /* when most was resident */
};

static struct sums {
    struct window *windows;
    size_t count;
    uint64_t rss_max;
    uint64_t reads_refused, writes_refused;
    uint64_t searches, writes, deletes;
} sums;

/* Empty the worker's series into `all`. */
static void drain(struct worker *worker, struct bench_series *all, uint64_t *ret_done,
                  uint64_t *ret_deleted)
{
    mutex_lock(&worker->mutex);
    for (size_t i = 0; i < worker->series.count; i++)
        bench_push(all, worker->series.values[i]);
    worker->series.count = 0;
    *ret_done += worker->done;
    *ret_deleted += worker->deleted;
    worker->done = worker->deleted = 0;
    mutex_unlock(&worker->mutex);
}

static double percentile_ms(struct bench_series *series, double share)
{
    return series->count ? bench_percentile(series->values, series->count, share) * 1e3 : 0;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / 0x1p20;
}

static void print_window(const struct window *w)
{
    const lode_memory_stats *m = &w->memory;
    static int printed;
    if (printed++ % 20 == 0)
        printf("%5s %7s %7s %7s | search %6s %7s | write %6s %7s | %5s %5s %5s | %6s %6s %5s %5s "
               "%5s | %5s %5s %5s\n",
               "s", "write/s", "del/s", "query/s", "p50ms", "p99ms", "p50ms", "p99ms", "rss",
               "anon", "file", "grow", "build", "batch", "scr", "oth", "waits", "trims", "refus");
    printf("%5.0f %7.0f %7.0f %7.0f |        %6.2f %7.2f |       %6.2f %7.2f | %5.0f %5.0f %5.0f | "
           "%6.1f %6.1f %5.1f %5.1f %5.1f | %5" PRIu64 " %5" PRIu64 " %5" PRIu64 "\n",
           w->at, w->writes, w->deletes, w->searches, w->search_p50, w->search_p99, w->write_p50,
           w->write_p99, mib(m->resident_bytes), mib(m->resident_bytes - m->resident_file_bytes),
           mib(m->resident_file_bytes), mib(m->growing_bytes), mib(m->build_bytes),
           mib(m->write_bytes), mib(m->scratch_bytes), mib(m->other_bytes), m->waits, m->trims,
           m->refusals);
    fflush(stdout);
}

static void end_window(double at, double seconds, const lode_memory_stats *highest)
{
    struct bench_series searches = {0}, writes = {0};
    uint64_t searched = 0, written = 0, deleted = 0, none = 0;
    for (uint64_t i = 0; i < options.readers; i++)
        drain(&readers[i], &searches, &searched, &none);
    drain(&writer, &writes, &written, &deleted);
    struct window window = {
        .at = at,
        .seconds = seconds,
        .writes = (double)written / seconds,
        .deletes = (double)deleted / seconds,
        .searches = (double)searched / seconds,
        .search_p50 = percentile_ms(&searches, 0.5),
        .search_p99 = percentile_ms(&searches, 0.99),
        .write_p50 = percentile_ms(&writes, 0.5),
        .write_p99 = percentile_ms(&writes, 0.99),
        .memory = *highest,
    };
    print_window(&window);
    sums.windows[sums.count++] = window;
    sums.searches += searched;
    sums.writes += written;
    sums.deletes += deleted;
    if (highest->resident_bytes > sums.rss_max)
        sums.rss_max = highest->resident_bytes;
    free(searches.values);
    free(writes.values);
}

static void watch(void)
{
    double begin = bench_wall(), window_begin = begin;
    lode_memory_stats highest = {0};
    sums.windows = calloc(options.seconds / options.window + 2, sizeof *sums.windows);
    while (bench_wall() - begin < (double)options.seconds) {
        usleep(50000);
        look_at_memory(&highest);
        double passed = bench_wall() - window_begin;
        if (passed < (double)options.window)
            continue;
        end_window(bench_wall() - begin, passed, &highest);
        window_begin = bench_wall();
        highest.resident_bytes = 0;
    }
}

static void start(struct worker *worker, void (*run)(void *), uint64_t seed)
{
    worker->seed = seed;
    mutex_init(&worker->mutex);
    if (thread_start(&worker->thread, "load", run, worker))
        bench_fail("cannot start a thread");
}

static void stop(struct worker *worker, uint64_t *ret_refused)
{
    thread_join(&worker->thread);
    *ret_refused += worker->refused;
    if (worker->refused)
        printf("first refusal: %s\n", worker->first_refusal);
}

/* --- The end ----------------------------------------------------------------------------------- */

static FILE *create(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        bench_fail("%s cannot be written", path);
    return file;
}

static void write_dat(void)
{
    FILE *file = create(options.dat);
    fprintf(file,
            "# s rss_max anon file growing build write scratch other query/s p50 p99 write/s\n");
    for (size_t i = 0; i < sums.count; i++) {
        const struct window *w = &sums.windows[i];
        const lode_memory_stats *m = &w->memory;
        fprintf(file, "%.0f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.0f %.3f %.3f %.0f\n", w->at,
                mib(m->resident_bytes), mib(m->resident_bytes - m->resident_file_bytes),
                mib(m->resident_file_bytes), mib(m->growing_bytes), mib(m->build_bytes),
                mib(m->write_bytes), mib(m->scratch_bytes), mib(m->other_bytes), w->searches,
                w->search_p50, w->search_p99, w->writes);
    }
    fclose(file);
}

static void write_json(const lode_memory_stats *memory)
{
    FILE *file = create(options.json);
    fprintf(file,
            "{\"points\":%" PRIu64 ",\"dim\":%zu,\"budget_bytes\":%" PRIu64 ",\"rss_max\":%" PRIu64
            ",\"within\":%s,\"reads_refused\":%" PRIu64 ",\"writes_refused\":%" PRIu64
            ",\"searches\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"deletes\":%" PRIu64
            ",\"waits\":%" PRIu64 ",\"waited_ms\":%" PRIu64 ",\"trims\":%" PRIu64
            ",\"peak_bytes\":%" PRIu64 ",\"windows\":[",
            options.points, dim, options.memory, sums.rss_max,
            sums.rss_max <= options.memory ? "true" : "false", sums.reads_refused,
            sums.writes_refused, sums.searches, sums.writes, sums.deletes, memory->waits,
            memory->waited_ms, memory->trims, memory->peak_bytes);
    for (size_t i = 0; i < sums.count; i++) {
        const struct window *w = &sums.windows[i];
        fprintf(file,
                "%s\n{\"s\":%.0f,\"searches\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"writes\":%.0f,"
                "\"deletes\":%.0f,\"write_p99_ms\":%.3f,\"rss_max\":%" PRIu64
                ",\"resident_file\":%" PRIu64 ",\"used\":%" PRIu64 "}",
                i ? "," : "", w->at, w->searches, w->search_p50, w->search_p99, w->writes,
                w->deletes, w->write_p99, w->memory.resident_bytes, w->memory.resident_file_bytes,
                w->memory.used_bytes);
    }
    fprintf(file, "]}\n");
    fclose(file);
}

static int serve(void)
{
    open_db(LODE_MAINTAIN_AUTO);
    start(&writer, run_writer, 1);
    for (uint64_t i = 0; i < options.readers; i++)
        start(&readers[i], run_reader, i * 499);
    watch();
    atomic_store(&stopping, 1);
    stop(&writer, &sums.writes_refused);
    for (uint64_t i = 0; i < options.readers; i++)
        stop(&readers[i], &sums.reads_refused);
    lode_memory_stats memory;
    lode_memory_stats_get(&memory);
    if (options.json)
        write_json(&memory);
    if (options.dat)
        write_dat();
    int within = sums.rss_max <= options.memory;
    printf("sustained: %" PRIu64 " s, %" PRIu64 " searches, %" PRIu64 " writes, %" PRIu64
           " deletes; refused: %" PRIu64 " reads, %" PRIu64 " writes; %" PRIu64 " waits of %" PRIu64
           " ms; accounted at most %.1f MiB; resident at most %.1f MiB of a budget of %.1f: within "
           "it %s\n",
           options.seconds, sums.searches, sums.writes, sums.deletes, sums.reads_refused,
           sums.writes_refused, memory.waits, memory.waited_ms, mib(memory.peak_bytes),
           mib(sums.rss_max), mib(options.memory), within ? "yes" : "no");
    close_db();
    free(sums.windows);
    return within && sums.reads_refused == 0 ? 0 : 1;
}

static int in_child(int (*run)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        exit(run());
    if (child < 0 || waitpid(child, &status, 0) != child)
        bench_fail("cannot start a process");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_load(void)
{
    load();
    return 0;
}

int main(int argc, char **argv)
{
    struct stat info;
    options = (struct options){
        .base = bench_option(argc, argv, "base", NULL),
        .query = bench_option(argc, argv, "query", NULL),
        .dir = bench_option(argc, argv, "dir", NULL),
        .json = bench_option(argc, argv, "json", ""),
        .dat = bench_option(argc, argv, "dat", ""),
        .seconds = bench_number(argc, argv, "seconds", 600),
        .points = bench_number(argc, argv, "points", 1000000),
        .rate = bench_number(argc, argv, "rate", 1000),
        .readers = bench_number(argc, argv, "readers", 2),
        .batch = bench_number(argc, argv, "batch", 100),
        .ef = bench_number(argc, argv, "ef", 64),
        .window = bench_number(argc, argv, "window", 10),
    };
    options.json = options.json && *options.json ? options.json : NULL;
    options.dat = options.dat && *options.dat ? options.dat : NULL;
    if (options.readers > READERS_MAX || options.batch > LODE_BATCH_MAX / 10 ||
        options.batch == 0 || options.window == 0)
        bench_fail("at most %d readers and batches of 1 to %d", READERS_MAX, LODE_BATCH_MAX / 10);
    base_open();
    options.memory = bench_number(argc, argv, "memory", options.points * dim * sizeof(float) / 4);
    printf("%" PRIu64 " x %zu float32, %.0f MiB; budget %.0f MiB\n", options.points, dim,
           mib(options.points * dim * sizeof(float)), mib(options.memory));
    int code = stat(options.dir, &info) == 0 ? 0 : in_child(run_load);
    return code ? code : in_child(serve);
}
