/* grpc.c: see grpc.h. */
#include "server/grpc.h"

#include "server/grpc_call.h"
#include "server/grpc_methods.h"
#include "server/grpc_status.h"
#include "server/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_TYPE "application/grpc"

/* --- Requests ------------------------------------------------------------------------------------ */

/* What stands behind application/grpc in the content type; NULL: it is another one. */
static const char *grpc_format(const struct net_request *request)
{
    const char *type = net_request_header(request, "content-type");
    size_t size = sizeof CONTENT_TYPE - 1;
    if (!type || strncmp(type, CONTENT_TYPE, size) != 0)
        return NULL;
    return strchr("+; ", type[size]) ? type + size : NULL; /* the end counts too */
}

bool grpc_is_call(const struct net_request *request)
{
    return grpc_format(request) != NULL;
}

static bool is_proto(const char *format)
{
    if (*format != '+')
        return true;
    return strncmp(format, "+proto", 6) == 0 && strchr("; ", format[6]);
}

const struct route *grpc_find(struct call *call)
{
    const struct net_request *request = exchange_request(call->exchange);
    const char *format = grpc_format(request);
    const struct route *route = grpc_method_find(request->path);
    if (!request->is_http2)
        call_refuse(call, 501, "grpc", NULL, "gRPC needs HTTP/2");
    else if (strcmp(request->method, "POST") != 0)
        call_refuse(call, 501, "grpc", NULL, "gRPC calls are POST, not %.16s", request->method);
    else if (!format || !is_proto(format))
        call_refuse(call, 501, "grpc", NULL, "messages are application/grpc+proto");
    else if (!route)
        call_refuse(call, 501, "not_found", NULL, "there is no method %.120s", request->path);
    return call_has_failed(call) ? NULL : route;
}

uint64_t grpc_timeout_us(const struct net_request *request)
{
    const char *text = net_request_header(request, "grpc-timeout");
    uint64_t timeout_us = 0;
    if (!text || !grpc_parse_timeout(text, &timeout_us))
        return 0;
    return timeout_us ? timeout_us : 1;
}

size_t grpc_body_max(size_t message_size_max)
{
    return FRAME_HEAD_SIZE +
           (message_size_max < GRPC_MESSAGE_SIZE_MAX ? message_size_max : GRPC_MESSAGE_SIZE_MAX);
}

/* --- Answers ------------------------------------------------------------------------------------- */

enum { TRAILERS_MAX = 5 + CALL_HEADERS_MAX, STATUS_TEXT = 12, MESSAGE_TEXT = 720 };

/* The end of an answer: its status, why, and what else there is to say. */
struct ending {
    struct net_header items[TRAILERS_MAX];
    size_t count;
    char status[STATUS_TEXT], message[MESSAGE_TEXT], retry[24];
};

static void add(struct ending *ending, const char *name, const char *value)
{
    ending->items[ending->count++] =
        (struct net_header){.name = name, .value = value, .value_size = strlen(value)};
}

static void add_status(struct ending *ending, enum grpc_status status, const char *code,
                       const char *message)
{
    (void)snprintf(ending->status, sizeof ending->status, "%d", (int)status);
    add(ending, "grpc-status", ending->status);
    if (status == GRPC_OK)
        return;
    grpc_percent(message, ending->message, sizeof ending->message);
    add(ending, "grpc-message", ending->message);
    if (code)
        add(ending, "lode-code", code);
    if (status == GRPC_UNIMPLEMENTED)
        add(ending, "grpc-accept-encoding", "identity");
}

/* When clients that retry by themselves are to do so. */
static void add_retry(struct ending *ending, unsigned long retry_s)
{
    (void)snprintf(ending->retry, sizeof ending->retry, "%lu", retry_s * 1000);
    add(ending, "grpc-retry-pushback-ms", ending->retry);
}

static void end_of_call(const struct call *call, struct ending *ending)
{
    ending->count = 0;
    if (!call_has_failed(call)) {
        add_status(ending, GRPC_OK, NULL, "");
        return;
    }
    add_status(ending, grpc_status_of(call->status, call->error.status), call->fault_code,
               call->error.message);
    for (size_t i = 0; i < call->header_count; i++) {
        if (strcmp(call->headers[i].name, "retry-after") == 0)
            add_retry(ending, strtoul(call->headers[i].value, NULL, 10));
        else
            ending->items[ending->count++] = call->headers[i];
    }
}

/* A failure has no message: head and trailers are one. */
static void answer_failure(struct exchange *exchange, const struct ending *ending)
{
    exchange_answer(exchange, &(struct net_answer){.status = 200,
                                                   .content_type = CONTENT_TYPE,
                                                   .headers = ending->items,
                                                   .header_count = ending->count});
}

void grpc_answer(struct call *call)
{
    struct ending ending;
    if (!call_has_failed(call) && call->out.size < FRAME_HEAD_SIZE)
        call_refuse(call, 500, "internal", NULL, "%s has no answer", call->route->operation);
    end_of_call(call, &ending);
    if (call_has_failed(call)) {
        answer_failure(call->exchange, &ending);
        return;
    }
    frame_end(&call->out, 0);
    exchange_answer(call->exchange, &(struct net_answer){.status = 200,
                                                         .content_type = CONTENT_TYPE,
                                                         .headers = call->headers,
                                                         .header_count = call->header_count,
                                                         .body = &call->out,
                                                         .trailers = ending.items,
                                                         .trailer_count = ending.count});
}

void grpc_refuse(struct exchange *exchange, unsigned http_status, const char *code,
                 const char *message, unsigned retry_s)
{
    struct ending ending = {.count = 0};
    add_status(&ending, grpc_status_of(http_status, LODE_OK), code, message);
    if (retry_s)
        add_retry(&ending, retry_s);
    answer_failure(exchange, &ending);
}

/* --- Streams ------------------------------------------------------------------------------------- */

lode_status grpc_stream_begin(struct call *call, lode_error *error)
{
    call->content_type = CONTENT_TYPE;
    return call_begin_stream(call, error);
}

lode_status grpc_stream_send(struct call *call, lode_error *error)
{
    frame_end(&call->out, 0);
    return stream_write(call, error);
}

void grpc_stream_end(struct call *call)
{
    struct ending ending;
    if (!call->is_answered) {
        call->is_answered = true;
        grpc_answer(call);
        return;
    }
    end_of_call(call, &ending);
    exchange_finish(call->exchange, ending.items, ending.count);
}
