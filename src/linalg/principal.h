/* principal.h: the directions along which rows spread most (principal component analysis). */
#ifndef LINALG_PRINCIPAL_H
#define LINALG_PRINCIPAL_H

#include "linalg/dense.h"

struct principal_request {
    const float *rows; /* row_count x stride, centred; zeros beyond `columns` */
    size_t row_count;
    size_t columns; /* at most DENSE_INNER_MAX */
    size_t stride;  /* dense_stride(columns) */
    size_t count;   /* directions wanted, at most `columns` */
    uint64_t seed;
    struct executor *executor; /* NULL: this thread alone */
};

/* directions: count x columns floats, orthonormal rows, the one of most energy first; energies: NULL,
 * or the sum of squares of the rows along each. The same request gives the same bits on one machine, whatever the
 * threads. 0, or -1: out of memory, or rows that are not finite. */
int principal_directions(const struct principal_request *request, float *directions,
                         double *energies);

#endif
