/* batch.c: see batch.h. */
#include "cmd/batch.h"

#include <stdlib.h>

lode_status batch_init(struct batch *batch, size_t count_max, lode_error *error)
{
    *batch = (struct batch){.count_max = count_max, .bytes_max = BATCH_BYTES_MAX};
    arena_init(&batch->arena);
    batch->points = calloc(count_max, sizeof *batch->points);
    if (!batch->points)
        return error_nomem(error, "a batch of points", count_max * sizeof *batch->points);
    return LODE_OK;
}

void batch_release(struct batch *batch)
{
    free(batch->points);
    free(batch->vectors);
    arena_release(&batch->arena);
    *batch = (struct batch){.points = NULL};
}

void batch_clear(struct batch *batch)
{
    batch->count = 0;
    batch->vector_count = 0;
    arena_release(&batch->arena);
}

int batch_full(const struct batch *batch)
{
    return batch->count == batch->count_max || batch->arena.used_bytes >= batch->bytes_max ||
           (batch->vectors && batch->vector_count == batch->vector_rows);
}

lode_status batch_vector(struct batch *batch, uint32_t dim, float **ret_vector, lode_error *error)
{
    if (!batch->vectors) {
        size_t vector_size = dim * sizeof(float);
        size_t rows = batch->bytes_max / vector_size;
        if (rows == 0)
            rows = 1;
        if (rows > batch->count_max)
            rows = batch->count_max;
        batch->vectors = aligned_alloc(64, (rows * vector_size + 63) / 64 * 64);
        if (!batch->vectors)
            return error_nomem(error, "a batch of vectors", rows * vector_size);
        batch->vector_rows = rows;
        batch->dim = dim;
    }
    INVARIANT(dim == batch->dim && batch->vector_count < batch->vector_rows);
    *ret_vector = batch->vectors + batch->vector_count * dim;
    return LODE_OK;
}

lode_status batch_copy(struct batch *batch, const void *data, size_t size, const char **ret_copy,
                       lode_error *error)
{
    const char *copy = arena_copy(&batch->arena, data, size);
    if (!copy)
        return error_nomem(error, "a point", size);
    *ret_copy = copy;
    return LODE_OK;
}

void batch_add(struct batch *batch, const lode_point *point)
{
    INVARIANT(batch->count < batch->count_max);
    batch->points[batch->count++] = *point;
    if (point->vector)
        batch->vector_count++;
}
