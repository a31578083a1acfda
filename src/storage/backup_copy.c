/* backup_copy.c: contents. In a directory one is written under a temporary name, synced and renamed to its hash, so
 * that what has a hash for a name was whole when it was named. In one file it is appended. */
#include "storage/backup_writer_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/limits.h"
#include "crypt/crypt_check.h"
#include "storage/backup_format.h"

static lode_status check_blocks(const struct backup_copying *copying, uint64_t offset, size_t size,
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

static lode_status copy_piece(struct backup_copying *copying, uint64_t offset, size_t size,
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
    return status ? status : backup_writer_tell(writer, size, error);
}

static lode_status copy_all(struct backup_copying *copying, struct inventory_file *file,
                            lode_error *error)
{
    lode_status status = sha256_init(&copying->sha, error);
    for (uint64_t at = 0; !status && at < file->size; at += BACKUP_PIECE_SIZE) {
        uint64_t left = file->size - at;
        status = copy_piece(copying, at,
                            left < BACKUP_PIECE_SIZE ? (size_t)left : BACKUP_PIECE_SIZE, error);
    }
    if (!status)
        sha256_digest(&copying->sha, file->hash);
    if (!status && copying->check)
        status = crypt_check_end(copying->check, error);
    sha256_release(&copying->sha);
    return status;
}

/* Its place is at the end of the one file; that is where the next goes too when it turns out to be known. */
static lode_status copy_to_file(struct backup_copying *copying, struct inventory_file *file,
                                int *ret_new, lode_error *error)
{
    struct backup_writer *writer = copying->writer;
    enum backup_known known = BACKUP_MISSING;
    uint64_t at = (writer->end + BACKUP_ALIGNMENT - 1) / BACKUP_ALIGNMENT * BACKUP_ALIGNMENT;
    copying->to = writer->file;
    copying->to_offset = at;
    lode_status status = copy_all(copying, file, error);
    if (!status)
        status = backup_known_look(writer, file, &known, error);
    if (status || known == BACKUP_KNOWN)
        return status;
    file->offset = at;
    writer->end = at + file->size;
    writer->written.healed_files += known == BACKUP_DAMAGED;
    *ret_new = 1;
    return LODE_OK;
}

/* No file can be renamed over a directory: one that lies there is moved aside, whole. */
static lode_status replace(struct backup_writer *writer, const char *temporary, const char *path,
                           lode_error *error)
{
    char aside[PATH_SIZE_MAX];
    lode_error reason = {0};
    lode_status status = vfs_rename(writer->vfs, temporary, path, &reason);
    if (status && reason.os_errno == EISDIR) {
        int size = snprintf(aside, sizeof aside, "%s.damaged", path);
        if (size < 0 || (size_t)size >= sizeof aside)
            return error_set(error, LODE_LIMIT, "path of %d bytes: too long", size);
        status = vfs_rename(writer->vfs, path, aside, &reason);
        if (!status)
            status = vfs_rename(writer->vfs, temporary, path, &reason);
    }
    if (status && error)
        *error = reason;
    return status;
}

/* In place of one that is there already: that may be damaged, and this one has just been read. */
static lode_status keep_object(struct backup_writer *writer, const char *temporary,
                               const struct inventory_file *file, int *ret_new, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    enum backup_known known = BACKUP_MISSING;
    lode_status status = backup_known_look(writer, file, &known, error);
    if (!status)
        status = backup_object_path(path, writer->path, file->hash, error);
    if (!status)
        status = replace(writer, temporary, path, error);
    if (status)
        return status;
    *ret_new = known != BACKUP_KNOWN;
    writer->written.healed_files += known == BACKUP_DAMAGED;
    return LODE_OK;
}

static lode_status copy_to_dir(struct backup_copying *copying, struct inventory_file *file,
                               int *ret_new, lode_error *error)
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

lode_status backup_copy(struct backup_copying *copying, struct inventory_file *file,
                        lode_error *error)
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
