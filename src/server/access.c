/* access.c: see access.h. A request's key or token is found in its head; a key is looked up in a table that is replaced
 * whole, a token in a cache of those that were verified. */
#include "server/access_parts.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POLL_US ((uint64_t)1000000)

/* --- Life --------------------------------------------------------------------------------------- */

static lode_status make_anonymous(struct access *access, const struct config *config,
                                  struct principal **ret_anonymous, lode_error *error)
{
    struct grant everything = {.role = ROLE_ADMIN};
    const struct principal_seed seed = {.kind = PRINCIPAL_ANONYMOUS,
                                        .name = "anonymous",
                                        .id = "",
                                        .grant = &everything,
                                        .defaults = &config->limits,
                                        .quotas = access->quotas,
                                        .now_us = clock_now_us(access->options.clock)};
    return principal_new(&seed, ret_anonymous, error);
}

static lode_status begin(struct access *access, const struct config *config, lode_error *error)
{
    lode_status status = quotas_new(&access->quotas, error);
    if (!status)
        status = token_cache_new(access->quotas, &access->cache, error);
    if (!status)
        status = token_tries_new(&access->tries, error);
    if (!status)
        status = make_anonymous(access, config, &access->anonymous, error);
    if (!status)
        status = access_settings_new(config, NULL, &access->settings, error);
    if (!status && !access->settings->is_off) {
        mutex_lock(&access->changing);
        status = access_read_keys(access, access->settings, error);
        mutex_unlock(&access->changing);
    }
    return status ? status : access_watch_start(access, error);
}

lode_status access_new_with(const struct config *config, const struct access_options *options,
                            struct access **ret_access, lode_error *error)
{
    struct access *access = calloc(1, sizeof *access);
    if (!access)
        return error_nomem(error, "access", sizeof *access);
    access->options = *options;
    mutex_init(&access->changing);
    mutex_init(&access->mutex);
    cond_init(&access->cond);
    lode_status status = begin(access, config, error);
    if (status)
        access_free(access);
    else
        *ret_access = access;
    return status;
}

lode_status access_new(const struct config *config, struct access **ret_access, lode_error *error)
{
    const struct access_options options = {.clock = &clock_system, .poll_us = POLL_US};
    return access_new_with(config, &options, ret_access, error);
}

void access_free(struct access *access)
{
    if (!access)
        return;
    access_watch_stop(access);
    access_retire(access, 1);
    access_settings_unref(access->settings);
    key_table_free(access->table, access->quotas);
    token_cache_free(access->cache);
    rates_free(access->tries);
    principal_give(access->quotas, access->anonymous);
    quotas_free(access->quotas);
    cond_release(&access->cond);
    mutex_release(&access->mutex);
    mutex_release(&access->changing);
    free(access);
}

void access_set_report(struct access *access,
                       void (*report)(void *context, const char *what, const lode_error *error),
                       void *context)
{
    mutex_lock(&access->mutex);
    access->report = report;
    access->report_context = context;
    mutex_unlock(&access->mutex);
}

/* Both are tried; the first error is told. */
lode_status access_reload(struct access *access, lode_error *error)
{
    lode_error other;
    lode_status status = LODE_OK, second = LODE_OK;
    mutex_lock(&access->changing);
    const struct access_settings *settings = access->settings;
    if (!settings->is_off)
        status = access_read_keys(access, settings, error);
    if (settings->jwks)
        second = jwks_reload(settings->jwks, status ? &other : error);
    mutex_unlock(&access->changing);
    return status ? status : second;
}

static void use_settings(struct access *access, struct access_settings *own_settings,
                         struct principal *own_anonymous)
{
    mutex_lock(&access->mutex);
    struct principal *before = access->anonymous;
    access->settings->next = access->retired;
    access->retired = access->settings;
    access->settings = own_settings;
    access->anonymous = own_anonymous;
    mutex_unlock(&access->mutex);
    principal_give(access->quotas, before);
    access_retire(access, 0);
}

lode_status access_reconfigure(struct access *access, const struct config *config,
                               lode_error *error)
{
    struct access_settings *settings = NULL;
    struct principal *anonymous = NULL;
    mutex_lock(&access->changing);
    lode_status status = access_settings_new(config, access->settings, &settings, error);
    if (!status)
        settings->serial = ++access->serial;
    if (!status)
        status = make_anonymous(access, config, &anonymous, error);
    if (!status && !settings->is_off)
        status = access_read_keys(access, settings, error);
    if (status) {
        principal_give(access->quotas, anonymous);
        access_settings_unref(settings);
    } else {
        use_settings(access, settings, anonymous);
    }
    mutex_unlock(&access->changing);
    return status;
}

