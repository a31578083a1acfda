/* metadata.h: is this a point's metadata? One JSON object, and its declared fields of their types. */
#ifndef ENGINE_METADATA_H
#define ENGINE_METADATA_H

#include "base/error.h"

/* LODE_SCHEMA names the field, the type wanted and what was found; LODE_LIMIT when too long. NULL
 * with size 0 is no metadata, and valid. */
NODISCARD lode_status metadata_check(const lode_schema *schema, const char *metadata, size_t size,
                                     lode_error *error);

#endif
