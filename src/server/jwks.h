/* jwks.h: the keys that tokens are verified with, kept up to date: from a file or a URL, and a secret from a file. With a
 * URL there is a thread that fetches it every so often; what was known before stays when that fails. Thread-safe. */
#ifndef SERVER_JWKS_H
#define SERVER_JWKS_H

#include "server/jwt.h"

#define JWKS_TIMEOUT_MS 5000 /* of one fetch, all in all */
#define JWKS_EARLY_S    30   /* fetches that unknown key ids ask for are so far apart at least */
#define JWKS_RETRY_S    30   /* after one that failed, unless refresh_s is less */

struct jwks;

struct jwks_options {
    const char *file, *url, *secret_file; /* NULL: none; borrowed for the call */
    uint64_t refresh_s;                   /* of the URL; 0: 300 */
    uint64_t early_s;                     /* 0: JWKS_EARLY_S */
    /* One of the same URL whose place it takes: what was fetched last counts until it is fetched again. NULL: none; borrowed for
     * the call. */
    struct jwks *before;
};

/* Reads the files, whose errors are its own, and fetches the URL once: that it cannot be had yet is no error, see
 * jwks_fault. */
NODISCARD lode_status jwks_new(const struct jwks_options *options, struct jwks **ret_jwks,
                               lode_error *error);
void jwks_free(struct jwks *jwks); /* NULL is allowed */

/* The set as it is now: a reference, which never waits for a fetch. */
struct jwt_keys *jwks_keys(struct jwks *jwks);
/* Read the files again, and have the URL fetched soon. On an error what was known stays. */
NODISCARD lode_status jwks_reload(struct jwks *jwks, lode_error *error);
/* Somebody came with a key id that is not known: fetch soon, if that is not asked for too often. Never waits. */
void jwks_want_new(struct jwks *jwks);
/* Why the last fetch failed; LODE_OK: it did not. */
lode_status jwks_fault(struct jwks *jwks, lode_error *error);
uint64_t jwks_fetches(struct jwks *jwks); /* that were begun */

/* --- Fetching (jwks_fetch.c) -------------------------------------------------------------------- */

/* Whether it may be fetched: https, or http from this machine itself. LODE_INVALID. */
NODISCARD lode_status jwks_check_url(const char *url, lode_error *error);
/* GET it: 200, at most JWKS_SIZE_MAX bytes, no redirects. Ends early once *is_stopped is not 0. */
NODISCARD lode_status jwks_fetch(const char *url, const atomic_int *is_stopped, struct buf *out,
                                 lode_error *error);

#endif
