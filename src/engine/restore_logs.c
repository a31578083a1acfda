#include "engine/restore.h"
lode_status restoring_choose_state(struct restoring *restoring, lode_error *error)
{
    (void)restoring;
    return error_set(error, LODE_UNSUPPORTED, "not yet");
}
lode_status restoring_write_logs(struct restoring *restoring, const char *dir, const char *scratch,
                                 lode_error *error)
{
    (void)restoring, (void)dir, (void)scratch;
    return error_set(error, LODE_UNSUPPORTED, "not yet");
}
