/* speed_index.c: the bare quantised graph, or the plain one, on a file of vectors: building, size, then for each ef recall,
 * steps and searches a second. For comparing variants of one index with each other; bench/peers compares
 * with other libraries.
 *
 *     speed_index DIR [l2|cosine|ip] [threads] [fast|compact|plain]
 *
 * DIR has base.fvecs, query.fvecs and truth.ivecs, as gen_clustered writes them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "index/qg.h"
#include "os/memory.h"

enum { K = 10, M = 16, EF_CONSTRUCTION = 200, ROUNDS = 5 };

struct matrix {
    size_t count, dim;
    float *values; /* or int32_t, for truth */
};

struct set {
    struct matrix base, queries, truth;
    struct space space;
    struct rows rows;
    uint8_t *encoded; /* queries */
};

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "speed_index: %s\n", what);
    exit(1);
}

static void must(lode_status status, const lode_error *error)
{
    if (status != LODE_OK)
        fail(error->message);
}

static double seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Rows of four-byte values, each row with its width before it. */
static struct matrix read_vecs(const char *dir, const char *name)
{
    char path[4096];
    struct matrix matrix = {0, 0, NULL};
    int32_t dim;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file || fread(&dim, sizeof dim, 1, file) != 1 || dim < 1)
        fail(path);
    matrix.dim = (size_t)dim;
    fseek(file, 0, SEEK_END);
    matrix.count = (size_t)ftell(file) / (4 * (matrix.dim + 1));
    rewind(file);
    matrix.values = malloc(matrix.count * matrix.dim * sizeof *matrix.values);
    for (size_t i = 0; i < matrix.count; i++)
        if (fread(&dim, sizeof dim, 1, file) != 1 ||
            fread(matrix.values + i * matrix.dim, 4, matrix.dim, file) != matrix.dim)
            fail(path);
    fclose(file);
    return matrix;
}

static uint8_t *encode_all(const struct space *space, const struct matrix *matrix)
{
    uint8_t *rows = memory_reserve(matrix->count * space->row_size);
    if (!rows)
        fail("no memory");
    memory_huge(rows, matrix->count * space->row_size);
    for (size_t i = 0; i < matrix->count; i++)
        space_encode(space, matrix->values + i * matrix->dim, rows + i * space->row_size);
    return rows;
}

static void set_load(struct set *set, const char *dir, lode_metric metric)
{
    set->base = read_vecs(dir, "base.fvecs");
    set->queries = read_vecs(dir, "query.fvecs");
    set->truth = read_vecs(dir, "truth.ivecs");
    space_init(&set->space, metric, LODE_SCALAR_F32, set->base.dim);
    set->rows = (struct rows){.space = &set->space,
                              .base = encode_all(&set->space, &set->base),
                              .stride = set->space.row_size};
    set->encoded = encode_all(&set->space, &set->queries);
    free(set->base.values);
}

static lode_status keep(void *context, const void *bytes, size_t size, lode_error *error)
{
    (void)error;
    uint8_t **at = context;
    memcpy(*at, bytes, size);
    *at += size;
    return LODE_OK;
}

static lode_status measure(void *context, const void *bytes, size_t size, lode_error *error)
{
    (void)bytes;
    (void)error;
    *(size_t *)context += size;
    return LODE_OK;
}

