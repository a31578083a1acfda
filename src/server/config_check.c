/* config_check.c: what keys mean together, and the files that they name. */
#include "os/private_file.h"
#include "os/vfs.h"
#include "server/config_keys.h"
#include "server/jwks.h"

#include "base/limits.h"
#include "base/number.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST_SIZE_MAX 256
#define PUBLIC_ADVICE "switch it on, or say auth.allow-anonymous-on-public-address: yes"

/* --- Addresses ---------------------------------------------------------------------------------- */

/* HOST:PORT apart, brackets of IPv6 taken off. 0: it is no such thing. */
static int split_address(const char *address, char host[HOST_SIZE_MAX], uint64_t *ret_port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || !number_parse_u64(colon + 1, strlen(colon + 1), ret_port) || *ret_port > 65535)
        return 0;
    size_t size = (size_t)(colon - address);
    int is_bracketed = size >= 2 && address[0] == '[' && address[size - 1] == ']';
    if (is_bracketed) {
        address++;
        size -= 2;
    }
    if (size == 0 || size >= HOST_SIZE_MAX || (!is_bracketed && memchr(address, ':', size)))
        return 0;
    memcpy(host, address, size);
    host[size] = '\0';
    return 1;
}

static bool is_loopback4(in_addr_t address)
{
    return ntohl(address) >> 24 == 127;
}

static bool is_loopback6(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

static bool is_loopback_host(const char *host)
{
    struct in_addr four = {0};
    struct in6_addr six = IN6ADDR_ANY_INIT;
    if (inet_pton(AF_INET, host, &four) == 1)
        return is_loopback4(four.s_addr);
    if (inet_pton(AF_INET6, host, &six) == 1)
        return is_loopback6(&six);
    return strcmp(host, "localhost") == 0;
}

bool config_is_loopback(const char *address)
{
    char host[HOST_SIZE_MAX];
    uint64_t port;
    return split_address(address, host, &port) && is_loopback_host(host);
}

static bool may_be_public(const struct config *config)
{
    return !config->auth.is_off || config->auth.allow_anonymous;
}

static lode_status check_addresses(const struct config *config, lode_error *error)
{
    for (size_t i = 0; i < config->listen.count; i++) {
        const char *address = config->listen.items[i];
        char host[HOST_SIZE_MAX];
        uint64_t port;
        if (!split_address(address, host, &port))
            return error_set(error, LODE_INVALID,
                             "listen is '%.100s', and takes HOST:PORT, [IPV6]:PORT, with a port up "
                             "to 65535",
                             address);
        if (!may_be_public(config) && !is_loopback_host(host))
            return error_set(error, LODE_INVALID,
                             "listen is '%.60s', which others can reach, and auth.enabled is "
                             "no: " PUBLIC_ADVICE,
                             address);
    }
    return LODE_OK;
}

static bool is_local_socket(int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return false;
    if (address.ss_family == AF_INET)
        return is_loopback4(((const struct sockaddr_in *)&address)->sin_addr.s_addr);
    if (address.ss_family == AF_INET6)
        return is_loopback6(&((const struct sockaddr_in6 *)&address)->sin6_addr);
    return address.ss_family == AF_UNIX;
}

lode_status config_check_sockets(const struct config *config, const int *sockets,
                                 size_t socket_count, lode_error *error)
{
    for (size_t i = 0; i < socket_count && !may_be_public(config); i++)
        if (!is_local_socket(sockets[i]))
            return error_set(error, LODE_INVALID,
                             "others can reach the socket that was passed on (file %d), and "
                             "auth.enabled is no: " PUBLIC_ADVICE,
                             sockets[i]);
    return LODE_OK;
}

/* --- Files --------------------------------------------------------------------------------------- */

struct wanted_file {
    const char *key, *path; /* path NULL: nothing is wanted */
    bool is_ruled;
    enum private_rule rule; /* that it is read by */
    off_t size_min;
};

static lode_status check_opened(const struct wanted_file *file, int fd, lode_error *error)
{
    struct stat info;
    const char *path = vfs_path_tail(file->path);
    if (file->is_ruled) {
        lode_status status = private_file_check(fd, file->path, file->rule, error);
        if (status)
            return status;
    }
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode))
        return error_set(error, LODE_INVALID, "%s is not a file", path);
    if (S_ISREG(info.st_mode) && info.st_size < file->size_min)
        return error_set(error, LODE_INVALID, "%s has %lld bytes; at least %lld", path,
                         (long long)info.st_size, (long long)file->size_min);
    return LODE_OK;
}

