/* hnsw_file.c: the graph as bytes, docs/format/graph.md. A graph is used where it lies: open() looks at
 * the header and the sizes; links are compared with the row count wherever they are followed, so
 * damaged ones lead nowhere; check() reads everything. */
#include "index/hnsw.h"

#include "index/graph_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/limits.h"

#define MAGIC       "lodehnsw"
#define VERSION     1u
#define HEADER_SIZE 64u

struct layout {
    uint64_t links_offset, upper_slot_offset, upper_offset, size;
};

static struct layout layout_of(uint32_t count, uint32_t m, uint32_t slots)
{
    struct layout layout;
    layout.links_offset = HEADER_SIZE;
    layout.upper_slot_offset = graph_align(layout.links_offset + (uint64_t)count * 2 * m * 4);
    layout.upper_offset = graph_align(layout.upper_slot_offset + (uint64_t)count * 4);
    layout.size = graph_align(layout.upper_offset + (uint64_t)slots * m * 4);
    return layout;
}

/* --- Write --- */

static void header_put(uint8_t header[HEADER_SIZE], const struct hnsw *hnsw, uint32_t count,
                       uint32_t slots, uint64_t size)
{
    memset(header, 0, HEADER_SIZE);
    memcpy(header, MAGIC, 8);
    le_store_u32(header + 8, VERSION);
    le_store_u32(header + 12, hnsw->m);
    le_store_u32(header + 16, count);
    le_store_u32(header + 20, atomic_load_explicit(&hnsw->entry, memory_order_acquire));
    le_store_u32(header + 24, slots);
    le_store_u32(header + 28, hnsw->ef_construction);
    le_store_u64(header + 32, hnsw->seed);
    le_store_u64(header + 40, size);
}

lode_status hnsw_serialize(const struct index *index, const struct index_sink *sink,
                           lode_error *error)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    uint32_t count = atomic_load_explicit(&hnsw->row_end, memory_order_acquire);
    uint32_t inserted = atomic_load_explicit(&hnsw->inserted, memory_order_acquire);
    uint32_t slots = atomic_load_explicit(&hnsw->slot_count, memory_order_acquire);
    if (inserted != count)
        return error_set(error, LODE_INVALID, "hnsw: %u of rows 0 to %u were not inserted",
                         count - inserted, count - 1);
    uint8_t header[HEADER_SIZE];
    header_put(header, hnsw, count, slots, layout_of(count, hnsw->m, slots).size);
    lode_status status = sink->write(sink->context, header, sizeof header, error);
    if (status == LODE_OK)
        status = graph_write_array(sink, hnsw->links, (uint64_t)count * 2 * hnsw->m * 4, error);
    if (status == LODE_OK)
        status = graph_write_array(sink, hnsw->upper_slot, (uint64_t)count * 4, error);
    if (status == LODE_OK)
        status = graph_write_array(sink, hnsw->upper, (uint64_t)slots * hnsw->m * 4, error);
    if (status == LODE_OK && sink->done)
        atomic_fetch_add_explicit(sink->done, count, memory_order_relaxed);
    return status;
}

/* --- Open --- */

static lode_status header_check(const uint8_t *data, size_t size, uint32_t count, lode_error *error)
{
    if (size < HEADER_SIZE)
        return error_set(error, LODE_CORRUPT, "graph: %zu bytes; the header has %u", size,
                         HEADER_SIZE);
    if (memcmp(data, MAGIC, 8) != 0)
        return error_set(error, LODE_CORRUPT, "graph: it does not begin with " MAGIC);
    if (le_load_u32(data + 8) != VERSION)
        return error_set(error, LODE_VERSION, "graph: version %u; this build reads %u",
                         le_load_u32(data + 8), VERSION);
    uint32_t m = le_load_u32(data + 12), rows = le_load_u32(data + 16),
             entry = le_load_u32(data + 20);
    if (m == 0 || m > LODE_M_MAX)
        return error_set(error, LODE_CORRUPT, "graph: m is %u; it may be 1 to %d", m, LODE_M_MAX);
    if (rows != count || count > SEGMENT_ROWS_MAX)
        return error_set(error, LODE_CORRUPT, "graph: %u rows; the segment has %u", rows, count);
    if (count ? entry >= count : entry != HNSW_NONE)
        return error_set(error, LODE_CORRUPT, "graph: entry %u of %u rows", entry, count);
    uint64_t expected = layout_of(count, m, le_load_u32(data + 24)).size;
    if (le_load_u64(data + 40) != expected || size < expected)
        return error_set(error, LODE_CORRUPT, "graph: %zu bytes, %llu in the header; %llu needed",
                         size, (unsigned long long)le_load_u64(data + 40),
                         (unsigned long long)expected);
    return LODE_OK;
}

