/* metadata.c: two passes, because a strict document is the more common question: json_validate for the
 * whole, then the top-level members that are declared. */
#include "engine/metadata.h"

#include <math.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/datetime.h"
#include "base/number.h"
#include "filter/geo.h"
#include "filter/value.h"

static const char *const type_names[] = {
    [LODE_FIELD_KEYWORD] = "a string",
    [LODE_FIELD_TEXT] = "a string",
    [LODE_FIELD_INTEGER] = "an integer from -2^63 to 2^63-1, without fraction or exponent",
    [LODE_FIELD_FLOAT] = "a number within the range of a double",
    [LODE_FIELD_BOOLEAN] = "true or false",
    [LODE_FIELD_DATETIME] = "an RFC 3339 date and time",
    [LODE_FIELD_GEO] = "{\"lat\", \"lon\"} or [lon, lat]",
    [LODE_FIELD_UUID] = "a UUID",
};

/* Values shown in a message are cut to this. */
#define SHOWN_MAX 40

static lode_status mismatch(const lode_field *field, const char *text, size_t size,
                            lode_error *error)
{
    int cut = size > SHOWN_MAX;
    return error_set(error, LODE_SCHEMA, "metadata field '%s' must be %s, found %.*s%s",
                     field->name, type_names[field->type], cut ? SHOWN_MAX : (int)size, text,
                     cut ? "..." : "");
}

static int is_integer(const char *text, size_t size)
{
    int64_t value;
    return number_parse_i64(text, size, &value);
}

static int is_float(const char *text, size_t size)
{
    double value;
    return number_parse_f64(text, size, &value) == size && isfinite(value);
}

static int is_of(lode_field_type type, const char *text, size_t size)
{
    uint8_t uuid[16];
    return type == LODE_FIELD_DATETIME ? datetime_valid(text, size)
                                       : hex_parse_uuid(text, size, uuid);
}

/* A datetime or UUID? string: a parser that has just read it. */
static lode_status fits_string(lode_field_type type, const struct json *string, int *ret_fits,
                               lode_error *error)
{
    if (!string->escaped) {
        *ret_fits = is_of(type, string->text, string->text_size);
        return LODE_OK;
    }
    struct buf text;
    buf_init(&text, LODE_METADATA_SIZE_MAX);
    lode_status status = json_unescape(string, &text, error);
    if (!status)
        *ret_fits = is_of(type, (const char *)text.data, text.size);
    buf_release(&text);
    return status;
}

/* One scalar, raw, against the field's type. */
static lode_status check_scalar(const lode_field *field, const char *text, size_t size,
                                lode_error *error)
{
    struct json json;
    json_init(&json, text, size);
    enum json_token token = json_next(&json);
    int fits = token == JSON_NULL;
    lode_status status = LODE_OK;
    switch (field->type) {
    case LODE_FIELD_KEYWORD:
    case LODE_FIELD_TEXT: fits |= token == JSON_STRING; break;
    case LODE_FIELD_INTEGER: fits |= token == JSON_NUMBER && is_integer(text, size); break;
    case LODE_FIELD_FLOAT: fits |= token == JSON_NUMBER && is_float(text, size); break;
    case LODE_FIELD_BOOLEAN: fits |= token == JSON_TRUE || token == JSON_FALSE; break;
    case LODE_FIELD_DATETIME:
    case LODE_FIELD_UUID:
        if (token == JSON_STRING)
            status = fits_string(field->type, &json, &fits, error);
        break;
    case LODE_FIELD_GEO: break; /* no scalar */
    }
    return status || fits ? status : mismatch(field, text, size, error);
}

static int is_point(const lode_field *field, const char *text, size_t size)
{
    struct geo_point point;
    return field->type == LODE_FIELD_GEO && geo_of_json(text, size, &point);
}

static lode_status check_array(const lode_field *field, const char *text, size_t size,
                               lode_error *error)
{
    struct json json;
    json_init(&json, text, size);
    lode_status status = LODE_OK;
    if (json_next(&json) != JSON_ARRAY)
        return mismatch(field, text, size, error);
    for (;;) {
        const char *item;
        size_t item_size;
        enum json_token token = json_raw(&json, &item, &item_size);
        if (token == JSON_ARRAY_END)
            return LODE_OK;
        if (is_point(field, item, item_size))
            continue;
        if (token == JSON_ARRAY || token == JSON_OBJECT || token == JSON_ERROR)
            return mismatch(field, text, size, error);
        status = check_scalar(field, item, item_size, error);
        if (status)
            return status;
    }
}

static const lode_field *declared(const lode_schema *schema, const struct json *key)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (json_key_is(key, schema->fields[i].name))
            return &schema->fields[i];
    return NULL;
}

static lode_status check_member(const lode_schema *schema, struct json *json, lode_error *error)
{
    const lode_field *field = declared(schema, json);
    const char *text;
    size_t size;
    enum json_token token = json_raw(json, &text, &size);
    if (!field || is_point(field, text, size))
        return LODE_OK;
    if (token == JSON_ARRAY)
        return check_array(field, text, size, error);
    return check_scalar(field, text, size, error);
}

lode_status metadata_check(const lode_schema *schema, const char *metadata, size_t size,
                           lode_error *error)
{
    if (!metadata && size == 0)
        return LODE_OK;
    if (!metadata)
        return error_set(error, LODE_INVALID, "metadata is NULL, metadata_size is %zu", size);
    if (size > LODE_METADATA_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "metadata of %zu bytes: at most %d", size,
                         LODE_METADATA_SIZE_MAX);
    lode_status status = json_validate(metadata, size, JSON_OBJECT, error);
    if (status) {
        error_prefix(error, "metadata: ");
        return status;
    }
    if (schema->field_count == 0)
        return LODE_OK;
    struct json json;
    json_init(&json, metadata, size);
    (void)json_next(&json); /* '{': json_validate saw it */
    while (!status && json_next(&json) == JSON_KEY)
        status = check_member(schema, &json, error);
    return status;
}
