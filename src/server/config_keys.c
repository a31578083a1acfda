/* config_keys.c: see config_keys.h. */
#include "server/config_keys.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define SECOND     1000ull
#define MINUTE     (60 * SECOND)
#define HOUR       (60 * MINUTE)
#define DAY        (24 * HOUR)
#define KIB        1024ull
#define MIB        (1024 * KIB)
#define GIB        (1024 * MIB)
#define TIB        (1024 * GIB)
#define COUNT_MAX  1000000000000ull
#define THREAD_MAX 256

static const char *const algorithms[] = {"HS256", "RS256", "ES256", "PS256", NULL};
static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const formats[] = {"json", "text", NULL};

/* What follows the help are further fields. */
#define KEY(path_, kind_, field_, fallback_, ...)                                                  \
    {                                                                                              \
        .path = path_, .kind = kind_, .offset = offsetof(struct config, field_),                   \
        .fallback = fallback_, .help = __VA_ARGS__                                                 \
    }

static const struct config_key keys[] = {
    KEY("data", CONFIG_TEXT, data, "", "Directory of the database. It must be said.",
        .flag = "data"),
    KEY("listen", CONFIG_TEXTS, listen, "127.0.0.1:7700",
        "HOST:PORT, at most 16 of them; [::]:7700 for IPv6. Port 0: the system chooses.",
        .flag = "listen"),

    KEY("tls.certificate", CONFIG_TEXT, tls.certificate, "",
        "PEM file of the server's certificate, with its chain. With it the port speaks TLS 1.3 and "
        "nothing else.",
        .flag = "tls-cert"),
    KEY("tls.key", CONFIG_TEXT, tls.key, "",
        "PEM file of the certificate's private key; not readable by everybody.", .flag = "tls-key"),
    KEY("tls.client-ca", CONFIG_TEXT, tls.client_ca, "",
        "PEM file of authorities. Clients must show a certificate that one of them signed.",
        .flag = "tls-client-ca"),
    KEY("tls.allow-tls12", CONFIG_YES, tls.allow_tls12, "no",
        "Accept TLS 1.2 too, for old clients."),

    KEY("auth.enabled", CONFIG_NO, auth.is_off, "yes",
        "Whether requests must show an API key or a token. no: everybody may do everything; beyond "
        "loopback only together with the next key.",
        .flag = "auth"),
    KEY("auth.allow-anonymous-on-public-address", CONFIG_YES, auth.allow_anonymous, "no",
        "Listen beyond loopback although auth.enabled is no."),
    KEY("auth.keys-file", CONFIG_TEXT, auth.keys_file, "",
        "File of the API keys' hashes, written by lode key; not readable by everybody.",
        .computed = "DATA/server/keys"),
    KEY("auth.jwt.enabled", CONFIG_YES, auth.jwt.is_on, "no",
        "Accept JSON Web Tokens beside API keys."),
    KEY("auth.jwt.jwks-file", CONFIG_TEXT, auth.jwt.jwks_file, "",
        "File of the public keys that sign tokens (a JWK set)."),
    KEY("auth.jwt.jwks-url", CONFIG_TEXT, auth.jwt.jwks_url, "",
        "Or the https:// address to fetch them from (http:// from this machine alone)."),
    KEY("auth.jwt.secret-file", CONFIG_TEXT, auth.jwt.secret_file, "",
        "File of the secret of HS256, at least 32 bytes; not readable by everybody."),
    KEY("auth.jwt.algorithms", CONFIG_CHOICES, auth.jwt.algorithms, "",
        "Algorithms that are accepted. HS256 must be named, and secret-file with it.",
        .choices = algorithms, .computed = "RS256, ES256, PS256"),
    KEY("auth.jwt.issuer", CONFIG_TEXT, auth.jwt.issuer, "",
        "The claim iss that tokens must carry. Required with JWT."),
    KEY("auth.jwt.audience", CONFIG_TEXT, auth.jwt.audience, "",
        "What the claim aud must hold. Required with JWT."),
    KEY("auth.jwt.leeway", CONFIG_S, auth.jwt.leeway_s, "30s",
        "How far the clocks of issuer and server may differ.", .max = 600),
    KEY("auth.jwt.refresh", CONFIG_S, auth.jwt.refresh_s, "5m", "How often jwks-url is fetched.",
        .min = 10, .max = 86400),
    KEY("auth.jwt.role-claim", CONFIG_TEXT, auth.jwt.role_claim, "role",
        "The claim that holds the role: read, write or admin."),
    KEY("auth.jwt.collections-claim", CONFIG_TEXT, auth.jwt.collections_claim, "collections",
        "The claim that lists the collections a token is for; a token without it is for all."),
    KEY("auth.jwt.namespaces-claim", CONFIG_TEXT, auth.jwt.namespaces_claim, "namespaces",
        "The claim that lists its namespaces, in the same way."),
    KEY("auth.jwt.filter-claim", CONFIG_TEXT, auth.jwt.filter_claim, "filter",
        "The claim that holds a filter and-ed into whatever it reads."),

    KEY("audit.enabled", CONFIG_YES, audit.is_on, "",
        "Write the audit log: a line for every change and every denied request.",
        .computed = "as auth.enabled"),
    KEY("audit.directory", CONFIG_TEXT, audit.dir, "", "Where its files are.",
        .computed = "DATA/server/audit"),
    KEY("audit.queries", CONFIG_YES, audit.queries, "no", "A line for every query too."),
    KEY("audit.file-size", CONFIG_BYTES, audit.file_bytes_max, "64MiB",
        "A file of this size is closed and the next one begun.", .min = 64 * KIB, .max = 16 * GIB),
    KEY("audit.files", CONFIG_COUNT, audit.files_max, "0",
        "How many files are kept; the oldest are deleted. 0: none ever is.", .max = 1000000),

    KEY("limits.requests-per-second", CONFIG_COUNT, limits.requests_per_s, "100000",
        "Requests a second of one API key or token.", .min = 1, .max = COUNT_MAX),
    KEY("limits.bytes-per-second", CONFIG_BYTES, limits.bytes_per_s, "1GiB",
        "Bytes of its request bodies a second.", .min = KIB, .max = TIB),
    KEY("limits.points", CONFIG_COUNT, limits.points, "10000", "Points of one write.", .min = 1,
        .max = LODE_BATCH_MAX),
    KEY("limits.k", CONFIG_COUNT, limits.k, "1000", "Hits that one query may ask for.", .min = 1,
        .max = LODE_K_MAX),
    KEY("limits.batch", CONFIG_COUNT, limits.batch, "100", "Queries of one call.", .min = 1,
        .max = LODE_SEARCH_BATCH_MAX),
    KEY("limits.deadline", CONFIG_MS, limits.deadline_ms, "1m",
        "The longest that a request may ask to take, and what one has that does not ask.", .min = 1,
        .max = DAY),

    KEY("http.read-threads", CONFIG_UNSIGNED, http.read_threads, "0",
        "Threads that answer reads. 0: one per processor.", .max = THREAD_MAX),
    KEY("http.write-threads", CONFIG_UNSIGNED, http.write_threads, "0",
        "Threads that answer writes; they wait for the disk together. 0: two per processor, at "
        "least 8.",
        .max = THREAD_MAX),
    KEY("http.slow-threads", CONFIG_UNSIGNED, http.slow_threads, "0",
        "Threads for imports, exports and maintenance. 0: one per processor, at least 4.",
        .max = THREAD_MAX),
    KEY("http.loop-threads", CONFIG_UNSIGNED, http.loop_threads, "0",
        "Threads that read and write connections. 0: one per four processors, at least 1.",
        .max = THREAD_MAX),
    KEY("http.queue-time", CONFIG_MS, http.queue_ms_max, "250ms",
        "A read that would have to wait longer for a thread is refused with 429; for writes it is "
        "four times that, for slow operations forty times.",
        .min = 1, .max = HOUR),
    KEY("http.queue-length", CONFIG_COUNT, http.queue_max, "10000",
        "Requests that wait for threads of one kind, however short their wait.", .min = 1,
        .max = 1000000),
    KEY("http.body-size", CONFIG_BYTES, http.body_bytes_max, "128MiB",
        "The largest body of a request that is not streamed; larger ones are answered 413.",
        .min = KIB, .max = 2 * GIB),
    KEY("http.gather-size", CONFIG_BYTES, http.gather_bytes_max, "512MiB",
        "Memory for such bodies, and for answers that wait to be sent, all together; what comes "
        "when "
        "it is used up is answered 503.",
        .min = KIB, .max = TIB),
    KEY("http.connections", CONFIG_COUNT, http.connections_max, "10000",
        "Connections at a time; further ones are closed at once.", .min = 1, .max = 1000000),
    KEY("http.connections-per-address", CONFIG_COUNT, http.connections_per_address_max, "1000",
        "Of these, connections of one client: of one public IPv4 address, or the first 64 bits of "
        "an "
        "IPv6 address. Loopback, private and link-local addresses, where proxies are, have only "
        "the "
        "limit of all.",
        .min = 1, .max = 1000000),
    KEY("http.streams", CONFIG_COUNT, http.connection_streams_max, "128",
        "Requests at a time on one HTTP/2 connection.", .min = 1, .max = 65535),
    KEY("http.idle-timeout", CONFIG_MS, http.idle_ms, "75s",
        "A connection without a request is closed after it.", .min = 100, .max = DAY),
    KEY("http.head-timeout", CONFIG_MS, http.head_ms, "10s",
        "Time for the head of a request, and for a TLS handshake.", .min = 100, .max = HOUR),
    KEY("http.stall-timeout", CONFIG_MS, http.stall_ms, "30s",
        "A body or an answer of which nothing moves for so long is given up.", .min = 100,
        .max = HOUR),
    KEY("http.drain-time", CONFIG_MS, http.drain_ms, "30s",
        "Time that requests have to end when the server stops.", .max = HOUR),
    KEY("http.resets-per-second", CONFIG_COUNT, http.resets_per_s, "100",
        "HTTP/2 streams that one connection may reset a second, with a burst of ten times as many.",
        .min = 1, .max = 1000000),

    KEY("log.level", CONFIG_CHOICE, log.level, "info",
        "What is logged: error, warning, info or debug, each with those before it.",
        .choices = levels),
    KEY("log.format", CONFIG_CHOICE, log.format, "", "json: an object a line. text: for eyes.",
        .choices = formats, .computed = "json; text on a terminal"),
    KEY("log.file", CONFIG_TEXT, log.file, "",
        "File that lines are appended to; opened again on SIGHUP.", .computed = "standard error"),
    KEY("log.slow-query", CONFIG_MS, log.slow_query_ms, "1s",
        "Queries that take longer are logged with their plan. 0: none is.", .max = DAY),

    KEY("traces.endpoint", CONFIG_TEXT, traces.endpoint, "",
        "Where spans are sent, by OTLP over HTTP: http://host:4318. Without it there are none."),
    KEY("traces.share", CONFIG_SHARE, traces.share, "0.01",
        "Share of requests that are traced when the caller does not say, from 0 to 1."),

    KEY("recall.share", CONFIG_SHARE, recall.share, "0",
        "Share of queries that are answered once more, exactly, to measure recall, from 0 to 1. 0: "
        "none is."),

    KEY("engine.key-file", CONFIG_TEXT, engine.key_file, "",
        "Of an encrypted database: the file that holds its key, for its owner alone.",
        .variable = "LODE_KEY_FILE"),
    KEY("engine.key-command", CONFIG_TEXT, engine.key_command, "",
        "Or a command that prints it, run without a shell.", .variable = "LODE_KEY_COMMAND"),
    KEY("engine.memory", CONFIG_BYTES, engine.memory_bytes, "0",
        "How much memory the engine holds at most, from 64MiB on. 0: no limit.", .max = 1024 * TIB,
        .variable = "LODE_MEMORY"),
    KEY("engine.log-keep", CONFIG_BYTES, engine.log_keep_bytes, "0",
        "Logs kept for backups, of each collection. 0: as lode keep-log has said.",
        .max = 1024 * TIB),
    KEY("engine.background-threads", CONFIG_UNSIGNED, engine.background_threads, "0",
        "Threads of flushes, merges and index builds. 0: one per processor.", .max = THREAD_MAX),
};
static const size_t key_count = sizeof keys / sizeof *keys;
_Static_assert(sizeof keys / sizeof *keys <= CONFIG_KEYS_MAX, "config.origins has no room");

const struct config_key *config_keys(size_t *ret_count)
{
    *ret_count = key_count;
    return keys;
}

size_t config_key_find(const char *path)
{
    for (size_t i = 0; i < key_count; i++)
        if (strcmp(keys[i].path, path) == 0)
            return i;
    return SIZE_MAX;
}

enum config_origin config_key_origin(const struct config *config, const char *path)
{
    size_t i = config_key_find(path);
    INVARIANT(i != SIZE_MAX);
    return (enum config_origin)config->origins[i];
}

void config_key_variable(const struct config_key *key, char name[CONFIG_VARIABLE_MAX])
{
    static const char prefix[] = "LODE_";
    size_t size = sizeof prefix - 1;
    memcpy(name, prefix, size);
    for (const char *c = key->path; *c && size < CONFIG_VARIABLE_MAX - 1; c++)
        name[size++] = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    name[size] = '\0';
}
