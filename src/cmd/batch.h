/* batch.h: points read from a file, with the memory they borrow from: the unit of one write. */
#ifndef CMD_BATCH_H
#define CMD_BATCH_H

#include "base/arena.h"
#include "base/error.h"

#define BATCH_BYTES_MAX ((size_t)16 << 20) /* a batch is full at this size: bounds memory */

struct batch {
    lode_point *points;
    size_t count, count_max;
    size_t bytes_max; /* of vectors, and of all the rest: full at either */
    float *vectors;   /* room for vector_rows × dim */
    size_t vector_rows, vector_count;
    uint32_t dim;
    struct arena arena;                     /* ids, metadata, texts */
    uint64_t first;                         /* index of points[0] in the file, from 0 */
    uint64_t first_position, last_position; /* its line or row, from 1, and the last point's */
};

NODISCARD lode_status batch_init(struct batch *batch, size_t count_max, lode_error *error);
void batch_release(struct batch *batch);
void batch_clear(struct batch *batch);
int batch_full(const struct batch *batch);

/* Room for the next point's vector, all of one dim. A second call before batch_add returns the same. */
NODISCARD lode_status batch_vector(struct batch *batch, uint32_t dim, float **ret_vector,
                                   lode_error *error);
/* A copy of data[0, size), ending with a NUL, that lives as long as the batch's points. */
NODISCARD lode_status batch_copy(struct batch *batch, const void *data, size_t size,
                                 const char **ret_copy, lode_error *error);
/* Append a point that borrows from the batch. The batch must not be full. */
void batch_add(struct batch *batch, const lode_point *point);

#endif
