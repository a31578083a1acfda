/* hnsw_search.c: finding rows. From the entry, greedily down to layer 0; there a best-first walk with a
 * beam of ef rows (the paper's algorithm 2).
 *
 * Two walks share all but their bookkeeping. The plain one keeps a single sorted array, the beam, in
 * which what is to be expanded and what is to be returned are the same rows. Under a filter they are
 * not: rows not allowed lead on but are never returned, so the filtered walk has a heap of rows to
 * expand and a top-k of the ef nearest allowed ones.
 *
 * The filtered walk may miss allowed rows: those near the query may all be dead, and the others far from
 * any path. When it ends with fewer than k, or comes to cost as much as a scan, the allowed rows are
 * scanned. */
#include "index/hnsw.h"

#include <stdlib.h>

#include "base/bitset.h"

#define BEAM_EF_MAX                                                                                \
    2048u /* a sorted array moves ef/2 items to keep one; above this, heaps are faster */

static void prefetch_row(const struct hnsw *hnsw, uint32_t row)
{
    const uint8_t *vector = rows_at(&hnsw->rows, row);
    for (uint32_t line = 0; line < hnsw->prefetch_lines; line++)
        __builtin_prefetch(vector + (size_t)line * 64);
}

static void prefetch_list(const struct hnsw *hnsw, uint32_t row, uint32_t layer)
{
    const uint32_t *list = row == HNSW_NONE ? NULL : hnsw_list(hnsw, row, layer);
    for (uint32_t i = 0; list && i < hnsw_degree(hnsw, layer); i += 16)
        __builtin_prefetch(list + i);
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

/* Links of the row that this search meets for the first time, their vectors on the way to the cache.
 * Valid until the next call. */
static const uint32_t *meet_links(const struct hnsw *hnsw, struct hnsw_visited *visited,
                                  uint32_t row, uint32_t layer, uint32_t *ret_count)
{
    const uint32_t *list = hnsw_list(hnsw, row, layer);
    uint32_t degree = list ? hnsw_degree(hnsw, layer) : 0;
    uint32_t *batch = visited->met + visited->met_count, count = 0;
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t link = hnsw_link(list, i);
        if (link >= hnsw->capacity)
            break;
        if (bitset_test(visited->bits, link))
            continue;
        bitset_set(visited->bits, link);
        prefetch_row(hnsw, link);
        batch[count++] = link;
    }
    visited->met_count += count;
    if (visited->met_count > HNSW_MET_MAX) {
        visited->met_count = HNSW_MET_MAX;
        visited->overflowed = 1;
    }
    *ret_count = count;
    return batch;
}

static void meet_entry(struct hnsw_visited *visited, uint32_t row)
{
    bitset_set(visited->bits, row);
    visited->met[visited->met_count++] = row;
}

lode_status hnsw_walk(const struct hnsw *hnsw, struct hnsw_scratch *scratch, const void *query,
                      struct neighbor entry, uint32_t layer, uint32_t ef,
                      struct index_counts *counts, lode_error *error)
{
    struct hnsw_beam *beam = &scratch->beam;
    if (hnsw_scratch_begin(scratch, ef))
        return error_nomem(error, "search beam", ef * sizeof *beam->items);
    meet_entry(&scratch->visited, entry.row);
    hnsw_beam_push(beam, hnsw_item(entry.distance, entry.row));
    for (uint32_t row; (row = hnsw_beam_take(beam)) != HNSW_NONE;) {
        uint32_t count;
        const uint32_t *batch = meet_links(hnsw, &scratch->visited, row, layer, &count);
        prefetch_list(hnsw, hnsw_beam_peek(beam), layer);
        counts->hops++;
        counts->distances += count;
        for (uint32_t i = 0; i < count; i++) {
            float distance = hnsw_distance(hnsw, query, batch[i]);
            if (distance == distance && hnsw_beam_push(beam, hnsw_item(distance, batch[i])))
                prefetch_list(hnsw, batch[i], layer);
        }
    }
    return LODE_OK;
}

/* --- The filtered walk ------------------------------------------------------------------------- */

struct filtered_walk {
    const struct hnsw *hnsw;
    struct hnsw_scratch *scratch;
    const struct index_query *query;
    struct topk found;    /* the ef nearest allowed rows */
    uint64_t steps;       /* distances so far */
    uint64_t steps_max;   /* beyond it, a scan is cheaper than the rest of the walk may be */
    int scan_is_budgeted; /* steps_max includes the price of a scan */
    int out_of_memory;
};

