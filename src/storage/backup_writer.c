/* backup_writer.c: see backup_writer.h. In a directory a content is written under a temporary name, synced and
 * renamed to its hash, so that what has a hash for a name is whole. In one file it is appended. */
#include "storage/backup_writer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "crypt/crypt_check.h"
#include "crypt/crypt_vfs.h"
#include "storage/backup_format.h"
#include "storage/backup_reader.h"
#include "storage/names.h"

#define PIECE_SIZE ((size_t)1 << 20) /* a multiple of FRAME_BLOCK_SIZE */

struct backup_writer {
    struct vfs *vfs;
    const struct keyring
        *keyring; /* of an encrypted database, whose files are copied as they lie; else NULL */
    char *path;
    char *staging;
    int one_file;
    int staging_is_made;
    struct vfs_file *lock;
    struct vfs_file *file; /* one file: staging/data, being written */
    uint64_t end;          /* of what is in it */
    uint64_t number;       /* of this backup */
    struct inventory inventory;
    struct inventory before; /* the backup before, or the base; nothing when there is none */
    const struct inventory_file **before_by_hash;
    struct backup_written written;
    uint8_t *piece;
    backup_progress *progress;
    void *context;
    uint64_t done_bytes, total_bytes;
};

struct inventory *backup_writer_inventory(struct backup_writer *writer)
{
    return &writer->inventory;
}

const char *backup_writer_staging(const struct backup_writer *writer)
{
    return writer->staging;
}

void backup_writer_progress(struct backup_writer *writer, backup_progress *progress, void *context)
{
    writer->progress = progress;
    writer->context = context;
}

void backup_writer_expect(struct backup_writer *writer, uint64_t bytes)
{
    writer->total_bytes += bytes;
}

static lode_status tell(struct backup_writer *writer, uint64_t bytes, lode_error *error)
{
    writer->done_bytes += bytes;
    if (writer->total_bytes < writer->done_bytes)
        writer->total_bytes = writer->done_bytes;
    if (writer->progress &&
        writer->progress(writer->context, writer->done_bytes, writer->total_bytes))
        return error_set(error, LODE_CANCELLED, "the backup was stopped; there is none");
    return LODE_OK;
}

/* --- Beginning --------------------------------------------------------------------------------- */

static lode_status make_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    lode_error found = {0};
    lode_status status = vfs_make_dir(vfs, path, &found);
    if (status == LODE_EXISTS)
        return LODE_OK;
    if (status && error)
        *error = found;
    return status;
}

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
        strcmp(name, BACKUP_STAGING) != 0)
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

/* Never into a file that is there: it may have a second name already, which counts. */
static lode_status write_small(struct vfs *vfs, const char *path, const void *data, size_t size,
                               lode_error *error)
{
    struct vfs_file *file;
    lode_status status = vfs_open(vfs, path, VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE, &file, error);
    if (status)
        return status;
    status = vfs_write(file, 0, data, size, error);
    if (!status)
        status = vfs_sync(file, error);
    vfs_close(file);
    return status;
}

/* The parent directory of `path`, into parent[PATH_SIZE_MAX]. */
static lode_status sync_parent(struct backup_writer *writer, lode_error *error)
{
    char parent[PATH_SIZE_MAX];
    vfs_parent(writer->path, parent);
    return vfs_dir_sync(writer->vfs, parent, error);
}

/* A mark that a crash left unfinished was never synced: it is written again. */
static lode_status write_mark(struct backup_writer *writer, const char *path, lode_error *error)
{
    struct vfs_file *file;
    lode_status status =
        vfs_open(writer->vfs, path, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE, &file, error);
    if (status)
        return status;
    status = vfs_write(file, 0, BACKUP_MARK_TEXT, strlen(BACKUP_MARK_TEXT), error);
    if (!status)
        status = vfs_sync(file, error);
    vfs_close(file);
    return status;
}

