/* projection_fit.c: mean, scales and directions from a sample of the rows. Medians and quantiles rather
 * than means of squares and maxima: a few rows far away must not squeeze all others into one code. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/sort.h"
#include "base/topk.h"
#include "linalg/principal.h"
#include "os/mapped.h"
#include "quant/projection.h"
#include "simd/hop.h"

#define SAMPLE_MAX         4096u
#define SAMPLE_FLOATS_MAX  ((size_t)1 << 23) /* 32 MiB: of wider vectors fewer are sampled */
#define CODE_RANGE         63.0f
#define ROWS_BETWEEN_LOOKS 64u /* at how much memory is mapped: they lie far apart */

#define REDUCED_DIM_MIN                                                                            \
    128u /* fewer dimensions are all kept: a code of them is a cache line or two */
#define REDUCED_DIM_MAX  4096u /* beyond, the covariance matrix would be larger than 128 MiB */
#define KEPT_STEP        64u   /* of the 7-bit codes */
#define KEPT_MAX         512u
#define TAN2_2_BITS      0.133 /* 1/cos^2 - 1, cos between a difference and its 2-bit code */
#define ERROR_MAX        0.1   /* of estimates, in parts of the distance of near rows */
#define SPREAD_PER_ERROR 3     /* the 100th neighbour is further than the 10th by so many errors */
#define PROBES           64u   /* rows whose nearest are looked for */
#define PROBE_NEAREST    100u
#define PROBE_NEAR       10u        /* of them, whose differences are what must be told apart */
#define PROBE_ROWS_MAX   (1u << 20) /* among so many */
#define PROBES_SHARE     8u         /* probes a thread takes */
#define PROBE_BLOCK      64u        /* rows compared with each of them in turn */

struct sample {
    const struct rows *rows;
    uint32_t count; /* of all rows */
    uint32_t size;
    uint64_t seed;
};

static uint32_t sample_number(const struct sample *sample, uint32_t i)
{
    return sample->size < sample->count ? (uint32_t)(random_mix(sample->seed + i) % sample->count)
                                        : i;
}

static const void *sample_row(const struct sample *sample, uint32_t i)
{
    return rows_at(sample->rows, sample_number(sample, i));
}

/* Sampled rows lie far apart: with each of them, pages around it are mapped. */
static void look(uint32_t i)
{
    if (i % ROWS_BETWEEN_LOOKS == 0)
        mapped_look();
}

/* --- Mean and scale ---------------------------------------------------------------------------- */

/* Mean of the sampled rows no further than `reach` from the mean so far. In f64: the squares of large
 * vectors are beyond f32. */
static void fit_mean(struct projection *projection, const struct sample *sample, double reach,
                     const float *lengths, float *decoded, double *sums)
{
    size_t dim = projection->dim;
    uint32_t count = 0;
    memset(sums, 0, dim * sizeof *sums);
    for (uint32_t i = 0; i < sample->size; i++) {
        look(i);
        if ((double)lengths[i] > reach)
            continue;
        space_decode(sample->rows->space, sample_row(sample, i), decoded);
        for (size_t j = 0; j < dim; j++)
            sums[j] += (double)decoded[j];
        count++;
    }
    for (size_t j = 0; j < dim; j++)
        projection->mean[j] = (float)(sums[j] / count);
}

/* The distance of each sampled row from the mean; returns their median. */
static double fit_lengths(const struct projection *projection, const struct sample *sample,
                          float *decoded, float *lengths, float *sorted)
{
    for (uint32_t i = 0; i < sample->size; i++) {
        double sum = 0;
        look(i);
        space_decode(sample->rows->space, sample_row(sample, i), decoded);
        for (size_t j = 0; j < projection->dim; j++) {
            double x = (double)decoded[j] - (double)projection->mean[j];
            sum += x * x;
        }
        lengths[i] = (float)sqrt(sum);
    }
    memcpy(sorted, lengths, sample->size * sizeof *sorted);
    qsort(sorted, sample->size, sizeof *sorted, sort_floats);
    return (double)sorted[sample->size / 2];
}

