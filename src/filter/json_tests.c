/* json_tests.c: what is asked of a field: a value, or an object of tests, all of which must hold. */
#include "filter/json_parser.h"

#include <string.h>

#include "base/hex.h"
#include "base/number.h"

#define TESTS                                                                                      \
    "eq, ne, lt, lte, gt, gte, between, in, all, exists, null, prefix, glob, regex, match, "       \
    "phrase, radius, box, polygon or nested"

/* Tests of one field, gathered; its bounds are one range. */
struct gathering {
    const struct path *path;
    uint32_t offset; /* of the condition */
    struct buf items;
    struct value low, high;
    struct filter_bounds bounds;
};

static lode_status push(struct json_parser *parser, struct gathering *gathering,
                        const struct filter *item)
{
    return filter_push(&gathering->items, &item, sizeof(const struct filter *), "conditions",
                       parser->maker.error);
}

static lode_status push_made(struct json_parser *parser, struct gathering *gathering,
                             lode_status status, const struct filter *item, int negated)
{
    size_t offset = gathering->offset;
    status = json_placed(parser, status, offset);
    if (!status && negated)
        status = json_placed(parser, filter_not(&parser->maker, item, &item), offset);
    return status ? status : push(parser, gathering, item);
}

/* "eq", "ne": a value, or null. */
static lode_status parse_equal(struct json_parser *parser, struct gathering *gathering,
                               enum json_token token, int negated)
{
    const struct filter *item = NULL;
    struct value value;
    lode_status status = LODE_OK;
    if (token == JSON_NULL) {
        status = filter_presence(&parser->maker, FILTER_NULL, gathering->path, &item);
        return push_made(parser, gathering, status, item, negated);
    }
    status = json_value(parser, token, &value);
    if (status)
        return status;
    status = filter_list(&parser->maker, FILTER_IN, gathering->path, &value, 1, &item);
    return push_made(parser, gathering, status, item, negated);
}

static lode_status set_bound(struct json_parser *parser, struct gathering *gathering, int is_low,
                             int open)
{
    struct filter_bounds *bounds = &gathering->bounds;
    struct value *value = is_low ? &gathering->low : &gathering->high;
    if (is_low ? bounds->low != NULL : bounds->high != NULL)
        return json_unexpected(parser, is_low ? "one of gt, gte and between"
                                              : "one of lt, lte and between");
    lode_status status = json_value(parser, json_next(&parser->json), value);
    if (is_low) {
        bounds->low = value;
        bounds->low_open = open;
    } else {
        bounds->high = value;
        bounds->high_open = open;
    }
    return status;
}

static lode_status parse_between(struct json_parser *parser, struct gathering *gathering)
{
    lode_status status = json_expect(parser, JSON_ARRAY, "[from, to]");
    if (!status)
        status = set_bound(parser, gathering, 1, 0);
    if (!status)
        status = set_bound(parser, gathering, 0, 0);
    return status ? status : json_expect(parser, JSON_ARRAY_END, "']': between has two values");
}

static lode_status parse_values(struct json_parser *parser, struct buf *values)
{
    lode_status status = json_expect(parser, JSON_ARRAY, "an array of values");
    while (!status) {
        struct value value;
        enum json_token token = json_next(&parser->json);
        if (token == JSON_ARRAY_END)
            break;
        status = json_value(parser, token, &value);
        if (!status)
            status =
                filter_push(values, &value, sizeof value, "values in a list", parser->maker.error);
    }
    return status;
}

static lode_status parse_list(struct json_parser *parser, struct gathering *gathering,
                              enum filter_kind kind)
{
    struct buf values;
    const struct filter *item = NULL;
    buf_init(&values, (size_t)FILTER_VALUES_MAX * sizeof(struct value));
    lode_status status = parse_values(parser, &values);
    if (!status) {
        status = filter_list(&parser->maker, kind, gathering->path,
                             (const struct value *)(void *)values.data,
                             values.size / sizeof(struct value), &item);
        status = push_made(parser, gathering, status, item, 0);
    }
    buf_release(&values);
    return status;
}

/* "exists", "null": true, or false for the opposite. */
static lode_status parse_presence(struct json_parser *parser, struct gathering *gathering,
                                  enum filter_kind kind)
{
    const struct filter *item = NULL;
    enum json_token token = json_next(&parser->json);
    if (token != JSON_TRUE && token != JSON_FALSE)
        return json_unexpected(parser, "true or false");
    lode_status status = filter_presence(&parser->maker, kind, gathering->path, &item);
    return push_made(parser, gathering, status, item, token == JSON_FALSE);
}

static lode_status parse_pattern(struct json_parser *parser, struct gathering *gathering,
                                 enum filter_kind kind)
{
    const struct filter *item = NULL;
    const char *text;
    size_t size;
    lode_status status = json_expect(parser, JSON_STRING, "a string");
    if (!status)
        status = json_text(parser, &text, &size);
    if (status)
        return status;
    status = filter_pattern(&parser->maker, kind, gathering->path, text, size, &item);
    return push_made(parser, gathering, status, item, 0);
}

