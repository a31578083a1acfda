/* wal.h: the write-ahead log of a collection: numbered files, one for each growing segment, so that a
 * file is dropped whole once the segment of its number is sealed.
 *
 * A file is a header and groups; a group is what one leader wrote with one write: one or more batches
 * with consecutive sequence numbers, under one checksum, whole or absent after a crash. Each group
 * also records up to which offset the file was synced when it was written: a broken group before
 * a point that a later valid group calls synced is corruption of acknowledged data; any other broken
 * group is a torn tail and ends the log. Only the last file may have a torn tail.
 * The caller serialises calls on one wal (the writer lane). */
#ifndef STORAGE_WAL_H
#define STORAGE_WAL_H

#include "base/buf.h"
#include "os/vfs.h"

struct wal;

struct wal_batch {
    const uint8_t *data;
    size_t size;
};

/* A log file: wal-<number>.log in dir. */
struct wal_file {
    struct vfs *vfs;
    const char *dir;
    uint64_t collection_uid;
    uint64_t number;
};

/* Create it, durable with its name. After a failure it is gone for good, or, when that
 * fails too, LODE_READONLY: no further log may be created here before the logs have been replayed. */
NODISCARD lode_status wal_create(struct wal_file log, struct wal **ret_wal, lode_error *error);
/* Append one group. After a failure the file is durably cut back to where it was, or, when even that fails,
 * the wal refuses all further appends and syncs (LODE_READONLY), and no other log may follow it.
 * Not durable before wal_sync. Groups that were kept are written before it; after a failure they are
 * kept still. */
NODISCARD lode_status wal_append(struct wal *wal, uint64_t first_sequence,
                                 const struct wal_batch *batches, size_t batch_count,
                                 lode_error *error);
/* The same, but the group may stay in memory, up to WAL_KEPT_MAX bytes of them together: it is written with
 * the next that is appended, or by wal_sync, or lost with the process. */
#define WAL_KEPT_MAX ((size_t)1 << 20)
NODISCARD lode_status wal_keep(struct wal *wal, uint64_t first_sequence,
                               const struct wal_batch *batches, size_t batch_count,
                               lode_error *error);
/* Write what is kept; after a failure it is kept still. */
NODISCARD lode_status wal_write(struct wal *wal, lode_error *error);
/* Write what is kept, and fdatasync. A failure of the latter is final: what was written since the last sync
 * may be lost whatever a retry says, so the wal refuses further appends (LODE_READONLY). */
NODISCARD lode_status wal_sync(struct wal *wal, lode_error *error);
/* Set disk space aside for that many bytes more, as far as there is any, so that nothing else can take it. */
void wal_reserve(struct wal *wal, uint64_t bytes);
int wal_is_lost(const struct wal *wal);   /* whether a sync has failed */
uint64_t wal_size(const struct wal *wal); /* bytes written or kept */
uint64_t wal_number(const struct wal *wal);
void wal_close(struct wal *wal); /* NULL is allowed; syncs nothing */

/* Read a file in order; `batch` is called for each whole batch and may fail, which ends the replay.
 * last_file: allow a torn tail. LODE_CORRUPT names file and offset. Within a file sequences have no
 * gap; from file to file the caller checks. */
struct wal_replay {
    int last_file;
    int in_use;     /* its writer may go on, or cut it back: it is read, not mapped */
    uint64_t until; /* end with the group that holds this batch; 0: with the file */
    lode_status (*batch)(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                         lode_error *error);
    void *context;
};
struct wal_found {          /* filled on LODE_CORRUPT too: damage begins at valid_size */
    uint64_t last_sequence; /* 0: no batch */
    uint64_t valid_size;    /* bytes of header and whole groups */
    uint64_t torn_size;     /* bytes after them */
    uint64_t synced_size;   /* up to here the file is known to have been synced by who wrote it */
};
NODISCARD lode_status wal_replay(struct wal_file log, const struct wal_replay *replay,
                                 struct wal_found *ret_found, lode_error *error);
/* Of a damaged file: every group that is whole, also behind damage, which is passed over. Sequences may have gaps,
 * and the file may lack its header. *ret_skipped: bytes that are no group. */
NODISCARD lode_status wal_salvage(struct wal_file log, const struct wal_replay *replay,
                                  uint64_t *ret_skipped, lode_error *error);
/* After the replay of the last file, before another is created or anything of it is shown: cut it at
 * found.valid_size and sync, so that what was replayed is durable and the file is whole from now on. What is
 * not known to be synced is written once more before: a sync that failed, in whatever process, may have
 * left it in memory alone, where the kernel takes it for written. */
NODISCARD lode_status wal_settle(struct wal_file log, const struct wal_found *found,
                                 lode_error *error);
NODISCARD lode_status wal_remove(struct vfs *vfs, const char *dir, uint64_t number,
                                 lode_error *error);
/* The numbers of the log files in dir, ascending; free(*ret_numbers), NULL when there are none. */
NODISCARD lode_status wal_list(struct vfs *vfs, const char *dir, uint64_t **ret_numbers,
                               size_t *ret_count, lode_error *error);

#endif
