/* json_parse.c: objects of filters: and, or, not, at_least, and conditions by field. */
#include "filter/syntax.h"

#include <string.h>

#include "filter/json_parser.h"

#undef json_unexpected

size_t json_at(const struct json_parser *parser)
{
    return (size_t)(parser->json.text - parser->json.data);
}

lode_status json_unexpected(const struct json_parser *parser, const char *wanted)
{
    const struct json *json = &parser->json;
    int shown = json->text_size < 40 ? (int)json->text_size : 40;
    return fault_set(parser->maker.error, LODE_INVALID, &parser->source, json_at(parser),
                     "found %.*s%s, expected %s", shown, json->text,
                     json->text_size > 40 ? "..." : "", wanted);
}

lode_status json_expect(struct json_parser *parser, enum json_token token, const char *wanted)
{
    return json_next(&parser->json) == token ? LODE_OK : json_unexpected(parser, wanted);
}

lode_status json_text(struct json_parser *parser, const char **ret_text, size_t *ret_size)
{
    const struct json *json = &parser->json;
    struct buf text;
    *ret_text = json->text;
    *ret_size = json->text_size;
    if (!json->escaped)
        return LODE_OK;
    buf_init(&text, FILTER_SIZE_MAX);
    lode_status status = json_unescape(json, &text, parser->maker.error);
    if (!status) {
        *ret_text = arena_copy(parser->maker.arena, text.data, text.size);
        *ret_size = text.size;
        if (!*ret_text)
            status = error_nomem(parser->maker.error, "a filter", text.size);
    }
    buf_release(&text);
    return status;
}

lode_status json_placed(struct json_parser *parser, lode_status status, size_t offset)
{
    if (status)
        fault_prefix(parser->maker.error, &parser->source, offset);
    return status;
}

lode_status json_value(struct json_parser *parser, enum json_token token, struct value *ret_value)
{
    const struct json *json = &parser->json;
    *ret_value = (struct value){.kind = VALUE_STRING};
    switch (token) {
    case JSON_STRING: return json_text(parser, &ret_value->text, &ret_value->size);
    case JSON_TRUE:
    case JSON_FALSE: *ret_value = value_boolean(token == JSON_TRUE); return LODE_OK;
    case JSON_NUMBER:
        if (value_parse_number(json->text, json->text_size, ret_value))
            return LODE_OK;
        return json_unexpected(parser, "a number within the range of a double");
    case JSON_NULL:
        return json_unexpected(parser, "a value (null is asked for by {\"null\": true})");
    default: return json_unexpected(parser, "a string, a number, true or false");
    }
}

/* --- Groups ------------------------------------------------------------------------------------- */

static const char *const reserved[] = {"and", "or", "not", "at_least"};

int filter_key_is_reserved(const char *text, size_t size)
{
    if (size > 0 && text[0] == '@')
        return 1;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strlen(reserved[i]) == size && memcmp(reserved[i], text, size) == 0)
            return 1;
    return 0;
}

static lode_status parse_object(struct json_parser *parser, const struct filter **ret_filter)
{
    lode_status status = json_expect(parser, JSON_OBJECT, "a filter, which is an object");
    return status ? status : json_parse_members(parser, ret_filter);
}

static lode_status push(struct json_parser *parser, struct buf *items, const struct filter *item)
{
    return filter_push(items, &item, sizeof(const struct filter *), "conditions",
                       parser->maker.error);
}

/* An array of filters. */
static lode_status parse_items(struct json_parser *parser, struct buf *items)
{
    lode_status status = json_expect(parser, JSON_ARRAY, "an array of filters");
    while (!status) {
        const struct filter *item = NULL;
        enum json_token token = json_next(&parser->json);
        if (token == JSON_ARRAY_END)
            break;
        if (token != JSON_OBJECT)
            return json_unexpected(parser, "a filter, which is an object");
        status = json_parse_members(parser, &item);
        if (!status)
            status = push(parser, items, item);
    }
    return status;
}

