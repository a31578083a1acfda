/* json_asked.c: see json_asked.h. */
#include "server/json_asked.h"

#include "os/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 256 /* of "fields": what is looked for in each member of each hit */

/* --- Bodies -------------------------------------------------------------------------------------- */

bool asked_read(struct call *call, const struct json_members *members, void *target,
                uint64_t *ret_given)
{
    struct json_input input;
    const char *text = call->body_size ? (const char *)call->body : "{}";
    json_input_init(&input, text, call->body_size ? call->body_size : 2, &call->memory);
    lode_status status = json_input_object(&input, members, target, ret_given);
    if (!status)
        status = json_input_end(&input);
    if (!status)
        return true;
    call_fail(call, &input.fault.error, input.fault.field[0] ? input.fault.field : NULL,
              input.fault.position);
    return false;
}

bool asked_nothing(struct call *call)
{
    static const char *const no_names[] = {NULL};
    static const struct json_members no_members = {NULL, 0, "this operation"};
    return call_query_only(call, no_names) && asked_read(call, &no_members, NULL, NULL);
}

lode_status asked_read_namespace(struct json_input *input, void *target)
{
    struct asked *asked = target;
    return json_input_name(input, LODE_NAMESPACE_SIZE_MAX, &asked->namespace_);
}

lode_status asked_read_snapshot(struct json_input *input, void *target)
{
    struct asked *asked = target;
    return json_input_name(input, LODE_NAME_SIZE_MAX, &asked->snapshot_name);
}

lode_status asked_read_deadline(struct json_input *input, void *target)
{
    struct asked *asked = target;
    return json_input_u64(input, 1, UINT32_MAX, &asked->deadline_ms);
}

lode_status asked_read_compact(struct json_input *input, void *target)
{
    struct asked *asked = target;
    return json_input_bool(input, &asked->is_compact);
}

lode_status asked_read_filter(struct json_input *input, void *target)
{
    struct asked *asked = target;
    return json_input_filter(input, &asked->filter.text, &asked->filter.size);
}

lode_status asked_read_with(struct json_input *input, void *target)
{
    struct asked *asked = target;
    unsigned implied = asked->fields.items ? LODE_WITH_METADATA : 0;
    lode_status status = json_input_with(input, &asked->with);
    asked->with |= implied;
    return status;
}

lode_status asked_read_fields(struct json_input *input, void *target)
{
    struct asked *asked = target;
    asked->with |= LODE_WITH_METADATA;
    return json_input_names(input, FIELDS_MAX, "fields", &asked->fields);
}

/* --- Query strings ------------------------------------------------------------------------------- */

bool asked_query_bool(struct call *call, const char *name, int *ret_value)
{
    const char *text = call_query(call, name);
    if (!text)
        return true;
    *ret_value = strcmp(text, "true") == 0;
    if (*ret_value || strcmp(text, "false") == 0)
        return true;
    call_refuse(call, 400, "invalid", name, "%s: expected true or false, found '%.40s'", name,
                text);
    return false;
}

static bool query_with(struct asked *asked)
{
    const char *text = call_query(asked->call, "with");
    if (!text)
        return true;
    asked->with = 0;
    while (*text) {
        size_t size = strcspn(text, ",");
        unsigned one = json_with_of(text, size);
        if (!one) {
            call_refuse(asked->call, 400, "invalid", "with", "with: '%.*s' is none of %s",
                        (int)(size < 40 ? size : 40), text, json_with_names);
            return false;
        }
        asked->with |= one;
        text += size + (text[size] == ',');
    }
    return true;
}

static bool query_fields(struct asked *asked)
{
    const char *text = call_query(asked->call, "fields");
    if (!text)
        return true;
    size_t count = 1;
    for (const char *p = text; *p; p++)
        count += *p == ',';
    if (count > FIELDS_MAX) {
        call_refuse(asked->call, 400, "limit", "fields", "fields: %zu names; at most %d", count,
                    FIELDS_MAX);
        return false;
    }
    const char **items = arena_alloc(&asked->call->memory, count * sizeof *items);
    char *copy = items ? call_copy(asked->call, text, strlen(text)) : NULL;
    if (!copy) {
        call_refuse(asked->call, 503, "no_memory", NULL, "no memory for names of fields");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = strcspn(copy, ",");
        items[i] = copy;
        copy[size] = '\0';
        copy += size + 1;
    }
    asked->fields = (struct json_names){items, count};
    asked->with |= LODE_WITH_METADATA;
    return true;
}

bool asked_of_query(struct asked *asked)
{
    struct call *call = asked->call;
    asked->namespace_ = call_query(call, "namespace");
    asked->snapshot_name = call_query(call, "snapshot");
    const char *filter = call_query(call, "filter");
    if (filter)
        asked->filter = lode_filter_text(filter);
    return query_with(asked) && query_fields(asked) &&
           asked_query_bool(call, "compact", &asked->is_compact) &&
           call_query_u64(call, "deadline_ms", 1, UINT32_MAX, 0, &asked->deadline_ms);
}

