/* access_grant.c: see access_grant.h. */
#include "server/access_grant.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

const struct grant_limit grant_limits[GRANT_LIMIT_COUNT] = {
    {"requests_per_s", offsetof(struct config_limits, requests_per_s), GRANT_RATE_MAX},
    {"bytes_per_s", offsetof(struct config_limits, bytes_per_s), GRANT_RATE_MAX},
    {"points", offsetof(struct config_limits, points), LODE_BATCH_MAX},
    {"k", offsetof(struct config_limits, k), LODE_K_MAX},
    {"batch", offsetof(struct config_limits, batch), LODE_SEARCH_BATCH_MAX},
    {"deadline_ms", offsetof(struct config_limits, deadline_ms), GRANT_DEADLINE_MS_MAX},
};

uint64_t *grant_limit_at(struct config_limits *limits, size_t i)
{
    return (uint64_t *)(void *)((char *)limits + grant_limits[i].offset);
}

static void release_strings(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct config_strings){.items = NULL};
}

void grant_release(struct grant *grant)
{
    release_strings(&grant->collections);
    release_strings(&grant->namespaces);
    free(grant->filter);
    *grant = (struct grant){.role = ROLE_NONE};
}

static const char *const role_names[] = {"none", "read", "write", "admin"};

enum role role_of(const char *name)
{
    for (int role = ROLE_READ; role <= ROLE_ADMIN; role++)
        if (strcmp(role_names[role], name) == 0)
            return (enum role)role;
    return ROLE_NONE;
}

const char *role_name(enum role role)
{
    return role_names[role];
}

static const char *pattern_fault(const char *text, size_t size)
{
    if (size == 0 || size > LODE_NAMESPACE_SIZE_MAX)
        return "it has 1 to 128 bytes";
    if (utf8_valid_prefix(text, size) != size)
        return "it is not UTF-8";
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f || text[i] == ',')
            return "it has no control characters and no commas";
        if (text[i] == '*' && i + 1 < size)
            return "* stands at its end only";
    }
    return NULL;
}

static lode_status add_string(struct config_strings *strings, const char *text, size_t size,
                              lode_error *error)
{
    char **items = realloc(strings->items, (strings->count + 1) * sizeof *items);
    if (!items)
        return error_nomem(error, "a name", size);
    strings->items = items;
    char *copy = strndup(text, size);
    if (!copy)
        return error_nomem(error, "a name", size);
    items[strings->count++] = copy;
    return LODE_OK;
}

lode_status grant_add_pattern(struct config_strings *patterns, const char *what, const char *text,
                              size_t size, lode_error *error)
{
    const char *fault = pattern_fault(text, size);
    if (fault)
        return error_set(error, LODE_INVALID, "%s[%zu] '%.*s': %s", what, patterns->count,
                         (int)(size < 128 ? size : 128), text, fault);
    if (patterns->count == GRANT_PATTERNS_MAX)
        return error_set(error, LODE_LIMIT, "%s: more than %d", what, GRANT_PATTERNS_MAX);
    return add_string(patterns, text, size, error);
}

lode_status grant_set_filter(struct grant *grant, const char *text, size_t size, lode_error *error)
{
    if (size == 0 || size > GRANT_FILTER_SIZE_MAX)
        return error_set(error, LODE_INVALID, "filter of %zu bytes: 1 to %d", size,
                         GRANT_FILTER_SIZE_MAX);
    if (utf8_valid_prefix(text, size) != size || memchr(text, 0, size))
        return error_set(error, LODE_INVALID, "filter: not UTF-8 without NUL");
    char *copy = strndup(text, size);
    if (!copy)
        return error_nomem(error, "a filter", size);
    free(grant->filter);
    grant->filter = copy;
    return LODE_OK;
}

lode_status grant_copy_strings(const struct config_strings *from, struct config_strings *ret_to,
                               lode_error *error)
{
    struct config_strings to = {.items = NULL};
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < from->count; i++)
        status = add_string(&to, from->items[i], strlen(from->items[i]), error);
    if (status)
        release_strings(&to);
    else
        *ret_to = to;
    return status;
}

static int pattern_matches(const char *pattern, const char *name)
{
    size_t size = strlen(pattern);
    if (size > 0 && pattern[size - 1] == '*')
        return strncmp(pattern, name, size - 1) == 0;
    return strcmp(pattern, name) == 0;
}

int grant_matches(const struct config_strings *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (pattern_matches(patterns->items[i], name))
            return 1;
    return patterns->count == 0;
}
