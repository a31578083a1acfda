/* namespaces.h: the namespaces of a collection that a principal may see, page by page. */
#ifndef SERVER_NAMESPACES_H
#define SERVER_NAMESPACES_H

#include "server/call.h"

#define NAMESPACES_LIMIT_MAX 10000 /* of a page */

struct namespace_page {
    size_t limit, count;
    char after[LODE_NAMESPACE_SIZE_MAX + 1]; /* the last name that was looked at; "": none */
    bool is_last;
    void (*put)(void *context, const lode_namespace_entry *entry);
    void *context;
};

/* Give `put` up to limit entries behind `after`. Afterwards `after` is the name to go on behind, one that was put, unless
 * is_last: names that the principal may not see are never told, by no page's end either. It takes as many of the engine's pages as
 * that needs. */
NODISCARD lode_status namespaces_read(const struct call *call, lode_collection *collection,
                                      struct namespace_page *page, lode_error *error);

#endif
