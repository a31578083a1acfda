/* fuzz_backup.c: any bytes as an inventory, with a checksum and root that fit; and as a backup that is one file. What
 * is accepted makes sense, and everything it speaks of can be read. */
#include "fuzz/fuzz_storage.h"

#include "base/hash.h"
#include "base/le.h"
#include "storage/backup_format.h"
#include "storage/backup_reader.h"
#include "support/vfs_memory.h"

static void check(const struct inventory *inventory)
{
    char text[INVENTORY_TEXT_MAX];
    INVARIANT(inventory->file_count > 0 && inventory->files[0].uid == 0);
    for (size_t i = 0; i < inventory->file_count; i++) {
        const struct inventory_file *file = &inventory->files[i];
        INVARIANT(!strstr(inventory_file_text(file, text), ".."));
        INVARIANT(inventory_find(inventory, file->uid, file->name) == file);
        INVARIANT(file->uid == 0 || inventory_collection(inventory, file->uid));
        touch(inventory_loss(file), 1);
    }
    for (size_t i = 0; i < inventory->collection_count; i++)
        touch(inventory->collections[i].name, strlen(inventory->collections[i].name) + 1);
}

/* Counts that fit the size, a checksum, and what else random bytes would never get right. */
static void fit(uint8_t *data, size_t size)
{
    size_t body = size - 8 - 104, files = body / 104;
    memcpy(data, "lodeinv\n\2\0\0\0\0\0\0\0", 16);
    memset(data + 88, 0, 16);
    size_t rest = body - files * 104; /* one collection fits into it, or none */
    data[88] = rest > 32 && rest <= 32 + 104;
    data[92] = (uint8_t)files;
    size_t at = 104;
    if (data[88]) {
        memset(data + at + 24, 0, 8);
        data[at + 24] = (uint8_t)(rest - 32);
        at += rest;
    }
    for (size_t i = 0; i < files && i < 255; i++, at += 104) {
        data[at + 8] %= 9;
        memset(data + at + 9, 0, 7);
        memset(data + at + 24, 0, 8);
        data[at + 24] = data[at + 8] == 7;
        if (i == 0)
            memset(data + at, 0, 32);
    }
    le_store_u64(data + size - 8, checksum64(data, size - 8));
}

static int use(const uint8_t *data, size_t size)
{
    struct inventory inventory;
    lode_error error;
    if (inventory_decode(data, size, &inventory, &error))
        return 0;
    check(&inventory);
    inventory_release(&inventory);
    return 1;
}

/* The root cannot be guessed: once everything else fits, it is computed as it should be. */
static void use_with_root(const uint8_t *data)
{
    struct inventory inventory = {0};
    struct buf bytes;
    lode_error error;
    size_t at = 104 + (data[88] ? 32u + data[104 + 24] : 0);
    if (data[88]) {
        struct inventory_collection collection = {
            .uid = le_load_u64(data + 104), .sequence = 256, .name = "x"};
        INVARIANT(!inventory_add_collection(&inventory, &collection, &error));
    }
    int has_manifest = !data[88];
    for (size_t i = 0; i < data[92]; i++, at += 104) {
        struct inventory_file file = {
            .uid = i ? inventory.collections ? inventory.collections[0].uid : 0 : 0,
            .size = 1 + (le_load_u64(data + at + 32) & 0xffff),
            .offset = le_load_u64(data + at + 48) & ~63ULL};
        file.name.kind = i ? (enum name_kind)(1 + data[at + 8] % 8) : NAME_OTHER;
        file.name.number = i ? file.name.kind == NAME_MANIFEST ? 1 : i : 0;
        file.name.generation = file.name.kind == NAME_LIVE;
        if (file.name.kind == NAME_LOG)
            file.first_sequence = file.last_sequence = 1 + data[at + 64];
        if (i && file.uid == 0)
            continue;
        if (file.name.kind == NAME_MANIFEST && has_manifest)
            continue;
        has_manifest |= file.name.kind == NAME_MANIFEST;
        memcpy(file.hash, data + at + 72, SHA256_SIZE);
        file.hash[0] |= 1;
        INVARIANT(!inventory_add_file(&inventory, &file, &error));
    }
    if (inventory.file_count > 0 && has_manifest && (!data[88] || inventory.collections[0].uid)) {
        buf_init(&bytes, INVENTORY_SIZE_MAX);
        INVARIANT(!inventory_seal(&inventory, &error) &&
                  !inventory_encode(&inventory, &bytes, &error));
        INVARIANT(use(bytes.data, bytes.size));
        buf_release(&bytes);
    }
    inventory_release(&inventory);
}

static void read_all(const struct backup *backup)
{
    struct inventory inventory;
    lode_error error;
    if (backup_inventory(backup, 0, &inventory, &error))
        return;
    for (size_t i = 0; i < inventory.file_count; i++) {
        struct backup_content content;
        if (backup_content_open(backup, &inventory.files[i], &content, &error))
            continue;
        lode_status status = backup_content_read(&content, &inventory.files[i], NULL, NULL, &error);
        (void)status;
        backup_content_close(&content);
    }
    inventory_release(&inventory);
}

/* As one file, of which the bytes are the inventory and, before it, contents. */
static void open_file(const uint8_t *data, size_t size, int with_ends)
{
    struct vfs *vfs = vfs_memory_new();
    struct vfs_file *file;
    struct backup *backup;
    lode_error error;
    uint8_t head[BACKUP_HEAD_SIZE], trailer[BACKUP_TRAILER_SIZE], root[SHA256_SIZE] = {0};
    INVARIANT(!vfs_open(vfs, "f", VFS_WRITE | VFS_CREATE, &file, &error));
    backup_head_put(head);
    backup_trailer_put(trailer, sizeof head, size, root);
    uint64_t at = with_ends ? sizeof head : 0;
    INVARIANT(!with_ends || !vfs_write(file, 0, head, sizeof head, &error));
    INVARIANT(!vfs_write(file, at, data, size, &error));
    INVARIANT(!with_ends || !vfs_write(file, at + size, trailer, sizeof trailer, &error));
    vfs_close(file);
    if (backup_open(vfs, "f", &backup, &error) == LODE_OK) {
        read_all(backup);
        backup_close(backup);
    }
    vfs_memory_free(vfs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)use(data, size);
    open_file(data, size, 0);
    open_file(data, size, 1);
    if (size < 104 + 8 + 104 || size > 20000)
        return 0;
    uint8_t *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    fit(copy, size);
    (void)use(copy, size);
    open_file(copy, size, 1);
    use_with_root(copy);
    free(copy);
    return 0;
}
