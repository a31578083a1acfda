/* plan.h: which way of finding the allowed rows near a query is expected to cost least.
 *
 * Both graphs choose among the plans of index.h by nanoseconds that were measured (docs/decisions/0106). A walk
 * that turns out otherwise than expected is left for the next plan, the scan in the end. Before that it may
 * have cost a part of the scan, not more: see plan_judge. */
#ifndef INDEX_PLAN_H
#define INDEX_PLAN_H

#include "index/index.h"

#define PLAN_TRIAL 0.1 /* of the cost of a scan */
#define PLAN_MOST  0.9

/* What a graph says of itself. */
struct plan_graph {
    uint32_t count;  /* rows in it */
    double hops;     /* of a walk where all rows are allowed */
    double hop_ns;   /* expanding a row */
    double found_ns; /* comparing a row that links of links led to */
};

#define PLAN_LIST_NS 60.0 /* looking through the links of a row for allowed ones */

/* The rows of the set, counted unless the query knows. */
uint32_t plan_allowed(const struct index_query *query);

/* Expected costs, and the cheapest plan as choice->first and choice->plan. choice->allowed is set. */
void plan_choose(const struct plan_graph *graph, const struct rows *rows,
                 const struct index_query *query, struct index_choice *choice);

/* Whether a walk that has spent so much is to end, and how. One that has not found k rows when a tenth of the
 * scan's cost is spent is left for the scan, which then costs a tenth more; one that has may cost as much as the
 * scan, and ends with what it has. */
enum plan_verdict { PLAN_GO_ON, PLAN_LEAVE, PLAN_END };

static inline enum plan_verdict plan_judge(const struct index_choice *choice, double spent,
                                           int has_k)
{
    spent += choice->spent;
    if (has_k)
        return spent > PLAN_MOST * choice->budget ? PLAN_END : PLAN_GO_ON;
    return spent > PLAN_TRIAL * choice->budget ? PLAN_LEAVE : PLAN_GO_ON;
}

#endif
