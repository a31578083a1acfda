/* handles.h: collections held open between calls: of each a handle, one for every namespace and row filter in use, all
 * counted; those not used for long are closed (at most HANDLES_MAX are kept). A collection that is dropped is given no
 * more, and closed when the last call gives its handle back. Thread-safe. */
#ifndef SERVER_HANDLES_H
#define SERVER_HANDLES_H

#include "base/error.h"
#include "server/access.h"

struct handles;

struct handle {
    lode_collection *collection; /* what the principal may see of the namespace: not to be closed */
    const lode_schema *schema;
};

NODISCARD lode_status handles_new(lode_db *db, struct handles **ret_handles, lode_error *error);
/* All must have been given back. */
void handles_free(struct handles *handles);

/* The collection (or alias) as who sees it: its namespace (NULL or "": the default one), its filter bound. Give it back
 * with handles_give. LODE_NOT_FOUND. Whether who may see it at all is principal_may's business. */
NODISCARD lode_status handles_take(struct handles *handles, const char *collection,
                                   const char *namespace_, const struct principal *who,
                                   const struct handle **ret_handle, lode_error *error);
void handles_give(struct handles *handles, const struct handle *handle); /* NULL is allowed */

/* Drop the collection: at once for everybody who comes later, on the disk when the last handle is given back or after
 * wait_ms; LODE_BUSY then. */
NODISCARD lode_status handles_drop(struct handles *handles, const char *collection,
                                   unsigned wait_ms, lode_error *error);

#endif
