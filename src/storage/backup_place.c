/* backup_place.c: where a backup is put. Staging directories are emptied, and nobody else's files are; a directory
 * becomes one of backups by its mark; an inventory is named last. */
#include "storage/backup_writer_parts.h"

#include <stdlib.h>

#include "base/limits.h"
#include "storage/backup_format.h"
#include "storage/names.h"

/* --- Staging ----------------------------------------------------------------------------------- */

struct emptying {
    struct vfs *vfs;
    const char *dir;
    struct buf names; /* each with NUL */
    lode_status status;
};

static void keep_name(void *context, const char *name)
{
    struct emptying *emptying = context;
    if (!emptying->status)
        emptying->status = buf_append(&emptying->names, name, strlen(name) + 1, NULL);
}

/* Whether a backup makes files of that name in its staging directory. */
static int is_staged(const char *name)
{
    static const char *const ours[] = {BACKUP_LOCK, "data",    "object",
                                       "inventory", "catalog", "catalog.tmp"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(name, ours[i]) == 0)
            return 1;
    switch (name_parse(name).kind) {
    case NAME_MANIFEST:
    case NAME_VECTORS:
    case NAME_IDS:
    case NAME_DOCS:
    case NAME_GRAPH:
    case NAME_COLUMNS:
    case NAME_LIVE: return 1;
    default: return 0;
    }
}

struct foreign {
    char name[128]; /* of one, cut off if need be; "": there is none */
};

static void see_staged(void *context, const char *name)
{
    struct foreign *foreign = context;
    if (!is_staged(name))
        snprintf(foreign->name, sizeof foreign->name, "%s", name);
}

/* What is in a staging directory is going to be removed: somebody else's files must not be there. */
static lode_status check_staging(const struct backup_writer *writer, lode_error *error)
{
    struct foreign foreign = {0};
    lode_status status = vfs_list(writer->vfs, writer->staging, see_staged, &foreign, error);
    if (!status && foreign.name[0])
        status = error_set(error, LODE_INVALID,
                           "'%s' is needed for the backup, and holds '%s', which no backup made: "
                           "move it away",
                           writer->staging, foreign.name);
    return status;
}

/* Remove our files in the staging directory; what cannot be removed is refused or overwritten when its turn
 * comes. */
static void empty_staging(struct backup_writer *writer)
{
    struct emptying emptying = {.vfs = writer->vfs, .dir = writer->staging};
    buf_init(&emptying.names, SIZE_MAX / 2);
    lode_status ignored = vfs_list(writer->vfs, writer->staging, keep_name, &emptying, NULL);
    for (size_t at = 0; !ignored && at < emptying.names.size;) {
        const char *name = (const char *)emptying.names.data + at;
        char path[PATH_SIZE_MAX];
        at += strlen(name) + 1;
        if (strcmp(name, BACKUP_LOCK) == 0 || !is_staged(name))
            continue;
        lode_status removed = vfs_join(path, writer->staging, name, NULL);
        if (!removed)
            removed = vfs_remove(writer->vfs, path, NULL);
        (void)removed;
    }
    (void)ignored;
    buf_release(&emptying.names);
}

static lode_status lock(struct backup_writer *writer, const char *dir, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    lode_status status = vfs_join(path, dir, BACKUP_LOCK, error);
    return status ? status : vfs_lock(writer->vfs, path, &writer->lock, error);
}

static void see_name(void *context, const char *name)
{
    int *more = context;
    if (strcmp(name, BACKUP_LOCK) != 0 && strcmp(name, BACKUP_OBJECTS) != 0 &&
        strcmp(name, BACKUP_STAGING) != 0 && strcmp(name, BACKUP_MARK_TEMPORARY) != 0)
        *more = 1;
}

static void see_any(void *context, const char *name)
{
    int *more = context;
    (void)name;
    *more = 1;
}

/* A directory below the target: empty, or not there. */
static lode_status see_below(const struct backup_writer *writer, const char *name, int *more,
                             lode_error *error)
{
    char path[PATH_SIZE_MAX];
    int exists = 0;
    lode_status status = vfs_join(path, writer->path, name, error);
    if (!status)
        status = vfs_exists(writer->vfs, path, &exists, error);
    return status || !exists ? status : vfs_list(writer->vfs, path, see_any, more, error);
}

