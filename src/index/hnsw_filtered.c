/* hnsw_filtered.c: the walk when not every row may be returned.
 *
 * Rows not allowed lead on but are never found, so what is to be expanded and what is found differ: a heap
 * of the one, the beam for the other. Where few rows are allowed, or those near the query are all dead, such
 * a walk can become longer than a scan; then it is given up. */
#include "index/hnsw.h"

#include "os/mapped.h"

#include "base/bitset.h"

#define SCAN_SPEED 8 /* rows read in order for one read at random */

struct filtered_walk {
    const struct hnsw *hnsw;
    struct hnsw_scratch *scratch;
    const struct index_query *query;
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
    return allowed / SCAN_SPEED;
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

static void meet(struct filtered_walk *walk, float distance, uint32_t row)
{
    struct hnsw_beam *found = &walk->scratch->beam;
    struct hnsw_frontier *frontier = &walk->scratch->frontier;
    uint64_t item = hnsw_item(distance, row);
    if (item >= hnsw_beam_bound(found))
        return;
    if (is_allowed(walk->query, row))
        hnsw_beam_push(found, item);
    walk->out_of_memory |= hnsw_frontier_push(frontier, item);
    if (frontier->items[0] == item)
        hnsw_prefetch_list(walk->hnsw, row, 0);
}

static void expand(struct filtered_walk *walk, uint32_t row)
{
    const struct hnsw *hnsw = walk->hnsw;
    uint32_t count;
    if (hnsw->mapped)
        mapped_look();
    const uint32_t *batch = hnsw_meet_links(hnsw, walk->scratch, row, 0, &count);
    if (walk->scratch->frontier.count)
        hnsw_prefetch_list(hnsw, hnsw_item_row(walk->scratch->frontier.items[0]), 0);
    for (uint32_t i = 0; i < count; i++)
        meet(walk, hnsw_measure(walk->scratch, batch[i]), batch[i]);
    walk->query->counts->hops++;
    walk->query->counts->distances += count;
    walk->steps += count;
}

static enum hnsw_walk_end walk_on(struct filtered_walk *walk)
{
    struct hnsw_frontier *frontier = &walk->scratch->frontier;
    while (frontier->count && !walk->out_of_memory && !walk->scratch->failure.status) {
        uint64_t item = hnsw_frontier_pop(frontier);
        if (item > hnsw_beam_bound(&walk->scratch->beam))
            break;
        if (is_too_long(walk))
            return HNSW_WALK_TOO_LONG;
        expand(walk, hnsw_item_row(item));
    }
    return walk->out_of_memory ? HNSW_WALK_NOMEM : HNSW_WALK_ENDED;
}

enum hnsw_walk_end hnsw_walk_filtered(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                      const struct index_query *query, struct neighbor entry)
{
    struct filtered_walk walk = {
        .hnsw = hnsw, .scratch = scratch, .query = query, .steps_max = 64 + query->row_limit / 256};
    hnsw_visited_entry(&scratch->visited, entry.row);
    meet(&walk, entry.distance, entry.row);
    return walk_on(&walk);
}
