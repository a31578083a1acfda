/* import_batch.h: points of a stream, written batch after batch, over JSON and over gRPC.
 *
 * Each batch is atomic; those before a bad point stay applied. A batch that the engine refuses because of one of its points
 * is applied by halves, until the point is found: so all points before a bad one are applied, and it is named. With a key
 * each batch has a request id made of the key and of what its points are and where they stand: who sends the same points
 * again with the same key gets what was applied passed over. */
#ifndef SERVER_IMPORT_BATCH_H
#define SERVER_IMPORT_BATCH_H

#include "server/idempotency.h"

#define IMPORT_POINTS_MAX 1000              /* of a batch, beyond which no more are gathered */
#define IMPORT_BYTES_MAX  ((size_t)4 << 20) /* the same, as they came */

struct import_item {
    uint64_t position; /* in the stream, as it is told */
    uint64_t hash;     /* of what the point holds */
};

struct import_points {
    const lode_write_op *ops;
    const struct import_item *items; /* as many */
    size_t count;
};

struct import_batch {
    struct write_head head; /* with the id of all of the stream */
    /* What was done: */
    uint64_t points, batches, repeated, sequence;
    uint64_t fresh;   /* of the points, how many were not there by an earlier attempt */
    uint64_t applied; /* position of the last */
};

/* On an error those before *ret_failed are applied, and it is the one that was refused. */
NODISCARD lode_status import_batch_write(struct import_batch *batch, lode_collection *collection,
                                         const struct import_points *points, size_t *ret_failed,
                                         lode_error *error);

#endif
