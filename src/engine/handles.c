/* handles.c: opening and closing collections. All handles of a collection share one object, counted.
 * Loading and stopping take long and hold no lock: the object stands in the list meanwhile, and
 * whoever asks for it waits until it is open or gone. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/collection.h"

static struct collection *find(const lode_db *db, uint64_t uid)
{
    struct collection *collection = db->collections;
    while (collection && collection->uid != uid)
        collection = collection->next;
    return collection;
}

static void unlink_collection(lode_db *db, const struct collection *collection)
{
    struct collection **link = &db->collections;
    while (*link != collection)
        link = &(*link)->next;
    *link = collection->next;
    cond_broadcast(&db->changed);
}

static lode_status collection_new(lode_db *db, const struct catalog_name *name,
                                  struct collection **ret_collection, lode_error *error)
{
    char dir[CATALOG_DIR_NAME_SIZE], path[PATH_SIZE_MAX];
    catalog_dir_name(name->uid, dir);
    lode_status status = vfs_join(path, db->path, dir, error);
    if (status)
        return status;
    struct collection *collection = calloc(1, sizeof *collection);
    char *own_name = strdup(name->name), *own_dir = strdup(path);
    if (!collection || !own_name || !own_dir) {
        free(collection);
        free(own_name);
        free(own_dir);
        return error_nomem(error, "a collection", sizeof *collection);
    }
    collection->db = db;
    collection->uid = name->uid;
    collection->name = own_name;
    collection->dir = own_dir;
    atomic_init(&collection->handles, 1);
    *ret_collection = collection;
    return LODE_OK;
}

int db_retain_open(struct collection *collection)
{
    unsigned handles = atomic_load(&collection->handles);
    while (handles > 0)
        if (atomic_compare_exchange_weak(&collection->handles, &handles, handles + 1))
            return 1;
    return 0;
}

/* db->mutex is held. *ret_load: the caller is to load it. */
static lode_status enter(lode_db *db, const char *name, struct collection **ret_collection,
                         int *ret_load, lode_error *error)
{
    for (;;) {
        const struct catalog_name *found = catalog_resolve(&db->catalog, name);
        if (!found)
            return error_set(error, LODE_NOT_FOUND, "there is no collection or alias '%s'", name);
        struct collection *collection = find(db, found->uid);
        if (!collection) {
            lode_status status = db_check(db, error);
            if (!status)
                status = collection_new(db, found, &collection, error);
            if (status)
                return status;
            collection->next = db->collections;
            db->collections = collection;
            *ret_collection = collection;
            *ret_load = 1;
            return LODE_OK;
        }
        if (collection->state == COLLECTION_OPEN && db_retain_open(collection)) {
            *ret_collection = collection;
            *ret_load = 0;
            return LODE_OK;
        }
        cond_wait(&db->changed, &db->mutex);
    }
}

lode_status db_acquire(lode_db *db, const char *name, struct collection **ret_collection,
                       lode_error *error)
{
    struct collection *collection = NULL;
    int load = 0;
    mutex_lock(&db->mutex);
    lode_status status = enter(db, name, &collection, &load, error);
    mutex_unlock(&db->mutex);
    if (status)
        return status;
    if (load) {
        status = collection_load(collection, error);
        mutex_lock(&db->mutex);
        collection->state = COLLECTION_OPEN;
        if (status)
            unlink_collection(db, collection);
        cond_broadcast(&db->changed);
        mutex_unlock(&db->mutex);
    }
    if (status)
        collection_free(collection);
    else
        *ret_collection = collection;
    return status;
}

/* No lock: whoever opens a snapshot must not wait for a catalog that is being written. */
void db_retain(struct collection *collection)
{
    atomic_fetch_add(&collection->handles, 1);
}

void db_release(struct collection *collection)
{
    lode_db *db = collection->db;
    if (atomic_fetch_sub(&collection->handles, 1) > 1)
        return;
    collection_stop(collection);
    mutex_lock(&db->mutex);
    unlink_collection(db, collection);
    mutex_unlock(&db->mutex);
    collection_free(collection);
}

/* --- What callers hold ------------------------------------------------------------------------- */

lode_status handle_new(struct collection *collection, lode_collection **ret_handle,
                       lode_error *error)
{
    lode_collection *handle = calloc(1, sizeof *handle);
    if (!handle)
        return error_nomem(error, "a collection", sizeof *handle);
    arena_init(&handle->arena);
    handle->shared = collection;
    mutex_lock(&collection->pin_mutex);
    handle->after = collection->held;
    if (handle->after)
        handle->after->before = handle;
    collection->held = handle;
    mutex_unlock(&collection->pin_mutex);
    *ret_handle = handle;
    return LODE_OK;
}

lode_status handle_open(lode_db *db, const char *name, lode_collection **ret_collection,
                        lode_error *error)
{
    struct collection *collection;
    lode_status status = db_acquire(db, name, &collection, error);
    if (status)
        return status;
    status = handle_new(collection, ret_collection, error);
    if (status)
        db_release(collection);
    return status;
}

static void free_handle(lode_collection *handle)
{
    arena_release(&handle->arena);
    free(handle);
}

void handle_close(lode_collection *handle)
{
    struct collection *collection = handle->shared;
    mutex_lock(&collection->pin_mutex);
    if (handle->after)
        handle->after->before = handle->before;
    if (handle->before)
        handle->before->after = handle->after;
    else
        collection->held = handle->after;
    mutex_unlock(&collection->pin_mutex);
    free_handle(handle);
    db_release(collection);
}

void handles_free(struct collection *collection)
{
    while (collection->held) {
        lode_collection *handle = collection->held;
        collection->held = handle->after;
        free_handle(handle);
    }
}
