/* keyring_parts.h: a keyring from within, for keyring.c and keyring_file.c. */
#ifndef CRYPT_KEYRING_PARTS_H
#define CRYPT_KEYRING_PARTS_H

#include "crypt/keyring.h"
#include "os/thread.h"

struct keyring_content {
    char key_id[LODE_KEY_ID_TEXT_SIZE]; /* of the key that wraps it in the file */
    int accepts_plain;
    size_t count;
    struct data_key keys[KEYRING_KEYS_MAX]; /* the newest last */
};

struct keyring {
    struct mutex mutex; /* guards the rest */
    struct keyring_content content;
};

/* Empty, which no keyring may stay. NULL: out of memory. */
struct keyring *keyring_alloc(lode_error *error);
/* Set key->id. */
NODISCARD lode_status keyring_data_key_id(struct data_key *key, lode_error *error);

#endif
