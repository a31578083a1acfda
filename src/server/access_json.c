/* access_json.c: see access_json.h. */
#include "server/access_json.h"

#include "base/datetime.h"

#include <stdlib.h>
#include <string.h>

lode_status access_json_object(const char *text, size_t size, const char *what, json_t **ret_object,
                               lode_error *error)
{
    json_error_t fault;
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (!object && json_error_code(&fault) == json_error_out_of_memory)
        return error_nomem(error, what, size);
    /* Its text quotes what it has met: not that of a token. */
    if (!object)
        return error_set(error, LODE_INVALID, "%s: line %d, column %d: not JSON, or a key twice",
                         what, fault.line, fault.column);
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(error, LODE_INVALID, "%s: not an object", what);
    }
    *ret_object = object;
    return LODE_OK;
}

lode_status access_json_text(const json_t *object, const char *name, const char **ret_text,
                             lode_error *error)
{
    const json_t *member = json_object_get(object, name);
    if (!member)
        return LODE_OK;
    if (!json_is_string(member))
        return error_set(error, LODE_INVALID, "%s: not a string", name);
    *ret_text = json_string_value(member);
    return LODE_OK;
}

lode_status access_json_u64(const json_t *object, const char *name, uint64_t max,
                            uint64_t *ret_value, lode_error *error)
{
    const json_t *member = json_object_get(object, name);
    if (!member)
        return LODE_OK;
    json_int_t value = json_integer_value(member);
    if (!json_is_integer(member) || value < 1 || (uint64_t)value > max)
        return error_set(error, LODE_INVALID, "%s: not a whole number from 1 to %llu", name,
                         (unsigned long long)max);
    *ret_value = (uint64_t)value;
    return LODE_OK;
}

lode_status access_json_time(const json_t *object, const char *name, uint64_t *ret_us,
                             lode_error *error)
{
    const char *text = NULL;
    int64_t us = 0;
    lode_status status = access_json_text(object, name, &text, error);
    if (status || !text)
        return status;
    if (!datetime_parse(text, strlen(text), &us) || us <= 0)
        return error_set(error, LODE_INVALID,
                         "%s '%.40s': not a date and time as 2026-02-28T12:00:00Z", name, text);
    *ret_us = (uint64_t)us;
    return LODE_OK;
}

static lode_status add_one(const json_t *value, const char *name, struct config_strings *patterns,
                           lode_error *error)
{
    if (!json_is_string(value))
        return error_set(error, LODE_INVALID, "%s: not an array of strings", name);
    return grant_add_pattern(patterns, name, json_string_value(value), json_string_length(value),
                             error);
}

lode_status access_json_patterns(const json_t *object, const char *name,
                                 struct config_strings *patterns, lode_error *error)
{
    const json_t *member = json_object_get(object, name);
    if (!member)
        return LODE_OK;
    if (json_is_string(member))
        return add_one(member, name, patterns, error);
    if (!json_is_array(member) || json_array_size(member) == 0)
        return error_set(error, LODE_INVALID, "%s: not an array of at least one string", name);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < json_array_size(member); i++)
        status = add_one(json_array_get(member, i), name, patterns, error);
    return status;
}

lode_status access_json_filter(const json_t *object, const char *name, struct grant *grant,
                               lode_error *error)
{
    const json_t *member = json_object_get(object, name);
    if (!member)
        return LODE_OK;
    if (json_is_string(member))
        return grant_set_filter(grant, json_string_value(member), json_string_length(member),
                                error);
    if (!json_is_object(member))
        return error_set(error, LODE_INVALID, "%s: neither a string nor an object", name);
    char *text = json_dumps(member, JSON_COMPACT);
    if (!text)
        return error_nomem(error, "a filter", 0);
    lode_status status = grant_set_filter(grant, text, strlen(text), error);
    free(text);
    return status;
}

lode_status access_json_only(const json_t *object, const char *const *names, lode_error *error)
{
    const char *member;
    json_t *value;
    json_object_foreach((json_t *)object, member, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], member) != 0)
            i++;
        if (!names[i])
            return error_set(error, LODE_INVALID, "unknown member '%.64s'", member);
    }
    return LODE_OK;
}
