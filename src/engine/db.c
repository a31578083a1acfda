/* db.c: opening and closing a database, and its catalog. */
#include "engine/db.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "engine/collection.h"
#include "engine/encryption.h"
#include "engine/files.h"
#include "engine/pressure.h"
#include "engine/schema.h"
#include "os/entropy.h"
#include "storage/names.h"

/* Flushes and overlays have threads of their own, so that no build of minutes keeps writers waiting. */
#define QUICK_THREADS 2u

/* Whoever searches or writes goes first (docs/decisions/0062). */
#define BUILD_NICENESS 10

#define LOCK_NAME   "LOCK"
#define SERVER_NAME "server" /* keys and audit log of a server: none of the engine's business */

/* --- Opening: options and directory ------------------------------------------------------------ */

static lode_status check_options(const lode_db_options *options, lode_error *error)
{
    uint64_t bytes = options->growing_bytes_max;
    if (options->thread_count > THREADS_MAX)
        return error_set(error, LODE_LIMIT, "options.thread_count is %u: at most %d",
                         options->thread_count, THREADS_MAX);
    if (options->maintenance != LODE_MAINTAIN_AUTO &&
        options->maintenance != LODE_MAINTAIN_ON_REQUEST)
        return error_set(error, LODE_INVALID, "options.maintenance is %d: it must be 0 or 1",
                         (int)options->maintenance);
    if (bytes != 0 && (bytes < GROWING_BYTES_MIN || bytes > GROWING_BYTES_MAX))
        return error_set(error, LODE_LIMIT,
                         "options.growing_bytes_max is %llu: it must be from %llu to %llu",
                         (unsigned long long)bytes, GROWING_BYTES_MIN, GROWING_BYTES_MAX);
    return LODE_OK;
}

lode_status db_check_writable(const lode_db *db, lode_error *error)
{
    return db->read_only ? error_set(error, LODE_READONLY, "the database '%s' is open read-only",
                                     vfs_path_tail(db->path))
                         : LODE_OK;
}

static lode_status make_directory(lode_db *db, int must_exist, lode_error *error)
{
    int exists = 0;
    lode_status status = vfs_exists(db->vfs, db->path, &exists, error);
    if (status || exists)
        return status;
    if (must_exist)
        return error_set(error, LODE_NOT_FOUND, "there is no database at '%s'", db->path);
    status = vfs_make_dir(db->vfs, db->path, error);
    /* Otherwise another process was faster; the lock decides between us. */
    return status == LODE_EXISTS ? LODE_OK : status;
}

static lode_status lock_directory(lode_db *db, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    lode_status status = vfs_join(path, db->path, LOCK_NAME, error);
    return status ? status : vfs_lock(db->vfs, path, &db->lock, error);
}

/* What an interrupted restore left is not to be taken for a database. */
static lode_status check_restored(const lode_db *db, const struct db_env *env, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    int exists = 0;
    lode_status status = vfs_join(path, db->path, RESTORING_NAME, error);
    if (!status)
        status = vfs_exists(db->vfs, path, &exists, error);
    if (!status && exists && !env->restoring)
        status = error_set(error, LODE_CORRUPT,
                           "'%s' is what a restore left that was not finished: remove it, and "
                           "restore again",
                           db->path);
    return status;
}

/* --- Opening: the catalog ---------------------------------------------------------------------- */

/* What a crash may leave of an open that was the first; and what a server keeps there, which may come first. */
static int is_ours(const char *name)
{
    return strcmp(name, LOCK_NAME) == 0 || strcmp(name, "catalog.tmp") == 0 ||
           strcmp(name, KEYRING_FILE_NAME) == 0 || strcmp(name, KEYRING_TEMP_NAME) == 0 ||
           strcmp(name, RESERVE_NAME) == 0 || strcmp(name, SERVER_NAME) == 0;
}

