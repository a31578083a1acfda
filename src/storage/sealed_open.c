/* sealed_open.c: a segment on disk, mapped and used in place. Nothing here trusts the files: opening
 * checks frames and sizes, and every later access stays within them. */
#include "storage/sealed_parts.h"

#include "base/limits.h"
#include "storage/docs.h"
#include "storage/id_table.h"
#include "storage/stamps.h"

#include <inttypes.h>
#include <stdlib.h>

struct sealed {
    struct segment base;
    const struct store *store;
    uint32_t row_count;
    struct frame vectors_frame;
    struct frame ids_frame;
    struct frame docs_frame;
    struct frame graph_frame; /* zeros when there is none */
    struct id_table ids;
    struct docs docs;
    struct stamps stamps;
    struct index *index; /* NULL: scanned */
};

static struct sealed *sealed_of(const struct segment *segment)
{
    return (struct sealed *)(uintptr_t)segment;
}

/* --- Operations -------------------------------------------------------------------------------- */

static const uint8_t *sealed_id(const struct segment *segment, uint32_t row, size_t *ret_size)
{
    return id_table_id(&sealed_of(segment)->ids, row, ret_size);
}

static uint32_t sealed_find(const struct segment_view *view, const uint8_t *id, size_t id_size,
                            uint64_t id_hash)
{
    uint32_t row = id_table_find(&sealed_of(view->segment)->ids, id, id_size, id_hash);
    return row != ROW_NONE && view_alive(view, row) ? row : ROW_NONE;
}

static lode_status sealed_document(const struct segment *segment, uint32_t row,
                                   struct document *ret_document, lode_error *error)
{
    lode_status status = docs_get(&sealed_of(segment)->docs, row, ret_document, error);
    if (status)
        error_prefix(error, "seg-%" PRIu64 ".docs: ", segment->number);
    return status;
}

static struct stamp sealed_stamp(const struct segment *segment, uint32_t row)
{
    return stamps_get(&sealed_of(segment)->stamps, row);
}

static uint64_t sealed_expire(const struct segment *segment, const struct expiry_range *range)
{
    return stamps_expire(&sealed_of(segment)->stamps, range);
}

static lode_status sealed_check_row(const struct segment *segment, uint32_t row, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    const char *part = "vectors";
    lode_status status = frame_check_range(&sealed->vectors_frame, rows_at(&segment->rows, row),
                                           segment->rows.space->row_size, error);
    if (!status) {
        part = "docs";
        status = docs_check_row(&sealed->docs, &sealed->docs_frame, row, error);
        if (!status)
            status = stamps_check_row(&sealed->stamps, &sealed->docs_frame, row, error);
    }
    if (status)
        error_prefix(error, "seg-%" PRIu64 ".%s: ", segment->number, part);
    return status;
}

static const struct index *sealed_index(const struct segment *segment, uint32_t *ret_covered)
{
    const struct sealed *sealed = sealed_of(segment);
    *ret_covered = sealed->index ? sealed->row_count : 0;
    return sealed->index;
}

static void sealed_sizes(const struct segment *segment, uint64_t *ret_disk, uint64_t *ret_memory,
                         uint64_t *ret_mapped)
{
    const struct sealed *sealed = sealed_of(segment);
    *ret_disk = sealed->vectors_frame.size + sealed->ids_frame.size + sealed->docs_frame.size +
                sealed->graph_frame.size;
    *ret_mapped = *ret_disk;
    *ret_memory = sizeof *sealed + (sealed->index ? sealed->index->ops->memory(sealed->index) : 0);
}

static const enum name_kind parts[] = {NAME_VECTORS, NAME_IDS, NAME_DOCS, NAME_GRAPH};
#define PART_COUNT (sizeof parts / sizeof parts[0])

