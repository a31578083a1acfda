/* qg_pool.c: see qg.h. */
#include "index/qg.h"

#include <string.h>

/* Branchless: which way each step goes is as good as random. */
static uint32_t position_of(const struct qg_pool *pool, uint64_t item)
{
    const uint64_t *at = pool->items;
    uint32_t count = pool->count;
    while (count > 1) {
        uint32_t middle = count / 2;
        at += at[middle - 1] < item ? middle : 0;
        count -= middle;
    }
    return (uint32_t)(at - pool->items) + (count == 1 && *at < item);
}

void qg_pool_push(struct qg_pool *pool, uint64_t item)
{
    if (pool->count == pool->limit) {
        if (item >= pool->items[pool->count - 1])
            return;
        pool->count--;
    }
    uint32_t position = position_of(pool, item);
    uint64_t *at = pool->items + position;
    memmove(at + 1, at, (pool->count - position) * sizeof item);
    *at = item;
    pool->count++;
    if (position < pool->next)
        pool->next = position;
}
