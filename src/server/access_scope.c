/* access_scope.c: what a principal may do, and how much of it. */
#include "server/access_grant.h"
#include "server/quota.h"

#include <stdarg.h>
#include <stdio.h>

static enum access_fault refuse(lode_error *error, enum access_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum access_fault refuse(lode_error *error, enum access_fault fault, const char *format, ...)
{
    lode_error text = {.status = LODE_INVALID};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text.message, sizeof text.message, format, arguments);
    va_end(arguments);
    if (error)
        *error = text;
    return fault;
}

int principal_sees(const struct principal *principal, const char *collection)
{
    return grant_matches(&principal->collections, collection);
}

static int is_narrowed(const struct principal *principal)
{
    return principal->namespaces.count > 0 || principal->filter;
}

static enum access_fault refuse_whole(const struct principal *principal, const char *of_what,
                                      lode_error *error)
{
    return refuse(
        error, ACCESS_NAMESPACE, "%s is for %s, and this is about the whole %s", principal->name,
        principal->namespaces.count ? "some namespaces" : "what a filter allows", of_what);
}

static enum access_fault may_database(const struct principal *principal, enum role needed,
                                      lode_error *error)
{
    if (needed == ROLE_READ) /* lists, of what it sees */
        return ACCESS_OK;
    if (principal->collections.count > 0)
        return refuse(error, ACCESS_COLLECTION,
                      "%s is for some collections, and this is about the whole database",
                      principal->name);
    if (is_narrowed(principal))
        return refuse_whole(principal, "database", error);
    return ACCESS_OK;
}

static enum access_fault may_namespace(const struct principal *principal, enum role needed,
                                       const char *namespace_, lode_error *error)
{
    /* The default namespace has no name, so that no pattern means it. */
    if (principal->namespaces.count > 0 &&
        (!*namespace_ || !grant_matches(&principal->namespaces, namespace_)))
        return *namespace_
                   ? refuse(error, ACCESS_NAMESPACE, "%s is not for namespace '%.80s'",
                            principal->name, namespace_)
                   : refuse(error, ACCESS_NAMESPACE, "%s is for some namespaces: one must be named",
                            principal->name);
    if (principal->filter && needed > ROLE_WRITE)
        return refuse_whole(principal, "namespace", error);
    return ACCESS_OK;
}

enum access_fault principal_may(const struct principal *principal, enum role needed,
                                const char *collection, const char *namespace_, lode_error *error)
{
    if (needed == ROLE_NONE)
        return ACCESS_OK;
    if (principal->role < needed)
        return refuse(error, ACCESS_ROLE, "%s has the role %s, and this needs %s", principal->name,
                      role_name(principal->role), role_name(needed));
    if (!collection)
        return may_database(principal, needed, error);
    if (!principal_sees(principal, collection))
        return refuse(error, ACCESS_COLLECTION, "%s is not for collection '%.80s'", principal->name,
                      collection);
    if (namespace_)
        return may_namespace(principal, needed, namespace_, error);
    return is_narrowed(principal) ? refuse_whole(principal, "collection", error) : ACCESS_OK;
}

static enum access_fault is_taken(const struct principal *principal, uint64_t retry_ms,
                                  lode_error *error)
{
    if (!retry_ms)
        return ACCESS_OK;
    return refuse(
        error, ACCESS_RATE,
        "%s asks for too much: limits are %llu requests and %llu bytes a second; again in "
        "%llu ms",
        principal->name, (unsigned long long)principal->limits.requests_per_s,
        (unsigned long long)principal->limits.bytes_per_s, (unsigned long long)retry_ms);
}

enum access_fault principal_take(struct principal *principal, uint64_t body_bytes, uint64_t now_us,
                                 uint64_t *ret_retry_ms, lode_error *error)
{
    *ret_retry_ms = quota_request(principal->quota, body_bytes, now_us);
    return is_taken(principal, *ret_retry_ms, error);
}

enum access_fault principal_take_body(struct principal *principal, uint64_t bytes, uint64_t now_us,
                                      uint64_t *ret_retry_ms, lode_error *error)
{
    *ret_retry_ms = quota_body(principal->quota, bytes, now_us);
    return is_taken(principal, *ret_retry_ms, error);
}

void principal_take_queries(struct principal *principal, uint64_t queries, uint64_t now_us)
{
    if (queries > 1)
        quota_more(principal->quota, queries - 1, now_us);
}

uint64_t principal_take_bytes(struct principal *principal, uint64_t bytes, uint64_t now_us)
{
    return quota_bytes(principal->quota, bytes, now_us);
}