/* The mean of all, then twice that of what lies within four times the median distance. */
static int fit_centre(struct projection *projection, const struct sample *sample)
{
    float *decoded = malloc(projection->dim * sizeof *decoded);
    float *lengths = calloc(2 * sample->size + 1, sizeof *lengths);
    double *sums = malloc(projection->dim * sizeof *sums);
    int whole = decoded && lengths && sums;
    if (whole && sample->size) {
        float *sorted = lengths + sample->size;
        fit_mean(projection, sample, INFINITY, lengths, decoded, sums);
        double median = fit_lengths(projection, sample, decoded, lengths, sorted);
        for (int i = 0; i < 2; i++) {
            fit_mean(projection, sample, 4 * median, lengths, decoded, sums);
            median = fit_lengths(projection, sample, decoded, lengths, sorted);
        }
        double scale = PROJECTION_LENGTH / median;
        projection->scale = median > 0 && isfinite((float)scale) ? (float)scale : 0;
    }
    free(decoded);
    free(lengths);
    free(sums);
    return whole ? 0 : -1;
}

/* --- Directions -------------------------------------------------------------------------------- */

/* Sampled rows, centred, one after another; far ones as zeros, so that they turn no direction. */
static float *centred_sample(const struct projection *projection, const struct sample *sample)
{
    size_t padded = projection_padded(projection->dim);
    float *rows = dense_new(sample->size, padded);
    float *decoded = malloc(projection->dim * sizeof *decoded);
    for (uint32_t i = 0; rows && decoded && i < sample->size; i++) {
        look(i);
        float *row = rows + i * padded;
        projection_centre(projection, sample->rows->space, sample_row(sample, i), decoded, row);
        if (!(simd()->ip_f32(row, row, padded) <=
              (float)(16 * PROJECTION_LENGTH * PROJECTION_LENGTH)))
            memset(row, 0, padded * sizeof *row);
    }
    if (!decoded) {
        free(rows);
        rows = NULL;
    }
    free(decoded);
    return rows;
}

/* What the choice of directions looks at. */
struct directions {
    const struct projection *projection;
    const struct sample *sample;
    size_t count;          /* of directions */
    float *vectors;        /* count x dim */
    double near[KEPT_MAX]; /* sum of squares of differences of near rows along each */
    double near_all;       /* and over all directions */
    float spreads[PROBES]; /* by how much the 100th neighbour is further than the 10th */
    size_t spread_count;
};

static void add_difference(struct directions *directions, const float *difference)
{
    size_t dim = directions->projection->dim;
    for (size_t d = 0; d < directions->count; d++) {
        float along = simd()->ip_f32(directions->vectors + d * dim, difference, dim);
        directions->near[d] += (double)(along * along);
    }
    directions->near_all += (double)simd()->ip_f32(difference, difference, dim);
}

/* Some of the probes with the rows nearest to each, itself among them; for ip too by distance: rows of ip lie
 * as those of l2. */
struct probe {
    const void *row;
    struct neighbor items[PROBE_NEAREST + 1];
    struct topk topk;
};

struct probes {
    const struct sample *sample;
    struct space space;
    const struct cancel *cancel;
    uint32_t count;
    struct probe all[PROBES];
};

static void scan_block(const struct probes *probes, struct probe *probe, uint32_t first,
                       uint32_t last)
{
    const struct rows *rows = probes->sample->rows;
    float distances[PROBE_BLOCK];
    probes->space.scan(&probes->space, probe->row, rows_at(rows, first), rows->stride, last - first,
                       distances);
    for (uint32_t i = first; i < last; i++)
        topk_push(&probe->topk, distances[i - first], i);
}

/* One share of the probes, block by block: each block is read from memory once. */
static void scan_share(void *context, size_t share)
{
    struct probes *probes = context;
    uint32_t rows = probes->sample->count < PROBE_ROWS_MAX ? probes->sample->count : PROBE_ROWS_MAX;
    uint32_t begin = (uint32_t)share * PROBES_SHARE, end = begin + PROBES_SHARE;
    end = end < probes->count ? end : probes->count;
    for (uint32_t first = 0; first < rows && !cancel_is_wanted(probes->cancel);
         first += PROBE_BLOCK) {
        uint32_t last = rows - first < PROBE_BLOCK ? rows : first + PROBE_BLOCK;
        look(first / PROBE_BLOCK);
        for (uint32_t i = begin; i < end; i++)
            scan_block(probes, &probes->all[i], first, last);
    }
}

