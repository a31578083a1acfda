/* grpc_wire.c: see grpc_wire.h. https://protobuf.dev/programming-guides/encoding/ */
#include "server/grpc_wire.h"

#include "base/le.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* --- The check ----------------------------------------------------------------------------------- */

struct wire {
    const uint8_t *begin; /* of the whole message */
    const uint8_t *p, *end;
    unsigned depth;
    unsigned *messages, *unknown; /* so far, in the whole message */
    struct wire_place *place;
    lode_error *error;
};

/* A field as it is met. */
struct wire_field {
    const ProtobufCFieldDescriptor *descriptor;
    size_t index; /* of how many of a repeated one */
    uint32_t number;
    unsigned type;       /* on the wire */
    uint64_t value;      /* of a varint */
    const uint8_t *data; /* of length-prefixed ones and fixed ones */
    size_t size;
};

static lode_status malformed(struct wire *wire, const char *why)
{
    wire->place->position = (long)(wire->p - wire->begin);
    return error_set(wire->error, LODE_INVALID, "malformed message at byte %ld: %s",
                     wire->place->position, why);
}

static lode_status take_varint(struct wire *wire, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 10; i++) {
        if (wire->p + i == wire->end)
            return malformed(wire, "it ends in a number");
        uint8_t byte = wire->p[i];
        if (i == 9 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        wire->p += i + 1;
        *ret_value = value;
        return LODE_OK;
    }
    return malformed(wire, "a number of more than 64 bits");
}

static lode_status take_bytes(struct wire *wire, uint64_t size, struct wire_field *field)
{
    if (size > (uint64_t)(wire->end - wire->p))
        return malformed(wire, "a field is longer than what is left");
    field->data = wire->p;
    field->size = (size_t)size;
    wire->p += size;
    return LODE_OK;
}

static lode_status take_field(struct wire *wire, struct wire_field *field)
{
    uint64_t tag = 0, size = 0;
    lode_status status = take_varint(wire, &tag);
    if (status)
        return status;
    if (tag >> 3 == 0 || tag > UINT32_MAX)
        return malformed(wire, "no field has this number");
    *field = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (unsigned)tag & 7};
    switch (field->type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: return take_varint(wire, &field->value);
    case PROTOBUF_C_WIRE_TYPE_64BIT: return take_bytes(wire, 8, field);
    case PROTOBUF_C_WIRE_TYPE_32BIT: return take_bytes(wire, 4, field);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        status = take_varint(wire, &size);
        return status ? status : take_bytes(wire, size, field);
    default: return malformed(wire, "a field of a type that there is not");
    }
}

static unsigned wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM: break;
    }
    return PROTOBUF_C_WIRE_TYPE_VARINT;
}

/* Of those that come one by one, not of numbers in a run. */
static int is_numbered(const ProtobufCFieldDescriptor *descriptor)
{
    return descriptor->label == PROTOBUF_C_LABEL_REPEATED &&
           wire_type_of(descriptor->type) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
}

/* The fault is in this field: its name, and its position among many. */
static lode_status fault(struct wire *wire, const struct wire_field *field, lode_status status)
{
    char inner[WIRE_FIELD_SIZE], *name = wire->place->field;
    const char *dot = name[0] ? "." : "";
    memcpy(inner, name, sizeof inner);
    if (is_numbered(field->descriptor))
        (void)snprintf(name, WIRE_FIELD_SIZE, "%.24s[%zu]%s%.40s", field->descriptor->name,
                       field->index, dot, inner);
    else
        (void)snprintf(name, WIRE_FIELD_SIZE, "%.24s%s%.40s", field->descriptor->name, dot, inner);
    return status;
}

static lode_status wrong(struct wire *wire, const struct wire_field *field, const char *why)
{
    if (field->data)
        wire->place->position = (long)(field->data - wire->begin);
    (void)error_set(wire->error, LODE_INVALID, "%s", why);
    return fault(wire, field, LODE_INVALID);
}

static lode_status check_string(struct wire *wire, const struct wire_field *field)
{
    const char *text = (const char *)field->data;
    size_t valid = utf8_valid_prefix(text, field->size);
    char why[64];
    if (valid != field->size) {
        (void)snprintf(why, sizeof why, "it is not UTF-8 at byte %zu", valid);
        return wrong(wire, field, why);
    }
    if (field->size && memchr(text, '\0', field->size))
        return wrong(wire, field, "it holds a NUL byte");
    return LODE_OK;
}

static lode_status check_enum(struct wire *wire, const struct wire_field *field)
{
    const ProtobufCEnumDescriptor *descriptor = field->descriptor->descriptor;
    char why[128];
    if (field->value <= INT32_MAX &&
        protobuf_c_enum_descriptor_get_value(descriptor, (int)field->value))
        return LODE_OK;
    (void)snprintf(why, sizeof why, "%lld is no value of %s", (long long)field->value,
                   descriptor->short_name);
    return wrong(wire, field, why);
}

/* Numbers of a repeated field in one run. */
static lode_status check_packed(struct wire *wire, const struct wire_field *field)
{
    unsigned type = wire_type_of(field->descriptor->type);
    size_t width = type == PROTOBUF_C_WIRE_TYPE_32BIT   ? 4
                   : type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8
                                                        : 1;
    return field->size % width ? wrong(wire, field, "it does not hold whole numbers") : LODE_OK;
}

