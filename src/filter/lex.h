/* lex.h: a filter's text as tokens. */
#ifndef FILTER_LEX_H
#define FILTER_LEX_H

#include "base/arena.h"
#include "filter/fault.h"
#include "filter/value.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,        /* a bare name or a word of the language */
    TOKEN_QUOTED_NAME, /* in backticks; text is without them */
    TOKEN_STRING,      /* text is unescaped */
    TOKEN_NUMBER,
    TOKEN_LEFT,  /* ( */
    TOKEN_RIGHT, /* ) */
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL, /* != or <> */
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_ID, /* @id */
};

struct token {
    enum token_kind kind;
    size_t offset;   /* in the source */
    size_t raw_size; /* bytes it takes there */
    const char
        *text; /* of names and strings: borrowed from the source, or unescaped in the arena */
    size_t size;
    struct value number; /* TOKEN_NUMBER */
};

struct lexer {
    struct filter_source source;
    struct arena *arena;
    size_t offset;
    lode_error *error;
};

/* LODE_INVALID and the place of what is no token. */
NODISCARD lode_status lexer_next(struct lexer *lexer, struct token *ret_token);

/* Whether text may stand for a name without backticks; words of the language are the parser's business. */
int lexer_is_bare_name(const char *text, size_t size);

#endif