static void find_near(struct probes *probes, struct executor *executor)
{
    const struct sample *sample = probes->sample;
    probes->count = sample->size < PROBES ? sample->size : PROBES;
    for (uint32_t i = 0; i < probes->count; i++) {
        struct probe *probe = &probes->all[i];
        probe->row = sample_row(sample, (uint32_t)((uint64_t)sample->size * i / PROBES));
        topk_init(&probe->topk, probe->items, PROBE_NEAREST + 1);
    }
    for (size_t i = 0; !executor && i < PROBES / PROBES_SHARE; i++)
        scan_share(probes, i);
    if (executor)
        executor_parallel(executor, PROBES / PROBES_SHARE, scan_share, probes);
}

/* room: three times projection_padded(dim) floats. */
static void add_probe(struct directions *directions, struct probe *probe, float *room)
{
    const struct projection *projection = directions->projection;
    const struct rows *rows = directions->sample->rows;
    size_t padded = projection_padded(projection->dim);
    float *decoded = room, *from = room + padded, *to = room + 2 * padded;
    size_t count = probe->topk.count;
    topk_sort(&probe->topk);
    projection_centre(projection, rows->space, probe->row, decoded, from);
    float length2_near = 0;
    for (size_t n = 0; n < count; n++) {
        if (n > PROBE_NEAR && n + 1 < count)
            continue;
        projection_centre(projection, rows->space, rows_at(rows, probe->items[n].row), decoded, to);
        for (size_t j = 0; j < padded; j++)
            to[j] -= from[j];
        if (n <= PROBE_NEAR)
            add_difference(directions, to);
        if (n == PROBE_NEAR)
            length2_near = simd()->ip_f32(to, to, padded);
    }
    if (count > PROBE_NEAR + 1 && length2_near > 0)
        directions->spreads[directions->spread_count++] =
            simd()->ip_f32(to, to, padded) / length2_near - 1;
}

/* 0, or -1: out of memory, or cancelled. */
static int probe_all(struct directions *directions, struct executor *executor,
                     const struct cancel *cancel)
{
    const struct space *space = directions->sample->rows->space;
    float *room = malloc(3 * projection_padded(space->dim) * sizeof *room);
    struct probes *probes = malloc(sizeof *probes);
    int whole = room && probes;
    if (whole) {
        *probes = (struct probes){.sample = directions->sample, .space = *space, .cancel = cancel};
        if (space->metric == LODE_METRIC_IP)
            space_init(&probes->space, LODE_METRIC_L2, space->scalar, space->dim);
        find_near(probes, executor);
        whole = !cancel_is_wanted(cancel);
    }
    for (uint32_t i = 0; whole && i < probes->count; i++)
        add_probe(directions, &probes->all[i], room);
    free(room);
    free(probes);
    return whole ? 0 : -1;
}

/* By how much an estimate from 2-bit codes of `kept` coordinates errs, `left` being the share of near
 * differences that the other directions hold: the code's own error, and inner products with what is
 * left out, as if that were spread over half of the other directions. */
static double error_of(double left, size_t kept, size_t whole)
{
    double ratio = left / (1 - left);
    return 2 * sqrt(TAN2_2_BITS / (double)kept + 2 * ratio * ratio / (double)(whole - kept));
}

/* The fewest directions that suffice: docs/decisions/0055. */
static void choose_kept(struct projection *projection, struct directions *directions)
{
    size_t whole = rotation_dim(projection->dim);
    qsort(directions->spreads, directions->spread_count, sizeof(float), sort_floats);
    double spread =
        directions->spread_count ? (double)directions->spreads[directions->spread_count / 2] : 0;
    double most = spread / SPREAD_PER_ERROR < ERROR_MAX ? spread / SPREAD_PER_ERROR : ERROR_MAX;
    double sum = 0;
    for (size_t d = 0; d < directions->count && directions->near_all > 0; d++) {
        sum += directions->near[d];
        size_t kept = d + 1;
        double error = error_of(1 - sum / directions->near_all, kept, whole);
        if (kept % KEPT_STEP != 0 || !(error <= most))
            continue;
        projection->kept = kept;
        projection->error = (float)error;
        return;
    }
}

/* --- The basis --------------------------------------------------------------------------------- */

