/* namespaces.h: which namespaces a collection has. Contracts: lode/scope.h; arguments are checked. */
#ifndef ENGINE_NAMESPACES_H
#define ENGINE_NAMESPACES_H

#include "engine/collection.h"

/* after: size 0: from the first on. */
NODISCARD lode_status namespaces_list(struct collection *collection,
                                      const struct id_namespace *after, size_t limit,
                                      lode_namespace_list **ret_list, lode_error *error);
void namespaces_list_free(lode_namespace_list *list); /* NULL is allowed */
NODISCARD lode_status namespaces_stats(struct collection *collection,
                                       const struct id_namespace *space,
                                       lode_namespace_stats *ret_stats, lode_error *error);

#endif
