/* json_parser.h: what json_parse.c, json_tests.c and json_geo.c have between them. */
#ifndef FILTER_JSON_PARSER_H
#define FILTER_JSON_PARSER_H

#include "filter/fault.h"
#include "filter/filter.h"

struct json_parser {
    struct json json; /* of text that json_validate accepts, so that only kinds are left to check */
    struct filter_source source;
    struct filter_maker maker;
};

/* The last token's place. */
size_t json_at(const struct json_parser *parser);
/* LODE_INVALID: what the last token is, and what would have been right. */
lode_status json_unexpected(const struct json_parser *parser, const char *wanted);
/* Read a token, which must be of this kind. */
NODISCARD lode_status json_expect(struct json_parser *parser, enum json_token token,
                                  const char *wanted);
/* The last key or string, unescaped, in the arena or borrowed from the source. */
NODISCARD lode_status json_text(struct json_parser *parser, const char **ret_text,
                                size_t *ret_size);
/* Add a place to an error of building a node. */
lode_status json_placed(struct json_parser *parser, lode_status status, size_t offset);
/* The last token, a scalar, as a value. */
NODISCARD lode_status json_value(struct json_parser *parser, enum json_token token,
                                 struct value *ret_value);

/* Behind '{' of a filter. */
NODISCARD lode_status json_parse_members(struct json_parser *parser,
                                         const struct filter **ret_filter);
/* Behind a field's key. */
NODISCARD lode_status json_parse_condition(struct json_parser *parser, const struct path *path,
                                           const struct filter **ret_filter);
NODISCARD lode_status json_parse_id(struct json_parser *parser, const struct filter **ret_filter);
/* Behind the keys "radius", "box" and "polygon". */
NODISCARD lode_status json_parse_circle(struct json_parser *parser, const struct path *path,
                                        const struct filter **ret_filter);
NODISCARD lode_status json_parse_box(struct json_parser *parser, const struct path *path,
                                     const struct filter **ret_filter);
NODISCARD lode_status json_parse_polygon(struct json_parser *parser, const struct path *path,
                                         const struct filter **ret_filter);

#ifdef __clang_analyzer__
#define json_unexpected(parser, wanted) ((void)json_unexpected(parser, wanted), LODE_INVALID)
#endif

#endif
