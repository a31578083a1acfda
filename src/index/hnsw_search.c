/* hnsw_search.c: a search is a descent and a walk on layer 0, and a scan where the walk falls short.
 *
 * A walk may miss allowed rows: those near the query may all be dead, and the others far from any path;
 * or the file is damaged. When it ends with fewer than k, or costs more than it should (plan.h), the
 * allowed rows are scanned, so that k hits come back whenever k rows are allowed. */
#include "index/hnsw.h"

#include "os/stop.h"

#define SPARE 4u /* rows kept beyond ef when codes decide which are the nearest */

static uint32_t ef_of(const struct index_query *query)
{
    return query->ef > query->topk->k ? query->ef : (uint32_t)query->topk->k;
}

static int is_filtered(const struct hnsw *hnsw, const struct index_query *query)
{
    return query->allowed || query->row_limit < hnsw->capacity;
}

static enum hnsw_walk_end walk(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                               const struct index_query *query, struct index_choice *choice,
                               uint32_t entry)
{
    uint32_t spare = scratch->rows == &hnsw->rows ? 0 : SPARE;
    uint32_t ef = hnsw_filtered_ef(choice->plan, ef_of(query) + spare);
    if (hnsw_scratch_begin(scratch, ef, query->topk->k + spare))
        return HNSW_WALK_NOMEM;
    struct neighbor nearest = hnsw_descend(hnsw, scratch, entry, 0, query->counts);
    if (is_filtered(hnsw, query))
        return hnsw_walk_filtered(hnsw, scratch, query, choice, nearest);
    hnsw_walk(hnsw, scratch, nearest, 0, query->counts);
    return HNSW_WALK_ENDED;
}

/* By codes where there are any and they can tell the rows that were found apart. */
static enum hnsw_walk_end walk_nearest(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                       const struct index_query *query, struct index_choice *choice,
                                       uint32_t entry)
{
    if (scratch->code)
        hnsw_code(hnsw, query->query, scratch->decoded, scratch->code);
    hnsw_aim(hnsw, scratch, query->query, scratch->code);
    enum hnsw_walk_end end = walk(hnsw, scratch, query, choice, entry);
    if (end != HNSW_WALK_ENDED || scratch->failure.status ||
        !hnsw_is_blurred(hnsw, scratch, query->query))
        return end;
    hnsw_aim(hnsw, scratch, query->query, NULL);
    return walk(hnsw, scratch, query, choice, entry);
}

void hnsw_choose(const struct index *index, const struct index_query *query,
                 struct index_choice *ret_choice)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    uint32_t row_end = atomic_load_explicit(&hnsw->row_end, memory_order_acquire);
    struct index_query bounded = *query;
    if (bounded.row_limit > row_end)
        bounded.row_limit = row_end;
    struct plan_graph costs = hnsw_filtered_costs(hnsw, &hnsw->rows, &bounded, ef_of(query));
    plan_choose(&costs, &hnsw->rows, &bounded, ret_choice);
}

static const enum index_reason reasons[] = {
    [HNSW_WALK_ENDED] = INDEX_REASON_SHORT,
    [HNSW_WALK_FAR] = INDEX_REASON_FAR,
    [HNSW_WALK_TOO_LONG] = INDEX_REASON_COST,
};

/* By one plan after another, until one finds k rows or nothing is left but the scan. */
static enum hnsw_walk_end walk_by_plan(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                       const struct index_query *query, struct index_choice *choice,
                                       uint32_t entry)
{
    hnsw_choose(&hnsw->index, query, choice);
    while (choice->plan != INDEX_PLAN_SCAN) {
        enum hnsw_walk_end end = walk_nearest(hnsw, scratch, query, choice, entry);
        if (end == HNSW_WALK_NOMEM || scratch->failure.status ||
            (end == HNSW_WALK_ENDED && scratch->beam.count >= query->topk->k))
            return end;
        int is_sieve = choice->plan == INDEX_PLAN_SIEVE && query->allowed;
        choice->reason = reasons[end];
        choice->plan = INDEX_PLAN_SCAN;
        if (is_sieve && choice->costs[INDEX_PLAN_CONFINED] < choice->costs[INDEX_PLAN_SCAN])
            choice->plan = INDEX_PLAN_CONFINED;
    }
    return HNSW_WALK_TOO_LONG;
}

static lode_status push_by_vector(const struct hnsw *hnsw, const struct hnsw_beam *beam,
                                  const struct index_query *query, lode_error *error)
{
    lode_status status = LODE_OK;
    for (uint32_t i = 0; i < beam->count; i++)
        rows_prefetch(&hnsw->rows, hnsw_item_row(beam->items[i]));
    for (uint32_t i = 0; !status && i < beam->count; i++) {
        uint32_t row = hnsw_item_row(beam->items[i]);
        topk_push(query->topk, hnsw_distance(&hnsw->rows, query->query, row), row);
        if (i % HNSW_ROWS_BETWEEN_LOOKS == HNSW_ROWS_BETWEEN_LOOKS - 1)
            status = stop_look(query->stop, error);
    }
    query->counts->distances += beam->count;
    return status;
}

static lode_status push_found(const struct hnsw *hnsw, const struct hnsw_scratch *scratch,
                              const struct index_query *query, lode_error *error)
{
    const struct hnsw_beam *beam = &scratch->beam;
    if (scratch->rows != &hnsw->rows)
        return push_by_vector(hnsw, beam, query, error);
    for (uint32_t i = 0; i < query->topk->k; i++)
        topk_push(query->topk, hnsw_item_distance(beam->items[i]), hnsw_item_row(beam->items[i]));
    return LODE_OK;
}

static lode_status search_with(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                               const struct index_query *query, uint32_t entry, lode_error *error)
{
    struct index_choice choice;
    enum hnsw_walk_end end = walk_by_plan(hnsw, scratch, query, &choice, entry);
    if (query->choice)
        *query->choice = choice;
    if (end == HNSW_WALK_NOMEM)
        return error_nomem(error, "a search", ef_of(query) * sizeof *scratch->beam.items);
    if (scratch->failure.status) {
        if (error)
            *error = scratch->failure;
        return scratch->failure.status;
    }
    return choice.plan == INDEX_PLAN_SCAN ? flat_search(&hnsw->rows, 0, query, error)
                                          : push_found(hnsw, scratch, query, error);
}

lode_status hnsw_search(const struct index *index, const struct index_query *query,
                        lode_error *error)
{
    struct hnsw *hnsw = (struct hnsw *)index; /* only its idle scratch changes */
    uint32_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    uint32_t row_end = atomic_load_explicit(&hnsw->row_end, memory_order_acquire);
    if (entry == HNSW_NONE || query->topk->k == 0 || query->row_limit == 0)
        return LODE_OK;
    struct hnsw_scratch *scratch = hnsw_scratch_take(hnsw);
    if (!scratch)
        return error_nomem(error, "a search", sizeof *scratch);
    struct index_query bounded = *query;
    if (bounded.row_limit > row_end)
        bounded.row_limit = row_end;
    scratch->stop = query->stop;
    lode_status status = search_with(hnsw, scratch, &bounded, entry, error);
    scratch->stop = NULL;
    hnsw_scratch_give(hnsw, scratch);
    return status;
}
