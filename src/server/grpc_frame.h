/* grpc_frame.h: gRPC's framing of messages: one byte, 1 when compressed, the size as 4 bytes big-endian, the message. */
#ifndef SERVER_GRPC_FRAME_H
#define SERVER_GRPC_FRAME_H

#include "base/buf.h"

#define FRAME_HEAD_SIZE 5

/* Why there is no message: what a client is told. */
struct frame_fault {
    unsigned http_status; /* that belongs to it; 0: nothing is wrong */
    const char *code;
    lode_error error;
};

/* The one message of a body that is gathered; borrowed from it. Fails when there is none or more than one, when it is
 * compressed (501), larger than size_max (413) or cut off. 1 on success. */
int frame_single(const uint8_t *body, size_t body_size, size_t size_max, const uint8_t **ret_data,
                 size_t *ret_size, struct frame_fault *fault);

/* Messages one after the other from a source of bytes. */
struct frame_reader {
    /* As exchange_read: at least a byte, or *ret_size 0 at the end. */
    lode_status (*read)(void *context, void *data, size_t size, size_t *ret_size,
                        lode_error *error);
    void *context;
    size_t size_max; /* of one message */
    struct buf message;
};

void frame_reader_init(struct frame_reader *reader, size_t size_max);
void frame_reader_release(struct frame_reader *reader);
/* The next message, into reader->message; 1. 0: there is none: the end when fault->http_status is 0. What a message says
 * of its size is believed only as far as its bytes come. */
int frame_next(struct frame_reader *reader, struct frame_fault *fault);

/* Writing: append the head of a message, and when it is appended too, put its size in. `begin`: what frame_begin returned. */
NODISCARD lode_status frame_begin(struct buf *out, size_t *ret_begin, lode_error *error);
void frame_end(struct buf *out, size_t begin);

#endif
