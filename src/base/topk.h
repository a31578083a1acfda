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

void topk_init(struct topk *topk, struct neighbor *items, size_t k);
/* The largest distance that could still enter: +infinity until full. A row at exactly this
 * distance enters when its number is smaller than the worst one's. */
float topk_bound(const struct topk *topk);
void topk_push(struct topk *topk, float distance, uint32_t row);
void topk_sort(struct topk *topk); /* nearest first; afterwards only read items[0, count) */
/* The order of results: distance, then row. */
int neighbor_before(struct neighbor a, struct neighbor b);

#endif