static lode_status check_file(const struct wanted_file *file, lode_error *error)
{
    if (!file->path)
        return LODE_OK;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    lode_status status =
        fd < 0 ? vfs_fail(error, errno, "open", file->path) : check_opened(file, fd, error);
    if (fd >= 0)
        close(fd);
    if (status)
        error_prefix(error, "%s: ", file->key);
    return status;
}

/* Where a file or directory is to be made, there must be a folder to make it in. */
static lode_status check_folder(const char *key, const char *path, lode_error *error)
{
    char folder[PATH_SIZE_MAX];
    struct stat info;
    if (!path)
        return LODE_OK;
    if (strlen(path) >= sizeof folder)
        return error_set(error, LODE_INVALID, "%s: a path of %zu bytes; at most %d", key,
                         strlen(path), PATH_SIZE_MAX - 1);
    vfs_parent(path, folder);
    if (stat(folder, &info) == 0 && S_ISDIR(info.st_mode))
        return LODE_OK;
    return error_set(error, LODE_INVALID, "%s: there is no folder %s/", key, vfs_path_tail(folder));
}

static lode_status check_folders(const struct config *config, lode_error *error)
{
    lode_status status = check_folder("log.file", config->log.file, error);
    return status ? status
                  : check_folder("audit.directory", config->audit.is_on ? config->audit.dir : NULL,
                                 error);
}

static lode_status check_files(const struct config *config, lode_error *error)
{
    bool keys = !config->auth.is_off, jwt = config->auth.jwt.is_on;
    const struct wanted_file files[] = {
        {"tls.certificate", config->tls.certificate, .size_min = 1},
        {"tls.key", config->tls.key, true, PRIVATE_TO_GROUP, 1},
        {"tls.client-ca", config->tls.client_ca, true, PRIVATE_TO_WRITERS, 1},
        {"auth.keys-file", keys ? config->auth.keys_file : NULL, true, PRIVATE_TO_OWNER, 0},
        {"auth.jwt.jwks-file", jwt ? config->auth.jwt.jwks_file : NULL, true, PRIVATE_TO_WRITERS,
         1},
        {"auth.jwt.secret-file", jwt ? config->auth.jwt.secret_file : NULL, true, PRIVATE_TO_OWNER,
         JWT_SECRET_SIZE_MIN},
        {"engine.key-file", config->engine.key_file, true, PRIVATE_TO_OWNER, 1},
    };
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < sizeof files / sizeof *files; i++)
        status = check_file(&files[i], error);
    return status;
}

/* --- Keys that need one another --------------------------------------------------------------------- */

static lode_status check_tls(const struct config *config, lode_error *error)
{
    if (!config->tls.certificate != !config->tls.key)
        return error_set(error, LODE_INVALID, "%s is set without %s",
                         config->tls.key ? "tls.key" : "tls.certificate",
                         config->tls.key ? "tls.certificate" : "tls.key");
    if (config->tls.certificate)
        return LODE_OK;
    if (config->tls.client_ca)
        return error_set(error, LODE_INVALID,
                         "tls.client-ca asks for certificates of clients, which needs TLS: set "
                         "tls.certificate and tls.key");
    if (config->tls.allow_tls12)
        return error_set(error, LODE_INVALID,
                         "tls.allow-tls12 is yes without TLS: set tls.certificate and tls.key");
    return LODE_OK;
}