static lode_status parse_group(struct json_parser *parser, enum filter_kind kind,
                               const struct filter **ret_filter)
{
    struct buf items;
    size_t offset = json_at(parser);
    buf_init(&items, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
    lode_status status = parse_items(parser, &items);
    parser->maker.offset = (uint32_t)offset;
    if (!status)
        status = json_placed(parser,
                             filter_group(&parser->maker, kind,
                                          (const struct filter *const *)(void *)items.data,
                                          items.size / sizeof(const struct filter *), ret_filter),
                             offset);
    buf_release(&items);
    return status;
}

static lode_status parse_not(struct json_parser *parser, const struct filter **ret_filter)
{
    size_t offset = json_at(parser);
    const struct filter *item = NULL;
    lode_status status = parse_object(parser, &item);
    parser->maker.offset = (uint32_t)offset;
    return status ? status
                  : json_placed(parser, filter_not(&parser->maker, item, ret_filter), offset);
}

static lode_status parse_least(struct json_parser *parser, int64_t *ret_least)
{
    struct value value;
    if (json_next(&parser->json) != JSON_NUMBER ||
        !value_parse_number(parser->json.text, parser->json.text_size, &value) ||
        value.kind != VALUE_INTEGER || value.integer < 1)
        return json_unexpected(parser, "a whole number from 1 up");
    *ret_least = value.integer;
    return LODE_OK;
}

/* {"n": 2, "of": [...]} */
static lode_status parse_at_least_members(struct json_parser *parser, int64_t *ret_least,
                                          struct buf *items)
{
    int has_n = 0, has_of = 0;
    lode_status status = json_expect(parser, JSON_OBJECT, "{\"n\": ..., \"of\": [...]}");
    while (!status && json_next(&parser->json) == JSON_KEY) {
        int n = json_key_is(&parser->json, "n");
        if (!n && !json_key_is(&parser->json, "of"))
            return json_unexpected(parser, "n or of");
        status = n ? parse_least(parser, ret_least) : parse_items(parser, items);
        has_n |= n;
        has_of |= !n;
    }
    if (!status && !(has_n && has_of))
        return json_unexpected(parser, has_n ? "of, the filters to choose from"
                                             : "n, how many of them must hold");
    return status;
}

static lode_status parse_at_least(struct json_parser *parser, const struct filter **ret_filter)
{
    struct buf items;
    int64_t least = 0;
    size_t offset = json_at(parser);
    buf_init(&items, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
    lode_status status = parse_at_least_members(parser, &least, &items);
    parser->maker.offset = (uint32_t)offset;
    if (!status)
        status =
            json_placed(parser,
                        filter_at_least(&parser->maker, (size_t)least,
                                        (const struct filter *const *)(void *)items.data,
                                        items.size / sizeof(const struct filter *), ret_filter),
                        offset);
    buf_release(&items);
    return status;
}

/* --- Members ------------------------------------------------------------------------------------ */

static lode_status parse_field(struct json_parser *parser, const char *key, size_t size,
                               const struct filter **ret_filter)
{
    const struct path *path;
    size_t offset = json_at(parser);
    if (size > 0 && key[0] == '@')
        return json_unexpected(parser, "@id, or a field (in backticks when it begins with @)");
    lode_status status = json_placed(
        parser, path_parse(parser->maker.arena, key, size, &path, parser->maker.error), offset);
    parser->maker.offset = (uint32_t)offset;
    return status ? status : json_parse_condition(parser, path, ret_filter);
}

static int is(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

/* Behind a key. */
static lode_status parse_member(struct json_parser *parser, const struct filter **ret_filter)
{
    const char *key;
    size_t size;
    lode_status status = json_text(parser, &key, &size);
    if (status)
        return status;
    if (is(key, size, "and") || is(key, size, "or"))
        return parse_group(parser, size == 3 ? FILTER_AND : FILTER_OR, ret_filter);
    if (is(key, size, "not"))
        return parse_not(parser, ret_filter);
    if (is(key, size, "at_least"))
        return parse_at_least(parser, ret_filter);
    if (is(key, size, "@id"))
        return json_parse_id(parser, ret_filter);
    return parse_field(parser, key, size, ret_filter);
}

lode_status json_parse_members(struct json_parser *parser, const struct filter **ret_filter)
{
    struct buf items;
    size_t offset = json_at(parser);
    lode_status status = LODE_OK;
    buf_init(&items, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
    while (!status && json_next(&parser->json) == JSON_KEY) {
        const struct filter *item = NULL;
        status = parse_member(parser, &item);
        if (!status)
            status = push(parser, &items, item);
    }
    parser->maker.offset = (uint32_t)offset;
    if (!status)
        status = json_placed(parser,
                             filter_group(&parser->maker, FILTER_AND,
                                          (const struct filter *const *)(void *)items.data,
                                          items.size / sizeof(const struct filter *), ret_filter),
                             offset);
    buf_release(&items);
    return status;
}

lode_status filter_parse_json(struct arena *arena, const char *json, size_t size,
                              const struct filter **ret_filter, lode_error *error)
{
    if (size > FILTER_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "filter of %zu bytes: at most %d", size,
                         FILTER_SIZE_MAX);
    lode_status status = json_validate(json, size, JSON_OBJECT, error);
    if (status) {
        error_prefix(error, "filter: ");
        return status;
    }
    struct json_parser parser = {
        .source = {.text = json, .size = size},
        .maker = {.arena = arena, .offset = FILTER_NO_OFFSET, .error = error},
    };
    const struct filter *filter = NULL;
    json_init(&parser.json, json, size);
    status = parse_object(&parser, &filter);
    if (!status)
        *ret_filter = filter;
    return status;
}
