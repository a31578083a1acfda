/* keyring_file.c: the file `keys`: docs/format/keys.md. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/limits.h"
#include "crypt/key_source.h"
#include "crypt/keyring_parts.h"

#define VERSION     1u
#define HEAD_SIZE   64
#define SALT_AT     32
#define SALT_SIZE   32
#define ENTRY_SIZE  40 /* when it was made, and the key */
#define CHECKSUM_AT (KEYRING_COPY_SIZE - 8)
#define FLAG_PLAIN  1u
#define WRAP_INFO   "lode keys 1"
#define WRAPPED_MAX (KEYRING_KEYS_MAX * ENTRY_SIZE)

_Static_assert(HEAD_SIZE + WRAPPED_MAX + CIPHER_TAG_SIZE <= CHECKSUM_AT, "all keys fit a copy");

static const uint8_t magic[8] = {'l', 'o', 'd', 'e', 'k', 'e', 'y', '\n'};

/* --- Wrapping ---------------------------------------------------------------------------------- */

/* The salt is drawn anew whenever the file is written, so that each wrapping key is used once. */
static lode_status wrapping_cipher(struct cipher *cipher, const uint8_t key[CIPHER_KEY_SIZE],
                                   const uint8_t *head, lode_error *error)
{
    uint8_t wrapping[CIPHER_KEY_SIZE];
    struct derivation from = {.secret = key,
                              .salt = head + SALT_AT,
                              .salt_size = SALT_SIZE,
                              .info = WRAP_INFO,
                              .info_size = strlen(WRAP_INFO)};
    lode_status status = cipher_derive(&from, wrapping, sizeof wrapping, error);
    if (!status)
        status = cipher_init(cipher, wrapping, error);
    cipher_wipe(wrapping, sizeof wrapping);
    return status;
}

static struct cipher_message wrapped(const uint8_t *head, const uint8_t *from, uint8_t *to,
                                     size_t count)
{
    struct cipher_message message = {.additional = head,
                                     .additional_size = HEAD_SIZE,
                                     .from = from,
                                     .to = to,
                                     .size = count * ENTRY_SIZE};
    cipher_nonce(message.nonce, 0, 0);
    return message;
}

static void id_bytes(const char text[LODE_KEY_ID_TEXT_SIZE], uint8_t id[8])
{
    for (size_t i = 0; i < 8; i++) {
        unsigned high = (unsigned)(text[2 * i] <= '9' ? text[2 * i] - '0' : text[2 * i] - 'a' + 10);
        unsigned low =
            (unsigned)(text[2 * i + 1] <= '9' ? text[2 * i + 1] - '0' : text[2 * i + 1] - 'a' + 10);
        id[i] = (uint8_t)(high << 4 | low);
    }
}

static lode_status put_head(const struct keyring_content *content, uint8_t *head, lode_error *error)
{
    memcpy(head, magic, sizeof magic);
    le_store_u32(head + 8, VERSION);
    le_store_u32(head + 12, (uint32_t)content->count);
    id_bytes(content->key_id, head + 16);
    le_store_u32(head + 24, content->accepts_plain ? FLAG_PLAIN : 0);
    return cipher_random(head + SALT_AT, SALT_SIZE, error);
}

static lode_status wrap(const struct keyring_content *content, const uint8_t key[CIPHER_KEY_SIZE],
                        uint8_t *copy, lode_error *error)
{
    struct cipher cipher = {0};
    uint8_t *at = copy + HEAD_SIZE;
    lode_status status = put_head(content, copy, error);
    if (!status)
        status = wrapping_cipher(&cipher, key, copy, error);
    if (status)
        return status;
    for (size_t i = 0; i < content->count; i++) {
        le_store_u64(at + i * ENTRY_SIZE, content->keys[i].made_us);
        memcpy(at + i * ENTRY_SIZE + 8, content->keys[i].key, CIPHER_KEY_SIZE);
    }
    struct cipher_message message = wrapped(copy, at, at, content->count);
    cipher_seal(&cipher, &message, at + message.size);
    cipher_release(&cipher);
    le_store_u64(copy + CHECKSUM_AT, checksum64(copy, CHECKSUM_AT));
    return LODE_OK;
}

lode_status keyring_encode(struct keyring *keyring, const uint8_t key[CIPHER_KEY_SIZE],
                           uint8_t *bytes, lode_error *error)
{
    memset(bytes, 0, KEYRING_FILE_SIZE);
    lode_status status = key_id_of(key, keyring->content.key_id, error);
    if (!status)
        status = wrap(&keyring->content, key, bytes, error);
    if (!status)
        memcpy(bytes + KEYRING_COPY_SIZE, bytes, KEYRING_COPY_SIZE);
    return status;
}

/* --- Unwrapping -------------------------------------------------------------------------------- */

