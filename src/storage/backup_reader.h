/* backup_reader.h: reading what backup_writer.h wrote: which backups there are, their inventories, and contents by
 * hash. Nothing read is trusted: inventories are checked whole, contents are hashed by whoever uses them. */
#ifndef STORAGE_BACKUP_READER_H
#define STORAGE_BACKUP_READER_H

#include "os/vfs.h"
#include "storage/inventory.h"

struct backup; /* a directory of backups, or one file */

/* Whether there is one at `path`; a path at which nothing is, is none. */
NODISCARD lode_status backup_is_there(struct vfs *vfs, const char *path, int *ret_is,
                                      lode_error *error);
/* The file that makes a directory one of backups. */
enum backup_mark {
    BACKUP_MARK_NONE,
    BACKUP_MARK_TORN, /* the first backup was interrupted while it was written */
    BACKUP_MARK_WHOLE,
};
/* LODE_VERSION: of a newer format. LODE_CORRUPT: something else has its name. */
NODISCARD lode_status backup_mark_read(struct vfs *vfs, const char *dir, enum backup_mark *ret_mark,
                                       lode_error *error);
/* LODE_NOT_FOUND: nothing is there. LODE_VERSION. LODE_INVALID: it is no backup. LODE_CORRUPT: one file
 * without a sound end, as when it was cut off. A directory without any backup is none yet, and no error. */
NODISCARD lode_status backup_open(struct vfs *vfs, const char *path, struct backup **ret_backup,
                                  lode_error *error);
void backup_close(struct backup *backup); /* NULL is allowed */
const char *backup_path(const struct backup *backup);
int backup_is_file(const struct backup *backup);

/* The backups in it, the oldest first, and their numbers; one file is number 1. */
size_t backup_count(const struct backup *backup);
uint64_t backup_number(const struct backup *backup, size_t i);
/* inventory_release when done. */
NODISCARD lode_status backup_inventory(const struct backup *backup, size_t i,
                                       struct inventory *ret_inventory, lode_error *error);

/* Fetch the key of an encrypted backup, whose inventory it is: the keyring in it, to be freed, and the inventory
 * decrypted. One that is not encrypted: LODE_OK, and *ret_keyring NULL. LODE_KEY when key is NULL or another. */
NODISCARD lode_status backup_decrypt(const struct backup *backup, struct inventory *inventory,
                                     const lode_key_source *key, struct keyring **ret_keyring,
                                     lode_error *error);
/* The id of the key that it needs; "" for none. */
NODISCARD lode_status backup_needs(const struct backup *backup, const struct inventory *inventory,
                                   char ret_id[LODE_KEY_ID_TEXT_SIZE], lode_error *error);

/* The content of that hash: `size` bytes from `offset` of `file`; release with backup_content_close. */
struct backup_content {
    struct vfs_file *file;
    uint64_t offset;
    int is_own; /* the file is to be closed */
};
/* LODE_NOT_FOUND when it is not here; LODE_CORRUPT when what is here is not of that size. */
NODISCARD lode_status backup_content_open(const struct backup *backup,
                                          const struct inventory_file *file,
                                          struct backup_content *ret_content, lode_error *error);
void backup_content_close(struct backup_content *content);

/* Read all of it, 1 MiB at a time: each piece goes to `use` (NULL: to nobody), and at the end the hash must be
 * the file's: LODE_CORRUPT. */
typedef lode_status backup_use(void *context, const void *data, size_t size, lode_error *error);
NODISCARD lode_status backup_content_read(const struct backup_content *content,
                                          const struct inventory_file *file, backup_use *use,
                                          void *context, lode_error *error);

#endif
