/* encryption.c: see encryption.h. */
#include "engine/encryption.h"

#include <string.h>

#include "base/limits.h"
#include "crypt/header.h"
#include "crypt/key_source.h"
#include "engine/collection.h"
#include "engine/files.h"

/* --- Opening ----------------------------------------------------------------------------------- */

static lode_status take_keyring(lode_db *db, struct keyring *own_keyring, lode_error *error)
{
    struct vfs *below = db->vfs;
    lode_status status = crypt_vfs_new(below, own_keyring, &db->crypt, error);
    if (!status)
        db->vfs = db->crypt;
    return status;
}

lode_status encryption_open(lode_db *db, const lode_key_source *key, lode_error *error)
{
    lode_error reason = {0};
    struct keyring *keyring = NULL;
    lode_status status = keyring_load(db->vfs, db->path, key, &keyring, &reason);
    if (status == LODE_NOT_FOUND)
        return LODE_OK;
    if (status && error)
        *error = reason;
    /* A process that was killed may not have synced its name. Who only reads builds nothing on it. */
    if (!status && !db->read_only)
        status = vfs_dir_sync(db->vfs, db->path, error);
    if (status) {
        keyring_free(keyring);
        return status;
    }
    return take_keyring(db, keyring, error);
}

/* A new keyring, saved under the key. */
static lode_status make_keyring(lode_db *db, const lode_key_source *key, int accepts_plain,
                                struct keyring **ret_keyring, lode_error *error)
{
    uint8_t bytes[CIPHER_KEY_SIZE] = {0};
    char id[LODE_KEY_ID_TEXT_SIZE];
    struct keyring *keyring = NULL;
    lode_status status = key_fetch(key, NULL, bytes, error);
    if (!status)
        status = key_id_of(bytes, id, error);
    if (!status)
        status = keyring_new(id, clock_wall_us(db->clock), &keyring, error);
    if (!status) {
        keyring_set_accepts_plain(keyring, accepts_plain);
        status = keyring_save(db->vfs, db->path, keyring, bytes, error);
    }
    cipher_wipe(bytes, sizeof bytes);
    if (status)
        keyring_free(keyring);
    else
        *ret_keyring = keyring;
    return status;
}

lode_status encryption_begin(lode_db *db, const lode_key_source *key, lode_error *error)
{
    struct keyring *keyring = NULL;
    lode_status status = make_keyring(db, key, 0, &keyring, error);
    return status ? status : take_keyring(db, keyring, error);
}

lode_status encryption_missing(const lode_db *db, const char *catalog_path, lode_error *error)
{
    uint8_t header[CRYPT_HEADER_SIZE] = {0};
    struct vfs_file *file;
    lode_status status = vfs_open(db->vfs, catalog_path, VFS_READ, &file, error);
    if (status)
        return status;
    status = vfs_read(file, 0, header, sizeof header, error);
    vfs_close(file);
    if (status)
        return status;
    if (crypt_is_header(header))
        return error_set(error, LODE_CORRUPT,
                         "'%s' is encrypted, and its file '" KEYRING_FILE_NAME
                         "' is missing: without it nothing can be decrypted",
                         vfs_path_tail(db->path));
    return error_set(error, LODE_KEY,
                     "'%s' is not encrypted, and a key was given: leave the key out, or encrypt "
                     "it ('lode encryption encrypt')",
                     vfs_path_tail(db->path));
}

/* --- Looking ----------------------------------------------------------------------------------- */

void encryption_info(lode_db *db, lode_encryption *ret_info)
{
    *ret_info = (lode_encryption){0};
    if (!db->crypt)
        return;
    const struct keyring *keyring = crypt_vfs_keyring(db->crypt);
    ret_info->encrypted = 1;
    ret_info->unfinished = keyring_accepts_plain(keyring);
    ret_info->data_keys = (uint32_t)keyring_count(keyring);
    keyring_key_id(keyring, ret_info->key_id);
}

