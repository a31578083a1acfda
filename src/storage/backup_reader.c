/* backup_reader.c: see backup_reader.h. */
#include "storage/backup_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "storage/backup_format.h"

#define PIECE_SIZE    ((size_t)1 << 20)
#define MARK_SIZE_MAX 64

struct backup {
    struct vfs *vfs;
    char *path;
    uint64_t *numbers;
    size_t count;
    struct vfs_file *file; /* of one file; NULL of a directory */
    uint64_t size;
    uint64_t inventory_offset, inventory_size;
    struct inventory inventory;                  /* of one file, */
    const struct inventory_file **files_by_hash; /* and which of its files are in it */
    size_t file_count;
};

const char *backup_path(const struct backup *backup)
{
    return backup->path;
}

int backup_is_file(const struct backup *backup)
{
    return backup->file != NULL;
}

size_t backup_count(const struct backup *backup)
{
    return backup->count;
}

uint64_t backup_number(const struct backup *backup, size_t i)
{
    return backup->numbers[i];
}

void backup_close(struct backup *backup)
{
    if (!backup)
        return;
    if (backup->file)
        vfs_close(backup->file);
    inventory_release(&backup->inventory);
    free(backup->files_by_hash);
    free(backup->numbers);
    free(backup->path);
    free(backup);
}

/* --- What is there ----------------------------------------------------------------------------- */

static lode_status has_mark(struct vfs *vfs, const char *path, int *ret_has, lode_error *error)
{
    char mark[PATH_SIZE_MAX];
    lode_status status = vfs_join(mark, path, BACKUP_MARK, error);
    return status ? status : vfs_exists(vfs, mark, ret_has, error);
}

/* The beginning of one, or zeros where the rest should be: what a crash leaves of a write. */
static int is_torn_mark(const char *text, size_t size)
{
    size_t whole = 0;
    while (whole < size && whole < strlen(BACKUP_MARK_TEXT) &&
           text[whole] == BACKUP_MARK_TEXT[whole])
        whole++;
    for (size_t i = whole; i < size; i++)
        if (text[i])
            return 0;
    return 1;
}

static lode_status judge_mark(const char *path, const char *text, size_t size,
                              enum backup_mark *ret_mark, lode_error *error)
{
    unsigned long format = 0;
    if (size == strlen(BACKUP_MARK_TEXT) && memcmp(text, BACKUP_MARK_TEXT, size) == 0)
        *ret_mark = BACKUP_MARK_WHOLE;
    else if (is_torn_mark(text, size))
        *ret_mark = BACKUP_MARK_TORN;
    else if (sscanf(text, BACKUP_MARK_BEGIN "%9lu", &format) == 1 && format > BACKUP_FORMAT)
        return error_set(error, LODE_VERSION,
                         "the directory of backups has format %lu; this Lode knows 1 to %u", format,
                         BACKUP_FORMAT);
    else
        return error_set(error, LODE_CORRUPT, "%s is not the mark of a directory of backups",
                         vfs_path_tail(path));
    return LODE_OK;
}

static lode_status read_mark(struct vfs_file *file, char text[MARK_SIZE_MAX + 1], size_t *ret_size,
                             lode_error *error)
{
    uint64_t size = 0;
    lode_status status = vfs_size(file, &size, error);
    *ret_size = size < MARK_SIZE_MAX ? (size_t)size : MARK_SIZE_MAX;
    if (!status && *ret_size > 0)
        status = vfs_read(file, 0, text, *ret_size, error);
    text[*ret_size] = '\0';
    return status;
}

lode_status backup_mark_read(struct vfs *vfs, const char *dir, enum backup_mark *ret_mark,
                             lode_error *error)
{
    char path[PATH_SIZE_MAX], text[MARK_SIZE_MAX + 1];
    struct vfs_file *file;
    size_t size = 0;
    int has = 0;
    *ret_mark = BACKUP_MARK_NONE;
    lode_status status = has_mark(vfs, dir, &has, error);
    if (!status && has)
        status = vfs_join(path, dir, BACKUP_MARK, error);
    if (!status && has)
        status = vfs_open(vfs, path, VFS_READ, &file, error);
    if (status || !has)
        return status;
    status = read_mark(file, text, &size, error);
    vfs_close(file);
    return status ? status : judge_mark(path, text, size, ret_mark, error);
}

/* Whether the system said that there is nothing of that kind, and not that it could not look. */
static int means_none(lode_status status, const lode_error *reason)
{
    return status == LODE_NOT_FOUND || reason->os_errno == EISDIR || reason->os_errno == ENOTDIR ||
           reason->os_errno == ENXIO;
}