/* Rotate what each dimension gives to the kept coordinates; keep it transposed too, and in 8 bits. */
static int fill_basis(struct projection *projection, const float *vectors, uint64_t seed)
{
    size_t dim = projection->dim, padded = projection_padded(dim), kept = projection->kept;
    struct rotation rotation;
    projection->columns = dense_new(padded, kept);
    float *row = malloc(padded * sizeof *row);
    projection->owned = calloc(1, kept * (padded + sizeof(float)));
    if (!projection->columns || !row || !projection->owned ||
        rotation_init(&rotation, kept, seed)) {
        free(row);
        return -1;
    }
    float *scales = projection->owned;
    int8_t *basis = (int8_t *)(scales + kept);
    for (size_t j = 0; j < dim; j++) {
        float *column = projection->columns + j * kept;
        for (size_t d = 0; d < kept; d++)
            column[d] = vectors[d * dim + j];
        rotation_apply(&rotation, column);
    }
    memset(row, 0, padded * sizeof *row);
    for (size_t d = 0; d < kept; d++) {
        for (size_t j = 0; j < dim; j++)
            row[j] = projection->columns[j * kept + d];
        scales[d] = projection_round_i8(row, padded, basis + d * padded);
    }
    projection->basis = basis;
    projection->basis_scales = scales;
    rotation_release(&rotation);
    free(row);
    return 0;
}

static int fit_directions(struct projection *projection, const struct sample *sample, uint64_t seed,
                          struct executor *executor, const struct cancel *cancel)
{
    size_t dim = projection->dim, padded = projection_padded(dim);
    struct directions directions = {.projection = projection, .sample = sample};
    directions.count = dim / 2 < KEPT_MAX ? dim / 2 / KEPT_STEP * KEPT_STEP : KEPT_MAX;
    float *rows = centred_sample(projection, sample);
    directions.vectors = malloc(directions.count * dim * sizeof *directions.vectors);
    int whole = rows && directions.vectors;
    if (whole) {
        struct principal_request request = {rows, sample->size, dim, padded, directions.count,
                                            seed, executor};
        whole = principal_directions(&request, directions.vectors, NULL) == 0;
    }
    free(rows);
    if (whole)
        whole = probe_all(&directions, executor, cancel) == 0;
    if (whole) {
        choose_kept(projection, &directions);
        if (projection_is_reduced(projection))
            whole = fill_basis(projection, directions.vectors, seed) == 0;
    }
    free(directions.vectors);
    return whole ? 0 : -1;
}

/* --- Codes ------------------------------------------------------------------------------------- */

/* Of each row's largest coordinate, the 99th percentile is the end of the codes' range. */
static int fit_code_scale(struct projection *projection, const struct sample *sample)
{
    size_t padded = projection_padded(projection->dim);
    float *room = malloc((2 * padded + projection->kept + sample->size) * sizeof *room);
    if (!room)
        return -1;
    float *decoded = room, *centred = room + padded, *coordinates = room + 2 * padded;
    float *values = coordinates + projection->kept;
    for (uint32_t i = 0; i < sample->size; i++) {
        projection_centre(projection, sample->rows->space, sample_row(sample, i), decoded, centred);
        projection_apply_rows(projection, centred, 1, coordinates);
        values[i] = 0;
        for (size_t j = 0; j < projection->kept; j++)
            values[i] = fabsf(coordinates[j]) > values[i] ? fabsf(coordinates[j]) : values[i];
    }
    qsort(values, sample->size, sizeof *values, sort_floats);
    float range = values[(uint32_t)((uint64_t)sample->size * 99 / 100)];
    projection->code_scale = range > 0 ? CODE_RANGE / range : 1;
    free(room);
    return 0;
}

int projection_fit(struct projection *projection, const struct rows *rows, uint32_t count,
                   uint64_t seed, struct executor *executor, const struct cancel *cancel)
{
    size_t dim = rows->space->dim, most = SAMPLE_FLOATS_MAX / projection_padded(dim);
    struct sample sample = {rows, count, count < SAMPLE_MAX ? count : SAMPLE_MAX, seed};
    if (projection_init(projection, dim, rotation_dim(dim), seed))
        return -1;
    int failed = fit_centre(projection, &sample);
    if (!failed && projection->scale > 0 && dim >= REDUCED_DIM_MIN && dim <= REDUCED_DIM_MAX) {
        struct sample wide = sample;
        wide.size = count < 2 * SAMPLE_MAX ? count : 2 * SAMPLE_MAX;
        wide.size = wide.size < most ? wide.size : (uint32_t)most;
        failed = fit_directions(projection, &wide, seed, executor, cancel);
    }
    if (!failed && projection->scale > 0)
        failed = fit_code_scale(projection, &sample);
    if (failed)
        projection_release(projection);
    return failed ? -1 : 0;
}
