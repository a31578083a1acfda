/* texts.c: see texts.h. */
#include "cmd/texts.h"

#include "base/array.h"
#include "base/json.h"
#include "cmd/input.h"

#include <stdlib.h>

static lode_status texts_add(struct texts *texts, const char *data, size_t size, lode_error *error)
{
    lode_text *items = array_grow(texts->items, texts->count, &texts->capacity, sizeof *items,
                                  "the list of texts", error);
    if (!items)
        return LODE_NOMEM;
    texts->items = items;
    char *copy = arena_copy(&texts->arena, data, size);
    if (!copy)
        return error_nomem(error, "a text", size);
    texts->items[texts->count++] = (lode_text){copy, size};
    return LODE_OK;
}

/* The last token is the value of "text". */
static lode_status take_text(struct texts *texts, const struct json *json, enum json_token token,
                             struct buf *plain, lode_error *error)
{
    if (token == JSON_NULL) {
        texts->lines_without++;
        return LODE_OK;
    }
    if (token != JSON_STRING)
        return error_set(error, LODE_INVALID, "\"text\" must be a string, or null");
    buf_clear(plain);
    lode_status status = json_unescape(json, plain, error);
    return status ? status : texts_add(texts, (const char *)plain->data, plain->size, error);
}

static lode_status read_line(struct texts *texts, const char *line, size_t size, struct buf *plain,
                             lode_error *error)
{
    struct json json;
    json_init(&json, line, size);
    lode_status status = LODE_OK;
    int found = 0;
    enum json_token token = json_next(&json);
    if (token == JSON_END || (token == JSON_ERROR && size == 0))
        return LODE_OK;
    if (token != JSON_OBJECT && token != JSON_ERROR)
        return error_set(error, LODE_INVALID, "a line must hold a JSON object");
    while (status == LODE_OK && (token = json_next(&json)) == JSON_KEY) {
        int wanted = json_key_is(&json, "text");
        token = wanted ? json_next(&json) : json_skip(&json);
        if (wanted && token != JSON_ERROR)
            status = take_text(texts, &json, token, plain, error);
        found |= wanted;
    }
    if (status == LODE_OK && (token == JSON_ERROR || json_next(&json) != JSON_END))
        status = error_set(error, LODE_INVALID, "byte %zu: %s", json.offset + 1, json.error);
    texts->lines_without += !found;
    return status;
}

static lode_status read_lines(struct texts *texts, struct input *input, struct buf *plain,
                              struct progress *progress, lode_error *error)
{
    lode_status status = input_skip_mark(input, error);
    while (status == LODE_OK) {
        char *line = NULL;
        size_t size = 0;
        status = input_line(input, &line, &size, error);
        if (status == LODE_OK && !line)
            break;
        if (status == LODE_OK)
            status = read_line(texts, line, size, plain, error);
        if (status)
            error_prefix(error, "line %llu: ", (unsigned long long)input->line);
        if (input->line % 1024 == 0)
            progress_update(progress, input->offset, input->size);
    }
    return status;
}

lode_status texts_read(struct texts *texts, const char *path, struct progress *progress,
                       lode_error *error)
{
    struct input input;
    struct buf plain;
    *texts = (struct texts){.count = 0};
    arena_init(&texts->arena);
    lode_status status = input_open(&input, path, error);
    if (status)
        return status;
    buf_init(&plain, INPUT_LINE_MAX);
    status = read_lines(texts, &input, &plain, progress, error);
    buf_release(&plain);
    input_close(&input);
    return status;
}

void texts_release(struct texts *texts)
{
    arena_release(&texts->arena);
    free(texts->items);
    *texts = (struct texts){.count = 0};
}
