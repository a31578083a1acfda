/* api_keys.c: the public functions about keys: arguments are checked here, the work is done in encryption.c. */
#include <stdio.h>
#include <string.h>

#include "crypt/key_source.h"
#include "engine/api_check.h"
#include "engine/backup.h"
#include "engine/encryption.h"
#include "os/private_file.h"
#include "storage/backup_reader.h"

static lode_status check_path(const char *path, lode_error *error)
{
    if (!path)
        return is_null("path", error);
    return *path ? LODE_OK : error_set(error, LODE_INVALID, "path is empty");
}

lode_status lode_key_new(const char *path, char *ret_id, lode_error *error)
{
    uint8_t key[CIPHER_KEY_SIZE] = {0};
    char text[2 * CIPHER_KEY_SIZE + 2], id[LODE_KEY_ID_TEXT_SIZE];
    lode_status status = check_path(path, error);
    if (!status)
        status = cipher_random(key, sizeof key, error);
    if (!status)
        status = key_id_of(key, id, error);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof key; i++)
        snprintf(text + 2 * i, 3, "%02x", key[i]);
    memcpy(text + 2 * sizeof key, "\n", 2);
    status = private_file_write(path, text, strlen(text), error);
    cipher_wipe(key, sizeof key);
    cipher_wipe(text, sizeof text);
    if (!status && ret_id)
        memcpy(ret_id, id, sizeof id);
    return status;
}

lode_status lode_key_id(const lode_key_source *key, char *ret_id, lode_error *error)
{
    uint8_t bytes[CIPHER_KEY_SIZE] = {0};
    if (!key || !ret_id)
        return is_null(key ? "ret_id" : "key", error);
    lode_status status = key_fetch(key, NULL, bytes, error);
    if (!status)
        status = key_id_of(bytes, ret_id, error);
    cipher_wipe(bytes, sizeof bytes);
    return status;
}

lode_status lode_key_needed(const char *path, char *ret_id, lode_error *error)
{
    int is_backup = 0;
    lode_status status = check_path(path, error);
    if (!status && !ret_id)
        status = is_null("ret_id", error);
    if (!status)
        status = backup_is_there(vfs_posix(), path, &is_backup, error);
    if (status)
        return status;
    return is_backup ? backup_key_needed(vfs_posix(), path, ret_id, error)
                     : encryption_needs(vfs_posix(), path, ret_id, error);
}

void lode_db_encryption(lode_db *db, lode_encryption *ret_encryption)
{
    if (db && ret_encryption)
        encryption_info(db, ret_encryption);
}

lode_status lode_db_rotate_key(lode_db *db, const lode_rotate_options *options, lode_error *error)
{
    if (!db || !options)
        return is_null(db ? "options" : "db", error);
    if (!options->key)
        return is_null("options.key", error);
    return encryption_rotate(db, options, error);
}

lode_status lode_encrypt(const char *path, const lode_encrypt_options *options, lode_error *error)
{
    static const struct db_env env;
    lode_status status = check_path(path, error);
    if (!status && (!options || !options->key))
        status = is_null(options ? "options.key" : "options", error);
    return status ? status : encryption_encrypt(path, options, &env, error);
}

lode_status lode_backup_list_get_with_key(const char *path, const lode_key_source *key,
                                          lode_backup_list **ret_list, lode_error *error)
{
    lode_status status = check_path(path, error);
    if (!status && !ret_list)
        status = is_null("ret_list", error);
    return status ? status : backup_list_with_key(vfs_posix(), path, key, ret_list, error);
}
