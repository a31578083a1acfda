/* collection.c: the object: making, loading, stopping; its current version and its growing segment. */
#include "engine/collection.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/files.h"
#include "engine/logs.h"
#include "engine/pressure.h"
#include "engine/recover.h"
#include "engine/schema.h"
#include "engine/text.h"

/* --- Versions ---------------------------------------------------------------------------------- */

struct version *collection_pin(struct collection *collection)
{
    mutex_lock(&collection->pin_mutex);
    struct version *version = version_ref(collection->version);
    mutex_unlock(&collection->pin_mutex);
    return version;
}

/* The caller holds pin_mutex. */
static struct version *best(struct collection *collection)
{
    return collection->expired ? collection->expired : collection->version;
}

/* The model changes only while there are no points: between two locks a version with points of one
 * model could be paired with the next. */
static struct version *pin_best(struct collection *collection, struct text_model **ret_model)
{
    mutex_lock(&collection->pin_mutex);
    struct version *version = version_ref(best(collection));
    if (ret_model)
        *ret_model = text_model_ref(collection->model);
    mutex_unlock(&collection->pin_mutex);
    return version;
}

struct version *collection_pin_model(struct collection *collection, struct text_model **ret_model)
{
    mutex_lock(&collection->pin_mutex);
    struct version *version = version_ref(collection->version);
    *ret_model = text_model_ref(collection->model);
    mutex_unlock(&collection->pin_mutex);
    return version;
}

/* Keep what was made from `from` for other readers, unless there is something newer. */
static void keep_expired(struct collection *collection, const struct version *from,
                         struct version *expired)
{
    struct version *old = NULL;
    mutex_lock(&collection->pin_mutex);
    if (best(collection) == from) {
        old = collection->expired;
        collection->expired = version_ref(expired);
    }
    mutex_unlock(&collection->pin_mutex);
    version_unref(old);
}

uint64_t collection_now_ms(const struct collection *collection)
{
    return clock_wall_us(collection->db->clock) / 1000;
}

lode_status collection_pin_now(struct collection *collection, struct version **ret_version,
                               struct text_model **ret_model, lode_error *error)
{
    struct version *from = pin_best(collection, ret_model), *expired;
    uint64_t now = from->expires_next_ms == EXPIRES_NONE ? 0 : collection_now_ms(collection);
    if (from->expires_next_ms > now) {
        *ret_version = from;
        return LODE_OK;
    }
    lode_status status = version_expire(from, now, &expired, error);
    if (!status) {
        keep_expired(collection, from, expired);
        *ret_version = expired;
    } else if (ret_model) {
        text_model_unref(*ret_model);
    }
    version_unref(from);
    return status;
}

lode_status collection_expire(struct collection *collection, uint64_t now_ms, lode_error *error)
{
    struct version *expired;
    if (collection->version->expires_next_ms > now_ms)
        return LODE_OK;
    lode_status status = version_expire(collection->version, now_ms, &expired, error);
    if (!status)
        collection_publish(collection, expired);
    return status;
}

void collection_publish(struct collection *collection, struct version *own_version)
{
    version_settle(own_version);
    mutex_lock(&collection->pin_mutex);
    struct version *old = collection->version, *old_expired = collection->expired;
    collection->version = own_version;
    collection->expired = NULL;
    mutex_unlock(&collection->pin_mutex);
    version_unref(old_expired);
    version_unref(old); /* perhaps the last: it may unmap and remove files */
}

/* --- The growing segment ----------------------------------------------------------------------- */

struct growing_options collection_growing_options(const struct collection *collection,
                                                  uint64_t number)
{
    return (struct growing_options){
        .space = &collection->store.space,
        .number = number,
        .bytes_max = pressure_growing_bytes(collection),
        .use_graph = collection->store.index == LODE_INDEX_HNSW,
        .overlay_rows_min = collection->db->overlay_rows_min,
        .params = collection->store.params,
    };
}