lode_status hnsw_open(const struct index_file *file, struct index **ret_index, lode_error *error)
{
    const uint8_t *data = file->data;
    uint32_t count = file->count;
    size_t head = file->size < HEADER_SIZE ? file->size : HEADER_SIZE;
    lode_status status = guard_touch(file->guard, data, head, error);
    if (status == LODE_OK)
        status = header_check(data, file->size, count, error);
    if (status != LODE_OK)
        return status;
    struct hnsw *hnsw = calloc(1, sizeof *hnsw);
    if (!hnsw)
        return error_nomem(error, "hnsw", sizeof *hnsw);
    uint8_t *bytes = (uint8_t *)(uintptr_t)data; /* never written: insert refuses a mapped graph */
    uint32_t slots = le_load_u32(data + 24);
    hnsw->index.ops = &index_hnsw;
    hnsw->rows = *file->rows;
    hnsw->mapped = 1;
    hnsw->guard = file->guard;
    hnsw->m = le_load_u32(data + 12);
    hnsw->ef_construction = le_load_u32(data + 28);
    hnsw->seed = le_load_u64(data + 32);
    hnsw->capacity = count;
    hnsw->slot_capacity = slots;
    struct layout layout = layout_of(count, hnsw->m, slots);
    hnsw->links = (uint32_t *)(void *)(bytes + layout.links_offset);
    hnsw->upper_slot = (uint32_t *)(void *)(bytes + layout.upper_slot_offset);
    hnsw->upper = (uint32_t *)(void *)(bytes + layout.upper_offset);
    atomic_init(&hnsw->slot_count, slots);
    atomic_init(&hnsw->entry, le_load_u32(data + 20));
    atomic_init(&hnsw->inserted, count);
    atomic_init(&hnsw->row_end, count);
    mutex_init(&hnsw->entry_lock);
    *ret_index = &hnsw->index;
    return LODE_OK;
}

/* --- Check --- */

static lode_status list_check(const struct hnsw *hnsw, uint32_t row, uint32_t layer,
                              lode_error *error)
{
    lode_status status = hnsw_touch_list(hnsw, row, layer, error);
    if (status != LODE_OK)
        return status;
    const uint32_t *list = hnsw_list(hnsw, row, layer);
    uint32_t count = atomic_load_explicit(&hnsw->row_end, memory_order_acquire);
    int ended = 0;
    if (!list)
        return error_set(error, LODE_CORRUPT, "graph: row %u, layer %u: slot %u of %u", row, layer,
                         hnsw->upper_slot[row], hnsw->slot_capacity);
    for (uint32_t i = 0; i < hnsw_degree(hnsw, layer); i++) {
        uint32_t link = hnsw_link(list, i);
        int is_none = link == HNSW_NONE;
        if (!is_none && (ended || link >= count || link == row))
            return error_set(error, LODE_CORRUPT,
                             "graph: row %u, layer %u, link %u is %u of %u rows", row, layer, i,
                             link, count);
        if (!is_none && hnsw_level(hnsw->seed, hnsw->m, link) < layer)
            return error_set(error, LODE_CORRUPT,
                             "graph: row %u, layer %u, link %u is row %u, which ends below", row,
                             layer, i, link);
        ended = ended || is_none;
    }
    return LODE_OK;
}

lode_status hnsw_check(const struct index *index, lode_error *error)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    uint32_t count = atomic_load_explicit(&hnsw->row_end, memory_order_acquire);
    uint32_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    uint32_t entry_level = entry == HNSW_NONE ? 0 : hnsw_level(hnsw->seed, hnsw->m, entry);
    for (uint32_t row = 0; row < count; row++) {
        uint32_t level = hnsw_level(hnsw->seed, hnsw->m, row);
        if (level > entry_level)
            return error_set(error, LODE_CORRUPT, "graph: row %u is above the entry %u", row,
                             entry);
        for (uint32_t layer = 0; layer <= level; layer++) {
            lode_status status = list_check(hnsw, row, layer, error);
            if (status != LODE_OK)
                return status;
        }
    }
    return LODE_OK;
}
