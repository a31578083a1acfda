/* gen_clustered.c: a seeded set of clustered vectors with queries and their exact neighbours.
 *
 * Points come from a mixture of 2,000 Gaussians in a space of few dimensions whose i-th coordinate is
 * scaled by 1/sqrt(1 + i/4), as the spectra of real embeddings fall. Cluster weights are gamma(1),
 * widths uniform in 0.35 to 0.8. A random Gaussian matrix, scaled by 1/sqrt(intrinsic), maps them to
 * `dim` dimensions, where isotropic noise of 0.05 is added. Under cosine, vectors are written
 * normalised; under ip points have log-normal lengths instead, of the given sigma. Queries are further
 * draws from the same mixture.
 *
 * Writes OUT/base.fvecs, OUT/query.fvecs and OUT/truth.ivecs (the nearest 100, ties by lower row). */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/random.h"
#include "index/index.h"

#define CLUSTERS         2000u
#define NOISE            0.05
#define TRUTH_K          100u
#define TRUTH_BLOCK_ROWS 1024u /* scanned for every query while they are in the cache */

struct options {
    uint32_t points, queries, dim, intrinsic;
    uint64_t seed;
    lode_metric metric;
    double sigma; /* ip: of the logarithms of lengths */
    int no_truth;
    const char *out;
};

struct mixture {
    uint32_t dim, intrinsic;
    double *centres; /* CLUSTERS x intrinsic */
    double *weights; /* CLUSTERS, cumulative, last one 1 */
    double *widths;  /* CLUSTERS */
    double *scales;  /* intrinsic */
    float *map;      /* intrinsic x dim */
};

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "gen_clustered: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        fail("memory");
    return memory;
}

static void mixture_init(struct mixture *mixture, const struct options *options, struct rng *rng)
{
    uint32_t intrinsic = options->intrinsic, dim = options->dim;
    *mixture = (struct mixture){.dim = dim, .intrinsic = intrinsic};
    mixture->centres = allocate((size_t)CLUSTERS * intrinsic, sizeof(double));
    mixture->weights = allocate(CLUSTERS, sizeof(double));
    mixture->widths = allocate(CLUSTERS, sizeof(double));
    mixture->scales = allocate(intrinsic, sizeof(double));
    mixture->map = allocate((size_t)intrinsic * dim, sizeof(float));
    for (uint32_t i = 0; i < intrinsic; i++)
        mixture->scales[i] = 1.0 / sqrt(1.0 + i / 4.0);
    double sum = 0.0;
    for (uint32_t c = 0; c < CLUSTERS; c++) {
        for (uint32_t i = 0; i < intrinsic; i++)
            mixture->centres[(size_t)c * intrinsic + i] = rng_normal(rng) * mixture->scales[i];
        mixture->widths[c] = 0.35 + 0.45 * rng_unit(rng);
        mixture->weights[c] = sum += -log(1.0 - rng_unit(rng)); /* gamma(1) */
    }
    for (uint32_t c = 0; c < CLUSTERS; c++)
        mixture->weights[c] /= sum;
    for (size_t i = 0; i < (size_t)intrinsic * dim; i++)
        mixture->map[i] = (float)(rng_normal(rng) / sqrt(intrinsic));
}

static void mixture_release(struct mixture *mixture)
{
    free(mixture->centres);
    free(mixture->weights);
    free(mixture->widths);
    free(mixture->scales);
    free(mixture->map);
}

