/* restore.c: lode_restore. The directory RESTORING in the target is made first, durably, and removed last: as
 * long as it is there db_open refuses the target. It also serves as scratch space. */
#include "engine/restore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "crypt/crypt_vfs.h"
#include "engine/files.h"

/* --- Sources ----------------------------------------------------------------------------------- */

static lode_status open_sources(struct restoring *restoring, const char *backup, lode_error *error)
{
    const lode_restore_options *options = restoring->options;
    size_t count = 1 + options->base_count;
    restoring->sources = calloc(count, sizeof(struct backup *));
    if (!restoring->sources)
        return error_nomem(error, "backups", count * sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        const char *path = i == 0 ? backup : options->bases[i - 1];
        lode_status status = backup_open(restoring->vfs, path, &restoring->sources[i], error);
        if (status)
            return status;
        restoring->source_count++;
    }
    return LODE_OK;
}

static int has_collection(const struct inventory *inventory, const char *name)
{
    for (size_t i = 0; name && i < inventory->collection_count; i++)
        if (strcmp(inventory->collections[i].name, name) == 0)
            return 1;
    return name == NULL;
}

/* A backup that has lost its keys is otherwise lost as a whole. */
lode_status restoring_decrypt(const struct restoring *restoring, struct inventory *inventory,
                              struct keyring **ret_keyring, lode_error *error)
{
    lode_error reason = {0};
    for (size_t i = 0; i < restoring->source_count; i++) {
        lode_error found = {0};
        lode_status status = backup_decrypt(restoring->sources[i], inventory,
                                            restoring->options->key, ret_keyring, &found);
        if (!status)
            return LODE_OK;
        if (i == 0 || status != LODE_CORRUPT)
            reason = found;
        if (status != LODE_CORRUPT)
            break;
    }
    if (error)
        *error = reason;
    return reason.status;
}

static lode_status find_keys(struct restoring *restoring, lode_error *error)
{
    const lode_key_source *key = restoring->options->key;
    keyring_free(restoring->keyring);
    restoring->keyring = NULL;
    lode_status status =
        restoring_decrypt(restoring, &restoring->inventory, &restoring->keyring, error);
    if (!status && key && !restoring->keyring)
        status = error_set(error, LODE_KEY,
                           "the backup is not encrypted, and a key was given: leave the key out");
    return status;
}

/* The inventory of the first source's backup at that place, its names in clear. Release it if that succeeds. */
static lode_status read_inventory(struct restoring *restoring, size_t at, lode_error *error)
{
    lode_status status = backup_inventory(restoring->sources[0], at, &restoring->inventory, error);
    if (status)
        return status;
    status = find_keys(restoring, error);
    if (status)
        inventory_release(&restoring->inventory);
    return status;
}

/* The newest whose inventory is sound and, with `name`, has that collection: *ret_at. Else the error is that of the
 * newest. */
static lode_status newest_sound(struct restoring *restoring, const char *name, size_t *ret_at,
                                lode_error *error)
{
    const struct backup *backup = restoring->sources[0];
    size_t count = backup_count(backup);
    lode_status first = LODE_OK;
    for (size_t i = count; i-- > 0;) {
        lode_error reason = {0};
        lode_status status = read_inventory(restoring, i, &reason);
        int ends = status && status != LODE_CORRUPT;
        if (error && (ends || (status && i + 1 == count)))
            *error = reason;
        if (ends)
            return status;
        if (status && i + 1 == count)
            first = status;
        if (!status && has_collection(&restoring->inventory, name)) {
            *ret_at = i;
            return LODE_OK;
        }
        if (!status)
            inventory_release(&restoring->inventory);
    }
    return first ? first
                 : error_set(error, LODE_NOT_FOUND, "no backup in '%s' has a collection '%s'",
                             backup_path(backup), name ? name : "");
}

/* The newest is meant, and is damaged: which of them is not? */
static lode_status newest_is_damaged(struct restoring *restoring, lode_error *error)
{
    lode_error ignored = {0};
    size_t at = 0;
    if (newest_sound(restoring, NULL, &at, &ignored))
        return LODE_CORRUPT;
    inventory_release(&restoring->inventory);
    error_prefix(error, "the newest backup is damaged, the newest sound one is %" PRIu64 ": ",
                 backup_number(restoring->sources[0], at));
    return LODE_CORRUPT;
}

