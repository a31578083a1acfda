/* fuzz_grpc.c: any bytes as the body of a gRPC call. The first byte says of which method's message; the rest is one frame,
 * then once more a stream of frames in pieces. What wire_check accepts protobuf-c unpacks, and all of it can be looked at
 * and is what was promised: strings are UTF-8, enums known. */
#include "fuzz/fuzz_storage.h"

#include "base/utf8.h"
#include "server/grpc_frame.h"
#include "server/grpc_wire.h"

#include <proto/grpc/reflection/v1/reflection.pb-c.h>
#include <proto/lode.pb-c.h>

static const ProtobufCMessageDescriptor *const messages[] = {
    &lode__v1__query_request__descriptor,
    &lode__v1__query_batch_request__descriptor,
    &lode__v1__upsert_request__descriptor,
    &lode__v1__patch_request__descriptor,
    &lode__v1__delete_request__descriptor,
    &lode__v1__scroll_request__descriptor,
    &lode__v1__import_request__descriptor,
    &lode__v1__create_index_request__descriptor,
    &grpc__reflection__v1__server_reflection_request__descriptor,
    &lode__v1__query_response__descriptor,
};

static void check_message(const ProtobufCMessage *message);

static void check_value(const ProtobufCFieldDescriptor *field, const void *value)
{
    const char *text;
    switch ((unsigned)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        memcpy(&text, value, sizeof(char *));
        INVARIANT(text && utf8_valid_prefix(text, strlen(text)) == strlen(text));
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = value;
        touch(bytes->data, bytes->len);
        break;
    }
    case PROTOBUF_C_TYPE_ENUM:
        INVARIANT(protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)value));
        break;
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *inner;
        memcpy(&inner, value, sizeof(void *));
        if (inner)
            check_message(inner);
        break;
    }
    default: break;
    }
}

static size_t size_of(ProtobufCType type)
{
    switch ((unsigned)type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_UINT64: return sizeof(uint64_t);
    default: return sizeof(uint32_t);
    }
}

static void check_message(const ProtobufCMessage *message)
{
    const char *base = (const char *)message;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const void *value = base + field->offset;
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
            *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
            continue;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            check_value(field, value);
            continue;
        }
        size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
        const char *items;
        memcpy(&items, value, sizeof items);
        for (size_t k = 0; k < count; k++)
            check_value(field, items + k * size_of(field->type));
    }
}

static void use_message(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                        size_t size)
{
    struct arena arena;
    struct wire_place place;
    ProtobufCMessage *message = NULL;
    lode_error error = {0};
    arena_init(&arena);
    lode_status status = wire_unpack(descriptor, data, size, &arena, &message, &place, &error);
    INVARIANT(status == LODE_OK || ((status == LODE_INVALID || status == LODE_LIMIT) &&
                                    error.message[0] && strlen(place.field) < WIRE_FIELD_SIZE));
    if (status == LODE_OK)
        check_message(message);
    arena_release(&arena);
}

struct source {
    const uint8_t *data;
    size_t size, step;
};

static lode_status source_read(void *context, void *data, size_t size, size_t *ret_size,
                               lode_error *error)
{
    struct source *source = context;
    (void)error;
    size = size < source->step ? size : source->step;
    size = size < source->size ? size : source->size;
    if (size)
        memcpy(data, source->data, size);
    source->data += size;
    source->size -= size;
    *ret_size = size;
    return LODE_OK;
}

/* The stream's first message is the single one, where there is just one. */
static void use_stream(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                       size_t size, size_t step)
{
    struct source source = {data, size, step};
    struct frame_reader reader;
    struct frame_fault fault;
    size_t taken = 0;
    frame_reader_init(&reader, 1 << 20);
    reader.read = source_read;
    reader.context = &source;
    while (frame_next(&reader, &fault)) {
        taken += FRAME_HEAD_SIZE + reader.message.size;
        use_message(descriptor, reader.message.data, reader.message.size);
    }
    INVARIANT(fault.http_status || taken == size);
    frame_reader_release(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_fault fault;
    const uint8_t *message;
    size_t message_size;
    if (size < 1)
        return 0;
    const ProtobufCMessageDescriptor *descriptor =
        messages[data[0] % (sizeof messages / sizeof messages[0])];
    use_message(descriptor, data + 1, size - 1);
    if (frame_single(data + 1, size - 1, 1 << 20, &message, &message_size, &fault))
        use_message(descriptor, message, message_size);
    else
        INVARIANT(fault.http_status && fault.code && fault.error.message[0]);
    use_stream(descriptor, data + 1, size - 1, 1 + data[0]);
    return 0;
}
