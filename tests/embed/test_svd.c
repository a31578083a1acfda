/* test_svd.c: the linear algebra under the text model, against plain and slow references in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "base/random.h"
#include "linalg/linalg.h"
#include "embed/svd.h"
#include "simd/simd.h"

static double signed_unit(struct rng *rng)
{
    return 2 * rng_unit(rng) - 1;
}

/* --- Eigenvalues and Cholesky ---------------------------------------------------------------------- */

static void check_eigen(const double *a, size_t n)
{
    double *rows = malloc(n * n * sizeof *rows), *values = calloc(3 * n, sizeof *values);
    memcpy(rows, a, n * n * sizeof *rows);
    assert_int_equal(linalg_eigen(rows, n, values, values + n), 0);
    double scale = 1e-300;
    for (size_t i = 0; i < n * n; i++)
        scale = fmax(scale, fabs(a[i]));
    for (size_t e = 0; e < n; e++) {
        assert_true(e == 0 || values[e - 1] >= values[e]);
        for (size_t f = 0; f <= e; f++) {
            double product = 0;
            for (size_t i = 0; i < n; i++)
                product += rows[e * n + i] * rows[f * n + i];
            assert_true(fabs(product - (e == f)) < 1e-12 * (double)n);
        }
        for (size_t i = 0; i < n; i++) {
            double image = 0;
            for (size_t j = 0; j < n; j++)
                image += a[i * n + j] * rows[e * n + j];
            assert_true(fabs(image - values[e] * rows[e * n + i]) < 1e-12 * (double)n * scale);
        }
    }
    free(rows);
    free(values);
}

static void eigenvectors_are_what_they_should(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t n = 1; n <= 60; n += n < 8 ? 1 : 13) {
        double *a = calloc(n * n, sizeof *a);
        check_eigen(a, n); /* zeros */
        for (size_t i = 0; i < n; i++)
            a[i * n + i] = i % 2 ? 3 : -1; /* equal eigenvalues */
        check_eigen(a, n);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++)
                a[i * n + j] = a[j * n + i] = signed_unit(&rng);
        check_eigen(a, n);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                a[i * n + j] = 1e6 * pow(1e-3, (double)(i + j)); /* graded, of rank one */
        check_eigen(a, n);
        free(a);
    }
}

static void cholesky_inverts_its_factor(void **state)
{
    (void)state;
    enum { N = 37, M = 90 };
    struct rng rng;
    double y[M][N], g[N * N];
    rng_init(&rng, 2);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++)
            y[i][j] = signed_unit(&rng) * (double)(j + 1);
    for (size_t i = 0; i < M; i++)
        y[i][20] = y[i][3] - 2 * y[i][7]; /* depends on those before: becomes zero */
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            g[i * N + j] = 0;
            for (size_t m = 0; m < M; m++)
                g[i * N + j] += y[m][i] * y[m][j];
        }
    linalg_inverse_cholesky(g, N);
    for (size_t a = 0; a < N; a++)
        for (size_t b = 0; b < N; b++) {
            double product = 0;
            for (size_t m = 0; m < M; m++) {
                double ya = 0, yb = 0;
                for (size_t i = 0; i < N; i++) {
                    ya += y[m][i] * g[i * N + a];
                    yb += y[m][i] * g[i * N + b];
                }
                product += ya * yb;
            }
            assert_true(fabs(product - (a == b && a != 20)) < 1e-10);
            assert_true(a <= b || g[a * N + b] == 0);
        }
}

/* --- Kernels --------------------------------------------------------------------------------------- */

static void fill(float *values, size_t count, struct rng *rng)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)signed_unit(rng);
}

static void check_gather(const struct dense_ops *ops, struct rng *rng)
{
    enum { ROWS = 20, STRIDE = 96 };
    float rows[ROWS * STRIDE], values[ROWS], out[STRIDE];
    uint32_t indexes[ROWS];
    fill(rows, ROWS * STRIDE, rng);
    fill(values, ROWS, rng);
    for (size_t i = 0; i < ROWS; i++)
        indexes[i] = rng_below(rng, ROWS);
    for (size_t count = 0; count <= ROWS; count++) {
        ops->gather(out, rows, STRIDE, indexes, values, count);
        for (size_t j = 0; j < STRIDE; j++) {
            double sum = 0;
            for (size_t t = 0; t < count; t++)
                sum += (double)values[t] * rows[indexes[t] * STRIDE + j];
            assert_true(fabs(sum - out[j]) < 1e-5);
        }
    }
}

