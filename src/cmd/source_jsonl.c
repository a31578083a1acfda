/* source_jsonl.c: JSON Lines: a point a line,
 *     {"id": 7, "vector": [0.1, 0.2], "metadata": {"year": 1979}, "text": "In space ..."}
 * and "expires_at", in milliseconds since 1970.
 * Each line is parsed where it lies in the input buffer; what the point keeps is copied to the batch.
 * Empty lines are passed over; a byte order mark at the beginning too. */
#include "cmd/source.h"

#include "base/number.h"

#include <stdlib.h>
#include <string.h>

enum member { MEMBER_ID, MEMBER_VECTOR, MEMBER_METADATA, MEMBER_TEXT, MEMBER_EXPIRY, MEMBER_COUNT };
static const char *const member_names[MEMBER_COUNT] = {"id", "vector", "metadata", "text",
                                                       "expires_at"};

struct jsonl_state {
    struct buf text;     /* of the last unescaped string */
    struct buf metadata; /* composed, for --metadata-rest */
    float *first_vector; /* LODE_DIM_MAX floats while the dimension is not known */
};

/* One line being read. */
struct line {
    struct source *source;
    struct jsonl_state *state;
    struct batch *batch;
    struct json json;
    lode_point point;
    const char *metadata; /* raw, in the line */
    size_t metadata_size;
    unsigned seen; /* bits of members */
};

static lode_status malformed(const struct line *line, lode_error *error)
{
    return error_set(error, LODE_INVALID, "byte %zu: %s", line->json.offset + 1, line->json.error);
}

static lode_status wrong_type(const char *member, const char *wanted, lode_error *error)
{
    return error_set(error, LODE_INVALID, "\"%s\" must be %s", member, wanted);
}

/* The last string token as bytes; they live until the next call or line. */
static lode_status string_bytes(struct line *line, const char **ret_text, size_t *ret_size,
                                lode_error *error)
{
    struct buf *text = &line->state->text;
    *ret_text = line->json.text;
    *ret_size = line->json.text_size;
    if (!line->json.escaped)
        return LODE_OK;
    buf_clear(text);
    lode_status status = json_unescape(&line->json, text, error);
    *ret_text = (const char *)text->data;
    *ret_size = text->size;
    return status;
}

static lode_status read_id(struct line *line, lode_error *error)
{
    enum json_token token = json_next(&line->json);
    const char *text = line->json.text;
    size_t size = line->json.text_size;
    lode_id id;
    if (token == JSON_ERROR)
        return malformed(line, error);
    if (token != JSON_STRING && token != JSON_NUMBER)
        return wrong_type("id", "a whole number or a string", error);
    lode_status status = LODE_OK;
    if (token == JSON_STRING)
        status = string_bytes(line, &text, &size, error);
    if (status == LODE_OK)
        status = id_from_json(token, text, size, line->source->options.id_rule, &id, error);
    return status ? status : source_keep_id(line->batch, &id, &line->point.id, error);
}

static lode_status vector_count(const struct line *line, size_t wanted, long count,
                                lode_error *error)
{
    int too_many = count < 0 && strcmp(line->json.error, "too many numbers") == 0;
    if (count < 0 && !too_many)
        return malformed(line, error);
    return error_set(error, LODE_INVALID, "\"vector\" has %s%ld numbers, not %zu",
                     too_many ? "more than " : "", too_many ? (long)wanted : count, wanted);
}

/* The first vector of a file whose dimension nobody said: read it aside, then make it the rule. */
static lode_status read_first_vector(struct line *line, float **ret_vector, lode_error *error)
{
    struct jsonl_state *state = line->state;
    if (!state->first_vector)
        state->first_vector = malloc(LODE_DIM_MAX * sizeof(float));
    if (!state->first_vector)
        return error_nomem(error, "a vector", LODE_DIM_MAX * sizeof(float));
    long count = json_read_f32s(&line->json, state->first_vector, LODE_DIM_MAX);
    if (count < 0)
        return vector_count(line, LODE_DIM_MAX, count, error);
    lode_status status = source_set_dim(line->source, (uint64_t)count, error);
    if (status == LODE_OK)
        status = batch_vector(line->batch, (uint32_t)count, ret_vector, error);
    if (status == LODE_OK)
        memcpy(*ret_vector, state->first_vector, (size_t)count * sizeof(float));
    free(state->first_vector);
    state->first_vector = NULL;
    return status;
}

