/* bench.c: `lode bench`: a real collection through the public interface: written, compacted, closed,
 * opened again, and searched with the least effort that reaches each recall asked for. */
#include "cmd/args.h"
#include "cmd/bench_data.h"
#include "cmd/bench_measure.h"
#include "cmd/command.h"
#include "cmd/load.h"
#include "cmd/names.h"
#include "cmd/interrupt.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/source_hdf5.h"
#include "cmd/table.h"

#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLLECTION     "bench"
#define SECONDS_MIN    1.0 /* of a final measurement */
#define PROBES_MAX     256
#define GAIN_MIN       1e-4 /* doubling the effort for less, twice, is giving up */
#define LOAD_BATCH     1000
#define PATH_MAX_BENCH 4096

struct probe {
    uint32_t ef_search;
    double recall;
};

struct row {
    double target;
    int reached;
    struct probe best;
    struct bench_result result;
};

struct bench {
    struct args args;
    const char *base, *query, *truth_path, *dir;
    int metric, scalar, index, has_metric;
    uint64_t m, ef_construction, k, threads, build_threads, seed, limit_queries, limit_base;
    struct arg_reals recalls;
    /* while it runs */
    char path[PATH_MAX_BENCH]; /* of the database */
    int temporary;
    struct session session;
    struct bench_queries queries;
    struct bench_truth truth;
    struct progress progress;
    uint64_t *ids;
    float *scores;
    size_t *hit_counts;
    struct probe probes[PROBES_MAX];
    size_t probe_count;
    /* what is reported */
    uint64_t points, peak_bytes, resident_bytes, disk_bytes;
    uint32_t dim;
    double build_s, build_cpu_s, open_ms;
    struct row rows[ARG_LIST_MAX];
    size_t row_count;
};

static const char details[] =
    "What is measured:\n"
    "  build_s, build_cpu_s   loading with maintenance on request, then one compaction; by the\n"
    "                         clock, and processor seconds of the whole process\n"
    "  peak_bytes             largest resident size of the process until the build's end\n"
    "  resident_bytes         by how much the process grew from before the second opening until\n"
    "                         after the measurements, pages of mapped files included\n"
    "  open_ms                opening database and collection again\n"
    "  qps, qps_cpu           queries a second by the clock, and by the processor seconds of the\n"
    "                         querying threads (which other load on the machine does not disturb)\n"
    "  distances, hops        a query, mean\n"
    "A hit counts for recall when its id is among the true k nearest, or when it is as near as "
    "the\n"
    "last of them (only with --scalar f32: stored values are the true ones). Without --truth, the\n"
    "truth is computed by exact search over f32 vectors. For each recall asked for, ef_search is\n"
    "bisected from k up; \"reached\": false comes with the best that was found.\n"
    "\n"
    "--base x.hdf5 alone takes datasets train, test and neighbors, as ann-benchmarks.com has "
    "them.\n";

