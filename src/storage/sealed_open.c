/* sealed_open.c: a segment on disk, mapped and used in place. Nothing here trusts the files: opening
 * checks frames and sizes, and every later access stays within them. */
#include "storage/sealed_parts.h"

#include "base/limits.h"
#include "os/mapped.h"
#include "storage/columns_part.h"
#include "storage/docs.h"
#include "storage/id_table.h"
#include "storage/stamps.h"

#include <inttypes.h>
#include <stdlib.h>

/* What is lost with those from PART_GRAPH on is only time. */
enum part { PART_VECTORS, PART_IDS, PART_DOCS, PART_GRAPH, PART_COLUMNS, PART_COUNT };

struct sealed {
    struct segment base;
    const struct store *store;
    uint32_t row_count;
    struct frame frames[PART_COUNT]; /* zeros when there is none */
    struct id_table ids;
    struct docs docs;
    struct stamps stamps;
    struct index *index;     /* NULL: scanned */
    struct columns *columns; /* NULL: documents answer */
    /* Why a part could not be opened, or is not to be believed; constant once the segment is shown. */
    lode_error damage[PART_COUNT];
    struct guard refusal; /* of rows that are lost: fails with damage[PART_VECTORS] */
};

static struct sealed *sealed_of(const struct segment *segment)
{
    return (struct sealed *)(uintptr_t)segment;
}

/* --- Operations -------------------------------------------------------------------------------- */

static const enum name_kind parts[] = {NAME_VECTORS, NAME_IDS, NAME_DOCS, NAME_GRAPH, NAME_COLUMNS};
static const char *const part_names[] = {"vectors", "ids", "docs", "graph", "columns"};

/* Say which file an error is about, unless it is one of reading a block, which says so itself. */
static lode_status blame(const struct sealed *sealed, enum part part, lode_status status,
                         lode_error *error)
{
    if (status && !guard_has_failed(sealed->frames[part].guard))
        error_prefix(error, "seg-%" PRIu64 ".%s: ", sealed->base.number, part_names[part]);
    return status;
}

/* Whether a part can be used at all. */
static lode_status need(const struct sealed *sealed, enum part part, lode_error *error)
{
    if (sealed->damage[part].status && error)
        *error = sealed->damage[part];
    return sealed->damage[part].status;
}

static lode_status sealed_id(const struct segment *segment, uint32_t row, const uint8_t **ret_id,
                             size_t *ret_size, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = need(sealed, PART_IDS, error);
    if (status)
        return status;
    status = id_table_id(&sealed->ids, row, ret_id, ret_size, error);
    return blame(sealed, PART_IDS, status, error);
}

static lode_status sealed_find(const struct segment_view *view, const struct id_key *id,
                               uint32_t *ret_row, lode_error *error)
{
    const struct sealed *sealed = sealed_of(view->segment);
    lode_status status = need(sealed, PART_IDS, error);
    if (status)
        return status;
    mapped_look(); /* each table has its page touched, by an id that is new those of all segments */
    status = id_table_find(&sealed->ids, id, ret_row, error);
    if (!status && *ret_row != ROW_NONE && !view_alive(view, *ret_row))
        *ret_row = ROW_NONE;
    return blame(sealed, PART_IDS, status, error);
}

/* Of ids that cannot be opened nothing is known. */
static int sealed_has_namespaces(const struct segment *segment)
{
    const struct sealed *sealed = sealed_of(segment);
    return sealed->damage[PART_IDS].status || sealed->ids.has_namespaces;
}

static void sealed_expect(const struct segment *segment, uint64_t id_hash)
{
    id_table_expect(&sealed_of(segment)->ids, id_hash);
}

static lode_status sealed_document(const struct segment *segment, uint32_t row,
                                   struct document *ret_document, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = need(sealed, PART_DOCS, error);
    if (status)
        return status;
    status = docs_get(&sealed->docs, row, ret_document, error);
    return blame(sealed, PART_DOCS, status, error);
}

