/* test_space.c: rows of every type and metric against the definitions in double precision. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "quant/space.h"
#include "simd/simd.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum { DIM_MAX = 1537, ROW_SIZE_MAX = 4 * DIM_MAX + 8, ROWS = 9 };

static const size_t dims[] = {1, 2, 3, 4, 5, 7, 8, 16, 31, 100, 257, DIM_MAX};
static struct rng rng;

static int set_up(void **state)
{
    (void)state;
    rng_init(&rng, 1);
    return 0;
}

/* --- Help ---------------------------------------------------------------------------------------- */

static void random_vector(float *vector, size_t dim)
{
    float length = (float)exp(6 * rng_unit(&rng) - 3);

    for (size_t i = 0; i < dim; i++)
        vector[i] = length * (float)rng_normal(&rng);
}

static void random_integers(float *vector, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        vector[i] = (float)((int)rng_below(&rng, 255) - 127);
}

static double norm_of(const float *vector, size_t dim)
{
    double sum = 0;

    for (size_t i = 0; i < dim; i++)
        sum += (double)vector[i] * (double)vector[i];
    return sqrt(sum);
}

static float peak_of(const float *vector, size_t dim)
{
    float peak = 0;

    for (size_t i = 0; i < dim; i++)
        peak = fmaxf(peak, fabsf(vector[i]));
    return peak;
}

static void encode(const struct space *space, const float *vector, void *row)
{
    lode_error error = {0};

    assert_int_equal(space_check(space, vector, &error), LODE_OK);
    space_encode(space, vector, row);
}

/* What is behind the codes of an int8 row. */
static float scale_of(const struct space *space, const void *row)
{
    float scale;
    memcpy(&scale, (const uint8_t *)row + space->row_size - 8, sizeof scale);
    return scale;
}

static uint32_t square_sum_of(const struct space *space, const void *row)
{
    uint32_t sum;
    memcpy(&sum, (const uint8_t *)row + space->row_size - 4, sizeof sum);
    return sum;
}

/* The stored values, exactly. */
static void stored(const struct space *space, const void *row, double *values)
{
    float decoded[DIM_MAX];

    space_decode(space, row, decoded);
    for (size_t i = 0; i < space->dim; i++)
        values[i] = space->scalar == LODE_SCALAR_INT8
                        ? (double)scale_of(space, row) * ((const int8_t *)row)[i]
                        : (double)decoded[i];
}

static void assert_near(double got, double want, double tolerance)
{
    assert_true(fabs(got - want) <= tolerance);
}

/* Run `test` for every type, metric and dimension. */
static void each_space(void (*test)(const struct space *space))
{
    for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++)
        for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
            for (size_t i = 0; i < COUNT_OF(dims); i++) {
                struct space space;
                space_init(&space, (lode_metric)metric, (lode_scalar)scalar, dims[i]);
                test(&space);
            }
}

/* --- Layout --------------------------------------------------------------------------------------- */

static void check_layout(const struct space *space)
{
    size_t dim = space->dim;
    size_t codes_size = space->scalar == LODE_SCALAR_F32    ? 4 * dim
                        : space->scalar == LODE_SCALAR_INT8 ? dim
                                                            : 2 * dim;
    size_t padded_size = (codes_size + 3) / 4 * 4;
    float vector[DIM_MAX];
    uint32_t words[ROW_SIZE_MAX / 4 + 4];
    uint8_t *row = (uint8_t *)words;

    assert_int_equal(space->row_size, padded_size + (space->scalar == LODE_SCALAR_INT8 ? 8 : 0));
    memset(words, 0xee, sizeof words);
    random_vector(vector, dim);
    encode(space, vector, row);
    for (size_t i = codes_size; i < padded_size; i++)
        assert_int_equal(row[i], 0);
    for (size_t i = space->row_size; i < sizeof words; i++)
        assert_int_equal(row[i], 0xee);
    if (space->scalar == LODE_SCALAR_INT8) {
        uint32_t sum = 0;
        for (size_t i = 0; i < dim; i++)
            sum += (uint32_t)((int8_t)row[i] * (int8_t)row[i]);
        assert_int_equal(square_sum_of(space, row), sum);
    }
}

