/* scan.h: exact search of one view, exact to the last id. */
#ifndef QUERY_SCAN_H
#define QUERY_SCAN_H

#include "query/execute.h"

/* The k live rows nearest to the query; among equal distances those of the smallest ids.
 * items: room for k + 1; [0, *ret_count) filled, in order of distance alone. */
NODISCARD lode_status scan_view(const struct segment_view *view, const void *row, size_t k,
                                struct neighbor *items, size_t *ret_count,
                                struct index_counts *counts, lode_error *error);

#endif
