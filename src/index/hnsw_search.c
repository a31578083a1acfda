/* hnsw_search.c: finding rows. From the entry, greedily down to layer 0; there a best-first walk with a
 * beam of ef rows (the paper's algorithm 2).
 *
 * Two walks share all but their bookkeeping. The plain one keeps a single sorted array, the beam, in
 * which what is to be expanded and what is to be returned are the same rows. Under a filter they are
 * not: rows not allowed lead on but are never returned, so the filtered walk has a heap of rows to
 * expand and a top-k of the ef nearest allowed ones.
 *
 * A walk may miss allowed rows: those near the query may all be dead, and the others far from any path.
 * When it ends with fewer than k, or comes to cost as much as a scan, the allowed rows are scanned. */
#include "index/hnsw.h"

#include <stdlib.h>

#include "base/bitset.h"

#define PREFETCH_LINES_MAX 8 /* of a vector; the processor's own prefetcher follows from there */

static void prefetch_row(const struct hnsw *hnsw, uint32_t row)
{
    const uint8_t *vector = rows_at(&hnsw->rows, row);
    size_t size = hnsw->rows.space->row_size;
    for (size_t line = 0; line < PREFETCH_LINES_MAX && line * 64 < size; line++)
        __builtin_prefetch(vector + line * 64);
}

static uint32_t level_of(const struct hnsw *hnsw, uint32_t row)
{
    return hnsw_level(hnsw->seed, hnsw->m, row);
}

/* The nearest of the links of nearest->row, if nearer. 1 when there was one. */
static int step_nearer(const struct hnsw *hnsw, const void *query, uint32_t layer,
                       struct neighbor *nearest, struct index_counts *counts)
{
    const uint32_t *list = hnsw_list(hnsw, nearest->row, layer);
    uint32_t degree = list ? hnsw_degree(hnsw, layer) : 0;
    int moved = 0;
    counts->hops++;
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t row = hnsw_link(list, i);
        if (row >= hnsw->capacity)
            break;
        float distance = hnsw_distance(hnsw, query, row);
        counts->distances++;
        if (distance < nearest->distance) {
            *nearest = (struct neighbor){distance, row};
            moved = 1;
        }
    }
    return moved;
}

struct neighbor hnsw_descend(const struct hnsw *hnsw, const void *query, uint32_t entry,
                             uint32_t layer, struct index_counts *counts)
{
    struct neighbor nearest = {hnsw_distance(hnsw, query, entry), entry};
    counts->distances++;
    for (uint32_t above = level_of(hnsw, entry); above > layer; above--)
        while (step_nearer(hnsw, query, above, &nearest, counts))
            ;
    return nearest;
}

/* Links of the row that this search meets for the first time, into scratch->batch. */
static uint32_t meet_links(const struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                           uint32_t layer)
{
    const uint32_t *list = hnsw_list(hnsw, row, layer);
    uint32_t degree = list ? hnsw_degree(hnsw, layer) : 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t link = hnsw_link(list, i);
        if (link >= hnsw->capacity)
            break;
        if (!hnsw_meet(scratch, link))
            continue;
        prefetch_row(hnsw, link);
        scratch->batch[count++] = link;
    }
    return count;
}

/* The nearest item of the beam that was not expanded yet, now marked; 0 when there is none. */
static int beam_take(struct hnsw_beam *beam, uint32_t *ret_row)
{
    while (beam->next < beam->count && (beam->items[beam->next] & 1))
        beam->next++;
    if (beam->next == beam->count)
        return 0;
    *ret_row = hnsw_item_row(beam->items[beam->next]);
    beam->items[beam->next++] |= 1;
    return 1;
}

lode_status hnsw_walk(const struct hnsw *hnsw, struct hnsw_scratch *scratch, const void *query,
                      struct neighbor entry, uint32_t layer, uint32_t ef,
                      struct index_counts *counts, lode_error *error)
{
    struct hnsw_beam *beam = &scratch->beam;
    uint32_t row;
    if (hnsw_scratch_begin(scratch, ef))
        return error_nomem(error, "search beam", ef * sizeof *beam->items);
    hnsw_meet(scratch, entry.row);
    hnsw_beam_push(beam, hnsw_item(entry.distance, entry.row));
    while (beam_take(beam, &row)) {
        uint32_t count = meet_links(hnsw, scratch, row, layer);
        counts->hops++;
        counts->distances += count;
        for (uint32_t i = 0; i < count; i++) {
            float distance = hnsw_distance(hnsw, query, scratch->batch[i]);
            if (distance == distance)
                hnsw_beam_push(beam, hnsw_item(distance, scratch->batch[i]));
        }
    }
    return LODE_OK;
}

/* --- Filtered --- */

struct filter {
    const uint64_t *allowed;
    uint32_t row_limit;
};

static int is_allowed(const struct filter *filter, uint32_t row)
{
    return row < filter->row_limit && (!filter->allowed || bitset_test(filter->allowed, row));
}