static void test_layout(void **state)
{
    (void)state;
    each_space(check_layout);
}

/* --- Round trips ---------------------------------------------------------------------------------- */

/* How far a stored component may be from x: half a unit in its last place, or half a step. */
static double bound_of(const struct space *space, double x, double step)
{
    switch (space->scalar) {
    case LODE_SCALAR_F32: return 0x1p-24 * fabs(x);
    case LODE_SCALAR_F16: return fmax(0x1p-11 * fabs(x), 0x1p-25);
    case LODE_SCALAR_BF16: return 0x1p-8 * fabs(x);
    case LODE_SCALAR_INT8: return 0.5001 * step;
    }
    return 0;
}

static void check_round_trip(const struct space *space)
{
    size_t dim = space->dim;
    float vector[DIM_MAX], decoded[DIM_MAX];
    uint32_t row[ROW_SIZE_MAX / 4];
    double factor = 1, step = 0;

    random_vector(vector, dim);
    encode(space, vector, row);
    space_decode(space, row, decoded);
    if (space->metric == LODE_METRIC_COSINE)
        factor = 1 / norm_of(vector, dim);
    if (space->scalar == LODE_SCALAR_INT8) {
        /* Codes are those of the vector as it came; the length is made 1 afterwards. */
        step = (double)peak_of(vector, dim) / 127;
        if (space->metric == LODE_METRIC_COSINE)
            factor = (double)scale_of(space, row) / step;
        step *= factor;
        assert_near((double)scale_of(space, row), step, 1e-6 * step);
    }
    for (size_t i = 0; i < dim; i++) {
        double x = (double)vector[i] * factor, error = fabs((double)decoded[i] - x);
        assert_true(error <= bound_of(space, x, step));
        if (space->scalar == LODE_SCALAR_F32 && space->metric != LODE_METRIC_COSINE)
            assert_true(error == 0);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    each_space(check_round_trip);
}

/* Under cosine rows have length 1, as nearly as their type can say it; int8 too. */
static void check_unit_length(const struct space *space)
{
    float vector[DIM_MAX], decoded[DIM_MAX];
    uint32_t row[ROW_SIZE_MAX / 4];
    double tolerance = space->scalar == LODE_SCALAR_F16    ? 0x1p-11
                       : space->scalar == LODE_SCALAR_BF16 ? 0x1p-8
                                                           : 0x1p-22;

    if (space->metric != LODE_METRIC_COSINE)
        return;
    random_vector(vector, space->dim);
    encode(space, vector, row);
    space_decode(space, row, decoded);
    assert_near(norm_of(decoded, space->dim), 1, tolerance);
    assert_true(space_score(space, space->distance(space, row, row)) >=
                1 - 2.01f * (float)tolerance);
}

static void test_unit_length(void **state)
{
    (void)state;
    each_space(check_unit_length);
}

/* Vectors far from 1 in length have a direction too: the norm neither over- nor underflows. */
static void test_cosine_of_extremes(void **state)
{
    static const float scales[] = {1e-45f, 1e-40f, 1e-20f, 1, 1e20f, 1e38f};
    struct space space;
    float wanted[3] = {1 / 3.0f, 2 / 3.0f, -2 / 3.0f}, decoded[3];
    uint32_t row[8];

    (void)state;
    for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++)
        for (size_t s = 0; s < COUNT_OF(scales); s++) {
            float vector[3] = {scales[s], 2 * scales[s], -2 * scales[s]};
            space_init(&space, LODE_METRIC_COSINE, (lode_scalar)scalar, 3);
            encode(&space, vector, row);
            space_decode(&space, row, decoded);
            for (size_t i = 0; i < 3; i++)
                assert_near((double)decoded[i], (double)wanted[i], 0.004);
        }
}

/* A row that is read and written again has the same codes. */
static void test_codes_are_stable(void **state)
{
    struct space space;
    float vector[257], decoded[257];
    uint32_t row[70], again[70];

    (void)state;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
        for (int turn = 0; turn < 100; turn++) {
            space_init(&space, (lode_metric)metric, LODE_SCALAR_INT8, 257);
            random_vector(vector, 257);
            encode(&space, vector, row);
            space_decode(&space, row, decoded);
            encode(&space, decoded, again);
            assert_memory_equal(row, again, 257);
        }
}

