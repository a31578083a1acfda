/* lex.c: see lex.h. */
#include "filter/lex.h"

#include <string.h>

#include "base/json_escape.h"
#include "base/number.h"

static int begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static int continues_name(char c)
{
    return begins_name(c) || (c >= '0' && c <= '9') || c == '-';
}

int lexer_is_bare_name(const char *text, size_t size)
{
    if (size == 0 || !begins_name(text[0]))
        return 0;
    for (size_t i = 1; i < size; i++)
        if (!continues_name(text[i]))
            return 0;
    return 1;
}

static lode_status fault(const struct lexer *lexer, size_t offset, const char *what)
{
    return fault_set(lexer->error, LODE_INVALID, &lexer->source, offset, "%s", what);
}

static void finish(struct lexer *lexer, struct token *token, size_t end)
{
    token->raw_size = end - token->offset;
    lexer->offset = end;
}

static lode_status read_name(struct lexer *lexer, struct token *token)
{
    size_t end = token->offset;
    while (end < lexer->source.size && continues_name(lexer->source.text[end]))
        end++;
    token->kind = TOKEN_NAME;
    token->text = lexer->source.text + token->offset;
    token->size = end - token->offset;
    finish(lexer, token, end);
    return LODE_OK;
}

static lode_status read_number(struct lexer *lexer, struct token *token)
{
    const char *begin = lexer->source.text + token->offset;
    size_t left = lexer->source.size - token->offset, size = number_scan(begin, left);
    if (!size || (size < left && (continues_name(begin[size]) || begin[size] == '.')))
        return fault(lexer, token->offset, "malformed number (strings stand in quotes)");
    if (!value_parse_number(begin, size, &token->number))
        return fault(lexer, token->offset, "number too large for a double");
    token->kind = TOKEN_NUMBER;
    finish(lexer, token, token->offset + size);
    return LODE_OK;
}

/* The end of the name whose opening backtick is at offset: behind the closing one, or 0. */
static size_t quoted_end(const struct lexer *lexer, size_t offset)
{
    for (size_t i = offset + 1; i < lexer->source.size; i++) {
        if (lexer->source.text[i] != '`')
            continue;
        if (i + 1 == lexer->source.size || lexer->source.text[i + 1] != '`')
            return i + 1;
        i++;
    }
    return 0;
}

static lode_status read_quoted_name(struct lexer *lexer, struct token *token)
{
    size_t end = quoted_end(lexer, token->offset);
    if (!end)
        return fault(lexer, token->offset, "a name without its closing backtick");
    const char *from = lexer->source.text + token->offset + 1;
    size_t raw = end - token->offset - 2, size = 0;
    char *text = arena_copy(lexer->arena, from, raw);
    if (!text)
        return error_nomem(lexer->error, "a filter", raw);
    for (size_t i = 0; i < raw; i++) {
        i += from[i] == '`';
        text[size++] = from[i];
    }
    token->kind = TOKEN_QUOTED_NAME;
    token->text = text;
    token->size = size;
    finish(lexer, token, end);
    return LODE_OK;
}

static int is_quote_escape(const char *p, const char *end)
{
    return end - p >= 2 && p[1] == '\'';
}

/* Finds the closing quote of a string that begins at offset. *ret_escaped: there is a backslash. */
static lode_status string_end(const struct lexer *lexer, size_t offset, const char **ret_end,
                              int *ret_escaped)
{
    const char *text = lexer->source.text, *end = text + lexer->source.size;
    const char *p = text + offset + 1;
    *ret_escaped = 0;
    while (p < end && *p != text[offset]) {
        if ((unsigned char)*p < 0x20)
            return fault(lexer, (size_t)(p - text),
                         "control character in a string (write it as \\n, \\t or \\u00xx)");
        const char *next = p + 1;
        if (*p == '\\') {
            *ret_escaped = 1;
            next = is_quote_escape(p, end) ? p + 2 : json_escape_end(p, end);
            if (!next)
                return fault(lexer, (size_t)(p - text), "invalid escape in a string");
        }
        p = next;
    }
    if (p == end)
        return fault(lexer, offset, "a string without its closing quote");
    *ret_end = p;
    return LODE_OK;
}

static lode_status unescape(struct lexer *lexer, struct token *token)
{
    const char *p = token->text, *end = p + token->size;
    char *text = arena_copy(lexer->arena, p, token->size), *out = text;
    if (!text)
        return error_nomem(lexer->error, "a filter", token->size);
    while (p < end) {
        char bytes[4];
        if (*p == '\\' && is_quote_escape(p, end))
            p++;
        size_t count = json_escape_step(&p, bytes);
        memcpy(out, bytes, count);
        out += count;
    }
    token->text = text;
    token->size = (size_t)(out - text);
    return LODE_OK;
}

static lode_status read_string(struct lexer *lexer, struct token *token)
{
    const char *end = NULL;
    int escaped = 0;
    lode_status status = string_end(lexer, token->offset, &end, &escaped);
    if (status)
        return status;
    token->kind = TOKEN_STRING;
    token->text = lexer->source.text + token->offset + 1;
    token->size = (size_t)(end - token->text);
    finish(lexer, token, (size_t)(end - lexer->source.text) + 1);
    return escaped ? unescape(lexer, token) : LODE_OK;
}

static const struct {
    const char *text;
    enum token_kind kind;
} signs[] = {
    {"!=", TOKEN_NOT_EQUAL},     {"<>", TOKEN_NOT_EQUAL}, {"<=", TOKEN_LESS_EQUAL},
    {">=", TOKEN_GREATER_EQUAL}, {"=", TOKEN_EQUAL},      {"<", TOKEN_LESS},
    {">", TOKEN_GREATER},        {"(", TOKEN_LEFT},       {")", TOKEN_RIGHT},
    {",", TOKEN_COMMA},          {".", TOKEN_DOT},        {"@id", TOKEN_ID},
};

static lode_status read_sign(struct lexer *lexer, struct token *token)
{
    size_t left = lexer->source.size - token->offset;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t size = strlen(signs[i].text);
        if (size <= left && memcmp(lexer->source.text + token->offset, signs[i].text, size) == 0) {
            token->kind = signs[i].kind;
            finish(lexer, token, token->offset + size);
            return LODE_OK;
        }
    }
    return fault(lexer, token->offset, "no token of the filter language begins here");
}

lode_status lexer_next(struct lexer *lexer, struct token *ret_token)
{
    const char *text = lexer->source.text;
    while (lexer->offset < lexer->source.size && strchr(" \t\r\n", text[lexer->offset]) &&
           text[lexer->offset])
        lexer->offset++;
    *ret_token = (struct token){.offset = lexer->offset};
    if (lexer->offset == lexer->source.size)
        return LODE_OK;
    char c = text[lexer->offset];
    if (begins_name(c))
        return read_name(lexer, ret_token);
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(lexer, ret_token);
    if (c == '`')
        return read_quoted_name(lexer, ret_token);
    if (c == '"' || c == '\'')
        return read_string(lexer, ret_token);
    return read_sign(lexer, ret_token);
}
