/* json_write.c: the writer. `comma` says, for each enclosing object or array, whether the next thing
 * in it needs a comma before it: not at first, and not after a key. */
#include "base/json.h"

#include "base/number.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void json_writer_init(struct json_writer *writer, struct buf *out, lode_error *error)
{
    writer->out = out;
    writer->error = error;
    writer->status = LODE_OK;
    writer->depth = 0;
}

static void put(struct json_writer *writer, const char *text, size_t size)
{
    if (!writer->status)
        writer->status = buf_append(writer->out, text, size, writer->error);
}

static void put_comma(struct json_writer *writer)
{
    if (writer->depth == 0)
        return;
    uint8_t *comma = &writer->comma[writer->depth - 1];
    if (*comma)
        put(writer, ",", 1);
    *comma = 1;
}

static void put_value(struct json_writer *writer, const char *text, size_t size)
{
    put_comma(writer);
    put(writer, text, size);
}

static void open_nest(struct json_writer *writer, const char *bracket)
{
    put_value(writer, bracket, 1);
    if (writer->status)
        return;
    if (writer->depth == JSON_DEPTH_MAX)
        writer->status =
            error_set(writer->error, LODE_LIMIT, "JSON nested more than %d deep", JSON_DEPTH_MAX);
    else
        writer->comma[writer->depth++] = 0;
}

static void close_nest(struct json_writer *writer, const char *bracket)
{
    put(writer, bracket, 1);
    if (writer->status)
        return;
    INVARIANT(writer->depth > 0);
    writer->depth--;
}

void json_write_object(struct json_writer *writer)
{
    open_nest(writer, "{");
}

void json_write_object_end(struct json_writer *writer)
{
    close_nest(writer, "}");
}

void json_write_array(struct json_writer *writer)
{
    open_nest(writer, "[");
}

void json_write_array_end(struct json_writer *writer)
{
    close_nest(writer, "]");
}

static int is_plain(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static void put_escape(struct json_writer *writer, char c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *pair = letters; *pair; pair += 2) {
        if (pair[0] == c) {
            put(writer, (char[]){'\\', pair[1]}, 2);
            return;
        }
    }
    char text[8];
    int size = snprintf(text, sizeof text, "\\u%04x", (unsigned char)c);
    put(writer, text, (size_t)size);
}

/* Valid UTF-8. */
static void put_escaped(struct json_writer *writer, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t begin = i;
        while (i < size && is_plain(text[i]))
            i++;
        put(writer, text + begin, i - begin);
        if (i < size)
            put_escape(writer, text[i++]);
    }
}

/* A byte that is not valid UTF-8 becomes U+FFFD: whatever comes in, what goes out is valid JSON. */
static void put_string(struct json_writer *writer, const char *text, size_t size)
{
    put(writer, "\"", 1);
    for (;;) {
        size_t valid = utf8_valid_prefix(text, size);
        put_escaped(writer, text, valid);
        if (valid == size)
            break;
        put(writer, "\xef\xbf\xbd", 3);
        text += valid + 1;
        size -= valid + 1;
    }
    put(writer, "\"", 1);
}

void json_write_key(struct json_writer *writer, const char *key)
{
    put_comma(writer);
    put_string(writer, key, strlen(key));
    put(writer, ":", 1);
    if (writer->status)
        return;
    INVARIANT(writer->depth > 0);
    writer->comma[writer->depth - 1] = 0;
}

void json_write_string(struct json_writer *writer, const char *text, size_t size)
{
    put_comma(writer);
    put_string(writer, text, size);
}

void json_write_text(struct json_writer *writer, const char *key, const char *text)
{
    json_write_key(writer, key);
    json_write_string(writer, text, strlen(text));
}

void json_write_u64(struct json_writer *writer, uint64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRIu64, value);
    put_value(writer, text, (size_t)size);
}

void json_write_i64(struct json_writer *writer, int64_t value)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%" PRId64, value);
    put_value(writer, text, (size_t)size);
}

void json_write_f32(struct json_writer *writer, float value)
{
    char text[NUMBER_TEXT_MAX];
    if (isfinite(value))
        put_value(writer, text, number_format_f32(value, text));
    else
        json_write_null(writer);
}

void json_write_f64(struct json_writer *writer, double value)
{
    char text[NUMBER_TEXT_MAX];
    if (isfinite(value))
        put_value(writer, text, number_format_f64(value, text));
    else
        json_write_null(writer);
}

void json_write_bool(struct json_writer *writer, int value)
{
    if (value)
        put_value(writer, "true", 4);
    else
        put_value(writer, "false", 5);
}

void json_write_null(struct json_writer *writer)
{
    put_value(writer, "null", 4);
}

void json_write_raw(struct json_writer *writer, const char *json, size_t size)
{
    put_value(writer, json, size);
}
