/* api_check.h: checks of arguments that public functions share. */
#ifndef ENGINE_API_CHECK_H
#define ENGINE_API_CHECK_H

#include "base/error.h"

/* LODE_INVALID: "request is NULL". */
static inline lode_status is_null(const char *what, lode_error *error)
{
    return error_set(error, LODE_INVALID, "%s is NULL", what);
}
/* LODE_LIMIT. */
NODISCARD lode_status check_count(const char *what, uint64_t value, uint64_t max,
                                  lode_error *error);
/* The path of a field: LODE_INVALID when it is not UTF-8, as nothing is that messages quote. */
NODISCARD lode_status check_field_path(const char *what, const char *path, lode_error *error);
/* A filter as requests have it, in two members: LODE_INVALID. */
NODISCARD lode_status check_filter_size(const char *filter, size_t size, lode_error *error);

#endif