/* On the way to a batch any backup may do that knows the collection, which may have been dropped since. */
static lode_status choose_for_batch(struct restoring *restoring, lode_error *error)
{
    size_t at = 0;
    lode_status status = newest_sound(restoring, restoring->options->collection, &at, error);
    if (!status)
        restoring->info.number = backup_number(restoring->sources[0], at);
    return status;
}

static lode_status choose_backup(struct restoring *restoring, lode_error *error)
{
    const struct backup *backup = restoring->sources[0];
    uint64_t number = restoring->options->number;
    size_t count = backup_count(backup), i = count;
    if (count == 0)
        return error_set(error, LODE_NOT_FOUND, "'%s' holds no backup", backup_path(backup));
    if (number == 0 && restoring->options->to_sequence)
        return choose_for_batch(restoring, error);
    while (i > 0 && number && backup_number(backup, i - 1) != number)
        i--;
    if (i == 0)
        return error_set(error, LODE_NOT_FOUND,
                         "'%s' holds no backup %" PRIu64 "; the newest is %" PRIu64,
                         backup_path(backup), number, backup_number(backup, count - 1));
    restoring->info.number = backup_number(backup, i - 1);
    lode_status status = read_inventory(restoring, i - 1, error);
    return status == LODE_CORRUPT && number == 0 ? newest_is_damaged(restoring, error) : status;
}

/* What is written from here on is encrypted as the backup is. */
static lode_status take_keys(struct restoring *restoring, lode_error *error)
{
    if (!restoring->keyring)
        return LODE_OK;
    struct keyring *keyring = restoring->keyring;
    restoring->keyring = NULL;
    lode_status status = crypt_vfs_new(restoring->vfs, keyring, &restoring->crypt, error);
    if (!status)
        restoring->vfs = restoring->crypt;
    return status;
}

static lode_status choose_collection(struct restoring *restoring, lode_error *error)
{
    const struct inventory *inventory = &restoring->inventory;
    const char *name = restoring->options->collection;
    restoring->to_sequence = restoring->options->to_sequence;
    if (restoring->to_sequence && restoring->options->number)
        return error_set(error, LODE_INVALID,
                         "options.number and options.to_sequence exclude one another: the state to "
                         "begin with is chosen");
    if (!name && restoring->to_sequence && inventory->collection_count != 1)
        return error_set(error, LODE_INVALID,
                         "options.to_sequence needs options.collection: the backup has %zu",
                         inventory->collection_count);
    if (!name && !restoring->to_sequence)
        return LODE_OK;
    for (size_t i = 0; i < inventory->collection_count; i++)
        if (!name || strcmp(inventory->collections[i].name, name) == 0)
            restoring->uid = inventory->collections[i].uid;
    if (!restoring->uid)
        return error_set(error, LODE_NOT_FOUND, "backup %" PRIu64 " has no collection '%s'",
                         restoring->info.number, name);
    return restoring->to_sequence ? restoring_choose_state(restoring, error) : LODE_OK;
}

static int is_somewhere(const struct restoring *restoring, const struct inventory_file *file,
                        lode_error *reason)
{
    struct backup_content content;
    for (size_t i = 0; i < restoring->source_count; i++) {
        lode_status status =
            backup_content_open(restoring->sources[i], file, &content, i ? NULL : reason);
        if (status && status != LODE_NOT_FOUND)
            return 1; /* found, and told of when it is read */
        if (status)
            continue;
        backup_content_close(&content);
        return 1;
    }
    return 0;
}

static int all_there(const struct restoring *restoring, lode_error *reason)
{
    const struct inventory *inventory = &restoring->inventory;
    const struct inventory_file *logs = (const void *)restoring->logs.data;
    for (size_t i = 0; i < inventory->file_count; i++)
        if (restoring_wants(restoring, &inventory->files[i]) &&
            !is_somewhere(restoring, &inventory->files[i], reason))
            return 0;
    for (size_t i = 0; i < restoring->logs.size / sizeof *logs; i++)
        if (!is_somewhere(restoring, &logs[i], reason))
            return 0;
    return 1;
}

