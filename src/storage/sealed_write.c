/* sealed_write.c: writing a segment from the live rows of others, for flush and merge alike, and the
 * graph of one that has none yet. Parts are written one after the other, each in one stream. */
#include "storage/sealed_parts.h"

#include "base/limits.h"
#include "storage/columns_part.h"
#include "storage/docs.h"
#include "storage/id_table.h"
#include "storage/live_rows.h"
#include "storage/stamps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Row maps ---------------------------------------------------------------------------------- */

static uint32_t map_rows(const struct segment_view *view, uint32_t next, uint32_t *map)
{
    for (uint32_t row = 0; row < view->row_count; row++)
        map[row] = view_alive(view, row) ? next++ : ROW_NONE;
    return next;
}

static void free_maps(uint32_t **maps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(maps[i]);
        maps[i] = NULL;
    }
}

static uint64_t count_live(const struct segment_view *views, size_t view_count)
{
    uint64_t count = 0;
    for (size_t i = 0; i < view_count; i++)
        count += views[i].live ? bitset_count(views[i].live->words, views[i].row_count)
                               : views[i].row_count;
    return count;
}

static lode_status make_maps(const struct segment_view *views, size_t view_count, uint32_t **maps,
                             uint32_t *ret_row_count, lode_error *error)
{
    uint64_t live = count_live(views, view_count);
    if (live > SEGMENT_ROWS_MAX)
        return error_set(error, LODE_LIMIT, "a segment of %" PRIu64 " rows; at most %u", live,
                         SEGMENT_ROWS_MAX);
    uint32_t next = 0;
    for (size_t i = 0; i < view_count; i++) {
        size_t size = views[i].row_count * sizeof *maps[i];
        maps[i] = malloc(size ? size : 1);
        if (!maps[i]) {
            free_maps(maps, i);
            return error_nomem(error, "a row map", size);
        }
        next = map_rows(&views[i], next, maps[i]);
    }
    *ret_row_count = next;
    return LODE_OK;
}

/* --- Parts ------------------------------------------------------------------------------------- */

struct part {
    const struct store *store;
    const struct live_rows *rows; /* of a graph alone: NULL */
    const struct fields *fields;  /* of these rows */
    _Atomic uint64_t *done;       /* may be NULL */
    const struct cancel *cancel;  /* of a graph's writing; may be NULL */
    struct executor *executor;    /* makes a graph's rows; may be NULL */
    const struct index *index;
    struct frame_writer *frame;
};

typedef lode_status part_fn(struct part *part, lode_error *error);

static lode_status write_row(void *context, const struct segment *segment, uint32_t row,
                             lode_error *error)
{
    struct part *part = context;
    if (part->done)
        atomic_fetch_add_explicit(part->done, 1, memory_order_relaxed);
    lode_status status = rows_touch(&segment->rows, row, 1, error);
    return status ? status
                  : frame_write(part->frame, rows_at(&segment->rows, row),
                                part->store->space.row_size, error);
}

static lode_status write_vectors(struct part *part, lode_error *error)
{
    uint8_t bytes[VECTORS_INFO_SIZE];
    struct vectors_info info = vectors_info_of(&part->store->space, part->rows->row_count);
    vectors_info_put(bytes, &info);
    lode_status status = frame_section(part->frame, VECTORS_INFO, error);
    if (!status)
        status = frame_write(part->frame, bytes, sizeof bytes, error);
    if (!status)
        status = frame_section(part->frame, VECTORS_ROWS, error);
    return status ? status : live_rows_each(part->rows, write_row, part, error);
}

static lode_status write_ids(struct part *part, lode_error *error)
{
    return id_table_write(part->frame, part->rows, error);
}

static lode_status write_docs(struct part *part, lode_error *error)
{
    lode_status status = docs_write(part->frame, part->rows, error);
    return status ? status : stamps_write(part->frame, part->rows, error);
}

static lode_status write_columns(struct part *part, lode_error *error)
{
    return columns_write(part->frame, part->rows, part->fields, error);
}

/* A piece at a time where rows are coded as they are written, which takes a while. */
static lode_status graph_bytes(void *context, const void *data, size_t size, lode_error *error)
{
    struct part *part = context;
    if (cancel_is_wanted(part->cancel))
        return error_set(error, LODE_CANCELLED, "graph: writing cancelled");
    return frame_write(part->frame, data, size, error);
}

