/* grpc_wire.h: messages from bytes, for protobuf-c, which believes what it reads: it does not look at UTF-8, allocates by
 * what the sizes and counts say, and merges what comes twice. So the bytes are checked against the message's descriptor
 * first, and unpacked into an arena with a limit. */
#ifndef SERVER_GRPC_WIRE_H
#define SERVER_GRPC_WIRE_H

#include "base/arena.h"
#include "base/error.h"

#include <protobuf-c/protobuf-c.h>

#define WIRE_DEPTH_MAX    8     /* messages within messages; those of lode.proto have 4 */
#define WIRE_MESSAGES_MAX 65536 /* in one: a batch of points takes three for each */
#define WIRE_UNKNOWN_MAX  256   /* fields that the descriptors do not know: of newer clients */
#define WIRE_FIELD_SIZE   96

/* Where a message is wrong: "points[3].id.text"; empty: not in one field. */
struct wire_place {
    char field[WIRE_FIELD_SIZE];
    long position; /* of its byte in the message */
};

/* Wire types, tags and sizes fit; strings are UTF-8 without NUL; enums have values that there are; floats come whole; single
 * messages come once. LODE_INVALID, LODE_LIMIT; then ret_place is filled. */
NODISCARD lode_status wire_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                                 size_t size, struct wire_place *ret_place, lode_error *error);

/* Check and unpack. The message is in the arena, nothing of it is to be freed, and nothing of it points into data. The
 * arena grows by no more than twice the size and WIRE_ARENA_EXTRA, else LODE_LIMIT. */
#define WIRE_ARENA_EXTRA ((size_t)32 << 20)
NODISCARD lode_status wire_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                                  size_t size, struct arena *arena, ProtobufCMessage **ret_message,
                                  struct wire_place *ret_place, lode_error *error);

#endif
