/* filter_json.h: filters as programs write them: {"genre": "drama", "year": {"gte": 1990}}. The grammar is in
 * docs/filters.md. */
#ifndef FILTER_FILTER_JSON_H
#define FILTER_FILTER_JSON_H

#include "filter/filter.h"

/* Read a filter. LODE_INVALID says line, column and byte, what was found there and what would have been
 * right; LODE_LIMIT; LODE_NOMEM. */
NODISCARD lode_status filter_parse_json(struct arena *arena, const char *json, size_t size,
                                        const struct filter **ret_filter, lode_error *error);
/* Append the one JSON that filter_parse_json reads as this tree. */
NODISCARD lode_status filter_print_json(const struct filter *filter, struct buf *out,
                                        lode_error *error);

/* Keys of a filter that are no fields without backticks: "and", "@id" and so on. */
int filter_key_is_reserved(const char *text, size_t size);

#endif
