/* sink_csv.c: comma-separated values with a header row: id, vector (a JSON array in a cell), text, expires_at
 * if some point has one, and a column for each metadata member. Arrays and objects in metadata become JSON in
 * a cell, which is read back as a string: for an exact copy there is JSON Lines. */
#include "cmd/sink.h"

#include "base/number.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int has_name(const struct sink_columns *columns, const char *name)
{
    return columns->count > 0 && bsearch(&name, columns->names, columns->count,
                                         sizeof *columns->names, name_compare) != NULL;
}

static lode_status add_name(struct sink_columns *columns, const char *name, lode_error *error)
{
    if (columns->count == SINK_COLUMNS_MAX)
        return error_set(error, LODE_LIMIT,
                         "the metadata has more than %d different members; a CSV file needs a "
                         "column for each: export as JSON Lines, or with --no-metadata",
                         SINK_COLUMNS_MAX);
    if (columns->count == columns->capacity) {
        size_t capacity = columns->capacity ? columns->capacity * 2 : 16;
        char **names = realloc(columns->names, capacity * sizeof *names);
        if (!names)
            return error_nomem(error, "the columns", capacity * sizeof *names);
        columns->names = names;
        columns->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return error_nomem(error, "a column's name", strlen(name));
    columns->names[columns->count++] = copy;
    qsort(columns->names, columns->count, sizeof *columns->names, name_compare);
    return LODE_OK;
}

static lode_status add_key(struct sink_columns *columns, const struct json *json, struct buf *name,
                           lode_error *error)
{
    buf_clear(name);
    lode_status status = json_unescape(json, name, error);
    if (status == LODE_OK)
        status = buf_terminate(name, error);
    if (status)
        return status;
    const char *text = (const char *)name->data;
    if (name->size == 0 || strlen(text) != name->size)
        return error_set(error, LODE_INVALID,
                         "a metadata member without a name (or with a NUL in it) cannot be a CSV "
                         "column: export as JSON Lines, or with --no-metadata");
    if (strcmp(text, "id") == 0 || strcmp(text, "vector") == 0 || strcmp(text, "text") == 0 ||
        strcmp(text, "expires_at") == 0 || strcmp(text, "v0") == 0)
        return error_set(error, LODE_INVALID,
                         "a metadata member \"%s\" would be taken for the point's own in CSV: "
                         "export as JSON Lines, or with --no-metadata",
                         text);
    return has_name(columns, text) ? LODE_OK : add_name(columns, text, error);
}

lode_status sink_columns_add(struct sink_columns *columns, const char *metadata,
                             size_t metadata_size, lode_error *error)
{
    struct json json;
    struct buf name;
    lode_status status = LODE_OK;
    buf_init(&name, LODE_METADATA_SIZE_MAX);
    json_init(&json, metadata, metadata_size);
    if (json_next(&json) == JSON_OBJECT) {
        while (status == LODE_OK && json_next(&json) == JSON_KEY) {
            status = add_key(columns, &json, &name, error);
            json_skip(&json);
        }
    }
    buf_release(&name);
    return status;
}

void sink_columns_release(struct sink_columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        free(columns->names[i]);
    free(columns->names);
    *columns = (struct sink_columns){.names = NULL};
}

/* --- Cells ---------------------------------------------------------------------------------------- */

static int needs_quotes(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return 1;
    return 0;
}

static lode_status put_cell(struct sink *sink, const char *text, size_t size, lode_error *error)
{
    struct buf *line = &sink->line;
    if (!needs_quotes(text, size))
        return buf_append(line, text, size, error);
    lode_status status = buf_append_u8(line, '"', error);
    while (size > 0 && status == LODE_OK) {
        const char *quote = memchr(text, '"', size);
        size_t run = quote ? (size_t)(quote - text) + 1 : size;
        status = buf_append(line, text, run, error);
        if (status == LODE_OK && quote)
            status = buf_append_u8(line, '"', error);
        text += run;
        size -= run;
    }
    return status ? status : buf_append_u8(line, '"', error);
}

static lode_status put_comma(struct sink *sink, lode_error *error)
{
    return buf_append_u8(&sink->line, ',', error);
}

static lode_status put_vector(struct sink *sink, const float *vector, lode_error *error)
{
    char number[NUMBER_TEXT_MAX];
    lode_status status = put_comma(sink, error);
    for (uint32_t i = 0; i < sink->options.dim && status == LODE_OK; i++) {
        status = buf_append(&sink->line, i ? "," : "\"[", i ? 1 : 2, error);
        if (status == LODE_OK)
            status = buf_append(&sink->line, number, number_format_f32(vector[i], number), error);
    }
    return status ? status : buf_append(&sink->line, "]\"", 2, error);
}

/* The members of one point, in the order of the columns. */
struct csv_state {
    struct csv_value {
        const char *text; /* NULL: absent */
        size_t size;
    } * values;
    struct buf strings; /* unescaped */
    struct buf name;
};

static lode_status place_member(struct sink *sink, struct json *json, lode_error *error)
{
    struct csv_state *state = sink->state;
    const struct sink_columns *columns = sink->options.columns;
    const char *raw = NULL;
    size_t raw_size = 0;
    buf_clear(&state->name);
    lode_status status = json_unescape(json, &state->name, error);
    if (status == LODE_OK)
        status = buf_terminate(&state->name, error);
    if (status)
        return status;
    const char *key = (const char *)state->name.data;
    char **found =
        bsearch(&key, columns->names, columns->count, sizeof *columns->names, name_compare);
    enum json_token token = json_raw(json, &raw, &raw_size);
    if (!found || token == JSON_NULL || token == JSON_ERROR)
        return LODE_OK;
    struct csv_value *value = &state->values[found - columns->names];
    *value = (struct csv_value){raw, raw_size};
    if (token != JSON_STRING)
        return LODE_OK;
    size_t begin = state->strings.size;
    status = json_unescape(json, &state->strings, error);
    *value =
        (struct csv_value){(const char *)state->strings.data + begin, state->strings.size - begin};
    return status;
}

static lode_status put_metadata(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    struct csv_state *state = sink->state;
    size_t count = sink->options.columns->count;
    struct json json;
    lode_status status = LODE_OK;
    if (count > 0)
        memset(state->values, 0, count * sizeof *state->values);
    if (hit->metadata) {
        buf_clear(&state->strings);
        /* Reserved at once, since values point into it. */
        status = buf_reserve(&state->strings, hit->metadata_size, error);
        json_init(&json, hit->metadata, hit->metadata_size);
        if (json_next(&json) == JSON_OBJECT)
            while (status == LODE_OK && json_next(&json) == JSON_KEY)
                status = place_member(sink, &json, error);
    }
    for (size_t i = 0; i < count && status == LODE_OK; i++) {
        status = put_comma(sink, error);
        if (status == LODE_OK && state->values[i].text)
            status = put_cell(sink, state->values[i].text, state->values[i].size, error);
    }
    return status;
}

static lode_status end_line(struct sink *sink, lode_error *error)
{
    lode_status status = buf_append(&sink->line, "\r\n", 2, error);
    return status ? status : sink_put_line(sink, error);
}

static lode_status put_expiry(struct sink *sink, uint64_t expires_at_ms, lode_error *error)
{
    char text[24];
    int size = expires_at_ms ? snprintf(text, sizeof text, "%" PRIu64, expires_at_ms) : 0;
    lode_status status = put_comma(sink, error);
    return status ? status : buf_append(&sink->line, text, (size_t)size, error);
}

static lode_status csv_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    char id[LODE_ID_SIZE_MAX + 1];
    lode_status status = put_cell(sink, id, id_write_text(&hit->id, id), error);
    if (status == LODE_OK && sink->options.with_vector)
        status = put_vector(sink, hit->vector, error);
    if (status == LODE_OK && sink->options.with_text) {
        status = put_comma(sink, error);
        if (status == LODE_OK && hit->text)
            status = put_cell(sink, hit->text, hit->text_size, error);
    }
    if (status == LODE_OK && sink->options.columns->has_expiry)
        status = put_expiry(sink, hit->expires_at_ms, error);
    if (status == LODE_OK && sink->options.with_metadata)
        status = put_metadata(sink, hit, error);
    return status ? status : end_line(sink, error);
}

