/* snapshot.c: a version that the caller holds. */
#include <stdlib.h>

#include "engine/read.h"

lode_status snapshot_open(struct lode_collection *collection, lode_snapshot **ret_snapshot,
                          lode_error *error)
{
    lode_snapshot *snapshot = malloc(sizeof *snapshot);
    if (!snapshot)
        return error_nomem(error, "a snapshot", sizeof *snapshot);
    db_retain(collection);
    *snapshot = (lode_snapshot){.collection = collection, .version = collection_pin(collection)};
    atomic_fetch_add_explicit(&collection->snapshots, 1, memory_order_relaxed);
    *ret_snapshot = snapshot;
    return LODE_OK;
}

void snapshot_close(lode_snapshot *snapshot)
{
    version_unref(snapshot->version);
    atomic_fetch_sub_explicit(&snapshot->collection->snapshots, 1, memory_order_relaxed);
    db_release(snapshot->collection);
    free(snapshot);
}

lode_status snapshot_pin(struct lode_collection *collection, const lode_snapshot *snapshot,
                         struct version **ret_version, lode_error *error)
{
    if (snapshot && snapshot->collection != collection)
        return error_set(error, LODE_INVALID,
                         "snapshot is of collection '%s', the read is of collection '%s'",
                         snapshot->collection->name, collection->name);
    *ret_version = snapshot ? version_ref(snapshot->version) : collection_pin(collection);
    return LODE_OK;
}
