/* keys.h: API keys: how they are made, kept in a file, read back and compared. docs/format/api-keys.md.
 *
 * A key is lode_<id>_<secret>: an id of 12 hexadecimal digits, by which it is found and spoken of, and 32 random bytes as 43
 * characters of base64url, shown once. Kept is the SHA-256 of these 43 characters: nobody can try 2^256 secrets, so
 * a hash that is slow on purpose, as passwords need, would cost each request and gain nothing. Not thread-safe. */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include "base/sha256.h"
#include "server/access_grant.h"

#define API_KEY_ID_SIZE     12
#define API_KEY_SECRET_SIZE 43
#define API_KEY_TEXT_SIZE   (5 + API_KEY_ID_SIZE + 1 + API_KEY_SECRET_SIZE + 1) /* with NUL */
#define API_KEY_NAME_SIZE   127
#define API_KEYS_MAX        10000
#define API_KEYS_FILE_MAX   ((size_t)64 << 20) /* bytes */

struct api_key {
    char id[API_KEY_ID_SIZE + 1];
    char name[API_KEY_NAME_SIZE + 1];
    struct grant grant;
    uint64_t created_us, expires_us, revoked_us; /* since 1970; 0: it does not, it was not */
    uint8_t hash[SHA256_SIZE];
    uint8_t previous_hash[SHA256_SIZE]; /* of the secret before a rotation, until then */
    uint64_t previous_until_us;         /* 0: there is none */
};

struct api_keys {
    struct api_key *items; /* in the order in which they were made */
    size_t count, capacity;
};

void api_keys_release(struct api_keys *keys);
struct api_key *api_keys_find(const struct api_keys *keys, const char *id); /* NULL: none */

/* --- What a request shows ----------------------------------------------------------------------- */

/* Whether text begins as a key does, whatever follows. */
int api_key_is_like(const char *text, size_t size);
/* Its id, and the hash of its secret. 1, or 0: it is none. */
int api_key_read(const char *text, size_t size, char ret_id[API_KEY_ID_SIZE + 1],
                 uint8_t ret_hash[SHA256_SIZE]);
/* Whether that is the secret, or the one before as long as it is valid. In constant time. */
int api_key_accepts(const struct api_key *key, const uint8_t hash[SHA256_SIZE], uint64_t now_us);

/* --- The file ----------------------------------------------------------------------------------- */

/* DIR/server/keys, into path[PATH_SIZE_MAX]. */
NODISCARD lode_status api_keys_path(const char *dir, char path[], lode_error *error);
/* LODE_NOT_FOUND: there is no such file. LODE_INVALID names file, key and member; it also says what of its mode or owner is
 * wrong. */
NODISCARD lode_status api_keys_read(const char *path, struct api_keys *ret_keys, lode_error *error);
NODISCARD lode_status api_keys_decode(const char *text, size_t size, struct api_keys *ret_keys,
                                      lode_error *error);
/* Replace the file whole, for its owner alone. LODE_INVALID: it could not be read back. */
NODISCARD lode_status api_keys_write(const char *path, const struct api_keys *keys,
                                     lode_error *error);

/* Root makes keys for the user that the server runs as: give what was made in `dir` to the owner of that. */
NODISCARD lode_status api_keys_give(const char *path, const char *dir, lode_error *error);

/* --- Changing it: read, change, write, with nobody else doing so meanwhile ------------------------ */

/* Make a key in DIR/server/keys (and the directories to it). key: name, grant and expires_us are taken over; the rest is
 * filled in, and text is the key to be shown. LODE_EXISTS: a key of that name that is not revoked. LODE_BUSY: another
 * process is changing the file, for seconds. */
NODISCARD lode_status api_keys_create(const char *dir, struct api_key *key,
                                      char text[API_KEY_TEXT_SIZE], lode_error *error);
/* LODE_NOT_FOUND; revoking once more changes nothing. */
NODISCARD lode_status api_keys_revoke(const char *dir, const char *id, lode_error *error);
/* A new secret. The old one is valid for overlap_us more; the one before it, if any, no longer. */
NODISCARD lode_status api_keys_rotate(const char *dir, const char *id, uint64_t overlap_us,
                                      char text[API_KEY_TEXT_SIZE], lode_error *error);

#endif
