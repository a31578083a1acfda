/* text_condition.c: one condition of a filter's text: a field and what is asked of it. */
#include "filter/text_parser.h"

#include "base/hex.h"
#include "base/number.h"
#include "filter/syntax.h"

#define TESTS                                                                                      \
    "=, !=, <, <=, >, >=, IN, HAS, BETWEEN, EXISTS, IS, PREFIX, GLOB, REGEX, MATCH, WITHIN or "    \
    "NESTED"

/* --- Fields and values -------------------------------------------------------------------------- */

static int at_field(const struct text_parser *parser)
{
    const struct token *token = &parser->token;
    return token->kind == TOKEN_QUOTED_NAME ||
           (token->kind == TOKEN_NAME && !filter_word_is_reserved(token->text, token->size));
}

static lode_status parse_path(struct text_parser *parser, const struct path **ret_path)
{
    struct path_part parts[PATH_PARTS_MAX];
    size_t count = 0, offset = parser->token.offset;
    for (;;) {
        const struct token *token = &parser->token;
        if (count == 0 ? !at_field(parser)
                       : token->kind != TOKEN_NAME && token->kind != TOKEN_QUOTED_NAME)
            return text_unexpected(parser, count ? "a field's name behind '.'"
                                                 : "a field, '(', NOT or AT LEAST");
        if (count == PATH_PARTS_MAX)
            return fault_set(parser->lexer.error, LODE_LIMIT, &parser->lexer.source, offset,
                             "a path of more than %d names", PATH_PARTS_MAX);
        parts[count++] = (struct path_part){token->text, token->size};
        lode_status status = text_take(parser);
        if (status)
            return status;
        if (parser->token.kind != TOKEN_DOT)
            break;
        status = text_take(parser);
        if (status)
            return status;
    }
    lode_status status =
        path_make(parser->lexer.arena, parts, count, ret_path, parser->lexer.error);
    if (status)
        fault_prefix(parser->lexer.error, &parser->lexer.source, offset);
    return status;
}

static int at_value(const struct text_parser *parser)
{
    return parser->token.kind == TOKEN_STRING || parser->token.kind == TOKEN_NUMBER ||
           text_at_word(parser, "true") || text_at_word(parser, "false");
}

static lode_status parse_value(struct text_parser *parser, struct value *ret_value)
{
    const struct token *token = &parser->token;
    if (!at_value(parser))
        return text_unexpected(parser, "a string, a number, true or false");
    if (token->kind == TOKEN_STRING)
        *ret_value = value_string(token->text, token->size);
    else if (token->kind == TOKEN_NUMBER)
        *ret_value = token->number;
    else
        *ret_value = value_boolean(text_at_word(parser, "true"));
    return text_take(parser);
}

/* A value of a list, checked as it comes. */
typedef lode_status push_value(struct text_parser *parser, struct buf *list);

/* ( value, value, ... ), perhaps of none. */
static lode_status parse_list(struct text_parser *parser, push_value *push, struct buf *list)
{
    lode_status status = text_expect(parser, TOKEN_LEFT, "'('");
    if (status || parser->token.kind == TOKEN_RIGHT)
        return status ? status : text_take(parser);
    for (;;) {
        status = push(parser, list);
        if (status || parser->token.kind != TOKEN_COMMA)
            return status ? status : text_expect(parser, TOKEN_RIGHT, "',' or ')'");
        status = text_take(parser);
        if (status)
            return status;
    }
}

static lode_status push_plain(struct text_parser *parser, struct buf *list)
{
    struct value value;
    if (text_at_word(parser, "null"))
        return text_unexpected(parser, "a value (null is asked for by IS NULL)");
    lode_status status = parse_value(parser, &value);
    return status
               ? status
               : filter_push(list, &value, sizeof value, "values in a list", parser->lexer.error);
}

/* --- Ids ---------------------------------------------------------------------------------------- */

/* A whole number; a string in the form of a UUID is one; any other string is a string. */
static int read_id(const struct text_parser *parser, lode_id *ret_id)
{
    const struct token *token = &parser->token;
    uint64_t number;
    uint8_t uuid[16];
    if (token->kind == TOKEN_NUMBER) {
        if (!number_parse_u64(parser->lexer.source.text + token->offset, token->raw_size, &number))
            return 0;
        *ret_id = lode_id_number(number);
        return 1;
    }
    if (token->kind != TOKEN_STRING)
        return 0;
    if (hex_parse_uuid(token->text, token->size, uuid))
        *ret_id = lode_id_uuid(uuid);
    else
        *ret_id =
            (lode_id){.kind = LODE_ID_STRING, .string = token->text, .string_size = token->size};
    return 1;
}

