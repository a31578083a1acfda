/* patch.h: changes of a point that keep its vector: checked and encoded on the caller's thread. What
 * becomes of the point is found where batches are applied (storage/apply.h). */
#ifndef ENGINE_PATCH_H
#define ENGINE_PATCH_H

#include "storage/batch.h"

/* Its id is checked. LODE_INVALID, LODE_LIMIT. That declared fields of the patch are of their types is
 * enough for those of the result: what a patch names it replaces. */
NODISCARD lode_status patch_check(const lode_schema *schema, const lode_write_op *op,
                                  lode_error *error);
/* Of any point. LODE_INVALID. */
NODISCARD lode_status expiry_check(uint64_t expires_at_ms, lode_error *error);
/* Append one that has been checked to a batch. `encoded` has its id and condition, and is used up. */
NODISCARD lode_status patch_encode(const lode_write_op *op, struct op *encoded, struct buf *batch,
                                   lode_error *error);

#endif