/* Before anything is written: is all there that will be needed? */
static lode_status check_sources(const struct restoring *restoring, lode_error *error)
{
    static const uint8_t zeros[SHA256_SIZE];
    const struct inventory *inventory = &restoring->inventory;
    lode_error reason = {0};
    char base[SHA256_TEXT_SIZE];
    if (all_there(restoring, &reason))
        return LODE_OK;
    if (memcmp(inventory->base, zeros, sizeof zeros) != 0)
        return error_set(error, LODE_INVALID,
                         "the backup needs its base, the one with root hash %s: options.bases "
                         "does not have all of it",
                         sha256_text(inventory->base, base));
    return error_set(error, LODE_CORRUPT, "%s", reason.message);
}

/* --- Progress ---------------------------------------------------------------------------------- */

void restoring_stage(struct restoring *restoring, const char *stage, uint64_t total_bytes)
{
    restoring->stage = stage;
    restoring->done_bytes = 0;
    restoring->total_bytes = total_bytes;
}

lode_status restoring_tell(struct restoring *restoring, size_t bytes, lode_error *error)
{
    const lode_restore_options *options = restoring->options;
    restoring->done_bytes += bytes;
    if (options->progress && options->progress(options->context, restoring->stage,
                                               restoring->done_bytes, restoring->total_bytes))
        return error_set(error, LODE_CANCELLED,
                         "the restore was stopped: '%s' is unfinished and cannot be opened",
                         restoring->path);
    return LODE_OK;
}

/* --- Files ------------------------------------------------------------------------------------- */

int restoring_wants(const struct restoring *restoring, const struct inventory_file *file)
{
    if (file->name.kind == NAME_LOG)
        return 0;
    if (file->name.kind == NAME_KEYS)
        return 1;
    if (restoring->from_nothing && file->name.kind != NAME_MANIFEST &&
        file->name.kind != NAME_TEXT_MODEL)
        return 0;
    return restoring->uid == 0 || file->uid == restoring->uid;
}

struct writing {
    struct restoring *restoring;
    struct vfs_file *file;
    uint64_t offset;
    int failed; /* here, not in the source */
};

static lode_status write_piece(void *context, const void *data, size_t size, lode_error *error)
{
    struct writing *writing = context;
    lode_status status = vfs_write(writing->file, writing->offset, data, size, error);
    writing->offset += size;
    if (!status)
        status = restoring_tell(writing->restoring, size, error);
    writing->failed = status != LODE_OK;
    return status;
}

/* Over what another source gave, of which all or nothing was sound. */
static lode_status write_from(struct writing *writing, const struct backup *source,
                              const struct inventory_file *file, lode_error *error)
{
    struct backup_content content;
    lode_status status = backup_content_open(source, file, &content, error);
    if (status)
        return status;
    writing->restoring->done_bytes -= writing->offset;
    writing->offset = 0;
    status = backup_content_read(&content, file, write_piece, writing, error);
    backup_content_close(&content);
    return status;
}

/* From the first source that has it sound. Where none has, damage is told of rather than absence. */
static lode_status write_content(struct writing *writing, const struct inventory_file *file,
                                 lode_error *error)
{
    const struct restoring *restoring = writing->restoring;
    lode_error reason = {0};
    for (size_t i = 0; i < restoring->source_count && !writing->failed; i++) {
        lode_error found = {0};
        lode_status status = write_from(writing, restoring->sources[i], file, &found);
        if (!status)
            return LODE_OK;
        if (i == 0 || writing->failed || reason.status == LODE_NOT_FOUND)
            reason = found;
    }
    if (reason.status == LODE_NOT_FOUND)
        reason.status = LODE_CORRUPT;
    if (error)
        *error = reason;
    return reason.status;
}

lode_status restoring_write(struct restoring *restoring, const struct inventory_file *file,
                            const char *path, lode_error *error)
{
    struct writing writing = {.restoring = restoring};
    lode_status status = vfs_open(restoring->vfs, path, VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE,
                                  &writing.file, error);
    if (status)
        return status;
    status = write_content(&writing, file, error);
    if (!status)
        status = vfs_sync(writing.file, error);
    vfs_close(writing.file);
    return status;
}

