/* grpc_frame.c: see grpc_frame.h. */
#include "server/grpc_frame.h"

#include <string.h>

enum { READ_SIZE = 64 << 10 };

static int fail(struct frame_fault *fault, unsigned http_status, const char *code)
{
    fault->http_status = http_status;
    fault->code = code;
    return 0;
}

/* *ret_size: of the message behind the head. */
static int check_head(const uint8_t *head, size_t size_max, size_t *ret_size,
                      struct frame_fault *fault)
{
    uint32_t size = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 |
                    (uint32_t)head[4];
    if (head[0] == 1) {
        (void)error_set(&fault->error, LODE_INVALID,
                        "the message is compressed: this server takes grpc-encoding identity only");
        return fail(fault, 501, "compressed");
    }
    if (head[0] != 0) {
        (void)error_set(&fault->error, LODE_INVALID,
                        "the message's first byte is %u: it must be 0 or 1", head[0]);
        return fail(fault, 400, "malformed");
    }
    if (size > size_max) {
        (void)error_set(&fault->error, LODE_LIMIT, "a message of %u bytes: at most %zu", size,
                        size_max);
        return fail(fault, 413, "too_large");
    }
    *ret_size = size;
    return 1;
}

static int cut_off(size_t have, size_t want, struct frame_fault *fault)
{
    (void)error_set(&fault->error, LODE_INVALID, "the body ends after %zu of a message's %zu bytes",
                    have, want);
    return fail(fault, 400, "malformed");
}

int frame_single(const uint8_t *body, size_t body_size, size_t size_max, const uint8_t **ret_data,
                 size_t *ret_size, struct frame_fault *fault)
{
    size_t size;
    *fault = (struct frame_fault){0};
    if (body_size == 0) {
        (void)error_set(&fault->error, LODE_INVALID, "there is no message: this method takes one");
        return fail(fault, 501, "cardinality");
    }
    if (body_size < FRAME_HEAD_SIZE)
        return cut_off(body_size, FRAME_HEAD_SIZE, fault);
    if (!check_head(body, size_max, &size, fault))
        return 0;
    if (body_size - FRAME_HEAD_SIZE < size)
        return cut_off(body_size - FRAME_HEAD_SIZE, size, fault);
    if (body_size - FRAME_HEAD_SIZE > size) {
        (void)error_set(&fault->error, LODE_INVALID,
                        "there is more than one message: this method takes one");
        return fail(fault, 501, "cardinality");
    }
    *ret_data = body + FRAME_HEAD_SIZE;
    *ret_size = size;
    return 1;
}

void frame_reader_init(struct frame_reader *reader, size_t size_max)
{
    *reader = (struct frame_reader){.size_max = size_max};
    buf_init(&reader->message, size_max + READ_SIZE);
}

void frame_reader_release(struct frame_reader *reader)
{
    buf_release(&reader->message);
}

/* Read until message.size is `size`, or the source ends. 0: it failed. */
static int fill(struct frame_reader *reader, size_t size, struct frame_fault *fault)
{
    struct buf *message = &reader->message;
    while (message->size < size) {
        size_t got = 0, want = size - message->size;
        want = want < READ_SIZE ? want : READ_SIZE;
        lode_status status = buf_reserve(message, want, &fault->error);
        if (!status)
            status = reader->read(reader->context, message->data + message->size, want, &got,
                                  &fault->error);
        if (status)
            return fail(fault, 503, status == LODE_NOMEM ? "no_memory" : "cancelled");
        if (got == 0)
            break;
        message->size += got;
    }
    return 1;
}

int frame_next(struct frame_reader *reader, struct frame_fault *fault)
{
    struct buf *message = &reader->message;
    size_t size;
    *fault = (struct frame_fault){0};
    buf_clear(message);
    if (!fill(reader, FRAME_HEAD_SIZE, fault) || message->size == 0)
        return 0;
    if (message->size < FRAME_HEAD_SIZE)
        return cut_off(message->size, FRAME_HEAD_SIZE, fault);
    if (!check_head(message->data, reader->size_max, &size, fault))
        return 0;
    buf_clear(message);
    if (!fill(reader, size, fault))
        return 0;
    return message->size == size ? 1 : cut_off(message->size, size, fault);
}

lode_status frame_begin(struct buf *out, size_t *ret_begin, lode_error *error)
{
    static const uint8_t head[FRAME_HEAD_SIZE];
    *ret_begin = out->size;
    return buf_append(out, head, sizeof head, error);
}

void frame_end(struct buf *out, size_t begin)
{
    size_t size = out->size - begin - FRAME_HEAD_SIZE;
    INVARIANT(size <= UINT32_MAX);
    for (unsigned i = 0; i < 4; i++)
        out->data[begin + 1 + i] = (uint8_t)(size >> (24 - 8 * i));
}
