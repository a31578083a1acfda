/* test_principal.c: directions are orthonormal, ordered, and those in which rows were spread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "linalg/principal.h"

enum { ROWS = 600, COUNT = 8 };

/* Rows whose coordinate i has a standard deviation of 1 / (1 + i). */
static float *falling(size_t columns, size_t stride)
{
    struct rng rng;
    float *rows = dense_new(ROWS, stride);
    assert_non_null(rows);
    rng_init(&rng, 3);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t j = 0; j < columns; j++)
            rows[row * stride + j] = (float)(rng_normal(&rng) / (1.0 + (double)j));
    return rows;
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void check_directions(size_t columns)
{
    size_t stride = dense_stride(columns), count = columns < COUNT ? columns : COUNT;
    float *rows = falling(columns, stride), *directions = malloc(count * columns * sizeof(float));
    double energies[COUNT];
    struct principal_request request = {rows, ROWS, columns, stride, count, 1, NULL};
    assert_int_equal(principal_directions(&request, directions, energies), 0);
    for (size_t d = 0; d < count; d++) {
        const float *direction = directions + d * columns;
        double energy = 0;
        for (size_t e = 0; e < count; e++)
            assert_true(fabs(dot(direction, directions + e * columns, columns) - (d == e)) < 1e-4);
        for (size_t row = 0; row < ROWS; row++) {
            double along = dot(direction, rows + row * stride, columns);
            energy += along * along;
        }
        assert_true(fabs(energy - energies[d]) < 1e-3 * energies[0]);
        assert_true(d == 0 || energies[d] <= energies[d - 1]);
        assert_true(d > 3 || fabs((double)direction[d]) > 0.9); /* the axes, nearly */
    }
    free(rows);
    free(directions);
}

static void axes_are_found(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 5, 24, 32, 100, 200}; /* directly, and by iteration */
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        check_directions(columns[i]);
}

/* Rows that are all zero have no directions; that is no error. */
static void zeros(void **state)
{
    (void)state;
    static float rows[64 * 64], directions[4 * 64];
    double energies[4];
    struct principal_request request = {rows, 64, 64, 64, 4, 1, NULL};
    assert_int_equal(principal_directions(&request, directions, energies), 0);
    for (size_t d = 0; d < 4; d++)
        assert_true(energies[d] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_are_found),
        cmocka_unit_test(zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
