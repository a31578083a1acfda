/* churn.c: a collection most of whose points are deleted and written again: what becomes of recall, disk, memory and
 * of those who search meanwhile.
 *
 *     churn --base FILE --query FILE --truth FILE.ivecs --dir DIR [--layout fast|compact] [--rounds 20]
 *           [--share 10] [--pace 200] [--idle-ms 1000] [--ef 64] [--points 0] [--json FILE] [--dat FILE]
 *
 * Public interface, default options, background maintenance on. DIR.fresh is loaded once and compacted. DIR is loaded,
 * then in each round `share` percent of the points are deleted and written again, by one writer without pause;
 * the background work is waited for, compaction as it comes by itself; then nothing is done for `idle-ms`. All
 * along one reader asks `pace` queries a second, and a query's time counts from when it was due: who waits behind
 * a slow one is slow too. Each query belongs to what went on when it was due: writing, background work, or
 * nothing. At last DIR is compacted, and both are opened in processes of their own and compared. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "common/bench.h"
#include "os/thread.h"

enum { K = 10, BATCH = 500, ROUNDS_MAX = 100, LOOK_EVERY_US = 5000 };
enum doing { DOING_NOTHING, DOING_WRITES, DOING_WORK, DOING_COUNT };

static struct {
    int argc;
    const char *dir, *json, *dat;
    lode_layout layout;
    uint64_t rounds, share, pace, idle_ms, ef, points;
} options;

static struct bench_vecs base, queries;
static struct bench_truth truth;
static lode_error error;

/* --- One database ------------------------------------------------------------------------------ */

static struct bench_db open_dir(const char *dir, lode_maintenance maintenance)
{
    struct bench_db db;
    const lode_db_options opening = {.maintenance = maintenance};
    const lode_schema schema = {.dim = (uint32_t)base.dim, .layout = options.layout};
    bench_must(lode_db_open(dir, &opening, &db.db, &error), &error);
    if (lode_collection_open(db.db, "vectors", &db.collection, NULL))
        bench_must(lode_collection_create(db.db, "vectors", &schema, &db.collection, &error),
                   &error);
    return db;
}

static void write_rows(const struct bench_db *db, const uint32_t *rows, size_t count)
{
    lode_point points[BATCH];
    for (size_t done = 0; done < count;) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        for (size_t i = 0; i < batch; i++)
            points[i] = (lode_point){.id = lode_id_number(rows[done + i]),
                                     .vector = bench_row(&base, rows[done + i])};
        bench_must(lode_upsert(db->collection, points, batch, NULL, &error), &error);
        done += batch;
    }
}

static void delete_rows(const struct bench_db *db, const uint32_t *rows, size_t count)
{
    lode_id ids[BATCH];
    for (size_t done = 0; done < count;) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        for (size_t i = 0; i < batch; i++)
            ids[i] = lode_id_number(rows[done + i]);
        bench_must(lode_delete(db->collection, ids, batch, NULL, &error), &error);
        done += batch;
    }
}

static void load(const struct bench_db *db)
{
    uint32_t *rows = malloc(base.count * sizeof *rows);
    if (!rows)
        bench_fail("no memory");
    for (size_t i = 0; i < base.count; i++)
        rows[i] = (uint32_t)i;
    write_rows(db, rows, base.count);
    free(rows);
}

/* Distinct random rows, at the front of `order`, which holds all. */
static void draw(struct rng *rng, uint32_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i + rng_below(rng, (uint32_t)(base.count - i));
        uint32_t row = order[at];
        order[at] = order[i];
        order[i] = row;
    }
}

/* --- The reader -------------------------------------------------------------------------------- */

struct reader {
    const struct bench_db *db;
    _Atomic int stop;
    _Atomic int doing; /* enum doing, as the main thread and the looker know it */
    struct bench_series times[DOING_COUNT]; /* microseconds from when a query was due */
    double distances[DOING_COUNT];          /* compared, in all: what a scan costs shows here */
};

static void read_at_pace(void *context)
{
    struct reader *reader = context;
    double begin = bench_wall();
    for (uint64_t i = 0; !atomic_load_explicit(&reader->stop, memory_order_relaxed); i++) {
        double due = begin + (double)i / (double)options.pace, early = due - bench_wall();
        if (early > 0)
            usleep((useconds_t)(1e6 * early));
        int doing = atomic_load_explicit(&reader->doing, memory_order_relaxed);
        lode_search_request request = {.vector = bench_row(&queries, i % queries.count),
                                       .k = K,
                                       .ef_search = (uint32_t)options.ef};
        lode_result *result;
        lode_error reading = {0};
        bench_must(lode_search(reader->db->collection, &request, &result, &reading), &reading);
        bench_push(&reader->times[doing], 1e6 * (bench_wall() - due));
        reader->distances[doing] += (double)result->info.distances;
        lode_result_free(result);
    }
}