void principal_unref(struct access *access, struct principal *principal)
{
    principal_give(access->quotas, principal);
}

void access_token_counts(struct access *access, uint64_t *ret_hits, uint64_t *ret_misses)
{
    token_cache_counts(access->cache, ret_hits, ret_misses);
}

/* --- What a request shows ----------------------------------------------------------------------- */

struct shown {
    const char *text; /* NULL: nothing */
    size_t size;
    const char *peer;
};

static enum access_fault fail(lode_error *error, enum access_fault fault, const char *text)
{
    (void)error_set(error, LODE_INVALID, "%s", text);
    return fault;
}

static enum access_fault read_bearer(const struct net_header *header, struct shown *shown,
                                     lode_error *error)
{
    static const char scheme[] = "Bearer ";
    size_t size = sizeof scheme - 1;
    if (header->value_size <= size || strncasecmp(header->value, scheme, size) != 0)
        return fail(error, ACCESS_UNKNOWN, "Authorization: Bearer, and a key or token, is needed");
    while (size < header->value_size && header->value[size] == ' ')
        size++;
    shown->text = header->value + size;
    shown->size = header->value_size - size;
    return ACCESS_OK;
}

/* Which of several counts would be a matter of taste: there must be one. */
static enum access_fault find_shown(const struct net_request *request, struct shown *ret_shown,
                                    lode_error *error)
{
    enum access_fault fault = ACCESS_OK;
    *ret_shown = (struct shown){.peer = request->peer};
    for (size_t i = 0; !fault && i < request->header_count; i++) {
        const struct net_header *header = &request->headers[i];
        int is_bearer = strcmp(header->name, "authorization") == 0;
        if (!is_bearer && strcmp(header->name, "x-api-key") != 0)
            continue;
        if (ret_shown->text)
            return fail(error, ACCESS_UNKNOWN, "more than one key or token is shown");
        if (is_bearer)
            fault = read_bearer(header, ret_shown, error);
        else
            *ret_shown = (struct shown){header->value, header->value_size, request->peer};
    }
    if (!fault && !ret_shown->text)
        return fail(error, ACCESS_MISSING,
                    "a key or token is needed: Authorization: Bearer ..., or X-Api-Key");
    return fault;
}

/* --- Keys --------------------------------------------------------------------------------------- */

static enum access_fault check_key(struct access *access, const struct shown *shown,
                                   struct principal **ret_principal, lode_error *error)
{
    char id[API_KEY_ID_SIZE + 1];
    uint8_t hash[SHA256_SIZE];
    enum access_fault fault = ACCESS_UNKNOWN;
    if (!api_key_read(shown->text, shown->size, id, hash))
        return fail(error, fault, "there is no such API key");
    uint64_t wall_us = clock_wall_us(access->options.clock);
    mutex_lock(&access->mutex);
    if (access->table)
        fault = key_table_check(access->table, id, hash, wall_us, ret_principal);
    if (!fault)
        principal_ref(*ret_principal);
    mutex_unlock(&access->mutex);
    OPENSSL_cleanse(hash, sizeof hash);
    if (!fault)
        return ACCESS_OK;
    return fail(error, fault,
                fault == ACCESS_REVOKED   ? "the API key is revoked"
                : fault == ACCESS_EXPIRED ? "the API key has expired"
                                          : "there is no such API key");
}

/* --- Tokens ------------------------------------------------------------------------------------- */

static lode_status new_token_principal(struct access *access,
                                       const struct access_settings *settings,
                                       const struct token_mark *mark, struct jwt_claims *claims,
                                       struct principal **ret_principal, lode_error *error)
{
    char id[17];
    for (size_t i = 0; i < sizeof id / 2; i++)
        snprintf(id + 2 * i, 3, "%02x", mark->hash[i]);
    const struct principal_seed seed = {.kind = PRINCIPAL_TOKEN,
                                        .expires_us = claims->expires_us,
                                        .name = claims->subject,
                                        .id = id,
                                        .grant = &claims->grant,
                                        .defaults = &settings->limits,
                                        .quotas = access->quotas,
                                        .now_us = clock_now_us(access->options.clock)};
    return principal_new(&seed, ret_principal, error);
}

