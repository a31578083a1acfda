/* open.c: how long opening takes: after an orderly close and after kill -9 with as much in the logs as
 * there can be, with what the page cache holds and with nothing in it; and how long the first query and the
 * first point looked up take after that.
 *
 *     open --out DIR [--rows 1000000] [--dim 128] [--index flat|hnsw] [--keep 1] [--state closed|killed]
 *          [--merged yes|no] [--json FILE]
 *
 * Makes a database of random rows in DIR, merged as the background does it, or left in the segments it was
 * flushed into (kept for the next run with --keep 1). The killed one has a full
 * growing segment and as many full ones before it as writers do not wait for (FROZEN_MAX - 1). Emptying the
 * page cache needs root; without, the cold figures are left out. Prints a table. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "common/bench.h"
#include "engine/collection.h"

enum { BATCH = 10000, K = 10, RUNS = 3, NAME_SIZE = 4096 };

static lode_error error;
static uint64_t rows;
static uint32_t dim;
static lode_index index_kind;
static int is_merged;
static char base_dir[NAME_SIZE - 8]; /* as it was built */
static char dir[NAME_SIZE];          /* a copy of it, whose files are the same */

/* What a child found: in memory that it shares. */
struct figure {
    double open_ms, open_cpu_ms, first_query_ms, first_get_ms;
    uint64_t points, replayed; /* rows in growing segments after opening */
};
static struct figure *shared;

static void fill(float *vectors, size_t count, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++)
        vectors[i] = (float)(rng_u64(&rng) >> 40) / (float)(1 << 24) - 0.5f;
}

static lode_status put(lode_collection *collection, uint64_t first, size_t count, float *vectors,
                       lode_point *points)
{
    lode_write_op *ops = calloc(count, sizeof *ops);
    fill(vectors, count * dim, first + 1);
    for (size_t i = 0; i < count; i++) {
        points[i] = (lode_point){.id = lode_id_number(first + i), .vector = vectors + i * dim};
        ops[i] = (lode_write_op){.kind = LODE_WRITE_UPSERT, .point = points[i]};
    }
    lode_status status = lode_write(collection, ops, count, NULL, NULL, &error);
    free(ops);
    return status;
}

/* --- The two states ---------------------------------------------------------------------------- */

/* Let the background merge by tiers, as it does while somebody writes. */
static void merge(void)
{
    lode_db *db;
    lode_collection *collection;
    lode_stats *stats;
    bench_must(lode_db_open(base_dir, NULL, &db, &error), &error);
    bench_must(lode_collection_open(db, "vectors", &collection, &error), &error);
    bench_must(lode_wait_idle(collection, 0, &error), &error);
    bench_must(lode_stats_get(collection, &stats, &error), &error);
    printf("%zu segments\n", stats->segment_count);
    lode_stats_free(stats);
    lode_collection_close(collection);
    lode_db_close(db);
}

static void build(void)
{
    lode_db *db;
    lode_collection *collection;
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    lode_schema schema = {.dim = dim, .index = index_kind, .layout = LODE_LAYOUT_COMPACT};
    float *vectors = malloc((size_t)BATCH * dim * sizeof *vectors);
    lode_point *points = calloc(BATCH, sizeof *points);
    bench_must(lode_db_open(base_dir, &options, &db, &error), &error);
    bench_must(lode_collection_create(db, "vectors", &schema, &collection, &error), &error);
    for (uint64_t i = 0; i < rows; i += BATCH)
        bench_must(
            put(collection, i, rows - i < BATCH ? (size_t)(rows - i) : BATCH, vectors, points),
            &error);
    if (index_kind == LODE_INDEX_HNSW)
        bench_must(lode_compact(collection, NULL, &error), &error);
    lode_collection_close(collection);
    lode_db_close(db);
    free(points);
    free(vectors);
    if (is_merged)
        merge();
}

/* An executor that never finds the time: what is frozen stays so. */
static lode_status never(struct executor *executor, enum executor_priority priority,
                         void (*run)(void *), void *context, lode_error *why)
{
    (void)executor;
    (void)priority;
    (void)run;
    (void)context;
    (void)why;
    return LODE_OK;
}

static unsigned width_one(const struct executor *executor)
{
    (void)executor;
    return 1;
}

/* Write new points until a growing segment and all that may wait before it are full, and die. */
static void fill_and_die(void)
{
    static const struct executor_ops ops = {.submit = never, .width = width_one};
    struct executor idle = {&ops};
    struct db_env env = {.quick = &idle, .executor = &idle};
    lode_db *db;
    lode_collection *collection;
    float *vectors = malloc((size_t)BATCH * dim * sizeof *vectors);
    lode_point *points = calloc(BATCH, sizeof *points);
    bench_must(db_open(dir, NULL, &env, &db, &error), &error);
    bench_must(lode_collection_open(db, "vectors", &collection, &error), &error);
    uint64_t first = rows * 2, full = collection->shared->db->growing_bytes_max;
    for (;; first += BATCH) {
        bench_must(put(collection, first, BATCH, vectors, points), &error);
        if (jobs_frozen_count(&collection->shared->jobs) == FROZEN_MAX - 1 &&
            (growing_bytes(collection->shared->growing) + BATCH * (dim * sizeof *vectors + 64) >
                 full ||
             growing_row_count(collection->shared->growing) + BATCH > GROWING_ROWS_MAX))
            break;
    }
    _exit(0);
}

static void in_child(void (*run)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        bench_fail("a child failed");
}

/* --- Measuring --------------------------------------------------------------------------------- */

static uint64_t growing_rows(lode_collection *collection)
{
    struct version *version = collection_pin(collection->shared);
    uint64_t sum = 0;
    for (size_t i = 0; i < version->view_count; i++)
        if (!version->views[i].segment->sealed)
            sum += version->views[i].row_count;
    version_unref(version);
    return sum;
}

