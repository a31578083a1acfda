/* access_grant.h: what somebody was granted, by a key or by a token: a role, and what it is narrowed to. */
#ifndef SERVER_ACCESS_GRANT_H
#define SERVER_ACCESS_GRANT_H

#include "server/access.h"

#define GRANT_PATTERNS_MAX    256            /* collections, and namespaces, of one grant */
#define GRANT_FILTER_SIZE_MAX 65536          /* bytes */
#define GRANT_RATE_MAX        1000000000000u /* requests or bytes a second */
#define GRANT_DEADLINE_MS_MAX 86400000u      /* a day */

struct grant {
    enum role role;
    struct config_strings collections; /* names, or prefixes that end with *; empty: all */
    struct config_strings namespaces;
    char *filter; /* NULL: none */
    struct config_limits limits;
};

/* One of the limits by its name, for reading, writing and checking all of them alike. */
struct grant_limit {
    const char *name; /* "requests_per_s" */
    size_t offset;    /* in struct config_limits */
    uint64_t max;
};
#define GRANT_LIMIT_COUNT 6
extern const struct grant_limit grant_limits[GRANT_LIMIT_COUNT];
uint64_t *grant_limit_at(struct config_limits *limits, size_t i);

void grant_release(struct grant *grant);

enum role role_of(const char *name); /* ROLE_NONE: there is none of that name */
const char *role_name(enum role role);

/* Append a copy of a pattern: a name of 1 to 128 bytes of UTF-8 without control characters and commas, whose last
 * character may be *. what: "collections", for the message. LODE_INVALID, LODE_LIMIT, LODE_NOMEM. */
NODISCARD lode_status grant_add_pattern(struct config_strings *patterns, const char *what,
                                        const char *text, size_t size, lode_error *error);
NODISCARD lode_status grant_set_filter(struct grant *grant, const char *text, size_t size,
                                       lode_error *error);
NODISCARD lode_status grant_copy_strings(const struct config_strings *from,
                                         struct config_strings *ret_to, lode_error *error);

/* Whether a name is among the patterns; no patterns: every name is. */
int grant_matches(const struct config_strings *patterns, const char *name);

#endif
