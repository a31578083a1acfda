/* crypt_file.h: a file whose content is encrypted in blocks (docs/format/encrypted.md): header, then each block of
 * 65,536 bytes with its tag. Whoever reads or writes it sees the content alone.
 *
 * A block's nonce is its number and whether it is the last, so that blocks can be neither moved nor cut off.
 * Writing: once, in order, to the first sync; nothing after it, so that no nonce comes twice.
 * Mapping: memory that is filled block by block, when crypt_file_fill is called for it. */
#ifndef CRYPT_CRYPT_FILE_H
#define CRYPT_CRYPT_FILE_H

#include "crypt/header.h"

#define CRYPT_BLOCK_SIZE  65536u
#define CRYPT_SEALED_SIZE (CRYPT_BLOCK_SIZE + CIPHER_TAG_SIZE) /* of a block in the file */

/* Whether a file that was opened is one; others are as they are. */
int crypt_file_is(const struct vfs_file *file);
/* Decrypt what is mapped at [offset, offset + size), if it is not yet. A block that does not authenticate, or
 * cannot be read, stays zeros. Thread-safe. LODE_NOMEM, and nothing may be used. */
NODISCARD lode_status crypt_file_fill(struct vfs_file *file, uint64_t offset, uint64_t size,
                                      lode_error *error);
/* The file as it lies on the disk: its size, and reading it. */
struct vfs_file *crypt_file_raw(struct vfs_file *file);
/* A number that tells it from any other; see crypt_header_sum. */
uint64_t crypt_file_sum(const struct vfs_file *file);
/* The data key that it is encrypted under. */
uint64_t crypt_file_key_id(const struct vfs_file *file);
#endif