/* --- Distances ------------------------------------------------------------------------------------ */

struct naive {
    double l2, ip, l2_terms, ip_terms;
};

static struct naive naive_of(const struct space *space, const void *a, const void *b)
{
    double x[DIM_MAX], y[DIM_MAX];
    struct naive naive = {0};

    stored(space, a, x);
    stored(space, b, y);
    for (size_t i = 0; i < space->dim; i++) {
        naive.l2 += (x[i] - y[i]) * (x[i] - y[i]);
        naive.ip += x[i] * y[i];
        naive.l2_terms += x[i] * x[i] + y[i] * y[i];
        naive.ip_terms += fabs(x[i] * y[i]);
    }
    return naive;
}

/* Floats: the bound of tests/simd. int8: integers and doubles, then one rounding. */
static double tolerance_of(const struct space *space, double value, double terms)
{
    if (space->scalar == LODE_SCALAR_INT8)
        return 0x1p-24 * fabs(value) + 0x1p-45 * terms;
    return ((double)space->dim / 8 + 8) * 0x1p-24 * terms;
}

static void check_distance(const struct space *space)
{
    float vectors[2][DIM_MAX];
    uint32_t a[ROW_SIZE_MAX / 4], b[ROW_SIZE_MAX / 4];

    random_vector(vectors[0], space->dim);
    random_vector(vectors[1], space->dim);
    encode(space, vectors[0], a);
    encode(space, vectors[1], b);

    struct naive naive = naive_of(space, a, b);
    double got = (double)space->distance(space, a, b);
    double want = space->metric == LODE_METRIC_L2 ? naive.l2 : -naive.ip;
    double terms = space->metric != LODE_METRIC_L2     ? naive.ip_terms
                   : space->scalar == LODE_SCALAR_INT8 ? naive.l2_terms
                                                       : naive.l2;
    assert_true(fabs(got - want) <= tolerance_of(space, want, terms));
    assert_true((double)space->distance(space, b, a) == got);

    float score = space_score(space, (float)got);
    if (space->metric == LODE_METRIC_L2)
        assert_true((double)score == got);
    else if (space->metric == LODE_METRIC_IP)
        assert_true((double)score == -got);
    else
        assert_true(score >= -1 && score <= 1 && fabs((double)score + got) < 0.01);
}

static void test_distance(void **state)
{
    (void)state;
    for (int turn = 0; turn < 10; turn++)
        each_space(check_distance);
}

static void check_scan(const struct space *space)
{
    static const size_t gaps[] = {0, 4, 20};
    size_t stride = space->row_size + gaps[rng_below(&rng, COUNT_OF(gaps))];
    uint8_t *rows = malloc((ROWS + 1) * stride);
    float vector[DIM_MAX], ret[ROWS + 1];
    uint32_t query[ROW_SIZE_MAX / 4];

    assert_non_null(rows);
    for (size_t i = 0; i < ROWS; i++) {
        random_vector(vector, space->dim);
        encode(space, vector, rows + i * stride);
    }
    encode(space, vector, query);
    for (size_t count = 0; count <= ROWS; count++) {
        ret[count] = 42;
        space->scan(space, query, rows, stride, count, ret);
        for (size_t i = 0; i < count; i++)
            assert_true(ret[i] == space->distance(space, query, rows + i * stride));
        assert_true(ret[count] == 42);
    }
    free(rows);
}

static void test_scan_equals_distance(void **state)
{
    (void)state;
    each_space(check_scan);
}

/* Equal vectors are at distance 0, whatever was rounded. */
static void check_twins(const struct space *space)
{
    float vector[DIM_MAX];
    uint32_t a[ROW_SIZE_MAX / 4], b[ROW_SIZE_MAX / 4];

    if (space->metric != LODE_METRIC_L2)
        return;
    random_vector(vector, space->dim);
    encode(space, vector, a);
    encode(space, vector, b);
    assert_true(space->distance(space, a, b) == 0);
}

