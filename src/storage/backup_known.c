/* backup_known.c: what a backup need not write, because the directory, or the base, has it. By default a content of
 * the right size is taken for sound, since reading all of them would make each backup a full one. */
#include "storage/backup_writer_parts.h"

#include <stdlib.h>

#include "storage/backup_format.h"

/* --- The backup before ------------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
    const struct inventory_file *const *one = a, *const *two = b;
    return memcmp((*one)->hash, (*two)->hash, SHA256_SIZE);
}

static lode_status index_before(struct backup_writer *writer, lode_error *error)
{
    size_t count = writer->before.file_count;
    writer->before_by_hash = calloc(count + 1, sizeof(void *));
    if (!writer->before_by_hash)
        return error_nomem(error, "a list of files", count * sizeof(void *));
    for (size_t i = 0; i < count; i++)
        writer->before_by_hash[i] = &writer->before.files[i];
    qsort(writer->before_by_hash, count, sizeof(void *), by_hash);
    return LODE_OK;
}

/* The newest that can be read: a damaged one is no reason not to make a sound one now. */
static lode_status newest_inventory(struct backup_writer *writer, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = LODE_CORRUPT;
    for (size_t i = backup_count(writer->known); status == LODE_CORRUPT && i > 0; i--)
        status = backup_inventory(writer->known, i - 1, &writer->before, &reason);
    if (status == LODE_CORRUPT && !writer->one_file)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

/* Numbers of batches in two histories mean different batches: logs of both must not lie side by side. */
static lode_status check_history(const struct backup_writer *writer, const char *path,
                                 lode_error *error)
{
    if (writer->before.file_count == 0 || writer->before.history == writer->inventory.history)
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "'%s' holds backups of another history: this database was restored since, or "
                     "is another; back it up into a new place",
                     path);
}

lode_status backup_known_begin(struct backup_writer *writer, const char *path, lode_error *error)
{
    lode_status status = backup_open(writer->vfs, path, &writer->known, error);
    if (status)
        return status;
    size_t count = backup_count(writer->known);
    if (!writer->one_file)
        writer->number = count ? backup_number(writer->known, count - 1) + 1 : 1;
    else if (count == 0)
        status = error_set(error, LODE_NOT_FOUND, "base '%s' holds no backup", path);
    if (!status && count > 0)
        status = newest_inventory(writer, error);
    if (!status)
        status = check_history(writer, path, error);
    if (!status && writer->one_file)
        memcpy(writer->inventory.base, writer->before.root, SHA256_SIZE);
    return status ? status : index_before(writer, error);
}

void backup_known_close(struct backup_writer *writer)
{
    backup_close(writer->known);
    inventory_release(&writer->before);
    free(writer->before_by_hash);
}

/* --- Looking ----------------------------------------------------------------------------------- */

static lode_status tell_read(void *context, const void *data, size_t size, lode_error *error)
{
    (void)data;
    return backup_writer_tell(context, size, error);
}

/* A content that cannot be opened or read is as good as a damaged one: another can be written. */
static lode_status look_into(struct backup_writer *writer, const struct inventory_file *file,
                             lode_error *error)
{
    struct backup_content content;
    lode_status status = backup_content_open(writer->known, file, &content, error);
    if (!status) {
        if (writer->verify)
            status = backup_content_read(&content, file, tell_read, writer, error);
        backup_content_close(&content);
    }
    return status == LODE_IO ? LODE_CORRUPT : status;
}

static lode_status look(struct backup_writer *writer, const struct inventory_file *file,
                        enum backup_known *ret_known, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = look_into(writer, file, &reason);
    *ret_known = status == LODE_OK        ? BACKUP_KNOWN
                 : status == LODE_CORRUPT ? BACKUP_DAMAGED
                                          : BACKUP_MISSING;
    if (status == LODE_CORRUPT || status == LODE_NOT_FOUND)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

/* Of the base, what its newest backup names; what that leaves to a base of its own is not looked at. */
static lode_status look_in_base(struct backup_writer *writer, const struct inventory_file *file,
                                enum backup_known *ret_known, lode_error *error)
{
    const struct inventory_file *const *found = NULL;
    if (writer->before.file_count > 0)
        found = bsearch(&file, writer->before_by_hash, writer->before.file_count, sizeof(void *),
                        by_hash);
    if (found && backup_is_file(writer->known) && (*found)->offset == 0) {
        *ret_known = BACKUP_KNOWN;
        return LODE_OK;
    }
    return found ? look(writer, file, ret_known, error) : LODE_OK;
}

lode_status backup_known_look(struct backup_writer *writer, const struct inventory_file *file,
                              enum backup_known *ret_known, lode_error *error)
{
    *ret_known = BACKUP_MISSING;
    /* A file without its keys could not tell what it is. */
    if (writer->one_file && file->name.kind == NAME_KEYS)
        return LODE_OK;
    return writer->one_file ? look_in_base(writer, file, ret_known, error)
                            : look(writer, file, ret_known, error);
}

/* Files of these kinds never change: what has the name, size and sum of one backed up before is it. */
static int is_constant(const struct inventory_file *file)
{
    switch (file->name.kind) {
    case NAME_VECTORS:
    case NAME_IDS:
    case NAME_DOCS:
    case NAME_GRAPH:
    case NAME_COLUMNS:
    case NAME_TEXT_MODEL: return 1;
    default: return 0;
    }
}

lode_status backup_known_unread(struct backup_writer *writer, struct inventory_file *file,
                                enum backup_known *ret_known, lode_error *error)
{
    *ret_known = BACKUP_MISSING;
    if (!is_constant(file))
        return LODE_OK;
    const struct inventory_file *found = inventory_find(&writer->before, file->uid, file->name);
    if (!found || found->size != file->size || found->sum != file->sum)
        return LODE_OK;
    memcpy(file->hash, found->hash, SHA256_SIZE);
    return backup_known_look(writer, file, ret_known, error);
}