/* --- Rounds ------------------------------------------------------------------------------------ */

struct round {
    struct bench_effort at_64, at_128;
    double write_s, work_s;
    uint64_t disk, memory;
    size_t segments;
};

struct churned {
    struct round rounds[ROUNDS_MAX];
    uint64_t disk_peak, flushed, rewritten;
    double cpu_s;
};

static int is_working(const lode_stats *stats)
{
    for (size_t i = 0; i < stats->job_count; i++)
        if (stats->jobs[i].kind != LODE_JOB_FLUSH)
            return 1;
    return 0;
}

/* Until nothing is due, saying all along what goes on. */
static void wait_for_work(const struct bench_db *db, struct reader *reader, struct churned *churned)
{
    lode_status status;
    do {
        status = lode_wait_idle(db->collection, LOOK_EVERY_US / 1000, &error);
        if (status != LODE_PARTIAL)
            bench_must(status, &error);
        lode_stats *stats;
        bench_must(lode_stats_get(db->collection, &stats, &error), &error);
        atomic_store_explicit(&reader->doing, is_working(stats) ? DOING_WORK : DOING_WRITES,
                              memory_order_relaxed);
        if (stats->disk_bytes > churned->disk_peak)
            churned->disk_peak = stats->disk_bytes;
        lode_stats_free(stats);
    } while (status == LODE_PARTIAL);
    atomic_store_explicit(&reader->doing, DOING_NOTHING, memory_order_relaxed);
}

static void look(const struct bench_db *db, struct round *round, struct churned *churned)
{
    lode_stats *stats;
    struct bench_vecs some = queries;
    some.count = some.count < 1000 ? some.count : 1000;
    round->at_64 = bench_search(db, &some, &truth, 64);
    round->at_128 = bench_search(db, &some, &truth, 128);
    bench_must(lode_stats_get(db->collection, &stats, &error), &error);
    round->disk = stats->disk_bytes;
    round->memory = stats->memory_bytes;
    round->segments = stats->segment_count;
    churned->flushed = stats->flushed_bytes;
    churned->rewritten = stats->rewritten_bytes;
    lode_stats_free(stats);
}

static void run_round(const struct bench_db *db, struct reader *reader, uint32_t *order,
                      struct rng *rng, struct churned *churned, struct round *round)
{
    size_t count = base.count * options.share / 100;
    draw(rng, order, count);
    double begin = bench_wall();
    atomic_store_explicit(&reader->doing, DOING_WRITES, memory_order_relaxed);
    delete_rows(db, order, count);
    write_rows(db, order, count);
    round->write_s = bench_wall() - begin;
    begin = bench_wall();
    wait_for_work(db, reader, churned);
    round->work_s = bench_wall() - begin;
    usleep((useconds_t)(1000 * options.idle_ms));
    look(db, round, churned);
}

static void show_round(uint64_t i, const struct round *round)
{
    printf("%5" PRIu64 "  %6.2f %6.2f  %zu  %7.1f %6.1f  %.4f %5.1f  %.4f %5.1f\n", i,
           round->write_s, round->work_s, round->segments, (double)round->disk / 1e6,
           (double)round->memory / 1e6, round->at_64.recall, round->at_64.hops,
           round->at_128.recall, round->at_128.hops);
    fflush(stdout);
}

static void churn(const struct bench_db *db, struct reader *reader, struct churned *churned)
{
    struct rng rng;
    struct thread thread;
    uint32_t *order = malloc(base.count * sizeof *order);
    if (!order)
        bench_fail("no memory");
    for (size_t i = 0; i < base.count; i++)
        order[i] = (uint32_t)i;
    rng_init(&rng, 11);
    load(db);
    bench_must(lode_wait_idle(db->collection, 0, &error), &error);
    printf("round  write s work s  segments  disk MB memory MB  recall and hops at ef 64, 128\n");
    double cpu = bench_cpu();
    if (thread_start(&thread, "reader", read_at_pace, reader))
        bench_fail("no thread");
    for (uint64_t i = 0; i < options.rounds; i++) {
        run_round(db, reader, order, &rng, churned, &churned->rounds[i]);
        show_round(i + 1, &churned->rounds[i]);
    }
    atomic_store(&reader->stop, 1);
    thread_join(&thread);
    churned->cpu_s = bench_cpu() - cpu;
    free(order);
}

/* --- What is left ------------------------------------------------------------------------------ */

struct left {
    struct bench_effort at_64, at_128;
    uint64_t disk, memory, anonymous;
};

/* Memory that only swapping could free, in bytes. */
static uint64_t anonymous_bytes(void)
{
    unsigned long long kilobytes = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %llu", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return (uint64_t)kilobytes * 1024;
}

