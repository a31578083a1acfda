/* linalg.h: small dense matrices in double, row-major n × n. */
#ifndef LINALG_LINALG_H
#define LINALG_LINALG_H

#include <stddef.h>

/* For a symmetric positive semi-definite g = rᵀr with r upper triangular: replace g by the inverse of r.
 * A column that depends on those before it (pivot below 1e-10 of its square) becomes zero. */
void linalg_inverse_cholesky(double *g, size_t n);

/* Eigenvalues of a symmetric matrix, largest first, and its eigenvectors as the ROWS of a (destroyed).
 * Returns 0, or -1 when it does not converge: only for input that is not finite.
 * scratch: room for 2 × n doubles. */
int linalg_eigen(double *a, size_t n, double *values, double *scratch);

#endif
