/* encryption.h: the keys of a database: found when it is opened, made, wrapped anew, and its files written anew
 * under them. docs/encryption.md. */
#ifndef ENGINE_ENCRYPTION_H
#define ENGINE_ENCRYPTION_H

#include "crypt/crypt_vfs.h"
#include "engine/db.h"

/* From here on db->vfs carries the keys, if the database has any. LODE_KEY: it has, and `key` is NULL or another. */
NODISCARD lode_status encryption_open(lode_db *db, const lode_key_source *key, lode_error *error);
/* A new database is to be encrypted: make its keys, durably. */
NODISCARD lode_status encryption_begin(lode_db *db, const lode_key_source *key, lode_error *error);
/* A key was given for a database without keys: LODE_KEY, or, when its catalog is encrypted, LODE_CORRUPT. */
NODISCARD lode_status encryption_missing(const lode_db *db, const char *catalog_path,
                                         lode_error *error);

/* Contracts: lode.h. */
void encryption_info(lode_db *db, lode_encryption *ret_info);
NODISCARD lode_status encryption_rotate(lode_db *db, const lode_rotate_options *options,
                                        lode_error *error);
NODISCARD lode_status encryption_encrypt(const char *path, const lode_encrypt_options *options,
                                         const struct db_env *env, lode_error *error);
NODISCARD lode_status encryption_needs(struct vfs *vfs, const char *path,
                                       char ret_id[LODE_KEY_ID_TEXT_SIZE], lode_error *error);

/* rewrite.c: write every file anew that is not under the newest data key. The database is open, and none of its
 * collections. Each file is replaced as a whole and holds the same afterwards; durable on return. */
struct rewrite {
    lode_db *db;
    int (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); /* may be NULL */
    void *context;
    uint64_t done_bytes, total_bytes;
};
NODISCARD lode_status rewrite_files(struct rewrite *rewrite, lode_error *error);

#endif
