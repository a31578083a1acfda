/* json_merge.h: one JSON object changed by another. */
#ifndef BASE_JSON_MERGE_H
#define BASE_JSON_MERGE_H

#include "base/buf.h"

enum json_merge_depth {
    JSON_MERGE_TOP,  /* a member of the patch replaces the one of its name, whole */
    JSON_MERGE_DEEP, /* RFC 7386: objects are merged member by member, at every depth */
};

/* Append to `out` what `target` becomes by `patch`: members that the patch names are replaced in their
 * place, or added behind the others in its order; those it names with null are removed. What it does
 * not name stays byte for byte.
 * Both are objects that json_validate accepts, but for names that the patch may have twice, all
 * of them null; target_size 0 stands for {}. The result is such an object, no deeper than the deeper
 * of both. Takes time n log n in their members. LODE_LIMIT when `out` has no room, LODE_NOMEM. */
NODISCARD lode_status json_merge(const char *target, size_t target_size, const char *patch,
                                 size_t patch_size, enum json_merge_depth depth, struct buf *out,
                                 lode_error *error);

#endif
