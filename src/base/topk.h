/* topk.h: the k nearest rows seen so far. Distances: smaller is nearer; ties by smaller row.
 * A max-heap of capacity k: the worst kept is on top. NaN distances are never kept. */
#ifndef BASE_TOPK_H
#define BASE_TOPK_H

#include <stddef.h>
#include <stdint.h>

struct neighbor {
    float distance;
    uint32_t row;
};

struct topk {
    struct neighbor *items; /* caller's memory, room for k */
    size_t k;
    size_t count;
};

/* The order of results: distance, then row. */
static inline int neighbor_before(struct neighbor a, struct neighbor b)
{
    return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
}

void topk_init(struct topk *topk, struct neighbor *items, size_t k);

/* The largest distance that could still enter: +infinity until full (and -infinity when k is 0). A
 * row at exactly this distance enters when its number is smaller than the worst one's. */
static inline float topk_bound(const struct topk *topk)
{
    if (topk->count < topk->k)
        return __builtin_inff();
    return topk->k ? topk->items[0].distance : -__builtin_inff();
}

void topk_insert(struct topk *topk, struct neighbor item);      /* not full */
void topk_replace_top(struct topk *topk, struct neighbor item); /* full */

/* Inline because scans call it for every row, and nearly every call ends at its first comparison:
 * 1.4 ns against 4.6 ns out of line (k of 10, gcc 12 -O3). */
static inline void topk_push(struct topk *topk, float distance, uint32_t row)
{
    struct neighbor item = {distance, row};
    if (topk->count == topk->k) {
        if (topk->k && neighbor_before(item, topk->items[0]))
            topk_replace_top(topk, item);
    } else if (distance == distance) {
        topk_insert(topk, item);
    }
}

void topk_sort(struct topk *topk); /* nearest first; afterwards only read items[0, count) */

#endif
