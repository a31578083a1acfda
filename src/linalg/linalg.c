/* linalg.c: Cholesky, and the symmetric eigenproblem by Householder's reduction to tridiagonal form and
 * implicit QL (Golub & Van Loan, Matrix Computations, 8.3; EISPACK's tred2 and tql2). Against Jacobi's
 * rotations it does a tenth of the work at n = 276, and only that makes n in the thousands possible.
 * All inner loops run along rows. */
#include "linalg/linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PIVOT_MIN    1e-10
#define QL_STEPS_MAX 60 /* iterations for one eigenvalue; two or three are usual */

static double dot(const double *a, const double *b, size_t n)
{
    double sums[4] = {0, 0, 0, 0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t lane = 0; lane < 4; lane++)
            sums[lane] += a[i + lane] * b[i + lane];
    for (; i < n; i++)
        sums[0] += a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void add_scaled(double *to, const double *from, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * from[i];
}

static void swap_rows(double *a, double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

static void transpose(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            double kept = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = kept;
        }
}

/* g's lower triangle becomes l with g = l lᵀ; a dependent row gets a zero on the diagonal. */
static void cholesky(double *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *row = g + i * n;
        double square = row[i];
        for (size_t j = 0; j < i; j++) {
            double pivot = g[j * n + j];
            row[j] = pivot > 0 ? (row[j] - dot(row, g + j * n, j)) / pivot : 0;
        }
        double rest = square - dot(row, row, i);
        row[i] = rest > PIVOT_MIN * square ? sqrt(rest) : 0;
    }
}

/* The inverse of the lower triangle, in place; zero pivots give zero rows. */
static void invert_lower(double *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *row = l + i * n;
        double inverse = row[i] > 0 ? 1 / row[i] : 0;
        /* row = -inverse * sum over k < i of row[k] * (row k of the inverse), which has no entry right of
         * k: going upwards, row[k] is read before anything is added to it. */
        for (size_t k = 0; k < i; k++) {
            double factor = -inverse * row[k];
            row[k] = 0;
            add_scaled(row, l + k * n, factor, k + 1);
        }
        row[i] = inverse;
    }
}

void linalg_inverse_cholesky(double *g, size_t n)
{
    cholesky(g, n);
    invert_lower(g, n);
    transpose(g, n);
    for (size_t i = 1; i < n; i++)
        memset(g + i * n, 0, i * sizeof *g);
}

/* Reflect so that row k keeps only its diagonal and one neighbour. The reflector H = I - v vᵀ is left in
 * a[k][k+1..n), and the trailing square becomes H A H. Returns the neighbour. */
static double reduce_row(double *a, size_t n, size_t k, double *p)
{
    size_t m = n - k - 1;
    double *v = a + k * n + k + 1;
    double square = dot(v, v, m), norm = sqrt(square);
    if (square <= DBL_MIN) { /* nothing, or nothing that can be divided by */
        memset(v, 0, m * sizeof *v);
        return 0;
    }
    double kept = v[0] > 0 ? -norm : norm;
    v[0] -= kept;
    double scale = sqrt(2 / dot(v, v, m));
    for (size_t i = 0; i < m; i++)
        v[i] *= scale;
    for (size_t i = 0; i < m; i++)
        p[i] = dot(a + (k + 1 + i) * n + k + 1, v, m);
    add_scaled(p, v, -dot(p, v, m) / 2, m);
    for (size_t i = 0; i < m; i++) {
        double *row = a + (k + 1 + i) * n + k + 1;
        double vi = v[i], pi = p[i];
        for (size_t j = 0; j < m; j++)
            row[j] -= vi * p[j] + pi * v[j];
    }
    return kept;
}

/* a becomes the orthogonal matrix whose ROWS take it to the tridiagonal form of diagonal d and
 * neighbours e[0, n-1). */
static void tridiagonalise(double *a, size_t n, double *d, double *e, double *p)
{
    for (size_t k = 0; k + 2 < n; k++)
        e[k] = reduce_row(a, n, k, p);
    if (n > 1)
        e[n - 2] = a[(n - 2) * n + n - 1];
    for (size_t k = 0; k < n; k++)
        d[k] = a[k * n + k];
    /* Q = H0 H1 ..., multiplied out from the last reflector, which touches the smallest square. */
    for (size_t k = n; k-- > 0;) {
        size_t m = n - k - 1;
        double *v = p;
        memcpy(v, a + k * n + k + 1, m * sizeof *v);
        memset(a + k * n, 0, n * sizeof *a);
        for (size_t i = k; i < n; i++)
            a[i * n + k] = 0;
        a[k * n + k] = 1;
        if (k + 2 >= n)
            continue;
        /* the square below and right of k: Q -= v (vᵀ Q) */
        double *sums = a + k * n + k + 1; /* row k's zeros serve as scratch */
        for (size_t i = 0; i < m; i++)
            add_scaled(sums, a + (k + 1 + i) * n + k + 1, v[i], m);
        for (size_t i = 0; i < m; i++)
            add_scaled(a + (k + 1 + i) * n + k + 1, sums, -v[i], m);
        memset(sums, 0, m * sizeof *sums);
    }
    transpose(a, n);
}

static void rotate_rows(double *a, double *b, double c, double s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double kept = b[i];
        b[i] = s * a[i] + c * kept;
        a[i] = c * a[i] - s * kept;
    }
}

/* One implicit QL sweep over the unreduced block [l, m], shifted towards d[l]. */
static void ql_sweep(double *rows, size_t n, double *d, double *e, size_t l, size_t m)
{
    double g = (d[l + 1] - d[l]) / (2 * e[l]);
    double r = hypot(g, 1);
    g = d[m] - d[l] + e[l] / (g + copysign(r, g));
    double s = 1, c = 1, p = 0;
    for (size_t i = m; i-- > l;) {
        double f = s * e[i], b = c * e[i];
        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) { /* split early */
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        rotate_rows(rows + i * n, rows + (i + 1) * n, c, s, n);
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

static int ql(double *rows, size_t n, double *d, double *e)
{
    e[n - 1] = 0;
    for (size_t l = 0; l < n; l++) {
        for (int step = 0;; step++) {
            size_t m = l;
            while (m + 1 < n && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1])))
                m++;
            if (m == l)
                break;
            if (step == QL_STEPS_MAX)
                return -1;
            ql_sweep(rows, n, d, e, l, m);
        }
    }
    return 0;
}

static void sort_descending(double *rows, size_t n, double *values)
{
    for (size_t i = 0; i + 1 < n; i++) {
        size_t best = i;
        for (size_t j = i + 1; j < n; j++)
            if (values[j] > values[best])
                best = j;
        if (best == i)
            continue;
        double kept = values[i];
        values[i] = values[best];
        values[best] = kept;
        swap_rows(rows + i * n, rows + best * n, n);
    }
}

int linalg_eigen(double *a, size_t n, double *values, double *scratch)
{
    if (n == 0)
        return 0;
    tridiagonalise(a, n, values, scratch, scratch + n);
    if (ql(a, n, values, scratch))
        return -1;
    sort_descending(a, n, values);
    return 0;
}
