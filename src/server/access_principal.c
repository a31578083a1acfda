/* access_principal.c: who asks, as an object that all his requests share. */
#include "server/access_grant.h"
#include "server/access_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A key's own limits come before the server's. */
static struct config_limits merged(const struct config_limits *own,
                                   const struct config_limits *defaults)
{
    struct config_limits limits = *own, others = *defaults;
    for (size_t i = 0; i < GRANT_LIMIT_COUNT; i++)
        if (!*grant_limit_at(&limits, i))
            *grant_limit_at(&limits, i) = *grant_limit_at(&others, i);
    return limits;
}

static void set_caller(struct principal *principal)
{
    char *caller = principal->caller;
    switch (principal->kind) {
    case PRINCIPAL_ANONYMOUS: snprintf(caller, sizeof principal->caller, "anonymous"); break;
    case PRINCIPAL_KEY: snprintf(caller, sizeof principal->caller, "key:%s", principal->id); break;
    case PRINCIPAL_TOKEN:
        snprintf(caller, sizeof principal->caller, "token:%s", principal->name);
        break;
    }
}

const char *principal_id(const struct principal *principal, enum principal_kind kind)
{
    return principal && principal->kind == kind && *principal->id ? principal->id : NULL;
}

lode_status principal_new(const struct principal_seed *seed, struct principal **ret_principal,
                          lode_error *error)
{
    struct principal *principal = calloc(1, sizeof *principal);
    if (!principal) {
        grant_release(seed->grant);
        return error_nomem(error, "a principal", sizeof *principal);
    }
    snprintf(principal->name, sizeof principal->name, "%s", seed->name);
    snprintf(principal->id, sizeof principal->id, "%s", seed->id);
    principal->kind = seed->kind;
    principal->expires_us = seed->expires_us;
    if (seed->hash)
        memcpy(principal->hash, seed->hash, sizeof principal->hash);
    set_caller(principal);
    principal->role = seed->grant->role;
    principal->collections = seed->grant->collections;
    principal->namespaces = seed->grant->namespaces;
    principal->filter = seed->grant->filter;
    principal->limits = merged(&seed->grant->limits, seed->defaults);
    *seed->grant = (struct grant){.role = principal->role};
    atomic_init(&principal->references, 1);
    struct quota_rates rates = {principal->limits.requests_per_s, principal->limits.bytes_per_s};
    lode_status status =
        quotas_take(seed->quotas, principal->caller, rates, seed->now_us, &principal->quota, error);
    if (status)
        principal_give(seed->quotas, principal);
    else
        *ret_principal = principal;
    return status;
}

/* Relaxed: whoever takes another reference has one, or the lock of who has. */
struct principal *principal_ref(struct principal *principal)
{
    atomic_fetch_add_explicit(&principal->references, 1, memory_order_relaxed);
    return principal;
}

/* Acquire and release: what others did with it comes before it is freed. */
void principal_give(struct quotas *quotas, struct principal *principal)
{
    if (!principal ||
        atomic_fetch_sub_explicit(&principal->references, 1, memory_order_acq_rel) != 1)
        return;
    struct grant grant = {.collections = principal->collections,
                          .namespaces = principal->namespaces,
                          .filter = principal->filter};
    quota_give(quotas, principal->quota);
    grant_release(&grant);
    free(principal);
}