/* Build, write to huge pages, open from there. */
static struct index *build_and_open(const struct set *set, const char *layout, unsigned threads)
{
    const struct index_ops *ops = strcmp(layout, "plain") == 0 ? &index_hnsw : &index_qg;
    int compact = strcmp(layout, "compact") == 0;
    const struct index_params params = {.m = M,
                                        .ef_construction = EF_CONSTRUCTION,
                                        .seed = 1,
                                        .layout = compact ? LODE_LAYOUT_COMPACT : LODE_LAYOUT_FAST};
    struct index *index, *opened;
    struct executor *executor = NULL;
    lode_error error = {LODE_OK, 0, ""};
    uint32_t count = (uint32_t)set->base.count;
    if (threads > 1)
        must(executor_threads_new(threads, &executor, &error), &error);
    struct index_work work = {.executor = executor};
    double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    must(ops->build(&params, &set->rows, count, &work, &index, &error), &error);
    wall = seconds(CLOCK_MONOTONIC) - wall;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    size_t size = 0;
    struct index_sink sizing = {.write = measure, .context = &size, .executor = executor};
    double writing = seconds(CLOCK_PROCESS_CPUTIME_ID);
    must(index->ops->serialize(index, &sizing, &error), &error);
    writing = seconds(CLOCK_PROCESS_CPUTIME_ID) - writing;
    uint8_t *bytes = memory_reserve(size), *end = bytes;
    struct index_sink keeping = {.write = keep, .context = &end, .executor = executor};
    memory_huge(bytes, size);
    must(index->ops->serialize(index, &keeping, &error), &error);
    struct index_file file = {.rows = &set->rows, .count = count, .data = bytes, .size = size};
    must(ops->open(&file, &opened, &error), &error);
    index->ops->close(index);
    executor_free(executor);
    printf("build %.1f s, %.1f s CPU; writing %.1f s CPU; %.0f bytes a row; peak %zu MB\n", wall,
           cpu, writing, (double)size / count, memory_resident_peak() >> 20);
    return opened;
}

/* All queries; returns how many of the true top K were found. */
static size_t search_all(const struct set *set, const struct index *index, uint32_t ef,
                         struct index_counts *counts)
{
    size_t right = 0;
    for (size_t q = 0; q < set->queries.count; q++) {
        struct neighbor items[K];
        struct topk topk;
        topk_init(&topk, items, K);
        struct index_query query = {.query = set->encoded + q * set->space.row_size,
                                    .ef = ef,
                                    .row_limit = (uint32_t)set->base.count,
                                    .topk = &topk,
                                    .counts = counts};
        must(index->ops->search(index, &query, NULL), &(lode_error){LODE_NOMEM, 0, "search"});
        const int32_t *truth =
            (const int32_t *)(const void *)(set->truth.values + q * set->truth.dim);
        for (size_t i = 0; i < topk.count; i++)
            for (size_t j = 0; j < K; j++)
                right += items[i].row == (uint32_t)truth[j];
    }
    return right;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const struct set *set, const struct index *index, uint32_t ef)
{
    struct index_counts counts = {0, 0};
    double rates[ROUNDS], queries = (double)set->queries.count;
    size_t right = search_all(set, index, ef, &counts);
    for (int i = 0; i < ROUNDS; i++) {
        struct index_counts ignored = {0, 0};
        double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
        search_all(set, index, ef, &ignored);
        rates[i] = queries / (seconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
    }
    qsort(rates, ROUNDS, sizeof *rates, compare_doubles);
    printf("ef %4u  recall %.4f  steps %6.1f  searches a CPU second %8.0f\n", ef,
           (double)right / (K * queries), (double)counts.hops / queries, rates[ROUNDS / 2]);
    fflush(stdout);
}

static lode_metric metric_of(const char *name)
{
    if (!strcmp(name, "cosine"))
        return LODE_METRIC_COSINE;
    return strcmp(name, "ip") ? LODE_METRIC_L2 : LODE_METRIC_IP;
}

int main(int argc, char **argv)
{
    static const uint32_t efs[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320};
    struct set set;
    if (argc < 2)
        fail("which directory?");
    set_load(&set, argv[1], metric_of(argc > 2 ? argv[2] : "l2"));
    struct index *index = build_and_open(&set, argc > 4 ? argv[4] : "fast",
                                         argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1);
    for (size_t i = 0; i < sizeof efs / sizeof *efs; i++)
        report(&set, index, efs[i]);
    index->ops->close(index);
    return 0;
}
