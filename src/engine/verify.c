/* verify.c: the catalog, then each collection's directory. When the catalog cannot be read, every
 * directory that looks like a collection is checked all the same: damage is to be seen whole. */
#include "engine/verify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "crypt/crypt_vfs.h"
#include "embed/embed.h"
#include "engine/catalog.h"
#include "engine/db.h"
#include "engine/files.h"
#include "storage/manifest.h"
#include "storage/names.h"
#include "storage/verify.h"

struct check {
    struct vfs *vfs;
    const char *path;
    const lode_verify_options *options;
    const char *collection; /* directory being checked; "": the database's own files */
    uint64_t findings;
    uint64_t done_bytes;
    uint64_t total_bytes;
};

static void report(void *context, const char *file, uint64_t offset, const char *problem)
{
    struct check *check = context;
    char name[CATALOG_DIR_NAME_SIZE + NAME_TEXT_MAX + 1];
    snprintf(name, sizeof name, "%s%s%s", check->collection, *check->collection && *file ? "/" : "",
             file);
    check->findings++;
    if (check->options->report)
        check->options->report(check->options->context,
                               &(lode_verify_finding){name, offset, problem});
}

static void progress(void *context, uint64_t bytes)
{
    struct check *check = context;
    check->done_bytes += bytes;
    if (check->total_bytes < check->done_bytes)
        check->total_bytes = check->done_bytes;
    if (check->options->progress)
        check->options->progress(check->options->context, check->done_bytes, check->total_bytes);
}

static struct verify verify_of(struct check *check, const char *dir, uint64_t uid)
{
    return (struct verify){
        .vfs = check->vfs,
        .dir = dir,
        .collection_uid = uid,
        .report = report,
        .progress = progress,
        .context = check,
    };
}

/* --- One collection ---------------------------------------------------------------------------- */

static lode_status open_model(struct vfs *vfs, const char *path, const struct manifest *manifest,
                              lode_error *error)
{
    struct frame frame;
    struct embedder *embedder = NULL;
    struct frame_id id = {FRAME_TEXT_MODEL, manifest->collection_uid, manifest->text_model_version};
    lode_status status = frame_open(vfs, path, id, &frame, error);
    if (status)
        return status;
    const struct frame_section_view *section = frame_find(&frame, 1);
    if (section)
        status = guard_touch(frame.guard, section->data, (size_t)section->size, error);
    if (section && !status)
        status = corpus_open(section->data, (size_t)section->size, &embedder, error);
    else if (!section)
        status = error_set(error, LODE_CORRUPT, "it has no section 1");
    if (!status)
        embedder->ops->free(embedder);
    frame_close(&frame);
    return status;
}

/* The model's frame is storage's to check; whether a model is in it, ours. */
static lode_status check_model(struct check *check, const char *dir, lode_error *error)
{
    struct manifest manifest = {0};
    char path[PATH_SIZE_MAX], text[NAME_TEXT_MAX];
    if (manifest_load(check->vfs, dir, &manifest, NULL) != LODE_OK)
        return LODE_OK; /* reported already */
    struct name name = {.kind = NAME_TEXT_MODEL, .number = manifest.text_model_version};
    lode_status status = LODE_OK;
    if (manifest.text_model_version)
        status = name_path(path, dir, name, error);
    if (!status && manifest.text_model_version) {
        lode_error reason = {0};
        lode_status opened = open_model(check->vfs, path, &manifest, &reason);
        if (opened == LODE_CORRUPT)
            report(check, name_format(name, text), 0, reason.message);
        else if (opened && opened != LODE_NOT_FOUND) /* that it is missing is reported already */
            status = error_set(error, opened, "%s", reason.message);
    }
    manifest_release(&manifest);
    return status;
}

/* Whether it is there and a directory: if not, that is a finding. */
static lode_status find_dir(struct check *check, const char *dir, int *ret_found, lode_error *error)
{
    struct file_names names = {0};
    lode_error reason = {0};
    *ret_found = 0;
    lode_status status = vfs_exists(check->vfs, dir, ret_found, error);
    if (!status && !*ret_found)
        report(check, "", 0, "the collection's directory is missing: all of it is lost");
    if (status || !*ret_found)
        return status;
    status = file_names_list(check->vfs, dir, &names, &reason);
    file_names_release(&names);
    if (reason.os_errno == ENOTDIR) {
        *ret_found = 0;
        report(check, "", 0, "it is no directory: all of the collection is lost");
        return LODE_OK;
    }
    if (status && error)
        *error = reason;
    return status;
}

static lode_status check_collection(struct check *check, uint64_t uid, lode_error *error)
{
    char name[CATALOG_DIR_NAME_SIZE], dir[PATH_SIZE_MAX];
    int found = 0;
    catalog_dir_name(uid, name);
    check->collection = name;
    lode_status status = vfs_join(dir, check->path, name, error);
    if (!status)
        status = find_dir(check, dir, &found, error);
    if (!status && found) {
        struct verify verify = verify_of(check, dir, uid);
        uint64_t before = check->findings;
        status = verify_collection(&verify, error);
        if (status == LODE_CORRUPT && check->findings > before)
            status = LODE_OK; /* reported; on to the next */
        if (!status)
            status = check_model(check, dir, error);
    }
    check->collection = "";
    return status;
}

/* --- The database ------------------------------------------------------------------------------ */