static uint32_t draw_cluster(const struct mixture *mixture, struct rng *rng)
{
    double u = rng_unit(rng);
    uint32_t low = 0, high = CLUSTERS - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (mixture->weights[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void draw(const struct mixture *mixture, struct rng *rng, float *vector)
{
    uint32_t c = draw_cluster(mixture, rng);
    for (uint32_t j = 0; j < mixture->dim; j++)
        vector[j] = (float)(NOISE * rng_normal(rng));
    for (uint32_t i = 0; i < mixture->intrinsic; i++) {
        float x = (float)(mixture->centres[(size_t)c * mixture->intrinsic + i] +
                          mixture->widths[c] * mixture->scales[i] * rng_normal(rng));
        const float *column = mixture->map + (size_t)i * mixture->dim;
        for (uint32_t j = 0; j < mixture->dim; j++)
            vector[j] += x * column[j];
    }
}

static void normalise(float *vector, uint32_t dim)
{
    double sum = 0.0;
    for (uint32_t j = 0; j < dim; j++)
        sum += (double)vector[j] * vector[j];
    for (uint32_t j = 0; j < dim; j++)
        vector[j] = (float)(vector[j] / sqrt(sum));
}

static void lengthen(float *vectors, const struct options *options, struct rng *rng)
{
    for (uint32_t i = 0; i < options->points; i++) {
        float length = (float)exp(options->sigma * rng_normal(rng));
        for (uint32_t j = 0; j < options->dim; j++)
            vectors[(size_t)i * options->dim + j] *= length;
    }
}

static float *draw_all(const struct mixture *mixture, struct rng *rng, uint32_t count, int unit)
{
    float *vectors = allocate((size_t)count * mixture->dim, sizeof(float));
    for (uint32_t i = 0; i < count; i++) {
        float *vector = vectors + (size_t)i * mixture->dim;
        draw(mixture, rng, vector);
        if (unit)
            normalise(vector, mixture->dim);
    }
    return vectors;
}

/* Rows of four-byte values, each row with its width before it: .fvecs and .ivecs. */
static void write_vecs(const char *dir, const char *name, const void *values, uint32_t count,
                       uint32_t width)
{
    char path[4096];
    int32_t head = (int32_t)width;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        fail(path);
    for (uint32_t i = 0; i < count; i++) {
        const char *row = (const char *)values + (size_t)i * width * 4;
        if (fwrite(&head, 4, 1, file) != 1 || fwrite(row, 4, width, file) != width)
            fail(path);
    }
    if (fclose(file))
        fail(path);
}

struct truth {
    struct rows rows;
    uint32_t points, queries;
    const float *vectors; /* of the queries */
    struct topk *topk;    /* one for each query */
    unsigned parts;
};

/* One thread's share of the queries, against all points block by block. */
static void truth_part(void *context, size_t part)
{
    const struct truth *truth = context;
    uint32_t begin = (uint32_t)(truth->queries * (uint64_t)part / truth->parts);
    uint32_t end = (uint32_t)(truth->queries * (uint64_t)(part + 1) / truth->parts);
    struct index_counts counts = {0, 0};
    for (uint32_t first = 0; first < truth->points; first += TRUTH_BLOCK_ROWS) {
        uint32_t left = truth->points - first;
        uint32_t last = first + (left < TRUTH_BLOCK_ROWS ? left : TRUTH_BLOCK_ROWS);
        for (uint32_t q = begin; q < end; q++) {
            struct index_query query = {.query = truth->vectors + q * truth->rows.space->dim,
                                        .row_limit = last,
                                        .topk = &truth->topk[q],
                                        .counts = &counts};
            if (flat_search(&truth->rows, first, &query, NULL))
                abort();
        }
    }
}

static void write_truth(const struct options *options, const float *base, const float *queries)
{
    struct space space;
    space_init(&space, options->metric, LODE_SCALAR_F32, options->dim);
    uint32_t k = options->points < TRUTH_K ? options->points : TRUTH_K;
    struct neighbor *items = allocate((size_t)options->queries * k, sizeof *items);
    int32_t *ids = allocate((size_t)options->queries * k, sizeof *ids);
    struct truth truth = {.rows = {&space, (const uint8_t *)base, space.row_size},
                          .points = options->points,
                          .queries = options->queries,
                          .vectors = queries,
                          .topk = allocate(options->queries, sizeof *truth.topk)};
    for (uint32_t q = 0; q < options->queries; q++)
        topk_init(&truth.topk[q], items + (size_t)q * k, k);
    struct executor *executor;
    lode_error error = {LODE_OK, 0, ""};
    if (executor_threads_new(0, &executor, &error) != LODE_OK)
        fail(error.message);
    truth.parts = executor_width(executor);
    executor_parallel(executor, truth.parts, truth_part, &truth);
    executor_free(executor);
    for (uint32_t q = 0; q < options->queries; q++) {
        topk_sort(&truth.topk[q]);
        for (uint32_t i = 0; i < k; i++)
            ids[(size_t)q * k + i] = (int32_t)items[(size_t)q * k + i].row;
    }
    write_vecs(options->out, "truth.ivecs", ids, options->queries, k);
    free(truth.topk);
    free(ids);
    free(items);
}

static void usage(void)
{
    fputs("usage: gen_clustered --out DIR [--points 1000000] [--dim 128] [--queries 1000]\n"
          "                     [--metric l2|cosine|ip] [--sigma 0.1, of lengths under ip]\n"
          "                     [--intrinsic 24, or 64 from 512 dimensions]\n"
          "                     [--seed 1] [--no-truth]\n",
          stderr);
    exit(2);
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {{"points", 1, NULL, 'p'},  {"dim", 1, NULL, 'd'},
                                          {"queries", 1, NULL, 'q'}, {"metric", 1, NULL, 'm'},
                                          {"seed", 1, NULL, 's'},    {"intrinsic", 1, NULL, 'i'},
                                          {"out", 1, NULL, 'o'},     {"no-truth", 0, NULL, 'n'},
                                          {"sigma", 1, NULL, 'g'},   {NULL, 0, NULL, 0}};
    struct options options = {
        .points = 1000000, .queries = 1000, .dim = 128, .seed = 1, .sigma = 0.1};
    int name;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;
        if (name == 'p')
            options.points = (uint32_t)number;
        else if (name == 'd')
            options.dim = (uint32_t)number;
        else if (name == 'q')
            options.queries = (uint32_t)number;
        else if (name == 'i')
            options.intrinsic = (uint32_t)number;
        else if (name == 's')
            options.seed = number;
        else if (name == 'm' && optarg && !strcmp(optarg, "l2"))
            options.metric = LODE_METRIC_L2;
        else if (name == 'm' && optarg && !strcmp(optarg, "cosine"))
            options.metric = LODE_METRIC_COSINE;
        else if (name == 'm' && optarg && !strcmp(optarg, "ip"))
            options.metric = LODE_METRIC_IP;
        else if (name == 'g' && optarg)
            options.sigma = strtod(optarg, NULL);
        else if (name == 'n')
            options.no_truth = 1;
        else if (name == 'o')
            options.out = optarg;
        else
            usage();
    }
    if (!options.out || !options.dim || !options.points)
        usage();
    if (!options.intrinsic)
        options.intrinsic = options.dim < 512 ? 24 : 64;
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    if (mkdir(options.out, 0777) && errno != EEXIST)
        fail(options.out);
    struct rng rng;
    struct mixture mixture;
    int unit = options.metric != LODE_METRIC_L2;
    rng_init(&rng, options.seed);
    mixture_init(&mixture, &options, &rng);
    float *base = draw_all(&mixture, &rng, options.points, unit);
    float *queries = draw_all(&mixture, &rng, options.queries, unit);
    mixture_release(&mixture);
    if (options.metric == LODE_METRIC_IP)
        lengthen(base, &options, &rng);
    write_vecs(options.out, "base.fvecs", base, options.points, options.dim);
    write_vecs(options.out, "query.fvecs", queries, options.queries, options.dim);
    if (!options.no_truth)
        write_truth(&options, base, queries);
    free(base);
    free(queries);
    return 0;
}
