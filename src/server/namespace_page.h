/* namespace_page.h: a page of the namespaces that somebody sees, which may take several of the engine's: names of others are
 * not told, not as where the next page begins either. */
#ifndef SERVER_NAMESPACE_PAGE_H
#define SERVER_NAMESPACE_PAGE_H

#include "server/call.h"

#define NAMESPACES_MAX     10000 /* of a page */
#define NAMESPACES_DEFAULT 1000

struct namespace_page {
    size_t limit, count;
    char after[LODE_NAMESPACE_SIZE_MAX + 1]; /* the last name that was looked at; "": none */
    bool is_last; /* else `after` was told, and the next page begins behind it */
};

/* after NULL or "": from the first on. False, and the call has failed. */
bool namespace_page_init(struct namespace_page *page, struct call *call, const char *after,
                         size_t limit);
/* tell: of each. */
NODISCARD lode_status namespace_page_read(struct namespace_page *page, const struct call *call,
                                          lode_collection *collection,
                                          void (*tell)(void *context,
                                                       const lode_namespace_entry *entry),
                                          void *context, lode_error *error);

#endif
