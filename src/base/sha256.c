/* sha256.c: the only file of base that sees OpenSSL. Only beginning can fail, for want of memory. */
#include "base/sha256.h"

#include <openssl/evp.h>
#include <stdio.h>

lode_status sha256_init(struct sha256 *sha, lode_error *error)
{
    sha->state = EVP_MD_CTX_new();
    if (sha->state && EVP_DigestInit_ex(sha->state, EVP_sha256(), NULL) == 1)
        return LODE_OK;
    return error_nomem(error, "the state of a hash", 128);
}

void sha256_update(struct sha256 *sha, const void *data, size_t size)
{
    if (size > 0)
        INVARIANT(EVP_DigestUpdate(sha->state, data, size) == 1);
}

void sha256_digest(struct sha256 *sha, uint8_t digest[SHA256_SIZE])
{
    unsigned size = 0;
    INVARIANT(EVP_DigestFinal_ex(sha->state, digest, &size) == 1 && size == SHA256_SIZE);
}

void sha256_release(struct sha256 *sha)
{
    EVP_MD_CTX_free(sha->state);
    sha->state = NULL;
}

lode_status sha256_of(const void *data, size_t size, uint8_t digest[SHA256_SIZE], lode_error *error)
{
    struct sha256 sha;
    lode_status status = sha256_init(&sha, error);
    if (!status) {
        sha256_update(&sha, data, size);
        sha256_digest(&sha, digest);
    }
    sha256_release(&sha);
    return status;
}

const char *sha256_text(const uint8_t digest[SHA256_SIZE], char text[SHA256_TEXT_SIZE])
{
    for (size_t i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return text;
}