static int parse(struct bench *bench, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("base", "FILE", &bench->base,
                    "Vectors to store: fvecs, bvecs, ivecs, npy, hdf5. Required."),
        OPTION_TEXT("query", "FILE", &bench->query,
                    "Vectors to search for. Required but for HDF5."),
        OPTION_TEXT("truth", "FILE", &bench->truth_path,
                    "The rows nearest to each query, best first: ivecs or hdf5."),
        OPTION_CHOICE("metric", "l2|ip|cosine", &bench->metric, metric_names, "Required.",
                      .given = &bench->has_metric),
        OPTION_CHOICE("index", "hnsw|flat", &bench->index, index_names, "Default hnsw."),
        OPTION_CHOICE("scalar", "TYPE", &bench->scalar, scalar_names,
                      "f32 (default), f16, bf16 or int8."),
        OPTION_UINT("m", &bench->m, 2, LODE_M_MAX, "hnsw: default 16."),
        OPTION_UINT("ef-construction", &bench->ef_construction, 1, LODE_EF_MAX,
                    "hnsw: default 200."),
        OPTION_UINT("k", &bench->k, 1, LODE_K_MAX, "Neighbours a query; default 10."),
        OPTION_REALS("recall", &bench->recalls, 0, 1, "Default 0.9,0.95,0.99,0.999."),
        OPTION_UINT("threads", &bench->threads, 1, BENCH_THREADS_MAX,
                    "Threads that search; default 1."),
        OPTION_UINT("build-threads", &bench->build_threads, 1, 256,
                    "Threads that build; default one per core."),
        OPTION_UINT("limit-queries", &bench->limit_queries, 1, UINT64_MAX, "Only the first N."),
        OPTION_UINT("limit-base", &bench->limit_base, 1, UINT64_MAX,
                    "Only the first N; the truth is then computed."),
        OPTION_TEXT("dir", "DIR", &bench->dir,
                    "Make the database there and keep it; by default in TMPDIR, and removed."),
        OPTION_UINT("seed", &bench->seed, 0, UINT64_MAX, "Of the index."),
    };
    const struct arg_spec spec = {
        .command = "bench",
        .usage = "--base FILE --query FILE --metric l2|ip|cosine [options]",
        .about = "Measures the engine on your own vectors: builds a collection, closes and opens "
                 "it, and finds for each recall how fast it can be had.",
        .details = details,
        .examples =
            "  lode bench --base sift_base.fvecs --query sift_query.fvecs \\\n"
            "      --truth sift_groundtruth.ivecs --metric l2\n"
            "  lode bench --base glove-100-angular.hdf5 --metric cosine --scalar int8 --json\n"
            "  lode bench --base a.npy --query q.npy --metric ip --index flat --threads 8\n",
        .operand_names = "no arguments, options only",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &bench->args, ret_exit);
}

static int compare_doubles(const void *a_void, const void *b_void)
{
    double a = *(const double *)a_void, b = *(const double *)b_void;
    return (a > b) - (a < b);
}

static int check(struct bench *bench)
{
    static const double usual[] = {0.9, 0.95, 0.99, 0.999};
    if (!bench->base)
        return output_usage("bench", "--base is missing: the vectors to store");
    if (!bench->has_metric)
        return output_usage("bench", "--metric is missing: l2, ip or cosine");
    enum format format = format_of(bench->base);
    if (format == FORMAT_AUTO || format == FORMAT_JSONL || format == FORMAT_CSV)
        return output_usage("bench", "--base must be named .fvecs, .bvecs, .ivecs, .npy or .hdf5");
    if (!bench->query && format != FORMAT_HDF5)
        return output_usage("bench", "--query is missing: the vectors to search for");
    if (bench->truth_path && bench->limit_base != UINT64_MAX)
        return output_usage("bench", "--truth speaks of the whole base: leave it or --limit-base "
                                     "out");
    if (bench->recalls.count == 0) {
        memcpy(bench->recalls.items, usual, sizeof usual);
        bench->recalls.count = sizeof usual / sizeof *usual;
    }
    qsort(bench->recalls.items, bench->recalls.count, sizeof(double), compare_doubles);
    return EXIT_OK;
}

/* --- The database --------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static lode_status make_place(struct bench *bench, lode_error *error)
{
    const char *parent = getenv("TMPDIR");
    if (bench->dir) {
        snprintf(bench->path, sizeof bench->path, "%s", bench->dir);
        return LODE_OK;
    }
    snprintf(bench->path, sizeof bench->path, "%s/lode-bench-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(bench->path))
        return error_set(error, LODE_IO, "cannot make a directory like %s; say --dir", bench->path);
    bench->temporary = 1;
    return LODE_OK;
}

/* Load the base into a new collection of the session's database. */
static lode_status load_base(struct bench *bench, struct session *session, lode_scalar scalar,
                             lode_index index, lode_error *error)
{
    const struct source_options options = {.dim = bench->queries.dim};
    struct source *source = NULL;
    lode_status status = source_open(bench->base, &options, &source, error);
    if (status)
        return status;
    const lode_schema schema = {
        .dim = bench->queries.dim,
        .metric = (lode_metric)bench->metric,
        .scalar = scalar,
        .index = index,
        .m = (uint32_t)bench->m,
        .ef_construction = (uint32_t)bench->ef_construction,
        .seed = bench->seed,
    };
    status = lode_collection_create(session->db, COLLECTION, &schema, &session->collection, error);
    if (status == LODE_OK) {
        struct load load = {
            .collection = session->collection,
            .source = source,
            .batch_size = LOAD_BATCH,
            .threads = 1,
            .limit = bench->limit_base,
            .progress = &bench->progress,
        };
        status = load_run(&load, error);
        bench->points = load.points;
        load_place(&load, error);
        if (status)
            error_prefix(error, "%s: ", bench->base);
    }
    source_close(source);
    if (status == LODE_OK && bench->points == 0)
        status = error_set(error, LODE_INVALID, "the base is empty");
    return status;
}

