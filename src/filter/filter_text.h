/* filter_text.h: filters as people write them: genre = "drama" AND year >= 1990. The grammar is in
 * docs/filters.md. */
#ifndef FILTER_FILTER_TEXT_H
#define FILTER_FILTER_TEXT_H

#include "filter/filter.h"

/* Read a filter. LODE_INVALID says line, column and byte, what was found there and what would have been
 * right; LODE_LIMIT; LODE_NOMEM. An empty text is an error: true is TRUE. */
NODISCARD lode_status filter_parse_text(struct arena *arena, const char *text, size_t size,
                                        const struct filter **ret_filter, lode_error *error);
/* Append the one text that filter_parse_text reads as this tree. */
NODISCARD lode_status filter_print_text(const struct filter *filter, struct buf *out,
                                        lode_error *error);

/* Words that are no field names without backticks. */
int filter_word_is_reserved(const char *text, size_t size);

#endif
