#include "engine/need.h"

#include "engine/build.h"

static int is_quantised(const struct segment_view *view)
{
    uint32_t covered = 0;
    const struct index *index = view->segment->ops->index(view->segment, &covered);
    return index && index->ops == &index_qg;
}

/* A graph that there is already tells best how large another will be. */
static uint64_t graph_bytes_a_row(const struct store *store, const struct segment_view *views,
                                  size_t count)
{
    const struct segment_view *best = NULL;
    if (store->index != LODE_INDEX_HNSW)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (views[i].segment->sealed && views[i].row_count && is_quantised(&views[i]) &&
            (!best || views[i].row_count > best->row_count))
            best = &views[i];
    if (best)
        return sealed_graph_bytes(best->segment) / best->row_count + 1;
    return index_graph_row_max(&store->params, &store->space);
}

static uint64_t share_of(uint64_t bytes, uint32_t live, uint32_t rows)
{
    return rows ? (uint64_t)((double)bytes * live / rows) : 0;
}

uint64_t need_of_merge(const struct collection *collection, const struct segment_view *views,
                       size_t count)
{
    uint64_t bytes = 0, rows = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t disk = 0, memory = 0, mapped = 0;
        views[i].segment->ops->sizes(views[i].segment, &disk, &memory, &mapped);
        disk -= sealed_graph_bytes(views[i].segment);
        bytes += share_of(disk, views[i].live_count, views[i].row_count);
        rows += views[i].live_count;
    }
    if (build_wants_graph_of(collection, rows))
        bytes += rows * graph_bytes_a_row(&collection->store, views, count);
    return bytes;
}

uint64_t need_of_columns(const struct segment_view *view)
{
    return sealed_docs_bytes(view->segment);
}

uint64_t need_of_graph(const struct store *store, const struct segment_view *view)
{
    return view->row_count * graph_bytes_a_row(store, view, 1);
}