static int is_whole(const uint8_t *bytes, size_t size, size_t offset)
{
    if (size < offset + KEYRING_COPY_SIZE)
        return 0;
    const uint8_t *copy = bytes + offset;
    return memcmp(copy, magic, sizeof magic) == 0 &&
           le_load_u64(copy + CHECKSUM_AT) == checksum64(copy, CHECKSUM_AT);
}

int keyring_bad_copies(const uint8_t *bytes, size_t size, uint64_t *ret_offset)
{
    int first = is_whole(bytes, size, 0), second = is_whole(bytes, size, KEYRING_COPY_SIZE);
    if (first && second && memcmp(bytes, bytes + KEYRING_COPY_SIZE, KEYRING_COPY_SIZE) != 0)
        second = 0;
    *ret_offset = first ? KEYRING_COPY_SIZE : 0;
    return !first + !second;
}

void keyring_mend_copies(uint8_t *bytes, size_t size)
{
    int first = is_whole(bytes, size, 0);
    INVARIANT(first || is_whole(bytes, size, KEYRING_COPY_SIZE));
    memcpy(bytes + (first ? KEYRING_COPY_SIZE : 0), bytes + (first ? 0 : KEYRING_COPY_SIZE),
           KEYRING_COPY_SIZE);
}

/* The copy that counts, in a format that is known. */
static lode_status find_copy(const uint8_t *bytes, size_t size, const uint8_t **ret_copy,
                             lode_error *error)
{
    const uint8_t *copy = is_whole(bytes, size, 0)                   ? bytes
                          : is_whole(bytes, size, KEYRING_COPY_SIZE) ? bytes + KEYRING_COPY_SIZE
                                                                     : NULL;
    if (!copy)
        return error_set(error, LODE_CORRUPT,
                         KEYRING_FILE_NAME " is damaged: neither of its two copies is whole. "
                                           "Without it all is lost: nothing can be decrypted");
    uint32_t version = le_load_u32(copy + 8), count = le_load_u32(copy + 12);
    if (version > VERSION)
        return error_set(error, LODE_VERSION,
                         KEYRING_FILE_NAME " has format %u; this Lode knows 1 to %u", version,
                         VERSION);
    if (version == 0 || count == 0 || count > KEYRING_KEYS_MAX || le_load_u32(copy + 28) ||
        (le_load_u32(copy + 24) & ~FLAG_PLAIN))
        return error_set(error, LODE_CORRUPT,
                         KEYRING_FILE_NAME " is damaged: its head makes no sense");
    *ret_copy = copy;
    return LODE_OK;
}

lode_status keyring_needs(const uint8_t *bytes, size_t size, char ret_id[LODE_KEY_ID_TEXT_SIZE],
                          lode_error *error)
{
    const uint8_t *copy = NULL;
    lode_status status = find_copy(bytes, size, &copy, error);
    if (!status)
        key_id_text(copy + 16, ret_id);
    return status;
}

static lode_status take_keys(const uint8_t *copy, const uint8_t *entries,
                             struct keyring_content *content, lode_error *error)
{
    lode_status status = LODE_OK;
    content->count = le_load_u32(copy + 12);
    content->accepts_plain = (le_load_u32(copy + 24) & FLAG_PLAIN) != 0;
    for (size_t i = 0; !status && i < content->count; i++) {
        content->keys[i].made_us = le_load_u64(entries + i * ENTRY_SIZE);
        memcpy(content->keys[i].key, entries + i * ENTRY_SIZE + 8, CIPHER_KEY_SIZE);
        status = keyring_data_key_id(&content->keys[i], error);
    }
    return status;
}

static lode_status unwrap(const uint8_t *copy, const uint8_t key[CIPHER_KEY_SIZE],
                          struct keyring *keyring, lode_error *error)
{
    struct cipher cipher = {0};
    uint8_t entries[WRAPPED_MAX];
    lode_status status = wrapping_cipher(&cipher, key, copy, error);
    if (status)
        return status;
    struct cipher_message message =
        wrapped(copy, copy + HEAD_SIZE, entries, le_load_u32(copy + 12));
    if (!cipher_open(&cipher, &message, copy + HEAD_SIZE + message.size))
        status = error_set(error, LODE_CORRUPT,
                           KEYRING_FILE_NAME " was changed by somebody without the key: it is of "
                                             "the right key, and does not authenticate");
    cipher_release(&cipher);
    if (!status)
        status = take_keys(copy, entries, &keyring->content, error);
    cipher_wipe(entries, sizeof entries);
    return status;
}

