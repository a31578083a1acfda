/* crypt_check.h: does an encrypted file, which goes by in pieces of any size, authenticate? For who copies or reads
 * it as it lies. */
#ifndef CRYPT_CRYPT_CHECK_H
#define CRYPT_CRYPT_CHECK_H

#include "crypt/crypt_file.h"

struct crypt_check {
    const struct keyring *keyring;
    const char *what; /* the file, for messages */
    struct cipher cipher;
    uint64_t size;   /* of the file as it lies */
    uint64_t offset; /* in it, of piece[0] */
    uint8_t *piece;  /* the header or a block, as far as it has come */
    size_t piece_size;
    uint8_t *content; /* of a block; wiped at the end */
};

/* keyring and what are borrowed. crypt_check_release in any case. */
NODISCARD lode_status crypt_check_init(struct crypt_check *check, const struct keyring *keyring,
                                       uint64_t size, const char *what, lode_error *error);
/* The next bytes. LODE_CORRUPT names offset and reason, once. */
NODISCARD lode_status crypt_check_update(struct crypt_check *check, const uint8_t *data,
                                         size_t size, lode_error *error);
/* Whether all of it came. */
NODISCARD lode_status crypt_check_end(const struct crypt_check *check, lode_error *error);
void crypt_check_release(struct crypt_check *check);

#endif
