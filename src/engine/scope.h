/* scope.h: which points of a collection there are for a handle: those of one namespace, which meet all filters that
 * are bound to it. */
#ifndef ENGINE_SCOPE_H
#define ENGINE_SCOPE_H

#include "base/arena.h"
#include "storage/version.h"
#include "storage/id.h"

struct scope { /* constant; zeros: the default namespace, without filters */
    struct id_namespace space;
    const lode_filter *bounds;
    size_t bound_count;
    int everything; /* of all namespaces: of no caller */
};

/* The namespace that reads of a version are to be narrowed to; NULL: they are not, it has no other. */
const struct id_namespace *scope_space(const struct scope *scope, const struct version *version);

/* Handles of a part of what another one sees; its scope is copied. Released with handle_close. The namespace's name
 * is checked, the filter, which is bound behind those of `from`, is read: errors as filtering_read. */
NODISCARD lode_status scope_open_namespace(const lode_collection *from,
                                           const struct id_namespace *space,
                                           lode_collection **ret_handle, lode_error *error);
NODISCARD lode_status scope_restrict(const lode_collection *from, const lode_filter *filter,
                                     lode_collection **ret_handle, lode_error *error);

/* Whether it is the collection's own, without filters. */
int scope_sees_all(const lode_collection *handle);
/* Whether it is the collection's own handle: LODE_INVALID. what: "lode_flush". */
NODISCARD lode_status scope_check_whole(const lode_collection *handle, const char *what,
                                        lode_error *error);
/* Whether points may be written by id: LODE_UNSUPPORTED. */
NODISCARD lode_status scope_check_write(const lode_collection *handle, lode_error *error);

#endif