static lode_status none_or_failure(lode_status status, const lode_error *reason, lode_error *error)
{
    if (status == LODE_OK || means_none(status, reason))
        return LODE_OK;
    if (error)
        *error = *reason;
    return status;
}

/* A file that begins as one; what is no file is none. */
static lode_status has_head(struct vfs *vfs, const char *path, int *ret_has, lode_error *error)
{
    uint8_t head[8];
    struct vfs_file *file;
    uint64_t size = 0;
    lode_error reason = {0};
    *ret_has = 0;
    lode_status status = vfs_open(vfs, path, VFS_READ, &file, &reason);
    if (status)
        return none_or_failure(status, &reason, error);
    status = vfs_size(file, &size, &reason);
    if (!status && size >= sizeof head) {
        status = vfs_read(file, 0, head, sizeof head, &reason);
        *ret_has = !status && memcmp(head, BACKUP_HEAD_MAGIC, sizeof head) == 0;
    }
    vfs_close(file);
    return none_or_failure(status, &reason, error);
}

lode_status backup_is_there(struct vfs *vfs, const char *path, int *ret_is, lode_error *error)
{
    lode_error reason = {0};
    int is_file = 0, exists = 0, is_dir = 0;
    lode_status status = has_head(vfs, path, &is_file, error);
    if (!status && !is_file)
        status = vfs_exists(vfs, path, &exists, error);
    /* Below a plain file there is nothing, whatever the system calls that. */
    if (!status && exists)
        status = none_or_failure(has_mark(vfs, path, &is_dir, &reason), &reason, error);
    if (!status)
        *ret_is = is_file || is_dir;
    return status;
}

/* --- A directory ------------------------------------------------------------------------------- */

struct listing {
    struct buf numbers; /* uint64_t each */
    lode_status status;
    lode_error *error;
};

static void keep_number(void *context, const char *name)
{
    struct listing *listing = context;
    uint64_t number = backup_parse_name(name);
    if (number && !listing->status)
        listing->status = buf_append(&listing->numbers, &number, sizeof number, listing->error);
}

static int by_number(const void *a, const void *b)
{
    uint64_t one, two;
    memcpy(&one, a, sizeof one);
    memcpy(&two, b, sizeof two);
    return (one > two) - (one < two);
}

