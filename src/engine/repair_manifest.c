/* repair_manifest.c: a manifest is lost. Segments say what their vectors are, live sets how many of their rows
 * live; which segments counted, nothing says: all that are found do, and of rows of one id the newest stays. */
#include "engine/repair.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/files.h"
#include "engine/schema.h"
#include "storage/names.h"
#include "storage/sealed_parts.h"

struct found {
    struct mending *mending;
    struct sealed_entry *entries; /* by number */
    size_t count, capacity;
    struct vectors_info info; /* of one of them; dim 0: none was found */
    uint32_t text_model_version;
    uint64_t next_number;
    uint64_t generation; /* the highest of any name */
};

static struct sealed_entry *entry_of(struct found *found, uint64_t number)
{
    size_t at = 0;
    while (at < found->count && found->entries[at].number < number)
        at++;
    if (at < found->count && found->entries[at].number == number)
        return &found->entries[at];
    memmove(&found->entries[at + 1], &found->entries[at],
            (found->count - at) * sizeof *found->entries);
    found->count++;
    found->entries[at] = (struct sealed_entry){.number = number};
    return &found->entries[at];
}

/* The info section of a part: its bytes, if they are sound. */
static int read_info(const struct mending *mending, struct name name, enum frame_kind kind,
                     uint32_t section, uint8_t info[VECTORS_INFO_SIZE])
{
    char path[PATH_SIZE_MAX];
    struct frame frame;
    struct frame_id id = {kind, mending->uid, name.number};
    if (name_path(path, mending->dir, name, NULL) ||
        frame_open(mending->run->vfs, path, id, &frame, NULL))
        return 0;
    const struct frame_section_view *found = frame_find(&frame, section);
    int is_sound = found && found->size == VECTORS_INFO_SIZE &&
                   guard_touch(frame.guard, found->data, VECTORS_INFO_SIZE, NULL) == LODE_OK;
    if (is_sound)
        memcpy(info, found->data, VECTORS_INFO_SIZE);
    frame_close(&frame);
    return is_sound;
}

_Static_assert(VECTORS_INFO_SIZE == LIVE_INFO_SIZE, "read_info reads both");

static void take_vectors(struct found *found, struct name name)
{
    uint8_t bytes[VECTORS_INFO_SIZE];
    struct sealed_entry *entry = entry_of(found, name.number);
    if (!read_info(found->mending, name, FRAME_VECTORS, VECTORS_INFO, bytes))
        return;
    struct vectors_info info = {.row_count = le_load_u32(bytes),
                                .dim = le_load_u32(bytes + 4),
                                .row_size = le_load_u32(bytes + 8),
                                .metric = bytes[12],
                                .scalar = bytes[13]};
    entry->row_count = entry->live_count = info.row_count;
    found->info = info;
}

static void take_live(struct found *found, struct name name)
{
    uint8_t bytes[VECTORS_INFO_SIZE];
    struct sealed_entry *entry = entry_of(found, name.number);
    if (name.generation < entry->del_generation ||
        !read_info(found->mending, name, FRAME_LIVE, LIVE_INFO, bytes))
        return;
    entry->del_generation = name.generation;
}

static void take_name(struct found *found, struct name name)
{
    switch (name.kind) {
    case NAME_VECTORS: take_vectors(found, name); break;
    case NAME_GRAPH: entry_of(found, name.number)->has_graph = 1; break;
    case NAME_LIVE: take_live(found, name); break;
    case NAME_TEXT_MODEL:
        if (name.number > found->text_model_version)
            found->text_model_version = (uint32_t)name.number;
        return;
    default: break;
    }
    if (name.generation > found->generation)
        found->generation = name.generation;
    if (name.kind != NAME_MANIFEST && name.number >= found->next_number)
        found->next_number = name.number + 1;
}

/* Those that are no segments any more go: vectors that cannot be read say of how many rows they are no more. The
 * living rows of others are as their live set has them. */