/* STRING "..." is a string, even in the form of a UUID. */
static lode_status push_id(struct text_parser *parser, struct buf *list)
{
    lode_id id;
    lode_status status = LODE_OK;
    int string = text_at_word(parser, "string");
    if (string)
        status = text_take(parser);
    if (status)
        return status;
    if (!read_id(parser, &id) || (string && parser->token.kind != TOKEN_STRING))
        return text_unexpected(parser, "an id: a whole number from 0 to 2^64-1, or a string");
    if (string)
        id = (lode_id){.kind = LODE_ID_STRING,
                       .string = parser->token.text,
                       .string_size = parser->token.size};
    status = filter_push(list, &id, sizeof id, "ids in a list", parser->lexer.error);
    return status ? status : text_take(parser);
}

/* Add where the condition begins to an error of building its node. */
static lode_status placed(struct text_parser *parser, lode_status status)
{
    if (status)
        fault_prefix(parser->lexer.error, &parser->lexer.source, parser->maker.offset);
    return status;
}

/* Behind @id: takes =, !=, IN or NOT IN. */
static lode_status take_id_test(struct text_parser *parser, int *ret_negated, int *ret_in)
{
    lode_status status = LODE_OK;
    enum token_kind kind = parser->token.kind;
    *ret_in = 0;
    *ret_negated = kind == TOKEN_NOT_EQUAL;
    if (kind == TOKEN_EQUAL || kind == TOKEN_NOT_EQUAL)
        return text_take(parser);
    if (text_at_word(parser, "not")) {
        *ret_negated = 1;
        status = text_take(parser);
    }
    *ret_in = 1;
    if (!status && !text_at_word(parser, "in"))
        return text_unexpected(parser, *ret_negated ? "IN" : "=, != or IN");
    return status ? status : text_take(parser);
}

/* At @id. */
static lode_status parse_id_condition(struct text_parser *parser, const struct filter **ret_filter)
{
    struct buf list;
    int negated = 0, in = 0;
    buf_init(&list, (size_t)FILTER_VALUES_MAX * sizeof(lode_id));
    lode_status status = text_take(parser);
    if (!status)
        status = take_id_test(parser, &negated, &in);
    if (!status)
        status = in ? parse_list(parser, push_id, &list) : push_id(parser, &list);
    if (!status)
        status = placed(parser, filter_id(&parser->maker, (const lode_id *)(void *)list.data,
                                          list.size / sizeof(lode_id), ret_filter));
    buf_release(&list);
    return status || !negated ? status : filter_not(&parser->maker, *ret_filter, ret_filter);
}

/* --- Comparisons -------------------------------------------------------------------------------- */

static int is_comparison(enum token_kind kind)
{
    return kind >= TOKEN_EQUAL && kind <= TOKEN_GREATER_EQUAL;
}

static int is_upward(enum token_kind kind) /* low < high */
{
    return kind == TOKEN_LESS || kind == TOKEN_LESS_EQUAL;
}

static int is_downward(enum token_kind kind)
{
    return kind == TOKEN_GREATER || kind == TOKEN_GREATER_EQUAL;
}

/* field <kind> value */
static void set_bound(struct filter_bounds *bounds, enum token_kind kind, const struct value *value)
{
    if (is_upward(kind)) {
        bounds->high = value;
        bounds->high_open = kind == TOKEN_LESS;
    } else {
        bounds->low = value;
        bounds->low_open = kind == TOKEN_GREATER;
    }
}

/* value < field is field > value. */
static enum token_kind mirrored(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_LESS: return TOKEN_GREATER;
    case TOKEN_LESS_EQUAL: return TOKEN_GREATER_EQUAL;
    case TOKEN_GREATER: return TOKEN_LESS;
    case TOKEN_GREATER_EQUAL: return TOKEN_LESS_EQUAL;
    default: return kind;
    }
}

static lode_status make_comparison(struct text_parser *parser, const struct path *path,
                                   enum token_kind kind, const struct value *value,
                                   const struct filter **ret_filter)
{
    struct filter_bounds bounds = {0};
    if (is_upward(kind) || is_downward(kind)) {
        set_bound(&bounds, kind, value);
        return placed(parser, filter_range(&parser->maker, path, &bounds, ret_filter));
    }
    lode_status status =
        placed(parser, filter_list(&parser->maker, FILTER_IN, path, value, 1, ret_filter));
    if (status || kind == TOKEN_EQUAL)
        return status;
    return placed(parser, filter_not(&parser->maker, *ret_filter, ret_filter));
}