/* Without a mark it may hold what a first backup leaves before there is one, and nothing else. */
static lode_status check_empty(const struct backup_writer *writer, lode_error *error)
{
    int more = 0;
    lode_status status = vfs_list(writer->vfs, writer->path, see_name, &more, error);
    if (!status)
        status = see_below(writer, BACKUP_OBJECTS, &more, error);
    if (!status)
        status = see_below(writer, BACKUP_STAGING, &more, error);
    if (!status && more)
        status = error_set(error, LODE_INVALID, "'%s' is neither empty nor a directory of backups",
                           writer->path);
    return status;
}

/* Of a file that may be there: VFS_TRUNCATE it, or VFS_EXCLUSIVE. */
static lode_status write_small(struct vfs *vfs, const char *path, unsigned how, const void *data,
                               size_t size, lode_error *error)
{
    struct vfs_file *file;
    lode_status status = vfs_open(vfs, path, VFS_WRITE | VFS_CREATE | how, &file, error);
    if (status)
        return status;
    status = vfs_write(file, 0, data, size, error);
    if (!status)
        status = vfs_sync(file, error);
    vfs_close(file);
    return status;
}

/* The name of the target itself. */
static lode_status sync_parent(struct backup_writer *writer, lode_error *error)
{
    char parent[PATH_SIZE_MAX];
    vfs_parent(writer->path, parent);
    return vfs_dir_sync(writer->vfs, parent, error);
}

/* Durable before the mark, so that a marked directory has it. */
static lode_status make_objects(struct backup_writer *writer, lode_error *error)
{
    char objects[PATH_SIZE_MAX];
    lode_status status = vfs_join(objects, writer->path, BACKUP_OBJECTS, error);
    if (!status)
        status = vfs_have_dir(writer->vfs, objects, error);
    return status ? status : vfs_dir_sync(writer->vfs, writer->path, error);
}

/* An empty directory becomes one of backups; its mark is what makes it one. */
static lode_status mark_dir(struct backup_writer *writer, lode_error *error)
{
    char path[PATH_SIZE_MAX], temporary[PATH_SIZE_MAX];
    enum backup_mark mark = BACKUP_MARK_NONE;
    lode_status status = vfs_join(path, writer->path, BACKUP_MARK, error);
    if (!status)
        status = vfs_join(temporary, writer->path, BACKUP_MARK_TEMPORARY, error);
    if (!status)
        status = backup_mark_read(writer->vfs, writer->path, &mark, error);
    if (!status && mark == BACKUP_MARK_NONE)
        status = check_empty(writer, error);
    if (!status)
        status = make_objects(writer, error);
    if (status || mark == BACKUP_MARK_WHOLE)
        return status;
    /* Before the mark, since an attempt that finds one asks no more. */
    status = sync_parent(writer, error);
    /* Whole before it has its name: a crash may leave anything in a file that was not synced. */
    if (!status)
        status = write_small(writer->vfs, temporary, VFS_TRUNCATE, BACKUP_MARK_TEXT,
                             strlen(BACKUP_MARK_TEXT), error);
    if (!status)
        status = vfs_rename(writer->vfs, temporary, path, error);
    return status ? status : vfs_dir_sync(writer->vfs, writer->path, error);
}

static lode_status begin_staging(struct backup_writer *writer, lode_error *error)
{
    lode_status status = vfs_have_dir(writer->vfs, writer->staging, error);
    if (!status)
        status = check_staging(writer, error);
    writer->staging_is_made = status == LODE_OK;
    return status;
}

static lode_status begin_dir(struct backup_writer *writer, lode_error *error)
{
    lode_status status = vfs_have_dir(writer->vfs, writer->path, error);
    if (!status)
        status = lock(writer, writer->path, error);
    if (!status)
        status = mark_dir(writer, error);
    if (!status)
        status = begin_staging(writer, error);
    if (!status)
        empty_staging(writer);
    return status;
}

