/* json_input.c: see json_input.h. Paths are kept as steps, which cost nothing until there is a fault to tell. */
#include "server/json_input.h"

#include "base/number.h"
#include "server/json_names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef json_input_malformed
#undef json_input_wrong
#undef json_input_fail
#undef json_input_nomem

#define SHOWN_MAX 48 /* bytes of a name or number in a message */

void json_input_init(struct json_input *input, const char *text, size_t size, struct arena *arena)
{
    json_init(&input->json, text, size);
    input->arena = arena;
    input->step_count = 0;
    input->fault.error.status = LODE_OK;
    input->fault.error.os_errno = 0;
    input->fault.error.message[0] = '\0';
    input->fault.field[0] = '\0';
    input->fault.position = -1;
}

/* --- Faults ------------------------------------------------------------------------------------- */

static void write_field(struct json_input *input)
{
    char *field = input->fault.field;
    size_t used = 0;
    field[0] = '\0';
    for (unsigned i = 0; i < input->step_count && used < JSON_FIELD_SIZE; i++) {
        const struct json_step *step = &input->steps[i];
        int size = step->name_size < SHOWN_MAX ? (int)step->name_size : SHOWN_MAX;
        int written = snprintf(field + used, JSON_FIELD_SIZE - used, "%s%.*s", i && size ? "." : "",
                               size, step->name);
        used += written > 0 ? (size_t)written : 0;
        if (step->index < 0 || used >= JSON_FIELD_SIZE)
            continue;
        written = snprintf(field + used, JSON_FIELD_SIZE - used, "[%ld]", step->index);
        used += written > 0 ? (size_t)written : 0;
    }
}

static long token_position(const struct json_input *input)
{
    const struct json *json = &input->json;
    if (json->error)
        return (long)json->offset;
    long offset = (long)(json->text - json->data);
    return offset > 0 && json->data[offset - 1] == '"' ? offset - 1 : offset;
}

static void begin_fault(struct json_input *input)
{
    write_field(input);
    input->fault.position = token_position(input);
}

/* "vectors[3].id: " before the message, for whoever shows the message alone. */
static void name_field(struct json_input *input)
{
    if (input->fault.field[0])
        error_prefix(&input->fault.error, "%s: ", input->fault.field);
}

lode_status json_input_fail(struct json_input *input, lode_status status, const char *format, ...)
{
    if (input->fault.error.status)
        return input->fault.error.status;
    char message[sizeof input->fault.error.message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    begin_fault(input);
    (void)error_set(&input->fault.error, status, "%s", message);
    name_field(input);
    return status;
}

lode_status json_input_nomem(struct json_input *input, const char *what, size_t size)
{
    return json_input_fail(input, LODE_NOMEM, "no memory for %s of %zu bytes", what, size);
}

lode_status json_input_malformed(struct json_input *input)
{
    return json_input_fail(input, LODE_INVALID, "malformed JSON at byte %zu: %s",
                           input->json.offset, input->json.error);
}

static const char *token_name(enum json_token token)
{
    switch (token) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_NUMBER: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
    default: return "nothing";
    }
}

lode_status json_input_wrong(struct json_input *input, enum json_token found, const char *wanted)
{
    if (found == JSON_ERROR)
        return json_input_malformed(input);
    return json_input_fail(input, LODE_INVALID, "expected %s, found %s", wanted, token_name(found));
}

/* --- Objects and arrays -------------------------------------------------------------------------- */

static lode_status unknown_member(struct json_input *input, const struct json_members *members)
{
    const char *name = input->json.text, *nearest = NULL;
    size_t size = input->json.text_size, distance_min = SIZE_MAX;
    for (size_t i = 0; i < members->count; i++) {
        const char *known = members->items[i].name;
        size_t distance = json_name_distance(name, size, known, strlen(known));
        if (distance < distance_min) {
            distance_min = distance;
            nearest = known;
        }
    }
    int shown = size < SHOWN_MAX ? (int)size : SHOWN_MAX;
    if (!nearest)
        return json_input_fail(input, LODE_INVALID, "%s has no member \"%.*s\"", members->what,
                               shown, name);
    return json_input_fail(input, LODE_INVALID, "%s has no member \"%.*s\"; the nearest is \"%s\"",
                           members->what, shown, name, nearest);
}

static size_t find_member(const struct json *json, const struct json_members *members)
{
    for (size_t i = 0; i < members->count; i++)
        if (json_key_is(json, members->items[i].name))
            return i;
    return members->count;
}

static int null_comes(const struct json *json)
{
    const char *p = json->data + json->offset, *end = json->data + json->size;
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p < end && *p == 'n';
}

/* The key has been read. */
static lode_status read_member(struct json_input *input, const struct json_members *members,
                               void *target, uint64_t seen[2])
{
    size_t i = find_member(&input->json, members);
    struct json_step *step = &input->steps[input->step_count];
    *step = (struct json_step){input->json.text, input->json.text_size, -1};
    input->step_count++;
    if (i == members->count)
        return unknown_member(input, members);
    const struct json_member *member = &members->items[i];
    uint64_t bit = (uint64_t)1 << i;
    if (seen[0] & bit)
        return json_input_fail(input, LODE_INVALID, "given twice");
    seen[0] |= bit;
    lode_status status = LODE_OK;
    if (!member->takes_null && null_comes(&input->json)) {
        if (json_next(&input->json) == JSON_ERROR)
            status = json_input_malformed(input);
    } else {
        seen[1] |= bit;
        status = member->read(input, target);
    }
    if (!status)
        input->step_count--;
    return status;
}

