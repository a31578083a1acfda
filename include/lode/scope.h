/* scope.h: handles that see a part of a collection: a namespace, or what a filter allows. Included by lode.h.
 *
 * A namespace is a collection within the collection, for a tenant, a user, a document: its points have ids of their own
 * (point 7 of "a" and point 7 of "b" are two points), and are seen through its handle alone. What is shared is schema,
 * text model, fields that filters know, snapshots and everything on disk: a million namespaces take no more than their points do.
 * Points written through the collection's own handle are in none, which is the default one.
 *
 * A restricted handle sees the points that its filter allows, as if there were no others.
 *
 * Work on the whole (flush, compaction, statistics, training, named snapshots made and dropped, what is below about namespaces)
 * is refused through both with LODE_INVALID. docs/namespaces.md. */
#ifndef LODE_SCOPE_H
#define LODE_SCOPE_H

#include "lode/filter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A handle of one namespace: everything read and written through it is in there. Opening creates nothing, the first
 * write does. name: 1 to LODE_NAMESPACE_SIZE_MAX bytes of UTF-8 without control characters. collection: its own
 * handle. Release with lode_collection_close, in any order.
 *
 * Request ids of writes are the namespace's own. Snapshots may be opened through any handle and read through any:
 * who reads one sees what his handle sees; its sequence and point count are those of the collection. */
LODE_NODISCARD LODE_API lode_status lode_namespace_open(lode_collection *collection,
                                                        const char *name,
                                                        lode_collection **ret_collection,
                                                        lode_error *error);

/* A handle through which only points are seen that meet the filter, and all filters that are bound to `collection`
 * already, which may be of a namespace: searches (`like` too), counts, facets, walks and lookups by id. Deletes and
 * patches by filter reach those points alone; every other write is LODE_UNSUPPORTED. The filter is copied
 * without its stop. Errors: those of filters; LODE_INVALID where filter.text is NULL. Release with lode_collection_close. */
LODE_NODISCARD LODE_API lode_status lode_collection_restrict(lode_collection *collection,
                                                             lode_filter filter,
                                                             lode_collection **ret_collection,
                                                             lode_error *error);

typedef struct lode_namespace_entry {
    const char *name;
    uint64_t points; /* that live: at least one */
} lode_namespace_entry;

typedef struct lode_namespace_list {
    const lode_namespace_entry *entries; /* by the bytes of their names */
    size_t entry_count;
} lode_namespace_list;

/* Those of the namespaces that have points whose names come after `after` (NULL: from the first on), at most `limit`
 * (0: 1,000): fewer are the last. The default one is not among them. Each call reads the namespaces of all rows.
 * Free with lode_namespace_list_free. */
LODE_NODISCARD LODE_API lode_status lode_namespace_list_get(lode_collection *collection,
                                                            const char *after, size_t limit,
                                                            lode_namespace_list **ret_list,
                                                            lode_error *error);
LODE_API void lode_namespace_list_free(lode_namespace_list *list); /* NULL is allowed */

typedef struct lode_namespace_stats {
    uint64_t points;       /* that live; 0: there is no such namespace */
    uint64_t vector_bytes; /* of their vectors, as they are stored */
} lode_namespace_stats;

LODE_NODISCARD LODE_API lode_status lode_namespace_stats_get(lode_collection *collection,
                                                             const char *name,
                                                             lode_namespace_stats *ret_stats,
                                                             lode_error *error);

/* Delete all points of a namespace at once: one atomic and durable write, however many they are, which ret_info, if
 * not NULL, tells. Writes that begin later find the namespace empty. Space comes back by compaction, as with any
 * delete. Request ids that were used there stay known as long as they would have. LODE_NOT_FOUND when it has no points. */
LODE_NODISCARD LODE_API lode_status lode_namespace_drop(lode_collection *collection,
                                                        const char *name, lode_write_info *ret_info,
                                                        lode_error *error);

#ifdef __cplusplus
}
#endif

#endif /* LODE_SCOPE_H */
