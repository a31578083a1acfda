/* hnsw_search.c: a search is a descent and a walk on layer 0, and a scan where the walk falls short.
 *
 * A walk may miss allowed rows: those near the query may all be dead, and the others far from any path;
 * or the file is damaged. When it ends with fewer than k, or comes to cost as much as a scan would, the
 * allowed rows are scanned, so that k hits come back whenever k rows are allowed. */
#include "index/hnsw.h"

static enum hnsw_walk_end walk(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                               const struct index_query *query, uint32_t entry)
{
    struct neighbor nearest = hnsw_descend(hnsw, query->query, entry, 0, query->counts);
    if (query->allowed || query->row_limit < hnsw->capacity)
        return hnsw_walk_filtered(hnsw, scratch, query, nearest);
    hnsw_walk(hnsw, scratch, query->query, nearest, 0, query->counts);
    return HNSW_WALK_ENDED;
}

static lode_status search_with(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                               const struct index_query *query, uint32_t entry, lode_error *error)
{
    const struct hnsw_beam *beam = &scratch->beam;
    struct topk *topk = query->topk;
    uint32_t ef = query->ef > topk->k ? query->ef : (uint32_t)topk->k;
    enum hnsw_walk_end end = HNSW_WALK_NOMEM;
    if (hnsw_scratch_begin(scratch, ef, topk->k) == 0)
        end = walk(hnsw, scratch, query, entry);
    if (end == HNSW_WALK_NOMEM)
        return error_nomem(error, "a search", ef * sizeof *beam->items);
    if (end == HNSW_WALK_ENDED && beam->count >= topk->k)
        for (uint32_t i = 0; i < topk->k; i++)
            topk_push(topk, hnsw_item_distance(beam->items[i]), hnsw_item_row(beam->items[i]));
    else
        flat_search(&hnsw->rows, 0, query);
    return LODE_OK;
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
    lode_status status = search_with(hnsw, scratch, &bounded, entry, error);
    hnsw_scratch_give(hnsw, scratch);
    return status;
}
