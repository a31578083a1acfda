/* snapshot_file.c: encoding and decoding of named snapshots: docs/format/snapshot.md. */
#include "storage/snapshot_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/limits.h"
#include "storage/names.h"

enum { SECTION_STATE = 1, SECTION_SEGMENTS = 2, SECTION_BITS = 3 };

#define STATE_SIZE 48 /* before the name */
#define ENTRY_SIZE 24

void saved_snapshot_release(struct saved_snapshot *saved)
{
    free(saved->entries);
    *saved = (struct saved_snapshot){0};
}

/* --- Writing ----------------------------------------------------------------------------------- */

static lode_status write_state(struct frame_writer *writer, const struct saved_snapshot *saved,
                               lode_error *error)
{
    uint8_t state[STATE_SIZE] = {0};
    size_t name_size = strlen(saved->name);
    le_store_u64(state, saved->generation);
    le_store_u64(state + 8, saved->sequence);
    le_store_u64(state + 16, saved->point_count);
    le_store_u64(state + 24, saved->created_us);
    le_store_u32(state + 32, saved->text_model_version);
    le_store_u32(state + 36, (uint32_t)saved->entry_count);
    le_store_u32(state + 40, (uint32_t)name_size);
    lode_status status = frame_section(writer, SECTION_STATE, error);
    if (!status)
        status = frame_write(writer, state, sizeof state, error);
    return status ? status : frame_write(writer, saved->name, name_size, error);
}

static lode_status write_entries(struct frame_writer *writer, const struct saved_snapshot *saved,
                                 lode_error *error)
{
    lode_status status = frame_section(writer, SECTION_SEGMENTS, error);
    for (size_t i = 0; !status && i < saved->entry_count; i++) {
        const struct sealed_entry *entry = &saved->entries[i];
        uint8_t bytes[ENTRY_SIZE] = {0};
        le_store_u64(bytes, entry->number);
        le_store_u32(bytes + 8, entry->row_count);
        le_store_u32(bytes + 12, entry->live_count);
        bytes[16] = entry->has_graph;
        status = frame_write(writer, bytes, sizeof bytes, error);
    }
    return status;
}

/* Whole words; bits beyond the last row are written as 0, whatever they are in memory. */
static lode_status write_bits(struct frame_writer *writer, const struct liveset *live,
                              uint32_t row_count, lode_error *error)
{
    INVARIANT(live && live->bit_count >= row_count);
    size_t whole = row_count / 64;
    uint8_t last[sizeof live->words[0]];
    lode_status status = frame_write(writer, live->words, whole * sizeof last, error);
    if (status || row_count % 64 == 0)
        return status;
    le_store_u64(last, live->words[whole] & (((uint64_t)1 << row_count % 64) - 1));
    return frame_write(writer, last, sizeof last, error);
}

static lode_status write_sections(struct frame_writer *writer, const struct saved_snapshot *saved,
                                  struct liveset *const *live, lode_error *error)
{
    lode_status status = write_state(writer, saved, error);
    if (!status)
        status = write_entries(writer, saved, error);
    if (!status)
        status = frame_section(writer, SECTION_BITS, error);
    for (size_t i = 0; !status && i < saved->entry_count; i++)
        if (saved->entries[i].live_count < saved->entries[i].row_count)
            status = write_bits(writer, live[i], saved->entries[i].row_count, error);
    return status;
}

static lode_status write_temporary(const struct store *store, const char *path,
                                   const struct saved_snapshot *saved, struct liveset *const *live,
                                   lode_error *error)
{
    struct frame_writer *writer;
    struct frame_id id = {FRAME_SNAPSHOT, store->collection_uid, saved->number};
    lode_status status = frame_create(store->vfs, path, id, &writer, error);
    if (status)
        return status;
    status = write_sections(writer, saved, live, error);
    if (!status)
        return frame_finish(writer, error);
    frame_abandon(writer);
    return status;
}

static lode_status snapshot_path(const struct store *store, uint64_t number, char path[],
                                 lode_error *error)
{
    struct name name = {.kind = NAME_SNAPSHOT, .number = number};
    return name_path(path, store->dir, name, error);
}

