/* value_rows.h: of the allowed rows those that have one of some values of a field, or another one. */
#ifndef QUERY_VALUE_ROWS_H
#define QUERY_VALUE_ROWS_H

#include "filter/fields.h"
#include "query/allowed.h"

struct value_rows_request {
    const struct version *version;
    const struct fields *fields; /* known: at least as new as the version */
    const struct field *field;   /* one of them */
    const struct value *values;  /* ascending, no two equal */
    size_t count;
    int others;            /* 0: rows that have one of the values; 1: those that have any other */
    int allow_damaged;     /* 1: of segments known to be damaged nothing changes */
    const lode_stop *stop; /* NULL: never */
};

/* Take all other rows out of the set. By columns; where they do not tell, or are damaged, by documents. LODE_NOMEM;
 * LODE_CORRUPT and LODE_IO when a document cannot be read; LODE_CANCELLED, LODE_TIMEOUT. On an error the set is of no use. */
NODISCARD lode_status value_rows_keep(const struct value_rows_request *request,
                                      struct allowed_set *set, lode_error *error);

#endif