static lode_status make_is_null(struct text_parser *parser, const struct path *path, int negated,
                                const struct filter **ret_filter)
{
    lode_status status =
        placed(parser, filter_presence(&parser->maker, FILTER_NULL, path, ret_filter));
    if (status || !negated)
        return status;
    return placed(parser, filter_not(&parser->maker, *ret_filter, ret_filter));
}

/* Behind the field, at a comparison. */
static lode_status parse_comparison(struct text_parser *parser, const struct path *path,
                                    const struct filter **ret_filter)
{
    enum token_kind kind = parser->token.kind;
    struct value value;
    lode_status status = text_take(parser);
    if (!status && text_at_word(parser, "null")) {
        if (kind != TOKEN_EQUAL && kind != TOKEN_NOT_EQUAL)
            return text_unexpected(parser, "a value (null has no order)");
        status = text_take(parser);
        return status ? status : make_is_null(parser, path, kind == TOKEN_NOT_EQUAL, ret_filter);
    }
    if (!status)
        status = parse_value(parser, &value);
    return status ? status : make_comparison(parser, path, kind, &value, ret_filter);
}

/* value < field, or value < field < value. */
static lode_status parse_value_first(struct text_parser *parser, const struct filter **ret_filter)
{
    struct value first, second;
    const struct path *path;
    struct filter_bounds bounds = {0};
    lode_status status = parse_value(parser, &first);
    enum token_kind kind = parser->token.kind;
    if (!status && !is_comparison(kind))
        return text_unexpected(parser, "=, !=, <, <=, > or >= behind a value");
    if (!status)
        status = text_take(parser);
    if (!status)
        status = parse_path(parser, &path);
    if (status)
        return status;
    enum token_kind next = parser->token.kind;
    if (!is_comparison(next))
        return make_comparison(parser, path, mirrored(kind), &first, ret_filter);
    if (!(is_upward(kind) && is_upward(next)) && !(is_downward(kind) && is_downward(next)))
        return text_unexpected(parser,
                               "AND, OR or the end (a range has < or <= twice, or > or >=)");
    status = text_take(parser);
    if (!status)
        status = parse_value(parser, &second);
    set_bound(&bounds, mirrored(kind), &first);
    set_bound(&bounds, next, &second);
    return status ? status
                  : placed(parser, filter_range(&parser->maker, path, &bounds, ret_filter));
}

/* --- Words behind a field ----------------------------------------------------------------------- */

static lode_status parse_list_test(struct text_parser *parser, enum filter_kind kind,
                                   const struct path *path, const struct filter **ret_filter)
{
    struct buf list;
    buf_init(&list, (size_t)FILTER_VALUES_MAX * sizeof(struct value));
    lode_status status = parse_list(parser, push_plain, &list);
    if (!status)
        status = placed(parser, filter_list(&parser->maker, kind, path,
                                            (const struct value *)(void *)list.data,
                                            list.size / sizeof(struct value), ret_filter));
    buf_release(&list);
    return status;
}

static lode_status parse_has(struct text_parser *parser, const struct path *path,
                             const struct filter **ret_filter)
{
    int all = text_at_word(parser, "all");
    if (!all && !text_at_word(parser, "any"))
        return text_unexpected(parser, "ALL or ANY");
    lode_status status = text_take(parser);
    return status ? status
                  : parse_list_test(parser, all ? FILTER_ALL : FILTER_IN, path, ret_filter);
}

static lode_status parse_between(struct text_parser *parser, const struct path *path,
                                 const struct filter **ret_filter)
{
    struct value low, high;
    lode_status status = parse_value(parser, &low);
    if (!status)
        status = text_expect_word(parser, "AND");
    if (!status)
        status = parse_value(parser, &high);
    const struct filter_bounds bounds = {.low = &low, .high = &high};
    return status ? status
                  : placed(parser, filter_range(&parser->maker, path, &bounds, ret_filter));
}

/* Behind IS. */
static lode_status parse_is(struct text_parser *parser, const struct path *path,
                            const struct filter **ret_filter)
{
    lode_status status = LODE_OK;
    int negated = text_at_word(parser, "not");
    if (negated)
        status = text_take(parser);
    if (status)
        return status;
    int null = text_at_word(parser, "null");
    if (!null && !text_at_word(parser, "missing"))
        return text_unexpected(parser, "NULL or MISSING");
    status = text_take(parser);
    if (status || null)
        return status ? status : make_is_null(parser, path, negated, ret_filter);
    status = placed(parser, filter_presence(&parser->maker, FILTER_EXISTS, path, ret_filter));
    if (status || negated)
        return status;
    return placed(parser, filter_not(&parser->maker, *ret_filter, ret_filter));
}

