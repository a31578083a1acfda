/* verify.h: lode_verify. */
#ifndef ENGINE_VERIFY_H
#define ENGINE_VERIFY_H

#include "os/vfs.h"

/* Contract: lode.h. */
NODISCARD lode_status verify_database(struct vfs *vfs, const char *path,
                                      const lode_verify_options *options, lode_error *error);

#endif