static void check_gram(const struct dense_ops *ops, struct rng *rng)
{
    enum { ROWS = 131, STRIDE = 64 };
    float a[ROWS * STRIDE];
    double tile[GRAM_TILE * GRAM_TILE];
    fill(a, ROWS * STRIDE, rng);
    for (size_t count = 0; count <= ROWS; count += 1 + count / 3) {
        ops->gram_tile(tile, a, a + GRAM_TILE, STRIDE, count);
        for (size_t i = 0; i < GRAM_TILE; i++)
            for (size_t j = 0; j < GRAM_TILE; j++) {
                double sum = 0;
                for (size_t row = 0; row < count; row++)
                    sum += (double)a[row * STRIDE + i] * a[row * STRIDE + GRAM_TILE + j];
                assert_true(fabs(sum - tile[i * GRAM_TILE + j]) < 1e-4);
            }
    }
}

static void check_multiply(const struct dense_ops *ops, struct rng *rng, int upper)
{
    enum { ROWS = 13, INNER = 64, OUT = 64 };
    float a[ROWS * INNER], b[INNER * OUT], out[ROWS * OUT];
    fill(a, ROWS * INNER, rng);
    fill(b, INNER * OUT, rng);
    for (size_t i = 0; upper && i < INNER; i++)
        for (size_t j = 0; j < i; j++)
            b[i * OUT + j] = 0;
    for (size_t count = 1; count <= ROWS; count++) {
        ops->multiply(out, OUT, a, INNER, b, count, upper);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < OUT; j++) {
                double sum = 0;
                for (size_t p = 0; p < INNER; p++)
                    sum += (double)a[i * INNER + p] * b[p * OUT + j];
                assert_true(fabs(sum - out[i * OUT + j]) < 1e-4);
            }
    }
}

static void every_level_computes_the_same(void **state)
{
    (void)state;
    const struct dense_ops *levels[3] = {&dense_scalar};
    size_t count = 1;
#if defined(__x86_64__)
    if (simd_level("avx2"))
        levels[count++] = &dense_avx2;
    if (simd_level("avx512"))
        levels[count++] = &dense_avx512;
#endif
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t i = 0; i < count; i++) {
        check_gather(levels[i], &rng);
        check_gram(levels[i], &rng);
        check_multiply(levels[i], &rng, 0);
        check_multiply(levels[i], &rng, 1);
    }
}

/* --- The decomposition ------------------------------------------------------------------------------ */

/* A random n × w matrix with about one entry in `every`, of rank at most `rank` when that is not 0. */
static struct sparse make_matrix(size_t n, size_t w, uint32_t every, size_t rank, uint64_t seed)
{
    struct sparse matrix = {.row_count = n, .column_count = w};
    matrix.starts = calloc(n + 1, sizeof *matrix.starts);
    matrix.columns = malloc((n * w + 1) * sizeof *matrix.columns);
    matrix.values = malloc((n * w + 1) * sizeof *matrix.values);
    struct rng rng;
    rng_init(&rng, seed);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (rank && i >= rank) { /* a copy of an earlier row */
            for (size_t e = matrix.starts[i % rank]; e < matrix.starts[i % rank + 1]; e++) {
                matrix.columns[count] = matrix.columns[e];
                matrix.values[count++] = matrix.values[e];
            }
        } else {
            for (size_t j = 0; j < w; j++)
                if (rng_below(&rng, every) == 0) {
                    matrix.columns[count] = (uint32_t)j;
                    /* directions of different weight, as texts have */
                    matrix.values[count++] = (float)(rng_unit(&rng) / (1 + (double)j / 10));
                }
        }
        matrix.starts[i + 1] = count;
    }
    return matrix;
}

/* Singular values and right vectors (rows) of a sparse matrix by the eigenproblem of XᵀX in double. */
static void reference(const struct sparse *x, double *values, double *rows)
{
    size_t w = x->column_count;
    double *scratch = malloc(2 * w * sizeof *scratch);
    memset(rows, 0, w * w * sizeof *rows);
    for (size_t i = 0; i < x->row_count; i++)
        for (size_t e = x->starts[i]; e < x->starts[i + 1]; e++)
            for (size_t f = x->starts[i]; f < x->starts[i + 1]; f++)
                rows[x->columns[e] * w + x->columns[f]] += (double)x->values[e] * x->values[f];
    assert_int_equal(linalg_eigen(rows, w, values, scratch), 0);
    for (size_t i = 0; i < w; i++)
        values[i] = values[i] > 0 ? sqrt(values[i]) : 0;
    free(scratch);
}

