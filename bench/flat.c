/* flat.c: what exact search costs: one query as a share of the memory's read bandwidth, a batch of
 * queries as a share of the processor's FMA peak. One thread.
 *
 *     flat DIRECTORY [--rows N] [--dim N] [--queries N] [--k N] [--turns N]
 *                    [--scalar f32|f16|bf16|int8] [--metric l2|ip|cosine] [--json FILE]
 *
 * DIRECTORY is new, on the disk to be measured: a collection is made there, compacted to one sealed segment,
 * closed and opened again, and then searched from its mapped files. Yardsticks are measured in the
 * same run, in turns with the rest: `read` adds up the same amount of memory (in huge pages; and the
 * mapped file itself), `peak` is a loop of FMAs on registers. Figures are medians, of this thread's CPU
 * time, and so are shares: of the yardstick in the same turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/random.h"
#include "engine/collection.h"
#include "lode/lode.h"

enum {
    TURNS_MAX = 64,
    WRITE_ROWS = 1000,
    ONE_K_MAX = 1000,
    FMA_VECTORS = 12,
    PEAK_FLOATS = 3 << 28 /* multiplied by one run of `peak` */
};

static struct options {
    const char *dir, *json;
    size_t rows, dim, queries, k, turns;
    lode_scalar scalar;
    lode_metric metric;
} options = {.rows = 1000000, .dim = 128, .queries = 1000, .k = 10, .turns = 9};

static lode_error error;
static FILE *json; /* NULL: none is wanted */

static void need(lode_status status)
{
    if (status == LODE_OK)
        return;
    fprintf(stderr, "flat: %s\n", error.message);
    exit(1);
}

static void *memory_for(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        fputs("flat: out of memory\n", stderr);
        exit(1);
    }
    madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

/* --- Times ------------------------------------------------------------------------------------- */

struct measure {
    const char *name;
    void (*run)(void);
    double times[TURNS_MAX]; /* seconds */
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, options.turns, sizeof *values, by_value);
    return values[options.turns / 2];
}

/* How fast a measure is, in units of its yardstick: the median of all turns, since what else uses the
 * memory changes from one to the next. */
static double share(const struct measure *yardstick, const struct measure *measure)
{
    double shares[TURNS_MAX];
    for (size_t turn = 0; turn < options.turns; turn++)
        shares[turn] = yardstick->times[turn] / measure->times[turn];
    return median(shares);
}

/* All of them in turns, so that a disturbance meets them all. */
static void measure_all(struct measure *measures, size_t count)
{
    for (size_t turn = 0; turn < options.turns; turn++)
        for (size_t m = 0; m < count; m++) {
            double begin = now_s();
            measures[m].run();
            measures[m].times[turn] = now_s() - begin;
        }
}

/* --- The collection ---------------------------------------------------------------------------- */

static lode_db *db;
static lode_collection *collection;
static struct rng rng;

static void fill(float *vector)
{
    for (size_t i = 0; i < options.dim; i++)
        vector[i] = (float)rng_normal(&rng);
}

static void write_points(void)
{
    static lode_point points[WRITE_ROWS];
    float *vectors = malloc(WRITE_ROWS * options.dim * sizeof *vectors);
    for (size_t first = 0; vectors && first < options.rows; first += WRITE_ROWS) {
        size_t count = options.rows - first < WRITE_ROWS ? options.rows - first : WRITE_ROWS;
        for (size_t i = 0; i < count; i++) {
            fill(vectors + i * options.dim);
            points[i] =
                (lode_point){.id = lode_id_number(first + i), .vector = vectors + i * options.dim};
        }
        need(lode_upsert(collection, points, count, NULL, &error));
    }
    free(vectors);
}

static void make_collection(void)
{
    lode_db_options on_request = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    lode_schema schema = {.dim = (uint32_t)options.dim,
                          .metric = options.metric,
                          .scalar = options.scalar,
                          .index = LODE_INDEX_FLAT};
    need(lode_db_open(options.dir, &on_request, &db, &error));
    need(lode_collection_create(db, "flat", &schema, &collection, &error));
    write_points();
    need(lode_compact(collection, NULL, &error));
    lode_collection_close(collection);
    lode_db_close(db);
    need(lode_db_open(options.dir, &on_request, &db, &error));
    need(lode_collection_open(db, "flat", &collection, &error));
}

/* --- One query --------------------------------------------------------------------------------- */

static struct rows mapped, copied; /* the rows of the segment; the same in huge pages */
static void *query_row;
static float *query;
static volatile uint64_t sink; /* so that nothing measured is left out */

#if defined(__x86_64__)
#define WIDEST __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDEST
#endif

