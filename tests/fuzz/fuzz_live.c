/* fuzz_live.c: any sections, read as a live set of a segment whose rows the first two bytes count: what is accepted
 * has as many living rows as the manifest says, and none beyond the last row. */
#include "fuzz/fuzz_storage.h"

#include "base/bitset.h"
#include "storage/sealed_parts.h"
#include "support/vfs_memory.h"

static void put(const struct store *store, const struct frame *frame)
{
    struct frame_writer *writer;
    INVARIANT(!frame_create(store->vfs, "./seg-3.del-9",
                            (struct frame_id){FRAME_LIVE, store->collection_uid, 3}, &writer,
                            NULL));
    for (size_t i = 0; i < frame->section_count; i++) {
        INVARIANT(!frame_section(writer, (uint32_t)i + 1, NULL));
        INVARIANT(!frame_write(writer, frame->sections[i].data, frame->sections[i].size, NULL));
    }
    INVARIANT(!frame_finish(writer, NULL));
}

static void fit(struct frame *frame, const struct sealed_entry *entry)
{
    section_cut(frame, 0, LIVE_INFO_SIZE);
    section_cut(frame, 1, bitset_words(entry->row_count) * sizeof(uint64_t));
    uint8_t *info = (uint8_t *)(uintptr_t)frame->sections[0].data;
    le_store_u64(info, entry->del_generation);
    le_store_u32(info + 8, entry->row_count);
    le_store_u32(info + 12, entry->live_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lode_error error;
    struct liveset *live;
    if (size < 4)
        return 0;
    struct sealed_entry entry = {.number = 3,
                                 .row_count = 1u + data[0] + (uint32_t)(data[1] & 3) * 256,
                                 .del_generation = 9};
    entry.live_count = (uint32_t)(data[2] + data[3] * 256) % (entry.row_count + 1);
    struct frame frame = sections_new(data + 4, size - 4, 2);
    struct store store = {.vfs = vfs_memory_new(), .dir = ".", .collection_uid = 5};
    if (size % 4)
        fit(&frame, &entry);
    put(&store, &frame);
    if (sealed_read_live(&store, &entry, &live, &error) == LODE_OK) {
        INVARIANT(bitset_count(live->words, entry.row_count) == entry.live_count);
        liveset_unref(live);
    }
    vfs_memory_free(store.vfs);
    sections_free(&frame);
    return 0;
}
