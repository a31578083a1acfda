/* grpc_put.c: see grpc_put.h. */
#include "server/grpc_put.h"

#include "base/le.h"

#include <string.h>

enum { VARINT_SIZE_MAX = 10, HEAD_SIZE_MAX = 2 * VARINT_SIZE_MAX };

void put_init(struct put *put, struct buf *out, lode_error *error)
{
    *put = (struct put){.out = out, .error = error};
}

/* Room for a head and `size` bytes; NULL: there is none. */
static uint8_t *room(struct put *put, size_t size)
{
    if (!put->status)
        put->status = buf_reserve(put->out, HEAD_SIZE_MAX + size, put->error);
    return put->status ? NULL : put->out->data + put->out->size;
}

static uint8_t *varint(uint8_t *p, uint64_t value)
{
    for (; value > 127; value >>= 7)
        *p++ = (uint8_t)(value | 0x80);
    *p++ = (uint8_t)value;
    return p;
}

static uint8_t *tag(uint8_t *p, unsigned number, ProtobufCWireType type)
{
    return varint(p, (uint64_t)number << 3 | (unsigned)type);
}

static void done(struct put *put, const uint8_t *end)
{
    put->out->size = (size_t)(end - put->out->data);
}

void put_choice_u64(struct put *put, unsigned number, uint64_t value)
{
    uint8_t *p = room(put, 0);
    if (p)
        done(put, varint(tag(p, number, PROTOBUF_C_WIRE_TYPE_VARINT), value));
}

void put_u64(struct put *put, unsigned number, uint64_t value)
{
    if (value)
        put_choice_u64(put, number, value);
}

void put_f32(struct put *put, unsigned number, float value)
{
    uint8_t *p = room(put, sizeof value);
    if (!p)
        return;
    p = tag(p, number, PROTOBUF_C_WIRE_TYPE_32BIT);
    le_store_f32(p, value);
    done(put, p + sizeof value);
}

void put_bytes(struct put *put, unsigned number, const void *data, size_t size)
{
    uint8_t *p = size ? room(put, size) : NULL;
    if (!p)
        return;
    p = varint(tag(p, number, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED), size);
    memcpy(p, data, size);
    done(put, p + size);
}

size_t put_begin(struct put *put)
{
    return put->out->size;
}

/* The head is put before what was written since; it has a few bytes as a rule, and moving costs less than counting
 * everything beforehand. */
void put_end(struct put *put, unsigned number, size_t begin)
{
    uint8_t head[HEAD_SIZE_MAX];
    if (!room(put, 0))
        return;
    size_t size = put->out->size - begin;
    uint8_t *end = varint(tag(head, number, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED), size);
    size_t head_size = (size_t)(end - head);
    memmove(put->out->data + begin + head_size, put->out->data + begin, size);
    memcpy(put->out->data + begin, head, head_size);
    put->out->size += head_size;
}

void put_fields(struct put *put, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *p = room(put, size);
    if (p)
        done(put, p + protobuf_c_message_pack(message, p));
}