/* With the widest loads there are: with narrower ones memory reads slower than it can. */
WIDEST static uint64_t read_all(const uint8_t *memory)
{
    const uint64_t *words = (const uint64_t *)(const void *)memory;
    size_t count = options.rows * mapped.stride / 256 * 32;
    uint64_t sums[32] = {0}, sum = 0;
    for (size_t i = 0; i < count; i += 32)
        for (size_t j = 0; j < 32; j++)
            sums[j] += words[i + j];
    for (size_t j = 0; j < 32; j++)
        sum += sums[j];
    return sum;
}

static void read_copied(void)
{
    sink += read_all(copied.base);
}

static void read_mapped(void)
{
    sink += read_all(mapped.base);
}

static void scan_rows(const struct rows *rows)
{
    struct neighbor items[ONE_K_MAX];
    struct topk topk;
    struct index_counts counts = {0};
    topk_init(&topk, items, options.k);
    struct index_query scanned = {
        .query = query_row, .row_limit = (uint32_t)options.rows, .topk = &topk, .counts = &counts};
    if (flat_search(rows, 0, &scanned, NULL))
        abort();
    sink += topk.items[0].row;
}

static void scan_copied(void)
{
    scan_rows(&copied);
}

static void scan_mapped(void)
{
    scan_rows(&mapped);
}

static void search_one(void)
{
    lode_result *result;
    lode_search_request request = {.vector = query, .k = options.k, .exact = 1};
    need(lode_search(collection, &request, &result, &error));
    sink += result->hits[0].id.number;
    lode_result_free(result);
}

static void copy_rows(const struct version *version)
{
    if (version->view_count < 1 || version->views[0].row_count != options.rows) {
        fputs("flat: the collection is not one segment\n", stderr);
        exit(1);
    }
    mapped = copied = version->views[0].segment->rows;
    uint8_t *memory = memory_for(options.rows * mapped.stride);
    memcpy(memory, mapped.base, options.rows * mapped.stride);
    copied.base = memory;
    query_row = memory_for(mapped.space->row_size);
    space_encode(mapped.space, query, query_row);
}

static void bench_one(void)
{
    struct measure measures[] = {
        {.name = "read, huge pages", .run = read_copied},
        {.name = "read, mapped file", .run = read_mapped},
        {.name = "flat_search, huge pages", .run = scan_copied},
        {.name = "flat_search, mapped file", .run = scan_mapped},
        {.name = "lode_search", .run = search_one},
    };
    enum { COUNT = sizeof measures / sizeof *measures };
    double size = (double)(options.rows * mapped.stride);
    double shares[COUNT];
    measure_all(measures, COUNT);
    for (size_t m = 0; m < COUNT; m++)
        shares[m] = share(&measures[0], &measures[m]);
    for (size_t m = 0; m < COUNT; m++) {
        double time = median(measures[m].times);
        printf("%-26s %8.2f ms  %6.2f GB/s  %5.1f%%\n", measures[m].name, time * 1e3,
               size / time / 1e9, 100 * shares[m]);
        if (json)
            fprintf(json, "%s{\"what\": \"%s\", \"bytes_per_s\": %.4g, \"share_of_read\": %.4f}",
                    m ? ",\n " : "", measures[m].name, size / time, shares[m]);
    }
    fflush(stdout);
}

/* --- Many queries ------------------------------------------------------------------------------ */

/* FMAs on registers, FMA_VECTORS of them under way: what `peak` runs, with the vectors of the level. */
#define DEFINE_PEAK(name, isa, vector_bytes)                                                       \
    isa static void name(void)                                                                     \
    {                                                                                              \
        enum { LANES = vector_bytes / 4, TURNS = PEAK_FLOATS / LANES / FMA_VECTORS };              \
        typedef float vector __attribute__((vector_size(vector_bytes)));                           \
        vector sums[FMA_VECTORS], factor, term;                                                    \
        for (size_t lane = 0; lane < LANES; lane++)                                                \
            factor[lane] = 0.5f + (float)lane / 64, term[lane] = 0.25f;                            \
        for (size_t v = 0; v < FMA_VECTORS; v++)                                                   \
            sums[v] = term + (float)v;                                                             \
        for (size_t i = 0; i < TURNS; i++)                                                         \
            for (size_t v = 0; v < FMA_VECTORS; v++)                                               \
                sums[v] = sums[v] * factor + term;                                                 \
        for (size_t v = 1; v < FMA_VECTORS; v++)                                                   \
            sums[0] += sums[v];                                                                    \
        sink += (uint64_t)sums[0][0];                                                              \
    }

#if defined(__x86_64__)
DEFINE_PEAK(peak_avx512, __attribute__((target("avx512f"))), 64)
DEFINE_PEAK(peak_avx2, __attribute__((target("avx2,fma"))), 32)
#endif
DEFINE_PEAK(peak_any, , 16)

