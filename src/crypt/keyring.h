/* keyring.h: the data keys of a database, and the file `keys` in which they lie wrapped by a key that is never
 * stored (docs/format/keys.md).
 *
 * Files are encrypted under keys derived from the newest data key. Changing the key wraps the same data keys
 * anew; older data keys stay as long as files need them. */
#ifndef CRYPT_KEYRING_H
#define CRYPT_KEYRING_H

#include "crypt/cipher.h"
#include "os/vfs.h"

#define KEYRING_FILE_NAME "keys"
#define KEYRING_TEMP_NAME "keys.tmp"
#define KEYRING_KEYS_MAX  64
#define KEYRING_COPY_SIZE 4096u /* the file holds two equal copies: a bad sector costs one */
#define KEYRING_FILE_SIZE ((size_t)2 * KEYRING_COPY_SIZE)

struct data_key {
    uint64_t id; /* derived from it; never 0 */
    uint64_t made_us;
    uint8_t key[CIPHER_KEY_SIZE];
};

struct keyring; /* in memory kept from swap and dumps; all functions are thread-safe */

/* With one new data key, for a key of that id. */
NODISCARD lode_status keyring_new(const char *key_id, uint64_t now_us, struct keyring **ret_keyring,
                                  lode_error *error);
NODISCARD lode_status keyring_copy(const struct keyring *from, struct keyring **ret_keyring,
                                   lode_error *error);
void keyring_free(struct keyring *keyring); /* wipes; NULL is allowed */

/* The id of the key that wraps them; valid as long as the keyring is not wrapped anew. */
void keyring_key_id(const struct keyring *keyring, char text[LODE_KEY_ID_TEXT_SIZE]);
size_t keyring_count(const struct keyring *keyring);
/* While a database is being encrypted it holds files that are not; they are then read as they are. */
int keyring_accepts_plain(const struct keyring *keyring);
void keyring_set_accepts_plain(struct keyring *keyring, int accepts);
/* The newest data key; to be wiped. */
void keyring_newest(const struct keyring *keyring, struct data_key *ret_key);
/* 0 when there is none of that id. */
int keyring_find(const struct keyring *keyring, uint64_t id, struct data_key *ret_key);
/* Add a new data key, which is the newest. LODE_LIMIT beyond KEYRING_KEYS_MAX. */
NODISCARD lode_status keyring_add(struct keyring *keyring, uint64_t now_us, lode_error *error);
/* Keep none but the newest. */
void keyring_drop_older(struct keyring *keyring);
/* Take in the data keys of another that are not there, older than all. LODE_LIMIT. */
NODISCARD lode_status keyring_merge(struct keyring *keyring, const struct keyring *from,
                                    lode_error *error);
/* All of it becomes that of another. */
void keyring_assign(struct keyring *keyring, const struct keyring *from);

/* --- The file ---------------------------------------------------------------------------------- */

/* Wrap into bytes[KEYRING_FILE_SIZE] under a key, whose id the keyring gets. */
NODISCARD lode_status keyring_encode(struct keyring *keyring, const uint8_t key[CIPHER_KEY_SIZE],
                                     uint8_t *bytes, lode_error *error);
/* The id of the key that is needed. LODE_CORRUPT when no copy is whole; LODE_VERSION. */
NODISCARD lode_status keyring_needs(const uint8_t *bytes, size_t size,
                                    char ret_id[LODE_KEY_ID_TEXT_SIZE], lode_error *error);
/* Fetch the key and unwrap. LODE_KEY when source is NULL or has another key; `what` is encrypted, for the
 * message. */
NODISCARD lode_status keyring_decode(const uint8_t *bytes, size_t size, const char *what,
                                     const lode_key_source *source, struct keyring **ret_keyring,
                                     lode_error *error);
/* Overwrite what is not whole, or is other, with the copy that counts; there is one. */
void keyring_mend_copies(uint8_t *bytes, size_t size);
/* How many of the two copies are not whole, or differ from the other. */
int keyring_bad_copies(const uint8_t *bytes, size_t size, uint64_t *ret_offset);

/* The file in directory `dir`. *ret_size is at most KEYRING_FILE_SIZE; LODE_NOT_FOUND. A copy that the disk does
 * not give is zeros, as long as it gives the other. */
NODISCARD lode_status keyring_read(struct vfs *vfs, const char *dir, uint8_t *bytes,
                                   size_t *ret_size, lode_error *error);
NODISCARD lode_status keyring_load(struct vfs *vfs, const char *dir, const lode_key_source *source,
                                   struct keyring **ret_keyring, lode_error *error);
/* What the file is to hold, KEYRING_FILE_SIZE bytes; as keyring_save. */
NODISCARD lode_status keyring_write(struct vfs *vfs, const char *dir, const uint8_t *bytes,
                                    lode_error *error);
/* Replace it, durable on return. After a failure the old one or the new one is there. */
NODISCARD lode_status keyring_save(struct vfs *vfs, const char *dir, struct keyring *keyring,
                                   const uint8_t key[CIPHER_KEY_SIZE], lode_error *error);

#endif
