/* syntax.h: filters as they are written. People write text: genre = "drama" AND year >= 1990; programs write JSON:
 * {"genre": "drama", "year": {"gte": 1990}}. Both grammars are in docs/filters.md, and give the same tree. */
#ifndef FILTER_SYNTAX_H
#define FILTER_SYNTAX_H

#include "filter/filter.h"

/* Read a filter. LODE_INVALID says line, column and byte, what was found there and what would have been
 * right; LODE_LIMIT; LODE_NOMEM. An empty text is an error: true is TRUE. */
NODISCARD lode_status filter_parse_text(struct arena *arena, const char *text, size_t size,
                                        const struct filter **ret_filter, lode_error *error);
NODISCARD lode_status filter_parse_json(struct arena *arena, const char *json, size_t size,
                                        const struct filter **ret_filter, lode_error *error);
/* Append the one text, or the one JSON, that is read as this tree. */
NODISCARD lode_status filter_print_text(const struct filter *filter, struct buf *out,
                                        lode_error *error);
NODISCARD lode_status filter_print_json(const struct filter *filter, struct buf *out,
                                        lode_error *error);

/* Words of text, and keys of JSON ("and", "@id" and so on), that are no names of fields without backticks. */
int filter_word_is_reserved(const char *text, size_t size);
int filter_key_is_reserved(const char *text, size_t size);

#endif