static int is_allowed(const struct index_query *query, uint32_t row)
{
    return row < query->row_limit && (!query->allowed || bitset_test(query->allowed, row));
}

/* The steps of a walk that take as long as a scan of all that is allowed, which reads in order. */
static uint64_t scan_cost(const struct index_query *query)
{
    size_t allowed =
        query->allowed ? bitset_count(query->allowed, query->row_limit) : query->row_limit;
    return allowed / 4;
}

/* Counting what is allowed takes time too: it is put off until the walk has taken as long. */
static int is_too_long(struct filtered_walk *walk)
{
    if (walk->steps > walk->steps_max && !walk->scan_is_budgeted) {
        walk->steps_max += scan_cost(walk->query);
        walk->scan_is_budgeted = 1;
    }
    return walk->steps > walk->steps_max;
}

/* Items from here on lead nowhere better. Among equals the row decides, or a graph of duplicates would
 * be walked to its end. */
static uint64_t item_bound(const struct topk *found)
{
    if (found->count < found->k)
        return UINT64_MAX;
    return hnsw_item(found->items[0].distance, found->items[0].row);
}

static void meet_filtered(struct filtered_walk *walk, float distance, uint32_t row)
{
    uint64_t item = hnsw_item(distance, row);
    if (distance != distance || item >= item_bound(&walk->found))
        return;
    if (is_allowed(walk->query, row))
        topk_push(&walk->found, distance, row);
    walk->out_of_memory |= hnsw_frontier_push(walk->scratch, item);
}

static void expand_filtered(struct filtered_walk *walk, uint32_t row)
{
    const struct hnsw *hnsw = walk->hnsw;
    uint32_t count;
    const uint32_t *batch = meet_links(hnsw, &walk->scratch->visited, row, 0, &count);
    for (uint32_t i = 0; i < count; i++)
        meet_filtered(walk, hnsw_distance(hnsw, walk->query->query, batch[i]), batch[i]);
    walk->query->counts->hops++;
    walk->query->counts->distances += count;
    walk->steps += count;
}

/* 1 when the walk came to its end, 0 when it was given up. */
static int walk_filtered(struct filtered_walk *walk, struct neighbor entry)
{
    struct hnsw_scratch *scratch = walk->scratch;
    meet_entry(&scratch->visited, entry.row);
    meet_filtered(walk, entry.distance, entry.row);
    while (scratch->frontier_count && !walk->out_of_memory) {
        uint64_t item = hnsw_frontier_pop(scratch);
        if (item > item_bound(&walk->found))
            return 1;
        if (is_too_long(walk))
            return 0;
        expand_filtered(walk, hnsw_item_row(item));
    }
    return !walk->out_of_memory;
}

/* Room for a top-k of ef rows in the scratch; 0, or -1: out of memory. */
static int found_init(struct hnsw_scratch *scratch, struct topk *found, uint32_t ef)
{
    if (ef > scratch->found_capacity) {
        free(scratch->found);
        scratch->found = malloc(ef * sizeof *scratch->found);
        scratch->found_capacity = scratch->found ? ef : 0;
    }
    topk_init(found, scratch->found, ef);
    return scratch->found ? 0 : -1;
}

static lode_status search_filtered(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                   const struct index_query *query, struct neighbor entry,
                                   uint32_t ef, int *ret_found, lode_error *error)
{
    struct filtered_walk walk = {
        .hnsw = hnsw, .scratch = scratch, .query = query, .steps_max = 64 + query->row_limit / 256};
    int ended = 0;
    if (hnsw_scratch_begin(scratch, 1) || found_init(scratch, &walk.found, ef))
        walk.out_of_memory = 1;
    else
        ended = walk_filtered(&walk, entry);
    if (walk.out_of_memory)
        return error_nomem(error, "filtered search", ef * sizeof *walk.found.items);
    *ret_found = ended && walk.found.count >= query->topk->k;
    for (size_t i = 0; *ret_found && i < walk.found.count; i++)
        topk_push(query->topk, walk.found.items[i].distance, walk.found.items[i].row);
    return LODE_OK;
}

/* --- Both -------------------------------------------------------------------------------------- */

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
    if (query->allowed || query->row_limit < hnsw->capacity || ef > BEAM_EF_MAX)
        status = search_filtered(hnsw, scratch, &bounded, start, ef, &found, error);
    else
        status = search_plain(hnsw, scratch, &bounded, start, ef, &found, error);
    hnsw_scratch_give(hnsw, scratch);
    if (status == LODE_OK && !found)
        flat_search(&hnsw->rows, 0, &bounded);
    return status;
}
