/* access_json.h: small JSON documents of keys, tokens and key sets, as trees (jansson): the strictest of parsers, and none of
 * these is on a hot path. Not to be included beside base/json.h: the two share names of constants. */
#ifndef SERVER_ACCESS_JSON_H
#define SERVER_ACCESS_JSON_H

#include "server/access_grant.h"

#include <jansson.h>

/* One object, nothing behind it, no key twice, no NUL in strings. LODE_INVALID names `what` and where it is wrong.
 * Release with json_decref. */
NODISCARD lode_status access_json_object(const char *text, size_t size, const char *what,
                                         json_t **ret_object, lode_error *error);

/* The members of these names; *ret_x stays as it is where the member is not there. LODE_INVALID: it is something else. */
NODISCARD lode_status access_json_text(const json_t *object, const char *name,
                                       const char **ret_text, lode_error *error);
NODISCARD lode_status access_json_u64(const json_t *object, const char *name, uint64_t max,
                                      uint64_t *ret_value, lode_error *error);
NODISCARD lode_status access_json_time(const json_t *object, const char *name, uint64_t *ret_us,
                                       lode_error *error);
/* A string, or an array of at least one. */
NODISCARD lode_status access_json_patterns(const json_t *object, const char *name,
                                           struct config_strings *patterns, lode_error *error);
/* Text of a filter, or an object that is one. */
NODISCARD lode_status access_json_filter(const json_t *object, const char *name,
                                         struct grant *grant, lode_error *error);
/* LODE_INVALID when it has a member that is none of `names`, which end with NULL. */
NODISCARD lode_status access_json_only(const json_t *object, const char *const *names,
                                       lode_error *error);

#endif
