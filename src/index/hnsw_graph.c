/* hnsw_graph.c: the memory of the graph. Address space for `capacity` rows is reserved once, so that
 * nothing moves while readers walk; pages come as rows do. */
#include "index/hnsw.h"

#include <stdlib.h>

#include "base/random.h"
#include "os/memory.h"

uint32_t hnsw_level(uint64_t seed, uint32_t m, uint32_t row)
{
    /* The paper draws floor(-ln(u)/ln(m)); comparing u with powers of 1/m is the same and does not
     * depend on the last bit of a logarithm. */
    double u = (double)(random_mix(seed ^ random_mix(row + 1ull)) >> 11) * 0x1p-53;
    double ratio = 1.0 / (m < 2 ? 2 : m);
    uint32_t level = 0;
    for (double bound = ratio; u < bound && level < HNSW_LAYER_MAX; bound *= ratio)
        level++;
    return level;
}

static size_t links_size(const struct hnsw *hnsw)
{
    return (size_t)hnsw->capacity * 2 * hnsw->m * sizeof(uint32_t);
}

static size_t upper_size(const struct hnsw *hnsw)
{
    return (size_t)hnsw->slot_capacity * hnsw->m * sizeof(uint32_t);
}

static size_t upper_slot_size(const struct hnsw *hnsw)
{
    return (size_t)hnsw->capacity * sizeof(uint32_t);
}

static uint32_t slots_needed(const struct hnsw *hnsw)
{
    uint64_t slots = 0;
    for (uint32_t row = 0; row < hnsw->capacity; row++)
        slots += hnsw_level(hnsw->seed, hnsw->m, row);
    return slots < HNSW_NONE ? (uint32_t)slots : HNSW_NONE;
}

static void *reserve(const struct hnsw *hnsw, size_t size)
{
    if (hnsw->spill_dir)
        return memory_reserve_file(hnsw->spill_dir, size);
    void *memory = memory_reserve(size);
    if (memory)
        memory_huge(memory, size);
    return memory;
}

static void unreserve(const struct hnsw *hnsw, void *memory, size_t size)
{
    if (hnsw->spill_dir)
        memory_unreserve_file(memory, size);
    else
        memory_unreserve(memory, size);
}

lode_status hnsw_graph_init(struct hnsw *hnsw, lode_error *error)
{
    hnsw->slot_capacity = slots_needed(hnsw);
    hnsw->links = reserve(hnsw, links_size(hnsw));
    hnsw->upper_slot = reserve(hnsw, upper_slot_size(hnsw));
    hnsw->upper = reserve(hnsw, upper_size(hnsw));
    hnsw->stripes = calloc(HNSW_STRIPES, sizeof *hnsw->stripes);
    for (uint32_t i = 0; hnsw->stripes && i < HNSW_STRIPES; i++)
        mutex_init(&hnsw->stripes[i]);
    if (!hnsw->links || !hnsw->upper_slot || !hnsw->upper || !hnsw->stripes)
        return error_nomem(error, "hnsw graph", links_size(hnsw));
    return LODE_OK;
}

void hnsw_graph_release(struct hnsw *hnsw)
{
    if (hnsw->mapped)
        return;
    unreserve(hnsw, hnsw->links, links_size(hnsw));
    unreserve(hnsw, hnsw->upper_slot, upper_slot_size(hnsw));
    unreserve(hnsw, hnsw->upper, upper_size(hnsw));
    for (uint32_t i = 0; hnsw->stripes && i < HNSW_STRIPES; i++)
        mutex_release(&hnsw->stripes[i]);
    free(hnsw->stripes);
}

void hnsw_graph_add(struct hnsw *hnsw, uint32_t row, uint32_t level)
{
    if (level) {
        uint32_t slot = atomic_fetch_add_explicit(&hnsw->slot_count, level, memory_order_relaxed);
        INVARIANT((uint64_t)slot + level <= hnsw->slot_capacity);
        hnsw->upper_slot[row] = slot;
    }
    for (uint32_t layer = 0; layer <= level; layer++)
        for (uint32_t i = 0; i < hnsw_degree(hnsw, layer); i++)
            hnsw_link_set(hnsw_list(hnsw, row, layer), i, HNSW_NONE);
}

struct mutex *hnsw_stripe(struct hnsw *hnsw, uint32_t row)
{
    return &hnsw->stripes[random_mix(row) % HNSW_STRIPES];
}
