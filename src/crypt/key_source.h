/* key_source.h: where a key comes from, in which forms it is written, and the id it is known by. */
#ifndef CRYPT_KEY_SOURCE_H
#define CRYPT_KEY_SOURCE_H

#include "crypt/cipher.h"

#define KEY_TEXT_MAX 128 /* bytes of a key file, or of what a command prints */

/* Fetch the key from the one place that source names; to be wiped by the caller. LODE_INVALID when there is
 * none or more than one, or what is there is no key; whatever reading a file, running a command or the
 * caller's function return. key_id: see lode_key_source. */
NODISCARD lode_status key_fetch(const lode_key_source *source, const char *key_id,
                                uint8_t key[CIPHER_KEY_SIZE], lode_error *error);
/* A key as it is written: 32 bytes, 64 hexadecimal digits, or base64. `text` may be overwritten. */
NODISCARD lode_status key_parse(const char *text, size_t size, uint8_t key[CIPHER_KEY_SIZE],
                                lode_error *error);
/* 16 hexadecimal digits: HKDF-SHA256 of the key for this purpose alone. */
NODISCARD lode_status key_id_of(const uint8_t key[CIPHER_KEY_SIZE],
                                char text[LODE_KEY_ID_TEXT_SIZE], lode_error *error);
/* The same of 8 bytes. */
void key_id_text(const uint8_t id[8], char text[LODE_KEY_ID_TEXT_SIZE]);

#endif