static lode_status open_place(struct bench *bench, const char *path, struct session *session,
                              lode_error *error)
{
    const lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST,
                                     .thread_count = (unsigned)bench->build_threads};
    *session = (struct session){.db = NULL};
    return lode_db_open(path, &options, &session->db, error);
}

/* A line of /proc/self/status, in bytes. */
static uint64_t process_size(const char *key)
{
    char line[256];
    unsigned long long kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "re");
    size_t key_size = strlen(key);
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, key, key_size) == 0)
            kilobytes = strtoull(line + key_size, NULL, 10);
    if (status)
        fclose(status);
    return (uint64_t)kilobytes * 1024;
}

static lode_status build(struct bench *bench, lode_error *error)
{
    struct session session;
    lode_stats *stats = NULL;
    progress_stage(&bench->progress, "loading", "points");
    lode_status status = open_place(bench, bench->path, &session, error);
    if (status)
        return status;
    double wall = clock_wall(), cpu = clock_process();
    status =
        load_base(bench, &session, (lode_scalar)bench->scalar, (lode_index)bench->index, error);
    if (status == LODE_OK) {
        progress_stage(&bench->progress, "compacting", "points");
        status = session_compact(&session, &bench->progress, error);
    }
    bench->build_s = clock_wall() - wall;
    bench->build_cpu_s = clock_process() - cpu;
    bench->peak_bytes = process_size("VmHWM:");
    if (status == LODE_OK)
        status = lode_stats_get(session.collection, &stats, error);
    if (status == LODE_OK) {
        bench->disk_bytes = stats->disk_bytes;
        lode_stats_free(stats);
    }
    session_close(&session);
    return status;
}

static lode_status reopen(struct bench *bench, lode_error *error)
{
    double begin = clock_wall();
    lode_status status = open_place(bench, bench->path, &bench->session, error);
    if (status == LODE_OK)
        status =
            lode_collection_open(bench->session.db, COLLECTION, &bench->session.collection, error);
    bench->open_ms = (clock_wall() - begin) * 1e3;
    return status;
}

/* --- Truth ---------------------------------------------------------------------------------------- */

static unsigned core_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > (long)BENCH_THREADS_MAX ? BENCH_THREADS_MAX : (unsigned)count;
}

/* Search exactly over f32 vectors, in a database beside that is removed again. */
static lode_status search_aside(struct bench *bench, lode_error *error)
{
    char path[PATH_MAX_BENCH + 16];
    struct session session;
    snprintf(path, sizeof path, "%s-truth", bench->path);
    progress_stage(&bench->progress, "loading the f32 vectors", "points");
    lode_status status = open_place(bench, path, &session, error);
    if (status)
        return status;
    status = load_base(bench, &session, LODE_SCALAR_F32, LODE_INDEX_FLAT, error);
    progress_stage(&bench->progress, "exact search", "queries");
    if (status == LODE_OK)
        status = bench_truth_search(&bench->truth, session.collection, &bench->queries,
                                    core_count(), &bench->progress, error);
    session_close(&session);
    remove_tree(path);
    return status;
}

static lode_status search_truth(struct bench *bench, lode_error *error)
{
    lode_status status =
        bench_truth_init(&bench->truth, bench->queries.count, (size_t)bench->k, error);
    if (status)
        return status;
    if (bench->scalar != LODE_SCALAR_F32)
        return search_aside(bench, error);
    progress_stage(&bench->progress, "exact search", "queries");
    status = reopen(bench, error);
    if (status == LODE_OK)
        status = bench_truth_search(&bench->truth, bench->session.collection, &bench->queries,
                                    core_count(), &bench->progress, error);
    session_close(&bench->session);
    return status;
}

