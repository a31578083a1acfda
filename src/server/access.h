/* access.h: who asks, and what they may. A request shows an API key (Authorization: Bearer lode_..., or X-Api-Key) or a
 * JWT (Authorization: Bearer eyJ...), and becomes a principal: a name, a role, the collections and namespaces it is for,
 * a filter and-ed to whatever it reads, and limits. Thread-safe; loops call access_check, so it never waits. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "base/error.h"
#include "base/sha256.h"
#include "net/net.h"
#include "server/config.h"

#include <stdatomic.h>

enum role { ROLE_NONE, ROLE_READ, ROLE_WRITE, ROLE_ADMIN }; /* each may what those before it may */

enum principal_kind { PRINCIPAL_ANONYMOUS, PRINCIPAL_KEY, PRINCIPAL_TOKEN };

struct principal {
    enum principal_kind kind;
    char name[128]; /* of the key, or the token's subject; "anonymous": for eyes */
    char id[32];    /* of the key: its public part; of a token: the beginning of its hash; "" */
    /* Who it is to the server: "key:<id>", "token:<subject>", "anonymous". A subject that is called as a key is somebody else. */
    char caller[136];
    enum role role;
    /* Names, or names that end with *: a prefix. Empty: all. */
    struct config_strings collections;
    struct config_strings
        namespaces; /* empty: all and the default one; else no work outside of them: the default one cannot be among them */
    char *filter;   /* NULL: none. Who has one may not write but by what it sees: see scope.h */
    struct config_limits limits;
    uint64_t expires_us;       /* since 1970, of the key or token; 0: it does not */
    uint8_t hash[SHA256_SIZE]; /* of the key's secret when its file was read; of others nothing */
    struct quota *quota;       /* what it has used: shared by all requests of the same caller */
    atomic_uint references;
};

struct access;

/* Reads keys, secrets and key sets. A thread of its own looks once a second whether the file of keys has changed. The default
 * file (DATA/server/keys) need not be there yet; one that is named must be. config is copied. */
NODISCARD lode_status access_new(const struct config *config, struct access **ret_access,
                                 lode_error *error);
void access_free(
    struct access *access); /* all principals must have been given back; NULL is allowed */
/* Read keys, secrets and JWKS files again (SIGHUP). What was used before stays on an error. */
NODISCARD lode_status access_reload(struct access *access, lode_error *error);
/* The same with other settings: auth and limits of this config from now on. */
NODISCARD lode_status access_reconfigure(struct access *access, const struct config *config,
                                         lode_error *error);
/* Whom to tell what happens in the background: keys that were read again (error NULL), or could not be, key sets that could not be
 * fetched. Called from threads of access; report NULL: nobody. */
void access_set_report(struct access *access,
                       void (*report)(void *context, const char *what, const lode_error *error),
                       void *context);

enum access_fault {
    ACCESS_OK,
    ACCESS_MISSING,    /* 401: shows nothing */
    ACCESS_UNKNOWN,    /* 401: no such key; a token that is none */
    ACCESS_REVOKED,    /* 401 */
    ACCESS_EXPIRED,    /* 401: key or token; or not yet valid */
    ACCESS_FORGED,     /* 401: signature, algorithm, issuer, audience */
    ACCESS_ROLE,       /* 403: the role is not enough */
    ACCESS_COLLECTION, /* 403 */
    ACCESS_NAMESPACE,  /* 403 */
    ACCESS_RATE, /* 429: requests or bytes a second; see ret_retry_ms. Of access_check: too many
                          tokens that are none came from this address */
};

/* How often a token was one that had been verified before, and how often not, since the beginning. */
void access_token_counts(struct access *access, uint64_t *ret_hits, uint64_t *ret_misses);

/* Who asks. *ret_principal is a reference, to be given back with principal_unref; NULL when it is refused. error->message, which
 * is for the client, never holds the secret. A token that was not seen before costs one signature (about 0.1 ms), and at most
 * JWT_TRIES_MAX when it names no key; the others, and keys, a hash. How many signatures may be checked in vain is bounded for
 * each address (access_parts.h). */
enum access_fault access_check(struct access *access, const struct net_request *request,
                               struct principal **ret_principal, lode_error *error);
void principal_unref(struct access *access, struct principal *principal); /* NULL is allowed */
/* Whether who was let in would be now: his key is there, with the secret that it had, neither revoked nor expired; his token has not
 * expired; without either, access is off. What takes long asks now and then. */
int access_is_valid(struct access *access, const struct principal *principal);
/* Its id, if it is of that kind; NULL: it is not, or there is no principal. */
const char *principal_id(const struct principal *principal, enum principal_kind kind);

/* Whether it may do that; collection and namespace_ NULL: the operation is about none ("": the default namespace). Without a
 * collection it is about the whole database: who is narrowed to anything may read there (lists: show what principal_sees
 * allows), and nothing else. A collection without a namespace is the collection as a whole (its statistics, flush, drop): not for
 * who is narrowed to namespaces or by a filter. An operation on two names (an alias and its collection) asks twice. Dropping a
 * namespace needs ROLE_ADMIN or a look at principal.filter: it deletes what a filter hides. */
enum access_fault principal_may(const struct principal *principal, enum role needed,
                                const char *collection, const char *namespace_, lode_error *error);
/* Whether the collection is one of those it is for. */
int principal_sees(const struct principal *principal, const char *collection);
/* Take one request of body_bytes out of its quota. ACCESS_RATE: nothing is taken; *ret_retry_ms is at least 1. now_us: monotonic. */
enum access_fault principal_take(struct principal *principal, uint64_t body_bytes, uint64_t now_us,
                                 uint64_t *ret_retry_ms, lode_error *error);
/* The same of the body of a request that was taken when nobody knew how many bytes it would have. */
enum access_fault principal_take_body(struct principal *principal, uint64_t bytes, uint64_t now_us,
                                      uint64_t *ret_retry_ms, lode_error *error);
/* The request, which was taken, is so many queries: the others are taken too, and paid off before the next request. */
void principal_take_queries(struct principal *principal, uint64_t queries, uint64_t now_us);
/* Take bytes of a body that is read bit by bit; how long to wait, in milliseconds, before more of it is read. */
uint64_t principal_take_bytes(struct principal *principal, uint64_t bytes, uint64_t now_us);

#endif