/* The directory's own name may not be durable yet, whoever made it. */
static lode_status found_catalog(lode_db *db, const lode_key_source *key, lode_error *error)
{
    char parent[PATH_SIZE_MAX];
    vfs_parent(db->path, parent);
    int unknown;
    db->catalog.history = entropy_u64();
    lode_status status = vfs_dir_sync(db->vfs, parent, error);
    if (!status && key && !db->crypt)
        status = encryption_begin(db, key, error);
    return status ? status : catalog_save(db->vfs, db->path, &db->catalog, &unknown, error);
}

/* A directory without a catalog becomes a database only when nothing else is in it: neither somebody's
 * files, nor collections whose catalog has been lost. */
static lode_status begin_catalog(lode_db *db, const lode_db_options *options, lode_error *error)
{
    struct file_names names;
    uint64_t uid;
    lode_status status = file_names_list(db->vfs, db->path, &names, error);
    if (status)
        return status;
    if (options->must_exist || db->read_only)
        status = error_set(error, LODE_NOT_FOUND, "there is no database at '%s'", db->path);
    for (size_t i = 0; i < names.count; i++) {
        if (catalog_parse_dir_name(names.names[i], &uid))
            status = error_set(error, LODE_CORRUPT,
                               "'%s' holds collections (%s), but its catalog is missing", db->path,
                               names.names[i]);
        else if (!status && !is_ours(names.names[i]))
            status = error_set(error, LODE_INVALID,
                               "'%s' is neither empty nor a database: it holds '%s'", db->path,
                               names.names[i]);
    }
    file_names_release(&names);
    return status ? status : found_catalog(db, options->key, error);
}

static int has_uid(const struct catalog *catalog, uint64_t uid)
{
    for (size_t i = 0; i < catalog->count; i++)
        if (!catalog->names[i].target && catalog->names[i].uid == uid)
            return 1;
    return 0;
}

/* Whether it is a directory in which nothing lies but files of a collection. */
static int is_plain_collection(struct vfs *vfs, const char *path)
{
    struct file_names names;
    if (file_names_list(vfs, path, &names, NULL))
        return 0;
    int plain = 1;
    for (size_t i = 0; i < names.count; i++)
        if (name_parse(names.names[i]).kind == NAME_OTHER)
            plain = 0;
    file_names_release(&names);
    return plain;
}

/* Collections that a crash left half created or half dropped. What is not plainly one of them stays, and
 * so does what cannot be removed: no name leads to it. */
static lode_status sweep(lode_db *db, lode_error *error)
{
    struct file_names names;
    lode_status status = file_names_list(db->vfs, db->path, &names, error);
    if (status)
        return status;
    for (size_t i = 0; !status && i < names.count; i++) {
        uint64_t uid;
        char path[PATH_SIZE_MAX];
        if (!catalog_parse_dir_name(names.names[i], &uid) || has_uid(&db->catalog, uid))
            continue;
        status = vfs_join(path, db->path, names.names[i], error);
        if (!status && is_plain_collection(db->vfs, path)) {
            lode_status ignored = files_remove_dir(db->vfs, path, NULL);
            (void)ignored; /* the next open tries again */
        }
    }
    file_names_release(&names);
    return status;
}

/* One that has been restored goes on numbering batches as another database may: its history is another. */
static lode_status begin_history(lode_db *db, lode_error *error)
{
    int unknown;
    if (db->catalog.history)
        return LODE_OK;
    db->catalog.history = entropy_u64();
    return catalog_save(db->vfs, db->path, &db->catalog, &unknown, error);
}

static lode_status open_catalog(lode_db *db, const lode_db_options *options, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    int exists = 0;
    lode_status status = vfs_join(path, db->path, "catalog", error);
    if (!status)
        status = vfs_exists(db->vfs, path, &exists, error);
    if (status)
        return status;
    if (!exists)
        return begin_catalog(db, options, error);
    if (options->key && !db->crypt)
        return encryption_missing(db, path, error);
    status = catalog_load(db->vfs, db->path, &db->catalog, error);
    /* A process that was killed may not have synced its name: what is in it must not be lost once it
     * has been shown. */
    if (!status && !db->read_only)
        status = vfs_dir_sync(db->vfs, db->path, error);
    return status || db->read_only ? status : sweep(db, error);
}

