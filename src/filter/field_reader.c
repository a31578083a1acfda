/* field_reader.c: walks a document just as filter/matches.c does. */
#include "filter/field_reader.h"

#include <string.h>

struct walk {
    struct field_reader *reader;
    field_value_fn *each;
    void *context;
    lode_error *error;
};

lode_status field_reader_init(struct field_reader *reader, const struct field *field,
                              lode_error *error)
{
    reader->type = field->type;
    arena_init(&reader->arena);
    buf_init(&reader->scratch, LODE_METADATA_SIZE_MAX);
    buf_init(&reader->kept, LODE_METADATA_SIZE_MAX);
    return path_parse(&reader->arena, field->path, field->path_size, &reader->path, error);
}

void field_reader_release(struct field_reader *reader)
{
    arena_release(&reader->arena);
    buf_release(&reader->scratch);
    buf_release(&reader->kept);
}

static lode_status walk_value(struct walk *walk, size_t part, const char *text, size_t size);

/* json: behind '{'. */
static lode_status walk_members(struct walk *walk, size_t part, struct json *json)
{
    while (json_next(json) == JSON_KEY) {
        const char *text;
        size_t size;
        int wanted = json_key_is(json, walk->reader->path->parts[part].text);
        if (json_raw(json, &text, &size) == JSON_ERROR)
            break;
        if (wanted)
            return walk_value(walk, part + 1, text, size);
    }
    return LODE_OK;
}

/* json: behind '['. */
static lode_status walk_elements(struct walk *walk, size_t part, struct json *json)
{
    lode_status status = LODE_OK;
    while (!status) {
        const char *text;
        size_t size;
        enum json_token token = json_raw(json, &text, &size);
        if (token == JSON_ARRAY_END || token == JSON_ERROR)
            break;
        status = walk_value(walk, part, text, size);
    }
    return status;
}

static lode_status give(struct walk *walk, const struct json *json, enum json_token token)
{
    struct value value;
    int fits = 0;
    lode_status status = value_of_json(json, token, walk->reader->type, &walk->reader->scratch,
                                       &value, &fits, walk->error);
    return !status && fits ? walk->each(walk->context, &value, walk->error) : status;
}

static lode_status walk_value(struct walk *walk, size_t part, const char *text, size_t size)
{
    struct json json;
    json_init(&json, text, size);
    enum json_token token = json_next(&json);
    if (token == JSON_ARRAY)
        return walk_elements(walk, part, &json);
    if (part == walk->reader->path->part_count)
        return give(walk, &json, token);
    return token == JSON_OBJECT ? walk_members(walk, part, &json) : LODE_OK;
}

lode_status field_reader_each(struct field_reader *reader, const char *metadata, size_t size,
                              field_value_fn *each, void *context, lode_error *error)
{
    struct walk walk = {.reader = reader, .each = each, .context = context, .error = error};
    return size ? walk_value(&walk, 0, metadata, size) : LODE_OK;
}

/* --- The least or greatest ---------------------------------------------------------------------- */

struct extreme {
    struct field_reader *reader;
    int greatest, has;
    struct value value;
};

/* A string in the scratch is going to be written over: the two buffers change places. */
static lode_status keep_extreme(void *context, const struct value *value, lode_error *error)
{
    struct extreme *extreme = context;
    struct field_reader *reader = extreme->reader;
    (void)error;
    if (extreme->has) {
        int order = value_compare(value, &extreme->value);
        if (extreme->greatest ? order <= 0 : order >= 0)
            return LODE_OK;
    }
    extreme->has = 1;
    extreme->value = *value;
    if (value->size > 0 && value->text == (const char *)reader->scratch.data) {
        struct buf kept = reader->kept;
        reader->kept = reader->scratch;
        reader->scratch = kept;
    }
    return LODE_OK;
}

lode_status field_reader_extreme(struct field_reader *reader, const char *metadata, size_t size,
                                 int greatest, struct value *ret_value, int *ret_has,
                                 lode_error *error)
{
    struct extreme extreme = {.reader = reader, .greatest = greatest};
    lode_status status = field_reader_each(reader, metadata, size, keep_extreme, &extreme, error);
    *ret_value = extreme.value;
    *ret_has = extreme.has;
    return status;
}