static lode_status check_fields(struct wire *wire, const ProtobufCMessageDescriptor *descriptor);

static lode_status check_message(struct wire *wire, const struct wire_field *field)
{
    struct wire inner = *wire;
    if (++*wire->messages > WIRE_MESSAGES_MAX)
        return error_set(wire->error, LODE_LIMIT, "more than %d messages in one",
                         WIRE_MESSAGES_MAX);
    if (++inner.depth > WIRE_DEPTH_MAX)
        return error_set(wire->error, LODE_LIMIT, "messages within messages, more than %d deep",
                         WIRE_DEPTH_MAX);
    inner.p = field->data;
    inner.end = field->data + field->size;
    lode_status status = check_fields(&inner, field->descriptor->descriptor);
    return status ? fault(wire, field, status) : LODE_OK;
}

static lode_status check_field(struct wire *wire, const struct wire_field *field)
{
    const ProtobufCFieldDescriptor *descriptor = field->descriptor;
    if (field->type != wire_type_of(descriptor->type)) {
        if (field->type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED &&
            descriptor->label == PROTOBUF_C_LABEL_REPEATED)
            return check_packed(wire, field);
        return wrong(wire, field, "it is of another type");
    }
    switch ((unsigned)descriptor->type) {
    case PROTOBUF_C_TYPE_STRING: return check_string(wire, field);
    case PROTOBUF_C_TYPE_ENUM: return check_enum(wire, field);
    case PROTOBUF_C_TYPE_MESSAGE: return check_message(wire, field);
    default: return LODE_OK;
    }
}

/* Number a repeated field among its own, and refuse a single message that came before. Fields of one kind come one after
 * another, if clients do as they should: counting the run is enough for a name. */
static lode_status count_field(struct wire *wire, struct wire_field *field,
                               const struct wire_field *before, uint64_t *seen,
                               const ProtobufCMessageDescriptor *message)
{
    const ProtobufCFieldDescriptor *descriptor = field->descriptor;
    if (descriptor->label == PROTOBUF_C_LABEL_REPEATED) {
        field->index = before->number == field->number ? before->index + 1 : 0;
        return LODE_OK;
    }
    uint64_t bit = 1ULL << ((size_t)(descriptor - message->fields) & 63);
    if (descriptor->type == PROTOBUF_C_TYPE_MESSAGE && *seen & bit)
        return wrong(wire, field, "it is given twice");
    *seen |= bit;
    return LODE_OK;
}

static lode_status check_fields(struct wire *wire, const ProtobufCMessageDescriptor *descriptor)
{
    struct wire_field field = {0}, before;
    uint64_t seen = 0;
    lode_status status = LODE_OK;
    while (!status && wire->p < wire->end) {
        before = field;
        status = take_field(wire, &field);
        if (status)
            break;
        field.descriptor = protobuf_c_message_descriptor_get_field(descriptor, field.number);
        if (field.descriptor) {
            status = count_field(wire, &field, &before, &seen, descriptor);
            if (!status)
                status = check_field(wire, &field);
        } else if (++*wire->unknown > WIRE_UNKNOWN_MAX) {
            status = error_set(wire->error, LODE_LIMIT, "more than %d fields that are not known",
                               WIRE_UNKNOWN_MAX);
        }
    }
    return status;
}

lode_status wire_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                       size_t size, struct wire_place *ret_place, lode_error *error)
{
    unsigned messages = 0, unknown = 0;
    struct wire wire = {
        .begin = data,
        .p = data,
        .end = data + size,
        .messages = &messages,
        .unknown = &unknown,
        .place = ret_place,
        .error = error,
    };
    *ret_place = (struct wire_place){.position = -1};
    lode_status status = check_fields(&wire, descriptor);
    if (status && ret_place->field[0])
        error_prefix(error, "%s: ", ret_place->field);
    return status;
}

/* --- Unpacking ----------------------------------------------------------------------------------- */

struct bounded {
    struct arena *arena;
    size_t used_max;
    int is_full; /* the limit was met, or memory refused */
};

static void *bounded_alloc(void *context, size_t size)
{
    struct bounded *bounded = context;
    void *memory = NULL;
    if (size <= bounded->used_max && bounded->arena->used_bytes <= bounded->used_max - size)
        memory = arena_alloc(bounded->arena, size);
    bounded->is_full |= !memory;
    return memory;
}

static void bounded_free(void *context, void *pointer)
{
    (void)context;
    (void)pointer;
}

lode_status wire_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                        size_t size, struct arena *arena, ProtobufCMessage **ret_message,
                        struct wire_place *ret_place, lode_error *error)
{
    struct bounded bounded = {.arena = arena,
                              .used_max = arena->used_bytes + 2 * size + WIRE_ARENA_EXTRA};
    ProtobufCAllocator allocator = {
        .alloc = bounded_alloc, .free = bounded_free, .allocator_data = &bounded};
    lode_status status = wire_check(descriptor, data, size, ret_place, error);
    if (status)
        return status;
    *ret_message = protobuf_c_message_unpack(descriptor, &allocator, size, data);
    if (*ret_message)
        return LODE_OK;
    if (bounded.is_full)
        return error_set(error, LODE_LIMIT, "a message of %zu bytes takes more than %zu to read",
                         size, 2 * size + WIRE_ARENA_EXTRA);
    return error_set(error, LODE_INVALID, "the message is no %s", descriptor->short_name);
}
