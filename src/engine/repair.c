/* repair.c: the database: its lock, its catalog, then collection after collection. */
#include "engine/repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypt/crypt_vfs.h"
#include "engine/catalog.h"
#include "engine/db.h"
#include "engine/files.h"

#define KEPT_DIR "damaged"

void repair_report(struct repairing *run, lode_repair_kind kind, const char *file,
                   const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    run->info.mended += kind == LODE_REPAIR_MENDED;
    run->info.left += kind == LODE_REPAIR_LEFT;
    run->info.lost += kind == LODE_REPAIR_LOST;
    if (run->options->report)
        run->options->report(run->options->context,
                             &(lode_repair_step){.kind = kind, .file = file, .text = text});
}

/* --- Keeping what was damaged ------------------------------------------------------------------ */

static lode_status need_kept_dir(struct repairing *run, char dir[], lode_error *error)
{
    int exists = 0;
    lode_status status = vfs_join(dir, run->path, KEPT_DIR, error);
    if (!status)
        status = vfs_exists(run->vfs, dir, &exists, error);
    if (status || exists)
        return status;
    status = vfs_make_dir(run->vfs, dir, error);
    return status ? status : vfs_dir_sync(run->vfs, run->path, error);
}

/* Give `from` the name too, which is free, or LODE_EXISTS. A directory in a file's place can have no second name: it
 * is moved. */
static lode_status link_or_move(struct repairing *run, const char *from, const char *to,
                                lode_error *error)
{
    struct file_names names;
    lode_error reason = {0};
    int exists = 0;
    lode_status status = vfs_link(run->vfs, from, to, &reason);
    if (status == LODE_IO && file_names_list(run->vfs, from, &names, NULL) == LODE_OK) {
        file_names_release(&names);
        status = vfs_exists(run->vfs, to, &exists, error);
        if (status || exists)
            return status ? status : LODE_EXISTS;
        return vfs_rename(run->vfs, from, to, error);
    }
    if (status && error)
        *error = reason;
    return status;
}

/* The first of name, name.1, name.2, ... that is free. */
static lode_status keep_as_free(struct repairing *run, const char *from, const char *to,
                                lode_error *error)
{
    char numbered[PATH_SIZE_MAX];
    lode_status status = link_or_move(run, from, to, error);
    for (unsigned i = 1; status == LODE_EXISTS && i < 1000; i++) {
        if ((size_t)snprintf(numbered, sizeof numbered, "%s.%u", to, i) >= sizeof numbered)
            return error_set(error, LODE_LIMIT, "the path %s is too long", vfs_path_tail(to));
        status = link_or_move(run, from, numbered, error);
    }
    return status == LODE_NOT_FOUND ? LODE_OK : status;
}

lode_status repair_keep(struct repairing *run, const char *dir, const char *name, lode_error *error)
{
    char kept[PATH_SIZE_MAX], from[PATH_SIZE_MAX], to[PATH_SIZE_MAX], flat[160];
    if (run->options->dry_run)
        return LODE_OK;
    snprintf(flat, sizeof flat, "%s%s%s", dir, *dir ? "-" : "", name);
    lode_status status = vfs_join(from, run->path, dir, error);
    if (!status && *dir) {
        char below[PATH_SIZE_MAX];
        memcpy(below, from, sizeof below);
        status = vfs_join(from, below, name, error);
    } else if (!status) {
        status = vfs_join(from, run->path, name, error);
    }
    if (!status)
        status = need_kept_dir(run, kept, error);
    if (!status)
        status = vfs_join(to, kept, flat, error);
    if (!status)
        status = keep_as_free(run, from, to, error);
    return status ? status : vfs_dir_sync(run->vfs, kept, error);
}

/* --- The catalog ------------------------------------------------------------------------------- */

static lode_status save_catalog(struct repairing *run, const struct catalog *catalog,
                                lode_error *error)
{
    int unknown;
    lode_status status = repair_keep(run, "", "catalog", error);
    if (status || run->options->dry_run)
        return status;
    return catalog_save(run->vfs, run->path, catalog, &unknown, error);
}