static lode_status sealed_stamp(const struct segment *segment, uint32_t row,
                                struct stamp *ret_stamp, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = need(sealed, PART_DOCS, error);
    return status ? status : stamps_get(&sealed->stamps, row, ret_stamp, error);
}

/* When it cannot be told which rows have expired, none may be read any more. */
static void lose_expiries(struct sealed *sealed, const lode_error *reason)
{
    for (size_t part = 0; part < PART_GRAPH; part++)
        if (sealed->frames[part].guard)
            guard_poison(sealed->frames[part].guard, reason);
}

/* Rows that cannot be read do not expire either. */
static lode_status sealed_expire(const struct segment *segment, const struct expiry_range *range,
                                 uint64_t *ret_next, lode_error *error)
{
    struct sealed *sealed = sealed_of(segment);
    lode_error reason = {0};
    *ret_next = EXPIRES_NONE;
    if (sealed->damage[PART_DOCS].status)
        return LODE_OK;
    lode_status status = stamps_expire(&sealed->stamps, range, ret_next, &reason);
    if (status_is_damage(status)) {
        lose_expiries(sealed, &reason);
        *ret_next = EXPIRES_NONE;
        return LODE_OK;
    }
    if (status && error)
        *error = reason;
    return status;
}

static int sealed_damage(const struct segment *segment, enum segment_damage which,
                         lode_error *ret_reason)
{
    const struct sealed *sealed = sealed_of(segment);
    size_t end = which == DAMAGE_OF_ANY ? PART_COUNT : PART_GRAPH;
    for (size_t part = 0; part < end;
         part++) { /* asked by every search: nothing is copied in vain */
        struct guard *guard = sealed->frames[part].guard;
        if (!sealed->damage[part].status && !guard_has_failed(guard))
            continue;
        if (ret_reason && sealed->damage[part].status)
            *ret_reason = sealed->damage[part];
        else if (ret_reason)
            guard_failure(guard, ret_reason);
        return 1;
    }
    return 0;
}

static const struct index *sealed_index(const struct segment *segment, uint32_t *ret_covered)
{
    const struct sealed *sealed = sealed_of(segment);
    /* A graph with a damaged block is not walked again; one is built in its place. */
    int is_sound = sealed->index && !guard_has_failed(sealed->frames[PART_GRAPH].guard);
    *ret_covered = is_sound ? sealed->row_count : 0;
    return is_sound ? sealed->index : NULL;
}

static struct columns *sealed_columns(const struct segment *segment, uint32_t *ret_covered)
{
    const struct sealed *sealed = sealed_of(segment);
    /* With a damaged block they are not asked again. */
    int is_sound = sealed->columns && !guard_has_failed(sealed->frames[PART_COLUMNS].guard);
    *ret_covered = is_sound ? sealed->row_count : 0;
    return is_sound ? columns_ref(sealed->columns) : NULL;
}

static void sealed_sizes(const struct segment *segment, uint64_t *ret_disk, uint64_t *ret_memory,
                         uint64_t *ret_mapped)
{
    const struct sealed *sealed = sealed_of(segment);
    *ret_disk = 0;
    *ret_memory = sizeof *sealed + (sealed->index ? sealed->index->ops->memory(sealed->index) : 0) +
                  (sealed->columns ? columns_memory(sealed->columns) : 0);
    for (size_t part = 0; part < PART_COUNT; part++) {
        *ret_disk += sealed->frames[part].size;
        *ret_memory += frame_memory(&sealed->frames[part]);
    }
    *ret_mapped = *ret_disk;
}

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

