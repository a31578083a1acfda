/* sealed_live.c: live sets as files of their own: docs/format/live.md. */
#include "storage/sealed_parts.h"

#include "base/limits.h"

#include <inttypes.h>
#include <string.h>

static lode_status live_path(char path[], const struct store *store, uint64_t number,
                             uint64_t generation, lode_error *error)
{
    struct name name = {.kind = NAME_LIVE, .number = number, .generation = generation};
    return name_path(path, store->dir, name, error);
}

static lode_status write_info(struct frame_writer *writer, uint64_t generation, uint32_t row_count,
                              uint32_t live_count, lode_error *error)
{
    uint8_t info[LIVE_INFO_SIZE] = {0};
    le_store_u64(info, generation);
    le_store_u32(info + 8, row_count);
    le_store_u32(info + 12, live_count);
    lode_status status = frame_section(writer, LIVE_INFO, error);
    return status ? status : frame_write(writer, info, sizeof info, error);
}

/* Whole words; bits beyond row_count are written as 0, whatever they are in memory. */
static lode_status write_bits(struct frame_writer *writer, const struct liveset *live,
                              uint32_t row_count, lode_error *error)
{
    lode_status status = frame_section(writer, LIVE_BITS, error);
    size_t whole = row_count / 64;
    if (!status)
        status = frame_write(writer, live->words, whole * sizeof live->words[0], error);
    if (status || row_count % 64 == 0)
        return status;
    uint8_t last[sizeof live->words[0]];
    le_store_u64(last, live->words[whole] & (((uint64_t)1 << row_count % 64) - 1));
    return frame_write(writer, last, sizeof last, error);
}

lode_status sealed_write_live(const struct store *store, uint64_t number, uint64_t generation,
                              const struct liveset *live, uint32_t row_count, lode_error *error)
{
    INVARIANT(live && live->bit_count >= row_count);
    char path[PATH_SIZE_MAX];
    struct frame_writer *writer;
    uint32_t live_count = (uint32_t)bitset_count(live->words, row_count);
    struct frame_id id = {FRAME_LIVE, store->collection_uid, number};
    lode_status status = live_path(path, store, number, generation, error);
    if (!status)
        status = frame_create(store->vfs, path, id, &writer, error);
    if (status)
        return status;
    status = write_info(writer, generation, row_count, live_count, error);
    if (!status)
        status = write_bits(writer, live, row_count, error);
    if (!status)
        return frame_finish(writer, error);
    frame_abandon(writer);
    return status;
}

static lode_status read_bits(const struct frame *frame, const struct sealed_entry *entry,
                             struct liveset **ret_live, lode_error *error)
{
    const struct frame_section_view *info = frame_find(frame, LIVE_INFO),
                                    *bits = frame_find(frame, LIVE_BITS);
    size_t size = bitset_words(entry->row_count) * sizeof(uint64_t);
    if (!info || !bits || info->size != LIVE_INFO_SIZE || bits->size != size ||
        le_load_u64(info->data) != entry->del_generation ||
        le_load_u32(info->data + 8) != entry->row_count ||
        le_load_u32(info->data + 12) != entry->live_count)
        return error_set(error, LODE_CORRUPT, "it is not the live set that the manifest speaks of");
    struct liveset *live = liveset_new(entry->row_count);
    if (!live)
        return error_nomem(error, "a live set", size);
    memcpy(live->words, bits->data, size);
    if (bitset_count(live->words, entry->row_count) != entry->live_count) {
        liveset_unref(live);
        return error_set(error, LODE_CORRUPT, "its bits are not %u as it says", entry->live_count);
    }
    *ret_live = live;
    return LODE_OK;
}

lode_status sealed_read_live(const struct store *store, const struct sealed_entry *entry,
                             struct liveset **ret_live, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct frame frame;
    struct frame_id id = {FRAME_LIVE, store->collection_uid, entry->number};
    if (entry->del_generation == 0) {
        *ret_live = NULL;
        return LODE_OK;
    }
    lode_status status = live_path(path, store, entry->number, entry->del_generation, error);
    if (!status)
        status = frame_open(store->vfs, path, id, &frame, error);
    if (status == LODE_NOT_FOUND)
        return error_set(error, LODE_CORRUPT, "%s is missing", vfs_path_tail(path));
    if (status)
        return status;
    status = frame_check(&frame, error);
    if (!status)
        status = read_bits(&frame, entry, ret_live, error);
    if (status)
        error_prefix(error, "%s: ", vfs_path_tail(path));
    frame_close(&frame);
    return status;
}