/* --- Opening and closing ----------------------------------------------------------------------- */

static lode_status open_threads(lode_db *db, const struct db_env *env, unsigned thread_count,
                                lode_error *error)
{
    if (env->executor) {
        db->quick = env->quick ? env->quick : env->executor;
        db->executor = env->executor;
        return LODE_OK;
    }
    db->owns_executors = 1;
    lode_status status = executor_threads_new(QUICK_THREADS, &db->quick, error);
    if (status)
        return status;
    return executor_nice_new(thread_count, BUILD_NICENESS, &db->executor, error);
}

static void db_free(lode_db *db)
{
    retry_stop(db);
    retry_release(&db->retry);
    room_release(db);
    if (db->owns_executors) {
        executor_free(db->executor);
        executor_free(db->quick);
    }
    catalog_release(&db->catalog);
    if (db->lock)
        vfs_unlock(db->lock);
    crypt_vfs_free(db->crypt);
    cond_release(&db->changed);
    mutex_release(&db->mutex);
    free(db->path);
    free(db);
}

/* The setting that was given, if another than the one that stands, becomes the one. */
static lode_status settle_logs(lode_db *db, uint64_t given, lode_error *error)
{
    int unknown;
    uint64_t wanted = given == LODE_LOG_KEEP_NONE ? 0 : given, before = db->catalog.log_keep_bytes;
    lode_status status = LODE_OK;
    if (given != 0 && wanted != before && !db->read_only) {
        db->catalog.log_keep_bytes = wanted;
        status = catalog_save(db->vfs, db->path, &db->catalog, &unknown, error);
    }
    db->log_keep_bytes = db->catalog.log_keep_bytes;
    return status;
}

/* Before the lock, which who only reads cannot make: is there a database at all? */
static lode_status check_there(lode_db *db, const lode_db_options *options,
                               const struct db_env *env, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    int exists = 0;
    lode_status status = check_restored(db, env, error);
    if (!status)
        status = vfs_join(path, db->path, "catalog", error);
    if (!status)
        status = vfs_exists(db->vfs, path, &exists, error);
    return status || exists ? status : begin_catalog(db, options, error);
}

static lode_status open_directory(lode_db *db, const lode_db_options *given,
                                  const struct db_env *env, lode_error *error)
{
    int must_exist = given->must_exist || db->read_only;
    lode_status status = make_directory(db, must_exist, error);
    if (!status && db->read_only)
        status = check_there(db, given, env, error);
    if (!status)
        status = lock_directory(db, error);
    if (!status)
        status = check_restored(db, env, error);
    if (!status)
        status = encryption_open(db, given->key, error);
    if (!status)
        status = open_catalog(db, given, error);
    if (!status && !env->restoring && !db->read_only)
        status = begin_history(db, error);
    return status ? status : settle_logs(db, given->log_keep_bytes, error);
}

lode_status db_open(const char *path, const lode_db_options *options, const struct db_env *env,
                    lode_db **ret_db, lode_error *error)
{
    static const lode_db_options defaults;
    const lode_db_options *given = options ? options : &defaults;
    lode_status status = check_options(given, error);
    if (status)
        return status;
    lode_db *db = calloc(1, sizeof *db);
    if (!db || !(db->path = strdup(path))) {
        free(db);
        return error_nomem(error, "a database", sizeof *db);
    }
    mutex_init(&db->mutex);
    cond_init(&db->changed);
    retry_init(&db->retry, !env->executor);
    room_init(&db->room);
    db->vfs = env->vfs ? env->vfs : vfs_posix();
    db->clock = env->clock ? env->clock : &clock_system;
    db->readers.clock = db->clock;
    db->maintenance = given->maintenance;
    db->read_only = given->read_only;
    if (db->read_only) {
        vfs_readonly_init(&db->readonly, db->vfs);
        db->vfs = &db->readonly.base;
    }
    db->growing_bytes_max =
        given->growing_bytes_max ? given->growing_bytes_max : GROWING_BYTES_DEFAULT;
    db->overlay_rows_min = OVERLAY_ROWS_MIN;
    db->index_rows_min = INDEX_ROWS_MIN;
    status = open_directory(db, given, env, error);
    if (!status)
        status = open_threads(db, env, given->thread_count, error);
    if (!status)
        status = pressure_join(db, error);
    if (status)
        db_free(db);
    else
        *ret_db = db;
    return status;
}