static lode_status begin_file(struct backup_writer *writer, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    uint8_t head[BACKUP_HEAD_SIZE];
    int exists = 0;
    lode_status status = vfs_exists(writer->vfs, writer->path, &exists, error);
    if (!status && exists)
        status = error_set(error, LODE_EXISTS, "'%s' is there already", writer->path);
    if (!status)
        status = begin_staging(writer, error);
    if (!status)
        status = lock(writer, writer->staging, error);
    if (status)
        return status;
    empty_staging(writer);
    status = vfs_join(path, writer->staging, "data", error);
    if (!status)
        status = vfs_open(writer->vfs, path, VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE, &writer->file,
                          error);
    if (status)
        return status;
    backup_head_put(head);
    writer->end = sizeof head;
    return vfs_write(writer->file, 0, head, sizeof head, error);
}

lode_status backup_place_begin(struct backup_writer *writer, lode_error *error)
{
    return writer->one_file ? begin_file(writer, error) : begin_dir(writer, error);
}

/* --- The end ----------------------------------------------------------------------------------- */

static lode_status finish_dir(struct backup_writer *writer, const struct buf *inventory,
                              lode_error *error)
{
    char name[BACKUP_NAME_MAX], path[PATH_SIZE_MAX], temporary[PATH_SIZE_MAX],
        objects[PATH_SIZE_MAX];
    lode_status status = vfs_join(path, writer->path, backup_name(writer->number, name), error);
    if (!status)
        status = vfs_join(temporary, writer->staging, "inventory", error);
    if (!status)
        status = vfs_join(objects, writer->path, BACKUP_OBJECTS, error);
    if (!status)
        status = vfs_dir_sync(writer->vfs, objects, error);
    if (!status)
        /* Never into a file that is there: it may have a second name already, which counts. */
        status = write_small(writer->vfs, temporary, VFS_EXCLUSIVE, inventory->data,
                             inventory->size, error);
    if (!status)
        status = vfs_link(writer->vfs, temporary, path, error);
    return status ? status : vfs_dir_sync(writer->vfs, writer->path, error);
}

static lode_status finish_file(struct backup_writer *writer, const struct buf *inventory,
                               lode_error *error)
{
    char data[PATH_SIZE_MAX];
    uint8_t trailer[BACKUP_TRAILER_SIZE];
    uint64_t at = (writer->end + BACKUP_ALIGNMENT - 1) / BACKUP_ALIGNMENT * BACKUP_ALIGNMENT;
    backup_trailer_put(trailer, at, inventory->size, writer->inventory.root);
    lode_status status = vfs_join(data, writer->staging, "data", error);
    /* A content that turned out to be known may lie behind the end. */
    if (!status)
        status = vfs_truncate(writer->file, writer->end, error);
    if (!status)
        status = vfs_write(writer->file, at, inventory->data, inventory->size, error);
    if (!status)
        status = vfs_write(writer->file, at + inventory->size, trailer, sizeof trailer, error);
    if (!status)
        status = vfs_sync(writer->file, error);
    if (!status)
        status = vfs_link(writer->vfs, data, writer->path, error);
    return status ? status : sync_parent(writer, error);
}

lode_status backup_place_finish(struct backup_writer *writer, const struct buf *inventory,
                                lode_error *error)
{
    return writer->one_file ? finish_file(writer, inventory, error)
                            : finish_dir(writer, inventory, error);
}

/* The lock of one file lies in its staging directory, which goes too: only while the lock is held. */
static void clean_up(struct backup_writer *writer)
{
    char path[PATH_SIZE_MAX];
    if (!writer->staging_is_made || !writer->lock)
        return;
    empty_staging(writer);
    if (writer->one_file && vfs_join(path, writer->staging, BACKUP_LOCK, NULL) == LODE_OK) {
        lode_status stays = vfs_remove(writer->vfs, path, NULL);
        (void)stays; /* so does the directory then */
    }
    lode_status ignored = vfs_remove_dir(writer->vfs, writer->staging, NULL);
    (void)ignored;
}

void backup_place_close(struct backup_writer *writer)
{
    if (writer->file)
        vfs_close(writer->file);
    clean_up(writer);
    if (writer->lock)
        vfs_unlock(writer->lock);
}
