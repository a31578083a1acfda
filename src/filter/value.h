/* value.h: the types of fields, and single values: of documents and of filters.
 *
 * Numbers are exact: one written as an integer within int64 is that integer, any other is the nearest
 * double, and the two kinds are compared without rounding either. 2^53 + 1 is not 2^53. */
#ifndef FILTER_VALUE_H
#define FILTER_VALUE_H

#include "base/json.h"

/* The first six have the values of lode_field_type. */
enum field_type {
    FIELD_UNKNOWN = 0, /* seen, but with nulls and empty arrays alone */
    FIELD_KEYWORD = 1, /* a string, compared byte by byte */
    FIELD_TEXT = 2,    /* a string */
    FIELD_INTEGER = 3, /* int64 */
    FIELD_FLOAT = 4,   /* any number within the range of a double */
    FIELD_BOOLEAN = 5,
    FIELD_DATETIME = 6, /* RFC 3339 */
    FIELD_GEO = 7,      /* a point on the earth */
    FIELD_UUID = 8,     /* 8-4-4-4-12 hexadecimal digits */
    FIELD_OBJECT = 9,   /* has fields of its own */
};
#define FIELD_TYPE_COUNT 10

/* "keyword" and so on. Static. */
const char *field_type_name(enum field_type type);
/* FIELD_UNKNOWN when there is none of that name, or a name that cannot be declared ("object"). */
enum field_type field_type_named(const char *name, size_t size);

enum value_kind {
    VALUE_STRING,
    VALUE_INTEGER,
    VALUE_FLOAT,
    VALUE_BOOLEAN,
    VALUE_DATETIME,
    VALUE_UUID,
};

struct value {
    enum value_kind kind;
    union {
        int64_t
            integer; /* VALUE_INTEGER; VALUE_BOOLEAN: 0 or 1; VALUE_DATETIME: µs since 1970, UTC */
        double number; /* VALUE_FLOAT; finite */
        uint8_t uuid[16];
    };
    const char *text; /* VALUE_STRING, _DATETIME, _UUID: as written, UTF-8, borrowed */
    size_t size;
};

static inline struct value value_string(const char *text, size_t size)
{
    return (struct value){.kind = VALUE_STRING, .text = text, .size = size};
}
static inline struct value value_integer(int64_t integer)
{
    return (struct value){.kind = VALUE_INTEGER, .integer = integer};
}
static inline struct value value_float(double number)
{
    return (struct value){.kind = VALUE_FLOAT, .number = number};
}
static inline struct value value_boolean(int truth)
{
    return (struct value){.kind = VALUE_BOOLEAN, .integer = truth != 0};
}

/* <0, 0, >0. Integers and floats are one kind here; of different kinds, by kind. */
int value_compare(const struct value *a, const struct value *b);
/* The same, but 1 and 1.0 are told apart: whether they are written alike. */
int value_identical(const struct value *a, const struct value *b);

/* The number that JSON or a filter writes as text[0, size): 0 when it is none, or too large for a double. */
int value_parse_number(const char *text, size_t size, struct value *ret_value);

/* A JSON scalar as a value of a field's type. token is json's last; a string is borrowed as it stands,
 * or unescaped into scratch, whose bytes the value borrows then. *ret_fits 0: it is not of that type
 * (null is of none). LODE_NOMEM. */
NODISCARD lode_status value_of_json(const struct json *json, enum json_token token,
                                    enum field_type type, struct buf *scratch,
                                    struct value *ret_value, int *ret_fits, lode_error *error);

#endif
