/* crypt_file.h: a file whose content is encrypted in blocks (docs/format/encrypted.md): header, then each block of
 * 65,536 bytes with its tag. Whoever reads or writes it sees the content alone.
 *
 * A block's nonce is its number and whether it is the last, so that blocks can be neither moved nor cut off.
 * Writing: once, in order, to the first sync; nothing after it, so that no nonce comes twice.
 * Mapping: memory that crypt_file_fill fills block by block, which the frame's guard calls for. */
#ifndef CRYPT_CRYPT_FILE_H
#define CRYPT_CRYPT_FILE_H

#include "crypt/header.h"

#define CRYPT_BLOCK_SIZE  65536u
#define CRYPT_SEALED_SIZE (CRYPT_BLOCK_SIZE + CIPHER_TAG_SIZE) /* of a block in the file */

/* Whether a file that was opened is one; others are as they are. */
int crypt_file_is(const struct vfs_file *file);
/* Decrypt the block at `offset`, a multiple of CRYPT_BLOCK_SIZE, into what is mapped: *ret_data is there. Several
 * blocks may be filled at once, each once, by one thread. LODE_CORRUPT: it does not authenticate, and is zeros. */
NODISCARD lode_status crypt_file_fill(struct vfs_file *file, uint64_t offset,
                                      const uint8_t **ret_data, lode_error *error);
/* Bytes that have been filled, which count in the memory budget until it is unmapped. */
uint64_t crypt_file_memory(const struct vfs_file *base);
/* The file as it lies on the disk: its size, and reading it. */
struct vfs_file *crypt_file_raw(struct vfs_file *file);
/* A number that tells it from any other; see crypt_header_sum. */
uint64_t crypt_file_sum(const struct vfs_file *file);
/* The data key that it is encrypted under. */
uint64_t crypt_file_key_id(const struct vfs_file *file);
#endif
