/* jwt.h: JSON Web Tokens (RFC 7519, signed: RFC 7515), verified with the caution of RFC 8725.
 *
 * What a key can verify is the key's business, never the token's: an RSA key knows RS256 and PS256, a P-256 key ES256, a
 * secret HS256. The token's "alg" only chooses among what its key, the key's own "alg" and the settings all allow, so that
 * "none" is nothing, and an RSA key is never a secret. Pure: same token, keys and time, same answer. Thread-safe. */
#ifndef SERVER_JWT_H
#define SERVER_JWT_H

#include "server/access_grant.h"

#include <stdatomic.h>

#define JWT_SIZE_MAX     8192 /* bytes of a token */
#define JWT_KID_SIZE_MAX 256
#define JWT_KEYS_MAX     64 /* of a set */
#define JWT_TRIES_MAX                                                                              \
    4 /* of these, how many a token is tried with: without kid the first of its algorithm */
#define JWT_SECRET_SIZE_MIN 32
#define JWT_SECRET_SIZE_MAX 4096
#define JWKS_SIZE_MAX       262144 /* bytes of a set */

enum jwt_algorithm { JWT_HS256 = 1, JWT_RS256 = 2, JWT_ES256 = 4, JWT_PS256 = 8 };
unsigned jwt_algorithm_of(const char *name); /* 0: none that is known */

/* --- Keys --------------------------------------------------------------------------------------- */

struct jwt_key {
    char kid[JWT_KID_SIZE_MAX + 1]; /* "": it has none */
    unsigned algorithms;            /* that it verifies */
    struct evp_pkey_st *public_key; /* or */
    uint8_t *secret;
    size_t secret_size;
};

/* A set; nothing of it changes once it is shared. */
struct jwt_keys {
    struct jwt_key items[JWT_KEYS_MAX];
    size_t count;
    uint64_t generation; /* that its owner gives it */
    atomic_uint references;
};

NODISCARD lode_status jwt_keys_new(struct jwt_keys **ret_keys, lode_error *error);
struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys);
void jwt_keys_unref(struct jwt_keys *keys); /* NULL is allowed */
/* Add those of a JWKS (RFC 7517). Keys of other types, for other uses or algorithms are left out; one of ours that is
 * malformed or weak (RSA below 2048 bits) is LODE_INVALID, as is a set of which nothing is left. */
NODISCARD lode_status jwt_keys_add_set(struct jwt_keys *keys, const char *text, size_t size,
                                       lode_error *error);
NODISCARD lode_status jwt_keys_add_secret(struct jwt_keys *keys, const void *secret, size_t size,
                                          lode_error *error);
/* Whether that is the key's signature of the message. 1 or 0. */
int jwt_key_verifies(const struct jwt_key *key, unsigned algorithm, const char *message,
                     size_t message_size, const uint8_t *signature, size_t signature_size);

/* --- Tokens ------------------------------------------------------------------------------------- */

struct jwt_policy {
    unsigned algorithms;
    const char *issuer, *audience; /* the one, and one of the others, a token must name */
    uint64_t leeway_s;
    const char *role_claim, *collections_claim, *namespaces_claim, *filter_claim;
};

struct jwt_claims {
    char subject[128];
    struct grant grant;  /* grant_release */
    uint64_t expires_us; /* leeway included */
};

/* Whether a text could be a token at all: three parts of base64url, and not too long. */
int jwt_is_like(const char *text, size_t size);

struct jwt_request {
    const struct jwt_keys *keys;
    const struct jwt_policy *policy;
    const char *text; /* the token */
    size_t size;
    uint64_t now_us;     /* since 1970 */
    unsigned *ret_tries; /* how many signatures were computed; NULL: not wanted */
};

/* Verify. ACCESS_OK: *ret_claims is filled. ACCESS_UNKNOWN: it is no token, or none of the keys has its kid (then
 * *ret_is_new_kid is 1). ACCESS_FORGED, ACCESS_EXPIRED; ACCESS_ROLE: it is one, and what it grants cannot be told. */
enum access_fault jwt_verify(const struct jwt_request *request, struct jwt_claims *ret_claims,
                             int *ret_is_new_kid, lode_error *error);

#endif