static lode_status show_growing(struct collection *collection, struct segment *segment,
                                lode_error *error)
{
    struct version *version = version_extend(collection->version, 1);
    if (!version)
        return error_nomem(error, "a version", sizeof *version);
    version->views[version->view_count - 1].segment = segment_ref(segment);
    collection_publish(collection, version);
    return LODE_OK;
}

lode_status collection_grow(struct collection *collection, lode_error *error)
{
    const struct store *store = &collection->store;
    uint64_t number = atomic_fetch_add(&collection->next_number, 1);
    struct growing_options options = collection_growing_options(collection, number);
    struct segment *segment;
    struct wal *wal;
    lode_error reason = {0};
    room_keep(collection->db);
    lode_status status = growing_new(&options, &segment, error);
    if (status)
        return status;
    status = wal_create(log_file(store, number), &wal, &reason);
    if (status && error)
        *error = reason;
    if (status == LODE_READONLY)
        collection->broken = reason;
    if (!status) {
        status = show_growing(collection, segment, error);
        if (status) {
            wal_close(wal);
            /* Left behind, it is an empty log: the next open removes it. */
            lode_status ignored = wal_remove(store->vfs, store->dir, number, NULL);
            (void)ignored;
        }
    }
    if (!status) {
        collection->growing = segment; /* the version holds the reference */
        collection->wal = wal;
        collection->growing_sequence = collection->version->sequence;
        atomic_store_explicit(&collection->wal_bytes, wal_size(wal), memory_order_relaxed);
    }
    segment_unref(segment);
    return status;
}

/* Whoever meets it first learns what to do; those after it are refused with the reason. */
static void sync_lost(struct collection *collection, lode_error *reason)
{
    collection->broken = *reason;
    int os_errno = reason->os_errno;
    lode_status status = error_set(
        reason, reason->status,
        "%s; '%s' takes no writes until it is reopened: mend the disk first; what was not "
        "synced may be gone then",
        collection->broken.message, vfs_path_tail(collection->name));
    (void)status;
    reason->os_errno = os_errno;
}

lode_status collection_sync_log(struct collection *collection, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = collection->wal ? wal_sync(collection->wal, &reason) : LODE_OK;
    if (!status)
        collection->unsynced = 0;
    else if (wal_is_lost(collection->wal) && !collection->broken.status)
        sync_lost(collection, &reason);
    if (status && error)
        *error = reason;
    return status;
}

lode_status collection_sync_shown(struct collection *collection, lode_error *error)
{
    return collection->unsynced ? collection_sync_log(collection, error) : LODE_OK;
}

lode_status collection_sync(struct collection *collection, lode_error *error)
{
    lane_enter(&collection->lane);
    lode_status status = collection_sync_shown(collection, error);
    lane_leave(&collection->lane);
    return status;
}

lode_status collection_freeze(struct collection *collection, lode_error *error)
{
    uint64_t sequence = collection->version->sequence;
    if (!collection->growing || sequence == collection->growing_sequence)
        return LODE_OK;
    /* No other log may follow one that could not be cut back, or is not whole on the disk. */
    lode_status status = collection_sync_log(collection, error);
    if (!status)
        status = jobs_frozen_reserve(&collection->jobs, error);
    if (status)
        return status;
    struct frozen frozen = {
        .number = collection->growing->number,
        .last_sequence = sequence,
        .wal_bytes = wal_size(collection->wal),
    };
    wal_close(collection->wal);
    collection->wal = NULL;
    collection->growing = NULL;
    atomic_store_explicit(&collection->wal_bytes, 0, memory_order_relaxed);
    jobs_frozen_push(&collection->jobs, frozen);
    return LODE_OK;
}

/* --- Making and loading ------------------------------------------------------------------------ */

lode_status collection_make(lode_db *db, const char *dir, uint64_t uid, const lode_schema *schema,
                            lode_error *error)
{
    struct manifest manifest = {
        .collection_uid = uid,
        .generation = 1,
        .wal_first = 1,
        .next_number = 1,
        .schema = *schema,
    };
    lode_status status = vfs_make_dir(db->vfs, dir, error);
    if (!status)
        status = manifest_commit(db->vfs, dir, &manifest, error);
    return status;
}

