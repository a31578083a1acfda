/* crypt_vfs.h: a vfs that carries the keys of an encrypted database.
 *
 * Everything goes to the vfs below, but for files opened with VFS_ENCRYPTED: what is written to them, once and in
 * order, is encrypted block by block, and what is read is decrypted and authenticated (crypt_file.h). */
#ifndef CRYPT_CRYPT_VFS_H
#define CRYPT_CRYPT_VFS_H

#include "crypt/keyring.h"

/* `below` is borrowed. Files must be closed before it is freed. */
NODISCARD lode_status crypt_vfs_new(struct vfs *below, struct keyring *own_keyring,
                                    struct vfs **ret_vfs, lode_error *error);
void crypt_vfs_free(struct vfs *vfs); /* and its keyring; NULL is allowed */

/* The keys that a vfs carries, or NULL. */
struct keyring *crypt_vfs_keyring(const struct vfs *vfs);
/* The vfs that it goes to, or itself when it carries no keys. */
struct vfs *crypt_vfs_below(struct vfs *vfs);

#endif
