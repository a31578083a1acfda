/* header.h: the header of whatever is encrypted, and the key that it stands for (docs/format/encrypted.md).
 *
 * Each header has a salt of 32 random bytes; the key is derived from data key, salt and the header's own fields.
 * So no two files have one key, numbers of blocks or groups can be nonces, and a header that is changed gives
 * a key under which nothing authenticates. */
#ifndef CRYPT_HEADER_H
#define CRYPT_HEADER_H

#include "crypt/keyring.h"

#define CRYPT_HEADER_SIZE 64

enum crypt_kind {
    CRYPT_FILE = 1,      /* crypt_file.h */
    CRYPT_LOG = 2,       /* storage/wal_format.h */
    CRYPT_INVENTORY = 3, /* storage/inventory.h */
};

/* A new one, under the newest data key; cipher_release(ret_cipher). */
NODISCARD lode_status crypt_header_make(const struct keyring *keyring, enum crypt_kind kind,
                                        uint8_t header[CRYPT_HEADER_SIZE],
                                        struct cipher *ret_cipher, lode_error *error);
/* Whether these bytes begin as one; what follows is for crypt_header_open to judge. */
int crypt_is_header(const uint8_t header[CRYPT_HEADER_SIZE]);
/* Whether it is one and its checksum is right. */
int crypt_header_is_whole(const uint8_t header[CRYPT_HEADER_SIZE]);
/* LODE_CORRUPT, naming `what`: it is damaged, of another kind, or of a data key that the keyring lacks.
 * LODE_VERSION. */
NODISCARD lode_status crypt_header_open(const struct keyring *keyring, enum crypt_kind kind,
                                        const uint8_t header[CRYPT_HEADER_SIZE], const char *what,
                                        struct cipher *ret_cipher, lode_error *error);
/* Of a header that is whole. */
uint64_t crypt_header_key_id(const uint8_t header[CRYPT_HEADER_SIZE]);
/* A number that no other header has, but for chance: of its salt. */
uint64_t crypt_header_sum(const uint8_t header[CRYPT_HEADER_SIZE]);

#endif
