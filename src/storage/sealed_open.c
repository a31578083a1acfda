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

/* Say which file an error is about, unless it is one of reading a block, which says so itself. */
static lode_status blame(const struct segment *segment, const char *part, const struct frame *frame,
                         lode_status status, lode_error *error)
{
    if (status && !guard_has_failed(frame->guard))
        error_prefix(error, "seg-%" PRIu64 ".%s: ", segment->number, part);
    return status;
}

static lode_status sealed_id(const struct segment *segment, uint32_t row, const uint8_t **ret_id,
                             size_t *ret_size, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = id_table_id(&sealed->ids, row, ret_id, ret_size, error);
    return blame(segment, "ids", &sealed->ids_frame, status, error);
}

static lode_status sealed_find(const struct segment_view *view, const struct id_key *id,
                               uint32_t *ret_row, lode_error *error)
{
    const struct sealed *sealed = sealed_of(view->segment);
    lode_status status = id_table_find(&sealed->ids, id, ret_row, error);
    if (!status && *ret_row != ROW_NONE && !view_alive(view, *ret_row))
        *ret_row = ROW_NONE;
    return blame(view->segment, "ids", &sealed->ids_frame, status, error);
}

static lode_status sealed_document(const struct segment *segment, uint32_t row,
                                   struct document *ret_document, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = docs_get(&sealed->docs, row, ret_document, error);
    return blame(segment, "docs", &sealed->docs_frame, status, error);
}

static lode_status sealed_stamp(const struct segment *segment, uint32_t row,
                                struct stamp *ret_stamp, lode_error *error)
{
    return stamps_get(&sealed_of(segment)->stamps, row, ret_stamp, error);
}

static lode_status sealed_expire(const struct segment *segment, const struct expiry_range *range,
                                 uint64_t *ret_next, lode_error *error)
{
    return stamps_expire(&sealed_of(segment)->stamps, range, ret_next, error);
}

static const struct index *sealed_index(const struct segment *segment, uint32_t *ret_covered)
{
    const struct sealed *sealed = sealed_of(segment);
    /* A graph with a damaged block is not walked again; one is built in its place. */
    int is_sound = sealed->index && !guard_has_failed(sealed->graph_frame.guard);
    *ret_covered = is_sound ? sealed->row_count : 0;
    return is_sound ? sealed->index : NULL;
}

static void sealed_sizes(const struct segment *segment, uint64_t *ret_disk, uint64_t *ret_memory,
                         uint64_t *ret_mapped)
{
    const struct sealed *sealed = sealed_of(segment);
    *ret_disk = sealed->vectors_frame.size + sealed->ids_frame.size + sealed->docs_frame.size +
                sealed->graph_frame.size;
    *ret_mapped = *ret_disk;
    *ret_memory = sizeof *sealed + frame_memory(&sealed->vectors_frame) +
                  frame_memory(&sealed->ids_frame) + frame_memory(&sealed->docs_frame) +
                  frame_memory(&sealed->graph_frame) +
                  (sealed->index ? sealed->index->ops->memory(sealed->index) : 0);
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
    .index = sealed_index,
    .sizes = sealed_sizes,
    .free = sealed_free,
};

void sealed_retire(struct segment *segment)
{
    atomic_store_explicit(&segment->retired, 1, memory_order_relaxed);
}

/* --- Checking ---------------------------------------------------------------------------------- */

lode_status sealed_check_vectors(const struct segment *segment, lode_error *error)
{
    return frame_check(&sealed_of(segment)->vectors_frame, error);
}

lode_status sealed_check(const struct segment *segment, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = sealed_check_vectors(segment, error);
    if (!status)
        status = frame_check(&sealed->ids_frame, error);
    if (!status)
        status = frame_check(&sealed->docs_frame, error);
    return status;
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
    if (!status)
        frame_set_rows(ret_frame, sealed->row_count);
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
    int fits = found && rows && found->size == sizeof wanted;
    if (fits)
        status = guard_touch(sealed->vectors_frame.guard, found->data, sizeof wanted, error);
    if (status)
        return status;
    if (!fits || memcmp(found->data, wanted, sizeof wanted) != 0)
        status = error_set(error, LODE_CORRUPT,
                           "its rows are not those that manifest and schema speak of");
    else if (rows->size != (uint64_t)sealed->row_count * space->row_size)
        status = error_set(error, LODE_CORRUPT, "it holds %" PRIu64 " bytes of %u rows", rows->size,
                           sealed->row_count);
    else
        sealed->base.rows = (struct rows){.space = space,
                                          .base = rows->data,
                                          .stride = space->row_size,
                                          .guard = sealed->vectors_frame.guard};
    return blame(&sealed->base, "vectors", &sealed->vectors_frame, status, error);
}

static lode_status open_ids(struct sealed *sealed, lode_error *error)
{
    lode_status status = open_frame(sealed, NAME_IDS, FRAME_IDS, &sealed->ids_frame, error);
    if (status)
        return status;
    status = id_table_open(&sealed->ids_frame, sealed->row_count, &sealed->ids, error);
    return blame(&sealed->base, "ids", &sealed->ids_frame, status, error);
}

static lode_status open_docs(struct sealed *sealed, lode_error *error)
{
    lode_status status = open_frame(sealed, NAME_DOCS, FRAME_DOCS, &sealed->docs_frame, error);
    if (status)
        return status;
    status = docs_open(&sealed->docs_frame, sealed->row_count, &sealed->docs, error);
    if (!status)
        status = stamps_open(&sealed->docs_frame, sealed->row_count, &sealed->stamps, error);
    struct expiry_range nothing = {.from_ms = 1};
    uint64_t first_ms;
    if (!status) /* so that versions can be settled: it will not fail again */
        status = stamps_expire(&sealed->stamps, &nothing, &first_ms, error);
    return blame(&sealed->base, "docs", &sealed->docs_frame, status, error);
}

static lode_status open_graph(struct sealed *sealed, lode_error *error)
{
    lode_status status = open_frame(sealed, NAME_GRAPH, FRAME_GRAPH, &sealed->graph_frame, error);
    if (status)
        return status;
    const struct frame_section_view *bytes = frame_find(&sealed->graph_frame, GRAPH_BYTES);
    if (!bytes) {
        status = error_set(error, LODE_CORRUPT, "it has no section 1");
    } else {
        struct index_bytes given = {
            .data = bytes->data, .size = (size_t)bytes->size, .guard = sealed->graph_frame.guard};
        status = index_qg.open(&sealed->store->params, &sealed->base.rows, sealed->row_count,
                               &given, &sealed->index, error);
    }
    return blame(&sealed->base, "graph", &sealed->graph_frame, status, error);
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