/* What `churn --measure DIR` does: writes a struct left to standard output. */
static void measure(const char *dir)
{
    struct left left = {0};
    lode_stats *stats;
    uint64_t before = anonymous_bytes();
    struct bench_db db = open_dir(dir, LODE_MAINTAIN_ON_REQUEST);
    left.at_64 = bench_search(&db, &queries, &truth, 64);
    left.at_128 = bench_search(&db, &queries, &truth, 128);
    bench_must(lode_stats_get(db.collection, &stats, &error), &error);
    left.disk = stats->disk_bytes;
    left.memory = stats->memory_bytes;
    left.anonymous = anonymous_bytes() - before;
    lode_stats_free(stats);
    bench_db_close(&db);
    if (write(STDOUT_FILENO, &left, sizeof left) != (ssize_t)sizeof left)
        bench_fail("cannot tell what was measured");
}

/* In a process of its own, so that memory is that of this database alone. */
static struct left measured(char **argv, const char *dir)
{
    struct left left;
    int ends[2], state;
    fflush(stdout);
    if (pipe(ends))
        bench_fail("no pipe");
    pid_t child = fork();
    if (child == 0) {
        const char *query = bench_option(options.argc, argv, "query", NULL);
        const char *near = bench_option(options.argc, argv, "truth", NULL);
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", argv[0], "--measure", dir, "--query", query, "--truth", near, NULL);
        _exit(1);
    }
    if (child < 0 || read(ends[0], &left, sizeof left) != (ssize_t)sizeof left ||
        waitpid(child, &state, 0) != child || state != 0)
        bench_fail("measuring %s failed", dir);
    close(ends[0]);
    close(ends[1]);
    return left;
}

static void show_left(const char *what, const struct left *left)
{
    printf("%-8s recall %.4f, %.1f hops at ef 64; %.4f, %.1f at 128; disk %.1f MB, memory %.2f MB, "
           "anonymous %.1f MB\n",
           what, left->at_64.recall, left->at_64.hops, left->at_128.recall, left->at_128.hops,
           (double)left->disk / 1e6, (double)left->memory / 1e6, (double)left->anonymous / 1e6);
}

/* --- Figures ----------------------------------------------------------------------------------- */

static const char *const doing_names[DOING_COUNT] = {"idle", "writes", "background work"};

static double percentile(struct reader *reader, enum doing doing, double share)
{
    return bench_percentile(reader->times[doing].values, reader->times[doing].count, share);
}

static void show_reader(struct reader *reader)
{
    double idle = percentile(reader, DOING_NOTHING, .99);
    printf("reader: %" PRIu64 " queries a second at ef %" PRIu64 ", from when each was due\n",
           options.pace, options.ef);
    for (int doing = 0; doing < DOING_COUNT; doing++)
        printf("  %-16s %6zu queries  p50 %6.0f us  p99 %6.0f us (%.2f of idle)  p99.9 %6.0f us, "
               "%.0f distances\n",
               doing_names[doing], reader->times[doing].count, percentile(reader, doing, .5),
               percentile(reader, doing, .99), percentile(reader, doing, .99) / idle,
               percentile(reader, doing, .999),
               reader->distances[doing] / (double)(reader->times[doing].count + 1));
}

static void write_left(FILE *file, const char *name, const struct left *left)
{
    fprintf(file,
            ",\n \"%s\": {\"recall_64\": %.5f, \"hops_64\": %.2f, \"recall_128\": %.5f, "
            "\"hops_128\": %.2f, \"disk_bytes\": %" PRIu64 ", \"memory_bytes\": %" PRIu64
            ", \"anonymous_bytes\": %" PRIu64 "}",
            name, left->at_64.recall, left->at_64.hops, left->at_128.recall, left->at_128.hops,
            left->disk, left->memory, left->anonymous);
}

static void write_json(struct reader *reader, const struct churned *churned,
                       const struct left *fresh, const struct left *left)
{
    FILE *file = fopen(options.json, "w");
    if (!file)
        bench_fail("cannot write %s", options.json);
    fprintf(file,
            "{\"points\": %zu, \"dim\": %zu, \"layout\": \"%s\", \"rounds\": %" PRIu64
            ", \"share\": %" PRIu64 ", \"pace\": %" PRIu64 ",\n \"bytes_flushed\": %" PRIu64
            ", \"bytes_rewritten\": %" PRIu64 ", \"disk_peak_bytes\": %" PRIu64 ", \"cpu_s\": %.1f",
            base.count, base.dim, options.layout == LODE_LAYOUT_COMPACT ? "compact" : "fast",
            options.rounds, options.share, options.pace, churned->flushed, churned->rewritten,
            churned->disk_peak, churned->cpu_s);
    for (int doing = 0; doing < DOING_COUNT; doing++)
        fprintf(file, ",\n \"%s\": {\"queries\": %zu, \"p50_us\": %.0f, \"p99_us\": %.0f}",
                doing_names[doing], reader->times[doing].count, percentile(reader, doing, .5),
                percentile(reader, doing, .99));
    write_left(file, "fresh", fresh);
    write_left(file, "churned", left);
    fprintf(file, "}\n");
    fclose(file);
}

