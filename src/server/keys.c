/* keys.c: keys in memory, and what requests show of them. See keys.h. */
#include "server/keys.h"

#include "base/hex.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX      "lode_"
#define PREFIX_SIZE 5

void api_keys_release(struct api_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++)
        grant_release(&keys->items[i].grant);
    free(keys->items);
    *keys = (struct api_keys){.items = NULL};
}

struct api_key *api_keys_find(const struct api_keys *keys, const char *id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->items[i].id, id) == 0)
            return &keys->items[i];
    return NULL;
}

int api_key_is_like(const char *text, size_t size)
{
    return size >= PREFIX_SIZE && memcmp(text, PREFIX, PREFIX_SIZE) == 0;
}

static int is_id(const char *text)
{
    for (size_t i = 0; i < API_KEY_ID_SIZE; i++)
        if (hex_value(text[i]) < 0 || (text[i] >= 'A' && text[i] <= 'F'))
            return 0;
    return 1;
}

int api_key_read(const char *text, size_t size, char ret_id[API_KEY_ID_SIZE + 1],
                 uint8_t ret_hash[SHA256_SIZE])
{
    const char *id = text + PREFIX_SIZE, *secret = id + API_KEY_ID_SIZE + 1;
    if (size != API_KEY_TEXT_SIZE - 1 || !api_key_is_like(text, size) || !is_id(id) ||
        id[API_KEY_ID_SIZE] != '_')
        return 0;
    memcpy(ret_id, id, API_KEY_ID_SIZE);
    ret_id[API_KEY_ID_SIZE] = '\0';
    return sha256_of(secret, API_KEY_SECRET_SIZE, ret_hash, NULL) == LODE_OK;
}

int api_key_accepts(const struct api_key *key, const uint8_t hash[SHA256_SIZE], uint64_t now_us)
{
    int is_it = CRYPTO_memcmp(key->hash, hash, SHA256_SIZE) == 0;
    int was_it = CRYPTO_memcmp(key->previous_hash, hash, SHA256_SIZE) == 0;
    return is_it | (was_it & (now_us < key->previous_until_us));
}