static lode_status write_graph(struct part *part, lode_error *error)
{
    struct index_sink sink = {.write = graph_bytes,
                              .context = part,
                              .executor = part->executor,
                              .done = part->rows ? NULL : part->done};
    lode_status status = frame_section(part->frame, GRAPH_BYTES, error);
    return status ? status : part->index->ops->serialize(part->index, &sink, error);
}

static const struct {
    enum name_kind name;
    enum frame_kind frame;
    part_fn *write;
} kinds[] = {
    {NAME_VECTORS, FRAME_VECTORS, write_vectors}, {NAME_IDS, FRAME_IDS, write_ids},
    {NAME_DOCS, FRAME_DOCS, write_docs},          {NAME_COLUMNS, FRAME_COLUMNS, write_columns},
    {NAME_GRAPH, FRAME_GRAPH, write_graph},
};

enum { KIND_COLUMNS = 3, KIND_GRAPH = 4 };

static lode_status write_part_at(struct part *part, size_t kind, uint64_t number, const char *path,
                                 lode_error *error)
{
    const struct store *store = part->store;
    struct frame_id id = {kinds[kind].frame, store->collection_uid, number};
    lode_status status = frame_create(store->vfs, path, id, &part->frame, error);
    if (status)
        return status;
    status = kinds[kind].write(part, error);
    if (!status)
        return frame_finish(part->frame, error);
    frame_abandon(part->frame);
    return status;
}

static lode_status write_part(struct part *part, size_t kind, uint64_t number, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct name name = {.kind = kinds[kind].name, .number = number};
    lode_status status = name_path(path, part->store->dir, name, error);
    return status ? status : write_part_at(part, kind, number, path, error);
}

/* No manifest speaks of them, and who looks for columns by their name is to find all of them or none. */
static lode_status write_columns_alone(struct part *part, uint64_t number, lode_error *error)
{
    char path[PATH_SIZE_MAX], temporary[PATH_SIZE_MAX], file[NAME_TEXT_MAX],
        text[NAME_TEXT_MAX + 4];
    struct name name = {.kind = NAME_COLUMNS, .number = number};
    const struct store *store = part->store;
    lode_status status = name_path(path, store->dir, name, error);
    snprintf(text, sizeof text, "%s.tmp", name_format(name, file));
    if (!status)
        status = vfs_join(temporary, store->dir, text, error);
    if (!status)
        status = write_part_at(part, KIND_COLUMNS, number, temporary, error);
    return status ? status : vfs_rename(store->vfs, temporary, path, error);
}

/* The overlay serves as the graph when rows keep their numbers: one view, all alive, all in it. The graph
 * of a sealed segment does not: whoever writes that anew makes a better one. */
static const struct index *usable_index(const struct store *store, const struct segment_view *views,
                                        size_t view_count, uint32_t row_count)
{
    if (store->index != LODE_INDEX_HNSW || view_count != 1 || views[0].row_count != row_count ||
        views[0].segment->sealed)
        return NULL;
    uint32_t covered;
    const struct index *index = views[0].segment->ops->index(views[0].segment, &covered);
    return index && covered == row_count && index->ops->count(index) == row_count ? index : NULL;
}

static lode_status check_sources(const struct segment_view *views, size_t view_count,
                                 lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < view_count; i++)
        if (views[i].segment->sealed)
            status = sealed_check(views[i].segment, error);
    return status;
}

/* Vectors and documents are by far the largest parts: while the graph is built of their copies, the sources
 * would double the memory that is resident. */
static void forget_sources(const struct segment_view *views, size_t view_count)
{
    for (size_t i = 0; i < view_count; i++)
        if (views[i].segment->sealed)
            sealed_forget(views[i].segment);
}

/* All parts that there are to be; columns where the metadata has fields. */
static lode_status write_parts(struct part *part, const struct sealed_entry *entry,
                               lode_error *error)
{
    struct fields *fields = NULL;
    if (entry->row_count == 0)
        return LODE_OK;
    lode_status status = columns_fields(part->store->fields, part->rows, &fields, error);
    size_t kind_count = KIND_GRAPH + (size_t)entry->has_graph;
    part->fields = fields;
    for (size_t kind = 0; !status && kind < kind_count; kind++)
        if (kind != KIND_COLUMNS || columns_wanted(part->rows, fields))
            status = write_part(part, kind, entry->number, error);
    fields_free(fields);
    return status;
}

