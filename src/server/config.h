/* config.h: all that can be set about a server, with its default: from a YAML file (libcyaml; unknown keys are errors with
 * their line), then LODE_... in the environment, then flags; later ones win. docs/server-config.md has every key, and
 * config_keys.h the table that all of this is read from.
 * Durations in the file are written with a unit (250ms, 30s, 5m), sizes too (16MiB).
 *
 * Order of calls: config_init, config_read, config_read_environment, config_set..., config_complete, config_check. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "base/buf.h"
#include "base/error.h"
#include "net/net.h"

#define CONFIG_KEYS_MAX 96

/* Where a key's value came from; a later one wins. */
enum config_origin { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_FLAG };

struct config_strings {
    char **items;
    size_t count;
};

/* What one key may ask for. 0 everywhere: the server's own default of that limit. */
struct config_limits {
    uint64_t requests_per_s;
    uint64_t bytes_per_s; /* of request bodies */
    uint64_t points;      /* of one write, at most LODE_BATCH_MAX */
    uint64_t k;
    uint64_t batch; /* queries of one call */
    uint64_t
        deadline_ms; /* the longest a request may ask for, and what it has that asks for none */
};

struct config_jwt {
    bool is_on;
    char *jwks_file, *jwks_url;       /* one of both */
    char *secret_file;                /* HS256: a file with the secret, at least 32 bytes */
    struct config_strings algorithms; /* of HS256, RS256, ES256, PS256; empty: all but HS256 */
    char *issuer, *audience;          /* required when jwt is on */
    uint64_t leeway_s;
    uint64_t refresh_s; /* of jwks_url */
    char *role_claim, *collections_claim, *namespaces_claim, *filter_claim;
};

struct config {
    char *data;                   /* directory of the database */
    struct config_strings listen; /* HOST:PORT; default 127.0.0.1:7700 */
    struct {
        char *certificate, *key, *client_ca;
        bool allow_tls12;
    } tls;
    struct {
        bool
            is_off; /* auth: off: everybody may do everything; beyond loopback only with allow_anonymous */
        bool allow_anonymous; /* "allow-anonymous-on-public-address: yes", in words */
        char *keys_file;      /* API keys; NULL: DATA/server/keys, which may be missing */
        struct config_jwt jwt;
    } auth;
    struct {
        bool is_on;   /* default yes when auth is on */
        char *dir;    /* NULL: DATA/server/audit */
        bool queries; /* queries too */
        uint64_t file_bytes_max;
        uint64_t files_max; /* older ones are deleted; 0: none is */
    } audit;
    struct config_limits limits; /* of keys that have none of their own */
    struct {
        unsigned read_threads, write_threads, slow_threads, loop_threads; /* 0: by processors */
        uint64_t queue_ms_max; /* of reads; writes have four times that, slow ones forty times */
        uint64_t queue_max;
        uint64_t body_bytes_max; /* of one request that is gathered */
        uint64_t gather_bytes_max;
        uint64_t connections_max, connections_per_address_max, connection_streams_max;
        uint64_t idle_ms, head_ms, stall_ms, drain_ms;
        uint64_t resets_per_s;
    } http;
    struct {
        char *level;            /* error, warning, info, debug */
        char *format;           /* json or text; NULL: text on a terminal, else json */
        char *file;             /* default: stderr */
        uint64_t slow_query_ms; /* queries that take longer are logged with their plan; 0: none */
    } log;
    struct {
        char *endpoint; /* OTLP/HTTP, http://host:4318; NULL: no traces */
        double share;   /* of requests that are traced when the caller does not say; 0 to 1 */
    } traces;
    struct {
        double share; /* of queries that are answered exactly too, to measure recall; 0 to 1 */
    } recall;
    struct {
        char *key_file, *key_command; /* of an encrypted database */
        uint64_t memory_bytes;        /* lode_memory_budget_set; 0: none */
        uint64_t log_keep_bytes;
        unsigned background_threads; /* 0: one per processor */
    } engine;
    uint8_t origins[CONFIG_KEYS_MAX]; /* enum config_origin, by the place of the key in its table */
};

/* Every default. Aborts when there is no memory for the few bytes that it takes. */
void config_init(struct config *config);
void config_release(struct config *config);
/* LODE_INVALID names file, line, key, value and what would have been right; also when others than this user and root
 * may write to the file. What was set before an error stays set. */
NODISCARD lode_status config_read(struct config *config, const char *path, lode_error *error);
/* LODE_DATA, LODE_LISTEN, LODE_TLS_CERTIFICATE ...: the key's path in capitals. An empty one counts as not there; one that
 * begins as a section does (LODE_HTTP_...) and is no key is an error. */
NODISCARD lode_status config_read_environment(struct config *config, lode_error *error);
/* One key by its path, "http.read-threads", as a flag gives it; several values separated by commas. */
NODISCARD lode_status config_set(struct config *config, const char *key, const char *value,
                                 lode_error *error);
/* Decides audit.enabled where it was not said, and which of engine.key-file and key-command counts. After all is set, once more if something is set afterwards. Files that are
 * named by nobody stay NULL: whoever opens them knows their place below config.data. */
void config_complete(struct config *config);
/* What no single key can tell: public addresses without auth, mutual TLS without TLS, files that cannot be read, and those that
 * cannot be made for want of a folder. */
NODISCARD lode_status config_check(const struct config *config, lode_error *error);
/* config_check's rules about who may what: what tokens need, and where their keys are. */
NODISCARD lode_status config_check_auth(const struct config *config, lode_error *error);
/* Whether only this machine can reach an address, "127.0.0.1:7700", "[::1]:0", "localhost:7700". */
bool config_is_loopback(const char *address);
/* config_check's rule about addresses, for sockets that listen already. */
NODISCARD lode_status config_check_sockets(const struct config *config, const int *sockets,
                                           size_t socket_count, lode_error *error);
/* Append every key with its value, its default and where it came from: as YAML, which config_read takes, or JSON. */
NODISCARD lode_status config_print(const struct config *config, bool as_json, struct buf *out,
                                   lode_error *error);
/* Append the names of settings, with commas between them, of which a reload takes over nothing (server_reload), and which differ
 * between the two. */
NODISCARD lode_status config_waiting(const struct config *before, const struct config *now,
                                     struct buf *out, lode_error *error);
/* Whether certificate and key can be used together, and the authorities of clients. Reads them, as config_check does not. */
NODISCARD lode_status config_check_tls(const struct config *config, lode_error *error);
/* The options of net_server_new that this asks for; borrows from config. */
void config_net_options(const struct config *config, struct net_options *ret_options,
                        struct net_tls_options *ret_tls);

#endif