static lode_status read_truth(struct bench *bench, const char *path, lode_error *error)
{
    lode_status status = bench_truth_read(&bench->truth, path, "neighbors", bench->queries.count,
                                          (size_t)bench->k, bench->points, error);
    if (status) {
        error_prefix(error, "--truth %s: ", path);
        return status;
    }
    if (bench->scalar != LODE_SCALAR_F32)
        return LODE_OK;
    status = reopen(bench, error);
    if (status == LODE_OK)
        status =
            bench_truth_score(&bench->truth, bench->session.collection, &bench->queries, error);
    session_close(&bench->session);
    return status;
}

static lode_status find_truth(struct bench *bench, lode_error *error)
{
    const char *path = bench->truth_path;
    int has_own = !bench->query && bench->limit_base == UINT64_MAX;
    if (!path && has_own && hdf5_has_dataset(bench->base, "neighbors"))
        path = bench->base;
    lode_status status = path ? read_truth(bench, path, error) : search_truth(bench, error);
    if (status == LODE_OK && bench->scalar != LODE_SCALAR_F32) {
        free(bench->truth.worst); /* its scores are of other values than the stored ones */
        bench->truth.worst = NULL;
    }
    return status;
}

/* --- Search --------------------------------------------------------------------------------------- */

static lode_status measure(struct bench *bench, uint32_t ef_search, double seconds_min,
                           double *ret_recall, struct bench_result *result, lode_error *error)
{
    const struct bench_run run = {
        .collection = bench->session.collection,
        .metric = (lode_metric)bench->metric,
        .queries = &bench->queries,
        .k = (size_t)bench->k,
        .ef_search = ef_search,
        .threads = (unsigned)bench->threads,
        .seconds_min = seconds_min,
        .progress = &bench->progress,
        .ids = bench->ids,
        .scores = bench->scores,
        .hit_counts = bench->hit_counts,
    };
    if (interrupt_caught())
        return error_set(error, LODE_CANCELLED, "interrupted");
    lode_status status = bench_measure(&run, result, error);
    if (status)
        return status;
    size_t hits = 0, k = run.k, count = bench->queries.count;
    for (size_t i = 0; i < count; i++)
        hits += bench_truth_hits(&bench->truth, run.metric, i, bench->ids + i * k,
                                 bench->scores + i * k, bench->hit_counts[i]);
    uint64_t possible = bench->points < k ? bench->points : k;
    *ret_recall = (double)hits / (double)(count * possible);
    return LODE_OK;
}

/* The recall of an effort, measured once. */
static lode_status recall_at(struct bench *bench, uint32_t ef_search, double *ret_recall,
                             lode_error *error)
{
    struct bench_result ignored;
    for (size_t i = 0; i < bench->probe_count; i++) {
        if (bench->probes[i].ef_search == ef_search) {
            *ret_recall = bench->probes[i].recall;
            return LODE_OK;
        }
    }
    lode_status status = measure(bench, ef_search, 0, ret_recall, &ignored, error);
    if (status == LODE_OK && bench->probe_count < PROBES_MAX)
        bench->probes[bench->probe_count++] = (struct probe){ef_search, *ret_recall};
    return status;
}

/* Double the effort from `low` until the recall is there (then *ret_high has it), or no more is to
 * be had (0). *ret_low: an effort that is known to be too small, or 0. */
static lode_status bracket(struct bench *bench, double target, uint32_t *ret_low,
                           uint32_t *ret_high, lode_error *error)
{
    uint64_t most = bench->points > bench->k ? bench->points : bench->k;
    uint32_t effort_max = most < LODE_EF_MAX ? (uint32_t)most : LODE_EF_MAX;
    uint32_t effort = (uint32_t)bench->k;
    double before = -1, recall = 0;
    unsigned idle = 0;
    *ret_low = *ret_high = 0;
    for (;;) {
        lode_status status = recall_at(bench, effort, &recall, error);
        if (status)
            return status;
        if (recall >= target) {
            *ret_high = effort;
            return LODE_OK;
        }
        idle = recall < before + GAIN_MIN ? idle + 1 : 0;
        if (bench->index == LODE_INDEX_FLAT || effort == effort_max || idle == 2)
            return LODE_OK;
        *ret_low = effort;
        before = recall;
        effort = effort > effort_max / 2 ? effort_max : effort * 2;
    }
}