lode_status encryption_needs(struct vfs *vfs, const char *path, char ret_id[LODE_KEY_ID_TEXT_SIZE],
                             lode_error *error)
{
    uint8_t bytes[KEYRING_FILE_SIZE];
    size_t size = 0;
    int exists = 0;
    lode_error reason = {0};
    lode_status status = keyring_read(vfs, path, bytes, &size, &reason);
    if (!status)
        return keyring_needs(bytes, size, ret_id, error);
    if (status != LODE_NOT_FOUND) {
        if (error)
            *error = reason;
        return status;
    }
    char catalog[PATH_SIZE_MAX];
    ret_id[0] = '\0';
    status = vfs_join(catalog, path, "catalog", error);
    if (!status)
        status = vfs_exists(vfs, catalog, &exists, error);
    if (!status && !exists)
        status = error_set(error, LODE_NOT_FOUND, "there is no database at '%s'", path);
    return status;
}

/* --- Rewriting --------------------------------------------------------------------------------- */

static lode_status begin_rewriting(lode_db *db, lode_error *error)
{
    lode_status status = LODE_OK;
    mutex_lock(&db->mutex);
    status = db_check(db, error);
    if (!status && db->collections)
        status = error_set(error, LODE_BUSY, "collection '%s' is open", db->collections->name);
    if (!status)
        db->rewriting = 1;
    mutex_unlock(&db->mutex);
    return status;
}

static void end_rewriting(lode_db *db)
{
    mutex_lock(&db->mutex);
    db->rewriting = 0;
    mutex_unlock(&db->mutex);
}

/* Open each collection and close it again: what is in its logs goes into segments, and no log has a torn
 * tail. */
static lode_status settle_collections(lode_db *db, lode_error *error)
{
    struct catalog names = {0};
    mutex_lock(&db->mutex);
    lode_status status = catalog_copy(&db->catalog, &names, error);
    mutex_unlock(&db->mutex);
    for (size_t i = 0; !status && i < names.count; i++) {
        struct collection *collection;
        if (names.names[i].target)
            continue;
        status = db_acquire(db, names.names[i].name, &collection, error);
        if (!status)
            db_release(collection);
    }
    catalog_release(&names);
    return status;
}

/* Afterwards no file is under another data key than the newest, and no other is kept. */
static lode_status rewrite(struct rewrite *rewrite, const uint8_t key[CIPHER_KEY_SIZE],
                           lode_error *error)
{
    lode_db *db = rewrite->db;
    struct keyring *keyring = crypt_vfs_keyring(db->crypt), *after = NULL;
    lode_status status = settle_collections(db, error);
    if (!status)
        status = begin_rewriting(db, error);
    if (status)
        return status;
    status = rewrite_files(rewrite, error);
    if (!status)
        status = keyring_copy(keyring, &after, error);
    if (!status) {
        keyring_drop_older(after);
        keyring_set_accepts_plain(after, 0);
        status = keyring_save(db->vfs, db->path, after, key, error);
    }
    if (!status)
        keyring_assign(keyring, after);
    keyring_free(after);
    end_rewriting(db);
    return status;
}

/* --- Rotating ---------------------------------------------------------------------------------- */

/* The file has the new state before anything is written under it. After a failure either may be there, and what
 * is in memory opens both. */
static lode_status wrap_anew(lode_db *db, const lode_rotate_options *options,
                             const uint8_t key[CIPHER_KEY_SIZE], lode_error *error)
{
    struct keyring *keyring = crypt_vfs_keyring(db->crypt), *after = NULL;
    lode_status status = keyring_copy(keyring, &after, error);
    if (!status && options->new_data_key)
        status = keyring_add(after, clock_wall_us(db->clock), error);
    if (!status)
        status = keyring_save(db->vfs, db->path, after, key, error);
    if (!status)
        keyring_assign(keyring, after);
    keyring_free(after);
    return status;
}

