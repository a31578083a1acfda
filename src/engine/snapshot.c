/* snapshot.c: a version that the caller holds. */
#include <stdlib.h>

#include "engine/read.h"

void snapshot_begin(struct collection *collection, lode_snapshot *snapshot)
{
    *snapshot = (lode_snapshot){.collection = collection};
    db_retain(collection);
    atomic_fetch_add_explicit(&collection->snapshots, 1, memory_order_relaxed);
}

lode_status snapshot_open(struct collection *collection, lode_snapshot **ret_snapshot,
                          lode_error *error)
{
    lode_snapshot *snapshot = malloc(sizeof *snapshot);
    if (!snapshot)
        return error_nomem(error, "a snapshot", sizeof *snapshot);
    snapshot_begin(collection, snapshot);
    lode_status status =
        collection_pin_now(collection, &snapshot->version, &snapshot->model, error);
    if (status) {
        snapshot_close(snapshot);
        return status;
    }
    *ret_snapshot = snapshot;
    return LODE_OK;
}

void snapshot_end(lode_snapshot *snapshot)
{
    version_unref(snapshot->version);
    text_model_unref(snapshot->model);
    pins_drop(&snapshot->collection->store, snapshot->pins, snapshot->pin_count);
    free(snapshot->pins);
    atomic_fetch_sub_explicit(&snapshot->collection->snapshots, 1, memory_order_relaxed);
    db_release(snapshot->collection);
}

void snapshot_close(lode_snapshot *snapshot)
{
    snapshot_end(snapshot);
    free(snapshot);
}

static lode_status check_snapshot(const struct collection *collection,
                                  const lode_snapshot *snapshot, lode_error *error)
{
    if (!snapshot || snapshot->collection == collection)
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "snapshot is of collection '%s', the read is of collection '%s'",
                     snapshot->collection->name, collection->name);
}

lode_status snapshot_pin(struct collection *collection, const lode_snapshot *snapshot,
                         struct version **ret_version, lode_error *error)
{
    lode_status status = check_snapshot(collection, snapshot, error);
    if (status || !snapshot)
        return status ? status : collection_pin_now(collection, ret_version, NULL, error);
    *ret_version = version_ref(snapshot->version);
    return LODE_OK;
}

lode_status snapshot_pin_model(struct collection *collection, const lode_snapshot *snapshot,
                               struct version **ret_version, struct text_model **ret_model,
                               lode_error *error)
{
    lode_status status = check_snapshot(collection, snapshot, error);
    if (status || !snapshot)
        return status ? status : collection_pin_now(collection, ret_version, ret_model, error);
    *ret_version = version_ref(snapshot->version);
    *ret_model = text_model_ref(snapshot->model);
    return LODE_OK;
}