static void measure(void)
{
    prctl(PR_SET_NAME, "opening"); /* perf report --comm opening */
    lode_db *db;
    lode_collection *collection;
    lode_result *found;
    float *query = malloc(dim * sizeof *query);
    lode_id id = lode_id_number(rows / 2);
    fill(query, dim, 99);
    double begin = bench_wall();
    bench_must(lode_db_open(dir, NULL, &db, &error), &error);
    bench_must(lode_collection_open(db, "vectors", &collection, &error), &error);
    double opened = bench_wall(), cpu = bench_cpu();
    bench_must(lode_get(collection, NULL, &id, 1, LODE_WITH_VECTOR, &found, &error), &error);
    double got = bench_wall();
    if (found->hit_count != 1)
        bench_fail("a point is missing");
    lode_result_free(found);
    lode_search_request request = {.vector = query, .k = K};
    bench_must(lode_search(collection, &request, &found, &error), &error);
    double searched = bench_wall();
    lode_result_free(found);
    lode_snapshot *snapshot;
    bench_must(lode_snapshot_open(collection, &snapshot, &error), &error);
    *shared = (struct figure){.open_ms = (opened - begin) * 1000,
                              .open_cpu_ms = cpu * 1000,
                              .first_get_ms = (got - opened) * 1000,
                              .first_query_ms = (searched - got) * 1000,
                              .points = lode_snapshot_point_count(snapshot),
                              .replayed = growing_rows(collection)};
    lode_snapshot_close(snapshot);
    free(query);
    _exit(0);
}

/* Files of segments never change, so that a second name for each is a copy of the database. */
static void copy_base(void)
{
    bench_remove(dir);
    fflush(stdout);
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        execlp("cp", "cp", "-al", base_dir, dir, (char *)NULL);
        _exit(1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        bench_fail("cannot copy %s", base_dir);
}

static int drop_caches(void)
{
    sync();
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
    int done = fd >= 0 && write(fd, "3\n", 2) == 2;
    if (fd >= 0)
        close(fd);
    return done;
}

static void report(FILE *json, const char *state, const char *cache, const struct figure *figure)
{
    printf("%-10s %-5s %10" PRIu64 " points %9" PRIu64
           " in logs  open %8.1f ms (CPU %6.1f)  first get %7.1f ms"
           "  first query %8.1f ms\n",
           state, cache, figure->points, figure->replayed, figure->open_ms, figure->open_cpu_ms,
           figure->first_get_ms, figure->first_query_ms);
    fflush(stdout);
    if (json)
        fprintf(json,
                "{\"rows\": %" PRIu64 ", \"dim\": %u, \"index\": \"%s\", \"state\": \"%s\", "
                "\"cache\": \"%s\", \"points\": %" PRIu64 ", \"in_logs\": %" PRIu64
                ", \"open_ms\": %.1f, \"first_get_ms\": %.1f, \"first_query_ms\": %.1f}\n",
                rows, dim, index_kind == LODE_INDEX_FLAT ? "flat" : "hnsw", state, cache,
                figure->points, figure->replayed, figure->open_ms, figure->first_get_ms,
                figure->first_query_ms);
}

/* The median of the opening of three; killed: each of them after dying anew. */
static void series(FILE *json, const char *state, int killed, int cold)
{
    struct figure figures[RUNS];
    for (int i = 0; i < RUNS; i++) {
        copy_base();
        if (killed)
            in_child(fill_and_die);
        if (cold && !drop_caches()) {
            printf("%s cold: only root can empty the page cache\n", state);
            return;
        }
        in_child(measure);
        figures[i] = *shared;
    }
    for (int i = 0; i < RUNS; i++)
        for (int j = i + 1; j < RUNS; j++)
            if (figures[j].open_ms < figures[i].open_ms) {
                struct figure swapped = figures[i];
                figures[i] = figures[j];
                figures[j] = swapped;
            }
    report(json, state, cold ? "cold" : "warm", &figures[RUNS / 2]);
}

int main(int argc, char **argv)
{
    const char *out = bench_option(argc, argv, "out", NULL);
    const char *json_path = bench_option(argc, argv, "json", "");
    const char *kind = bench_option(argc, argv, "index", "flat");
    const char *only = bench_option(argc, argv, "state", "");
    int keep = (int)bench_number(argc, argv, "keep", 0);
    rows = bench_number(argc, argv, "rows", 1000000);
    dim = (uint32_t)bench_number(argc, argv, "dim", 128);
    index_kind = strcmp(kind, "hnsw") == 0 ? LODE_INDEX_HNSW : LODE_INDEX_FLAT;
    is_merged = strcmp(bench_option(argc, argv, "merged", "yes"), "yes") == 0;
    snprintf(base_dir, sizeof base_dir, "%s/open-%" PRIu64 "-%u-%s%s.lode", out, rows, dim, kind,
             is_merged ? "" : "-unmerged");
    snprintf(dir, sizeof dir, "%s.run", base_dir);
    FILE *json = *json_path ? fopen(json_path, "a") : NULL;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || (*json_path && !json))
        bench_fail("no memory, or '%s' cannot be written", json_path);
    if (access(base_dir, F_OK))
        in_child(build);
    for (int cold = 0; cold <= 1; cold++) {
        if (!*only || strcmp(only, "closed") == 0)
            series(json, "closed", 0, cold);
        if (!*only || strcmp(only, "killed") == 0)
            series(json, "killed", 1, cold);
    }
    if (json)
        fclose(json);
    bench_remove(dir);
    if (!keep)
        bench_remove(base_dir);
    return 0;
}
