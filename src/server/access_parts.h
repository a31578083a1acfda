/* access_parts.h: what the files of access share: principals, the table of keys, the cache of tokens. */
#ifndef SERVER_ACCESS_PARTS_H
#define SERVER_ACCESS_PARTS_H

#include "os/clock.h"
#include "os/thread.h"
#include "server/jwks.h"
#include "server/keys.h"
#include "server/quota.h"
#include "server/rates.h"

/* --- Principals (access_principal.c) ------------------------------------------------------------ */

struct principal_seed {
    enum principal_kind kind;
    const char *name, *id;
    const uint8_t *hash; /* of a key's secret; NULL: it is none */
    struct grant *grant; /* taken */
    const struct config_limits *defaults;
    struct quotas *quotas;
    uint64_t now_us;     /* monotonic */
    uint64_t expires_us; /* 0: it does not */
};

/* With one reference. On an error the grant is released too. */
NODISCARD lode_status principal_new(const struct principal_seed *seed,
                                    struct principal **ret_principal, lode_error *error);
struct principal *principal_ref(struct principal *principal);
void principal_give(struct quotas *quotas, struct principal *principal); /* NULL is allowed */

/* --- Keys (access_keys.c) ----------------------------------------------------------------------- */

struct key_entry {
    struct api_key key; /* its grant is the principal's */
    struct principal *principal;
};

/* Nothing of it changes. */
struct key_table {
    struct key_entry *entries; /* by id */
    size_t count;
};

NODISCARD lode_status key_table_new(struct api_keys *own_keys, const struct config_limits *defaults,
                                    struct quotas *quotas, uint64_t now_us,
                                    struct key_table **ret_table, lode_error *error);
void key_table_free(struct key_table *table, struct quotas *quotas); /* NULL is allowed */
/* Whose secret that is. ACCESS_OK: *ret_principal is borrowed from the table. */
enum access_fault key_table_check(const struct key_table *table, const char *id,
                                  const uint8_t hash[SHA256_SIZE], uint64_t wall_us,
                                  struct principal **ret_principal);

/* --- Tokens that were verified (access_cache.c) --------------------------------------------------- */

#define TOKEN_CACHE_MAX 8192 /* tokens */

struct token_cache;

struct token_mark {
    uint8_t hash[SHA256_SIZE]; /* of the token */
    uint64_t generation;       /* of the settings and keys it was verified with */
};

NODISCARD lode_status token_cache_new(struct quotas *quotas, struct token_cache **ret_cache,
                                      lode_error *error);
void token_cache_free(struct token_cache *cache);
/* A reference, or NULL: not there, of another generation, or expired. */
struct principal *token_cache_get(struct token_cache *cache, const struct token_mark *mark,
                                  uint64_t wall_us);
void token_cache_counts(struct token_cache *cache, uint64_t *ret_hits, uint64_t *ret_misses);
/* Keeps a reference of its own until expires_us, or until others take its place. */
void token_cache_put(struct token_cache *cache, const struct token_mark *mark, uint64_t expires_us,
                     struct principal *principal);

/* --- Signatures that were no good (access_tries.c) ------------------------------------------------ */

/* What one peer's address (of IPv6 its first 64 bits) may have a loop check in vain: so many signatures a second, and this
 * many at once. */
#define TOKEN_TRIES_PER_S 200
#define TOKEN_TRIES_BURST 1000
/* What all may together from which no good token came for so long: whoever has many addresses keeps no loop busy either. */
#define TOKEN_TRIES_ALL_PER_S 1000
#define TOKEN_TRIES_ALL_BURST 2000
#define TOKEN_TRIES_KNOWN_US  ((uint64_t)3600 * 1000000)

struct token_tried {
    const char *peer; /* "192.0.2.7:51234"; NULL: unknown */
    int is_good;
    unsigned count; /* signatures that were checked */
};

NODISCARD lode_status token_tries_new(struct rates **ret_tries, lode_error *error);
/* Whether a token of this peer may be looked at. */
int token_tries_may(struct rates *tries, const char *peer, uint64_t now_us);
/* One was. */
void token_tries_end(struct rates *tries, const struct token_tried *tried, uint64_t now_us);

/* --- Settings (access_settings.c) ----------------------------------------------------------------- */

/* What a config says about access, copied. Shared by counted references; nothing of it changes. */
struct access_settings {
    int is_off;
    char *keys_path;
    int keys_may_miss; /* the path is the default one */
    struct config_limits limits;
    int has_tokens;
    struct jwt_policy policy; /* its texts are owned */
    char *texts[6];
    struct jwks *jwks;
    uint64_t serial; /* of the settings, among those of this access */
    atomic_uint references;
    struct access_settings *next; /* of those that are no longer used */
};

/* before: those that these take the place of, or NULL: what their key set was fetched from, if it is the same, is not forgotten. */
NODISCARD lode_status access_settings_new(const struct config *config,
                                          const struct access_settings *before,
                                          struct access_settings **ret_settings, lode_error *error);
struct access_settings *access_settings_ref(struct access_settings *settings);
void access_settings_unref(struct access_settings *settings); /* NULL is allowed */

/* --- All together (access.c) ---------------------------------------------------------------------- */

struct access_options {
    const struct clock *clock; /* for both times */
    uint64_t poll_us;          /* how often the file of keys is looked at */
};

NODISCARD lode_status access_new_with(const struct config *config,
                                      const struct access_options *options,
                                      struct access **ret_access, lode_error *error);

/* How a file was found: whoever replaces or changes it changes this. */
struct file_mark {
    uint64_t device, inode, size, changed_ns;
    int exists;
};

/* changing (files, one change at a time) is taken before mutex, which guards what is pointed at, for moments: settings,
 * anonymous and table are replaced with both held, so that either is enough to read them. */
struct access {
    struct access_options options;
    struct quotas *quotas;
    struct token_cache *cache;
    struct rates *tries;

    struct mutex changing;
    struct file_mark mark; /* of the file of keys when it was read; guarded by changing */
    uint64_t serial;       /* the same */

    struct mutex mutex;
    struct cond cond;
    struct access_settings *settings;
    struct principal *anonymous;     /* what everybody is where access is off */
    struct access_settings *retired; /* those before, as long as somebody uses them */
    struct key_table *table;
    void (*report)(void *context, const char *what, const lode_error *error);
    void *report_context;
    int is_stopped, has_thread;
    struct thread thread;
};

/* --- Watching (access_watch.c) -------------------------------------------------------------------- */

/* Read the file of keys as these settings say, and use it. With changing held. */
NODISCARD lode_status access_read_keys(struct access *access,
                                       const struct access_settings *settings, lode_error *error);
NODISCARD lode_status access_watch_start(struct access *access, lode_error *error);
void access_watch_stop(struct access *access);
/* The settings as they are now: a reference. */
struct access_settings *access_settings_now(struct access *access);
/* Free settings that nobody uses any more; must: nobody does. */
void access_retire(struct access *access, int must);

#endif
