/* fuzz_json.c: whatever bytes come, the JSON reader neither strays nor contradicts itself.
 *
 *     clang -std=gnu17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Isrc \
 *         tests/fuzz/fuzz_json.c src/base/[a-z]*.c -lm -o fuzz_json && ./fuzz_json corpus/
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/number.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Write the value whose first token has just been read; 0 when the reader fails. */
static int copy_value(struct json *json, enum json_token token, struct json_writer *writer,
                      struct buf *scratch)
{
    for (unsigned outside = json->depth - (token == JSON_OBJECT || token == JSON_ARRAY);;) {
        const char *text = (const char *)scratch->data;
        switch (token) {
        case JSON_OBJECT: json_write_object(writer); break;
        case JSON_OBJECT_END: json_write_object_end(writer); break;
        case JSON_ARRAY: json_write_array(writer); break;
        case JSON_ARRAY_END: json_write_array_end(writer); break;
        case JSON_KEY:
        case JSON_STRING:
            buf_clear(scratch);
            INVARIANT(json_unescape(json, scratch, NULL) == LODE_OK);
            INVARIANT(buf_terminate(scratch, NULL) == LODE_OK);
            text = (const char *)scratch->data;
            INVARIANT(utf8_valid_prefix(text, scratch->size) == scratch->size);
            if (token == JSON_STRING) {
                json_write_string(writer, text, scratch->size);
            } else {
                INVARIANT(json_key_is(json, text) == (strlen(text) == scratch->size));
                json_write_key(writer, text);
            }
            break;
        case JSON_NUMBER:
            INVARIANT(number_scan(json->text, json->text_size) == json->text_size);
            json_write_raw(writer, json->text, json->text_size);
            break;
        case JSON_TRUE:
        case JSON_FALSE: json_write_bool(writer, token == JSON_TRUE); break;
        case JSON_NULL: json_write_null(writer); break;
        case JSON_ERROR:
        case JSON_END: return 0;
        }
        if (json->depth == outside && token != JSON_KEY)
            return 1;
        token = json_next(json);
    }
}

/* Read every token and write it back; 1 when the document was complete. */
static int copy_document(const char *text, size_t size, struct buf *out)
{
    struct json json;
    struct json_writer writer;
    struct buf scratch;
    buf_init(&scratch, SIZE_MAX);
    json_init(&json, text, size);
    json_writer_init(&writer, out, NULL);
    int complete = copy_value(&json, json_next(&json), &writer, &scratch) &&
                   json_next(&json) == JSON_END && json_next(&json) == JSON_END;
    INVARIANT(complete == !json.error && json.offset <= size);
    INVARIANT(!complete || writer.status == LODE_OK);
    buf_release(&scratch);
    return complete;
}

/* What was accepted, written and read again is the same; the validator agrees, or found a key twice. */
static void check_document(const char *text, size_t size)
{
    struct buf once, twice;
    buf_init(&once, SIZE_MAX);
    buf_init(&twice, SIZE_MAX);
    lode_error error = {0};
    lode_status valid = json_validate(text, size, JSON_END, &error);
    if (copy_document(text, size, &once)) {
        INVARIANT(valid == LODE_OK || strstr(error.message, "duplicate key"));
        INVARIANT(copy_document((char *)once.data, once.size, &twice));
        INVARIANT(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        /* The writer's keys end at a NUL: two of them may become one. */
        if (!memmem(text, size, "\\u0000", 6))
            INVARIANT(json_validate((char *)once.data, once.size, JSON_END, NULL) == valid);
    } else {
        INVARIANT(valid == LODE_INVALID);
    }
    buf_release(&once);
    buf_release(&twice);
}

/* An array of numbers read at once is what its tokens say, one by one. */
static void check_numbers(const char *text, size_t size)
{
    enum { COUNT_MAX = 64 };
    float values[COUNT_MAX];
    struct json json, tokens;
    json_init(&json, text, size);
    json_init(&tokens, text, size);
    if (json_next(&json) != JSON_ARRAY || json_next(&tokens) != JSON_ARRAY)
        return;
    long count = json_read_f32s(&json, values, COUNT_MAX);
    for (long i = 0; i < count; i++) {
        INVARIANT(json_next(&tokens) == JSON_NUMBER);
        float f32, again;
        double f64;
        INVARIANT(number_parse_f32(tokens.text, tokens.text_size, &f32) == tokens.text_size);
        INVARIANT(number_parse_f64(tokens.text, tokens.text_size, &f64) == tokens.text_size);
        INVARIANT(memcmp(&f32, &values[i], sizeof f32) == 0 && isfinite(f32));
        INVARIANT(fabs(f64 - (double)f32) <= fabs(f64) * 0x1p-24 + 0x1p-150);
        char shortest[NUMBER_TEXT_MAX];
        size_t shortest_size = number_format_f32(f32, shortest);
        INVARIANT(number_parse_f32(shortest, shortest_size, &again) == shortest_size);
        INVARIANT(memcmp(&f32, &again, sizeof f32) == 0);
    }
    if (count >= 0)
        INVARIANT(json_next(&tokens) == JSON_ARRAY_END && tokens.offset == json.offset);
}

/* Skipping and taking raw end where reading ends. */
static void check_skipping(const char *text, size_t size)
{
    struct json skipped, taken;
    const char *raw = NULL;
    size_t raw_size = 0;
    json_init(&skipped, text, size);
    json_init(&taken, text, size);
    enum json_token token = json_skip(&skipped);
    INVARIANT(json_raw(&taken, &raw, &raw_size) == token);
    INVARIANT(taken.offset == skipped.offset && taken.error == skipped.error);
    if (token == JSON_ERROR)
        return;
    INVARIANT(raw >= text && raw + raw_size == text + taken.offset);
    struct buf out;
    buf_init(&out, SIZE_MAX);
    INVARIANT(copy_document(raw, raw_size, &out));
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1); /* its own allocation: a look beyond it is found */
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    check_document(text, size);
    check_numbers(text, size);
    check_skipping(text, size);
    free(text);
    return 0;
}
