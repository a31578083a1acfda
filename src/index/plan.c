/* plan.c: see plan.h. */
#include "index/plan.h"

#include <math.h>

#include "base/bitset.h"

/* A scan, by cache lines: of rows in order, where enough of a word are allowed (flat.c), and of rows here and
 * there. docs/decisions/0106 */
#define WORD_NS        1.0 /* looking for allowed rows among 64 */
#define LINE_NS        3.0
#define SPARSE_ROW_NS  25.0
#define SPARSE_LINE_NS 4.0
#define DENSE_SHARE    0.25
#define WORTHWHILE     0.7 /* of a scan's cost: what is expected of a walk may be wrong */

/* A confined walk. */
#define SHARE_MIN      0.0075 /* below, too few links of links are allowed for it to hold together */
#define SHARE_FEW      0.007  /* at this share it is twice as long as where many are allowed */
#define LISTS_OF_A_HOP 32
#define FOUND_OF_A_HOP 10

uint32_t plan_allowed(const struct index_query *query)
{
    if (!query->allowed)
        return query->row_limit;
    if (query->allowed_count && query->allowed_count <= query->row_limit)
        return query->allowed_count;
    return (uint32_t)bitset_count(query->allowed, query->row_limit);
}

static double scan_cost(const struct rows *rows, uint32_t row_limit, double allowed)
{
    double lines = ceil((double)rows->space->row_size / 64), words = (double)row_limit / 64;
    double dense = row_limit * lines * LINE_NS;
    double sparse = allowed * (SPARSE_ROW_NS + lines * SPARSE_LINE_NS);
    return words * WORD_NS +
           (allowed >= DENSE_SHARE * row_limit || sparse > dense ? dense : sparse);
}

static double confined_cost(const struct plan_graph *graph, double share)
{
    double hop_ns =
        graph->hop_ns + LISTS_OF_A_HOP * PLAN_LIST_NS + FOUND_OF_A_HOP * graph->found_ns;
    return share < SHARE_MIN ? HUGE_VAL : graph->hops * hop_ns * (1 + SHARE_FEW / share);
}

void plan_choose(const struct plan_graph *graph, const struct rows *rows,
                 const struct index_query *query, struct index_choice *choice)
{
    uint32_t allowed = plan_allowed(query);
    double share = (double)allowed / graph->count;
    *choice = (struct index_choice){.allowed = allowed, .reason = INDEX_REASON_CHEAPEST};
    double *costs = choice->costs;
    costs[INDEX_PLAN_SCAN] = scan_cost(rows, query->row_limit, allowed);
    costs[INDEX_PLAN_SIEVE] = allowed ? graph->hops / share * graph->hop_ns : HUGE_VAL;
    costs[INDEX_PLAN_CONFINED] = confined_cost(graph, share);
    enum index_plan best = allowed == graph->count ? INDEX_PLAN_SIEVE : INDEX_PLAN_SCAN;
    for (int plan = INDEX_PLAN_CONFINED; plan < INDEX_PLAN_COUNT && allowed < graph->count; plan++)
        if (costs[plan] < (best == INDEX_PLAN_SCAN ? WORTHWHILE : 1) * costs[best])
            best = (enum index_plan)plan;
    if (query->plan != INDEX_PLAN_ANY && allowed) {
        best = query->plan;
        choice->reason = INDEX_REASON_ASKED;
    }
    if (best == INDEX_PLAN_CONFINED && !query->allowed)
        best = INDEX_PLAN_SIEVE; /* row_limit alone needs no detours */
    choice->first = choice->plan = best;
    choice->budget = allowed == graph->count || choice->reason == INDEX_REASON_ASKED
                         ? HUGE_VAL
                         : costs[INDEX_PLAN_SCAN];
}
