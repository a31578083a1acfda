/* fuzz_keys.c: any bytes as a file of keys, as a key that somebody wrote, and as an encrypted file, with checksums that
 * fit; nothing of it may authenticate that was not made with the key. */
#include "fuzz/fuzz_storage.h"

#include "base/hash.h"
#include "base/le.h"
#include "crypt/crypt_check.h"
#include "crypt/crypt_vfs.h"
#include "crypt/key_source.h"
#include "support/key_kit.h"
#include "support/vfs_memory.h"

static void use_as_keys(uint8_t *data, size_t size)
{
    struct keyring *keyring;
    char id[LODE_KEY_ID_TEXT_SIZE];
    lode_error error;
    uint64_t offset;
    int bad = keyring_bad_copies(data, size, &offset);
    INVARIANT(bad >= 0 && bad <= 2);
    lode_status status = keyring_needs(data, size, id, &error);
    INVARIANT(status != LODE_OK || strlen(id) == 16);
    INVARIANT(keyring_decode(data, size, "it", key_kit(1), &keyring, &error) != LODE_OK);
}

static void fit_keys(uint8_t *data, size_t size)
{
    if (size < KEYRING_COPY_SIZE)
        return;
    uint8_t key[CIPHER_KEY_SIZE];
    char id[LODE_KEY_ID_TEXT_SIZE];
    INVARIANT(!key_fetch(key_kit(1), NULL, key, NULL) && !key_id_of(key, id, NULL));
    memcpy(data, "lodekey\n\1\0\0\0", 12);
    for (size_t i = 0; i < 8; i++) {
        char digits[3] = {id[2 * i], id[2 * i + 1], 0};
        data[16 + i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    le_store_u64(data + KEYRING_COPY_SIZE - 8, checksum64(data, KEYRING_COPY_SIZE - 8));
}

static void use_as_file(const uint8_t *data, size_t size, const struct keyring *keyring,
                        struct vfs *vfs)
{
    struct vfs_file *file;
    struct crypt_check check;
    uint64_t content = 0;
    INVARIANT(!vfs_open(crypt_vfs_below(vfs), "f", VFS_WRITE | VFS_CREATE, &file, NULL) &&
              !vfs_write(file, 0, data, size, NULL));
    vfs_close(file);
    if (vfs_open(vfs, "f", VFS_READ | VFS_ENCRYPTED, &file, NULL) == LODE_OK) {
        INVARIANT(!vfs_size(file, &content, NULL) && content > 0 && content < size);
        uint8_t *all = malloc(content);
        INVARIANT(all && vfs_read(file, 0, all, content, NULL) != LODE_OK);
        free(all);
        vfs_close(file);
    }
    INVARIANT(!crypt_check_init(&check, keyring, size, "it", NULL));
    lode_status status = crypt_check_update(&check, data, size, NULL);
    INVARIANT(status || crypt_check_end(&check, NULL) != LODE_OK);
    crypt_check_release(&check);
}

static void fit_file(uint8_t *data, size_t size, const struct keyring *keyring)
{
    struct data_key key;
    if (size < CRYPT_HEADER_SIZE)
        return;
    keyring_newest(keyring, &key);
    memcpy(data, "lodesec\n\1\0\0\0\1\0\0\0", 16);
    le_store_u64(data + 16, key.id);
    le_store_u64(data + 56, checksum64(data, 56));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t key[CIPHER_KEY_SIZE];
    struct keyring *keyring;
    struct vfs *below = vfs_memory_new(), *vfs;
    uint8_t *copy = calloc(size + 1, 1);
    memcpy(copy, data, size);
    lode_status ignored = key_parse((const char *)copy, size, key, NULL);
    (void)ignored;
    INVARIANT(!keyring_new("0123456789abcdef", 1, &keyring, NULL) &&
              !crypt_vfs_new(below, keyring, &vfs, NULL));
    use_as_keys(copy, size);
    use_as_file(copy, size, keyring, vfs);
    fit_keys(copy, size);
    use_as_keys(copy, size);
    fit_file(copy, size, keyring);
    use_as_file(copy, size, keyring, vfs);
    crypt_vfs_free(vfs);
    vfs_memory_free(below);
    free(copy);
    return 0;
}
