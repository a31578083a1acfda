/* repair_keys.c: the keys of an encrypted database. With one of the two copies everything can be read; without both
 * nothing can, and what is encrypted must not be taken for damaged. */
#include "engine/repair.h"

#include <errno.h>
#include <stdio.h>

#include "crypt/crypt_vfs.h"
#include "crypt/header.h"
#include "engine/catalog.h"
#include "engine/files.h"

/* --- None are there ---------------------------------------------------------------------------- */

/* Whether a file begins as what is encrypted does. One that cannot be read does not. */
static int is_encrypted(const struct repairing *run, const char *path)
{
    uint8_t header[CRYPT_HEADER_SIZE];
    struct vfs_file *file;
    if (vfs_open(run->vfs, path, VFS_READ, &file, NULL))
        return 0;
    lode_status status = vfs_read(file, 0, header, sizeof header, NULL);
    vfs_close(file);
    return status == LODE_OK && crypt_is_header(header);
}

/* Look through a directory; of the database, through its collections too. What is none holds nothing. */
static lode_status find_encrypted(const struct repairing *run, const char *dir, int *ret_found,
                                  lode_error *error)
{
    struct file_names names;
    char path[PATH_SIZE_MAX];
    uint64_t uid;
    lode_error reason = {0};
    lode_status status = file_names_list(run->vfs, dir, &names, &reason);
    if (status && reason.os_errno != ENOTDIR && error)
        *error = reason;
    if (status)
        return reason.os_errno == ENOTDIR ? LODE_OK : status;
    for (size_t i = 0; !status && !*ret_found && i < names.count; i++) {
        status = vfs_join(path, dir, names.names[i], error);
        if (!status && dir == run->path && catalog_parse_dir_name(names.names[i], &uid))
            status = find_encrypted(run, path, ret_found, error);
        else if (!status)
            *ret_found = is_encrypted(run, path);
    }
    file_names_release(&names);
    return status;
}

static lode_status without_keys(struct repairing *run, lode_error *error)
{
    int found = 0;
    lode_status status = find_encrypted(run, run->path, &found, error);
    if (!status && found) {
        repair_report(run, LODE_REPAIR_LEFT, KEYRING_FILE_NAME,
                      "it is missing, and without it nothing can be decrypted: put back a copy");
        return error_set(error, LODE_CORRUPT,
                         "'%s' is encrypted, and its file '" KEYRING_FILE_NAME
                         "' is missing: without it nothing can be decrypted",
                         vfs_path_tail(run->path));
    }
    if (!status && run->options->key)
        status = error_set(error, LODE_KEY,
                           "'%s' is not encrypted, and a key was given: leave the key out",
                           vfs_path_tail(run->path));
    return status;
}

/* --- They are ---------------------------------------------------------------------------------- */

/* The same bytes again: nothing is wrapped anew, and the key stays the one it is. */
static lode_status mend_copies(struct repairing *run, uint8_t *bytes, size_t size,
                               lode_error *error)
{
    uint64_t offset = 0;
    if (size == KEYRING_FILE_SIZE && keyring_bad_copies(bytes, size, &offset) == 0)
        return LODE_OK;
    keyring_mend_copies(bytes, size);
    lode_status status = repair_keep(run, "", KEYRING_FILE_NAME, error);
    if (!status && !run->options->dry_run)
        status = keyring_write(run->vfs, run->path, bytes, error);
    if (!status)
        repair_report(run, LODE_REPAIR_MENDED, KEYRING_FILE_NAME,
                      "one of the two copies of the keys, made from the other");
    return status;
}

lode_status repair_open_keys(struct repairing *run, struct vfs **ret_crypt, lode_error *error)
{
    uint8_t bytes[KEYRING_FILE_SIZE] = {0};
    char what[160];
    size_t size = 0;
    lode_error reason = {0};
    struct keyring *keyring = NULL;
    lode_status status = keyring_read(run->vfs, run->path, bytes, &size, &reason);
    if (status == LODE_NOT_FOUND)
        return without_keys(run, error);
    snprintf(what, sizeof what, "'%s'", vfs_path_tail(run->path));
    if (!status)
        status = keyring_decode(bytes, size, what, run->options->key, &keyring, &reason);
    if (status == LODE_CORRUPT)
        repair_report(run, LODE_REPAIR_LEFT, KEYRING_FILE_NAME, "%s: put back a copy",
                      reason.message);
    if (status && error)
        *error = reason;
    if (!status)
        status = mend_copies(run, bytes, size, error);
    if (status) {
        keyring_free(keyring);
        return status;
    }
    status = crypt_vfs_new(run->vfs, keyring, ret_crypt, error);
    if (!status)
        run->vfs = *ret_crypt;
    return status;
}