static lode_status collection_dir(const struct restoring *restoring, uint64_t uid, char dir[],
                                  lode_error *error)
{
    char name[CATALOG_DIR_NAME_SIZE];
    catalog_dir_name(uid, name);
    return vfs_join(dir, restoring->path, name, error);
}

/* The catalog waits in the scratch directory, to be moved into its place last. */
static lode_status file_path(const struct restoring *restoring, const struct inventory_file *file,
                             char path[], lode_error *error)
{
    char text[INVENTORY_TEXT_MAX];
    return file->uid || file->name.kind == NAME_KEYS
               ? vfs_join(path, restoring->path, inventory_file_text(file, text), error)
               : vfs_join(path, restoring->path, RESTORING_NAME "/catalog", error);
}

static lode_status write_files(struct restoring *restoring, lode_error *error)
{
    const struct inventory *inventory = &restoring->inventory;
    char path[PATH_SIZE_MAX];
    uint64_t uid = 0;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < inventory->file_count; i++) {
        const struct inventory_file *file = &inventory->files[i];
        if (!restoring_wants(restoring, file))
            continue;
        if (file->uid != uid) {
            uid = file->uid;
            status = collection_dir(restoring, uid, path, error);
            if (!status)
                status = vfs_make_dir(restoring->vfs, path, error);
        }
        if (!status)
            status = file_path(restoring, file, path, error);
        if (!status)
            status = restoring_write(restoring, file, path, error);
        restoring->info.files++;
        restoring->info.bytes += file->size;
    }
    return status;
}

/* One collection gets a catalog of its own. */
static lode_status write_catalog(struct restoring *restoring, const char *scratch,
                                 lode_error *error)
{
    struct catalog catalog = {0};
    int unknown;
    if (restoring->uid == 0)
        return LODE_OK; /* it is one of the files */
    const char *name = inventory_collection(&restoring->inventory, restoring->uid)->name;
    lode_status status = catalog_check_name("collection", name, error);
    if (!status)
        status = catalog_put(&catalog, name, NULL, restoring->uid, error);
    if (!status)
        status = catalog_save(restoring->vfs, scratch, &catalog, &unknown, error);
    catalog_release(&catalog);
    return status;
}

static lode_status sync_dirs(struct restoring *restoring, lode_error *error)
{
    const struct inventory *inventory = &restoring->inventory;
    char dir[PATH_SIZE_MAX];
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < inventory->collection_count; i++) {
        uint64_t uid = inventory->collections[i].uid;
        if (restoring->uid && uid != restoring->uid)
            continue;
        status = collection_dir(restoring, uid, dir, error);
        if (!status)
            status = vfs_dir_sync(restoring->vfs, dir, error);
    }
    return status ? status : vfs_dir_sync(restoring->vfs, restoring->path, error);
}

/* --- Reading back ------------------------------------------------------------------------------ */

static lode_status count_piece(void *context, const void *data, size_t size, lode_error *error)
{
    (void)data;
    return restoring_tell(context, size, error);
}

static lode_status read_back_one(struct restoring *restoring, const struct inventory_file *file,
                                 lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct backup_content content = {.is_own = 1};
    lode_status status = file_path(restoring, file, path, error);
    if (!status)
        status = vfs_open(restoring->vfs, path, VFS_READ, &content.file, error);
    if (status)
        return status;
    status = backup_content_read(&content, file, count_piece, restoring, error);
    if (status)
        error_prefix(error, "read back from the disk: ");
    backup_content_close(&content);
    return status;
}

/* The inventory's root is that of its hashes, so that all of them together prove it. */
static lode_status read_back(struct restoring *restoring, lode_error *error)
{
    const struct inventory *inventory = &restoring->inventory;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < inventory->file_count; i++)
        if (restoring_wants(restoring, &inventory->files[i]))
            status = read_back_one(restoring, &inventory->files[i], error);
    if (!restoring->uid) /* else other files lie there */
        sha256_text(inventory->root, restoring->info.root);
    return status;
}

/* --- All together ------------------------------------------------------------------------------ */

