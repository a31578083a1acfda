/* call.c: see call.h. */
#include "server/call.h"

#include "base/number.h"
#include "server/errors.h"
#include "server/grpc_status.h"
#include "server/percent.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- The query string ---------------------------------------------------------------------------- */

/* The next name=value of *query, raw; 0: there is none. */
struct pair {
    const char *name, *value;
    size_t name_size, value_size;
};

static int next_pair(const char **query, struct pair *pair)
{
    const char *p = *query;
    while (*p == '&')
        p++;
    if (!*p)
        return 0;
    size_t size = strcspn(p, "&");
    const char *equals = memchr(p, '=', size);
    pair->name = p;
    pair->name_size = equals ? (size_t)(equals - p) : size;
    pair->value = equals ? equals + 1 : p + size;
    pair->value_size = equals ? size - pair->name_size - 1 : 0;
    *query = p + size;
    return 1;
}

char *call_copy(struct call *call, const void *data, size_t size)
{
    char *copy = arena_copy(&call->memory, data, size);
    if (!copy && !call_has_failed(call)) {
        lode_error error;
        (void)error_nomem(&error, "a request", size);
        call_fail(call, &error, NULL, -1);
    }
    return copy;
}

/* Decoded in the call's memory; NULL: malformed, or there is no memory, and the call has failed. */
static char *decode(struct call *call, const char *text, size_t size)
{
    char *copy = call_copy(call, text, size);
    return copy && percent_decode(copy, size, PERCENT_QUERY) >= 0 ? copy : NULL;
}

const char *call_query(struct call *call, const char *name)
{
    const char *query = exchange_request(call->exchange)->query;
    struct pair pair;
    size_t size = strlen(name);
    while (next_pair(&query, &pair)) {
        /* Names of ours have nothing to encode: who encodes them all the same is not understood. */
        if (pair.name_size == size && memcmp(pair.name, name, size) == 0)
            return decode(call, pair.value, pair.value_size);
    }
    return NULL;
}

bool call_query_u64(struct call *call, const char *name, uint64_t min, uint64_t max,
                    uint64_t fallback, uint64_t *ret_value)
{
    const char *text = call_query(call, name);
    *ret_value = fallback;
    if (!text)
        return true;
    if (number_parse_u64(text, strlen(text), ret_value) && *ret_value >= min && *ret_value <= max)
        return true;
    call_refuse(call, 400, "invalid", name, "%s is '%.40s': a whole number from %llu to %llu", name,
                text, (unsigned long long)min, (unsigned long long)max);
    return false;
}

static bool is_among(const struct pair *pair, const char *const *names)
{
    for (; *names; names++)
        if (strlen(*names) == pair->name_size && memcmp(*names, pair->name, pair->name_size) == 0)
            return true;
    return false;
}

/* Whether the name stands before the pair already. */
static bool is_repeated(const char *query, const struct pair *pair)
{
    struct pair before;
    while (next_pair(&query, &before) && before.name != pair->name)
        if (before.name_size == pair->name_size &&
            memcmp(before.name, pair->name, pair->name_size) == 0)
            return true;
    return false;
}

bool call_query_only(struct call *call, const char *const *names)
{
    const char *const begin = exchange_request(call->exchange)->query;
    const char *query = begin;
    struct pair pair;
    while (next_pair(&query, &pair)) {
        const char *name = decode(call, pair.name, pair.name_size);
        if (!name || !decode(call, pair.value, pair.value_size)) {
            call_refuse(call, 400, "malformed", NULL,
                        "the query string is not percent-encoded UTF-8 without control characters");
            return false;
        }
        if (!is_among(&pair, names)) {
            call_refuse(call, 400, "invalid", name, "there is no parameter '%.60s' here", name);
            return false;
        }
        if (is_repeated(begin, &pair)) {
            call_refuse(call, 400, "invalid", name, "%s: given twice", name);
            return false;
        }
    }
    return true;
}

/* --- Answers ------------------------------------------------------------------------------------- */

void call_header(struct call *call, const char *name, const char *value)
{
    size_t size = strlen(value);
    char *copy = arena_copy(&call->memory, value, size);
    if (copy && call->header_count < CALL_HEADERS_MAX)
        call->headers[call->header_count++] =
            (struct net_header){.name = name, .value = copy, .value_size = size};
}

void call_json(struct call *call, struct json_writer *json)
{
    call->content_type = "application/json";
    buf_clear(&call->out);
    json_writer_init(json, &call->out, &call->error);
}

void call_json_end(struct call *call, struct json_writer *json)
{
    if (!json->status)
        return;
    lode_error error = call->error;
    call->error.status = LODE_OK;
    call_fail(call, &error, NULL, -1);
}

bool call_has_failed(const struct call *call)
{
    return call->fault_code != NULL;
}

bool call_is_cancelled(const struct call *call)
{
    return atomic_load_explicit(exchange_cancelled(call->exchange), memory_order_relaxed) != 0;
}

static int is_unwanted(void *context)
{
    return call_is_cancelled(context);
}

lode_stop call_stop(struct call *call)
{
    return (lode_stop){.deadline_us = call->deadline_us, .is_wanted = is_unwanted, .context = call};
}

/* gRPC has no body to say it in. */
static void name_field(struct call *call, const char *field)
{
    char text[192];
    grpc_percent(field, text, sizeof text);
    call_header(call, "lode-field", text);
}

/* The first failure counts: what comes after it is of its consequences. */
static void fail(struct call *call, struct fault fault, const struct fault_text *text)
{
    if (call_has_failed(call))
        return;
    char retry[16];
    call->status = fault.status;
    call->fault_code = fault.code;
    call->content_type = "application/json";
    buf_clear(&call->out);
    if (fault_write(&call->out, text, NULL))
        buf_clear(&call->out); /* the status has to do */
    if (fault.retry_s) {
        (void)snprintf(retry, sizeof retry, "%u", fault.retry_s);
        call_header(call, "retry-after", retry);
    }
    if (call->is_grpc && text->field)
        name_field(call, text->field);
}

/* Whether what is too large is the body, and not a number that was asked for. */
static bool brings_points(const struct route *route)
{
    return route && route->is_mutation && route->bodies &&
           (route->lane == NET_LANE_WRITE || route->is_streamed);
}

static void fail_with(struct call *call, const lode_error *error, struct fault fault,
                      struct fault_text text)
{
    text.code = fault.code;
    text.message = error->message;
    fail(call, fault, &text);
    if (call->error.status == LODE_OK)
        call->error = *error;
}

void call_fail(struct call *call, const lode_error *error, const char *field, long position)
{
    fail_with(call, error, fault_of_status(error->status, brings_points(call->route)),
              (struct fault_text){.field = field, .position = position});
}

void call_fail_line(struct call *call, const lode_error *error, const struct call_line *at)
{
    fail_with(call, error, fault_of_status(error->status, brings_points(call->route)),
              (struct fault_text){.field = at->field,
                                  .position = at->position,
                                  .line = at->line,
                                  .applied_lines = at->applied_lines,
                                  .applied_points = at->applied_points});
}

void call_refuse(struct call *call, unsigned status, const char *code, const char *field,
                 const char *format, ...)
{
    char message[sizeof call->error.message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct fault fault = {.status = status, .code = code, .retry_s = status == 503 ? 1 : 0};
    fail(call, fault,
         &(struct fault_text){.code = code, .message = message, .field = field, .position = -1});
    if (call->error.status == LODE_OK)
        (void)error_set(&call->error, LODE_INVALID, "%s", message);
}