int sealed_has_columns(const struct store *store, uint64_t number)
{
    char path[PATH_SIZE_MAX];
    struct name name = {.kind = NAME_COLUMNS, .number = number};
    struct vfs_file *file;
    if (name_path(path, store->dir, name, NULL) ||
        vfs_open(store->vfs, path, VFS_READ, &file, NULL))
        return 0;
    vfs_close(file);
    return 1;
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
    columns_unref(sealed->columns);
    for (size_t part = 0; part < PART_COUNT; part++)
        frame_close(&sealed->frames[part]);
    guard_release(&sealed->refusal);
    /* Relaxed: the count that fell to zero has ordered it. */
    if (atomic_load_explicit(&segment->retired, memory_order_relaxed) && !is_pinned(sealed))
        sealed_remove(sealed->store, segment->number);
    free(sealed);
}

static const struct segment_ops sealed_ops = {
    .id = sealed_id,
    .find = sealed_find,
    .has_namespaces = sealed_has_namespaces,
    .expect = sealed_expect,
    .document = sealed_document,
    .stamp = sealed_stamp,
    .expire = sealed_expire,
    .index = sealed_index,
    .columns = sealed_columns,
    .damage = sealed_damage,
    .sizes = sealed_sizes,
    .free = sealed_free,
};

void sealed_retire(struct segment *segment)
{
    atomic_store_explicit(&segment->retired, 1, memory_order_relaxed);
}

/* --- Checking ---------------------------------------------------------------------------------- */

static lode_status check_part(const struct sealed *sealed, enum part part, lode_error *error)
{
    lode_status status = need(sealed, part, error);
    return status ? status : frame_check(&sealed->frames[part], error);
}

lode_status sealed_check_vectors(const struct segment *segment, lode_error *error)
{
    return check_part(sealed_of(segment), PART_VECTORS, error);
}

lode_status sealed_check(const struct segment *segment, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = check_part(sealed, PART_VECTORS, error);
    if (!status)
        status = check_part(sealed, PART_IDS, error);
    return status ? status : check_part(sealed, PART_DOCS, error);
}

lode_status sealed_check_graph(const struct segment *segment, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = need(sealed, PART_GRAPH, error);
    if (!status && sealed->index)
        status = frame_check(&sealed->frames[PART_GRAPH], error);
    return status;
}

lode_status sealed_check_columns(const struct segment *segment, int *ret_has, lode_error *error)
{
    const struct sealed *sealed = sealed_of(segment);
    lode_status status = need(sealed, PART_COLUMNS, error);
    *ret_has = status || sealed->columns;
    if (!status && sealed->columns)
        status = frame_check(&sealed->frames[PART_COLUMNS], error);
    return !status && sealed->columns ? columns_check(sealed->columns, error) : status;
}

uint64_t sealed_graph_bytes(const struct segment *segment)
{
    return sealed_of(segment)->frames[PART_GRAPH].size;
}

uint64_t sealed_docs_bytes(const struct segment *segment)
{
    return sealed_of(segment)->frames[PART_DOCS].size;
}

int sealed_lacks_columns(const struct segment *segment)
{
    const struct sealed *sealed = sealed_of(segment);
    return !sealed->columns && !sealed->damage[PART_COLUMNS].status;
}

void sealed_forget(const struct segment *segment)
{
    const struct sealed *sealed = sealed_of(segment);
    if (sealed->frames[PART_VECTORS].data)
        frame_forget(&sealed->frames[PART_VECTORS]);
    if (sealed->frames[PART_DOCS].data)
        frame_forget(&sealed->frames[PART_DOCS]);
}

/* --- Opening ----------------------------------------------------------------------------------- */

