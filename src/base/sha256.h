/* sha256.h: SHA-256 (OpenSSL) for what must be known by its content. Checksums of blocks are hash.h's. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/error.h"

#define SHA256_SIZE      32
#define SHA256_TEXT_SIZE 65 /* 64 hexadecimal digits and NUL */

struct sha256 {
    void *state;
};

/* Begin; after that, successful or not, sha256_release. Update any number of times, then digest once. */
NODISCARD lode_status sha256_init(struct sha256 *sha, lode_error *error);
void sha256_update(struct sha256 *sha, const void *data, size_t size);
void sha256_digest(struct sha256 *sha, uint8_t digest[SHA256_SIZE]);
void sha256_release(struct sha256 *sha);

/* All at once. */
NODISCARD lode_status sha256_of(const void *data, size_t size, uint8_t digest[SHA256_SIZE],
                                lode_error *error);
/* Lower-case hexadecimal, into text[SHA256_TEXT_SIZE]; returns text. */
const char *sha256_text(const uint8_t digest[SHA256_SIZE], char text[SHA256_TEXT_SIZE]);

#endif
