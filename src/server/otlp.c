/* otlp.c: see otlp.h. */
#include "server/otlp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "server/trace_context.h"

#define KIND_INTERNAL   1
#define KIND_SERVER     2
#define STATUS_ERROR    2
#define TEXT_SIZE_MAX   1024u
#define FLAG_SAMPLED    1u
#define FLAG_HAS_REMOTE 0x100u /* the next one is known */
#define FLAG_IS_REMOTE  0x200u /* the parent is another process's span */

static void put_text(struct json_writer *json, const char *key, const char *text)
{
    json_write_key(json, key);
    json_write_string(json, text, strlen(text));
}

/* The beginning of a text that may be long. */
static void put_cut(struct json_writer *json, const char *key, const char *text)
{
    size_t size = strnlen(text, TEXT_SIZE_MAX);
    while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80) /* it was cut there */
        size--;
    json_write_key(json, key);
    json_write_string(json, text, size);
}

static void put_id(struct json_writer *json, const char *key, const uint8_t *id, size_t size)
{
    char digits[33];
    trace_hex(id, size, digits);
    put_text(json, key, digits);
}

static void put_time(struct json_writer *json, const char *key, uint64_t us)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRIu64 "000", us);
    put_text(json, key, digits);
}

static void put_number(struct json_writer *json, const char *key, int64_t number)
{
    json_write_key(json, key);
    json_write_i64(json, number);
}

static void put_attribute(struct json_writer *json, const struct trace_attribute *attribute)
{
    char digits[32];
    json_write_object(json);
    put_text(json, "key", attribute->name);
    json_write_key(json, "value");
    json_write_object(json);
    snprintf(digits, sizeof digits, "%" PRId64, attribute->number);
    if (attribute->text)
        put_cut(json, "stringValue", attribute->text);
    else
        put_text(json, "intValue", digits);
    json_write_object_end(json);
    json_write_object_end(json);
}

static void put_attributes(struct json_writer *json, const struct trace_attribute *attributes,
                           size_t count)
{
    json_write_key(json, "attributes");
    json_write_array(json);
    for (size_t i = 0; i < count; i++)
        put_attribute(json, &attributes[i]);
    json_write_array_end(json);
}

static void put_status(struct json_writer *json, const char *error)
{
    json_write_key(json, "status");
    json_write_object(json);
    put_cut(json, "message", error);
    put_number(json, "code", STATUS_ERROR);
    json_write_object_end(json);
}

static void put_span(struct json_writer *json, const struct trace_context *context,
                     const struct trace_span *span)
{
    static const uint8_t none[8];
    int is_request = memcmp(span->span_id, context->span_id, sizeof span->span_id) == 0;
    json_write_object(json);
    put_id(json, "traceId", context->trace_id, sizeof context->trace_id);
    put_id(json, "spanId", span->span_id, sizeof span->span_id);
    if (context->state && tracestate_is_sound(context->state))
        put_text(json, "traceState", context->state);
    if (memcmp(span->parent_id, none, sizeof none) != 0)
        put_id(json, "parentSpanId", span->parent_id, sizeof span->parent_id);
    put_number(json, "flags",
               FLAG_SAMPLED | FLAG_HAS_REMOTE |
                   (is_request && trace_has_parent(context) ? FLAG_IS_REMOTE : 0));
    put_text(json, "name", span->name);
    put_number(json, "kind", is_request ? KIND_SERVER : KIND_INTERNAL);
    put_time(json, "startTimeUnixNano", span->start_us);
    put_time(json, "endTimeUnixNano", span->end_us);
    put_attributes(json, span->attributes, span->attribute_count);
    if (span->error)
        put_status(json, span->error);
    json_write_object_end(json);
}

lode_status otlp_spans(const struct trace_context *context, const struct trace_span *spans,
                       size_t span_count, struct buf *out, lode_error *error)
{
    for (size_t i = 0; i < span_count; i++) {
        struct json_writer json;
        if (i > 0) {
            lode_status status = buf_append(out, ",", 1, error);
            if (status)
                return status;
        }
        json_writer_init(&json, out, error);
        put_span(&json, context, &spans[i]);
        if (json.status)
            return json.status;
    }
    return LODE_OK;
}

lode_status otlp_begin(struct buf *out, lode_error *error)
{
    return buf_printf(
        out, error,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
        "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"lode\"}},"
        "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"%s\"}}]},"
        "\"scopeSpans\":[{\"scope\":{\"name\":\"lode\",\"version\":\"%s\"},\"spans\":[",
        lode_version(), lode_version());
}

lode_status otlp_end(struct buf *out, lode_error *error)
{
    return buf_append(out, "]}]}]}", 6, error);
}