static struct probe best_probe(const struct bench *bench)
{
    struct probe best = bench->probes[0];
    for (size_t i = 1; i < bench->probe_count; i++) {
        struct probe probe = bench->probes[i];
        if (probe.recall > best.recall ||
            (probe.recall == best.recall && probe.ef_search < best.ef_search))
            best = probe;
    }
    return best;
}

/* The least effort that reaches the target, or the best there is. */
static lode_status find_effort(struct bench *bench, struct row *row, lode_error *error)
{
    uint32_t low = 0, high = 0;
    lode_status status = bracket(bench, row->target, &low, &high, error);
    if (status)
        return status;
    if (high == 0) {
        row->best = best_probe(bench);
        return LODE_OK;
    }
    while (low > 0 && high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        double recall = 0;
        status = recall_at(bench, middle, &recall, error);
        if (status)
            return status;
        if (recall >= row->target)
            high = middle;
        else
            low = middle;
    }
    row->reached = 1;
    row->best.ef_search = high;
    return LODE_OK;
}

static lode_status find_rows(struct bench *bench, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; i < bench->recalls.count && status == LODE_OK; i++) {
        struct row *row = &bench->rows[bench->row_count];
        char label[64];
        *row = (struct row){.target = bench->recalls.items[i]};
        snprintf(label, sizeof label, "searching at recall %g", row->target);
        progress_stage(&bench->progress, label, "queries");
        status = find_effort(bench, row, error);
        if (status == LODE_OK)
            status = measure(bench, row->best.ef_search, SECONDS_MIN, &row->best.recall,
                             &row->result, error);
        progress_stage(&bench->progress, "searching", "queries");
        bench->row_count += status == LODE_OK;
    }
    return status;
}

static lode_status search(struct bench *bench, lode_error *error)
{
    size_t places = bench->queries.count * (size_t)bench->k;
    bench->ids = malloc(places * sizeof *bench->ids);
    bench->scores = malloc(places * sizeof *bench->scores);
    bench->hit_counts = calloc(bench->queries.count, sizeof *bench->hit_counts);
    if (!bench->ids || !bench->scores || !bench->hit_counts)
        return error_nomem(error, "the hits", places * sizeof *bench->ids);
    malloc_trim(0);
    uint64_t resident = process_size("VmRSS:");
    lode_status status = reopen(bench, error);
    if (status == LODE_OK)
        status = find_rows(bench, error);
    uint64_t grown = process_size("VmRSS:");
    bench->resident_bytes = grown > resident ? grown - resident : 0;
    session_close(&bench->session);
    return status;
}

/* --- Report --------------------------------------------------------------------------------------- */

static void write_row(struct document *document, const struct bench *bench, const struct row *row)
{
    json_write_object(&document->json);
    document_key_f64(document, "recall_target", row->target);
    document_key_f64(document, "recall", row->best.recall);
    if (!row->reached)
        document_key_bool(document, "reached", 0);
    document_key_u64(document, "ef_search", row->best.ef_search);
    document_key_u64(document, "threads", bench->threads);
    document_key_f64(document, "qps", row->result.qps);
    document_key_f64(document, "qps_cpu", row->result.qps_cpu);
    document_key_f64(document, "p50_us", row->result.p50_us);
    document_key_f64(document, "p99_us", row->result.p99_us);
    document_key_f64(document, "distances", row->result.distances);
    document_key_f64(document, "hops", row->result.hops);
    json_write_object_end(&document->json);
}

static int report_json(const struct bench *bench)
{
    struct document document;
    document_init(&document);
    json_write_object(&document.json);
    document_key_u64(&document, "points", bench->points);
    document_key_u64(&document, "dim", bench->dim);
    document_key_text(&document, "metric", metric_names[bench->metric]);
    document_key_text(&document, "index", index_names[bench->index]);
    document_key_f64(&document, "build_s", bench->build_s);
    document_key_f64(&document, "build_cpu_s", bench->build_cpu_s);
    document_key_u64(&document, "peak_bytes", bench->peak_bytes);
    document_key_u64(&document, "resident_bytes", bench->resident_bytes);
    document_key_u64(&document, "disk_bytes", bench->disk_bytes);
    document_key_f64(&document, "open_ms", bench->open_ms);
    json_write_key(&document.json, "results");
    json_write_array(&document.json);
    for (size_t i = 0; i < bench->row_count; i++)
        write_row(&document, bench, &bench->rows[i]);
    json_write_array_end(&document.json);
    json_write_object_end(&document.json);
    return document_finish(&document);
}