static lode_status read_vector(struct line *line, lode_error *error)
{
    float *vector = NULL;
    uint32_t dim = line->source->dim;
    enum json_token token = json_next(&line->json);
    if (token == JSON_NULL)
        return LODE_OK;
    if (token == JSON_ERROR)
        return malformed(line, error);
    if (token != JSON_ARRAY)
        return wrong_type("vector", "an array of numbers, or null", error);
    lode_status status = LODE_OK;
    if (dim == 0) {
        status = read_first_vector(line, &vector, error);
    } else {
        status = batch_vector(line->batch, dim, &vector, error);
        long count = status ? 0 : json_read_f32s(&line->json, vector, dim);
        if (status == LODE_OK && count != (long)dim)
            status = vector_count(line, dim, count, error);
    }
    line->point.vector = vector;
    return status;
}

static lode_status read_metadata(struct line *line, lode_error *error)
{
    enum json_token token = json_raw(&line->json, &line->metadata, &line->metadata_size);
    if (token == JSON_ERROR)
        return malformed(line, error);
    if (token == JSON_NULL)
        line->metadata = NULL;
    else if (token != JSON_OBJECT)
        return wrong_type("metadata", "an object, or null", error);
    return LODE_OK;
}

static lode_status read_text(struct line *line, lode_error *error)
{
    enum json_token token = json_next(&line->json);
    if (token == JSON_NULL)
        return LODE_OK;
    if (token == JSON_ERROR)
        return malformed(line, error);
    if (token != JSON_STRING)
        return wrong_type("text", "a string, or null", error);
    const char *text = NULL;
    size_t size = 0;
    lode_status status = string_bytes(line, &text, &size, error);
    if (status == LODE_OK && size > LODE_TEXT_SIZE_MAX)
        status = error_set(error, LODE_LIMIT, "\"text\" has %zu bytes; at most %d", size,
                           LODE_TEXT_SIZE_MAX);
    line->point.text_size = size;
    return status ? status : batch_copy(line->batch, text, size, &line->point.text, error);
}

static lode_status read_expiry(struct line *line, lode_error *error)
{
    enum json_token token = json_next(&line->json);
    if (token == JSON_NULL)
        return LODE_OK;
    if (token == JSON_ERROR)
        return malformed(line, error);
    if (token != JSON_NUMBER ||
        !number_parse_u64(line->json.text, line->json.text_size, &line->point.expires_at_ms))
        return wrong_type("expires_at", "milliseconds since 1970, a whole number, or null", error);
    return LODE_OK;
}

/* With --metadata-rest: `"key": value` into the metadata being composed. */
static lode_status keep_rest(struct line *line, lode_error *error)
{
    struct buf *metadata = &line->state->metadata;
    const char *key = line->json.text, *value = NULL;
    size_t key_size = line->json.text_size, value_size = 0;
    if (json_raw(&line->json, &value, &value_size) == JSON_ERROR)
        return malformed(line, error);
    lode_status status =
        buf_append(metadata, metadata->size ? ",\"" : "\"", metadata->size ? 2 : 1, error);
    if (status == LODE_OK)
        status = buf_append(metadata, key, key_size, error);
    if (status == LODE_OK)
        status = buf_append(metadata, "\":", 2, error);
    return status ? status : buf_append(metadata, value, value_size, error);
}

static lode_status read_unknown(struct line *line, lode_error *error)
{
    if (line->source->options.metadata_rest)
        return keep_rest(line, error);
    if (json_key_is(&line->json, "version")) /* as export --with-version writes it */
        return json_skip(&line->json) == JSON_ERROR ? malformed(line, error) : LODE_OK;
    int shown = line->json.text_size < 64 ? (int)line->json.text_size : 64;
    return error_set(
        error, LODE_INVALID,
        "unknown member \"%.*s\": a point has id, vector, metadata, text and expires_at; "
        "--metadata-rest puts others into its metadata",
        shown, line->json.text);
}

static lode_status read_member(struct line *line, lode_error *error)
{
    static lode_status (*const read[MEMBER_COUNT])(struct line * line, lode_error * error) = {
        read_id, read_vector, read_metadata, read_text, read_expiry};
    for (unsigned i = 0; i < MEMBER_COUNT; i++) {
        if (!json_key_is(&line->json, member_names[i]))
            continue;
        if (line->seen & 1u << i)
            return error_set(error, LODE_INVALID, "duplicate member \"%s\"", member_names[i]);
        line->seen |= 1u << i;
        return read[i](line, error);
    }
    return read_unknown(line, error);
}

/* Metadata and the rest as one object in state->metadata. */
static lode_status join_metadata(struct line *line, lode_error *error)
{
    struct buf *all = &line->state->metadata;
    if (all->size == 0)
        return LODE_OK;
    /* What stands between the braces of "metadata" goes behind, then the braces around all. */
    lode_status status = LODE_OK;
    struct json json;
    json_init(&json, line->metadata ? line->metadata : "{}",
              line->metadata ? line->metadata_size : 2);
    (void)json_next(&json); /* the opening brace */
    int empty = json_next(&json) == JSON_OBJECT_END;
    if (!empty) {
        status = buf_append(all, ",", 1, error);
        if (status == LODE_OK)
            status = buf_append(all, line->metadata + 1, line->metadata_size - 2, error);
    }
    if (status == LODE_OK)
        status = buf_append(all, "} ", 2, error); /* the blank makes room for the opening brace */
    if (status)
        return status;
    memmove(all->data + 1, all->data, all->size - 1);
    all->data[0] = '{';
    line->metadata = (const char *)all->data;
    line->metadata_size = all->size;
    return LODE_OK;
}