static void test_twins(void **state)
{
    (void)state;
    for (int turn = 0; turn < 20; turn++)
        each_space(check_twins);
}

/* Integers from -127 to 127 as int8: codes, distances and what is read back are exact. */
static void check_integers(size_t dim)
{
    float *x = calloc(dim, sizeof *x), *y = calloc(dim, sizeof *y),
          *back = calloc(dim, sizeof *back);
    uint8_t *a = malloc(dim + 16), *b = malloc(dim + 16);
    struct space l2, ip;
    int64_t l2_sum = 0, ip_sum = 0;

    assert_true(x && y && back && a && b);
    random_integers(x, dim);
    random_integers(y, dim);
    for (size_t i = 0; i < dim; i++) {
        int64_t xi = (int64_t)x[i], yi = (int64_t)y[i];
        l2_sum += (xi - yi) * (xi - yi);
        ip_sum += xi * yi;
    }
    space_init(&l2, LODE_METRIC_L2, LODE_SCALAR_INT8, dim);
    space_init(&ip, LODE_METRIC_IP, LODE_SCALAR_INT8, dim);
    encode(&l2, x, a);
    encode(&l2, y, b);
    assert_true(l2.distance(&l2, a, b) == (float)l2_sum);
    assert_true(ip.distance(&ip, a, b) == -(float)ip_sum);
    assert_true(scale_of(&l2, a) == 1);
    space_decode(&l2, a, back);
    assert_memory_equal(back, x, dim * sizeof *x);
    free(x), free(y), free(back), free(a), free(b);
}

static void test_integers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(dims); i++)
        check_integers(dims[i]);
    check_integers(LODE_DIM_MAX);
}

/* Rows that differ by one step of one code, far from zero and with different scales: the distance is
 * small against the norms and must not be lost in their rounding. */
static void test_near_twins_of_int8(void **state)
{
    struct space space;
    float x[64], y[64];
    uint32_t a[18], b[18];

    (void)state;
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_INT8, 64);
    for (size_t i = 0; i < 64; i++)
        x[i] = y[i] = 1000 * (float)rng_normal(&rng);
    for (size_t i = 0; i < 64; i++)
        y[i] *= 1.0001f;
    encode(&space, x, a);
    encode(&space, y, b);
    struct naive naive = naive_of(&space, a, b);
    assert_near((double)space.distance(&space, a, b), naive.l2, 1e-6 * naive.l2);
}

static void test_scores(void **state)
{
    struct space space;

    (void)state;
    space_init(&space, LODE_METRIC_COSINE, LODE_SCALAR_F32, 2);
    assert_true(space_score(&space, -1.0001f) == 1);
    assert_true(space_score(&space, 1.0001f) == -1);
    assert_true(space_score(&space, -0.5f) == 0.5f);
    space_init(&space, LODE_METRIC_IP, LODE_SCALAR_F32, 2);
    assert_true(space_score(&space, -7) == 7);
    assert_false(signbit(space_score(&space, 0.0f)));
    assert_false(signbit(space_score(&space, -0.0f)));
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, 2);
    assert_true(space_score(&space, 7) == 7);
}

/* --- Refusals ------------------------------------------------------------------------------------- */

/* Four components, zero but for one, are refused with a message that has both texts in it. */
static void refuses(lode_metric metric, lode_scalar scalar, size_t at, float value,
                    const char *text)
{
    float vector[4] = {0};
    lode_error error = {0};
    struct space space;

    vector[at] = value;
    space_init(&space, metric, scalar, 4);
    lode_status wanted = isfinite(value) ? LODE_SCHEMA : LODE_INVALID;
    assert_int_equal(space_check(&space, vector, &error), wanted);
    assert_int_equal(error.status, wanted);
    assert_non_null(strstr(error.message, text));
    assert_int_equal(space_check(&space, vector, NULL), wanted);
}

static void accepts(lode_metric metric, lode_scalar scalar, float value)
{
    float vector[4] = {0, 0, value, 0};
    lode_error error = {0};
    struct space space;

    space_init(&space, metric, scalar, 4);
    assert_int_equal(space_check(&space, vector, &error), LODE_OK);
}

