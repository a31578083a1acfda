/* hnsw.c: the operations of the graph index, and those of them that fit in a few lines. */
#include "index/hnsw.h"

#include <stdlib.h>

#include "base/limits.h"

lode_status hnsw_create(const struct index_params *params, const struct rows *rows,
                        uint32_t capacity, struct index **ret_index, lode_error *error)
{
    if (params->m == 0 || params->m > LODE_M_MAX)
        return error_set(error, LODE_INVALID, "hnsw: m is %u; it may be 1 to %d", params->m,
                         LODE_M_MAX);
    if (capacity > SEGMENT_ROWS_MAX)
        return error_set(error, LODE_LIMIT, "hnsw: %u rows; at most %u fit", capacity,
                         SEGMENT_ROWS_MAX);
    struct hnsw *hnsw = calloc(1, sizeof *hnsw);
    if (!hnsw)
        return error_nomem(error, "hnsw", sizeof *hnsw);
    hnsw->index.ops = &index_hnsw;
    hnsw->rows = *rows;
    hnsw->m = params->m;
    hnsw->ef_construction = params->ef_construction;
    hnsw->seed = params->seed;
    hnsw->capacity = capacity;
    hnsw->spill_dir = params->spill_dir;
    atomic_init(&hnsw->entry, HNSW_NONE);
    mutex_init(&hnsw->entry_lock);
    lode_status status = hnsw_graph_init(hnsw, error);
    if (status == LODE_OK)
        status = hnsw_codes_init(hnsw, params->coded_from, error);
    if (status != LODE_OK) {
        hnsw_close(&hnsw->index);
        return status;
    }
    *ret_index = &hnsw->index;
    return LODE_OK;
}

void hnsw_close(struct index *index)
{
    if (!index)
        return;
    struct hnsw *hnsw = (struct hnsw *)index;
    hnsw_scratch_free_all(hnsw);
    hnsw_graph_release(hnsw);
    hnsw_codes_release(hnsw);
    mutex_release(&hnsw->entry_lock);
    free(hnsw);
}

static uint32_t hnsw_count(const struct index *index)
{
    return atomic_load_explicit(&((const struct hnsw *)index)->inserted, memory_order_acquire);
}

static uint32_t hnsw_effort(const struct index *index)
{
    return ((const struct hnsw *)index)->ef_construction;
}

static size_t hnsw_memory(const struct index *index)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    size_t size = sizeof *hnsw;
    size += atomic_load_explicit(&hnsw->scratch_size, memory_order_relaxed);
    if (!hnsw->mapped) {
        size += (size_t)hnsw_count(index) * (2 * hnsw->m + 1) * sizeof(uint32_t);
        size += (size_t)atomic_load_explicit(&hnsw->slot_count, memory_order_relaxed) * hnsw->m *
                sizeof(uint32_t);
        size += HNSW_STRIPES * sizeof(struct mutex);
        size += (size_t)hnsw_count(index) * hnsw->codes.rows.stride;
    }
    return size;
}

const struct index_ops index_hnsw = {
    .name = "hnsw",
    .create = hnsw_create,
    .insert = hnsw_insert,
    .build = hnsw_build,
    .open = hnsw_open,
    .choose = hnsw_choose,
    .search = hnsw_search,
    .serialize = hnsw_serialize,
    .check = hnsw_check,
    .count = hnsw_count,
    .effort = hnsw_effort,
    .memory = hnsw_memory,
    .close = hnsw_close,
};