lode_status json_input_members(struct json_input *input, const struct json_members *members,
                               void *target, uint64_t *ret_given)
{
    uint64_t seen[2] = {0, 0}; /* given, and given without being null */
    enum json_token token;
    INVARIANT(input->step_count < JSON_STEPS_MAX && members->count <= JSON_MEMBERS_MAX);
    while ((token = json_next(&input->json)) == JSON_KEY) {
        lode_status status = read_member(input, members, target, seen);
        if (status)
            return status;
    }
    if (token == JSON_ERROR)
        return json_input_malformed(input);
    if (ret_given)
        *ret_given = seen[1];
    return LODE_OK;
}

lode_status json_input_object(struct json_input *input, const struct json_members *members,
                              void *target, uint64_t *ret_given)
{
    enum json_token token = json_next(&input->json);
    if (token == JSON_OBJECT)
        return json_input_members(input, members, target, ret_given);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "%s, which is an object", members->what);
    return json_input_wrong(input, token, wanted);
}

/* Whether the array that has been begun ends here: then its bracket is taken. */
static int array_ends(struct json *json)
{
    const char *p = json->data + json->offset, *end = json->data + json->size;
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p < end && *p == ']' && json_next(json) == JSON_ARRAY_END;
}

lode_status json_input_array(struct json_input *input, size_t count_max, const char *what,
                             lode_status (*read)(struct json_input *input, void *target),
                             void *target)
{
    enum json_token token = json_next(&input->json);
    if (token != JSON_ARRAY)
        return json_input_wrong(input, token, "an array");
    long *index = input->step_count ? &input->steps[input->step_count - 1].index : NULL;
    for (size_t count = 0; !array_ends(&input->json); count++) {
        if (input->json.error)
            return json_input_malformed(input);
        if (index)
            *index = count < count_max ? (long)count : -1; /* then it is the array's fault */
        if (count == count_max)
            return json_input_fail(input, LODE_LIMIT, "more than %zu %s, which is the limit",
                                   count_max, what);
        lode_status status = read(input, target);
        if (status)
            return status;
    }
    if (index)
        *index = -1;
    return LODE_OK;
}

lode_status json_input_end(struct json_input *input)
{
    return json_next(&input->json) == JSON_END ? LODE_OK : json_input_malformed(input);
}

/* --- Values -------------------------------------------------------------------------------------- */

lode_status json_input_unescaped(struct json_input *input, const char **ret_text, size_t *ret_size)
{
    const struct json *json = &input->json;
    *ret_text = json->text;
    *ret_size = json->text_size;
    if (!json->escaped)
        return LODE_OK;
    /* Unescaping never makes a string longer. */
    struct buf text = {.data = arena_alloc(input->arena, json->text_size),
                       .capacity = json->text_size,
                       .size_max = json->text_size};
    if (!text.data || json_unescape(json, &text, NULL))
        return json_input_nomem(input, "a string", json->text_size);
    *ret_text = (const char *)text.data;
    *ret_size = text.size;
    return LODE_OK;
}

lode_status json_input_string(struct json_input *input, size_t size_max, const char **ret_text,
                              size_t *ret_size)
{
    enum json_token token = json_next(&input->json);
    if (token != JSON_STRING)
        return json_input_wrong(input, token, "a string");
    lode_status status = json_input_unescaped(input, ret_text, ret_size);
    if (!status && *ret_size > size_max)
        status = json_input_fail(input, LODE_LIMIT, "a string of %zu bytes; at most %zu", *ret_size,
                                 size_max);
    return status;
}

lode_status json_input_name(struct json_input *input, size_t size_max, const char **ret_text)
{
    const char *text = NULL;
    size_t size = 0;
    lode_status status = json_input_string(input, size_max, &text, &size);
    if (status)
        return status;
    if (size > 0 && memchr(text, '\0', size))
        return json_input_fail(input, LODE_INVALID, "the string holds a NUL character");
    *ret_text = arena_copy(input->arena, text, size);
    return *ret_text ? LODE_OK : json_input_nomem(input, "a string", size);
}

lode_status json_input_u64(struct json_input *input, uint64_t min, uint64_t max,
                           uint64_t *ret_value)
{
    enum json_token token = json_next(&input->json);
    if (token != JSON_NUMBER)
        return json_input_wrong(input, token, "a whole number");
    const char *text = input->json.text;
    size_t size = input->json.text_size;
    int shown = size < SHOWN_MAX ? (int)size : SHOWN_MAX;
    if (!number_parse_u64(text, size, ret_value) || *ret_value < min)
        return json_input_fail(input, LODE_INVALID,
                               "expected a whole number from %" PRIu64 " to %" PRIu64
                               ", found %.*s",
                               min, max, shown, text);
    if (*ret_value > max)
        return json_input_fail(input, LODE_LIMIT,
                               "%.*s is more than %" PRIu64 ", which is the limit", shown, text,
                               max);
    return LODE_OK;
}

lode_status json_input_bool(struct json_input *input, int *ret_value)
{
    enum json_token token = json_next(&input->json);
    if (token != JSON_TRUE && token != JSON_FALSE)
        return json_input_wrong(input, token, "true or false");
    *ret_value = token == JSON_TRUE;
    return LODE_OK;
}

lode_status json_input_raw_object(struct json_input *input, size_t size_max, const char **ret_text,
                                  size_t *ret_size)
{
    enum json_token token = json_raw(&input->json, ret_text, ret_size);
    if (token != JSON_ERROR)
        input->json.text = *ret_text; /* where a fault is */
    if (token != JSON_OBJECT)
        return json_input_wrong(input, token, "an object");
    if (*ret_size > size_max)
        return json_input_fail(input, LODE_LIMIT, "an object of %zu bytes; at most %zu", *ret_size,
                               size_max);
    return LODE_OK;
}