static void test_refuses_what_is_not_finite(void **state)
{
    (void)state;
    for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++)
        for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++) {
            lode_metric m = (lode_metric)metric;
            lode_scalar s = (lode_scalar)scalar;
            refuses(m, s, 0, NAN, "component 0 is NaN");
            refuses(m, s, 3, -NAN, "component 3 is NaN");
            refuses(m, s, 1, INFINITY, "component 1 is infinity");
            refuses(m, s, 2, -INFINITY, "component 2 is -infinity");
        }
}

static void test_refuses_what_a_type_cannot_hold(void **state)
{
    float half_limit = nextafterf(65504, INFINITY);

    (void)state;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_IP; metric++) {
        refuses((lode_metric)metric, LODE_SCALAR_F16, 2, half_limit, "component 2 is 65504.0039");
        refuses((lode_metric)metric, LODE_SCALAR_F16, 2, -70000, "component 2 is -70000");
        accepts((lode_metric)metric, LODE_SCALAR_F16, 65504);
        refuses((lode_metric)metric, LODE_SCALAR_INT8, 1, 1e-37f, "component 1, the largest");
        refuses((lode_metric)metric, LODE_SCALAR_INT8, 1, -1e-45f, "component 1, the largest");
        accepts((lode_metric)metric, LODE_SCALAR_INT8, 127 * FLT_MIN);
        accepts((lode_metric)metric, LODE_SCALAR_INT8, 0);
    }
    accepts(LODE_METRIC_COSINE, LODE_SCALAR_F16, 70000);
    accepts(LODE_METRIC_COSINE, LODE_SCALAR_INT8, 1e-45f);
}

static void test_refuses_what_would_overflow(void **state)
{
    static const lode_scalar wide[] = {LODE_SCALAR_F32, LODE_SCALAR_BF16, LODE_SCALAR_INT8};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wide); i++) {
        for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_IP; metric++) {
            accepts((lode_metric)metric, wide[i], 0x1p62f);
            refuses((lode_metric)metric, wide[i], 3, nextafterf(0x1p62f, INFINITY), "2^62");
            refuses((lode_metric)metric, wide[i], 3, -FLT_MAX, "3, is -3.40282347e+38");
        }
        accepts(LODE_METRIC_COSINE, wide[i], FLT_MAX);
    }
}

static void test_refuses_zero_under_cosine(void **state)
{
    (void)state;
    for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++) {
        refuses(LODE_METRIC_COSINE, (lode_scalar)scalar, 0, 0, "zero vector");
        refuses(LODE_METRIC_COSINE, (lode_scalar)scalar, 0, -0.0f, "zero vector");
        accepts(LODE_METRIC_COSINE, (lode_scalar)scalar, 1e-45f);
        accepts(LODE_METRIC_L2, (lode_scalar)scalar, 0);
        accepts(LODE_METRIC_IP, (lode_scalar)scalar, 0);
    }
}

/* The longest vectors, in opposite directions: distances are finite. */
static void check_longest(const struct space *space)
{
    float x[DIM_MAX], y[DIM_MAX];
    uint32_t a[ROW_SIZE_MAX / 4], b[ROW_SIZE_MAX / 4];
    float each = space->scalar == LODE_SCALAR_F16
                     ? 65504
                     : (float)(0x1p62 * (1 - 1e-7) / sqrt((double)space->dim));

    for (size_t i = 0; i < space->dim; i++)
        x[i] = -(y[i] = each);
    encode(space, x, a);
    encode(space, y, b);
    assert_true(isfinite(space->distance(space, a, b)));
    assert_true(isfinite(space->distance(space, a, a)));
}

static void test_longest_vectors(void **state)
{
    (void)state;
    each_space(check_longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_unit_length),
        cmocka_unit_test(test_cosine_of_extremes),
        cmocka_unit_test(test_codes_are_stable),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_scan_equals_distance),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_near_twins_of_int8),
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_refuses_what_is_not_finite),
        cmocka_unit_test(test_refuses_what_a_type_cannot_hold),
        cmocka_unit_test(test_refuses_what_would_overflow),
        cmocka_unit_test(test_refuses_zero_under_cosine),
        cmocka_unit_test(test_longest_vectors),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
