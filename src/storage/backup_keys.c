/* backup_keys.c: the keys of an encrypted backup: one of its contents, which is all that can be read of it without
 * them. */
#include <string.h>

#include "storage/backup_reader.h"

struct taking {
    uint8_t bytes[KEYRING_FILE_SIZE];
    size_t size;
};

static lode_status take(void *context, const void *data, size_t size, lode_error *error)
{
    struct taking *taking = context;
    if (size > sizeof taking->bytes - taking->size)
        return error_set(error, LODE_CORRUPT, "keys of more than %zu bytes", KEYRING_FILE_SIZE);
    memcpy(taking->bytes + taking->size, data, size);
    taking->size += size;
    return LODE_OK;
}

static lode_status read_keys(const struct backup *backup, const struct inventory *inventory,
                             struct taking *taking, lode_error *error)
{
    const struct inventory_file *file =
        inventory_find(inventory, 0, (struct name){.kind = NAME_KEYS});
    struct backup_content content;
    INVARIANT(file);
    taking->size = 0;
    lode_status status = backup_content_open(backup, file, &content, error);
    if (status == LODE_NOT_FOUND && error)
        error->status = LODE_CORRUPT;
    if (status)
        return status == LODE_NOT_FOUND ? LODE_CORRUPT : status;
    status = backup_content_read(&content, file, take, taking, error);
    backup_content_close(&content);
    return status;
}

lode_status backup_needs(const struct backup *backup, const struct inventory *inventory,
                         char ret_id[LODE_KEY_ID_TEXT_SIZE], lode_error *error)
{
    struct taking taking;
    ret_id[0] = '\0';
    if (!inventory->is_encrypted)
        return LODE_OK;
    lode_status status = read_keys(backup, inventory, &taking, error);
    return status ? status : keyring_needs(taking.bytes, taking.size, ret_id, error);
}

lode_status backup_decrypt(const struct backup *backup, struct inventory *inventory,
                           const lode_key_source *key, struct keyring **ret_keyring,
                           lode_error *error)
{
    struct taking taking;
    struct keyring *keyring = NULL;
    *ret_keyring = NULL;
    if (!inventory->is_encrypted)
        return LODE_OK;
    lode_status status = read_keys(backup, inventory, &taking, error);
    if (!status)
        status = keyring_decode(taking.bytes, taking.size, "the backup", key, &keyring, error);
    if (!status)
        status = inventory_decrypt(inventory, keyring, error);
    if (status)
        keyring_free(keyring);
    else
        *ret_keyring = keyring;
    return status;
}