void sealed_remove(const struct store *store, uint64_t number)
{
    for (size_t i = 0; i < PART_COUNT; i++) {
        char path[PATH_SIZE_MAX];
        struct name name = {.kind = parts[i], .number = number};
        lode_status ignored = name_path(path, store->dir, name, NULL);
        if (!ignored)
            ignored = vfs_remove(store->vfs, path, NULL);
        (void)ignored;
    }
}

uint64_t sealed_bytes(const struct store *store, uint64_t number)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < PART_COUNT; i++) {
        char path[PATH_SIZE_MAX];
        struct name name = {.kind = parts[i], .number = number};
        if (name_path(path, store->dir, name, NULL) == LODE_OK)
            bytes += vfs_size_at(store->vfs, path);
    }
    return bytes;
}

/* Whether somebody still needs its files by name. */
static int is_pinned(const struct sealed *sealed)
{
    struct pin_key key = {NAME_VECTORS, sealed->base.number};
    return sealed->store->pins && pins_retire(sealed->store->pins, key);
}

static void sealed_free(struct segment *segment)
{
    struct sealed *sealed = sealed_of(segment);
    if (sealed->index)
        sealed->index->ops->close(sealed->index);
    frame_close(&sealed->graph_frame);
    frame_close(&sealed->docs_frame);
    frame_close(&sealed->ids_frame);
    frame_close(&sealed->vectors_frame);
    /* Relaxed: the count that fell to zero has ordered it. */
    if (atomic_load_explicit(&segment->retired, memory_order_relaxed) && !is_pinned(sealed))
        sealed_remove(sealed->store, segment->number);
    free(sealed);
}

static const struct segment_ops sealed_ops = {
    .id = sealed_id,
    .find = sealed_find,
    .document = sealed_document,
    .stamp = sealed_stamp,
    .expire = sealed_expire,
    .check_row = sealed_check_row,
    .index = sealed_index,
    .sizes = sealed_sizes,
    .free = sealed_free,
};

void sealed_retire(struct segment *segment)
{
    atomic_store_explicit(&segment->retired, 1, memory_order_relaxed);
}

/* --- Checking ---------------------------------------------------------------------------------- */

static lode_status blame(const struct segment *segment, const char *part, lode_status status,
                         lode_error *error)
{
    if (status)
        error_prefix(error, "seg-%" PRIu64 ".%s: ", segment->number, part);
    return status;
}

lode_status sealed_check_vectors(const struct segment *segment, lode_error *error)
{
    uint64_t offset;
    lode_status status = frame_check(&sealed_of(segment)->vectors_frame, &offset, error);
    return blame(segment, "vectors", status, error);
}

lode_status sealed_check(const struct segment *segment, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    uint64_t offset;
    lode_status status = sealed_check_vectors(segment, error);
    if (!status)
        status = blame(segment, "ids", frame_check(&sealed->ids_frame, &offset, error), error);
    if (!status)
        status = blame(segment, "docs", frame_check(&sealed->docs_frame, &offset, error), error);
    return status;
}

lode_status sealed_check_graph(const struct segment *segment, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    uint64_t offset;
    if (!sealed->index)
        return LODE_OK;
    return blame(segment, "graph", frame_check(&sealed->graph_frame, &offset, error), error);
}

uint64_t sealed_graph_bytes(const struct segment *segment)
{
    return sealed_of(segment)->graph_frame.size;
}

void sealed_forget(const struct segment *segment)
{
    const struct sealed *sealed = sealed_of(segment);
    frame_forget(&sealed->vectors_frame);
    frame_forget(&sealed->docs_frame);
}

/* --- Opening ----------------------------------------------------------------------------------- */

static lode_status open_frame(const struct sealed *sealed, enum name_kind kind,
                              enum frame_kind frame_kind, struct frame *ret_frame,
                              lode_error *error)
{
    char path[PATH_SIZE_MAX];
    const struct store *store = sealed->store;
    struct name name = {.kind = kind, .number = sealed->base.number};
    lode_status status = name_path(path, store->dir, name, error);
    if (!status)
        status = frame_open(store->vfs, path, frame_kind, store->collection_uid, name.number,
                            ret_frame, error);
    /* The manifest speaks of it: its absence is damage. */
    if (status == LODE_NOT_FOUND)
        return error_set(error, LODE_CORRUPT, "%s is missing", vfs_path_tail(path));
    return status;
}

