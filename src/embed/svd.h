/* svd.h: the largest singular values and right singular vectors of a sparse matrix. */
#ifndef EMBED_SVD_H
#define EMBED_SVD_H

#include "linalg/dense.h"

/* Compressed rows: row i has entries [starts[i], starts[i + 1]), of distinct columns in any order. */
struct sparse {
    size_t row_count;
    size_t column_count;
    size_t *starts;
    uint32_t *columns;
    float *values;
};

void sparse_release(struct sparse *matrix);
NODISCARD lode_status sparse_transpose(const struct sparse *matrix, struct sparse *ret_transposed,
                                       lode_error *error);
/* out (row_count × stride) = matrix times b (column_count × stride). */
void sparse_multiply(const struct sparse *matrix, const float *b, size_t stride, float *out,
                     struct executor *executor);

struct svd_request {
    const struct sparse *matrix;
    size_t rank;         /* at most both of the matrix's sides */
    size_t oversampling; /* more directions kept while iterating: 20 */
    size_t iterations;   /* power iterations: 2 */
    uint64_t seed;
    struct executor *executor; /* NULL: this thread alone */
    void (*progress)(void *context, const char *stage, uint64_t done, uint64_t total);
    void *context;
};

struct svd {
    float *vectors; /* column_count × stride: column j is the j-th right singular vector */
    size_t stride;
    double *values; /* rank singular values, largest first; 0 beyond the matrix's own rank */
};

void svd_release(struct svd *svd);
/* Free with svd_release. The same request gives the same bits on one machine, whatever the threads. */
NODISCARD lode_status svd_compute(const struct svd_request *request, struct svd *ret_svd,
                                  lode_error *error);

#endif
