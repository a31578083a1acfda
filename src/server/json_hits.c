/* json_hits.c: see json_hits.h. Id and score, which every hit has, are put together on the stack and appended at once. */
#include "server/json_hits.h"

#include "base/number.h"
#include "server/json_values.h"

#include <math.h>
#include <string.h>

static void write_head(struct json_writer *json, const lode_hit *hit, int has_score)
{
    char text[JSON_ID_TEXT_MAX + NUMBER_TEXT_MAX + 24];
    memcpy(text, "\"id\":", 5);
    size_t size = json_id_plain(&hit->id, text + 5);
    if (!size) {
        json_write_key(json, "id");
        json_write_string(json, hit->id.string, hit->id.string_size);
        if (has_score) {
            json_write_key(json, "score");
            json_write_f32(json, hit->score);
        }
        return;
    }
    size += 5;
    if (has_score) {
        memcpy(text + size, ",\"score\":", 9);
        size += 9;
        if (isfinite(hit->score)) {
            size += number_format_f32(hit->score, text + size);
        } else {
            memcpy(text + size, "null", 4);
            size += 4;
        }
    }
    json_write_raw(json, text, size);
}

static size_t encode(const uint8_t *bytes, size_t size, char *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    char *p = out;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (left > 1)
            bits |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2)
            bits |= bytes[i + 2];
        *p++ = digits[bits >> 18];
        *p++ = digits[bits >> 12 & 63];
        *p++ = digits[left > 1 ? bits >> 6 & 63 : 64];
        *p++ = digits[left > 2 ? bits & 63 : 64];
    }
    return (size_t)(p - out);
}

void json_write_base64_begin(struct json_writer *json)
{
    json_write_raw(json, "\"", 1);
}

/* Append what the bytes are in base64. */
static void put_encoded(struct json_writer *json, const uint8_t *bytes, size_t size)
{
    struct buf *out = json->out;
    if (!json->status)
        json->status = buf_reserve(out, (size + 2) / 3 * 4, json->error);
    if (!json->status)
        out->size += encode(bytes, size, (char *)out->data + out->size);
}

void json_write_base64_more(struct json_writer *json, struct json_base64 *base64,
                            const float *values, size_t count)
{
    const uint8_t *bytes = (const uint8_t *)values;
    size_t size = count * sizeof(float);
    while (size > 0 && base64->rest_size > 0 && base64->rest_size < 3) {
        base64->rest[base64->rest_size++] = *bytes++;
        size--;
    }
    if (base64->rest_size == 3) {
        put_encoded(json, base64->rest, 3);
        base64->rest_size = 0;
    }
    size_t whole = size / 3 * 3;
    if (whole)
        put_encoded(json, bytes, whole);
    for (size_t i = whole; i < size; i++)
        base64->rest[base64->rest_size++] = bytes[i];
}

void json_write_base64_end(struct json_writer *json, struct json_base64 *base64)
{
    put_encoded(json, base64->rest, base64->rest_size);
    if (!json->status)
        json->status = buf_append(json->out, "\"", 1, json->error);
}

static void write_vector(struct json_writer *json, const lode_hit *hit,
                         const struct json_hit_options *options)
{
    json_write_key(json, "vector");
    if (options->is_base64) {
        struct json_base64 rest = {0};
        json_write_base64_begin(json);
        json_write_base64_more(json, &rest, hit->vector, options->dim);
        json_write_base64_end(json, &rest);
        return;
    }
    json_write_array(json);
    for (uint32_t i = 0; i < options->dim; i++)
        json_write_f32(json, hit->vector[i]);
    json_write_array_end(json);
}

static int is_wanted(const struct json *json, const struct json_hit_options *options)
{
    for (size_t i = 0; i < options->field_count; i++)
        if (json_key_is(json, options->fields[i]))
            return 1;
    return 0;
}

static void write_fields(struct json_writer *out, const lode_hit *hit,
                         const struct json_hit_options *options)
{
    struct json json;
    json_write_object(out);
    json_init(&json, hit->metadata, hit->metadata_size);
    if (json_next(&json) == JSON_OBJECT) {
        while (json_next(&json) == JSON_KEY) {
            const char *key = json.text, *value = "";
            size_t value_size = 0;
            int wanted = is_wanted(&json, options);
            if (json_raw(&json, &value, &value_size) == JSON_ERROR)
                break;
            /* From the opening quote of the key on, as it stands. */
            if (wanted)
                json_write_raw(out, key - 1, (size_t)(value + value_size - key) + 1);
        }
    }
    json_write_object_end(out);
}

void json_hit_write_metadata(struct json_writer *json, const lode_hit *hit,
                             const struct json_hit_options *options)
{
    if (!hit->metadata)
        json_write_null(json);
    else if (options->fields)
        write_fields(json, hit, options);
    else
        json_write_raw(json, hit->metadata, hit->metadata_size);
}

void json_hit_write(struct json_writer *json, const lode_hit *hit,
                    const struct json_hit_options *options)
{
    json_write_object(json);
    write_head(json, hit, options->has_score);
    if (hit->vector)
        write_vector(json, hit, options);
    if (hit->metadata) {
        json_write_key(json, "metadata");
        json_hit_write_metadata(json, hit, options);
    }
    if (hit->text) {
        json_write_key(json, "text");
        json_write_string(json, hit->text, hit->text_size);
    }
    if (hit->expires_at_ms) {
        json_write_key(json, "expires");
        json_write_u64(json, hit->expires_at_ms);
    }
    if (hit->version) {
        json_write_key(json, "version");
        json_write_u64(json, hit->version);
    }
    json_write_object_end(json);
}