static lode_status write_segment(const struct store *store, uint64_t number,
                                 const struct sealed_source *source, int check,
                                 struct sealed_entry *ret_entry, lode_error *error)
{
    const struct segment_view *views = source->views;
    const struct index_work *work = source->work;
    size_t view_count = source->view_count;
    struct sealed_entry entry = {.number = number};
    lode_status status = make_maps(views, view_count, source->row_maps, &entry.row_count, error);
    if (status)
        return status;
    struct live_rows rows = {.views = views,
                             .view_count = view_count,
                             .row_count = entry.row_count,
                             .cancel = work ? work->cancel : NULL};
    struct part part = {.store = store, .rows = &rows, .done = work ? work->done : NULL};
    part.index = usable_index(store, views, view_count, entry.row_count);
    entry.live_count = entry.row_count;
    entry.has_graph = entry.row_count && part.index;
    if (check)
        status = check_sources(views, view_count, error);
    if (!status)
        status = write_parts(&part, &entry, error);
    forget_sources(views, view_count);
    if (status) {
        sealed_remove(store, number);
        free_maps(source->row_maps, view_count);
        return status;
    }
    *ret_entry = entry;
    return LODE_OK;
}

lode_status sealed_write_columns(const struct store *store, const struct segment *segment,
                                 uint32_t row_count, const struct cancel *cancel, lode_error *error)
{
    struct segment_view view = {.segment = (struct segment *)(uintptr_t)segment,
                                .row_count = row_count,
                                .live_count = row_count};
    struct live_rows rows = {
        .views = &view, .view_count = 1, .row_count = row_count, .cancel = cancel};
    struct fields *fields = NULL;
    lode_status status = columns_fields(store->fields, &rows, &fields, error);
    struct part part = {.store = store, .rows = &rows, .fields = fields};
    if (!status && columns_wanted(&rows, fields))
        status = write_columns_alone(&part, segment->number, error);
    fields_free(fields);
    return status;
}

lode_status sealed_write(const struct store *store, uint64_t number,
                         const struct sealed_source *source, struct sealed_entry *ret_entry,
                         lode_error *error)
{
    return write_segment(store, number, source, 1, ret_entry, error);
}

lode_status sealed_write_salvaged(const struct store *store, uint64_t number,
                                  const struct segment_view *view, struct sealed_entry *ret_entry,
                                  lode_error *error)
{
    uint32_t *row_map = NULL;
    struct sealed_source source = {.views = view, .view_count = 1, .row_maps = &row_map};
    lode_status status = write_segment(store, number, &source, 0, ret_entry, error);
    free(row_map);
    return status;
}

lode_status sealed_make_graph(const struct store *store, const struct segment *segment,
                              uint32_t row_count, const struct index_work *work,
                              struct index **ret_index, lode_error *error)
{
    struct index_params params = store->params;
    params.spill_dir = work ? work->spill_dir : NULL;
    lode_status status = sealed_check_vectors(segment, error);
    return status ? status
                  : index_qg.build(&params, &segment->rows, row_count, work, ret_index, error);
}

lode_status sealed_write_graph(const struct store *store, uint64_t number,
                               const struct index *index, const struct index_work *work,
                               lode_error *error)
{
    int is_alone = !work || (work->is_crowded && work->is_crowded(work->context));
    struct part part = {.store = store,
                        .cancel = work ? work->cancel : NULL,
                        .executor = is_alone ? NULL : work->executor,
                        .done = work ? work->done : NULL,
                        .index = index};
    return write_part(&part, KIND_GRAPH, number, error);
}

lode_status sealed_build_graph(const struct store *store, const struct segment *segment,
                               uint32_t row_count, const struct index_work *work, lode_error *error)
{
    struct index *index;
    struct index_work writing = work ? *work : (struct index_work){0};
    writing.done = NULL; /* rows are counted once */
    lode_status status = sealed_make_graph(store, segment, row_count, work, &index, error);
    if (status)
        return status;
    status = sealed_write_graph(store, segment->number, index, &writing, error);
    index->ops->close(index);
    return status;
}
