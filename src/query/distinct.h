/* distinct.h: only the best hit of each value of a metadata field. */
#ifndef QUERY_DISTINCT_H
#define QUERY_DISTINCT_H

#include "query/execute.h"

struct distinct_request {
    const char *field;
    size_t keep;           /* at most */
    const lode_stop *stop; /* NULL: never */
};

/* Keep, in order, the first hit of each value of the top-level metadata member `field`, at most `keep`
 * of them; *ret_count says how many stayed. Two values are the same when their JSON is: strings
 * unescaped, everything else as it is written (1 and 1.0 differ). Points without the field, or with
 * null in it, are a value each. Errors: LODE_NOMEM, LODE_CORRUPT, LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status distinct_hits(const struct distinct_request *request, struct query_hit *hits,
                                    size_t hit_count, size_t *ret_count, lode_error *error);

#endif
