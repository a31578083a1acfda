/* test_projection.c: projections keep near rows in order, leave directions out only where little is lost,
 * and stand rows far away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "quant/projection.h"

enum { ROWS = 2000, WIDE = 256 };

/* Rows spread over `intrinsic` random directions, and a little over all. */
static float *low_rank(size_t intrinsic, double noise)
{
    struct rng rng;
    float *rows = calloc((size_t)ROWS * WIDE, sizeof *rows);
    float *map = malloc(intrinsic * WIDE * sizeof *map);
    assert_true(rows && map);
    rng_init(&rng, 9);
    for (size_t i = 0; i < intrinsic * WIDE; i++)
        map[i] = (float)rng_normal(&rng);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i <= intrinsic; i++) {
            double x = i < intrinsic ? rng_normal(&rng) : 0;
            for (size_t j = 0; j < WIDE; j++)
                rows[row * WIDE + j] += (float)(i < intrinsic ? x * (double)map[i * WIDE + j]
                                                              : noise * rng_normal(&rng));
        }
    free(map);
    return rows;
}

static void fit(struct projection *projection, struct space *space, const float *rows)
{
    space_init(space, LODE_METRIC_L2, LODE_SCALAR_F32, WIDE);
    struct rows at = {space, (const uint8_t *)rows, space->row_size};
    assert_int_equal(projection_fit(projection, &at, ROWS, 1, NULL, NULL), 0);
}

static double distance2(const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* The share of a squared distance that coordinates keep, at least and at most, over some pairs. */
static void kept_share(const struct projection *projection, const struct space *space,
                       const float *rows, double *ret_least, double *ret_most)
{
    float decoded[WIDE], centred[2 * WIDE], coordinates[2 * WIDE];
    *ret_least = INFINITY;
    *ret_most = 0;
    for (size_t i = 0; i + 1 < 200; i += 2) {
        for (size_t j = 0; j < 2; j++)
            projection_centre(projection, space, rows + (i + j) * WIDE, decoded,
                              centred + j * WIDE);
        projection_apply_rows(projection, centred, 2, coordinates);
        double share = distance2(coordinates, coordinates + projection->kept, projection->kept) /
                       distance2(centred, centred + WIDE, WIDE);
        *ret_least = share < *ret_least ? share : *ret_least;
        *ret_most = share > *ret_most ? share : *ret_most;
    }
}

static void few_directions_suffice(void **state)
{
    (void)state;
    struct projection projection;
    struct space space;
    double least, most;
    float *rows = low_rank(20, 0.3);
    fit(&projection, &space, rows);
    assert_int_equal(projection.kept, 64);
    assert_true(projection.error > 0 && projection.error <= 0.1f);
    kept_share(&projection, &space, rows, &least, &most);
    assert_true(least > 0.95 && most < 1.001);
    projection_release(&projection);
    free(rows);
}

/* Nothing is left out of rows that differ in all directions alike, and distances are kept. */
static void all_directions_count(void **state)
{
    (void)state;
    struct projection projection;
    struct space space;
    double least, most;
    float *rows = low_rank(1, 10);
    fit(&projection, &space, rows);
    assert_int_equal(projection.kept, WIDE);
    assert_false(projection_is_reduced(&projection));
    kept_share(&projection, &space, rows, &least, &most);
    assert_true(least > 0.9999 && most < 1.0001);
    projection_release(&projection);
    free(rows);
}

/* The 8-bit way for queries gives nearly the coordinates that rows get in f32. */
static void queries_as_rows(void **state)
{
    (void)state;
    struct projection projection;
    struct space space;
    float *rows = low_rank(20, 0.3), decoded[WIDE], centred[WIDE], exact[WIDE], rounded[WIDE];
    int8_t room[WIDE];
    fit(&projection, &space, rows);
    for (size_t row = 0; row < 100; row++) {
        projection_centre(&projection, &space, rows + row * WIDE, decoded, centred);
        projection_apply_rows(&projection, centred, 1, exact);
        projection_apply(&projection, centred, room, rounded);
        double length2 = 0;
        for (size_t i = 0; i < projection.kept; i++)
            length2 += (double)exact[i] * (double)exact[i];
        assert_true(distance2(exact, rounded, projection.kept) < 0.02 * 0.02 * length2);
    }
    projection_release(&projection);
    free(rows);
}

static void round_to_i8(void **state)
{
    (void)state;
    static const float vector[4] = {-2, 0.5f, 0, 1}, zeros[4];
    int8_t code[4];
    float scale = projection_round_i8(vector, 4, code);
    assert_int_equal(code[0], -127);
    for (size_t i = 0; i < 4; i++)
        assert_true(fabsf(scale * (float)code[i] - vector[i]) <= scale / 2);
    assert_true(projection_round_i8(zeros, 4, code) == 0 && code[1] == 0);
}

static void projection_stands_outliers(void **state)
{
    (void)state;
    enum { COUNT = 1000, DIM = 20 };
    struct space space;
    struct projection projection;
    struct rng rng;
    float *rows = malloc(COUNT * DIM * sizeof *rows);
    rng_init(&rng, 4);
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < DIM; j++)
            rows[i * DIM + j] = (float)((i % 50 == 0 ? 1e6 : 1) * rng_normal(&rng));
    }
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, DIM);
    struct rows at = {&space, (const uint8_t *)rows, space.row_size};
    assert_int_equal(projection_fit(&projection, &at, COUNT, 1, NULL, NULL), 0);
    assert_true(projection.scale > 0.3f && projection.scale < 3);
    for (size_t i = 0; i < DIM; i++)
        assert_true(fabsf(projection.mean[i]) < 0.5f);
    projection_release(&projection);
    free(rows);
}

static void projection_of_equal_rows(void **state)
{
    (void)state;
    static const float rows[100 * 4];
    struct space space;
    struct projection projection;
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, 4);
    struct rows at = {&space, (const uint8_t *)rows, space.row_size};
    assert_int_equal(projection_fit(&projection, &at, 100, 1, NULL, NULL), 0);
    assert_true(projection.scale == 0);
    projection_release(&projection);
}

/* A damaged file may hold any mean: what is no number becomes 0, and no undefined behaviour. */
static void round_what_is_no_number(void **state)
{
    (void)state;
    int8_t code[4];
    const float some[4] = {NAN, 2, -4, 1}, none[4] = {INFINITY, 1, NAN, -INFINITY};
    (void)projection_round_i8(some, 4, code);
    assert_int_equal(code[0], 0);
    assert_int_equal(code[2], -127);
    (void)projection_round_i8(none, 4, code);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(code[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_directions_suffice),   cmocka_unit_test(all_directions_count),
        cmocka_unit_test(queries_as_rows),          cmocka_unit_test(round_to_i8),
        cmocka_unit_test(round_what_is_no_number),  cmocka_unit_test(projection_stands_outliers),
        cmocka_unit_test(projection_of_equal_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
