/* grpc_call.h: what methods of gRPC are made of: a route, the message that is asked with, and a handler that answers into
 * call->out. Messages are unpacked into the call's memory (but for those of streams). Failing is call_fail and call_refuse as for JSON; the names of
 * fields are those of lode.proto. */
#ifndef SERVER_GRPC_CALL_H
#define SERVER_GRPC_CALL_H

#include "server/api.h"
#include "server/grpc_frame.h"
#include "server/grpc_put.h"

#define GRPC_MESSAGE_SIZE_MAX ((size_t)16 << 20)

struct grpc_method {
    struct route route; /* the first: a call's route leads to its method */
    const ProtobufCMessageDescriptor *input;
    /* Of methods with one message: answers by grpc_reply, or fails the call. Streamed ones have a `run` of their own. */
    void (*handle)(struct call *call, const void *message);
};

/* `run` of all methods with one message. */
void grpc_run(struct call *call);

/* A message of the client, in the arena; NULL, and the call has failed. */
const void *grpc_unpack(struct call *call, struct arena *arena,
                        const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                        size_t size);
void grpc_fault(struct call *call, const struct frame_fault *fault);
/* The fields of a message, into the answer. */
void grpc_reply(struct call *call, const ProtobufCMessage *message);
/* call_refuse with 400 "invalid". */
void grpc_invalid(struct call *call, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether it is no more than that; else call_refuse with 400 "limit". */
bool grpc_at_most(struct call *call, const char *field, uint64_t value, uint64_t most);

/* --- Streams ------------------------------------------------------------------------------------- */

/* Messages of a streamed body. */
void grpc_reader_init(struct frame_reader *reader, struct call *call);
/* The one message of a streamed body; NULL, and the call has failed. */
const void *grpc_read_single(struct call *call, const ProtobufCMessageDescriptor *descriptor);
/* Begin an answer of many messages: its head. */
NODISCARD lode_status grpc_stream_begin(struct call *call, lode_error *error);
/* Send what is in call->out, one message that frame_begin began at 0, and empty it. */
NODISCARD lode_status grpc_stream_send(struct call *call, lode_error *error);
/* End it: well, or as the call has failed. */
void grpc_stream_end(struct call *call);

#endif
