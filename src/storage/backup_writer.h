/* backup_writer.h: where the files of a backup go (docs/format/backup.md): a directory that holds any number of
 * backups, each content once, or one file.
 *
 * Nothing counts until the inventory is written, synced and named, which is the last thing done: a backup
 * that was interrupted is not there. One writer at a time for each target: LODE_BUSY. */
#ifndef STORAGE_BACKUP_WRITER_H
#define STORAGE_BACKUP_WRITER_H

#include "os/vfs.h"
#include "storage/frame.h"
#include "storage/inventory.h"

struct backup_writer;

struct backup_target {
    struct vfs *vfs;
    const char *path;
    int one_file; /* else a directory */
    int verify;   /* what this backup needs and is there is read, and written anew when damaged */
    uint64_t history; /* of the database; LODE_INVALID when what is there has another */
    const char *base; /* of one file: a backup whose files are left out; NULL: none */
};

/* How far it is; not 0 stops it with LODE_CANCELLED. */
typedef int backup_progress(void *context, uint64_t done_bytes, uint64_t total_bytes);

/* A directory is made, or must be empty or hold backups; a file must not exist. */
NODISCARD lode_status backup_writer_begin(const struct backup_target *target,
                                          struct backup_writer **ret_writer, lode_error *error);
void backup_writer_progress(struct backup_writer *writer, backup_progress *progress, void *context);
/* So many bytes are to be added, besides those said before. */
void backup_writer_expect(struct backup_writer *writer, uint64_t bytes);
/* A directory for files that are made to be added; emptied and removed at the end. */
const char *backup_writer_staging(const struct backup_writer *writer);
/* Add the file at `path`, unless the backup before, or the base, has it. `file` says uid and name, and of a log
 * its batches and its size, which is as much as is taken of it; size, sum, hash and offset of others are
 * found here. Every block of a framed file is checked on the way: LODE_CORRUPT names file and offset. */
NODISCARD lode_status backup_writer_add(struct backup_writer *writer, const char *path,
                                        const struct inventory_file *file, lode_error *error);
/* The inventory as far as it has come: collections are added to it by the caller. */
struct inventory *backup_writer_inventory(struct backup_writer *writer);

struct backup_written {
    uint64_t number; /* of the backup in its directory; 1 of one file */
    uint64_t files, bytes;
    uint64_t new_files, new_bytes; /* that were not there before */
    uint64_t healed_files; /* of those, the ones that were there, or in the base, and damaged */
};

/* Durable on return. The writer is still to be closed, as after a failure. */
NODISCARD lode_status backup_writer_finish(struct backup_writer *writer, uint64_t made_us,
                                           struct backup_written *ret_written, lode_error *error);
void backup_writer_close(struct backup_writer *writer); /* NULL is allowed */

#endif
