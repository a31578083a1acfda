/* hnsw_search.c: a search is a descent and a walk on layer 0, and a scan where the walk falls short.
 *
 * A walk may miss allowed rows: those near the query may all be dead, and the others far from any path;
 * or the file is damaged. When it ends with fewer than k, or comes to cost as much as a scan would, the
 * allowed rows are scanned, so that k hits come back whenever k rows are allowed. */
#include "index/hnsw.h"

#define BEAM_EF_MAX                                                                                \
    2048u /* a sorted array moves ef/2 items to keep one; above this, heaps do better */

static uint32_t min_u32(size_t a, uint32_t b)
{
    return a < b ? (uint32_t)a : b;
}

/* Push what the walk found into the caller's top-k; *ret_enough is 0 when that is not k rows. */
static lode_status search_plain(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                const struct index_query *query, struct neighbor entry, uint32_t ef,
                                int *ret_enough, lode_error *error)
{
    const struct hnsw_beam *beam = &scratch->beam;
    lode_status status = hnsw_walk(hnsw, scratch, query->query, entry, 0, ef, query->counts, error);
    if (status != LODE_OK)
        return status;
    *ret_enough = beam->count >= query->topk->k;
    uint32_t count = *ret_enough ? min_u32(query->topk->k, beam->count) : 0;
    for (uint32_t i = 0; i < count; i++)
        topk_push(query->topk, hnsw_item_distance(beam->items[i]), hnsw_item_row(beam->items[i]));
    return LODE_OK;
}

static lode_status search_filtered(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                   const struct index_query *query, struct neighbor entry,
                                   uint32_t ef, int *ret_enough, lode_error *error)
{
    struct topk found = {NULL, 0, 0};
    enum hnsw_walk_end end = hnsw_walk_filtered(hnsw, scratch, query, entry, ef, &found);
    if (end == HNSW_WALK_NOMEM)
        return error_nomem(error, "a filtered search", ef * sizeof *found.items);
    *ret_enough = end == HNSW_WALK_ENDED && found.count >= query->topk->k;
    for (size_t i = 0; *ret_enough && i < found.count; i++)
        topk_push(query->topk, found.items[i].distance, found.items[i].row);
    return LODE_OK;
}

static lode_status search_with(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                               const struct index_query *query, uint32_t entry, lode_error *error)
{
    uint32_t ef = query->ef > query->topk->k ? query->ef : (uint32_t)query->topk->k;
    struct neighbor nearest = hnsw_descend(hnsw, query->query, entry, 0, query->counts);
    int is_filtered = query->allowed || query->row_limit < hnsw->capacity;
    int enough = 0;
    lode_status status;
    if (is_filtered || ef > BEAM_EF_MAX)
        status = search_filtered(hnsw, scratch, query, nearest, ef, &enough, error);
    else
        status = search_plain(hnsw, scratch, query, nearest, ef, &enough, error);
    if (status == LODE_OK && !enough)
        flat_search(&hnsw->rows, 0, query);
    return status;
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
    bounded.row_limit = min_u32(query->row_limit, row_end);
    lode_status status = search_with(hnsw, scratch, &bounded, entry, error);
    hnsw_scratch_give(hnsw, scratch);
    return status;
}