static void write_dat(const struct churned *churned, const struct left *fresh)
{
    FILE *file = fopen(options.dat, "w");
    if (!file)
        bench_fail("cannot write %s", options.dat);
    fprintf(file, "# round, recall at ef 64, fresh; disk of fresh; seconds of background work\n");
    for (uint64_t i = 0; i < options.rounds; i++)
        fprintf(file, "%" PRIu64 " %.5f %.5f %.4f %.2f\n", i + 1, churned->rounds[i].at_64.recall,
                fresh->at_64.recall, (double)churned->rounds[i].disk / (double)fresh->disk,
                churned->rounds[i].work_s);
    fclose(file);
}

static void show_all(struct reader *reader, const struct churned *churned, const struct left *fresh,
                     const struct left *left)
{
    show_reader(reader);
    show_left("fresh", fresh);
    show_left("churned", left);
    printf(
        "churned against fresh: recall %+.2f and %+.2f points, disk %.2f, memory %.2f, anonymous "
        "%.2f\n",
        100 * (left->at_64.recall - fresh->at_64.recall),
        100 * (left->at_128.recall - fresh->at_128.recall),
        (double)left->disk / (double)fresh->disk, (double)left->memory / (double)fresh->memory,
        (double)left->anonymous / (double)fresh->anonymous);
    printf("written: %.2f bytes for each byte flushed; disk at most %.2f of fresh; %.0f s CPU\n",
           (double)(churned->flushed + churned->rewritten) / (double)churned->flushed,
           (double)churned->disk_peak / (double)fresh->disk, churned->cpu_s);
}

/* --- All --------------------------------------------------------------------------------------- */

static void build_fresh(const char *dir)
{
    bench_remove(dir);
    struct bench_db db = open_dir(dir, LODE_MAINTAIN_ON_REQUEST);
    load(&db);
    bench_must(lode_compact(db.collection, NULL, &error), &error);
    bench_db_close(&db);
}

static void read_options(int argc, char **argv)
{
    options.argc = argc;
    options.dir = bench_option(argc, argv, "dir", NULL);
    options.json = bench_option(argc, argv, "json", "");
    options.dat = bench_option(argc, argv, "dat", "");
    options.layout = strcmp(bench_option(argc, argv, "layout", "fast"), "compact")
                         ? LODE_LAYOUT_FAST
                         : LODE_LAYOUT_COMPACT;
    options.rounds = bench_number(argc, argv, "rounds", 20);
    options.share = bench_number(argc, argv, "share", 10);
    options.pace = bench_number(argc, argv, "pace", 200);
    options.idle_ms = bench_number(argc, argv, "idle-ms", 1000);
    options.ef = bench_number(argc, argv, "ef", 64);
    if (!options.rounds || options.rounds > ROUNDS_MAX || !options.share || options.share > 100 ||
        !options.pace || options.pace > 100000)
        bench_fail("--rounds is 1 to %d, --share 1 to 100, --pace 1 to 100000", ROUNDS_MAX);
}

int main(int argc, char **argv)
{
    static struct churned churned;
    static struct reader reader;
    char fresh_dir[4096];
    queries = bench_read(bench_option(argc, argv, "query", NULL), 2000);
    truth = bench_truth_read(bench_option(argc, argv, "truth", NULL), K);
    if (*bench_option(argc, argv, "measure", "")) {
        measure(bench_option(argc, argv, "measure", ""));
        return 0;
    }
    read_options(argc, argv);
    base = bench_read(bench_option(argc, argv, "base", NULL), 0);
    snprintf(fresh_dir, sizeof fresh_dir, "%s.fresh", options.dir);
    build_fresh(fresh_dir);
    struct left fresh = measured(argv, fresh_dir);
    bench_remove(options.dir);
    struct bench_db db = open_dir(options.dir, LODE_MAINTAIN_AUTO);
    reader.db = &db;
    churn(&db, &reader, &churned);
    bench_must(lode_compact(db.collection, NULL, &error), &error);
    bench_db_close(&db);
    struct left left = measured(argv, options.dir);
    show_all(&reader, &churned, &fresh, &left);
    if (*options.json)
        write_json(&reader, &churned, &fresh, &left);
    if (*options.dat)
        write_dat(&churned, &fresh);
    bench_remove(options.dir);
    bench_remove(fresh_dir);
    return 0;
}
