/* grpc_write.h: points of messages as operations of one write. */
#ifndef SERVER_GRPC_WRITE_H
#define SERVER_GRPC_WRITE_H

#include "server/grpc_points.h"
#include "server/json_writes.h"

/* ret_op borrows from the point. i: its position in the list `points`. */
bool grpc_upsert_op(struct call *call, const Lode__V1__Point *point, size_t i, uint32_t dim,
                    lode_write_op *ret_op);
/* Ack and idempotency key, "": none. ret_head must stay where it is: its options point into it. */
bool grpc_write_head(struct call *call, Lode__V1__Ack ack, const char *key,
                     struct write_head *ret_head);
/* What a batch of the caller may have. */
size_t grpc_points_max(const struct call *call);
/* Room for operations, zeroed, in the call's memory; NULL, and the call has failed. */
lode_write_op *grpc_ops(struct call *call, size_t count);

#endif