static lode_status open_frame(const struct sealed *sealed, enum name_kind kind,
                              enum frame_kind frame_kind, struct frame *ret_frame,
                              lode_error *error)
{
    char path[PATH_SIZE_MAX];
    const struct store *store = sealed->store;
    struct name name = {.kind = kind, .number = sealed->base.number};
    struct frame_id id = {frame_kind, store->collection_uid, name.number};
    lode_status status = name_path(path, store->dir, name, error);
    if (!status)
        status = frame_open(store->vfs, path, id, ret_frame, error);
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
        open_frame(sealed, NAME_VECTORS, FRAME_VECTORS, &sealed->frames[PART_VECTORS], error);
    if (status)
        return status;
    const struct space *space = &sealed->store->space;
    const struct frame_section_view *found =
                                        frame_find(&sealed->frames[PART_VECTORS], VECTORS_INFO),
                                    *rows = frame_find(&sealed->frames[PART_VECTORS], VECTORS_ROWS);
    uint8_t wanted[VECTORS_INFO_SIZE];
    struct vectors_info info = vectors_info_of(space, sealed->row_count);
    vectors_info_put(wanted, &info);
    int fits = found && rows && found->size == sizeof wanted;
    /* It only repeats what manifest and schema say: rows behind it are not lost with it. */
    lode_status readable =
        fits ? guard_touch(sealed->frames[PART_VECTORS].guard, found->data, sizeof wanted, error)
             : LODE_OK;
    if (readable && !status_is_damage(readable))
        return readable;
    if (!fits || (!readable && memcmp(found->data, wanted, sizeof wanted) != 0))
        status = error_set(error, LODE_CORRUPT,
                           "its rows are not those that manifest and schema speak of");
    else if (rows->size != (uint64_t)sealed->row_count * space->row_size)
        status = error_set(error, LODE_CORRUPT, "it holds %" PRIu64 " bytes of %u rows", rows->size,
                           sealed->row_count);
    else
        sealed->base.rows = (struct rows){.space = space,
                                          .base = rows->data,
                                          .stride = space->row_size,
                                          .guard = sealed->frames[PART_VECTORS].guard};
    return blame(sealed, PART_VECTORS, status, error);
}

static lode_status open_ids(struct sealed *sealed, lode_error *error)
{
    lode_status status = open_frame(sealed, NAME_IDS, FRAME_IDS, &sealed->frames[PART_IDS], error);
    if (status)
        return status;
    status = id_table_open(&sealed->frames[PART_IDS], sealed->row_count, &sealed->ids, error);
    return blame(sealed, PART_IDS, status, error);
}

static lode_status open_docs(struct sealed *sealed, lode_error *error)
{
    lode_status status =
        open_frame(sealed, NAME_DOCS, FRAME_DOCS, &sealed->frames[PART_DOCS], error);
    if (status)
        return status;
    status = docs_open(&sealed->frames[PART_DOCS], sealed->row_count, &sealed->docs, error);
    if (!status)
        status = stamps_open(&sealed->frames[PART_DOCS], sealed->row_count, &sealed->stamps, error);
    struct expiry_range nothing = {.from_ms = 1};
    uint64_t first_ms;
    if (!status) /* so that versions can be settled: it will not fail again */
        status = stamps_expire(&sealed->stamps, &nothing, &first_ms, error);
    return blame(sealed, PART_DOCS, status, error);
}

static lode_status open_graph(struct sealed *sealed, lode_error *error)
{
    lode_status status =
        open_frame(sealed, NAME_GRAPH, FRAME_GRAPH, &sealed->frames[PART_GRAPH], error);
    if (status)
        return status;
    const struct frame_section_view *bytes = frame_find(&sealed->frames[PART_GRAPH], GRAPH_BYTES);
    if (!bytes) {
        status = error_set(error, LODE_CORRUPT, "it has no section 1");
    } else {
        struct index_file file = {.rows = &sealed->base.rows,
                                  .count = sealed->row_count,
                                  .data = bytes->data,
                                  .size = (size_t)bytes->size,
                                  .guard = sealed->frames[PART_GRAPH].guard};
        status = index_qg.open(&file, &sealed->index, error);
    }
    return blame(sealed, PART_GRAPH, status, error);
}

