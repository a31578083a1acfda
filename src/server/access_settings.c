/* access_settings.c: what a config says about access, copied and with its defaults. */
#include "base/limits.h"
#include "server/access_parts.h"

#include <stdlib.h>
#include <string.h>

enum text { TEXT_ISSUER, TEXT_AUDIENCE, TEXT_ROLE, TEXT_COLLECTIONS, TEXT_NAMESPACES, TEXT_FILTER };

static int is_set(const char *text)
{
    return text && *text;
}

static lode_status copy_text(const char *text, const char *otherwise, char **ret_text,
                             lode_error *error)
{
    *ret_text = strdup(is_set(text) ? text : otherwise);
    return *ret_text ? LODE_OK : error_nomem(error, "a setting", 0);
}

static lode_status copy_texts(struct access_settings *settings, const struct config_jwt *jwt,
                              lode_error *error)
{
    const struct {
        const char *text, *otherwise;
    } texts[] = {
        [TEXT_ISSUER] = {jwt->issuer, ""},
        [TEXT_AUDIENCE] = {jwt->audience, ""},
        [TEXT_ROLE] = {jwt->role_claim, "role"},
        [TEXT_COLLECTIONS] = {jwt->collections_claim, "collections"},
        [TEXT_NAMESPACES] = {jwt->namespaces_claim, "namespaces"},
        [TEXT_FILTER] = {jwt->filter_claim, "filter"},
    };
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < sizeof texts / sizeof *texts; i++)
        status = copy_text(texts[i].text, texts[i].otherwise, &settings->texts[i], error);
    return status;
}

/* Without a list: what public keys do. */
static unsigned algorithms_of(const struct config_jwt *jwt)
{
    unsigned algorithms = 0;
    for (size_t i = 0; i < jwt->algorithms.count; i++)
        algorithms |= jwt_algorithm_of(jwt->algorithms.items[i]);
    return algorithms ? algorithms : JWT_RS256 | JWT_ES256 | JWT_PS256;
}

static lode_status begin_tokens(struct access_settings *settings, const struct config_jwt *jwt,
                                struct jwks *before, lode_error *error)
{
    const struct jwks_options options = {.file = jwt->jwks_file,
                                         .url = jwt->jwks_url,
                                         .secret_file = jwt->secret_file,
                                         .refresh_s = jwt->refresh_s,
                                         .before = before};
    lode_status status = copy_texts(settings, jwt, error);
    if (status)
        return status;
    settings->has_tokens = 1;
    settings->policy.algorithms = algorithms_of(jwt);
    settings->policy.issuer = settings->texts[TEXT_ISSUER];
    settings->policy.audience = settings->texts[TEXT_AUDIENCE];
    settings->policy.leeway_s = jwt->leeway_s;
    settings->policy.role_claim = settings->texts[TEXT_ROLE];
    settings->policy.collections_claim = settings->texts[TEXT_COLLECTIONS];
    settings->policy.namespaces_claim = settings->texts[TEXT_NAMESPACES];
    settings->policy.filter_claim = settings->texts[TEXT_FILTER];
    return jwks_new(&options, &settings->jwks, error);
}

static lode_status set_keys_path(struct access_settings *settings, const struct config *config,
                                 lode_error *error)
{
    char path[PATH_SIZE_MAX];
    if (is_set(config->auth.keys_file))
        return copy_text(config->auth.keys_file, "", &settings->keys_path, error);
    settings->keys_may_miss = 1;
    lode_status status = api_keys_path(is_set(config->data) ? config->data : ".", path, error);
    return status ? status : copy_text(path, "", &settings->keys_path, error);
}

lode_status access_settings_new(const struct config *config, const struct access_settings *before,
                                struct access_settings **ret_settings, lode_error *error)
{
    struct access_settings *settings = calloc(1, sizeof *settings);
    if (!settings)
        return error_nomem(error, "settings", sizeof *settings);
    atomic_init(&settings->references, 1);
    settings->is_off = config->auth.is_off;
    settings->limits = config->limits;
    lode_status status = config_check_auth(config, error);
    if (!status)
        status = set_keys_path(settings, config, error);
    if (!status && !settings->is_off && config->auth.jwt.is_on)
        status = begin_tokens(settings, &config->auth.jwt, before ? before->jwks : NULL, error);
    if (status)
        access_settings_unref(settings);
    else
        *ret_settings = settings;
    return status;
}

/* As principal_ref and principal_give. */
struct access_settings *access_settings_ref(struct access_settings *settings)
{
    atomic_fetch_add_explicit(&settings->references, 1, memory_order_relaxed);
    return settings;
}

void access_settings_unref(struct access_settings *settings)
{
    if (!settings || atomic_fetch_sub_explicit(&settings->references, 1, memory_order_acq_rel) != 1)
        return;
    jwks_free(settings->jwks);
    for (size_t i = 0; i < sizeof settings->texts / sizeof *settings->texts; i++)
        free(settings->texts[i]);
    free(settings->keys_path);
    free(settings);
}
