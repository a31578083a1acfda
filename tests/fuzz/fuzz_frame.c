/* fuzz_frame.c: any bytes, opened as a frame; with the first byte odd, header and footer get the checksums
 * they lack, so that what stands behind them is reached. */
#include "fuzz/fuzz_storage.h"

#include "base/hash.h"
#include "base/le.h"
#include "support/vfs_memory.h"

static void mend(uint8_t *data, size_t size)
{
    if (size < 64 + 40)
        return;
    memcpy(data, "lodefrm\n", 8);
    memcpy(data + size - 16, "lodeend\n", 8);
    le_store_u32(data + 8, 1);
    le_store_u32(data + 12, FRAME_DOCS);
    le_store_u64(data + 24, 0);
    uint32_t count = le_load_u32(data + size - 24) % (FRAME_SECTIONS_MAX + 1);
    le_store_u32(data + size - 24, count);
    uint64_t footer = le_load_u64(data + size - 40), table = count * 24 + 8;
    if (size - 40 >= 64 + table) { /* one block */
        footer = size - 40 - table;
        le_store_u64(data + size - 40, footer);
        le_store_u64(data + size - 32, 1);
    }
    le_store_u64(data + 56, checksum64(data, 56));
    if (footer <= size - 8)
        le_store_u64(data + size - 8, checksum64(data + footer, size - footer - 8));
}

static void use(struct vfs *vfs)
{
    struct frame frame;
    lode_error error;
    uint64_t offset;
    lode_status status =
        frame_open_where(vfs, "f", (struct frame_id){FRAME_DOCS, 0, 0}, &frame, &offset, &error);
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT || status == LODE_VERSION);
    if (status)
        return;
    for (size_t i = 0; i < frame.section_count; i++) {
        status = guard_touch(frame.guard, frame.sections[i].data, frame.sections[i].size, &error);
        INVARIANT(status == LODE_OK || status == LODE_CORRUPT);
        touch(frame.sections[i].data, frame.sections[i].size);
    }
    (void)frame_find(&frame, 1);
    offset = 0;
    status = frame_bad_block(&frame, &offset, &error);
    INVARIANT(status == LODE_OK || (status == LODE_CORRUPT && offset < frame.size));
    frame_close(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vfs_file *file;
    if (size == 0)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    if (data[0] % 2)
        mend(copy + 1, size - 1);
    struct vfs *vfs = vfs_memory_new();
    INVARIANT(vfs_open(vfs, "f", VFS_WRITE | VFS_CREATE, &file, NULL) == LODE_OK);
    INVARIANT(vfs_write(file, 0, copy + 1, size - 1, NULL) == LODE_OK);
    vfs_close(file);
    use(vfs);
    vfs_memory_free(vfs);
    free(copy);
    return 0;
}
