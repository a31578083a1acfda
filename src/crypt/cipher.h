/* cipher.h: AES-256-GCM and HKDF-SHA256 (OpenSSL's), and what must hold for them to be safe.
 *
 * Under one key no nonce may seal two messages. Nobody here chooses keys or nonces at will: header.h derives a
 * fresh key for each file from a random salt, and each user counts its messages. */
#ifndef CRYPT_CIPHER_H
#define CRYPT_CIPHER_H

#include "base/error.h"

#define CIPHER_KEY_SIZE   32
#define CIPHER_NONCE_SIZE 12
#define CIPHER_TAG_SIZE   16

/* A key made ready. One thread at a time; it holds the key, and release wipes it. */
struct cipher {
    void *state;
};

NODISCARD lode_status cipher_init(struct cipher *cipher, const uint8_t key[CIPHER_KEY_SIZE],
                                  lode_error *error);
/* Another of the same key, for another thread. Nobody uses `from` meanwhile. */
NODISCARD lode_status cipher_copy(struct cipher *cipher, const struct cipher *from,
                                  lode_error *error);
void cipher_release(struct cipher *cipher); /* zeros are allowed */

struct cipher_message {
    uint8_t nonce[CIPHER_NONCE_SIZE];
    const void *additional; /* authenticated with it, not sealed; NULL when there is none */
    size_t additional_size; /* at most 1 GiB */
    const uint8_t *from;
    uint8_t *to; /* may be `from` */
    size_t size; /* below 64 GiB, which is GCM's limit */
};

/* A nonce that is a number and a mark: never 0 twice. */
void cipher_nonce(uint8_t nonce[CIPHER_NONCE_SIZE], uint64_t number, uint32_t mark);
void cipher_seal(struct cipher *cipher, const struct cipher_message *message,
                 uint8_t tag[CIPHER_TAG_SIZE]);
/* 1 when the tag is right. Otherwise 0, and message->to is zeros. */
int cipher_open(struct cipher *cipher, const struct cipher_message *message,
                const uint8_t tag[CIPHER_TAG_SIZE]);

struct derivation {
    const uint8_t *secret; /* CIPHER_KEY_SIZE bytes */
    const void *salt;      /* may be empty */
    size_t salt_size;
    const void *info;
    size_t info_size;
};
/* HKDF-SHA256 (RFC 5869) to `size` bytes, at most 255 * 32. */
NODISCARD lode_status cipher_derive(const struct derivation *from, uint8_t *ret_bytes, size_t size,
                                    lode_error *error);

/* For keys alone: the system's random numbers. LODE_IO when it has none. */
NODISCARD lode_status cipher_random(void *bytes, size_t size, lode_error *error);
void cipher_wipe(void *bytes, size_t size); /* not left out by a compiler */

#endif
