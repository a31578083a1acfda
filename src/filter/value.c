/* value.c: see value.h. */
#include "filter/value.h"

#include <math.h>
#include <string.h>

#include "base/datetime.h"
#include "base/hex.h"
#include "base/number.h"

static const char *const type_names[FIELD_TYPE_COUNT] = {
    [FIELD_UNKNOWN] = "unknown",   [FIELD_KEYWORD] = "keyword", [FIELD_TEXT] = "text",
    [FIELD_INTEGER] = "integer",   [FIELD_FLOAT] = "float",     [FIELD_BOOLEAN] = "boolean",
    [FIELD_DATETIME] = "datetime", [FIELD_GEO] = "geo",         [FIELD_UUID] = "uuid",
    [FIELD_OBJECT] = "object",
};

const char *field_type_name(enum field_type type)
{
    return type_names[type];
}

enum field_type field_type_named(const char *name, size_t size)
{
    for (int type = FIELD_KEYWORD; type < FIELD_OBJECT; type++)
        if (strlen(type_names[type]) == size && memcmp(type_names[type], name, size) == 0)
            return (enum field_type)type;
    return FIELD_UNKNOWN;
}

static int is_number(const struct value *value)
{
    return value->kind == VALUE_INTEGER || value->kind == VALUE_FLOAT;
}

static int compare_integers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_floats(double a, double b)
{
    return (a > b) - (a < b);
}

/* Exact: the double's whole part fits an int64 or lies beyond all of them. */
static int compare_mixed(int64_t integer, double number)
{
    if (number >= 0x1p63)
        return -1;
    if (number < -0x1p63)
        return 1;
    int64_t whole = (int64_t)number;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    return compare_floats((double)whole, number);
}

static int compare_numbers(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_INTEGER)
        return b->kind == VALUE_INTEGER ? compare_integers(a->integer, b->integer)
                                        : compare_mixed(a->integer, b->number);
    return b->kind == VALUE_FLOAT ? compare_floats(a->number, b->number)
                                  : -compare_mixed(b->integer, a->number);
}

static int compare_strings(const struct value *a, const struct value *b)
{
    size_t common = a->size < b->size ? a->size : b->size;
    int order = common ? memcmp(a->text, b->text, common) : 0;
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

int value_compare(const struct value *a, const struct value *b)
{
    if (is_number(a) && is_number(b))
        return compare_numbers(a, b);
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == VALUE_STRING)
        return compare_strings(a, b);
    if (a->kind == VALUE_UUID)
        return memcmp(a->uuid, b->uuid, sizeof a->uuid);
    return compare_integers(a->integer, b->integer);
}

int value_identical(const struct value *a, const struct value *b)
{
    return a->kind == b->kind && value_compare(a, b) == 0;
}

int value_parse_number(const char *text, size_t size, struct value *ret_value)
{
    int64_t integer;
    double number;
    if (number_parse_i64(text, size, &integer)) {
        *ret_value = value_integer(integer);
        return 1;
    }
    if (number_parse_f64(text, size, &number) != size || !size || !isfinite(number))
        return 0;
    *ret_value = value_float(number);
    return 1;
}

static lode_status string_of_json(const struct json *json, struct buf *scratch,
                                  struct value *ret_value, lode_error *error)
{
    if (!json->escaped) {
        *ret_value = value_string(json->text, json->text_size);
        return LODE_OK;
    }
    buf_clear(scratch);
    lode_status status = json_unescape(json, scratch, error);
    *ret_value = value_string((const char *)scratch->data, scratch->size);
    return status;
}

/* Make a string the datetime or UUID that it writes; 0 when it writes none. */
static int convert_string(enum field_type type, struct value *value)
{
    switch (type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT: return 1;
    case FIELD_DATETIME:
        value->kind = VALUE_DATETIME;
        return datetime_parse(value->text, value->size, &value->integer);
    case FIELD_UUID:
        value->kind = VALUE_UUID;
        return hex_parse_uuid(value->text, value->size, value->uuid);
    default: return 0;
    }
}

lode_status value_of_json(const struct json *json, enum json_token token, enum field_type type,
                          struct buf *scratch, struct value *ret_value, int *ret_fits,
                          lode_error *error)
{
    lode_status status = LODE_OK;
    *ret_fits = 0;
    switch (token) {
    case JSON_TRUE:
    case JSON_FALSE:
        *ret_value = value_boolean(token == JSON_TRUE);
        *ret_fits = type == FIELD_BOOLEAN;
        break;
    case JSON_NUMBER:
        *ret_fits =
            value_parse_number(json->text, json->text_size, ret_value) &&
            (type == FIELD_FLOAT || (type == FIELD_INTEGER && ret_value->kind == VALUE_INTEGER));
        break;
    case JSON_STRING:
        status = string_of_json(json, scratch, ret_value, error);
        *ret_fits = !status && convert_string(type, ret_value);
        break;
    default: break;
    }
    return status;
}