/* One at a time: each saves what it has copied. */
static lode_status enter_rotation(lode_db *db, int rewrites, lode_error *error)
{
    mutex_lock(&db->mutex);
    lode_status status = db_check(db, error);
    if (!status && db->rotating)
        status = error_set(error, LODE_BUSY, "the key is being changed already");
    if (!status && db->backups > 0)
        status = error_set(error, LODE_BUSY, "a backup is under way");
    if (!status && rewrites && db->collections)
        status = error_set(error, LODE_BUSY, "collection '%s' is open", db->collections->name);
    if (!status)
        db->rotating = 1;
    mutex_unlock(&db->mutex);
    return status;
}

static void leave_rotation(lode_db *db)
{
    mutex_lock(&db->mutex);
    db->rotating = 0;
    mutex_unlock(&db->mutex);
}

lode_status encryption_rotate(lode_db *db, const lode_rotate_options *options, lode_error *error)
{
    uint8_t key[CIPHER_KEY_SIZE] = {0};
    struct rewrite job = {.db = db, .progress = options->progress, .context = options->context};
    if (!db->crypt)
        return error_set(error, LODE_INVALID, "'%s' is not encrypted: it has no key to change",
                         vfs_path_tail(db->path));
    lode_status status = enter_rotation(db, options->rewrite, error);
    if (status)
        return status;
    status = key_fetch(options->key, NULL, key, error);
    if (!status)
        status = wrap_anew(db, options, key, error);
    if (!status && options->rewrite)
        status = rewrite(&job, key, error);
    cipher_wipe(key, sizeof key);
    leave_rotation(db);
    return status;
}

/* --- Encrypting -------------------------------------------------------------------------------- */

/* The database is open without a key: from here on it has one. No collection is open. */
static lode_status turn_on(lode_db *db, const lode_key_source *key, lode_error *error)
{
    struct keyring *keyring = NULL;
    lode_status status = settle_collections(db, error);
    if (!status)
        status = make_keyring(db, key, 1, &keyring, error);
    return status ? status : take_keyring(db, keyring, error);
}

/* Fetched anew: it must be the one that the database has. */
static lode_status fetch_same(const lode_db *db, const lode_key_source *source,
                              uint8_t key[CIPHER_KEY_SIZE], lode_error *error)
{
    char wanted[LODE_KEY_ID_TEXT_SIZE], given[LODE_KEY_ID_TEXT_SIZE];
    keyring_key_id(crypt_vfs_keyring(db->crypt), wanted);
    lode_status status = key_fetch(source, wanted, key, error);
    if (!status)
        status = key_id_of(key, given, error);
    if (!status && strcmp(given, wanted) != 0)
        status = error_set(error, LODE_KEY, "'%s' is encrypted with key %s; the key given is %s",
                           vfs_path_tail(db->path), wanted, given);
    return status;
}

static lode_status encrypt_open(lode_db *db, const lode_encrypt_options *options, lode_error *error)
{
    uint8_t key[CIPHER_KEY_SIZE] = {0};
    struct rewrite job = {.db = db, .progress = options->progress, .context = options->context};
    lode_status status = LODE_OK;
    if (!db->crypt)
        status = turn_on(db, options->key, error);
    else if (!keyring_accepts_plain(crypt_vfs_keyring(db->crypt)))
        status =
            error_set(error, LODE_INVALID, "'%s' is encrypted already", vfs_path_tail(db->path));
    if (!status)
        status = fetch_same(db, options->key, key, error);
    if (!status)
        status = rewrite(&job, key, error);
    cipher_wipe(key, sizeof key);
    return status;
}

lode_status encryption_encrypt(const char *path, const lode_encrypt_options *options,
                               const struct db_env *env, lode_error *error)
{
    struct vfs *vfs = env->vfs ? env->vfs : vfs_posix();
    char id[LODE_KEY_ID_TEXT_SIZE];
    lode_db *db;
    lode_status status = encryption_needs(vfs, path, id, error);
    if (status)
        return status;
    lode_db_options open = {.must_exist = 1,
                            .maintenance = LODE_MAINTAIN_ON_REQUEST,
                            .key = id[0] ? options->key : NULL};
    status = db_open(path, &open, env, &db, error);
    if (status)
        return status;
    status = encrypt_open(db, options, error);
    db_close(db);
    return status;
}