static lode_status check_jwt_keys(const struct config_jwt *jwt, lode_error *error)
{
    bool hs256 = false, others = jwt->algorithms.count == 0;
    for (size_t i = 0; i < jwt->algorithms.count; i++) {
        bool is_hs256 = strcmp(jwt->algorithms.items[i], "HS256") == 0;
        hs256 |= is_hs256;
        others |= !is_hs256;
    }
    if (hs256 != (jwt->secret_file != NULL))
        return error_set(error, LODE_INVALID,
                         "auth.jwt.%s: HS256 in auth.jwt.algorithms and auth.jwt.secret-file go "
                         "together",
                         hs256 ? "algorithms" : "secret-file");
    if (jwt->jwks_file && jwt->jwks_url)
        return error_set(error, LODE_INVALID,
                         "auth.jwt.jwks-file and auth.jwt.jwks-url exclude one another");
    if (others != (jwt->jwks_file || jwt->jwks_url))
        return error_set(error, LODE_INVALID,
                         others
                             ? "auth.jwt.enabled is yes: its algorithms need auth.jwt.jwks-file "
                               "or auth.jwt.jwks-url"
                             : "auth.jwt.jwks-%s is set, and auth.jwt.algorithms has nothing but "
                               "HS256",
                         jwt->jwks_file ? "file" : "url");
    if (!jwt->jwks_url || !jwks_check_url(jwt->jwks_url, error))
        return LODE_OK;
    error_prefix(error, "auth.jwt.jwks-url: ");
    return LODE_INVALID;
}

lode_status config_check_auth(const struct config *config, lode_error *error)
{
    const struct config_jwt *jwt = &config->auth.jwt;
    if (!jwt->is_on)
        return LODE_OK;
    if (config->auth.is_off)
        return error_set(error, LODE_INVALID, "auth.jwt.enabled is yes, and auth.enabled no");
    if (!jwt->issuer || !jwt->audience)
        return error_set(error, LODE_INVALID,
                         "auth.jwt.enabled is yes, which needs auth.jwt.%s: what tokens for this "
                         "server say there",
                         jwt->issuer ? "audience" : "issuer");
    return check_jwt_keys(jwt, error);
}

static lode_status check_engine(const struct config *config, lode_error *error)
{
    char text[CONFIG_AMOUNT_MAX];
    uint64_t bytes = config->engine.memory_bytes;
    if (config->engine.key_file && config->engine.key_command)
        return error_set(error, LODE_INVALID,
                         "engine.key-file and engine.key-command exclude one another");
    if (bytes == 0 || bytes >= LODE_MEMORY_BUDGET_MIN)
        return LODE_OK;
    config_bytes_text(bytes, text);
    return error_set(error, LODE_INVALID, "engine.memory is %s; 0, or at least %dMiB", text,
                     LODE_MEMORY_BUDGET_MIN >> 20);
}

static lode_status check_http(const struct config *config, lode_error *error)
{
    char body[CONFIG_AMOUNT_MAX], all[CONFIG_AMOUNT_MAX];
    if (config->http.body_bytes_max <= config->http.gather_bytes_max)
        return LODE_OK;
    config_bytes_text(config->http.body_bytes_max, body);
    config_bytes_text(config->http.gather_bytes_max, all);
    return error_set(error, LODE_INVALID, "http.body-size is %s; at most http.gather-size, %s",
                     body, all);
}

static lode_status check_traces(const struct config *config, lode_error *error)
{
    const char *url = config->traces.endpoint;
    if (!url || strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0)
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "traces.endpoint is '%.100s', and takes http://HOST:PORT or https://", url);
}

static lode_status check_ranges(const struct config *config, lode_error *error)
{
    size_t count;
    lode_status status = LODE_OK;
    (void)config_keys(&count);
    for (size_t i = 0; !status && i < count; i++)
        status = config_check_range(config, i, error);
    return status;
}

lode_status config_check(const struct config *config, lode_error *error)
{
    static lode_status (*const checks[])(const struct config *, lode_error *) = {
        check_ranges, check_addresses, check_tls,   config_check_auth, check_http,
        check_traces, check_engine,    check_files, check_folders,
    };
    if (!config->data)
        return error_set(error, LODE_INVALID,
                         "data is not set: the directory of the database, as --data DIR or "
                         "LODE_DATA");
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < sizeof checks / sizeof *checks; i++)
        status = checks[i](config, error);
    return status;
}

lode_status config_check_tls(const struct config *config, lode_error *error)
{
    struct net_options options;
    struct net_tls_options tls;
    config_net_options(config, &options, &tls);
    lode_status status = options.tls ? net_tls_check(options.tls, error) : LODE_OK;
    if (status)
        error_prefix(error, "tls: ");
    return status;
}
