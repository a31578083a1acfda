/* scan.h: exact searches of one view, exact to the last id. */
#ifndef QUERY_SCAN_H
#define QUERY_SCAN_H

#include "query/execute.h"

/* One query of a scan. */
struct scan {
    const void *row;         /* the query in stored form */
    const uint64_t *allowed; /* rows that may be found, living ones; NULL: all that live */
    size_t k;
    struct neighbor *items; /* room for k + 1; [0, *ret_count) filled, in order of distance alone */
    size_t *ret_count;
    struct index_counts *counts;
    const lode_stop *stop; /* the same in all; NULL: never */
};

/* For each scan, all that allow the same rows in one pass over them: the k live rows nearest to its query; among
 * equal distances those of the smallest ids. */
NODISCARD lode_status scan_view(const struct segment_view *view, const struct scan *scans,
                                size_t scan_count, lode_error *error);

#endif