static void add_row(struct table *table, const struct row *row)
{
    table_printf(table, "%g", row->target);
    table_printf(table, "%.4f%s", row->best.recall, row->reached ? "" : " (not reached)");
    table_printf(table, "%lu", (unsigned long)row->best.ef_search);
    table_count(table, (uint64_t)row->result.qps);
    table_count(table, (uint64_t)row->result.qps_cpu);
    table_printf(table, "%.0f", row->result.p50_us);
    table_printf(table, "%.0f", row->result.p99_us);
    table_count(table, (uint64_t)row->result.distances);
    table_count(table, (uint64_t)row->result.hops);
}

static int report_text(const struct bench *bench)
{
    static const char *const titles[] = {"recall", "found",  "ef_search", "qps", "qps (cpu)",
                                         "p50 us", "p99 us", "distances", "hops"};
    char points[AMOUNT_TEXT_MAX], build[AMOUNT_TEXT_MAX], cpu[AMOUNT_TEXT_MAX];
    char peak[AMOUNT_TEXT_MAX], resident[AMOUNT_TEXT_MAX], disk[AMOUNT_TEXT_MAX];
    struct table table;
    printf("%s points × %lu, %s, %s, %s\n", amount_count(bench->points, points),
           (unsigned long)bench->dim, metric_names[bench->metric], scalar_names[bench->scalar],
           index_names[bench->index]);
    printf("built in %s (%s of processor time), %s at its peak\n",
           amount_seconds(bench->build_s, build), amount_seconds(bench->build_cpu_s, cpu),
           amount_bytes(bench->peak_bytes, peak));
    printf("%s on disk, opened in %.1f ms, %s resident after searching\n\n",
           amount_bytes(bench->disk_bytes, disk), bench->open_ms,
           amount_bytes(bench->resident_bytes, resident));
    printf("%zu queries, %llu nearest, %llu thread%s\n", bench->queries.count,
           (unsigned long long)bench->k, (unsigned long long)bench->threads,
           bench->threads == 1 ? "" : "s");
    table_init(&table);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_column(&table, titles[i], 1);
    for (size_t i = 0; i < bench->row_count; i++)
        add_row(&table, &bench->rows[i]);
    table_print(&table);
    return EXIT_OK;
}

/* --- All of it ------------------------------------------------------------------------------------ */

static lode_status run(struct bench *bench, lode_error *error)
{
    const char *query = bench->query ? bench->query : bench->base;
    lode_status status =
        bench_queries_read(&bench->queries, query, "test", bench->limit_queries, error);
    bench->dim = bench->queries.dim;
    if (status == LODE_OK)
        status = make_place(bench, error);
    if (status == LODE_OK)
        status = build(bench, error);
    if (status == LODE_OK)
        status = find_truth(bench, error);
    if (status == LODE_OK)
        status = search(bench, error);
    if (bench->temporary)
        remove_tree(bench->path);
    return status;
}

static void release(struct bench *bench)
{
    session_close(&bench->session);
    bench_queries_release(&bench->queries);
    bench_truth_release(&bench->truth);
    free(bench->ids);
    free(bench->scores);
    free(bench->hit_counts);
}

int bench_command_run(int argc, char **argv)
{
    struct bench bench = {
        .k = 10, .threads = 1, .limit_queries = UINT64_MAX, .limit_base = UINT64_MAX};
    lode_error error = {0};
    int code = EXIT_OK;
    if (!parse(&bench, argc, argv, &code))
        return code;
    code = check(&bench);
    if (code)
        return code;
    interrupt_catch();
    progress_begin(&bench.progress, "reading", "queries");
    lode_status status = run(&bench, &error);
    progress_end(&bench.progress);
    if (status)
        code = output_error(&error, CAUSE_DATA);
    else
        code = output_json() ? report_json(&bench) : report_text(&bench);
    release(&bench);
    return code;
}
