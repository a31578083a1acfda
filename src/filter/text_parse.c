/* text_parse.c: AND, OR, NOT, AT LEAST and parentheses, by recursive descent. */
#include "filter/syntax.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "filter/text_parser.h"

#undef text_unexpected

lode_status text_take(struct text_parser *parser)
{
    return lexer_next(&parser->lexer, &parser->token);
}

static int is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_NAME && strlen(word) == token->size &&
           strncasecmp(token->text, word, token->size) == 0;
}

int text_at_word(const struct text_parser *parser, const char *word)
{
    return is_word(&parser->token, word);
}

lode_status text_unexpected(struct text_parser *parser, const char *wanted)
{
    const struct token *token = &parser->token;
    const struct filter_source *source = &parser->lexer.source;
    if (token->kind == TOKEN_END)
        return fault_set(parser->lexer.error, LODE_INVALID, source, token->offset,
                         "found the end, expected %s", wanted);
    int shown = token->raw_size < 40 ? (int)token->raw_size : 40;
    return fault_set(parser->lexer.error, LODE_INVALID, source, token->offset,
                     "found %.*s%s, expected %s", shown, source->text + token->offset,
                     token->raw_size > 40 ? "..." : "", wanted);
}

lode_status text_expect(struct text_parser *parser, enum token_kind kind, const char *what)
{
    return parser->token.kind == kind ? text_take(parser) : text_unexpected(parser, what);
}

lode_status text_expect_word(struct text_parser *parser, const char *word)
{
    return text_at_word(parser, word) ? text_take(parser) : text_unexpected(parser, word);
}

