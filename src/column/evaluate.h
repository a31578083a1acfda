/* evaluate.h: from a bound filter to sets of rows, by columns.
 *
 * Every node gives two sets: rows that match for sure, and rows that may. Where columns answer exactly, both are the
 * same; what they cannot (values that are not in a column, elements of nested objects) leaves rows in between, for
 * which the documents decide. Negation exchanges the two. */
#ifndef COLUMN_EVALUATE_H
#define COLUMN_EVALUATE_H

#include "column/columns.h"
#include "filter/matches.h"

struct column_query {
    const struct columns *columns;
    const struct filter *filter; /* bound, normalised or not */
    struct matcher *matcher;     /* of that filter: it tests values and points */
    const lode_stop *stop;       /* NULL: never */
    /* Add the rows of the ids of a FILTER_ID to words. */
    lode_status (*rows_of_ids)(void *context, const struct filter *filter, uint64_t *words,
                               lode_error *error);
    void *context;
};

/* must, may: room for the columns' row_count; what is in them is replaced. must is within may. LODE_NOMEM,
 * LODE_CORRUPT, LODE_IO, LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status columns_evaluate(const struct column_query *query, uint64_t *must,
                                       uint64_t *may, lode_error *error);

/* About how many rows match, from the numbers of rows of values alone. LODE_NOMEM, LODE_CORRUPT, LODE_IO. */
NODISCARD lode_status columns_estimate(const struct column_query *query, uint32_t *ret_rows,
                                       lode_error *error);

#endif
