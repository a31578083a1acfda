/* text_parser.h: what text_parse.c and text_condition.c have between them. */
#ifndef FILTER_TEXT_PARSER_H
#define FILTER_TEXT_PARSER_H

#include "filter/filter.h"
#include "filter/lex.h"

#define TEXT_DEPTH_MAX 100 /* parentheses and NOTs in one another: bounds the parser's stack */

struct text_parser {
    struct lexer lexer;
    struct token token; /* the next one, not yet taken */
    struct filter_maker maker;
    unsigned depth;
};

/* Take the token at hand and read the next. */
NODISCARD lode_status text_take(struct text_parser *parser);
/* Whether the token at hand is this word of the language, in either case. */
int text_at_word(const struct text_parser *parser, const char *word);
/* Take a token of this kind, or fail: expected `what`. */
NODISCARD lode_status text_expect(struct text_parser *parser, enum token_kind kind,
                                  const char *what);
NODISCARD lode_status text_expect_word(struct text_parser *parser, const char *word);
/* LODE_INVALID: the token at hand, and what would have been right. */
lode_status text_unexpected(struct text_parser *parser, const char *wanted);

/* filter = everything, to the token that cannot continue it. */
NODISCARD lode_status text_parse_filter(struct text_parser *parser,
                                        const struct filter **ret_filter);
NODISCARD lode_status text_parse_condition(struct text_parser *parser,
                                           const struct filter **ret_filter);
/* Behind WITHIN. */
NODISCARD lode_status text_parse_within(struct text_parser *parser, const struct path *path,
                                        const struct filter **ret_filter);

#ifdef __clang_analyzer__
#define text_unexpected(parser, wanted) ((void)text_unexpected(parser, wanted), LODE_INVALID)
#endif

#endif