int filter_word_is_reserved(const char *text, size_t size)
{
    static const char *const words[] = {"and", "or", "not", "true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == size && strncasecmp(words[i], text, size) == 0)
            return 1;
    return 0;
}

/* Add to the list of a group. */
static lode_status push(struct text_parser *parser, struct buf *items, const struct filter *item)
{
    return filter_push(items, &item, sizeof(const struct filter *), "conditions",
                       parser->lexer.error);
}

static lode_status parse_not(struct text_parser *parser, const struct filter **ret_filter);

/* One level of the two that are alike: items of the next level, joined by a word. */
static lode_status parse_joined(struct text_parser *parser, const char *word, enum filter_kind kind,
                                lode_status (*parse_item)(struct text_parser *,
                                                          const struct filter **),
                                const struct filter **ret_filter)
{
    struct buf items;
    size_t offset = parser->token.offset;
    const struct filter *item = NULL;
    buf_init(&items, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
    lode_status status = parse_item(parser, &item);
    if (!status)
        status = push(parser, &items, item);
    while (!status && text_at_word(parser, word)) {
        status = text_take(parser);
        if (!status)
            status = parse_item(parser, &item);
        if (!status)
            status = push(parser, &items, item);
    }
    parser->maker.offset = (uint32_t)offset;
    if (!status)
        status =
            filter_group(&parser->maker, kind, (const struct filter *const *)(void *)items.data,
                         items.size / sizeof(const struct filter *), ret_filter);
    buf_release(&items);
    return status;
}

static lode_status parse_and(struct text_parser *parser, const struct filter **ret_filter)
{
    return parse_joined(parser, "and", FILTER_AND, parse_not, ret_filter);
}

lode_status text_parse_filter(struct text_parser *parser, const struct filter **ret_filter)
{
    if (parser->depth == TEXT_DEPTH_MAX)
        return fault_set(parser->lexer.error, LODE_LIMIT, &parser->lexer.source,
                         parser->token.offset, "nested more than %d deep", TEXT_DEPTH_MAX);
    parser->depth++;
    lode_status status = parse_joined(parser, "or", FILTER_OR, parse_and, ret_filter);
    parser->depth--;
    return status;
}

static lode_status parse_parentheses(struct text_parser *parser, const struct filter **ret_filter)
{
    lode_status status = text_take(parser);
    if (!status)
        status = text_parse_filter(parser, ret_filter);
    return status ? status : text_expect(parser, TOKEN_RIGHT, "AND, OR or ')'");
}

/* Behind "AT LEAST n OF (": filters and commas. */
static lode_status parse_choices(struct text_parser *parser, struct buf *items)
{
    for (;;) {
        const struct filter *item = NULL;
        lode_status status = text_parse_filter(parser, &item);
        if (!status)
            status = push(parser, items, item);
        if (status || parser->token.kind != TOKEN_COMMA)
            return status ? status : text_expect(parser, TOKEN_RIGHT, "AND, OR, ',' or ')'");
        status = text_take(parser);
        if (status)
            return status;
    }
}

/* At "AT", and LEAST follows. */
static lode_status parse_at_least(struct text_parser *parser, const struct filter **ret_filter)
{
    struct buf items;
    size_t offset = parser->token.offset;
    lode_status status = text_take(parser);
    if (!status)
        status = text_take(parser);
    const struct value least = parser->token.number;
    if (!status &&
        (parser->token.kind != TOKEN_NUMBER || least.kind != VALUE_INTEGER || least.integer < 1))
        return text_unexpected(parser, "a number from 1 up");
    if (!status)
        status = text_take(parser);
    if (!status)
        status = text_expect_word(parser, "OF");
    if (!status)
        status = text_expect(parser, TOKEN_LEFT, "'('");
    if (status)
        return status;
    buf_init(&items, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
    status = parse_choices(parser, &items);
    parser->maker.offset = (uint32_t)offset;
    if (!status) {
        status = filter_at_least(&parser->maker, (size_t)least.integer,
                                 (const struct filter *const *)(void *)items.data,
                                 items.size / sizeof(const struct filter *), ret_filter);
        if (status)
            fault_prefix(parser->lexer.error, &parser->lexer.source, offset);
    }
    buf_release(&items);
    return status;
}

static int at_least_follows(const struct text_parser *parser)
{
    struct lexer ahead = parser->lexer;
    struct token token;
    ahead.error = NULL;
    return text_at_word(parser, "at") && !lexer_next(&ahead, &token) && is_word(&token, "least");
}

static lode_status parse_primary(struct text_parser *parser, const struct filter **ret_filter)
{
    int truth = text_at_word(parser, "true");
    if (parser->token.kind == TOKEN_LEFT)
        return parse_parentheses(parser, ret_filter);
    if (truth || text_at_word(parser, "false")) {
        parser->maker.offset = (uint32_t)parser->token.offset;
        lode_status status = text_take(parser);
        return status ? status : filter_constant(&parser->maker, truth, ret_filter);
    }
    if (at_least_follows(parser))
        return parse_at_least(parser, ret_filter);
    return text_parse_condition(parser, ret_filter);
}

static lode_status parse_not(struct text_parser *parser, const struct filter **ret_filter)
{
    size_t offset = parser->token.offset;
    const struct filter *item = NULL;
    if (!text_at_word(parser, "not"))
        return parse_primary(parser, ret_filter);
    if (parser->depth == TEXT_DEPTH_MAX)
        return fault_set(parser->lexer.error, LODE_LIMIT, &parser->lexer.source, offset,
                         "nested more than %d deep", TEXT_DEPTH_MAX);
    lode_status status = text_take(parser);
    parser->depth++;
    if (!status)
        status = parse_not(parser, &item);
    parser->depth--;
    parser->maker.offset = (uint32_t)offset;
    return status ? status : filter_not(&parser->maker, item, ret_filter);
}

static lode_status parse_all(struct text_parser *parser, const struct filter **ret_filter)
{
    const struct filter *filter = NULL;
    lode_status status = text_take(parser);
    if (!status)
        status = text_parse_filter(parser, &filter);
    if (!status && parser->token.kind != TOKEN_END)
        status = text_unexpected(parser, "AND, OR or the end");
    if (!status)
        *ret_filter = filter;
    return status;
}

lode_status filter_parse_text(struct arena *arena, const char *text, size_t size,
                              const struct filter **ret_filter, lode_error *error)
{
    if (size > FILTER_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "filter of %zu bytes: at most %d", size,
                         FILTER_SIZE_MAX);
    struct text_parser parser = {
        .lexer = {.source = {.text = text, .size = size}, .arena = arena, .error = error},
        .maker = {.arena = arena, .offset = FILTER_NO_OFFSET, .error = error},
    };
    size_t valid = utf8_valid_prefix(text, size);
    if (valid < size)
        return fault_set(error, LODE_INVALID, &parser.lexer.source, valid, "invalid UTF-8");
    return parse_all(&parser, ret_filter);
}
