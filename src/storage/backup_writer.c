/* backup_writer.c: see backup_writer.h. Which files there are, and of what kind; backup_place.c has the place,
 * backup_known.c what lies there already, backup_copy.c the contents. */
#include "storage/backup_writer_parts.h"

#include <stdlib.h>

#include "base/limits.h"
#include "crypt/crypt_check.h"
#include "crypt/crypt_vfs.h"
#include "storage/backup_format.h"

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

lode_status backup_writer_tell(struct backup_writer *writer, uint64_t bytes, lode_error *error)
{
    writer->done_bytes += bytes;
    if (writer->total_bytes < writer->done_bytes)
        writer->total_bytes = writer->done_bytes;
    if (writer->progress &&
        writer->progress(writer->context, writer->done_bytes, writer->total_bytes))
        return error_set(error, LODE_CANCELLED, "the backup was stopped; there is none");
    return LODE_OK;
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
        .verify = target->verify,
        .number = 1,
        .inventory = {.history = target->history,
                      .is_encrypted = crypt_vfs_keyring(target->vfs) != NULL},
        .path = strndup(target->path, size),
        .staging = strdup(staging),
        .piece = malloc(BACKUP_PIECE_SIZE),
    };
    if (!writer->path || !writer->staging || !writer->piece) {
        backup_writer_close(writer);
        return error_nomem(error, "a backup", BACKUP_PIECE_SIZE);
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
    status = backup_place_begin(writer, error);
    const char *before = target->one_file ? target->base : target->path;
    if (!status && before)
        status = backup_known_begin(writer, before, error);
    if (status)
        backup_writer_close(writer);
    else
        *ret_writer = writer;
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
    return backup_copy(
        &(struct backup_copying){.writer = writer, .from = frame->file, .frame = frame}, file,
        error);
}

static lode_status copy_encrypted(struct backup_writer *writer, const struct frame *frame,
                                  struct inventory_file *file, lode_error *error)
{
    struct crypt_check check;
    struct backup_copying copying = {
        .writer = writer, .from = crypt_file_raw(frame->file), .check = &check};
    lode_status status = crypt_check_init(&check, writer->keyring, file->size, "it", error);
    if (!status)
        status = backup_copy(&copying, file, error);
    crypt_check_release(&check);
    return status;
}

/* As it lies on the disk. */
static lode_status measure(const struct frame *frame, uint64_t *ret_size, lode_error *error)
{
    *ret_size = frame->size;
    return frame->is_encrypted ? vfs_size(crypt_file_raw(frame->file), ret_size, error) : LODE_OK;
}

/* What is known is not read, unless it is verified. */
static void expect_less(struct backup_writer *writer, uint64_t bytes)
{
    uint64_t left = writer->total_bytes - writer->done_bytes;
    writer->total_bytes -= bytes < left ? bytes : left;
}

static lode_status add_framed(struct backup_writer *writer, const char *path,
                              struct inventory_file *file, lode_error *error)
{
    struct frame frame;
    enum backup_known known = BACKUP_MISSING;
    struct frame_id id = {frame_kind_of(file), file->uid, file->name.number};
    lode_status status = frame_open(writer->vfs, path, id, &frame, error);
    if (status)
        return status;
    status = measure(&frame, &file->size, error);
    file->sum = frame_sum(&frame);
    if (!status)
        status = backup_known_unread(writer, file, &known, error);
    if (!status && known != BACKUP_KNOWN)
        status = frame.is_encrypted ? copy_encrypted(writer, &frame, file, error)
                                    : copy_framed(writer, &frame, file, error);
    else if (!status && !writer->verify)
        expect_less(writer, file->size);
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
        status = backup_copy(&(struct backup_copying){.writer = writer, .from = from}, file, error);
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
        status = backup_place_finish(writer, &bytes, error);
    buf_release(&bytes);
    if (status)
        return status;
    writer->written.number = writer->number;
    *ret_written = writer->written;
    return LODE_OK;
}

void backup_writer_close(struct backup_writer *writer)
{
    if (!writer)
        return;
    backup_place_close(writer);
    backup_known_close(writer);
    inventory_release(&writer->inventory);
    free(writer->piece);
    free(writer->staging);
    free(writer->path);
    free(writer);
}