/* The catalog, or, when it is damaged or lost, one made up from the directories there are. */
static lode_status gather_collections(struct check *check, const struct file_names *names,
                                      struct catalog *catalog, lode_error *error)
{
    lode_error reason = {0};
    struct verify verify = verify_of(check, check->path, 0);
    uint64_t before = check->findings;
    lode_status status = verify_frame(&verify, "catalog", FRAME_CATALOG, 0, error);
    if (status && status != LODE_CORRUPT)
        return status;
    if (!status) {
        status = catalog_load(check->vfs, check->path, catalog, &reason);
        if (status == LODE_OK)
            return LODE_OK;
        if (status != LODE_CORRUPT && status != LODE_NOT_FOUND) {
            if (error)
                *error = reason; /* it could not be looked at, which is no damage */
            return status;
        }
    }
    if (check->findings == before)
        report(check, "catalog", 0, reason.message);
    status = LODE_OK;
    for (size_t i = 0; !status && i < names->count; i++) {
        uint64_t uid;
        if (catalog_parse_dir_name(names->names[i], &uid))
            status = catalog_put(catalog, names->names[i], NULL, uid, error);
    }
    return status;
}

static void add_bytes(struct check *check, const struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        char name[CATALOG_DIR_NAME_SIZE], dir[PATH_SIZE_MAX];
        uint64_t bytes = 0;
        catalog_dir_name(catalog->names[i].uid, name);
        if (!catalog->names[i].target && vfs_join(dir, check->path, name, NULL) == LODE_OK &&
            verify_bytes(check->vfs, dir, &bytes, NULL) == LODE_OK)
            check->total_bytes += bytes;
    }
}

static lode_status check_all(struct check *check, const struct file_names *names, lode_error *error)
{
    struct catalog catalog = {0};
    lode_status status = gather_collections(check, names, &catalog, error);
    if (!status)
        add_bytes(check, &catalog);
    for (size_t i = 0; !status && i < catalog.count; i++)
        if (!catalog.names[i].target)
            status = check_collection(check, catalog.names[i].uid, error);
    catalog_release(&catalog);
    if (status || check->findings == 0)
        return status;
    return error_set(error, LODE_CORRUPT, "'%s': %llu things are wrong", check->path,
                     (unsigned long long)check->findings);
}

static int is_database(const struct file_names *names)
{
    uint64_t uid;
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], "catalog") == 0 ||
            strcmp(names->names[i], KEYRING_FILE_NAME) == 0 ||
            catalog_parse_dir_name(names->names[i], &uid))
            return 1;
    return 0;
}

/* Both copies of the keys; with the one that is sound, everything else is checked. */
static lode_status check_keys(struct check *check, struct vfs **ret_crypt, lode_error *error)
{
    uint8_t bytes[KEYRING_FILE_SIZE];
    char what[160];
    size_t size = 0;
    uint64_t offset = 0;
    lode_error reason = {0};
    struct keyring *keyring = NULL;
    lode_status status = keyring_read(check->vfs, check->path, bytes, &size, &reason);
    if (status == LODE_NOT_FOUND)
        return LODE_OK;
    snprintf(what, sizeof what, "'%s'", vfs_path_tail(check->path));
    if (!status && keyring_bad_copies(bytes, size, &offset) == 1)
        report(
            check, KEYRING_FILE_NAME, offset,
            "one of the two copies of the keys is damaged, nothing is lost; changing the key, even "
            "to the same, writes both anew");
    if (!status)
        status = keyring_decode(bytes, size, what, check->options->key, &keyring, &reason);
    if (status == LODE_CORRUPT)
        report(check, KEYRING_FILE_NAME, 0, reason.message);
    if (status && error)
        *error = reason;
    return status ? status : crypt_vfs_new(check->vfs, keyring, ret_crypt, error);
}

static int has_name(const struct file_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return 1;
    return 0;
}

static lode_status check_with_keys(struct check *check, const struct file_names *names,
                                   lode_error *error)
{
    struct vfs *crypt = NULL, *below = check->vfs;
    if (!has_name(names, KEYRING_FILE_NAME) && check->options->key)
        return error_set(error, LODE_KEY,
                         "'%s' is not encrypted, or its file '" KEYRING_FILE_NAME
                         "' is missing, and a key was given: leave the key out",
                         vfs_path_tail(check->path));
    lode_status status = check_keys(check, &crypt, error);
    if (!status && crypt)
        check->vfs = crypt;
    if (!status)
        status = check_all(check, names, error);
    check->vfs = below;
    crypt_vfs_free(crypt);
    return status;
}

static lode_status check_locked(struct check *check, const struct file_names *names,
                                lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct vfs_file *lock = NULL;
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], RESTORING_NAME) == 0)
            report(check, RESTORING_NAME, 0,
                   "the database was being restored and that was not finished: remove it, and "
                   "restore again");
    if (!is_database(names) && check->findings == 0)
        return error_set(error, LODE_NOT_FOUND, "there is no database at '%s'", check->path);
    lode_status status = vfs_join(path, check->path, "LOCK", error);
    if (!status)
        status = vfs_lock_shared(check->vfs, path, &lock, error);
    /* What was never opened has no lock yet: it is made. */
    if (status == LODE_NOT_FOUND || status == LODE_UNSUPPORTED)
        status = vfs_lock(check->vfs, path, &lock, error);
    if (status)
        return status;
    status = check_with_keys(check, names, error);
    if (lock)
        vfs_unlock(lock);
    return status;
}

lode_status verify_database(struct vfs *vfs, const char *path, const lode_verify_options *options,
                            lode_error *error)
{
    static const lode_verify_options defaults;
    struct check check = {
        .vfs = vfs, .path = path, .options = options ? options : &defaults, .collection = ""};
    struct file_names names;
    int exists = 0;
    lode_status status = vfs_exists(vfs, path, &exists, error);
    if (!status && !exists)
        status = error_set(error, LODE_NOT_FOUND, "there is no database at '%s'", path);
    if (!status)
        status = file_names_list(vfs, path, &names, error);
    if (status)
        return status;
    status = check_locked(&check, &names, error);
    file_names_release(&names);
    return status;
}