/* Durable before the mark, so that a marked directory has it. */
static lode_status make_objects(struct backup_writer *writer, lode_error *error)
{
    char objects[PATH_SIZE_MAX];
    lode_status status = vfs_join(objects, writer->path, BACKUP_OBJECTS, error);
    if (!status)
        status = make_dir(writer->vfs, objects, error);
    return status ? status : vfs_dir_sync(writer->vfs, writer->path, error);
}

/* An empty directory becomes one of backups; its mark is what makes it one. */
static lode_status mark_dir(struct backup_writer *writer, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    enum backup_mark mark = BACKUP_MARK_NONE;
    lode_status status = vfs_join(path, writer->path, BACKUP_MARK, error);
    if (!status)
        status = backup_mark_read(writer->vfs, writer->path, &mark, error);
    if (!status && mark == BACKUP_MARK_NONE)
        status = check_empty(writer, error);
    if (!status)
        status = make_objects(writer, error);
    if (status || mark == BACKUP_MARK_WHOLE)
        return status;
    status = write_mark(writer, path, error);
    if (!status)
        status = vfs_dir_sync(writer->vfs, writer->path, error);
    return status ? status : sync_parent(writer, error);
}

static lode_status begin_staging(struct backup_writer *writer, lode_error *error)
{
    lode_status status = make_dir(writer->vfs, writer->staging, error);
    if (!status)
        status = check_staging(writer, error);
    writer->staging_is_made = status == LODE_OK;
    return status;
}

