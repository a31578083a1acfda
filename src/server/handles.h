/* handles.h: collections held open between calls: of each a handle of its own, and one for every namespace and row filter
 * in use, all counted. Those of parts that are not used are closed, the oldest first, once there are more than HANDLES_MAX
 * of them; a collection's own stays, since opening the first one reads its log. A collection that is dropped is given no
 * more, and closed when the last call gives its handle back. Collections and aliases are made and dropped through here
 * alone, so that what is held agrees with the catalog. Thread-safe. */
#ifndef SERVER_HANDLES_H
#define SERVER_HANDLES_H

#include "base/error.h"
#include "server/access.h"

#define HANDLES_MAX          4096
#define HANDLES_DROP_WAIT_MS 10000 /* for calls that have a collection that is to be dropped */

struct handles;

struct handle {
    const char *name;            /* of the collection, whatever alias it was taken by */
    lode_collection *collection; /* what the principal may see of the namespace: not to be closed */
    const lode_schema *schema;
};

NODISCARD lode_status handles_open(lode_db *db, struct handles **ret_handles, lode_error *error);
/* All must have been given back. NULL is allowed. */
void handles_close(struct handles *handles);

/* Told while all are opened, by the thread that does. */
struct handles_watch {
    void *context;
    void (*failed)(void *context, const char *collection, const lode_error *error);
    void (*progress)(void *context, size_t done, size_t total); /* of names in the catalog */
};
/* Open every collection, which replays its log. What cannot be opened is told, and tried again when it is asked for. */
NODISCARD lode_status handles_open_all(struct handles *handles, const struct handles_watch *watch,
                                       lode_error *error);

/* The collection (or alias) as who sees it: its namespace (NULL or "": the default one), its filter bound; who NULL: all of
 * it. Give it back with handles_give. LODE_NOT_FOUND. Whether who may see it at all is principal_may's business. A filter
 * that cannot be bound is LODE_UNSUPPORTED: nothing may be seen then. */
NODISCARD lode_status handles_take(struct handles *handles, const char *collection,
                                   const char *namespace_, const struct principal *who,
                                   const struct handle **ret_handle, lode_error *error);
void handles_give(struct handles *handles, const struct handle *handle); /* NULL is allowed */
/* Somebody waits for its collection to be dropped: long work should end. */
bool handle_is_unwanted(const struct handle *handle);
/* The same as an error: LODE_BUSY. */
NODISCARD lode_status handle_check_wanted(const struct handle *handle, lode_error *error);

/* How often what was asked for was open already, and how often it had to be opened; since handles_open. */
void handles_counts(struct handles *handles, uint64_t *ret_hits, uint64_t *ret_misses);

/* The collection that the name stands for: itself, or what the alias points at. Into ret_name. */
#define HANDLES_NAME_SIZE (LODE_NAME_SIZE_MAX + 1)
void handles_resolve(struct handles *handles, const char *name, char ret_name[HANDLES_NAME_SIZE]);

/* As lode_collection_create. */
NODISCARD lode_status handles_create(struct handles *handles, const char *collection,
                                     const lode_schema *schema, lode_error *error);
/* As lode_alias_set. */
NODISCARD lode_status handles_alias(struct handles *handles, const char *alias, const char *target,
                                    lode_error *error);
/* Drop the collection: nobody is given it from now on, and it goes when the last handle has been given back. LODE_BUSY
 * when that takes longer than wait_ms: then it is as if nothing had been asked for. LODE_NOT_FOUND for an alias too. */
NODISCARD lode_status handles_drop(struct handles *handles, const char *collection,
                                   unsigned wait_ms, lode_error *error);

#endif