/* A damaged mark is no reason not to read what is there. */
static lode_status check_mark(const struct backup *backup, lode_error *error)
{
    enum backup_mark mark;
    lode_error reason = {0};
    lode_status status = backup_mark_read(backup->vfs, backup->path, &mark, &reason);
    if (status == LODE_CORRUPT)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

static lode_status open_dir(struct backup *backup, lode_error *error)
{
    struct listing listing = {.error = error};
    lode_status status = check_mark(backup, error);
    if (status)
        return status;
    buf_init(&listing.numbers, SIZE_MAX / 2);
    status = vfs_list(backup->vfs, backup->path, keep_number, &listing, error);
    if (!status)
        status = listing.status;
    if (!status) {
        backup->count = listing.numbers.size / sizeof(uint64_t);
        backup->numbers = calloc(backup->count + 1, sizeof *backup->numbers);
        if (!backup->numbers)
            status = error_nomem(error, "a list of backups", listing.numbers.size);
    }
    if (!status && backup->count > 0) {
        memcpy(backup->numbers, listing.numbers.data, listing.numbers.size);
        qsort(backup->numbers, backup->count, sizeof *backup->numbers, by_number);
    }
    buf_release(&listing.numbers);
    return status;
}

/* --- One file ---------------------------------------------------------------------------------- */

static lode_status bad_file(const struct backup *backup, const char *what, lode_error *error)
{
    return error_set(error, LODE_CORRUPT, "%s: %s", vfs_path_tail(backup->path), what);
}

static lode_status read_ends(struct backup *backup, lode_error *error)
{
    uint8_t head[BACKUP_HEAD_SIZE], trailer[BACKUP_TRAILER_SIZE];
    if (backup->size < sizeof head + sizeof trailer)
        return bad_file(backup, "it is cut off: no backup", error);
    lode_status status = vfs_read(backup->file, 0, head, sizeof head, error);
    if (!status)
        status =
            vfs_read(backup->file, backup->size - sizeof trailer, trailer, sizeof trailer, error);
    if (status)
        return status;
    if (le_load_u64(head + BACKUP_CHECKSUM_AT) != checksum64(head, BACKUP_CHECKSUM_AT))
        return bad_file(backup, "its header is damaged", error);
    if (le_load_u32(head + 8) > BACKUP_FORMAT)
        return error_set(error, LODE_VERSION, "%s has format %u; this Lode knows 1 to %u",
                         vfs_path_tail(backup->path), le_load_u32(head + 8), BACKUP_FORMAT);
    if (memcmp(trailer, BACKUP_TRAILER_MAGIC, 8) != 0 ||
        le_load_u64(trailer + BACKUP_CHECKSUM_AT) != checksum64(trailer, BACKUP_CHECKSUM_AT))
        return bad_file(backup, "its end is damaged or missing: it is no whole backup", error);
    backup->inventory_offset = le_load_u64(trailer + 8);
    backup->inventory_size = le_load_u64(trailer + 16);
    uint64_t end = backup->size - sizeof trailer;
    if (backup->inventory_size > INVENTORY_SIZE_MAX || backup->inventory_offset > end ||
        backup->inventory_size > end - backup->inventory_offset)
        return bad_file(backup, "its inventory lies beyond its end", error);
    return LODE_OK;
}

static int by_hash(const void *a, const void *b)
{
    const struct inventory_file *const *one = a, *const *two = b;
    return memcmp((*one)->hash, (*two)->hash, SHA256_SIZE);
}

/* What it says to hold must lie within it. */
static lode_status index_files(struct backup *backup, lode_error *error)
{
    const struct inventory *inventory = &backup->inventory;
    backup->files_by_hash = calloc(inventory->file_count + 1, sizeof(void *));
    if (!backup->files_by_hash)
        return error_nomem(error, "a list of files", inventory->file_count * sizeof(void *));
    for (size_t i = 0; i < inventory->file_count; i++) {
        const struct inventory_file *file = &inventory->files[i];
        if (file->offset == 0)
            continue;
        if (file->offset > backup->inventory_offset ||
            file->size > backup->inventory_offset - file->offset)
            return bad_file(backup, "a file lies beyond its end", error);
        backup->files_by_hash[backup->file_count++] = file;
    }
    qsort(backup->files_by_hash, backup->file_count, sizeof(void *), by_hash);
    return LODE_OK;
}

static lode_status open_file(struct backup *backup, lode_error *error)
{
    lode_status status = vfs_open(backup->vfs, backup->path, VFS_READ, &backup->file, error);
    if (!status)
        status = vfs_size(backup->file, &backup->size, error);
    if (!status)
        status = read_ends(backup, error);
    backup->numbers = status ? NULL : calloc(1, sizeof *backup->numbers);
    if (!status && !backup->numbers)
        status = error_nomem(error, "a list of backups", sizeof *backup->numbers);
    if (status)
        return status;
    backup->numbers[0] = 1;
    backup->count = 1;
    status = backup_inventory(backup, 0, &backup->inventory, error);
    return status ? status : index_files(backup, error);
}

/* --- Opening ----------------------------------------------------------------------------------- */

lode_status backup_open(struct vfs *vfs, const char *path, struct backup **ret_backup,
                        lode_error *error)
{
    int is = 0, exists = 0;
    lode_status status = backup_is_there(vfs, path, &is, error);
    if (!status && !is)
        status = vfs_exists(vfs, path, &exists, error);
    if (status)
        return status;
    if (!is)
        return exists ? error_set(error, LODE_INVALID, "'%s' is no backup", path)
                      : error_set(error, LODE_NOT_FOUND, "there is no backup at '%s'", path);
    struct backup *backup = calloc(1, sizeof *backup);
    if (!backup || !(backup->path = strdup(path))) {
        free(backup);
        return error_nomem(error, "a backup", sizeof *backup);
    }
    backup->vfs = vfs;
    int is_file = 0;
    status = has_head(vfs, path, &is_file, error);
    if (!status)
        status = is_file ? open_file(backup, error) : open_dir(backup, error);
    if (status)
        backup_close(backup);
    else
        *ret_backup = backup;
    return status;
}

static lode_status read_inventory(struct vfs_file *file, uint64_t offset, uint64_t size,
                                  struct inventory *ret_inventory, lode_error *error)
{
    if (size > INVENTORY_SIZE_MAX)
        return error_set(error, LODE_CORRUPT, "an inventory of %" PRIu64 " bytes", size);
    uint8_t *data = malloc(size ? (size_t)size : 1);
    if (!data)
        return error_nomem(error, "an inventory", (size_t)size);
    lode_status status = vfs_read(file, offset, data, (size_t)size, error);
    if (!status)
        status = inventory_decode(data, (size_t)size, ret_inventory, error);
    free(data);
    return status;
}

static lode_status inventory_in_dir(const struct backup *backup, const char *name,
                                    struct inventory *ret_inventory, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct vfs_file *file;
    uint64_t size = 0;
    lode_status status = vfs_join(path, backup->path, name, error);
    if (!status)
        status = vfs_open(backup->vfs, path, VFS_READ, &file, error);
    if (status)
        return status;
    status = vfs_size(file, &size, error);
    if (!status)
        status = read_inventory(file, 0, size, ret_inventory, error);
    vfs_close(file);
    return status;
}

lode_status backup_inventory(const struct backup *backup, size_t i, struct inventory *ret_inventory,
                             lode_error *error)
{
    char name[BACKUP_NAME_MAX];
    lode_status status;
    if (backup->file)
        status = read_inventory(backup->file, backup->inventory_offset, backup->inventory_size,
                                ret_inventory, error);
    else
        status =
            inventory_in_dir(backup, backup_name(backup->numbers[i], name), ret_inventory, error);
    if (status)
        error_prefix(error, "%s: ",
                     backup->file ? vfs_path_tail(backup->path)
                                  : backup_name(backup->numbers[i], name));
    return status;
}

/* --- Contents ---------------------------------------------------------------------------------- */

static lode_status not_here(const struct backup *backup, const struct inventory_file *file,
                            lode_error *error)
{
    char text[INVENTORY_TEXT_MAX];
    return error_set(error, LODE_NOT_FOUND, "%s does not hold %s", vfs_path_tail(backup->path),
                     inventory_file_text(file, text));
}

static lode_status content_in_file(const struct backup *backup, const struct inventory_file *file,
                                   struct backup_content *ret_content, lode_error *error)
{
    const struct inventory_file *const *found = NULL;
    if (backup->file_count > 0)
        found = bsearch(&file, backup->files_by_hash, backup->file_count, sizeof(void *), by_hash);
    if (!found || (*found)->size != file->size)
        return not_here(backup, file, error);
    *ret_content = (struct backup_content){.file = backup->file, .offset = (*found)->offset};
    return LODE_OK;
}

static lode_status content_in_dir(const struct backup *backup, const struct inventory_file *file,
                                  struct backup_content *ret_content, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    uint64_t size = 0;
    struct backup_content content = {.is_own = 1};
    lode_status status = backup_object_path(path, backup->path, file->hash, error);
    if (!status)
        status = vfs_open(backup->vfs, path, VFS_READ, &content.file, error);
    if (status)
        return status == LODE_NOT_FOUND ? not_here(backup, file, error) : status;
    status = vfs_size(content.file, &size, error);
    if (!status && size != file->size)
        status = error_set(error, LODE_CORRUPT, "%s has %" PRIu64 " bytes, not %" PRIu64,
                           vfs_path_tail(path), size, file->size);
    if (status)
        backup_content_close(&content);
    else
        *ret_content = content;
    return status;
}

lode_status backup_content_open(const struct backup *backup, const struct inventory_file *file,
                                struct backup_content *ret_content, lode_error *error)
{
    return backup->file ? content_in_file(backup, file, ret_content, error)
                        : content_in_dir(backup, file, ret_content, error);
}

void backup_content_close(struct backup_content *content)
{
    if (content->is_own)
        vfs_close(content->file);
}

struct reading {
    const struct backup_content *content;
    struct sha256 sha;
    uint8_t *piece;
    backup_use *use;
    void *context;
};

static lode_status read_pieces(struct reading *reading, uint64_t size, lode_error *error)
{
    lode_status status = LODE_OK;
    for (uint64_t at = 0; !status && at < size; at += PIECE_SIZE) {
        uint64_t left = size - at;
        size_t piece = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
        status = vfs_read(reading->content->file, reading->content->offset + at, reading->piece,
                          piece, error);
        if (status)
            break;
        sha256_update(&reading->sha, reading->piece, piece);
        if (reading->use)
            status = reading->use(reading->context, reading->piece, piece, error);
    }
    return status;
}

lode_status backup_content_read(const struct backup_content *content,
                                const struct inventory_file *file, backup_use *use, void *context,
                                lode_error *error)
{
    struct reading reading = {.content = content, .use = use, .context = context};
    uint8_t hash[SHA256_SIZE];
    char text[INVENTORY_TEXT_MAX];
    lode_status status = sha256_init(&reading.sha, error);
    reading.piece = malloc(PIECE_SIZE);
    if (!status && !reading.piece)
        status = error_nomem(error, "a piece of a file", PIECE_SIZE);
    if (!status)
        status = read_pieces(&reading, file->size, error);
    if (!status) {
        sha256_digest(&reading.sha, hash);
        if (memcmp(hash, file->hash, SHA256_SIZE) != 0)
            status = error_set(error, LODE_CORRUPT, "%s is not what was backed up",
                               inventory_file_text(file, text));
    }
    free(reading.piece);
    sha256_release(&reading.sha);
    return status;
}
