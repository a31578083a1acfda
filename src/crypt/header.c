/* header.c: see header.h. */
#include "crypt/header.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"

#define VERSION     1u
#define SALT_AT     24
#define SALT_SIZE   32
#define CHECKSUM_AT 56
#define INFO_SIZE   SALT_AT /* magic, format, kind and data key: what the key is for */

static const uint8_t magic[8] = {'l', 'o', 'd', 'e', 's', 'e', 'c', '\n'};

static lode_status derive(const struct data_key *key, const uint8_t *header, struct cipher *cipher,
                          lode_error *error)
{
    uint8_t derived[CIPHER_KEY_SIZE];
    struct derivation from = {.secret = key->key,
                              .salt = header + SALT_AT,
                              .salt_size = SALT_SIZE,
                              .info = header,
                              .info_size = INFO_SIZE};
    lode_status status = cipher_derive(&from, derived, sizeof derived, error);
    if (!status)
        status = cipher_init(cipher, derived, error);
    cipher_wipe(derived, sizeof derived);
    return status;
}

lode_status crypt_header_make(const struct keyring *keyring, enum crypt_kind kind,
                              uint8_t header[CRYPT_HEADER_SIZE], struct cipher *ret_cipher,
                              lode_error *error)
{
    struct data_key key;
    keyring_newest(keyring, &key);
    memcpy(header, magic, sizeof magic);
    le_store_u32(header + 8, VERSION);
    le_store_u32(header + 12, (uint32_t)kind);
    le_store_u64(header + 16, key.id);
    lode_status status = cipher_random(header + SALT_AT, SALT_SIZE, error);
    if (!status)
        status = derive(&key, header, ret_cipher, error);
    cipher_wipe(&key, sizeof key);
    le_store_u64(header + CHECKSUM_AT, checksum64(header, CHECKSUM_AT));
    return status;
}

int crypt_is_header(const uint8_t header[CRYPT_HEADER_SIZE])
{
    return memcmp(header, magic, sizeof magic) == 0;
}

int crypt_header_is_whole(const uint8_t header[CRYPT_HEADER_SIZE])
{
    return crypt_is_header(header) &&
           le_load_u64(header + CHECKSUM_AT) == checksum64(header, CHECKSUM_AT);
}

uint64_t crypt_header_key_id(const uint8_t header[CRYPT_HEADER_SIZE])
{
    return le_load_u64(header + 16);
}

uint64_t crypt_header_sum(const uint8_t header[CRYPT_HEADER_SIZE])
{
    return le_load_u64(header + SALT_AT);
}

static lode_status check(enum crypt_kind kind, const uint8_t *header, const char *what,
                         lode_error *error)
{
    uint32_t version = le_load_u32(header + 8);
    if (!crypt_is_header(header))
        return error_set(error, LODE_CORRUPT, "%s does not begin as what is encrypted does", what);
    if (le_load_u64(header + CHECKSUM_AT) != checksum64(header, CHECKSUM_AT))
        return error_set(error, LODE_CORRUPT,
                         "%s is damaged: the checksum of its encryption header is wrong", what);
    if (version > VERSION)
        return error_set(error, LODE_VERSION,
                         "%s is encrypted in format %u; this Lode knows 1 to %u", what, version,
                         VERSION);
    if (version == 0 || le_load_u32(header + 12) != (uint32_t)kind)
        return error_set(error, LODE_CORRUPT,
                         "%s is damaged: its encryption header is of another kind", what);
    return LODE_OK;
}

lode_status crypt_header_open(const struct keyring *keyring, enum crypt_kind kind,
                              const uint8_t header[CRYPT_HEADER_SIZE], const char *what,
                              struct cipher *ret_cipher, lode_error *error)
{
    struct data_key key;
    lode_status status = check(kind, header, what, error);
    if (status)
        return status;
    if (!keyring_find(keyring, crypt_header_key_id(header), &key))
        return error_set(error, LODE_CORRUPT,
                         "%s is encrypted under data key %016" PRIx64
                         ", which is not among the %zu "
                         "that were unwrapped: it is from another database, or the file of keys is "
                         "an old one",
                         what, crypt_header_key_id(header), keyring_count(keyring));
    status = derive(&key, header, ret_cipher, error);
    cipher_wipe(&key, sizeof key);
    return status;
}