/* First the names of the files that it speaks of, then its own. */
static lode_status name_durably(const struct store *store, const char *temporary, const char *path,
                                int *ret_unknown, lode_error *error)
{
    lode_status status = vfs_dir_sync(store->vfs, store->dir, error);
    if (status)
        return status;
    *ret_unknown = 1;
    status = vfs_rename(store->vfs, temporary, path, error);
    return status ? status : vfs_dir_sync(store->vfs, store->dir, error);
}

lode_status snapshot_file_write(const struct store *store, const struct saved_snapshot *saved,
                                struct liveset *const *live, int *ret_unknown, lode_error *error)
{
    char path[PATH_SIZE_MAX], temporary[PATH_SIZE_MAX], text[NAME_TEXT_MAX];
    *ret_unknown = 0;
    lode_status status = snapshot_path(store, saved->number, path, error);
    snprintf(text, sizeof text, "snapshot-%" PRIu64 ".tmp", saved->number);
    if (!status)
        status = vfs_join(temporary, store->dir, text, error);
    if (!status)
        status = write_temporary(store, temporary, saved, live, error);
    if (status)
        return status;
    status = name_durably(store, temporary, path, ret_unknown, error);
    if (status) {
        lode_status ignored = vfs_remove(store->vfs, temporary, NULL);
        (void)ignored; /* swept away at the next open */
    }
    return status;
}

lode_status snapshot_file_remove(const struct store *store, uint64_t number, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    lode_error found = {0};
    lode_status status = snapshot_path(store, number, path, &found);
    if (!status)
        status = vfs_remove(store->vfs, path, &found);
    if (!status || status == LODE_NOT_FOUND)
        return vfs_dir_sync(store->vfs, store->dir, error);
    if (error)
        *error = found;
    return status;
}

/* --- Reading ----------------------------------------------------------------------------------- */

static lode_status bad(lode_error *error, const char *what)
{
    return error_set(error, LODE_CORRUPT, "%s", what);
}

static lode_status read_state(const struct frame *frame, struct saved_snapshot *saved,
                              lode_error *error)
{
    const struct frame_section_view *section = frame_find(frame, SECTION_STATE);
    if (!section || section->size < STATE_SIZE)
        return bad(error, "its state is cut off");
    struct reader reader;
    reader_init(&reader, section->data, (size_t)section->size);
    saved->generation = reader_u64(&reader);
    saved->sequence = reader_u64(&reader);
    saved->point_count = reader_u64(&reader);
    saved->created_us = reader_u64(&reader);
    saved->text_model_version = reader_u32(&reader);
    saved->entry_count = reader_u32(&reader);
    size_t name_size = reader_u32(&reader);
    uint32_t zero = reader_u32(&reader);
    if (zero || name_size == 0 || name_size > LODE_NAME_SIZE_MAX ||
        name_size != reader_left(&reader))
        return bad(error, "its name is not of the right size");
    memcpy(saved->name, reader_bytes(&reader, name_size), name_size);
    if (strlen(saved->name) != name_size)
        return bad(error, "its name is no name");
    if (saved->entry_count > SNAPSHOT_SEGMENTS_MAX)
        return bad(error, "it lists too many segments");
    return LODE_OK;
}

static const char *entry_fault(const struct saved_snapshot *saved, size_t i)
{
    const struct sealed_entry *entry = &saved->entries[i];
    if (i > 0 && entry->number <= entry[-1].number)
        return "its segments are not in order";
    if (entry->number > saved->number)
        return "a segment's number was not given out yet";
    if (entry->row_count == 0 || entry->row_count > SEGMENT_ROWS_MAX)
        return "a segment's row count is out of range";
    if (entry->live_count > entry->row_count)
        return "a segment's live count is impossible";
    if (entry->has_graph > 1)
        return "a segment's graph mark is neither 0 nor 1";
    return NULL;
}

