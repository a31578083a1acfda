/* verify.c: lode_verify. */
#include "base/error.h"

lode_status lode_verify(const char *path, const lode_verify_options *options, lode_error *error)
{
    (void)options;
    if (!path)
        return error_set(error, LODE_INVALID, "path is NULL");
    return error_set(error, LODE_UNSUPPORTED, "verification is not in this build");
}