void db_close(lode_db *db)
{
    retry_stop(db);
    pressure_leave(db);
    while (db->collections) {
        struct collection *collection = db->collections;
        db->collections = collection->next;
        collection_stop(collection);
        handles_free(collection);
        collection_free(collection);
    }
    db_free(db);
}

/* --- Changing the catalog ---------------------------------------------------------------------- */

lode_status db_check(const lode_db *db, lode_error *error)
{
    if (db->rewriting)
        return error_set(error, LODE_BUSY, "the files of '%s' are being written anew under a key",
                         vfs_path_tail(db->path));
    if (!db->broken.status)
        return LODE_OK;
    return error_set(error, LODE_READONLY,
                     "the database is to be reopened, its catalog may have changed: %s",
                     db->broken.message);
}

/* A change that failed must not come true after a crash, when the collection it dropped has taken
 * writes. After a failed sync nothing that the disk says of the directory is believed before it is opened
 * anew, also not that the catalog is again what it was. */
static void restore_catalog(lode_db *db, int unknown, const lode_error *why)
{
    int ignored;
    lode_error reason = {0};
    if (catalog_save(db->vfs, db->path, &db->catalog, &ignored, &reason))
        db->broken = reason;
    else if (unknown == CATALOG_UNSYNCED)
        db->broken = *why;
}

/* db->mutex is held. Takes `changed` whatever it returns. */
static lode_status keep_catalog(lode_db *db, struct catalog *changed, lode_error *error)
{
    int unknown = 0;
    lode_error reason = {0};
    lode_status status = db_check(db, &reason);
    if (!status)
        status = catalog_save(db->vfs, db->path, changed, &unknown, &reason);
    if (status) {
        catalog_release(changed);
        if (unknown)
            restore_catalog(db, unknown, &reason);
        if (error)
            *error = reason;
        return status;
    }
    catalog_release(&db->catalog);
    db->catalog = *changed;
    return status;
}

static lode_status exists_error(const struct catalog_name *found, lode_error *error)
{
    return error_set(error, LODE_EXISTS, "%s '%s' exists already",
                     found->target ? "an alias" : "a collection", found->name);
}

static uint64_t new_uid(const lode_db *db)
{
    uint64_t uid = db->clock->wall_us(db->clock->context);
    do
        uid = random_mix(uid + 1);
    while (uid == 0 || has_uid(&db->catalog, uid));
    return uid;
}

static lode_status create_files(lode_db *db, uint64_t uid, const lode_schema *schema,
                                lode_error *error)
{
    char name[CATALOG_DIR_NAME_SIZE], path[PATH_SIZE_MAX];
    catalog_dir_name(uid, name);
    lode_status status = vfs_join(path, db->path, name, error);
    if (status)
        return status;
    status = collection_make(db, path, uid, schema, error);
    if (!status)
        status = vfs_dir_sync(db->vfs, db->path, error);
    if (status) {
        lode_status ignored = files_remove_dir(db->vfs, path, NULL);
        (void)ignored; /* what stays is swept away at the next open */
    }
    return status;
}

static lode_status create_locked(lode_db *db, const char *name, const lode_schema *schema,
                                 lode_error *error)
{
    const struct catalog_name *found = catalog_find(&db->catalog, name);
    if (found)
        return exists_error(found, error);
    uint64_t uid = new_uid(db);
    struct catalog changed;
    lode_status status = catalog_copy(&db->catalog, &changed, error);
    if (status)
        return status;
    status = catalog_put(&changed, name, NULL, uid, error);
    if (!status)
        status = create_files(db, uid, schema, error);
    if (status) {
        catalog_release(&changed);
        return status;
    }
    return keep_catalog(db, &changed, error);
}