static lode_status csv_begin(struct sink *sink, lode_error *error)
{
    struct csv_state *state = calloc(1, sizeof *state);
    if (!state)
        return error_nomem(error, "a writer", sizeof *state);
    sink->state = state;
    buf_init(&state->strings, LODE_METADATA_SIZE_MAX);
    buf_init(&state->name, LODE_METADATA_SIZE_MAX);
    size_t count = sink->options.with_metadata ? sink->options.columns->count : 0;
    state->values = calloc(count + 1, sizeof *state->values);
    if (!state->values)
        return error_nomem(error, "the columns", count * sizeof *state->values);
    lode_status status = buf_append(&sink->line, "id", 2, error);
    if (status == LODE_OK && sink->options.with_vector)
        status = buf_append(&sink->line, ",vector", 7, error);
    if (status == LODE_OK && sink->options.with_text)
        status = buf_append(&sink->line, ",text", 5, error);
    if (status == LODE_OK && sink->options.columns->has_expiry)
        status = buf_append(&sink->line, ",expires_at", 11, error);
    for (size_t i = 0; i < count && status == LODE_OK; i++) {
        const char *name = sink->options.columns->names[i];
        status = put_comma(sink, error);
        if (status == LODE_OK)
            status = put_cell(sink, name, strlen(name), error);
    }
    return status ? status : end_line(sink, error);
}

static void csv_close(struct sink *sink)
{
    struct csv_state *state = sink->state;
    if (!state)
        return;
    free(state->values);
    buf_release(&state->strings);
    buf_release(&state->name);
    free(state);
}

const struct sink_ops sink_csv = {.begin = csv_begin, .write = csv_write, .close = csv_close};
