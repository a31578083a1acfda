/* test_edge_code.c: rotations keep distances; estimates from codes are unbiased and as exact as they
 * should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "quant/edge_code.h"
#include "quant/rotation.h"
#include "simd/hop.h"

enum { DIM_MAX = 800 };

static void fill(struct rng *rng, float *vector, size_t dim, double scale)
{
    memset(vector, 0, DIM_MAX * sizeof *vector);
    for (size_t i = 0; i < dim; i++)
        vector[i] = (float)(scale * rng_normal(rng));
}

static double l2(const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

static void rotation_keeps_distances(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 16, 63, 64, 65, 100, 128, 300, 768, 784};
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        float a[DIM_MAX], b[DIM_MAX];
        struct rotation rotation;
        assert_int_equal(rotation_init(&rotation, sizes[s], 7), 0);
        fill(&rng, a, sizes[s], 1);
        fill(&rng, b, sizes[s], 1);
        double before = l2(a, b, sizes[s]);
        rotation_apply(&rotation, a);
        rotation_apply(&rotation, b);
        double after = l2(a, b, rotation.dim);
        assert_true(fabs(after - before) <= 1e-4 * before + 1e-12);
        rotation_release(&rotation);
    }
}

/* A single coordinate is spread over all of them. */
static void rotation_spreads(void **state)
{
    (void)state;
    struct rotation rotation;
    float a[DIM_MAX] = {0}, most = 0;
    assert_int_equal(rotation_init(&rotation, 784, 3), 0);
    a[5] = 1;
    rotation_apply(&rotation, a);
    for (size_t i = 0; i < rotation.dim; i++)
        most = fabsf(a[i]) > most ? fabsf(a[i]) : most;
    assert_true(most < 0.25f);
    rotation_release(&rotation);
}

/* The estimate of |q-x|^2 from the block of one row c, x being neighbour `place`. */
static double estimate(const float *q, const float *c, const float *x, size_t dim, unsigned bits,
                       unsigned place)
{
    uint8_t block[8 * DIM_MAX + 256] __attribute__((aligned(64))) = {0};
    uint8_t levels[DIM_MAX], tables[4 * DIM_MAX] __attribute__((aligned(64)));
    float room[2 * DIM_MAX], estimates[HOP_LINKS], magnitude;
    struct edge_code code = edge_encode_l2(c, x, dim, bits, -1, room, levels);
    edge_put(block, dim, bits, place, code, levels);
    struct hop_query query = {.tables = tables, .dim = dim, .bits = bits};
    hop()->tables(q, dim, tables, &query.step, &magnitude);
    query.offset = -(float)((1u << bits) - 1) * magnitude / 2;
    hop()->estimate(&query, block, (float)l2(q, c, dim), INFINITY, estimates);
    return (double)estimates[place];
}

/* Mean and root mean square of the relative error, over random rotated vectors. */
static void errors_of(size_t dim, unsigned bits, double *ret_mean, double *ret_rms)
{
    enum { ROUNDS = 2000 };
    struct rng rng;
    double sum = 0, squares = 0;
    rng_init(&rng, 11);
    for (int i = 0; i < ROUNDS; i++) {
        float q[DIM_MAX], c[DIM_MAX], x[DIM_MAX];
        double scale = 4 / sqrt((double)dim); /* as projections have it */
        fill(&rng, q, dim, scale);
        fill(&rng, c, dim, scale);
        fill(&rng, x, dim, scale);
        double exact = l2(q, x, dim);
        double error = (estimate(q, c, x, dim, bits, (unsigned)i % HOP_LINKS) - exact) / exact;
        sum += error;
        squares += error * error;
    }
    *ret_mean = sum / ROUNDS;
    *ret_rms = sqrt(squares / ROUNDS);
}

static void estimates_are_unbiased(void **state)
{
    (void)state;
    static const size_t sizes[] = {64, 128, 784};
    for (size_t s = 0; s < 3; s++) {
        double mean[3], rms[3];
        for (unsigned bits = 1; bits <= 2; bits++) {
            errors_of(sizes[s], bits, &mean[bits], &rms[bits]);
            assert_true(fabs(mean[bits]) < 0.01);
            /* 2 sqrt((1/cos^2 - 1) / dim), with cosines of 0.80 and 0.94 between r and u, and a little */
            assert_true(rms[bits] < (bits == 1 ? 1.65 : 0.85) / sqrt((double)sizes[s]));
        }
        assert_true(rms[2] < 0.6 * rms[1]);
    }
}

static void twins_are_exact(void **state)
{
    (void)state;
    struct rng rng;
    float q[DIM_MAX], c[DIM_MAX];
    rng_init(&rng, 2);
    fill(&rng, q, 128, 0.3);
    fill(&rng, c, 128, 0.3);
    for (unsigned bits = 1; bits <= 2; bits++)
        assert_true(fabs(estimate(q, c, c, 128, bits, 31) - l2(q, c, 128)) < 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_keeps_distances),
        cmocka_unit_test(rotation_spreads),
        cmocka_unit_test(estimates_are_unbiased),
        cmocka_unit_test(twins_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