/* No manifest speaks of it: where it is missing, as in segments of before there were columns, documents answer. */
static lode_status open_columns(struct sealed *sealed, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    const struct store *store = sealed->store;
    struct frame *frame = &sealed->frames[PART_COLUMNS];
    struct name name = {.kind = NAME_COLUMNS, .number = sealed->base.number};
    struct frame_id id = {FRAME_COLUMNS, store->collection_uid, name.number};
    lode_status status = name_path(path, store->dir, name, error);
    if (!status)
        status = frame_open(store->vfs, path, id, frame, error);
    if (status)
        return status == LODE_NOT_FOUND ? LODE_OK : status;
    status = columns_open_part(frame, sealed->row_count, &sealed->columns, error);
    return blame(sealed, PART_COLUMNS, status, error);
}

/* --- Damage that is contained ------------------------------------------------------------------ */

static lode_status refuse_rows(void *context, uint64_t block, lode_error *error)
{
    (void)block;
    return need(context, PART_VECTORS, error);
}

/* Rows at addresses where nothing is, and that are refused when touched. */
static lode_status lose_rows(struct sealed *sealed, lode_error *error)
{
    const struct space *space = &sealed->store->space;
    const uint8_t *nowhere = (const uint8_t *)sealed;
    uint64_t size = (uint64_t)sealed->row_count * space->row_size;
    guard_release(&sealed->refusal);
    sealed->base.rows = (struct rows){
        .space = space, .base = nowhere, .stride = space->row_size, .guard = &sealed->refusal};
    return guard_init(&sealed->refusal, nowhere, size, refuse_rows, sealed, error);
}

lode_status sealed_doubt(struct segment *segment, const lode_error *reason, lode_error *error)
{
    struct sealed *sealed = sealed_of(segment);
    for (size_t part = 0; part < PART_COUNT; part++)
        if (!sealed->damage[part].status)
            sealed->damage[part] = *reason;
    return lose_rows(sealed, error);
}

typedef lode_status open_part_fn(struct sealed *sealed, lode_error *error);

static open_part_fn *const openers[] = {open_vectors, open_ids, open_docs, open_graph,
                                        open_columns};

/* What is damaged stays closed, with the reason. */
static lode_status open_part(struct sealed *sealed, enum part part, int contain, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = openers[part](sealed, &reason);
    if (contain && status_is_damage(status)) {
        sealed->damage[part] = reason;
        return part == PART_VECTORS ? lose_rows(sealed, error) : LODE_OK;
    }
    if (status && error)
        *error = reason;
    return status;
}

static lode_status open_all(const struct store *store, const struct sealed_entry *entry,
                            int contain, struct segment **ret_segment, lode_error *error)
{
    struct sealed *sealed = calloc(1, sizeof *sealed);
    if (!sealed)
        return error_nomem(error, "a sealed segment", sizeof *sealed);
    sealed->base = (struct segment){.ops = &sealed_ops, .number = entry->number, .sealed = 1};
    atomic_init(&sealed->base.refs, 1);
    sealed->store = store;
    sealed->row_count = entry->row_count;
    lode_status status = LODE_OK;
    for (size_t part = 0; !status && part < PART_GRAPH; part++)
        status = open_part(sealed, (enum part)part, contain, error);
    if (!status && entry->has_graph && !sealed->damage[PART_VECTORS].status)
        status = open_part(sealed, PART_GRAPH, contain, error);
    if (!status)
        status = open_part(sealed, PART_COLUMNS, contain, error);
    if (status)
        sealed_free(&sealed->base);
    else
        *ret_segment = &sealed->base;
    return status;
}

lode_status sealed_open(const struct store *store, const struct sealed_entry *entry,
                        struct segment **ret_segment, lode_error *error)
{
    return open_all(store, entry, 0, ret_segment, error);
}

lode_status sealed_open_contained(const struct store *store, const struct sealed_entry *entry,
                                  struct segment **ret_segment, lode_error *error)
{
    return open_all(store, entry, 1, ret_segment, error);
}
