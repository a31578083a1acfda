/* api_check.c: see api_check.h. */
#include "engine/api_check.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"

lode_status check_count(const char *what, uint64_t value, uint64_t max, lode_error *error)
{
    if (value <= max)
        return LODE_OK;
    return error_set(error, LODE_LIMIT, "%s is %" PRIu64 ": at most %" PRIu64, what, value, max);
}

lode_status check_filter_size(const char *filter, size_t size, lode_error *error)
{
    if (filter || size == 0)
        return LODE_OK;
    return error_set(error, LODE_INVALID, "filter is NULL, filter_size is %zu", size);
}

lode_status check_field_path(const char *what, const char *path, lode_error *error)
{
    size_t size = strlen(path);
    if (utf8_valid_prefix(path, size) == size)
        return LODE_OK;
    return error_set(error, LODE_INVALID, "%s is not UTF-8", what);
}
