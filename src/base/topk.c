/* topk.c: the heap's repairs. Both move a hole instead of swapping: half the stores. */
#include "base/topk.h"

void topk_init(struct topk *topk, struct neighbor *items, size_t k)
{
    *topk = (struct topk){.items = items, .k = k};
}

/* Put `item` where it belongs on the path from the hole at `at` upwards. */
static void sift_up(struct neighbor *items, size_t at, struct neighbor item)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!neighbor_before(items[parent], item))
            break;
        items[at] = items[parent];
        at = parent;
    }
    items[at] = item;
}

/* Put `item` where it belongs below the hole at the top of items[0, count). */
static void sift_down(struct neighbor *items, size_t count, struct neighbor item)
{
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && neighbor_before(items[child], items[child + 1]))
            child++;
        if (!neighbor_before(item, items[child]))
            break;
        items[at] = items[child];
        at = child;
    }
    items[at] = item;
}

void topk_insert(struct topk *topk, struct neighbor item)
{
    sift_up(topk->items, topk->count, item);
    topk->count++;
}

void topk_replace_top(struct topk *topk, struct neighbor item)
{
    sift_down(topk->items, topk->count, item);
}

void topk_sort(struct topk *topk)
{
    for (size_t left = topk->count; left > 1; left--) {
        struct neighbor worst = topk->items[0];
        sift_down(topk->items, left - 1, topk->items[left - 1]);
        topk->items[left - 1] = worst;
    }
}
