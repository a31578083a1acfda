/* plan.h: how one view of a segment is searched: a pure function of its sizes. */
#ifndef QUERY_PLAN_H
#define QUERY_PLAN_H

#include <stddef.h>
#include <stdint.h>

enum plan {
    PLAN_SKIP, /* nothing lives there */
    PLAN_SCAN, /* compare with every live row: exact */
    PLAN_WALK, /* walk the graph over the rows it covers, scan the rest */
};

struct plan_input {
    uint32_t row_count;  /* rows of the view */
    uint32_t live_count; /* of them alive; under a filter, of those that it allows */
    uint32_t covered;    /* rows [0, covered) are in an index; 0: there is none */
    uint32_t ef;         /* beam width, at least k */
    int exact;           /* the caller wants a scan */
};

enum plan plan_view(const struct plan_input *input);

#endif