/* LODE_KEY unless it is the one of that id. */
static lode_status fetch(const lode_key_source *source, const char *id, const char *what,
                         uint8_t key[CIPHER_KEY_SIZE], lode_error *error)
{
    char given[LODE_KEY_ID_TEXT_SIZE];
    if (!source)
        return error_set(error, LODE_KEY, "%s is encrypted with key %s, and no key was given", what,
                         id);
    lode_status status = key_fetch(source, id, key, error);
    if (!status)
        status = key_id_of(key, given, error);
    if (!status && strcmp(given, id) != 0)
        status = error_set(error, LODE_KEY, "%s is encrypted with key %s; the key given is %s",
                           what, id, given);
    return status;
}

lode_status keyring_decode(const uint8_t *bytes, size_t size, const char *what,
                           const lode_key_source *source, struct keyring **ret_keyring,
                           lode_error *error)
{
    const uint8_t *copy = NULL;
    uint8_t key[CIPHER_KEY_SIZE] = {0};
    char id[LODE_KEY_ID_TEXT_SIZE];
    struct keyring *keyring = NULL;
    lode_status status = find_copy(bytes, size, &copy, error);
    if (status)
        return status;
    key_id_text(copy + 16, id);
    status = fetch(source, id, what, key, error);
    if (!status && !(keyring = keyring_alloc(error)))
        status = LODE_NOMEM;
    if (!status && keyring) {
        memcpy(keyring->content.key_id, id, sizeof id);
        status = unwrap(copy, key, keyring, error);
    }
    cipher_wipe(key, sizeof key);
    if (status)
        keyring_free(keyring);
    else
        *ret_keyring = keyring;
    return status;
}

/* --- Reading and writing ----------------------------------------------------------------------- */

/* Copy by copy, when they cannot be read together. 1: at least one came. */
static int read_copies(struct vfs_file *file, uint8_t *bytes, size_t size)
{
    int got = 0;
    if (size < KEYRING_FILE_SIZE)
        return 0;
    for (uint64_t at = 0; at < KEYRING_FILE_SIZE; at += KEYRING_COPY_SIZE) {
        if (vfs_read(file, at, bytes + at, KEYRING_COPY_SIZE, NULL) == LODE_OK)
            got++;
        else
            memset(bytes + at, 0, KEYRING_COPY_SIZE);
    }
    return got > 0;
}

lode_status keyring_read(struct vfs *vfs, const char *dir, uint8_t *bytes, size_t *ret_size,
                         lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct vfs_file *file;
    uint64_t size = 0;
    lode_status status = vfs_join(path, dir, KEYRING_FILE_NAME, error);
    if (!status)
        status = vfs_open(vfs, path, VFS_READ, &file, error);
    if (status)
        return status;
    status = vfs_size(file, &size, error);
    *ret_size = size < KEYRING_FILE_SIZE ? (size_t)size : KEYRING_FILE_SIZE;
    if (!status && *ret_size > 0)
        status = vfs_read(file, 0, bytes, *ret_size, error);
    if (status == LODE_IO && read_copies(file, bytes, *ret_size))
        status = LODE_OK;
    vfs_close(file);
    return status;
}

lode_status keyring_load(struct vfs *vfs, const char *dir, const lode_key_source *source,
                         struct keyring **ret_keyring, lode_error *error)
{
    uint8_t bytes[KEYRING_FILE_SIZE];
    char what[160];
    size_t size = 0;
    lode_status status = keyring_read(vfs, dir, bytes, &size, error);
    if (status)
        return status;
    snprintf(what, sizeof what, "'%s'", vfs_path_tail(dir));
    return keyring_decode(bytes, size, what, source, ret_keyring, error);
}

static lode_status write_file(struct vfs *vfs, const char *path, const uint8_t *bytes,
                              lode_error *error)
{
    struct vfs_file *file;
    lode_status status = vfs_open(vfs, path, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE, &file, error);
    if (status)
        return status;
    status = vfs_write(file, 0, bytes, KEYRING_FILE_SIZE, error);
    if (!status)
        status = vfs_sync(file, error);
    vfs_close(file);
    return status;
}

lode_status keyring_write(struct vfs *vfs, const char *dir, const uint8_t *bytes, lode_error *error)
{
    char path[PATH_SIZE_MAX], temp[PATH_SIZE_MAX];
    lode_status status = vfs_join(path, dir, KEYRING_FILE_NAME, error);
    if (!status)
        status = vfs_join(temp, dir, KEYRING_TEMP_NAME, error);
    if (!status)
        status = write_file(vfs, temp, bytes, error);
    if (!status)
        status = vfs_rename(vfs, temp, path, error);
    return status ? status : vfs_dir_sync(vfs, dir, error);
}

lode_status keyring_save(struct vfs *vfs, const char *dir, struct keyring *keyring,
                         const uint8_t key[CIPHER_KEY_SIZE], lode_error *error)
{
    uint8_t bytes[KEYRING_FILE_SIZE];
    lode_status status = keyring_encode(keyring, key, bytes, error);
    return status ? status : keyring_write(vfs, dir, bytes, error);
}
