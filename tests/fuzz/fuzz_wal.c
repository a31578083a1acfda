/* fuzz_wal.c: any bytes, replayed as a log; the first byte says whether header and groups get the checksums
 * they lack. What was replayed once is replayed again from the file that settling leaves. */
#include "fuzz/fuzz_storage.h"

#include "storage/wal.h"
#include "storage/wal_format.h"
#include "support/vfs_memory.h"

enum { UID = 5, NUMBER = 1 };

static void mend_header(uint8_t *data, size_t size)
{
    if (size < WAL_HEADER_SIZE)
        return;
    memcpy(data, wal_magic, sizeof wal_magic);
    le_store_u32(data + 8, WAL_VERSION);
    le_store_u32(data + 12, 0);
    le_store_u64(data + 16, UID);
    le_store_u64(data + 24, NUMBER);
    le_store_u64(data + WAL_HEADER_CHECKSUM_AT, checksum64(data, WAL_HEADER_CHECKSUM_AT));
}

static void mend_groups(uint8_t *data, size_t size)
{
    for (size_t at = WAL_HEADER_SIZE; size >= at + WAL_GROUP_HEADER_SIZE;) {
        struct wal_group group = {.batch_count = le_load_u32(data + at + 12) % 4,
                                  .payload_size = le_load_u64(data + at + 16) % 256,
                                  .first_sequence = le_load_u64(data + at + 24),
                                  .synced = le_load_u64(data + at + 32)};
        if (wal_group_size(&group) > size - at)
            return;
        wal_put_group_fields(data + at, &group);
        wal_put_group_checksum(data + at, &group, wal_group_seed(UID, NUMBER, at));
        at += wal_group_size(&group);
    }
}

static lode_status keep_batch(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                              lode_error *error)
{
    (void)sequence, (void)error;
    touch(data, size);
    ++*(size_t *)context;
    return LODE_OK;
}

static lode_status replay(struct vfs *vfs, int last_file, size_t *count, struct wal_found *found)
{
    lode_error error;
    struct wal_replay how = {.last_file = last_file, .batch = keep_batch, .context = count};
    *count = 0;
    return wal_replay((struct wal_file){vfs, ".", UID, NUMBER}, &how, found, &error);
}

/* What is whole is found wherever it stands: at least all that a replay gives. */
static void salvage(struct vfs *vfs, size_t count)
{
    lode_error error;
    size_t saved = 0;
    uint64_t skipped = 0;
    struct wal_replay how = {.batch = keep_batch, .context = &saved};
    lode_status status =
        wal_salvage((struct wal_file){vfs, ".", UID, NUMBER}, &how, &skipped, &error);
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT);
    INVARIANT(status || saved >= count);
}

static void use(struct vfs *vfs)
{
    lode_error error;
    struct wal_found found, again;
    size_t count, count_again;
    lode_status status = replay(vfs, 1, &count, &found);
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT || status == LODE_VERSION);
    salvage(vfs, status == LODE_OK ? count : 0);
    if (status)
        return;
    INVARIANT(wal_settle((struct wal_file){vfs, ".", UID, NUMBER}, &found, &error) == LODE_OK);
    INVARIANT(replay(vfs, 0, &count_again, &again) == LODE_OK);
    INVARIANT(count == count_again && again.last_sequence == found.last_sequence);
    INVARIANT(again.torn_size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vfs_file *file;
    if (size == 0)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    if (data[0] & 1)
        mend_header(copy + 1, size - 1);
    if (data[0] & 2)
        mend_groups(copy + 1, size - 1);
    struct vfs *vfs = vfs_memory_new();
    INVARIANT(vfs_open(vfs, "wal-1.log", VFS_WRITE | VFS_CREATE, &file, NULL) == LODE_OK);
    INVARIANT(vfs_write(file, 0, copy + 1, size - 1, NULL) == LODE_OK);
    vfs_close(file);
    use(vfs);
    vfs_memory_free(vfs);
    free(copy);
    return 0;
}