static lode_status open_vectors(struct sealed *sealed, lode_error *error)
{
    lode_status status =
        open_frame(sealed, NAME_VECTORS, FRAME_VECTORS, &sealed->vectors_frame, error);
    if (status)
        return status;
    const struct space *space = &sealed->store->space;
    const struct frame_section_view *found = frame_find(&sealed->vectors_frame, VECTORS_INFO),
                                    *rows = frame_find(&sealed->vectors_frame, VECTORS_ROWS);
    uint8_t wanted[VECTORS_INFO_SIZE];
    struct vectors_info info = vectors_info_of(space, sealed->row_count);
    vectors_info_put(wanted, &info);
    if (!found || !rows || found->size != sizeof wanted ||
        memcmp(found->data, wanted, sizeof wanted) != 0)
        status = error_set(error, LODE_CORRUPT,
                           "its rows are not those that manifest and schema speak of");
    else if (rows->size != (uint64_t)sealed->row_count * space->row_size)
        status = error_set(error, LODE_CORRUPT, "it holds %" PRIu64 " bytes of %u rows", rows->size,
                           sealed->row_count);
    else
        sealed->base.rows =
            (struct rows){.space = space, .base = rows->data, .stride = space->row_size};
    return blame(&sealed->base, "vectors", status, error);
}

static lode_status open_ids(struct sealed *sealed, lode_error *error)
{
    lode_status status = open_frame(sealed, NAME_IDS, FRAME_IDS, &sealed->ids_frame, error);
    if (status)
        return status;
    status = id_table_open(&sealed->ids_frame, sealed->row_count, &sealed->ids, error);
    return blame(&sealed->base, "ids", status, error);
}

static lode_status open_docs(struct sealed *sealed, lode_error *error)
{
    lode_status status = open_frame(sealed, NAME_DOCS, FRAME_DOCS, &sealed->docs_frame, error);
    if (status)
        return status;
    status = docs_open(&sealed->docs_frame, sealed->row_count, &sealed->docs, error);
    if (!status)
        status = stamps_open(&sealed->docs_frame, sealed->row_count, &sealed->stamps, error);
    return blame(&sealed->base, "docs", status, error);
}

static lode_status open_graph(struct sealed *sealed, lode_error *error)
{
    lode_status status = open_frame(sealed, NAME_GRAPH, FRAME_GRAPH, &sealed->graph_frame, error);
    if (status)
        return status;
    const struct frame_section_view *bytes = frame_find(&sealed->graph_frame, GRAPH_BYTES);
    if (!bytes)
        status = error_set(error, LODE_CORRUPT, "it has no section 1");
    else
        status = index_qg.open(&sealed->store->params, &sealed->base.rows, sealed->row_count,
                               bytes->data, (size_t)bytes->size, &sealed->index, error);
    return blame(&sealed->base, "graph", status, error);
}

lode_status sealed_open(const struct store *store, const struct sealed_entry *entry,
                        struct segment **ret_segment, lode_error *error)
{
    struct sealed *sealed = calloc(1, sizeof *sealed);
    if (!sealed)
        return error_nomem(error, "a sealed segment", sizeof *sealed);
    sealed->base = (struct segment){.ops = &sealed_ops, .number = entry->number, .sealed = 1};
    atomic_init(&sealed->base.refs, 1);
    sealed->store = store;
    sealed->row_count = entry->row_count;
    lode_status status = open_vectors(sealed, error);
    if (!status)
        status = open_ids(sealed, error);
    if (!status)
        status = open_docs(sealed, error);
    if (!status && entry->has_graph)
        status = open_graph(sealed, error);
    if (status)
        sealed_free(&sealed->base);
    else
        *ret_segment = &sealed->base;
    return status;
}
