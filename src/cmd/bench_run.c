/* bench_run.c: a real collection through the public interface: written, compacted, closed, opened
 * again, and searched with the least effort that reaches each recall asked for. */
#include "cmd/bench.h"

#include "cmd/interrupt.h"
#include "cmd/keys.h"
#include "cmd/load.h"
#include "cmd/output.h"
#include "cmd/source_hdf5.h"

#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COLLECTION  "bench"
#define SECONDS_MIN 1.0  /* of a final measurement */
#define GAIN_MIN    1e-4 /* doubling the effort for less, twice, is giving up */
#define LOAD_BATCH  1000

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
        .layout = (lode_layout)bench->layout,
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
                                     .thread_count = (unsigned)bench->build_threads,
                                     .key = keys_given()};
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
    char path[BENCH_PATH_MAX + 16];
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
    if (status == LODE_OK && bench->probe_count < BENCH_PROBES_MAX)
        bench->probes[bench->probe_count++] = (struct bench_probe){ef_search, *ret_recall};
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

static struct bench_probe best_probe(const struct bench *bench)
{
    struct bench_probe best = bench->probes[0];
    for (size_t i = 1; i < bench->probe_count; i++) {
        struct bench_probe probe = bench->probes[i];
        if (probe.recall > best.recall ||
            (probe.recall == best.recall && probe.ef_search < best.ef_search))
            best = probe;
    }
    return best;
}

/* The least effort that reaches the target, or the best there is. */
static lode_status find_effort(struct bench *bench, struct bench_row *row, lode_error *error)
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
        struct bench_row *row = &bench->rows[bench->row_count];
        char label[64];
        *row = (struct bench_row){.target = bench->recalls.items[i]};
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

/* --- All of it ------------------------------------------------------------------------------------ */

lode_status bench_run(struct bench *bench, lode_error *error)
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

void bench_release(struct bench *bench)
{
    session_close(&bench->session);
    bench_queries_release(&bench->queries);
    bench_truth_release(&bench->truth);
    free(bench->ids);
    free(bench->scores);
    free(bench->hit_counts);
}