static void settle_entries(struct found *found)
{
    size_t kept = 0;
    for (size_t i = 0; i < found->count; i++) {
        struct sealed_entry *entry = &found->entries[i];
        uint8_t bytes[VECTORS_INFO_SIZE];
        struct name name = {NAME_LIVE, entry->number, entry->del_generation};
        if (entry->row_count == 0) {
            repair_report(found->mending->run, LODE_REPAIR_LOST, found->mending->dir_name,
                          "segment %" PRIu64 ": without manifest and vectors it is not known what "
                          "it was",
                          entry->number);
            continue;
        }
        if (entry->del_generation && read_info(found->mending, name, FRAME_LIVE, LIVE_INFO, bytes))
            entry->live_count = le_load_u32(bytes + 12);
        found->entries[kept++] = *entry;
    }
    found->count = kept;
}

/* The highest batch of any row that can be read. */
static uint64_t last_sequence(const struct found *found, const struct store *store)
{
    uint64_t last = 0;
    for (size_t i = 0; i < found->count; i++) {
        struct segment *segment;
        if (sealed_open_contained(store, &found->entries[i], &segment, NULL))
            continue;
        for (uint32_t row = 0; row < found->entries[i].row_count; row++) {
            struct stamp stamp;
            if (segment->ops->stamp(segment, row, &stamp, NULL) == LODE_OK && stamp.sequence > last)
                last = stamp.sequence;
        }
        segment_unref(segment);
    }
    return last;
}

/* What only the lost manifest said, and what is taken instead. */
static void report_settings(const struct found *found)
{
    const lode_schema *schema = &found->mending->manifest.schema;
    repair_report(found->mending->run, LODE_REPAIR_LOST, found->mending->dir_name,
                  "its settings: taken instead are index hnsw, m %u, ef_construction %u, layout "
                  "fast and the default seed; no field is declared, so that writes are not checked "
                  "against fields; no request id is remembered. With others than these the "
                  "collection has to be made anew, from an export",
                  schema->m, schema->ef_construction);
}

static lode_status make_manifest(struct found *found, uint64_t generation, lode_error *error)
{
    struct mending *mending = found->mending;
    struct manifest *manifest = &mending->manifest;
    const lode_schema schema = {.dim = found->info.dim,
                                .metric = (lode_metric)found->info.metric,
                                .scalar = (lode_scalar)found->info.scalar};
    lode_status status = schema_make(&schema, &manifest->schema, error);
    if (status)
        return status;
    struct store store = {.vfs = mending->run->vfs,
                          .dir = mending->dir,
                          .collection_uid = mending->uid,
                          .index = LODE_INDEX_HNSW};
    space_init(&store.space, schema.metric, schema.scalar, schema.dim);
    manifest->collection_uid = mending->uid;
    manifest->generation = generation > found->generation ? generation : found->generation;
    manifest->flushed_sequence = manifest->seen_sequence = last_sequence(found, &store);
    manifest->wal_first = manifest->next_number = found->next_number;
    manifest->text_model_version = found->text_model_version;
    manifest->entries = found->entries;
    manifest->entry_count = found->count;
    buf_init(&manifest->requests, MANIFEST_REQUESTS_SIZE_MAX);
    found->entries = NULL;
    mending->is_rebuilt = mending->is_changed = 1;
    report_settings(found);
    return LODE_OK;
}

lode_status repair_rebuild_manifest(struct mending *mending, uint64_t generation, lode_error *error)
{
    struct found found = {.mending = mending, .next_number = 1};
    struct file_names names;
    lode_status status = file_names_list(mending->run->vfs, mending->dir, &names, error);
    if (status)
        return status;
    found.entries = calloc(names.count + 1, sizeof *found.entries);
    if (!found.entries)
        status = error_nomem(error, "segments", names.count * sizeof *found.entries);
    for (size_t i = 0; !status && i < names.count; i++)
        take_name(&found, name_parse(names.names[i]));
    file_names_release(&names);
    if (!status) {
        settle_entries(&found);
        status = found.count > 0 ? make_manifest(&found, generation, error)
                                 : error_set(error, LODE_CORRUPT,
                                             "no segment is left that tells what its vectors are");
    }
    free(found.entries);
    return status;
}