/* What is no good is paid for by the address that it came from, so that nobody can keep a loop at signatures. */
static enum access_fault check_signed(struct access *access, const struct access_settings *settings,
                                      const struct jwt_request *request, const char *peer,
                                      struct jwt_claims *ret_claims, lode_error *error)
{
    int is_new_kid = 0;
    unsigned tries = 0;
    uint64_t now_us = clock_now_us(access->options.clock);
    struct jwt_request counted = *request;
    counted.ret_tries = &tries;
    if (!token_tries_may(access->tries, peer, now_us))
        return fail(error, ACCESS_RATE,
                    "token: too many that are not valid came from this address, or from all that "
                    "are not known; again in a second");
    enum access_fault fault = jwt_verify(&counted, ret_claims, &is_new_kid, error);
    if (is_new_kid)
        jwks_want_new(settings->jwks);
    const struct token_tried tried = {.peer = peer, .is_good = !fault, .count = tries};
    token_tries_end(access->tries, &tried, now_us);
    return fault;
}

static enum access_fault verify_token(struct access *access, const struct access_settings *settings,
                                      const struct jwt_request *request, const char *peer,
                                      struct token_mark *mark, struct principal **ret_principal,
                                      lode_error *error)
{
    struct jwt_claims claims;
    enum access_fault fault = check_signed(access, settings, request, peer, &claims, error);
    if (fault)
        return fault;
    if (new_token_principal(access, settings, mark, &claims, ret_principal, error))
        return ACCESS_UNKNOWN; /* out of memory */
    token_cache_put(access->cache, mark, claims.expires_us, *ret_principal);
    return ACCESS_OK;
}

static enum access_fault use_token(struct access *access, const struct access_settings *settings,
                                   const struct shown *shown, struct principal **ret_principal,
                                   lode_error *error)
{
    struct token_mark mark;
    struct jwt_keys *keys = jwks_keys(settings->jwks);
    const struct jwt_request request = {.keys = keys,
                                        .policy = &settings->policy,
                                        .text = shown->text,
                                        .size = shown->size,
                                        .now_us = clock_wall_us(access->options.clock)};
    enum access_fault fault = ACCESS_OK;
    mark.generation = settings->serial << 32 | (keys->generation & UINT32_MAX);
    if (sha256_of(shown->text, shown->size, mark.hash, error))
        fault = ACCESS_UNKNOWN; /* out of memory */
    else
        *ret_principal = token_cache_get(access->cache, &mark, request.now_us);
    if (!fault && !*ret_principal)
        fault = verify_token(access, settings, &request, shown->peer, &mark, ret_principal, error);
    jwt_keys_unref(keys);
    return fault;
}

static enum access_fault check_token(struct access *access, const struct access_settings *settings,
                                     const struct shown *shown, struct principal **ret_principal,
                                     lode_error *error)
{
    if (!settings->has_tokens || !jwt_is_like(shown->text, shown->size))
        return fail(error, ACCESS_UNKNOWN,
                    settings->has_tokens ? "that is neither an API key nor a token"
                                         : "that is no API key");
    return use_token(access, settings, shown, ret_principal, error);
}

static struct principal *anonymous_now(struct access *access)
{
    mutex_lock(&access->mutex);
    struct principal *anonymous = principal_ref(access->anonymous);
    mutex_unlock(&access->mutex);
    return anonymous;
}

enum access_fault access_check(struct access *access, const struct net_request *request,
                               struct principal **ret_principal, lode_error *error)
{
    struct shown shown = {.text = NULL};
    struct access_settings *settings = access_settings_now(access);
    enum access_fault fault = ACCESS_OK;
    *ret_principal = NULL;
    if (settings->is_off)
        *ret_principal = anonymous_now(access);
    else
        fault = find_shown(request, &shown, error);
    if (!fault && !settings->is_off)
        fault = api_key_is_like(shown.text, shown.size)
                    ? check_key(access, &shown, ret_principal, error)
                    : check_token(access, settings, &shown, ret_principal, error);
    access_settings_unref(settings);
    return fault;
}

int access_is_valid(struct access *access, const struct principal *principal)
{
    struct principal *now;
    uint64_t wall_us = clock_wall_us(access->options.clock);
    int is_valid = !principal->expires_us || wall_us < principal->expires_us;
    mutex_lock(&access->mutex);
    if (principal->kind == PRINCIPAL_ANONYMOUS)
        is_valid = access->settings->is_off;
    else if (principal->kind == PRINCIPAL_KEY)
        is_valid = access->table && key_table_check(access->table, principal->id, principal->hash,
                                                    wall_us, &now) == ACCESS_OK;
    mutex_unlock(&access->mutex);
    return is_valid;
}