static void peak(void)
{
#if defined(__x86_64__)
    if (strcmp(lode_simd_level(), "avx512") == 0)
        peak_avx512();
    else if (strcmp(lode_simd_level(), "avx2") == 0)
        peak_avx2();
    else
#endif
        peak_any();
}

static lode_search_request *requests;
static lode_result **results;
static size_t batch_count; /* requests of the next batch */

static void make_requests(void)
{
    float *vectors = malloc(options.queries * options.dim * sizeof *vectors);
    requests = calloc(options.queries, sizeof *requests);
    results = calloc(options.queries, sizeof(lode_result *));
    if (!vectors || !requests || !results)
        exit(1);
    for (size_t i = 0; i < options.queries; i++) {
        fill(vectors + i * options.dim);
        requests[i] =
            (lode_search_request){.vector = vectors + i * options.dim, .k = options.k, .exact = 1};
    }
}

static void search_batch(void)
{
    need(lode_search_batch(collection, requests, batch_count, results, &error));
    for (size_t i = 0; i < batch_count; i++)
        lode_result_free(results[i]);
}

static void bench_batch(size_t count)
{
    struct measure measures[] = {{.name = "peak", .run = peak},
                                 {.name = "lode_search_batch", .run = search_batch}};
    batch_count = count;
    measure_all(measures, 2);
    double flops = 2.0 * (double)options.rows * (double)options.dim * (double)count;
    double time = median(measures[1].times), speed = flops / time;
    double best = 2.0 * PEAK_FLOATS / median(measures[0].times);
    printf("batch of %5zu  %9.2f ms, %8.3f ms a query  %7.2f Gflop/s  of %7.2f: %5.1f%%\n", count,
           time * 1e3, time * 1e3 / (double)count, speed / 1e9, best / 1e9, 100 * speed / best);
    if (json)
        fprintf(
            json,
            ",\n {\"what\": \"batch\", \"queries\": %zu, \"flops\": %.4g, \"share_of_peak\": %.4f}",
            count, speed, speed / best);
    fflush(stdout);
}

static void bench_batches(void)
{
    static const size_t counts[] = {1, 2, 4, 6, 8, 16, 32, 64, 256};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i] < options.queries)
            bench_batch(counts[i]);
    bench_batch(options.queries);
}

/* --- Options ----------------------------------------------------------------------------------- */

static int usage(void)
{
    fputs("usage: flat DIRECTORY [--rows N] [--dim N] [--queries N] [--k N] [--turns N]\n"
          "            [--scalar f32|f16|bf16|int8] [--metric l2|ip|cosine] [--json FILE]\n",
          stderr);
    return 2;
}

static int parse_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    exit(usage());
}

static void parse(const char *name, const char *value)
{
    static const char *const scalars[] = {"f32", "f16", "bf16", "int8"};
    static const char *const metrics[] = {"l2", "ip", "cosine"};
    static const struct {
        const char *name;
        size_t *value, max;
    } numbers[] = {
        {"--rows", &options.rows, 1u << 30},
        {"--dim", &options.dim, LODE_DIM_MAX},
        {"--queries", &options.queries, LODE_SEARCH_BATCH_MAX},
        {"--k", &options.k, ONE_K_MAX},
        {"--turns", &options.turns, TURNS_MAX},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].value = strtoull(value, NULL, 10);
            if (*numbers[i].value >= 1 && *numbers[i].value <= numbers[i].max)
                return;
        }
    if (strcmp(name, "--json") == 0)
        options.json = value;
    else if (strcmp(name, "--scalar") == 0)
        options.scalar = (lode_scalar)parse_name(scalars, 4, value);
    else if (strcmp(name, "--metric") == 0)
        options.metric = (lode_metric)parse_name(metrics, 3, value);
    else
        exit(usage());
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc % 2 != 0)
        return usage();
    options.dir = argv[1];
    for (int i = 2; i < argc; i += 2)
        parse(argv[i], argv[i + 1]);
    rng_init(&rng, 1);
    query = malloc(options.dim * sizeof *query);
    fill(query);
    make_collection();
    make_requests();
    struct version *version = collection_pin(collection->shared);
    copy_rows(version);
    json = options.json ? fopen(options.json, "w") : NULL;
    if (json)
        fprintf(json, "{\"points\": %zu, \"dim\": %zu, \"figures\": [\n ", options.rows,
                options.dim);
    printf("%zu rows of %zu, %s\n", options.rows, options.dim, lode_simd_level());
    bench_one();
    bench_batches();
    if (json) {
        fputs("]}\n", json);
        fclose(json);
    }
    version_unref(version);
    lode_collection_close(collection);
    lode_db_close(db);
    return 0;
}