/* The names are lost: each collection is called as its directory is. */
static lode_status rebuild_catalog(struct repairing *run, const lode_error *reason,
                                   struct catalog *catalog, lode_error *error)
{
    struct file_names names;
    lode_status status = file_names_list(run->vfs, run->path, &names, error);
    if (status)
        return status;
    for (size_t i = 0; !status && i < names.count; i++) {
        uint64_t uid;
        if (catalog_parse_dir_name(names.names[i], &uid))
            status = catalog_put(catalog, names.names[i], NULL, uid, error);
    }
    file_names_release(&names);
    if (status)
        return status;
    if (catalog->count == 0)
        return error_set(error, LODE_NOT_FOUND, "there is no database at '%s'", run->path);
    repair_report(run, LODE_REPAIR_LOST, "catalog",
                  "the names of collections and aliases, and how many logs are kept (%s)",
                  reason->message);
    status = save_catalog(run, catalog, error);
    if (!status)
        repair_report(run, LODE_REPAIR_MENDED, "catalog",
                      "made from %zu directories, whose names the collections now have",
                      catalog->count);
    return status;
}

static lode_status load_catalog(struct repairing *run, struct catalog *catalog, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = catalog_load(run->vfs, run->path, catalog, &reason);
    if (status_is_damage(status) || status == LODE_NOT_FOUND)
        return rebuild_catalog(run, &reason, catalog, error);
    if (status && error)
        *error = reason;
    return status;
}

/* --- All of it --------------------------------------------------------------------------------- */

static lode_status check_not_restoring(const struct repairing *run, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    int restoring = 0;
    lode_status status = vfs_join(path, run->path, RESTORING_NAME, error);
    if (!status)
        status = vfs_exists(run->vfs, path, &restoring, error);
    if (!status && restoring)
        return error_set(error, LODE_INVALID,
                         "'%s' was being restored and that was not finished: remove it, and "
                         "restore again",
                         run->path);
    return status;
}

static lode_status repair_all(struct repairing *run, lode_error *error)
{
    struct catalog catalog = {0};
    lode_status status = load_catalog(run, &catalog, error);
    for (size_t i = 0; !status && i < catalog.count; i++)
        if (!catalog.names[i].target)
            status = repair_collection(run, catalog.names[i].name, catalog.names[i].uid, error);
    catalog_release(&catalog);
    if (!status && run->info.left)
        return error_set(error, LODE_CORRUPT, "'%s': %llu things are left that are damaged",
                         run->path, (unsigned long long)run->info.left);
    return status;
}

static lode_status repair_locked(struct repairing *run, lode_error *error)
{
    struct vfs *crypt = NULL, *below = run->vfs;
    lode_status status = check_not_restoring(run, error);
    if (!status)
        status = repair_open_keys(run, &crypt, error);
    if (!status)
        status = repair_all(run, error);
    run->vfs = below;
    crypt_vfs_free(crypt);
    return status;
}

lode_status repair_database(struct vfs *vfs, const char *path, const lode_repair_options *options,
                            lode_repair_info *ret_info, lode_error *error)
{
    static const lode_repair_options defaults;
    struct repairing run = {.vfs = vfs, .path = path, .options = options ? options : &defaults};
    char lock_path[PATH_SIZE_MAX];
    struct vfs_file *lock;
    int exists = 0;
    lode_status status = vfs_exists(vfs, path, &exists, error);
    if (!status && !exists)
        status = error_set(error, LODE_NOT_FOUND, "there is no database at '%s'", path);
    if (!status)
        status = vfs_join(lock_path, path, "LOCK", error);
    if (!status)
        status = vfs_lock(vfs, lock_path, &lock, error);
    if (status)
        return status;
    status = repair_locked(&run, error);
    vfs_unlock(lock);
    if (ret_info)
        *ret_info = run.info;
    return status;
}