/* A scan of what is allowed costs about this many steps of a walk: a scan reads memory in order. */
static uint64_t scan_cost(const struct filter *filter)
{
    size_t allowed =
        filter->allowed ? bitset_count(filter->allowed, filter->row_limit) : filter->row_limit;
    return allowed / 4;
}

/* Rows met on the way: into the frontier, and if allowed into `found`. */
static int meet_filtered(struct hnsw_scratch *scratch, const struct filter *filter,
                         struct topk *found, float distance, uint32_t row)
{
    if (!(distance <= topk_bound(found)))
        return 0;
    if (is_allowed(filter, row))
        topk_push(found, distance, row);
    return hnsw_frontier_push(scratch, hnsw_item(distance, row));
}

/* *ret_ended is 0 when the walk was given up because a scan is cheaper than its rest might be. */
static lode_status walk_filtered(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                 const struct index_query *query, struct neighbor entry,
                                 struct topk *found, int *ret_ended, lode_error *error)
{
    struct filter filter = {query->allowed, query->row_limit};
    struct index_counts *counts = query->counts;
    /* Counting what is allowed takes time too, so that is not done before it can matter. */
    uint64_t budget = counts->distances + 64 + query->row_limit / 256;
    int counted = 0, failed = hnsw_scratch_begin(scratch, 1);
    hnsw_meet(scratch, entry.row);
    failed = failed || meet_filtered(scratch, &filter, found, entry.distance, entry.row);
    while (!failed && scratch->frontier_count) {
        uint64_t item = hnsw_frontier_pop(scratch);
        if (hnsw_item_distance(item) > topk_bound(found))
            break;
        uint32_t count = meet_links(hnsw, scratch, hnsw_item_row(item), 0);
        counts->hops++;
        counts->distances += count;
        for (uint32_t i = 0; i < count && !failed; i++)
            failed = meet_filtered(scratch, &filter, found,
                                   hnsw_distance(hnsw, query->query, scratch->batch[i]),
                                   scratch->batch[i]);
        if (counts->distances > budget && !counted++)
            budget += scan_cost(&filter);
        *ret_ended = counts->distances <= budget;
        if (!*ret_ended)
            break;
    }
    return failed ? error_nomem(error, "search frontier", scratch->frontier_capacity) : LODE_OK;
}

/* Room for a top-k of ef rows in the scratch. */
static lode_status found_init(struct hnsw_scratch *scratch, struct topk *found, uint32_t ef,
                              lode_error *error)
{
    if (ef > scratch->found_capacity) {
        free(scratch->found);
        scratch->found = malloc(ef * sizeof *scratch->found);
        scratch->found_capacity = scratch->found ? ef : 0;
        if (!scratch->found)
            return error_nomem(error, "search results", ef * sizeof *scratch->found);
    }
    topk_init(found, scratch->found, ef);
    return LODE_OK;
}

static lode_status search_filtered(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                   const struct index_query *query, struct neighbor entry,
                                   uint32_t ef, int *ret_found, lode_error *error)
{
    struct topk found = {NULL, 0, 0};
    int ended = 1;
    lode_status status = found_init(scratch, &found, ef, error);
    if (status == LODE_OK)
        status = walk_filtered(hnsw, scratch, query, entry, &found, &ended, error);
    *ret_found = ended && found.count >= query->topk->k;
    if (status != LODE_OK || !*ret_found)
        return status;
    for (size_t i = 0; i < found.count; i++)
        topk_push(query->topk, found.items[i].distance, found.items[i].row);
    return LODE_OK;
}

static lode_status search_plain(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                const struct index_query *query, struct neighbor entry, uint32_t ef,
                                int *ret_found, lode_error *error)
{
    const struct hnsw_beam *beam = &scratch->beam;
    lode_status status = hnsw_walk(hnsw, scratch, query->query, entry, 0, ef, query->counts, error);
    *ret_found = beam->count >= query->topk->k;
    if (status != LODE_OK || !*ret_found)
        return status;
    for (uint32_t i = 0; i < beam->count && i < query->topk->k; i++)
        topk_push(query->topk, hnsw_item_distance(beam->items[i]), hnsw_item_row(beam->items[i]));
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
        return error_nomem(error, "search", sizeof *scratch);

    uint32_t ef = query->ef > query->topk->k ? query->ef : (uint32_t)query->topk->k;
    struct index_query bounded = *query;
    if (bounded.row_limit > row_end)
        bounded.row_limit = row_end;
    struct neighbor start = hnsw_descend(hnsw, query->query, entry, 0, query->counts);
    int found = 0;
    lode_status status;
    if (query->allowed || query->row_limit < hnsw->capacity)
        status = search_filtered(hnsw, scratch, &bounded, start, ef, &found, error);
    else
        status = search_plain(hnsw, scratch, &bounded, start, ef, &found, error);
    hnsw_scratch_give(hnsw, scratch);
    if (status == LODE_OK && !found)
        flat_search(&hnsw->rows, 0, &bounded);
    return status;
}