static lode_status parse_geo(struct json_parser *parser, struct gathering *gathering,
                             enum filter_kind kind)
{
    const struct filter *item = NULL;
    lode_status status = LODE_OK;
    if (kind == FILTER_CIRCLE)
        status = json_parse_circle(parser, gathering->path, &item);
    else if (kind == FILTER_BOX)
        status = json_parse_box(parser, gathering->path, &item);
    else
        status = json_parse_polygon(parser, gathering->path, &item);
    return status ? status : push(parser, gathering, item);
}

static lode_status parse_nested(struct json_parser *parser, struct gathering *gathering)
{
    const struct filter *item = NULL;
    lode_status status = json_expect(parser, JSON_OBJECT, "a filter, which is an object");
    if (!status)
        status = json_parse_members(parser, &item);
    if (status)
        return status;
    parser->maker.offset = gathering->offset;
    status = filter_nested(&parser->maker, gathering->path, item, &item);
    return push_made(parser, gathering, status, item, 0);
}

enum test {
    TEST_EQ,
    TEST_NE,
    TEST_LT,
    TEST_LTE,
    TEST_GT,
    TEST_GTE,
    TEST_BETWEEN,
    TEST_LIST,
    TEST_PRESENCE,
    TEST_PATTERN,
    TEST_GEO,
    TEST_NESTED,
};

static const struct {
    const char *key;
    enum test test;
    enum filter_kind kind;
} tests[] = {
    {"eq", TEST_EQ, FILTER_IN},
    {"ne", TEST_NE, FILTER_IN},
    {"lt", TEST_LT, FILTER_RANGE},
    {"lte", TEST_LTE, FILTER_RANGE},
    {"gt", TEST_GT, FILTER_RANGE},
    {"gte", TEST_GTE, FILTER_RANGE},
    {"between", TEST_BETWEEN, FILTER_RANGE},
    {"in", TEST_LIST, FILTER_IN},
    {"any", TEST_LIST, FILTER_IN},
    {"all", TEST_LIST, FILTER_ALL},
    {"exists", TEST_PRESENCE, FILTER_EXISTS},
    {"null", TEST_PRESENCE, FILTER_NULL},
    {"prefix", TEST_PATTERN, FILTER_PREFIX},
    {"glob", TEST_PATTERN, FILTER_GLOB},
    {"regex", TEST_PATTERN, FILTER_REGEX},
    {"match", TEST_PATTERN, FILTER_MATCH},
    {"phrase", TEST_PATTERN, FILTER_PHRASE},
    {"radius", TEST_GEO, FILTER_CIRCLE},
    {"box", TEST_GEO, FILTER_BOX},
    {"polygon", TEST_GEO, FILTER_POLYGON},
    {"nested", TEST_NESTED, FILTER_NESTED},
};

static lode_status parse_test(struct json_parser *parser, struct gathering *gathering,
                              enum test test, enum filter_kind kind)
{
    switch (test) {
    case TEST_EQ:
    case TEST_NE: return parse_equal(parser, gathering, json_next(&parser->json), test == TEST_NE);
    case TEST_LT:
    case TEST_LTE: return set_bound(parser, gathering, 0, test == TEST_LT);
    case TEST_GT:
    case TEST_GTE: return set_bound(parser, gathering, 1, test == TEST_GT);
    case TEST_BETWEEN: return parse_between(parser, gathering);
    case TEST_LIST: return parse_list(parser, gathering, kind);
    case TEST_PRESENCE: return parse_presence(parser, gathering, kind);
    case TEST_PATTERN: return parse_pattern(parser, gathering, kind);
    case TEST_GEO: return parse_geo(parser, gathering, kind);
    case TEST_NESTED: return parse_nested(parser, gathering);
    }
    return LODE_OK;
}

/* Behind '{' of an object of tests. */
static lode_status parse_tests(struct json_parser *parser, struct gathering *gathering)
{
    lode_status status = LODE_OK;
    while (!status && json_next(&parser->json) == JSON_KEY) {
        size_t i = 0;
        while (i < sizeof tests / sizeof *tests && !json_key_is(&parser->json, tests[i].key))
            i++;
        if (i == sizeof tests / sizeof *tests)
            return json_unexpected(parser, TESTS);
        parser->maker.offset = gathering->offset;
        status = parse_test(parser, gathering, tests[i].test, tests[i].kind);
    }
    if (!status && gathering->items.size == 0 && !gathering->bounds.low && !gathering->bounds.high)
        return json_unexpected(parser, TESTS);
    return status;
}

