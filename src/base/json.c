/* json.c: the pull parser. One call reads one token; what may follow is kept in `state`, what encloses
 * in `stack`. A comma is read together with what it announces, a colon together with its key. */
#include "base/json.h"

#include "base/json_escape.h"
#include "base/le.h"
#include "base/number.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

enum state {
    AT_VALUE,       /* a value must come */
    AT_FIRST_VALUE, /* or the end of the array */
    AT_FIRST_KEY,   /* a key, or the end of the object */
    AFTER_VALUE,    /* a comma, or the end of what encloses */
};

void json_init(struct json *json, const char *data, size_t size)
{
    memset(json, 0, offsetof(struct json, stack));
    json->data = size ? data : "";
    json->size = size;
    json->text = json->data;
    json->state = AT_VALUE;
}

static enum json_token fail(struct json *json, const char *at, const char *error)
{
    json->offset = (size_t)(at - json->data);
    json->error = error;
    return JSON_ERROR;
}

static inline int is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* The top bit of each byte that is below 0x20, a quote or a backslash. Bytes above the lowest such
 * byte may be marked wrongly (a borrow), so only the lowest mark is to be used. */
static inline uint64_t special_bytes(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    return (((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) |
            ((backslash - ones) & ~backslash)) &
           tops;
}

/* The first quote, backslash or control character at or after p, or end. *ret_bits collects the
 * bits of what was passed, to tell whether all of it was ASCII. */
static inline const char *skip_plain(const char *p, const char *end, uint64_t *ret_bits)
{
    for (; end - p >= 8; p += 8) {
        uint64_t word = le_load_u64(p);
        uint64_t special = special_bytes(word);
        *ret_bits |= word;
        if (special)
            return p + __builtin_ctzll(special) / 8;
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        *ret_bits |= c;
    }
    return p;
}

/* Read the string whose opening quote is at p. Returns 1, or 0 after fail. */
static int read_string(struct json *json, const char *p)
{
    const char *end = json->data + json->size;
    const char *begin = ++p;
    uint64_t bits = 0;
    json->escaped = 0;
    while ((p = skip_plain(p, end, &bits)) < end && *p == '\\') {
        const char *next = json_escape_end(p, end);
        if (!next) {
            fail(json, p, "invalid escape in a string");
            return 0;
        }
        json->escaped = 1;
        p = next;
    }
    if (p == end || *p != '"') {
        fail(json, p, p == end ? "string without end" : "control character in a string");
        return 0;
    }
    json->text = begin;
    json->text_size = (size_t)(p - begin);
    json->offset = (size_t)(p + 1 - json->data);
    if (bits & 0x8080808080808080) {
        size_t valid = utf8_valid_prefix(begin, json->text_size);
        if (valid < json->text_size) {
            fail(json, begin + valid, "invalid UTF-8 in a string");
            return 0;
        }
    }
    return 1;
}

static enum json_token read_key(struct json *json, const char *p)
{
    const char *end = json->data + json->size;
    if (p == end || *p != '"')
        return fail(json, p, p == end ? "unexpected end" : "expected a key");
    if (!read_string(json, p))
        return JSON_ERROR;
    p = skip_space(json->data + json->offset, end);
    if (p == end || *p != ':')
        return fail(json, p, p == end ? "unexpected end" : "expected ':' after a key");
    json->offset = (size_t)(p + 1 - json->data);
    json->state = AT_VALUE;
    return JSON_KEY;
}

static enum json_token accept(struct json *json, const char *p, size_t size, enum state state,
                              enum json_token token)
{
    json->text = p;
    json->text_size = size;
    json->offset = (size_t)(p - json->data) + size;
    json->state = (uint8_t)state;
    return token;
}

static enum json_token open_nest(struct json *json, const char *p)
{
    if (json->depth == JSON_DEPTH_MAX)
        return fail(json, p, "nested too deeply");
    json->stack[json->depth++] = (uint8_t)*p;
    if (*p == '{')
        return accept(json, p, 1, AT_FIRST_KEY, JSON_OBJECT);
    return accept(json, p, 1, AT_FIRST_VALUE, JSON_ARRAY);
}

static enum json_token close_nest(struct json *json, const char *p)
{
    json->depth--;
    return accept(json, p, 1, AFTER_VALUE, *p == '}' ? JSON_OBJECT_END : JSON_ARRAY_END);
}

static enum json_token read_literal(struct json *json, const char *p, const char *literal,
                                    enum json_token token)
{
    size_t size = strlen(literal), left = json->size - (size_t)(p - json->data);
    if (left < size || memcmp(p, literal, size) != 0)
        return fail(json, p, "expected a value");
    return accept(json, p, size, AFTER_VALUE, token);
}

static enum json_token read_number(struct json *json, const char *p)
{
    size_t size = number_scan(p, json->size - (size_t)(p - json->data));
    if (!size)
        return fail(json, p, "malformed number");
    return accept(json, p, size, AFTER_VALUE, JSON_NUMBER);
}

static enum json_token read_value(struct json *json, const char *p)
{
    if (p == json->data + json->size)
        return fail(json, p, "unexpected end");
    switch (*p) {
    case '"': json->state = AFTER_VALUE; return read_string(json, p) ? JSON_STRING : JSON_ERROR;
    case '{':
    case '[': return open_nest(json, p);
    case 't': return read_literal(json, p, "true", JSON_TRUE);
    case 'f': return read_literal(json, p, "false", JSON_FALSE);
    case 'n': return read_literal(json, p, "null", JSON_NULL);
    case '-':
    case '0' ... '9': return read_number(json, p);
    default: return fail(json, p, "expected a value");
    }
}

/* After a value inside an object or array. */
static enum json_token read_next(struct json *json, const char *p)
{
    const char *end = json->data + json->size;
    int in_object = json->stack[json->depth - 1] == '{';
    if (p == end)
        return fail(json, p, "unexpected end");
    if (*p == (in_object ? '}' : ']'))
        return close_nest(json, p);
    if (*p != ',')
        return fail(json, p, in_object ? "expected ',' or '}'" : "expected ',' or ']'");
    p = skip_space(p + 1, end);
    return in_object ? read_key(json, p) : read_value(json, p);
}

static enum json_token read_end(struct json *json, const char *p)
{
    if (p < json->data + json->size)
        return fail(json, p, "bytes after the document's end");
    return accept(json, p, 0, AFTER_VALUE, JSON_END);
}

enum json_token json_next(struct json *json)
{
    if (json->error)
        return JSON_ERROR;
    const char *end = json->data + json->size;
    const char *p = skip_space(json->data + json->offset, end);
    switch ((enum state)json->state) {
    case AFTER_VALUE: return json->depth ? read_next(json, p) : read_end(json, p);
    case AT_FIRST_KEY: return p < end && *p == '}' ? close_nest(json, p) : read_key(json, p);
    case AT_FIRST_VALUE: return p < end && *p == ']' ? close_nest(json, p) : read_value(json, p);
    case AT_VALUE: break;
    }
    return read_value(json, p);
}

/* After an opening token: to the end of what it opened. */
static int skip_nest(struct json *json)
{
    unsigned outside = json->depth - 1;
    while (json->depth > outside)
        if (json_next(json) == JSON_ERROR)
            return 0;
    return 1;
}

enum json_token json_skip(struct json *json)
{
    enum json_token first = json_next(json);
    if (first == JSON_OBJECT || first == JSON_ARRAY)
        return skip_nest(json) ? first : JSON_ERROR;
    return first;
}

enum json_token json_raw(struct json *json, const char **ret_text, size_t *ret_size)
{
    enum json_token first = json_next(json);
    const char *begin = json->text - (first == JSON_STRING); /* the quote belongs to it */
    if ((first == JSON_OBJECT || first == JSON_ARRAY) && !skip_nest(json))
        return JSON_ERROR;
    if (first == JSON_ERROR)
        return JSON_ERROR;
    *ret_text = begin;
    *ret_size = (size_t)(json->data + json->offset - begin);
    return first;
}

int json_key_is(const struct json *json, const char *key)
{
    size_t size = strlen(key);
    if (!json->escaped)
        return json->text_size == size && memcmp(json->text, key, size) == 0;
    const char *p = json->text, *end = p + json->text_size;
    while (p < end) {
        char bytes[4];
        size_t count = json_escape_step(&p, bytes);
        if (count > size || memcmp(bytes, key, count) != 0)
            return 0;
        key += count;
        size -= count;
    }
    return size == 0;
}

lode_status json_unescape(const struct json *json, struct buf *out, lode_error *error)
{
    /* Unescaping never makes a string longer. */
    lode_status status = buf_reserve(out, json->text_size, error);
    if (status || !json->escaped)
        return status ? status : buf_append(out, json->text, json->text_size, error);
    const char *p = json->text, *end = p + json->text_size;
    while (p < end) {
        char bytes[4];
        size_t count = json_escape_step(&p, bytes);
        memcpy(out->data + out->size, bytes, count);
        out->size += count;
    }
    return LODE_OK;
}

static long fail_numbers(struct json *json, const char *at, const char *error)
{
    fail(json, at, error);
    return -1;
}

long json_read_f32s(struct json *json, float *values, size_t count_max)
{
    if (json->error)
        return -1;
    const char *end = json->data + json->size;
    const char *p = skip_space(json->data + json->offset, end);
    if (json->depth == 0 || json->state != AT_FIRST_VALUE)
        return fail_numbers(json, p, "expected an array");
    if (p < end && *p == ']') {
        close_nest(json, p);
        return 0;
    }
    for (size_t count = 0;; count++) {
        float value;
        size_t size = number_parse_f32(p, (size_t)(end - p), &value);
        if (!size)
            return fail_numbers(json, p, "expected a number");
        if (count == count_max)
            return fail_numbers(json, p, "too many numbers");
        if (!isfinite(value))
            return fail_numbers(json, p, "number out of the range of float");
        values[count] = value;
        p = skip_space(p + size, end);
        if (p < end && *p == ']') {
            close_nest(json, p);
            return (long)count + 1;
        }
        if (p == end || *p != ',')
            return fail_numbers(json, p, "expected ',' or ']'");
        p = skip_space(p + 1, end);
    }
}