static uint64_t wanted_bytes(const struct restoring *restoring)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < restoring->inventory.file_count; i++)
        if (restoring_wants(restoring, &restoring->inventory.files[i]))
            bytes += restoring->inventory.files[i].size;
    return bytes;
}

/* Make the target if need be, and mark it, durably, before anything else is in it. */
static lode_status mark(struct restoring *restoring, const char *scratch, lode_error *error)
{
    struct vfs *vfs = restoring->vfs;
    char parent[PATH_SIZE_MAX];
    struct file_names names = {0};
    lode_status status = vfs_have_dir(vfs, restoring->path, error);
    if (!status)
        status = file_names_list(vfs, restoring->path, &names, error);
    if (!status && names.count > 0)
        status = error_set(error, LODE_EXISTS, "'%s' is not empty: it holds '%s'", restoring->path,
                           names.names[0]);
    file_names_release(&names);
    if (!status)
        status = vfs_make_dir(vfs, scratch, error);
    if (!status)
        status = vfs_dir_sync(vfs, restoring->path, error);
    vfs_parent(restoring->path, parent);
    return status ? status : vfs_dir_sync(vfs, parent, error);
}

static lode_status place_catalog(struct restoring *restoring, const char *scratch,
                                 lode_error *error)
{
    char from[PATH_SIZE_MAX], to[PATH_SIZE_MAX];
    lode_status status = vfs_join(from, scratch, "catalog", error);
    if (!status)
        status = vfs_join(to, restoring->path, "catalog", error);
    if (!status)
        status = vfs_rename(restoring->vfs, from, to, error);
    return status ? status : vfs_dir_sync(restoring->vfs, restoring->path, error);
}

static lode_status write_all(struct restoring *restoring, const char *scratch, lode_error *error)
{
    char dir[PATH_SIZE_MAX];
    restoring_stage(restoring, "restoring", wanted_bytes(restoring));
    lode_status status = write_files(restoring, error);
    if (!status)
        status = write_catalog(restoring, scratch, error);
    if (!status)
        status = sync_dirs(restoring, error);
    if (!status) {
        restoring_stage(restoring, "reading back", wanted_bytes(restoring));
        status = read_back(restoring, error);
    }
    if (status || !restoring->to_sequence)
        return status;
    status = collection_dir(restoring, restoring->uid, dir, error);
    return status ? status : restoring_write_logs(restoring, dir, scratch, error);
}

static lode_status restore(struct restoring *restoring, lode_error *error)
{
    char scratch[PATH_SIZE_MAX];
    lode_status status = vfs_join(scratch, restoring->path, RESTORING_NAME, error);
    if (!status)
        status = mark(restoring, scratch, error);
    if (!status)
        status = write_all(restoring, scratch, error);
    if (!status)
        status = place_catalog(restoring, scratch, error);
    if (!status)
        status = restoring_prove(restoring, error);
    if (!status)
        status = files_remove_dir(restoring->vfs, scratch, error);
    return status ? status : vfs_dir_sync(restoring->vfs, restoring->path, error);
}

lode_status restore_database(const char *backup, const char *path,
                             const lode_restore_options *options, const struct db_env *env,
                             lode_restore_info *ret_info, lode_error *error)
{
    static const lode_restore_options defaults;
    struct restoring restoring = {
        .vfs = env->vfs ? env->vfs : vfs_posix(),
        .env = env,
        .path = path,
        .options = options ? options : &defaults,
    };
    buf_init(&restoring.logs, SIZE_MAX / 2);
    lode_status status = open_sources(&restoring, backup, error);
    if (!status)
        status = choose_backup(&restoring, error);
    if (!status)
        status = choose_collection(&restoring, error);
    if (!status)
        status = take_keys(&restoring, error);
    if (!status)
        status = check_sources(&restoring, error);
    if (!status)
        status = restore(&restoring, error);
    if (!status && ret_info)
        *ret_info = restoring.info;
    for (size_t i = 0; i < restoring.source_count; i++)
        backup_close(restoring.sources[i]);
    free(restoring.sources);
    inventory_release(&restoring.inventory);
    buf_release(&restoring.logs);
    keyring_free(restoring.keyring);
    crypt_vfs_free(restoring.crypt);
    return status;
}
