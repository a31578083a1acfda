/* projection.c: see projection.h. Medians and quantiles rather than means of squares and maxima: a few
 * rows far away must not squeeze all others into one code. */
#include "quant/projection.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "simd/hop.h"

#define SAMPLE_MAX     4096u
#define TYPICAL_LENGTH 4.0
#define CODE_MIDDLE    64.0f
#define CODE_MAX       127.0f

int projection_init(struct projection *projection, size_t dim, uint64_t seed)
{
    *projection = (struct projection){.dim = dim};
    projection->mean = calloc(dim, sizeof *projection->mean);
    if (!projection->mean)
        return -1;
    if (rotation_init(&projection->rotation, dim, seed)) {
        projection_release(projection);
        return -1;
    }
    return 0;
}

void projection_release(struct projection *projection)
{
    free(projection->mean);
    projection->mean = NULL;
    rotation_release(&projection->rotation);
}

void projection_apply(const struct projection *projection, const struct space *space,
                      const void *row, float *decoded, float *coordinates)
{
    const float *mean = projection->mean;
    float scale = projection->scale;
    size_t dim = projection->dim;
    space_decode(space, row, decoded);
    for (size_t i = 0; i < dim; i++)
        coordinates[i] = (decoded[i] - mean[i]) * scale;
    memset(coordinates + dim, 0, (projection->rotation.dim - dim) * sizeof *coordinates);
    rotation_apply(&projection->rotation, coordinates);
}

size_t projection_code_size(const struct projection *projection)
{
    return (projection->rotation.dim + HOP_CODE_STEP - 1) / HOP_CODE_STEP * HOP_CODE_STEP;
}

void projection_code(const struct projection *projection, const float *coordinates, uint8_t *code)
{
    size_t dim = projection->rotation.dim;
    for (size_t i = 0; i < dim; i++) {
        float x = coordinates[i] * projection->code_scale + (CODE_MIDDLE + 0.5f);
        x = x < CODE_MAX ? x : CODE_MAX;
        x = x > 0 ? x : 0; /* NaN, from damaged files, too */
        code[i] = (uint8_t)(int)x;
    }
    memset(code + dim, 0, projection_code_size(projection) - dim);
}

/* --- Fitting ----------------------------------------------------------------------------------- */

struct sample {
    const struct rows *rows;
    uint32_t count; /* of all rows */
    uint32_t size;
    uint64_t seed;
};

static const void *sample_row(const struct sample *sample, uint32_t i)
{
    uint64_t row = i;
    if (sample->size < sample->count)
        row = random_mix(sample->seed + i) % sample->count;
    return rows_at(sample->rows, (uint32_t)row);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Mean of the sampled rows no further than `reach` from the mean so far. In f64: the squares of large
 * vectors are beyond f32. */
static void fit_mean(struct projection *projection, const struct sample *sample, double reach,
                     const float *lengths, float *decoded, double *sums)
{
    size_t dim = projection->dim;
    uint32_t count = 0;
    memset(sums, 0, dim * sizeof *sums);
    for (uint32_t i = 0; i < sample->size; i++) {
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
        space_decode(sample->rows->space, sample_row(sample, i), decoded);
        for (size_t j = 0; j < projection->dim; j++) {
            double x = (double)decoded[j] - (double)projection->mean[j];
            sum += x * x;
        }
        lengths[i] = (float)sqrt(sum);
    }
    memcpy(sorted, lengths, sample->size * sizeof *sorted);
    qsort(sorted, sample->size, sizeof *sorted, compare_floats);
    return (double)sorted[sample->size / 2];
}

/* The mean of all, then twice that of what lies within four times the median distance. */
static void fit_centre(struct projection *projection, const struct sample *sample, float *decoded,
                       float *values, double *sums)
{
    float *lengths = values, *sorted = values + sample->size;
    memset(lengths, 0, sample->size * sizeof *lengths);
    fit_mean(projection, sample, INFINITY, lengths, decoded, sums);
    double median = fit_lengths(projection, sample, decoded, lengths, sorted);
    for (int i = 0; i < 2; i++) {
        fit_mean(projection, sample, 4 * median, lengths, decoded, sums);
        median = fit_lengths(projection, sample, decoded, lengths, sorted);
    }
    double scale = TYPICAL_LENGTH / median;
    projection->scale = median > 0 && isfinite((float)scale) ? (float)scale : 0;
}

/* Of each row's largest coordinate, the 99th percentile is the end of the codes' range. */
static void fit_code_scale(struct projection *projection, const struct sample *sample,
                           float *decoded, float *coordinates, float *values)
{
    for (uint32_t i = 0; i < sample->size; i++) {
        float most = 0;
        projection_apply(projection, sample->rows->space, sample_row(sample, i), decoded,
                         coordinates);
        for (size_t j = 0; j < projection->rotation.dim; j++)
            most = fabsf(coordinates[j]) > most ? fabsf(coordinates[j]) : most;
        values[i] = most;
    }
    qsort(values, sample->size, sizeof *values, compare_floats);
    float range = values[(uint32_t)((uint64_t)sample->size * 99 / 100)];
    projection->code_scale = range > 0 ? (CODE_MAX - CODE_MIDDLE) / range : 1;
}

int projection_fit(struct projection *projection, const struct rows *rows, uint32_t count,
                   uint64_t seed)
{
    struct sample sample = {rows, count, count < SAMPLE_MAX ? count : SAMPLE_MAX, seed};
    if (projection_init(projection, rows->space->dim, seed))
        return -1;
    size_t dim = projection->dim;
    float *decoded = malloc(dim * sizeof *decoded);
    float *coordinates = malloc(projection->rotation.dim * sizeof *coordinates);
    float *values = malloc((2 * sample.size + 1) * sizeof *values);
    double *sums = malloc(dim * sizeof *sums);
    int whole = decoded && coordinates && values && sums;
    if (whole && sample.size) {
        fit_centre(projection, &sample, decoded, values, sums);
        if (projection->scale > 0)
            fit_code_scale(projection, &sample, decoded, coordinates, values);
    }
    free(decoded);
    free(coordinates);
    free(values);
    free(sums);
    if (!whole)
        projection_release(projection);
    return whole ? 0 : -1;
}
