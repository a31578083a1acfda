/* cipher.c: see cipher.h. The only file that sees OpenSSL's ciphers. Only beginning can fail, for want of
 * memory; what is wrong later is a broken invariant, but for a tag that does not fit. */
#include "crypt/cipher.h"

#include "base/le.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>

lode_status cipher_init(struct cipher *cipher, const uint8_t key[CIPHER_KEY_SIZE],
                        lode_error *error)
{
    cipher->state = EVP_CIPHER_CTX_new();
    if (cipher->state && EVP_EncryptInit_ex(cipher->state, EVP_aes_256_gcm(), NULL, key, NULL) == 1)
        return LODE_OK;
    cipher_release(cipher);
    return error_nomem(error, "a cipher", 1024);
}

lode_status cipher_copy(struct cipher *cipher, const struct cipher *from, lode_error *error)
{
    cipher->state = EVP_CIPHER_CTX_new();
    if (cipher->state && EVP_CIPHER_CTX_copy(cipher->state, from->state) == 1)
        return LODE_OK;
    cipher_release(cipher);
    return error_nomem(error, "a cipher", 1024);
}

void cipher_release(struct cipher *cipher)
{
    EVP_CIPHER_CTX_free(cipher->state); /* wipes the key */
    cipher->state = NULL;
}

void cipher_nonce(uint8_t nonce[CIPHER_NONCE_SIZE], uint64_t number, uint32_t mark)
{
    le_store_u64(nonce, number);
    le_store_u32(nonce + 8, mark);
}

#define PIECE_MAX ((size_t)1 << 30) /* OpenSSL counts bytes of a call as int */

static void go_through(struct cipher *cipher, const struct cipher_message *message)
{
    for (size_t at = 0; at < message->size; at += PIECE_MAX) {
        size_t left = message->size - at, take = left < PIECE_MAX ? left : PIECE_MAX;
        int size = 0;
        INVARIANT(EVP_CipherUpdate(cipher->state, message->to + at, &size, message->from + at,
                                   (int)take) == 1 &&
                  size == (int)take);
    }
}

/* Nonce, additional data, and all of it; sealing is 1 or 0. */
static void begin(struct cipher *cipher, const struct cipher_message *message, int sealing)
{
    int size = 0;
    INVARIANT(message->additional_size <= PIECE_MAX);
    INVARIANT(EVP_CipherInit_ex(cipher->state, NULL, NULL, NULL, message->nonce, sealing) == 1);
    if (message->additional_size > 0)
        INVARIANT(EVP_CipherUpdate(cipher->state, NULL, &size, message->additional,
                                   (int)message->additional_size) == 1);
    go_through(cipher, message);
}

void cipher_seal(struct cipher *cipher, const struct cipher_message *message,
                 uint8_t tag[CIPHER_TAG_SIZE])
{
    uint8_t rest[CIPHER_TAG_SIZE];
    int size = 0;
    begin(cipher, message, 1);
    INVARIANT(EVP_CipherFinal_ex(cipher->state, rest, &size) == 1 && size == 0);
    INVARIANT(EVP_CIPHER_CTX_ctrl(cipher->state, EVP_CTRL_AEAD_GET_TAG, CIPHER_TAG_SIZE, tag) == 1);
}

int cipher_open(struct cipher *cipher, const struct cipher_message *message,
                const uint8_t tag[CIPHER_TAG_SIZE])
{
    uint8_t rest[CIPHER_TAG_SIZE], wanted[CIPHER_TAG_SIZE];
    int size = 0;
    memcpy(wanted, tag, sizeof wanted);
    begin(cipher, message, 0);
    INVARIANT(EVP_CIPHER_CTX_ctrl(cipher->state, EVP_CTRL_AEAD_SET_TAG, CIPHER_TAG_SIZE, wanted) ==
              1);
    if (EVP_CipherFinal_ex(cipher->state, rest, &size) == 1)
        return 1;
    if (message->size > 0)
        cipher_wipe(message->to, message->size);
    return 0;
}

lode_status cipher_derive(const struct derivation *from, uint8_t *ret_bytes, size_t size,
                          lode_error *error)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)from->secret,
                                          CIPHER_KEY_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)from->salt,
                                          from->salt_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)from->info,
                                          from->info_size),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *state = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
    int derived = state && EVP_KDF_derive(state, ret_bytes, size, params) == 1;
    EVP_KDF_CTX_free(state);
    EVP_KDF_free(hkdf);
    return derived ? LODE_OK : error_nomem(error, "the derivation of a key", 1024);
}

lode_status cipher_random(void *bytes, size_t size, lode_error *error)
{
    if (RAND_priv_bytes(bytes, (int)size) == 1)
        return LODE_OK;
    return error_set(error, LODE_IO, "the system has no random numbers to make keys of");
}

void cipher_wipe(void *bytes, size_t size)
{
    OPENSSL_cleanse(bytes, size);
}