static lode_status read_entries(const struct frame *frame, struct saved_snapshot *saved,
                                lode_error *error)
{
    const struct frame_section_view *section = frame_find(frame, SECTION_SEGMENTS);
    size_t count = saved->entry_count;
    uint64_t points = 0;
    if (!section || section->size != (uint64_t)count * ENTRY_SIZE)
        return bad(error, "its list of segments is not of the right size");
    saved->entries = calloc(count ? count : 1, sizeof *saved->entries);
    if (!saved->entries)
        return error_nomem(error, "a list of segments", count * sizeof *saved->entries);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes = section->data + i * ENTRY_SIZE;
        saved->entries[i] = (struct sealed_entry){.number = le_load_u64(bytes),
                                                  .row_count = le_load_u32(bytes + 8),
                                                  .live_count = le_load_u32(bytes + 12),
                                                  .has_graph = bytes[16]};
        const char *fault = entry_fault(saved, i);
        if (fault)
            return bad(error, fault);
        points += saved->entries[i].live_count;
    }
    if (points != saved->point_count)
        return bad(error, "its points are not as many as its segments say");
    return LODE_OK;
}

static void release_live(struct liveset **live, size_t count)
{
    for (size_t i = 0; live && i < count; i++)
        liveset_unref(live[i]);
    free(live);
}

static lode_status read_bits(struct reader *reader, const struct sealed_entry *entry,
                             struct liveset **ret_live, lode_error *error)
{
    size_t size = bitset_words(entry->row_count) * sizeof(uint64_t);
    const uint8_t *bytes = reader_bytes(reader, size);
    if (!bytes)
        return bad(error, "its live sets are cut off");
    struct liveset *live = liveset_new(entry->row_count);
    if (!live)
        return error_nomem(error, "a live set", size);
    memcpy(live->words, bytes, size);
    *ret_live = live;
    if (bitset_count(live->words, entry->row_count) != entry->live_count)
        return bad(error, "a live set has not as many bits as its segment living rows");
    return LODE_OK;
}

static lode_status read_live(const struct frame *frame, const struct saved_snapshot *saved,
                             struct liveset **live, lode_error *error)
{
    const struct frame_section_view *section = frame_find(frame, SECTION_BITS);
    struct reader reader;
    lode_status status = LODE_OK;
    if (!section)
        return bad(error, "it has no live sets");
    reader_init(&reader, section->data, (size_t)section->size);
    for (size_t i = 0; !status && i < saved->entry_count; i++)
        if (saved->entries[i].live_count < saved->entries[i].row_count)
            status = read_bits(&reader, &saved->entries[i], &live[i], error);
    if (!status && reader_left(&reader) > 0)
        status = bad(error, "its live sets are not of the right size");
    return status;
}

lode_status snapshot_decode(const struct frame *frame, uint64_t number,
                            struct saved_snapshot *ret_saved, struct liveset ***ret_live,
                            lode_error *error)
{
    struct saved_snapshot saved = {.number = number};
    struct liveset **live = NULL;
    lode_status status = read_state(frame, &saved, error);
    if (!status)
        status = read_entries(frame, &saved, error);
    if (!status) {
        live = calloc(saved.entry_count + 1, sizeof(struct liveset *));
        status = live ? read_live(frame, &saved, live, error)
                      : error_nomem(error, "live sets", saved.entry_count * sizeof(void *));
    }
    if (status || !ret_live) {
        release_live(live, saved.entry_count);
        live = NULL;
    }
    if (status) {
        saved_snapshot_release(&saved);
        return status;
    }
    *ret_saved = saved;
    if (ret_live)
        *ret_live = live;
    return LODE_OK;
}

lode_status snapshot_file_read(const struct store *store, uint64_t number,
                               struct saved_snapshot *ret_saved, struct liveset ***ret_live,
                               lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct frame frame;
    struct frame_id id = {FRAME_SNAPSHOT, store->collection_uid, number};
    lode_status status = snapshot_path(store, number, path, error);
    if (!status)
        status = frame_open(store->vfs, path, id, &frame, error);
    if (status)
        return status;
    status = frame_check(&frame, error);
    if (!status)
        status = snapshot_decode(&frame, number, ret_saved, ret_live, error);
    if (status)
        error_prefix(error, "%s: ", vfs_path_tail(path));
    frame_close(&frame);
    return status;
}