static void init_locks(struct collection *collection)
{
    mutex_init(&collection->pin_mutex);
    mutex_init(&collection->change_mutex);
    lane_init(&collection->lane);
    jobs_init(&collection->jobs);
    named_init(&collection->named);
    known_fields_init(&collection->fields);
    pins_init(&collection->pins);
}

static void init_store(struct collection *collection)
{
    const lode_schema *schema = &collection->schema;
    struct store *store = &collection->store;
    *store = (struct store){
        .vfs = collection->db->vfs,
        .dir = collection->dir,
        .collection_uid = collection->uid,
        .params = {.m = schema->m,
                   .ef_construction = schema->ef_construction,
                   .seed = schema->seed,
                   .layout = schema->layout},
        .index = schema->index,
        .fields = &collection->fields,
        .pins = &collection->pins,
    };
    space_init(&store->space, schema->metric, schema->scalar, schema->dim);
}

/* Named snapshots come first: what they need is not to be swept away. */
static lode_status sweep(struct collection *collection, lode_error *error)
{
    int all_known;
    lode_status status = named_load(collection, &all_known, error);
    if (status || collection->db->read_only)
        return status;
    if (!status)
        status = manifest_sweep(collection->db->vfs, collection->dir, &collection->manifest,
                                all_known ? &collection->pins : NULL, error);
    if (!status)
        logs_prune(collection);
    return status;
}

static lode_status load_manifest(struct collection *collection, lode_error *error)
{
    struct vfs *vfs = collection->db->vfs;
    lode_status status = manifest_load(vfs, collection->dir, &collection->manifest, error);
    if (status)
        return status;
    if (collection->manifest.collection_uid != collection->uid)
        return error_set(error, LODE_CORRUPT, "%s: its manifest is of collection %016llx",
                         collection->dir, (unsigned long long)collection->manifest.collection_uid);
    status = schema_copy(&collection->manifest.schema, &collection->schema, error);
    if (!status)
        init_store(collection);
    return status;
}

lode_status collection_load(struct collection *collection, lode_error *error)
{
    init_locks(collection);
    lode_status status = write_queue_init(&collection->queue, error);
    if (!status)
        status = load_manifest(collection, error);
    if (!status)
        status = sweep(collection, error);
    if (!status)
        status = recover_sealed(collection, error);
    if (!status)
        status = recover_fields(collection, error);
    if (!status)
        status = recover_logs(collection, error);
    if (!status)
        status = text_model_load(collection, error);
    if (status)
        error_prefix(error, "collection '%s': ", collection->name);
    else
        jobs_poke(collection);
    return status;
}

void collection_stop(struct collection *collection)
{
    lane_enter(&collection->lane);
    int sound = collection->broken.status == LODE_OK && !collection->db->read_only;
    lode_status status = sound ? collection_freeze(collection, NULL) : LODE_OK;
    lane_leave(&collection->lane);
    if (sound && status == LODE_OK)
        status = jobs_wait_frozen(collection,
                                  &(struct frozen_wait){.number = UINT64_MAX, .insist = 1}, NULL);
    (void)status; /* a failure costs the next open a replay, and nothing else */
    jobs_stop(collection);
}

void collection_free(struct collection *collection)
{
    if (!collection)
        return;
    wal_close(collection->wal);
    version_unref(collection->expired);
    version_unref(collection->version);
    text_model_unref(collection->model);
    for (size_t i = 0; collection->saved && i < collection->manifest.entry_count; i++)
        liveset_unref(collection->saved[i]);
    free(collection->saved);
    requests_release(&collection->requests);
    manifest_release(&collection->manifest);
    schema_release(&collection->schema);
    write_queue_release(&collection->queue);
    jobs_release(&collection->jobs);
    named_release(&collection->named);
    known_fields_release(&collection->fields);
    pins_release(&collection->pins);
    lane_release(&collection->lane);
    mutex_release(&collection->change_mutex);
    mutex_release(&collection->pin_mutex);
    free(collection->name);
    free(collection->dir);
    free(collection);
}
