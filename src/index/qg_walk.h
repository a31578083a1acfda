/* qg_walk.h: what a search of the quantised graph works with; shared by qg_search.c and qg_filtered.c. */
#ifndef INDEX_QG_WALK_H
#define INDEX_QG_WALK_H

#include <math.h>

#include "base/bitset.h"
#include "base/le.h"
#include "index/plan.h"
#include "index/qg.h"
#include "os/stop.h"

/* Rows are fetched into the second-level cache, which takes twice as many lines at once as the first. */
#define PREFETCH_L2 1

/* Between two looks at the caller's wish. */
#define QG_HOPS_BETWEEN_LOOKS 64u
#define QG_ROWS_BETWEEN_LOOKS 256u

enum qg_walk_end { QG_WALK_ENDED, QG_WALK_FAR, QG_WALK_COST, QG_WALK_GOES_ON };

struct qg_walk {
    const struct qg *qg;
    const struct index_query *query;
    struct qg_scratch *scratch;
    const struct hop_ops *ops;
    struct hop_query hop;
    uint32_t k;          /* results wanted */
    uint32_t ef;         /* at least k */
    uint32_t near_limit; /* nearest rows kept */
    uint32_t near_count;
    uint32_t prefetched; /* row last asked for */
    uint32_t rank;       /* of the row whose distance bounds the walk */
    float gamma;
    float step;    /* of 8-bit vectors, the largest so far */
    int is_lifted; /* inner products, see qg_lift.c */
    uint32_t few; /* confined: found from a hop, for which rows that are not allowed must lead on */
    int is_far;   /* confined: rows near the query are not allowed */
    uint64_t tested; /* confined: links of rows looked through */
    uint64_t
        allowed_met; /* allowed ones among them; on a sieved walk, among the rows expanded of late */
    double spent;    /* nanoseconds, as expected of what was done; only under a filter */
    lode_status status; /* of touching what is read: the walk ends when it fails */
    lode_error *error;
};

static inline int qg_is_allowed(const struct index_query *query, uint32_t row)
{
    return row < query->row_limit && (!query->allowed || bitset_test(query->allowed, row));
}

static inline const uint8_t *qg_graph_row(const struct qg_walk *walk, uint32_t row)
{
    return walk->qg->graph + row * walk->qg->stride;
}

/* Before a part of a graph row is read: whether it may be. */
static inline int qg_is_sound(struct qg_walk *walk, const uint8_t *part, size_t size)
{
    lode_status status = guard_touch(walk->qg->guard, part, size, walk->error);
    if (status)
        walk->status = status;
    return status == LODE_OK;
}

/* --- qg_search.c --- */

/* Beyond this distance nothing is worth keeping. */
float qg_walk_bound(const struct qg_walk *walk);
/* Beyond this a row need not enter the pool. */
float qg_walk_entry_bound(const struct qg_walk *walk);
/* Keep the row if it is allowed and among the nearest, once. */
void qg_walk_offer(struct qg_walk *walk, float distance, uint32_t row);
/* Ask for the row that would be expanded next, if it is not the one asked for last. */
void qg_walk_prefetch(struct qg_walk *walk);
/* The distance of a row's own vector, in the fast layout; its bytes were touched. */
float qg_walk_measure(struct qg_walk *walk, const uint8_t *own);

/* --- qg_filtered.c --- */

#define QG_FAR_EFFORT 4u /* the pool of a confined walk far from the query, in pools of others */

/* The walk that is confined to allowed rows. The pool has room for QG_FAR_EFFORT times its limit. */
enum qg_walk_end qg_walk_confined(struct qg_walk *walk, const struct plan_graph *costs,
                                  const struct index_choice *choice);

#endif
