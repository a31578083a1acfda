/* schema.h: what a collection's points look like: checking, defaults, copies. */
#ifndef ENGINE_SCHEMA_H
#define ENGINE_SCHEMA_H

#include "base/error.h"

#define SCHEMA_M_DEFAULT               16u
#define SCHEMA_EF_CONSTRUCTION_DEFAULT 200u
#define SCHEMA_SEED_DEFAULT            0x6c6f64652d736565ull /* any constant: "lode-see" */

/* Check a caller's schema and copy it, defaults filled in. Errors: LODE_INVALID, LODE_LIMIT (field,
 * value and limit named), LODE_NOMEM. */
NODISCARD lode_status schema_make(const lode_schema *given, lode_schema *ret_schema,
                                  lode_error *error);
/* A deep copy, as it is. */
NODISCARD lode_status schema_copy(const lode_schema *from, lode_schema *ret_schema,
                                  lode_error *error);
void schema_release(lode_schema *schema);

#endif