/* The range, if there are bounds, and all tests as one filter. */
static lode_status join_tests(struct json_parser *parser, struct gathering *gathering,
                              const struct filter **ret_filter)
{
    const struct filter *item = NULL;
    lode_status status = LODE_OK;
    parser->maker.offset = gathering->offset;
    if (gathering->bounds.low || gathering->bounds.high) {
        status = filter_range(&parser->maker, gathering->path, &gathering->bounds, &item);
        status = push_made(parser, gathering, status, item, 0);
    }
    if (status)
        return status;
    return json_placed(parser,
                       filter_group(&parser->maker, FILTER_AND,
                                    (const struct filter *const *)(void *)gathering->items.data,
                                    gathering->items.size / sizeof(const struct filter *),
                                    ret_filter),
                       gathering->offset);
}

lode_status json_parse_condition(struct json_parser *parser, const struct path *path,
                                 const struct filter **ret_filter)
{
    struct gathering gathering = {.path = path, .offset = parser->maker.offset};
    enum json_token token = json_next(&parser->json);
    if (token == JSON_ARRAY)
        return json_unexpected(parser, "a value or an object of tests (one of several values is "
                                       "{\"in\": [...]})");
    buf_init(&gathering.items, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
    lode_status status = token == JSON_OBJECT ? parse_tests(parser, &gathering)
                                              : parse_equal(parser, &gathering, token, 0);
    if (!status)
        status = join_tests(parser, &gathering, ret_filter);
    buf_release(&gathering.items);
    return status;
}

/* --- Ids ---------------------------------------------------------------------------------------- */

#define AN_ID "an id: a whole number from 0 to 2^64-1, or a string"

/* {"string": "..."}: a string, even in the form of a UUID. */
static lode_status read_string_id(struct json_parser *parser, lode_id *ret_id)
{
    lode_status status = json_expect(parser, JSON_KEY, "string");
    if (!status && !json_key_is(&parser->json, "string"))
        return json_unexpected(parser, "string");
    if (!status)
        status = json_expect(parser, JSON_STRING, "a string");
    if (!status)
        status = json_text(parser, &ret_id->string, &ret_id->string_size);
    return status ? status : json_expect(parser, JSON_OBJECT_END, "'}'");
}

/* token: just read. */
static lode_status push_id(struct json_parser *parser, enum json_token token, struct buf *ids)
{
    lode_id id = {.kind = LODE_ID_STRING};
    uint8_t uuid[16];
    lode_status status = LODE_OK;
    if (token == JSON_NUMBER) {
        id.kind = LODE_ID_NUMBER;
        if (!number_parse_u64(parser->json.text, parser->json.text_size, &id.number))
            return json_unexpected(parser, AN_ID);
    } else if (token == JSON_OBJECT) {
        status = read_string_id(parser, &id);
    } else if (token == JSON_STRING) {
        status = json_text(parser, &id.string, &id.string_size);
        if (!status && hex_parse_uuid(id.string, id.string_size, uuid))
            id = lode_id_uuid(uuid);
    } else {
        return json_unexpected(parser, AN_ID);
    }
    return status ? status : filter_push(ids, &id, sizeof id, "ids in a list", parser->maker.error);
}

static lode_status read_ids(struct json_parser *parser, struct buf *ids)
{
    lode_status status = json_expect(parser, JSON_ARRAY, "an array of ids");
    while (!status) {
        enum json_token token = json_next(&parser->json);
        if (token == JSON_ARRAY_END)
            break;
        status = push_id(parser, token, ids);
    }
    return status;
}

/* Behind '{': one of eq, ne, in; or a string in the long form. */
static lode_status read_id_test(struct json_parser *parser, struct buf *ids, int *ret_negated)
{
    lode_status status = json_expect(parser, JSON_KEY, "eq, ne or in");
    if (status)
        return status;
    *ret_negated = json_key_is(&parser->json, "ne");
    if (json_key_is(&parser->json, "in"))
        status = read_ids(parser, ids);
    else if (*ret_negated || json_key_is(&parser->json, "eq"))
        status = push_id(parser, json_next(&parser->json), ids);
    else
        return json_unexpected(parser, "eq, ne or in");
    return status ? status : json_expect(parser, JSON_OBJECT_END, "'}': @id has one test");
}

lode_status json_parse_id(struct json_parser *parser, const struct filter **ret_filter)
{
    struct buf ids;
    int negated = 0;
    size_t offset = json_at(parser);
    buf_init(&ids, (size_t)FILTER_VALUES_MAX * sizeof(lode_id));
    enum json_token token = json_next(&parser->json);
    lode_status status =
        token == JSON_OBJECT ? read_id_test(parser, &ids, &negated) : push_id(parser, token, &ids);
    parser->maker.offset = (uint32_t)offset;
    if (!status)
        status = json_placed(parser,
                             filter_id(&parser->maker, (const lode_id *)(void *)ids.data,
                                       ids.size / sizeof(lode_id), ret_filter),
                             offset);
    if (!status && negated)
        status = json_placed(parser, filter_not(&parser->maker, *ret_filter, ret_filter), offset);
    buf_release(&ids);
    return status;
}
