/* execute.h: the k nearest points of one version: every view is searched, the hits are merged. */
#ifndef QUERY_EXECUTE_H
#define QUERY_EXECUTE_H

#include "storage/version.h"

struct query {
    const struct version *version; /* pinned by the caller until the hits are fetched */
    const void *row;               /* the query in stored form: an encoded row of the space */
    size_t k;
    uint32_t ef;
    int exact;
};

struct query_hit {
    const struct segment_view *view; /* of query->version */
    uint32_t row;
    float distance;
};

/* The order of results: distance, then id. <0, 0, >0 for qsort. */
int query_hit_order(const void *a, const void *b);

/* hits: room for k; [0, *ret_count) filled in that order; k of them whenever k points exist. Exact
 * searches are exact to the last id, also among equal distances.
 * info: distances, hops and segments are added to. Errors: LODE_NOMEM, LODE_CORRUPT. */
NODISCARD lode_status query_execute(const struct query *query, struct query_hit *hits,
                                    size_t *ret_count, lode_search_info *info, lode_error *error);

#endif
