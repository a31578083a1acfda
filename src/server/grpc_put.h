/* grpc_put.h: fields of protobuf messages, appended one by one: for points of answers, whose parts go from the engine into
 * the answer without a message being made of them. What is empty or 0 is left out, as
 * protobuf has it, but for put_f32 and choices. */
#ifndef SERVER_GRPC_PUT_H
#define SERVER_GRPC_PUT_H

#include "base/buf.h"

#include <protobuf-c/protobuf-c.h>

struct put {
    struct buf *out;
    lode_error *error;
    lode_status status; /* of the first failure; later calls do nothing */
};

void put_init(struct put *put, struct buf *out, lode_error *error);
void put_u64(struct put *put, unsigned number, uint64_t value);
void put_choice_u64(struct put *put, unsigned number, uint64_t value); /* of a oneof: 0 too */
void put_f32(struct put *put, unsigned number, float value);
void put_bytes(struct put *put, unsigned number, const void *data, size_t size);
/* A message within the message, begun and ended; the same bytes as if its size had been known. */
size_t put_begin(struct put *put);
void put_end(struct put *put, unsigned number, size_t begin);
/* The fields of a message, into the one that is being written. */
void put_fields(struct put *put, const ProtobufCMessage *message);

#endif