lode_status db_create(lode_db *db, const char *name, const lode_schema *schema, lode_error *error)
{
    lode_schema made;
    lode_status status = catalog_check_name("name", name, error);
    if (!status)
        status = schema_make(schema, &made, error);
    if (status)
        return status;
    mutex_lock(&db->mutex);
    status = create_locked(db, name, &made, error);
    mutex_unlock(&db->mutex);
    schema_release(&made);
    return status;
}

static lode_status not_found(const char *name, const struct catalog_name *alias, lode_error *error)
{
    if (alias)
        return error_set(error, LODE_NOT_FOUND,
                         "there is no collection '%s'; it is an alias of '%s'", name,
                         alias->target);
    return error_set(error, LODE_NOT_FOUND, "there is no collection '%s'", name);
}

static int is_in_use(const lode_db *db, uint64_t uid)
{
    for (const struct collection *c = db->collections; c; c = c->next)
        if (c->uid == uid)
            return 1;
    return 0;
}

static lode_status drop_locked(lode_db *db, const char *name, uint64_t *ret_uid, lode_error *error)
{
    const struct catalog_name *found = catalog_find(&db->catalog, name);
    if (!found || found->target)
        return not_found(name, found, error);
    *ret_uid = found->uid;
    if (is_in_use(db, found->uid))
        return error_set(error, LODE_BUSY, "collection '%s' is open", name);
    struct catalog changed;
    lode_status status = catalog_copy(&db->catalog, &changed, error);
    if (status)
        return status;
    catalog_remove(&changed, name);
    catalog_remove_aliases(&changed, name);
    return keep_catalog(db, &changed, error);
}

lode_status db_drop(lode_db *db, const char *name, lode_error *error)
{
    uint64_t uid = 0;
    char dir[CATALOG_DIR_NAME_SIZE], path[PATH_SIZE_MAX];
    mutex_lock(&db->mutex);
    lode_status status = drop_locked(db, name, &uid, error);
    mutex_unlock(&db->mutex);
    if (status)
        return status;
    catalog_dir_name(uid, dir);
    lode_status ignored = vfs_join(path, db->path, dir, NULL);
    if (!ignored)
        ignored = files_remove_dir(db->vfs, path, NULL);
    (void)ignored; /* it is dropped; what stays is swept away at the next open */
    return LODE_OK;
}

static lode_status alias_locked(lode_db *db, const char *alias, const char *target,
                                lode_error *error)
{
    const struct catalog_name *found = catalog_find(&db->catalog, alias);
    if (found && !found->target)
        return exists_error(found, error);
    if (!target && !found)
        return error_set(error, LODE_NOT_FOUND, "there is no alias '%s'", alias);
    const struct catalog_name *to = target ? catalog_find(&db->catalog, target) : NULL;
    if (target && (!to || to->target))
        return not_found(target, to, error);
    struct catalog changed;
    lode_status status = catalog_copy(&db->catalog, &changed, error);
    if (status)
        return status;
    if (target)
        status = catalog_put(&changed, alias, target, 0, error);
    else
        catalog_remove(&changed, alias);
    if (status) {
        catalog_release(&changed);
        return status;
    }
    return keep_catalog(db, &changed, error);
}

lode_status db_alias(lode_db *db, const char *alias, const char *target, lode_error *error)
{
    lode_status status = catalog_check_name("alias", alias, error);
    if (status)
        return status;
    mutex_lock(&db->mutex);
    status = alias_locked(db, alias, target, error);
    mutex_unlock(&db->mutex);
    return status;
}

lode_status db_list(lode_db *db, lode_catalog **ret_catalog, lode_error *error)
{
    mutex_lock(&db->mutex);
    lode_status status = catalog_publish(&db->catalog, ret_catalog, error);
    mutex_unlock(&db->mutex);
    return status;
}
