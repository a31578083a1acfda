/* grpc_reflection.c: grpc.reflection (v1, and v1alpha, which differs from it in its name alone): tools ask for the
 * descriptors of api/lode.proto and of the standard services, message by message. */
#include "server/grpc_call.h"
#include "server/grpc_descriptors.h"
#include "server/grpc_methods.h"
#include "server/grpc_status.h"

#include <proto/grpc/reflection/v1/reflection.pb-c.h>

#include <string.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest request_message;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_message;

/* Of one stream: it holds a thread. */
enum { MESSAGES_MAX = 1000, SERVICES_MAX = 32, SERVICE_NAME_SIZE = 80, REQUEST_SIZE_MAX = 4096 };

static lode_status send_response(struct call *call, const response_message *response,
                                 lode_error *error)
{
    struct put put;
    size_t begin;
    lode_status status = frame_begin(&call->out, &begin, error);
    put_init(&put, &call->out, error);
    if (!status)
        put_fields(&put, &response->base);
    status = status ? status : put.status;
    return status ? status : grpc_stream_send(call, error);
}

static lode_status send_error(struct call *call, response_message response, enum grpc_status status,
                              lode_error *error)
{
    char text[] = "not found", unknown[] = "unknown request";
    Grpc__Reflection__V1__ErrorResponse answer = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    answer.error_code = (int32_t)status;
    answer.error_message = status == GRPC_NOT_FOUND ? text : unknown;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &answer;
    return send_response(call, &response, error);
}

/* The files import nothing: one is all. */
static lode_status send_file(struct call *call, response_message response, struct descriptor file,
                             lode_error *error)
{
    Grpc__Reflection__V1__FileDescriptorResponse answer =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    ProtobufCBinaryData bytes = {.len = file.size, .data = (uint8_t *)(uintptr_t)file.data};
    if (!file.data)
        return send_error(call, response, GRPC_NOT_FOUND, error);
    answer.n_file_descriptor_proto = 1;
    answer.file_descriptor_proto = &bytes;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &answer;
    return send_response(call, &response, error);
}

static lode_status send_services(struct call *call, response_message response, lode_error *error)
{
    Grpc__Reflection__V1__ListServiceResponse answer =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    Grpc__Reflection__V1__ServiceResponse services[SERVICES_MAX], *pointers[SERVICES_MAX];
    char names[SERVICES_MAX][SERVICE_NAME_SIZE];
    size_t count = 0;
    while (count < SERVICES_MAX &&
           descriptors_service(descriptors_own(), count, names[count], SERVICE_NAME_SIZE)) {
        grpc__reflection__v1__service_response__init(&services[count]);
        services[count].name = names[count];
        pointers[count] = &services[count];
        count++;
    }
    answer.n_service = count;
    answer.service = pointers;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &answer;
    return send_response(call, &response, error);
}

static lode_status respond(struct call *call, request_message *request, lode_error *error)
{
    response_message response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.valid_host = request->host;
    response.original_request = request;
    switch ((unsigned)request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        return send_file(call, response,
                         descriptors_file(descriptors_own(), request->file_by_filename), error);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        return send_file(call, response,
                         descriptors_symbol(descriptors_own(), request->file_containing_symbol),
                         error);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        return send_services(call, response, error);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        return send_error(call, response, GRPC_NOT_FOUND, error); /* there are no extensions */
    default: return send_error(call, response, GRPC_INVALID_ARGUMENT, error);
    }
}

static void take_request(struct call *call, const struct buf *message)
{
    struct arena memory;
    lode_error error;
    arena_init(&memory);
    const void *request =
        grpc_unpack(call, &memory, &grpc__reflection__v1__server_reflection_request__descriptor,
                    message->data, message->size);
    if (request && respond(call, (request_message *)(uintptr_t)request, &error))
        call_fail(call, &error, NULL, -1);
    arena_release(&memory);
}

void grpc_reflection(struct call *call)
{
    struct frame_reader reader;
    struct frame_fault fault = {0};
    lode_error error;
    grpc_reader_init(&reader, call);
    reader.size_max = REQUEST_SIZE_MAX;
    if (grpc_stream_begin(call, &error))
        call_fail(call, &error, NULL, -1);
    for (unsigned i = 0; !call_has_failed(call) && frame_next(&reader, &fault); i++) {
        if (i == MESSAGES_MAX)
            call_refuse(call, 429, "limit", NULL, "more than %d requests in one stream",
                        MESSAGES_MAX);
        else
            take_request(call, &reader.message);
    }
    if (fault.http_status && !call_has_failed(call))
        grpc_fault(call, &fault);
    grpc_stream_end(call);
    frame_reader_release(&reader);
}