static lode_status keep_metadata(struct line *line, lode_error *error)
{
    lode_status status = join_metadata(line, error);
    if (status || !line->metadata)
        return status;
    if (line->metadata_size > LODE_METADATA_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "the metadata has %zu bytes; at most %d",
                         line->metadata_size, LODE_METADATA_SIZE_MAX);
    status = json_validate(line->metadata, line->metadata_size, JSON_OBJECT, error);
    if (status) {
        error_prefix(error, "metadata: ");
        return status;
    }
    line->point.metadata_size = line->metadata_size;
    return batch_copy(line->batch, line->metadata, line->metadata_size, &line->point.metadata,
                      error);
}

static lode_status read_members(struct line *line, lode_error *error)
{
    enum json_token token = json_next(&line->json);
    if (token != JSON_OBJECT && token != JSON_ERROR)
        return error_set(error, LODE_INVALID, "a line must hold a JSON object");
    lode_status status = LODE_OK;
    while (status == LODE_OK && (token = json_next(&line->json)) == JSON_KEY)
        status = read_member(line, error);
    if (status == LODE_OK && (token == JSON_ERROR || json_next(&line->json) != JSON_END))
        status = malformed(line, error);
    return status;
}

static lode_status check_point(const struct line *line, lode_error *error)
{
    if (!(line->seen & 1u << MEMBER_ID))
        return error_set(error, LODE_INVALID, "the point has no \"id\"");
    if (!line->point.vector && !line->point.text)
        return error_set(error, LODE_INVALID,
                         "the point has neither \"vector\" nor a \"text\" to make one from");
    return LODE_OK;
}

static int is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\t')
            return 0;
    return 1;
}

/* The next line that is not blank; NULL at the end. */
static lode_status next_line(struct source *source, char **ret_text, size_t *ret_size,
                             lode_error *error)
{
    lode_status status;
    do {
        status = input_line(&source->input, ret_text, ret_size, error);
        source->position = source->input.line;
    } while (status == LODE_OK && *ret_text && is_blank(*ret_text, *ret_size));
    if (status == LODE_OK && !*ret_text)
        source->ended = 1;
    return status;
}

static lode_status jsonl_read(struct source *source, struct batch *batch, lode_error *error)
{
    char *text = NULL;
    size_t size = 0;
    lode_status status = next_line(source, &text, &size, error);
    if (status || !text)
        return status;
    struct line line;
    line.source = source;
    line.state = source->state;
    line.batch = batch;
    line.point = (lode_point){.vector = NULL};
    line.metadata = NULL;
    line.seen = 0;
    buf_clear(&line.state->metadata);
    json_init(&line.json, text, size);
    status = read_members(&line, error);
    if (status == LODE_OK)
        status = keep_metadata(&line, error);
    if (status == LODE_OK)
        status = check_point(&line, error);
    if (status == LODE_OK)
        batch_add(batch, &line.point);
    return status;
}

static lode_status jsonl_skip(struct source *source, uint64_t count, uint64_t *ret_skipped,
                              lode_error *error)
{
    lode_status status = LODE_OK;
    for (*ret_skipped = 0; *ret_skipped < count; ++*ret_skipped) {
        char *text = NULL;
        size_t size = 0;
        status = next_line(source, &text, &size, error);
        if (status || !text)
            break;
    }
    return status;
}

static lode_status jsonl_open(struct source *source, lode_error *error)
{
    struct jsonl_state *state = calloc(1, sizeof *state);
    if (!state)
        return error_nomem(error, "a reader", sizeof *state);
    buf_init(&state->text, INPUT_LINE_MAX);
    buf_init(&state->metadata, 2 * INPUT_LINE_MAX);
    source->state = state;
    source->dim = source->options.dim;
    return input_skip_mark(&source->input, error);
}

static void jsonl_close(struct source *source)
{
    struct jsonl_state *state = source->state;
    if (!state)
        return;
    buf_release(&state->text);
    buf_release(&state->metadata);
    free(state->first_vector);
    free(state);
}

const struct source_ops source_jsonl = {.unit = "line",
                                        .has_ids = 1,
                                        .open = jsonl_open,
                                        .read = jsonl_read,
                                        .skip = jsonl_skip,
                                        .close = jsonl_close};