static lode_status begin_dir(struct backup_writer *writer, lode_error *error)
{
    lode_status status = make_dir(writer->vfs, writer->path, error);
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
static lode_status newest_inventory(struct backup_writer *writer, const struct backup *backup,
                                    lode_error *error)
{
    lode_error reason = {0};
    lode_status status = LODE_CORRUPT;
    for (size_t i = backup_count(backup); status == LODE_CORRUPT && i > 0; i--)
        status = backup_inventory(backup, i - 1, &writer->before, &reason);
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

/* The newest backup of the target itself, or of the base. */
static lode_status find_before(struct backup_writer *writer, const char *path, lode_error *error)
{
    struct backup *backup;
    lode_status status = backup_open(writer->vfs, path, &backup, error);
    if (status)
        return status;
    size_t count = backup_count(backup);
    if (!writer->one_file)
        writer->number = count ? backup_number(backup, count - 1) + 1 : 1;
    else if (count == 0)
        status = error_set(error, LODE_NOT_FOUND, "base '%s' holds no backup", path);
    if (!status && count > 0)
        status = newest_inventory(writer, backup, error);
    backup_close(backup);
    if (!status)
        status = check_history(writer, path, error);
    if (!status && writer->one_file)
        memcpy(writer->inventory.base, writer->before.root, SHA256_SIZE);
    return status ? status : index_before(writer, error);
}

static lode_status writer_new(const struct backup_target *target, struct backup_writer **ret_writer,
                              lode_error *error)
{
    char staging[PATH_SIZE_MAX];
    size_t size = strlen(target->path);
    while (size > 1 && target->path[size - 1] == '/')
        size--;
    int length = snprintf(staging, sizeof staging, "%.*s%s", (int)size, target->path,
                          target->one_file ? ".tmp" : "/" BACKUP_STAGING);
    if (length < 0 || length >= (int)sizeof staging)
        return error_set(error, LODE_LIMIT, "path of %zu bytes: too long", size);
    struct backup_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return error_nomem(error, "a backup", sizeof *writer);
    *writer = (struct backup_writer){
        .vfs = target->vfs,
        .keyring = crypt_vfs_keyring(target->vfs),
        .one_file = target->one_file,
        .number = 1,
        .inventory = {.history = target->history,
                      .is_encrypted = crypt_vfs_keyring(target->vfs) != NULL},
        .path = strndup(target->path, size),
        .staging = strdup(staging),
        .piece = malloc(PIECE_SIZE),
    };
    if (!writer->path || !writer->staging || !writer->piece) {
        backup_writer_close(writer);
        return error_nomem(error, "a backup", PIECE_SIZE);
    }
    *ret_writer = writer;
    return LODE_OK;
}

lode_status backup_writer_begin(const struct backup_target *target,
                                struct backup_writer **ret_writer, lode_error *error)
{
    struct backup_writer *writer = NULL;
    lode_status status = writer_new(target, &writer, error);
    if (status)
        return status;
    status = target->one_file ? begin_file(writer, error) : begin_dir(writer, error);
    const char *before = target->one_file ? target->base : target->path;
    if (!status && before)
        status = find_before(writer, before, error);
    if (status)
        backup_writer_close(writer);
    else
        *ret_writer = writer;
    return status;
}

/* --- What is there already --------------------------------------------------------------------- */

/* One of another size is damaged, and counts as missing. */
static lode_status object_exists(const struct backup_writer *writer,
                                 const struct inventory_file *file, int *ret_exists,
                                 lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct vfs_file *object;
    uint64_t size = 0;
    lode_error reason = {0};
    lode_status status = backup_object_path(path, writer->path, file->hash, error);
    if (status)
        return status;
    status = vfs_open(writer->vfs, path, VFS_READ, &object, &reason);
    if (!status) {
        status = vfs_size(object, &size, &reason);
        vfs_close(object);
    }
    *ret_exists = status == LODE_OK && size == file->size;
    if (status == LODE_NOT_FOUND)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

/* Whether a content of that hash need not be written. */
static lode_status is_known(const struct backup_writer *writer, const struct inventory_file *file,
                            int *ret_known, lode_error *error)
{
    *ret_known = 0;
    /* A file without its keys could not tell what it is. */
    if (writer->one_file && file->name.kind == NAME_KEYS)
        return LODE_OK;
    if (!writer->one_file)
        return object_exists(writer, file, ret_known, error);
    if (writer->before.file_count > 0)
        *ret_known = bsearch(&file, writer->before_by_hash, writer->before.file_count,
                             sizeof(void *), by_hash) != NULL;
    return LODE_OK;
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

/* Known without being read: its hash is found. */
static lode_status find_unread(const struct backup_writer *writer, struct inventory_file *file,
                               int *ret_known, lode_error *error)
{
    *ret_known = 0;
    if (!is_constant(file))
        return LODE_OK;
    const struct inventory_file *found = inventory_find(&writer->before, file->uid, file->name);
    if (!found || found->size != file->size || found->sum != file->sum)
        return LODE_OK;
    memcpy(file->hash, found->hash, SHA256_SIZE);
    return is_known(writer, file, ret_known, error);
}

/* --- Copying ----------------------------------------------------------------------------------- */

struct copying {
    struct backup_writer *writer;
    struct vfs_file *from;
    const struct frame *frame; /* to check blocks with; NULL of logs, keys, and what is encrypted */
    struct crypt_check *check; /* of what is encrypted, but for logs; else NULL */
    struct vfs_file *to;
    uint64_t to_offset;
    struct sha256 sha;
};

static lode_status check_blocks(const struct copying *copying, uint64_t offset, size_t size,
                                lode_error *error)
{
    for (size_t at = 0; copying->frame && at < size; at += FRAME_BLOCK_SIZE)
        if (!frame_block_matches(copying->frame, offset + at, copying->writer->piece + at,
                                 size - at))
            return error_set(error, LODE_CORRUPT,
                             "the block at offset %" PRIu64 " is damaged: it is not backed up",
                             offset + at);
    return LODE_OK;
}

static lode_status copy_piece(struct copying *copying, uint64_t offset, size_t size,
                              lode_error *error)
{
    struct backup_writer *writer = copying->writer;
    lode_status status = vfs_read(copying->from, offset, writer->piece, size, error);
    if (!status)
        status = check_blocks(copying, offset, size, error);
    if (!status && copying->check)
        status = crypt_check_update(copying->check, writer->piece, size, error);
    if (status)
        return status;
    sha256_update(&copying->sha, writer->piece, size);
    status = vfs_write(copying->to, copying->to_offset + offset, writer->piece, size, error);
    return status ? status : tell(writer, size, error);
}

static lode_status copy_all(struct copying *copying, struct inventory_file *file, lode_error *error)
{
    lode_status status = sha256_init(&copying->sha, error);
    for (uint64_t at = 0; !status && at < file->size; at += PIECE_SIZE) {
        uint64_t left = file->size - at;
        status = copy_piece(copying, at, left < PIECE_SIZE ? (size_t)left : PIECE_SIZE, error);
    }
    if (!status)
        sha256_digest(&copying->sha, file->hash);
    if (!status && copying->check)
        status = crypt_check_end(copying->check, error);
    sha256_release(&copying->sha);
    return status;
}

/* Its place is at the end of the one file; that is where the next goes too when it turns out to be known. */
static lode_status copy_to_file(struct copying *copying, struct inventory_file *file, int *ret_new,
                                lode_error *error)
{
    struct backup_writer *writer = copying->writer;
    int known = 0;
    uint64_t at = (writer->end + BACKUP_ALIGNMENT - 1) / BACKUP_ALIGNMENT * BACKUP_ALIGNMENT;
    copying->to = writer->file;
    copying->to_offset = at;
    lode_status status = copy_all(copying, file, error);
    if (!status)
        status = is_known(writer, file, &known, error);
    if (status || known)
        return status;
    file->offset = at;
    writer->end = at + file->size;
    *ret_new = 1;
    return LODE_OK;
}

/* In place of one that is there already: that may be damaged, and this one has just been read. */
static lode_status keep_object(struct backup_writer *writer, const char *temporary,
                               const struct inventory_file *file, int *ret_new, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    int known = 0;
    lode_status status = is_known(writer, file, &known, error);
    if (!status)
        status = backup_object_path(path, writer->path, file->hash, error);
    if (!status)
        status = vfs_rename(writer->vfs, temporary, path, error);
    *ret_new = !status && !known;
    return status;
}

static lode_status copy_to_dir(struct copying *copying, struct inventory_file *file, int *ret_new,
                               lode_error *error)
{
    struct backup_writer *writer = copying->writer;
    char temporary[PATH_SIZE_MAX];
    lode_status status = vfs_join(temporary, writer->staging, "object", error);
    if (!status)
        status = vfs_open(writer->vfs, temporary, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE,
                          &copying->to, error);
    if (status)
        return status;
    status = copy_all(copying, file, error);
    if (!status)
        status = vfs_sync(copying->to, error);
    vfs_close(copying->to);
    return status ? status : keep_object(writer, temporary, file, ret_new, error);
}

static lode_status copy(struct copying *copying, struct inventory_file *file, lode_error *error)
{
    struct backup_writer *writer = copying->writer;
    int is_new = 0;
    lode_status status = writer->one_file ? copy_to_file(copying, file, &is_new, error)
                                          : copy_to_dir(copying, file, &is_new, error);
    if (!status && is_new) {
        writer->written.new_files++;
        writer->written.new_bytes += file->size;
    }
    return status;
}

/* --- Adding ------------------------------------------------------------------------------------ */

static enum frame_kind frame_kind_of(const struct inventory_file *file)
{
    switch (file->name.kind) {
    case NAME_MANIFEST: return FRAME_MANIFEST;
    case NAME_VECTORS: return FRAME_VECTORS;
    case NAME_IDS: return FRAME_IDS;
    case NAME_DOCS: return FRAME_DOCS;
    case NAME_GRAPH: return FRAME_GRAPH;
    case NAME_COLUMNS: return FRAME_COLUMNS;
    case NAME_LIVE: return FRAME_LIVE;
    case NAME_TEXT_MODEL: return FRAME_TEXT_MODEL;
    default: return FRAME_CATALOG;
    }
}

static lode_status copy_framed(struct backup_writer *writer, const struct frame *frame,
                               struct inventory_file *file, lode_error *error)
{
    return copy(&(struct copying){.writer = writer, .from = frame->file, .frame = frame}, file,
                error);
}

static lode_status copy_encrypted(struct backup_writer *writer, const struct frame *frame,
                                  struct inventory_file *file, lode_error *error)
{
    struct crypt_check check;
    struct copying copying = {
        .writer = writer, .from = crypt_file_raw(frame->file), .check = &check};
    lode_status status = crypt_check_init(&check, writer->keyring, file->size, "it", error);
    if (!status)
        status = copy(&copying, file, error);
    crypt_check_release(&check);
    return status;
}

/* As it lies on the disk. */
static lode_status measure(const struct frame *frame, uint64_t *ret_size, lode_error *error)
{
    *ret_size = frame->size;
    return frame->is_encrypted ? vfs_size(crypt_file_raw(frame->file), ret_size, error) : LODE_OK;
}

static lode_status add_framed(struct backup_writer *writer, const char *path,
                              struct inventory_file *file, lode_error *error)
{
    struct frame frame;
    int known = 0;
    lode_status status = frame_open(writer->vfs, path, frame_kind_of(file), file->uid,
                                    file->name.number, &frame, error);
    if (status)
        return status;
    status = measure(&frame, &file->size, error);
    file->sum = frame_sum(&frame);
    if (!status)
        status = find_unread(writer, file, &known, error);
    if (!status && !known)
        status = frame.is_encrypted ? copy_encrypted(writer, &frame, file, error)
                                    : copy_framed(writer, &frame, file, error);
    if (!status && known)
        writer->total_bytes -= file->size < writer->total_bytes - writer->done_bytes
                                   ? file->size
                                   : writer->total_bytes - writer->done_bytes;
    frame_close(&frame);
    return status;
}

/* A log, of which as much as `file` says, or the keys, all of them. */
static lode_status add_unframed(struct backup_writer *writer, const char *path,
                                struct inventory_file *file, lode_error *error)
{
    struct vfs_file *from;
    lode_status status = vfs_open(writer->vfs, path, VFS_READ, &from, error);
    if (status)
        return status;
    if (file->name.kind == NAME_KEYS)
        status = vfs_size(from, &file->size, error);
    if (!status)
        status = copy(&(struct copying){.writer = writer, .from = from}, file, error);
    vfs_close(from);
    return status;
}

lode_status backup_writer_add(struct backup_writer *writer, const char *path,
                              const struct inventory_file *file, lode_error *error)
{
    struct inventory_file added = *file;
    int framed = file->name.kind != NAME_LOG && file->name.kind != NAME_KEYS;
    lode_status status = framed ? add_framed(writer, path, &added, error)
                                : add_unframed(writer, path, &added, error);
    if (status == LODE_NOT_FOUND) /* it is pinned: its absence is damage */
        status = error_set(error, LODE_CORRUPT, "it is missing");
    if (!status)
        status = inventory_add_file(&writer->inventory, &added, error);
    if (status) {
        char text[INVENTORY_TEXT_MAX];
        error_prefix(error, "%s: ", inventory_file_text(file, text));
        return status;
    }
    writer->written.files++;
    writer->written.bytes += added.size;
    return LODE_OK;
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
        status = write_small(writer->vfs, temporary, inventory->data, inventory->size, error);
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

lode_status backup_writer_finish(struct backup_writer *writer, uint64_t made_us,
                                 struct backup_written *ret_written, lode_error *error)
{
    struct buf bytes;
    buf_init(&bytes, INVENTORY_SIZE_MAX);
    writer->inventory.made_us = made_us;
    lode_status status = inventory_seal(&writer->inventory, error);
    if (!status)
        status = inventory_encode(&writer->inventory, writer->keyring, &bytes, error);
    if (!status)
        status = writer->one_file ? finish_file(writer, &bytes, error)
                                  : finish_dir(writer, &bytes, error);
    buf_release(&bytes);
    if (status)
        return status;
    writer->written.number = writer->number;
    *ret_written = writer->written;
    return LODE_OK;
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

void backup_writer_close(struct backup_writer *writer)
{
    if (!writer)
        return;
    if (writer->file)
        vfs_close(writer->file);
    clean_up(writer);
    if (writer->lock)
        vfs_unlock(writer->lock);
    inventory_release(&writer->inventory);
    inventory_release(&writer->before);
    free(writer->before_by_hash);
    free(writer->piece);
    free(writer->staging);
    free(writer->path);
    free(writer);
}