static lode_status parse_pattern(struct text_parser *parser, enum filter_kind kind,
                                 const struct path *path, const struct filter **ret_filter)
{
    const struct token token = parser->token;
    if (kind == FILTER_MATCH && text_at_word(parser, "phrase")) {
        lode_status status = text_take(parser);
        return status ? status : parse_pattern(parser, FILTER_PHRASE, path, ret_filter);
    }
    lode_status status = text_expect(parser, TOKEN_STRING, "a string");
    return status ? status
                  : placed(parser, filter_pattern(&parser->maker, kind, path, token.text,
                                                  token.size, ret_filter));
}

static lode_status parse_nested(struct text_parser *parser, const struct path *path,
                                const struct filter **ret_filter)
{
    uint32_t offset = parser->maker.offset;
    const struct filter *item = NULL;
    lode_status status = text_expect(parser, TOKEN_LEFT, "'('");
    if (!status)
        status = text_parse_filter(parser, &item);
    if (!status)
        status = text_expect(parser, TOKEN_RIGHT, "AND, OR or ')'");
    parser->maker.offset = offset;
    return status ? status : placed(parser, filter_nested(&parser->maker, path, item, ret_filter));
}

static const struct {
    const char *word;
    enum filter_kind kind;
    int negatable; /* NOT may stand before it */
} tests[] = {
    {"in", FILTER_IN, 1},          {"has", FILTER_ALL, 0},       {"between", FILTER_RANGE, 1},
    {"exists", FILTER_EXISTS, 0},  {"is", FILTER_NULL, 0},       {"prefix", FILTER_PREFIX, 1},
    {"glob", FILTER_GLOB, 1},      {"regex", FILTER_REGEX, 1},   {"match", FILTER_MATCH, 1},
    {"within", FILTER_POLYGON, 1}, {"nested", FILTER_NESTED, 0},
};

/* Behind the word of a test. */
static lode_status parse_test(struct text_parser *parser, enum filter_kind kind,
                              const struct path *path, const struct filter **ret_filter)
{
    switch (kind) {
    case FILTER_IN: return parse_list_test(parser, FILTER_IN, path, ret_filter);
    case FILTER_ALL: return parse_has(parser, path, ret_filter);
    case FILTER_RANGE: return parse_between(parser, path, ret_filter);
    case FILTER_EXISTS:
        return placed(parser, filter_presence(&parser->maker, kind, path, ret_filter));
    case FILTER_NULL: return parse_is(parser, path, ret_filter);
    case FILTER_POLYGON: return text_parse_within(parser, path, ret_filter);
    case FILTER_NESTED: return parse_nested(parser, path, ret_filter);
    default: return parse_pattern(parser, kind, path, ret_filter);
    }
}

static lode_status parse_word_test(struct text_parser *parser, const struct path *path,
                                   const struct filter **ret_filter)
{
    lode_status status = LODE_OK;
    int negated = text_at_word(parser, "not");
    if (negated)
        status = text_take(parser);
    for (size_t i = 0; !status && i < sizeof tests / sizeof *tests; i++) {
        if (!text_at_word(parser, tests[i].word) || (negated && !tests[i].negatable))
            continue;
        status = text_take(parser);
        if (!status)
            status = parse_test(parser, tests[i].kind, path, ret_filter);
        if (status || !negated)
            return status;
        return placed(parser, filter_not(&parser->maker, *ret_filter, ret_filter));
    }
    if (status)
        return status;
    return text_unexpected(parser,
                           negated ? "IN, BETWEEN, PREFIX, GLOB, REGEX, MATCH or WITHIN" : TESTS);
}

lode_status text_parse_condition(struct text_parser *parser, const struct filter **ret_filter)
{
    const struct path *path;
    parser->maker.offset = (uint32_t)parser->token.offset;
    if (parser->token.kind == TOKEN_ID)
        return parse_id_condition(parser, ret_filter);
    if (parser->token.kind == TOKEN_STRING || parser->token.kind == TOKEN_NUMBER)
        return parse_value_first(parser, ret_filter);
    lode_status status = parse_path(parser, &path);
    if (status)
        return status;
    if (is_comparison(parser->token.kind))
        return parse_comparison(parser, path, ret_filter);
    return parse_word_test(parser, path, ret_filter);
}
