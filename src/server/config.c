/* config.c: see config.h. Values are read in config_value.c, files in config_file.c; what keys mean together is checked
 * in config_check.c. */
#include "server/config.h"

#include "os/thread.h"
#include "server/config_keys.h"
#include "server/config_strings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITES_WAIT 4u /* times as long as reads */
#define SLOW_WAIT   40u

extern char **environ;

void config_init(struct config *config)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < count; i++)
        if (*keys[i].fallback)
            INVARIANT(config_put(config, i, keys[i].fallback, CONFIG_DEFAULT, NULL) == LODE_OK);
}

void config_release(struct config *config)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        void *field = (uint8_t *)config + keys[i].offset;
        if (keys[i].kind == CONFIG_TEXT || keys[i].kind == CONFIG_CHOICE)
            free(*(char **)field);
        else if (keys[i].kind == CONFIG_TEXTS || keys[i].kind == CONFIG_CHOICES)
            config_strings_release(field);
    }
    memset(config, 0, sizeof *config);
}

lode_status config_set(struct config *config, const char *key, const char *value, lode_error *error)
{
    char hint[CONFIG_HINT_MAX];
    size_t i = config_key_find(key);
    if (i == SIZE_MAX) {
        config_hint(key, false, hint);
        return error_set(error, LODE_INVALID, "there is no setting '%.80s'%s", key, hint);
    }
    return config_put(config, i, value, CONFIG_FLAG, error);
}

/* --- The environment ------------------------------------------------------------------------------ */

static lode_status set_from(struct config *config, size_t i, const char *variable,
                            lode_error *error)
{
    const char *value = getenv(variable);
    if (!value || !*value)
        return LODE_OK;
    lode_status status = config_put(config, i, value, CONFIG_ENVIRONMENT, error);
    if (status)
        error_prefix(error, "in the environment, %s: ", variable);
    return status;
}

static int is_known(const char *entry, size_t name_size)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    char name[CONFIG_VARIABLE_MAX];
    for (size_t i = 0; i < count; i++) {
        config_key_variable(&keys[i], name);
        if (strlen(name) == name_size && memcmp(name, entry, name_size) == 0)
            return 1;
    }
    return 0;
}

/* Whether a variable's name begins as those of some section do: "LODE_HTTP_". */
static int names_section(const char *entry)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    char name[CONFIG_VARIABLE_MAX];
    for (size_t i = 0; i < count; i++) {
        size_t section = strcspn(keys[i].path, "."), size = strlen("LODE_") + section + 1;
        config_key_variable(&keys[i], name);
        if (keys[i].path[section] && strncmp(entry, name, size) == 0)
            return 1;
    }
    return 0;
}

static lode_status refuse_variable(const char *entry, size_t name_size, lode_error *error)
{
    char name[CONFIG_VARIABLE_MAX], hint[CONFIG_HINT_MAX];
    snprintf(name, sizeof name, "%.*s", (int)(name_size < sizeof name ? name_size : sizeof name),
             entry);
    config_hint(name, true, hint);
    return error_set(error, LODE_INVALID, "in the environment, %s: there is no such setting%s",
                     name, hint);
}

static lode_status check_environment(lode_error *error)
{
    for (char **entry = environ; entry && *entry; entry++) {
        size_t name_size = strcspn(*entry, "=");
        if (names_section(*entry) && !is_known(*entry, name_size))
            return refuse_variable(*entry, name_size, error);
    }
    return LODE_OK;
}

lode_status config_read_environment(struct config *config, lode_error *error)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    char name[CONFIG_VARIABLE_MAX];
    lode_status status = check_environment(error);
    for (size_t i = 0; !status && i < count; i++) {
        config_key_variable(&keys[i], name);
        if (keys[i].variable)
            status = set_from(config, i, keys[i].variable, error);
        if (!status)
            status = set_from(config, i, name, error);
    }
    return status;
}

/* --- Defaults that other keys decide ---------------------------------------------------------------- */

/* Of two that exclude one another, what was said later counts: a flag over the environment, say. */
static void drop_earlier(struct config *config, const char *one, const char *other)
{
    enum config_origin a = config_key_origin(config, one), b = config_key_origin(config, other);
    if (a == b || a == CONFIG_DEFAULT || b == CONFIG_DEFAULT)
        return;
    INVARIANT(config_put(config, config_key_find(a < b ? one : other), "", CONFIG_DEFAULT, NULL) ==
              LODE_OK);
}

void config_complete(struct config *config)
{
    drop_earlier(config, "engine.key-file", "engine.key-command");
    if (config_key_origin(config, "audit.enabled") == CONFIG_DEFAULT)
        config->audit.is_on = !config->auth.is_off;
}

/* --- For the network -------------------------------------------------------------------------------- */

static unsigned threads(unsigned wanted, unsigned fallback, unsigned min)
{
    return wanted ? wanted : fallback > min ? fallback : min;
}

static struct net_lane_options lane(const struct config *config, unsigned thread_count,
                                    unsigned patience)
{
    return (struct net_lane_options){
        .threads = thread_count,
        .wait_ms_max = (unsigned)config->http.queue_ms_max * patience,
        .queue_max = (unsigned)config->http.queue_max,
    };
}

void config_net_options(const struct config *config, struct net_options *ret_options,
                        struct net_tls_options *ret_tls)
{
    unsigned cores = thread_cores();
    *ret_tls = (struct net_tls_options){
        .certificate_file = config->tls.certificate,
        .key_file = config->tls.key,
        .client_ca_file = config->tls.client_ca,
        .allow_tls12 = config->tls.allow_tls12,
    };
    *ret_options = (struct net_options){
        .addresses = (const char *const *)config->listen.items,
        .address_count = config->listen.count,
        .tls = config->tls.certificate ? ret_tls : NULL,
        .loop_threads = threads(config->http.loop_threads, cores / 4, 1),
        .connections_max = (unsigned)config->http.connections_max,
        .connections_per_address_max = (unsigned)config->http.connections_per_address_max,
        .connection_streams_max = (unsigned)config->http.connection_streams_max,
        .gather_bytes_max = config->http.gather_bytes_max,
        .idle_ms_max = (unsigned)config->http.idle_ms,
        .head_ms_max = (unsigned)config->http.head_ms,
        .stall_ms_max = (unsigned)config->http.stall_ms,
        .resets_per_s_max = (unsigned)config->http.resets_per_s,
    };
    ret_options->lanes[NET_LANE_READ] =
        lane(config, threads(config->http.read_threads, cores, 1), 1);
    ret_options->lanes[NET_LANE_WRITE] =
        lane(config, threads(config->http.write_threads, 2 * cores, 8), WRITES_WAIT);
    ret_options->lanes[NET_LANE_SLOW] =
        lane(config, threads(config->http.slow_threads, cores, 4), SLOW_WAIT);
    ret_options->lanes[NET_LANE_WATCH] = lane(config, 1, SLOW_WAIT);
}