/* --- Opening ------------------------------------------------------------------------------------- */

uint64_t asked_limit(uint64_t own, uint64_t most)
{
    return own && own < most ? own : most;
}

static bool set_deadline(struct asked *asked)
{
    struct call *call = asked->call;
    if (!asked->deadline_ms)
        return true;
    uint64_t arrived = exchange_request(call->exchange)->arrived_us;
    uint64_t wanted = arrived + asked->deadline_ms * 1000;
    if (call->deadline_us && wanted > call->deadline_us) {
        uint64_t most = call->deadline_us > arrived ? (call->deadline_us - arrived) / 1000 : 0;
        call_refuse(call, 400, "limit", "deadline_ms", "deadline_ms is %llu; at most %llu",
                    (unsigned long long)asked->deadline_ms, (unsigned long long)most);
        return false;
    }
    call->deadline_us = wanted;
    exchange_set_deadline(call->exchange, wanted);
    return true;
}

bool asked_open(struct asked *asked)
{
    if (!set_deadline(asked))
        return false;
    asked->stop = call_stop(asked->call);
    asked->filter.stop = &asked->stop;
    asked->handle = api_take(asked->call, asked->namespace_);
    if (!asked->handle || !asked->snapshot_name)
        return asked->handle != NULL;
    lode_error error = {0};
    if (!lode_snapshot_open_named(asked->handle->collection, asked->snapshot_name, &asked->snapshot,
                                  &error))
        return true;
    call_fail(asked->call, &error, "snapshot", -1);
    return false;
}

void asked_close(struct asked *asked)
{
    lode_snapshot_close(asked->snapshot);
    if (asked->handle)
        api_give(asked->call, asked->handle);
    asked->snapshot = NULL;
    asked->handle = NULL;
}

/* --- Failing ------------------------------------------------------------------------------------- */

/* Bytes of "ops[" or "requests[", by which the engine's messages about one of many begin; 0: this one does not. */
static size_t array_size(const char *message)
{
    static const char *const arrays[] = {"ops[", "requests["};
    for (size_t i = 0; i < 2; i++)
        if (strncmp(message, arrays[i], strlen(arrays[i])) == 0)
            return strlen(arrays[i]);
    return 0;
}

const char *asked_message(const lode_error *error)
{
    const char *space = array_size(error->message) ? strchr(error->message, ' ') : NULL;
    return space ? space + 1 : error->message;
}

/* Messages of filters begin so (docs/filters.md). */
static bool is_of_filter(const char *message)
{
    return strncmp(message, "filter", 6) == 0;
}

/* "ops[3] (id 7): ..." with the body's own name for the array, and in field which of its items it is. */
static void tell_item(const lode_error *error, const char *items, uint64_t first,
                      lode_error *ret_told, char field[JSON_FIELD_SIZE])
{
    char *rest = NULL;
    unsigned long long at =
        first + strtoull(error->message + array_size(error->message), &rest, 10);
    rest += *rest == ']';
    bool is_filter = strncmp(rest, ": ", 2) == 0 && is_of_filter(rest + 2);
    (void)error_set(ret_told, error->status, "%.40s[%llu]%s", items, at, rest);
    (void)snprintf(field, JSON_FIELD_SIZE, "%.40s[%llu]%s", items, at, is_filter ? ".filter" : "");
}

void asked_fail_at(struct call *call, const lode_error *error, const char *items, uint64_t first)
{
    lode_error told = *error;
    char field[JSON_FIELD_SIZE] = "";
    if (array_size(error->message) && items)
        tell_item(error, items, first, &told, field);
    else if (array_size(error->message))
        (void)error_set(&told, error->status, "%s", asked_message(error));
    else if (is_of_filter(error->message))
        (void)snprintf(field, sizeof field, "filter");
    if (error->status == LODE_CANCELLED && call->deadline_us && clock_us() >= call->deadline_us)
        call_refuse(call, 504, "deadline", NULL, "the deadline has passed");
    else
        call_fail(call, &told, field[0] ? field : NULL, -1);
}

void asked_fail(struct call *call, const lode_error *error)
{
    asked_fail_at(call, error, NULL, 0);
}

bool asked_check_dim(const struct asked *asked, uint32_t dim, const char *field)
{
    uint32_t wanted = asked->handle->schema->dim;
    if (dim == 0 || dim == wanted)
        return true;
    call_refuse(asked->call, 422, "schema", field,
                "%s: a vector of %u numbers; this index has %u dimensions", field, dim, wanted);
    return false;
}
