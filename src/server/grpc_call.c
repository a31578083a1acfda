/* grpc_call.c: see grpc_call.h. */
#include "server/grpc_call.h"

#include "server/grpc_wire.h"
#include "server/stream.h"

#include <stdarg.h>
#include <stdio.h>

void grpc_run(struct call *call)
{
    const struct grpc_method *method = (const struct grpc_method *)(const void *)call->route;
    struct frame_fault fault;
    const uint8_t *data;
    size_t size, begin;
    lode_error error;
    if (!frame_single(call->body, call->body_size, GRPC_MESSAGE_SIZE_MAX, &data, &size, &fault)) {
        grpc_fault(call, &fault);
        return;
    }
    const void *message = grpc_unpack(call, &call->memory, method->input, data, size);
    if (message && frame_begin(&call->out, &begin, &error))
        call_fail(call, &error, NULL, -1);
    else if (message)
        method->handle(call, message);
}

const void *grpc_unpack(struct call *call, struct arena *arena,
                        const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                        size_t size)
{
    struct wire_place place;
    ProtobufCMessage *message = NULL;
    lode_error error = {0};
    if (!wire_unpack(descriptor, data, size, arena, &message, &place, &error))
        return message;
    call_fail(call, &error, place.field[0] ? place.field : NULL, -1);
    return NULL;
}

void grpc_fault(struct call *call, const struct frame_fault *fault)
{
    call_refuse(call, fault->http_status, fault->code, NULL, "%s", fault->error.message);
}

void grpc_reply(struct call *call, const ProtobufCMessage *message)
{
    struct put put;
    lode_error error;
    put_init(&put, &call->out, &error);
    put_fields(&put, message);
    if (put.status)
        call_fail(call, &error, NULL, -1);
}

void grpc_invalid(struct call *call, const char *field, const char *format, ...)
{
    char message[sizeof call->error.message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    call_refuse(call, 400, "invalid", field, "%s", message);
}

bool grpc_at_most(struct call *call, const char *field, uint64_t value, uint64_t most)
{
    if (value <= most)
        return true;
    call_refuse(call, 400, "limit", field, "%s: %llu; at most %llu", field,
                (unsigned long long)value, (unsigned long long)most);
    return false;
}

static lode_status read_more(void *context, void *data, size_t size, size_t *ret_size,
                             lode_error *error)
{
    return stream_read(context, data, size, ret_size, error);
}

void grpc_reader_init(struct frame_reader *reader, struct call *call)
{
    frame_reader_init(reader, GRPC_MESSAGE_SIZE_MAX);
    reader->read = read_more;
    reader->context = call;
}

const void *grpc_read_single(struct call *call, const ProtobufCMessageDescriptor *descriptor)
{
    struct frame_reader reader;
    struct frame_fault fault;
    const void *message = NULL;
    grpc_reader_init(&reader, call);
    if (frame_next(&reader, &fault))
        message =
            grpc_unpack(call, &call->memory, descriptor, reader.message.data, reader.message.size);
    else if (fault.http_status)
        grpc_fault(call, &fault);
    else
        call_refuse(call, 501, "cardinality", NULL, "there is no message: this method takes one");
    if (message && frame_next(&reader, &fault)) {
        call_refuse(call, 501, "cardinality", NULL,
                    "there is more than one message: this method takes one");
        message = NULL;
    }
    frame_reader_release(&reader);
    return message;
}