static void compare(const struct sparse *x, size_t rank, size_t exact_count)
{
    size_t w = x->column_count;
    double *values = malloc(w * sizeof *values), *rows = malloc(w * w * sizeof *rows);
    struct svd svd;
    struct svd_request request = {
        .matrix = x, .rank = rank, .oversampling = 20, .iterations = 2, .seed = 5};
    assert_int_equal(svd_compute(&request, &svd, NULL), LODE_OK);
    reference(x, values, rows);
    for (size_t j = 0; j < exact_count; j++) {
        double product = 0, length = 0;
        for (size_t i = 0; i < w; i++) {
            double v = svd.vectors[i * svd.stride + j];
            product += v * rows[j * w + i];
            length += v * v;
        }
        assert_true(fabs(svd.values[j] - values[j]) < 1e-3 * values[0]);
        assert_true(fabs(length - 1) < 1e-3);
        assert_true(fabs(product) > 0.99);
    }
    for (size_t i = 0; i < w; i++) /* padding stays zero */
        for (size_t j = rank; j < svd.stride; j++)
            assert_true(svd.vectors[i * svd.stride + j] == 0);
    svd_release(&svd);
    free(values);
    free(rows);
}

static void largest_directions_agree_with_the_reference(void **state)
{
    (void)state;
    struct sparse tall = make_matrix(500, 120, 6, 0, 11), wide = make_matrix(60, 200, 5, 0, 12);
    compare(&tall, 40, 12);
    compare(&wide, 30, 8);
    compare(&wide, 60, 8); /* every direction there is */
    sparse_release(&tall);
    sparse_release(&wide);
}

static void directions_that_do_not_exist_are_zero(void **state)
{
    (void)state;
    struct sparse matrix = make_matrix(300, 80, 4, 9, 13);
    struct svd svd;
    struct svd_request request = {
        .matrix = &matrix, .rank = 32, .oversampling = 20, .iterations = 2};
    assert_int_equal(svd_compute(&request, &svd, NULL), LODE_OK);
    for (size_t j = 0; j < 32; j++)
        assert_true(j < 9 ? svd.values[j] > 0 : svd.values[j] < 1e-3 * svd.values[0]);
    for (size_t i = 0; i < 80 * svd.stride; i++)
        assert_true(isfinite(svd.vectors[i]));
    compare(&matrix, 32, 5);
    svd_release(&svd);
    struct sparse empty = make_matrix(50, 40, 1000000, 0, 14);
    request.matrix = &empty;
    assert_int_equal(svd_compute(&request, &svd, NULL), LODE_OK);
    for (size_t i = 0; i < 40 * svd.stride; i++)
        assert_true(svd.vectors[i] == 0);
    svd_release(&svd);
    sparse_release(&empty);
    sparse_release(&matrix);
}

static void the_seed_decides(void **state)
{
    (void)state;
    struct sparse matrix = make_matrix(400, 150, 6, 0, 15);
    struct svd a, b;
    struct svd_request request = {
        .matrix = &matrix, .rank = 32, .oversampling = 20, .iterations = 2, .seed = 1};
    assert_int_equal(svd_compute(&request, &a, NULL), LODE_OK);
    assert_int_equal(svd_compute(&request, &b, NULL), LODE_OK);
    assert_memory_equal(a.vectors, b.vectors, 150 * a.stride * sizeof(float));
    svd_release(&b);
    request.seed = 2;
    assert_int_equal(svd_compute(&request, &b, NULL), LODE_OK);
    assert_memory_not_equal(a.vectors, b.vectors, 150 * a.stride * sizeof(float));
    svd_release(&a);
    svd_release(&b);
    sparse_release(&matrix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigenvectors_are_what_they_should),
        cmocka_unit_test(cholesky_inverts_its_factor),
        cmocka_unit_test(every_level_computes_the_same),
        cmocka_unit_test(largest_directions_agree_with_the_reference),
        cmocka_unit_test(directions_that_do_not_exist_are_zero),
        cmocka_unit_test(the_seed_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
