/* json.h: a strict pull parser (RFC 8259) and a writer, without allocation per value.
 *
 * Strict: UTF-8 checked, duplicate keys of one object refused by json_validate, no trailing bytes, no
 * comments, depth at most JSON_DEPTH_MAX, \u surrogates must pair, numbers as the grammar says.
 *
 * Reading one object:
 *     json_init(&json, text, size);
 *     if (json_next(&json) == JSON_OBJECT)                      // '{'
 *         while (json_next(&json) == JSON_KEY) {                // json.text is the raw key
 *             if (json_key_is(&json, "vector")) ... json_next / json_read_f32s ...
 *             else json_skip(&json);                            // the key's whole value
 *         }                                                     // ended by JSON_OBJECT_END
 *     json_next(&json) == JSON_END
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/limits.h"

enum json_token {
    JSON_ERROR, /* json.error says why, json.offset where; sticky */
    JSON_END,   /* the document is complete and nothing follows */
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json {
    const char *data;
    size_t size;
    size_t offset; /* of the next byte; after JSON_ERROR: of the fault */
    /* Of the last token: for strings and keys between the quotes, still escaped. */
    const char *text;
    size_t text_size;
    int escaped;       /* the last string or key contains a backslash */
    const char *error; /* static text */
    unsigned depth;
    uint8_t stack[JSON_DEPTH_MAX]; /* parser's own: what encloses */
    uint8_t state;                 /* parser's own */
};

void json_init(struct json *json, const char *data, size_t size);
enum json_token json_next(struct json *json);
/* Skip the value that comes next, whole. Returns its first token, or JSON_ERROR. */
enum json_token json_skip(struct json *json);
/* The raw text of the value that comes next, whole (skips it). */
enum json_token json_raw(struct json *json, const char **ret_text, size_t *ret_size);
int json_key_is(const struct json *json, const char *key); /* unescapes when it must */
/* Append the last string or key, unescaped. */
NODISCARD lode_status json_unescape(const struct json *json, struct buf *out, lode_error *error);
/* After JSON_ARRAY: read finite floats up to the closing bracket into values[0, count_max).
 * Returns how many there were, or -1 with json->error set (too many, not a number, not finite). */
long json_read_f32s(struct json *json, float *values, size_t count_max);

/* Check one whole document; want JSON_OBJECT, JSON_ARRAY or JSON_END for any. LODE_INVALID names the
 * byte offset and the fault. */
NODISCARD lode_status json_validate(const char *text, size_t size, enum json_token want,
                                    lode_error *error);

/* Writing: appends with the commas and colons where they belong. */
struct json_writer {
    struct buf *out;
    lode_error *error;
    lode_status status; /* of the first failure; later calls do nothing */
    unsigned depth;
    uint8_t comma[JSON_DEPTH_MAX];
};

void json_writer_init(struct json_writer *writer, struct buf *out, lode_error *error);
void json_write_object(struct json_writer *writer);
void json_write_object_end(struct json_writer *writer);
void json_write_array(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);
void json_write_key(struct json_writer *writer, const char *key);
void json_write_string(struct json_writer *writer, const char *text, size_t size);
/* A member whose value is a text that ends with NUL. */
void json_write_text(struct json_writer *writer, const char *key, const char *text);
void json_write_u64(struct json_writer *writer, uint64_t value);
void json_write_i64(struct json_writer *writer, int64_t value);
void json_write_f32(struct json_writer *writer, float value);  /* null when not finite */
void json_write_f64(struct json_writer *writer, double value); /* null when not finite */
void json_write_bool(struct json_writer *writer, int value);
void json_write_null(struct json_writer *writer);
void json_write_raw(struct json_writer *writer, const char *json, size_t size);

#endif
