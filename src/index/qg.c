/* qg.c: the operations of the quantised graph, and those of them that fit in a few lines. */
#include "index/qg.h"

#include <stdlib.h>

#include "os/memory.h"

struct qg *qg_new(const struct index_params *params, const struct rows *rows, uint32_t count)
{
    struct qg *qg = calloc(1, sizeof *qg);
    if (!qg)
        return NULL;
    qg->index.ops = &index_qg;
    qg->rows = *rows;
    qg->m = params->m;
    qg->ef_construction = params->ef_construction;
    qg->seed = params->seed;
    qg->layout = params->layout;
    qg->spill_dir = params->spill_dir;
    qg->count = count;
    mutex_init(&qg->graph_lock);
    return qg;
}

void qg_measure(struct qg *qg)
{
    qg->dim = qg->projection.kept;
    qg->code_size = projection_code_size(&qg->projection);
    qg->blocks = (2 * qg->m + HOP_LINKS - 1) / HOP_LINKS;
    qg->own_size = projection_padded(qg->projection.dim);
    size_t size = qg->blocks * hop_block_size(qg->dim, qg->bits) + qg->own_size +
                  (qg_is_lifted(qg) ? 2 : 1) * sizeof(float);
    if (qg_is_compact(qg))
        size = (size_t)qg_places(qg) * sizeof(uint32_t) + qg->code_size;
    qg->stride = (size + 63) / 64 * 64;
}

/* All directions in one bit or two, or half of them in two. */
static size_t codes_max(size_t dim)
{
    size_t whole = rotation_dim(dim), less = (dim / 2 + 63) / 64 * 64;
    unsigned bits = whole <= QG_BITS_2_DIM_MAX ? 2 : 1;
    size_t all = hop_block_size(whole, bits), some = hop_block_size(less ? less : 64, 2);
    return all > some ? all : some;
}

size_t index_graph_row_max(const struct index_params *params, const struct space *space)
{
    size_t blocks = (2 * (size_t)params->m + HOP_LINKS - 1) / HOP_LINKS;
    size_t size = params->layout == LODE_LAYOUT_COMPACT
                      ? blocks * HOP_LINKS * sizeof(uint32_t) + projection_padded(space->dim)
                      : blocks * codes_max(space->dim) + projection_padded(space->dim);
    return (size + 2 * sizeof(float) + 127) / 64 * 64; /* and pivots */
}

void *qg_reserve(const struct qg *qg, size_t size)
{
    return qg->spill_dir ? memory_reserve_file(qg->spill_dir, size) : memory_reserve(size);
}

void qg_unreserve(const struct qg *qg, void *memory, size_t size)
{
    if (qg->spill_dir)
        memory_unreserve_file(memory, size);
    else
        memory_unreserve(memory, size);
}

void qg_close(struct index *index)
{
    struct qg *qg = (struct qg *)index;
    if (!qg)
        return;
    size_t count = qg->count;
    qg_scratch_free_all(qg);
    memory_unreserve(qg->owned_graph, count * qg->stride);
    qg_unreserve(qg, qg->codes, count * qg->code_size);
    qg_unreserve(qg, qg->coordinates, count * qg->dim * sizeof *qg->coordinates);
    qg_unreserve(qg, qg->links, count * qg_places(qg) * sizeof *qg->links);
    if (qg->stripes)
        for (uint32_t i = 0; i < QG_STRIPES; i++)
            mutex_release(&qg->stripes[i]);
    free(qg->stripes);
    free(qg->pivot_memory);
    qg_lift_release(qg);
    projection_release(&qg->projection);
    mutex_release(&qg->graph_lock);
    free(qg);
}

/* What grows is a plain graph: it takes one row at a time. */
static lode_status qg_create(const struct index_params *params, const struct rows *rows,
                             uint32_t capacity, struct index **ret_index, lode_error *error)
{
    return index_hnsw.create(params, rows, capacity, ret_index, error);
}

static lode_status qg_insert(struct index *index, uint32_t row, lode_error *error)
{
    (void)index;
    return error_set(error, LODE_INVALID, "graph: row %u: a sealed graph takes no rows", row);
}

static uint32_t qg_count(const struct index *index)
{
    return ((const struct qg *)index)->count;
}

static size_t qg_memory(const struct index *index)
{
    const struct qg *qg = (const struct qg *)index;
    size_t size = sizeof *qg + projection_memory(&qg->projection);
    if (qg->pivot_memory)
        size += (QG_LEADERS + qg->pivots.count) * (qg->code_size + sizeof(uint32_t));
    if (qg->coordinates)
        size += qg->count * (qg->dim * sizeof(half) + qg_places(qg) * sizeof(uint32_t));
    if (qg->lift.squares)
        size += qg->count * sizeof(float);
    if (__atomic_load_n(&qg->graph, __ATOMIC_ACQUIRE) && qg->owned_graph)
        size += qg->count * qg->stride;
    return size;
}

const struct index_ops index_qg = {
    .name = "hnsw",
    .create = qg_create,
    .insert = qg_insert,
    .build = qg_build,
    .open = qg_open,
    .choose = qg_choose,
    .search = qg_search,
    .serialize = qg_serialize,
    .check = qg_check,
    .count = qg_count,
    .memory = qg_memory,
    .close = qg_close,
};
