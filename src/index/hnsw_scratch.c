/* hnsw_scratch.c: what one search or insert works in. Scratch objects wait in an array of slots that
 * are taken and given back by one atomic exchange each: readers take no lock. */
#include "index/hnsw.h"

#include <stdlib.h>
#include <string.h>

#include "os/memory.h"

static void scratch_free(struct hnsw_scratch *scratch)
{
    if (!scratch)
        return;
    memory_unreserve(scratch->tags, scratch->tags_size);
    free(scratch->beam.items);
    free(scratch->frontier);
    free(scratch->found);
    free(scratch->batch);
    free(scratch->chosen);
    free(scratch->closest);
    free(scratch);
}

static struct hnsw_scratch *scratch_new(const struct hnsw *hnsw)
{
    struct hnsw_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return NULL;
    size_t degree = 2 * (size_t)hnsw->m;
    size_t closest = hnsw->ef_construction > degree ? hnsw->ef_construction : degree + 1;
    scratch->tags_size = hnsw->capacity * sizeof *scratch->tags;
    scratch->tags = memory_reserve(scratch->tags_size);
    scratch->batch = malloc(degree * sizeof *scratch->batch);
    if (!hnsw->mapped) {
        scratch->chosen = malloc((HNSW_LAYER_MAX + 1) * degree * sizeof *scratch->chosen);
        scratch->closest = malloc(closest * sizeof *scratch->closest);
    }
    int whole = scratch->tags && scratch->batch;
    if (!whole || (!hnsw->mapped && (!scratch->chosen || !scratch->closest))) {
        scratch_free(scratch);
        return NULL;
    }
    return scratch;
}

struct hnsw_scratch *hnsw_scratch_take(struct hnsw *hnsw)
{
    for (int i = 0; i < HNSW_SCRATCH_SLOTS; i++) {
        if (!atomic_load_explicit(&hnsw->scratch[i], memory_order_relaxed))
            continue;
        /* acquire: see what the previous user wrote into it */
        struct hnsw_scratch *scratch =
            atomic_exchange_explicit(&hnsw->scratch[i], NULL, memory_order_acquire);
        if (scratch)
            return scratch;
    }
    return scratch_new(hnsw);
}

void hnsw_scratch_give(struct hnsw *hnsw, struct hnsw_scratch *scratch)
{
    for (int i = 0; scratch && i < HNSW_SCRATCH_SLOTS; i++) {
        struct hnsw_scratch *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&hnsw->scratch[i], &none, scratch,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    scratch_free(scratch);
}

void hnsw_scratch_free_all(struct hnsw *hnsw)
{
    for (int i = 0; i < HNSW_SCRATCH_SLOTS; i++)
        scratch_free(atomic_load_explicit(&hnsw->scratch[i], memory_order_acquire));
}

int hnsw_scratch_begin(struct hnsw_scratch *scratch, uint32_t ef)
{
    if (ef > scratch->beam.capacity) {
        uint64_t *items = realloc(scratch->beam.items, ef * sizeof *items);
        if (!items)
            return -1;
        scratch->beam.items = items;
        scratch->beam.capacity = ef;
    }
    scratch->beam.limit = ef;
    scratch->beam.count = 0;
    scratch->beam.next = 0;
    scratch->frontier_count = 0;
    if (++scratch->tag == 0) { /* wrapped: old tags would look new */
        memset(scratch->tags, 0, scratch->tags_size);
        scratch->tag = 1;
    }
    return 0;
}

void hnsw_beam_push(struct hnsw_beam *beam, uint64_t item)
{
    if (beam->count == beam->limit) {
        if (item >= beam->items[beam->count - 1])
            return;
        beam->count--;
    }
    uint32_t low = 0, high = beam->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (beam->items[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(beam->items + low + 1, beam->items + low, (beam->count - low) * sizeof item);
    beam->items[low] = item;
    beam->count++;
    if (low < beam->next)
        beam->next = low;
}

int hnsw_frontier_push(struct hnsw_scratch *scratch, uint64_t item)
{
    if (scratch->frontier_count == scratch->frontier_capacity) {
        size_t capacity = scratch->frontier_capacity ? 2 * scratch->frontier_capacity : 1024;
        uint64_t *frontier = realloc(scratch->frontier, capacity * sizeof *frontier);
        if (!frontier)
            return -1;
        scratch->frontier = frontier;
        scratch->frontier_capacity = capacity;
    }
    uint64_t *heap = scratch->frontier;
    size_t i = scratch->frontier_count++;
    for (; i && heap[(i - 1) / 2] > item; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = item;
    return 0;
}

uint64_t hnsw_frontier_pop(struct hnsw_scratch *scratch)
{
    uint64_t *heap = scratch->frontier, top = heap[0];
    size_t count = --scratch->frontier_count;
    uint64_t last = heap[count];
    size_t i = 0;
    for (size_t child = 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}
