/* backup.h: backing up a database, and restoring it. Part of lode.h, which includes it. */
#ifndef LODE_BACKUP_H
#define LODE_BACKUP_H

#include "lode/lode.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LODE_HASH_TEXT_SIZE 65 /* SHA-256 in hexadecimal, and NUL */

typedef struct lode_backup_options {
    int one_file;     /* 1: the target is to be one file; 0: a directory of backups */
    const char *base; /* of one file: a backup (of either kind) whose contents are left out */
    /* How far it is; not 0 stops the backup with LODE_CANCELLED. */
    int (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *context;
    /* 1: what this backup needs and is there, or in the base, is read too; what is damaged is written anew.
     * Contents that only other backups need are not looked at: lode_verify reads all of them. */
    int verify;
} lode_backup_options;

typedef struct lode_backup_info {
    uint64_t number; /* of the backup in its directory */
    uint64_t collections;
    uint64_t files, bytes;          /* that make up the backup */
    uint64_t new_files, new_bytes;  /* of them, what was not there before */
    char root[LODE_HASH_TEXT_SIZE]; /* hash of all of it: docs/format/backup.md */
    uint64_t healed_files; /* of the new ones, those that were there, or in the base, and damaged */
} lode_backup_info;

/* Back up the newest state of every collection, all pinned before the first byte is copied; writers go on.
 * A directory of backups holds each content once, under its SHA-256: after the first backup in it, only what
 * is new is read and written. It is made when missing, and must be empty or hold backups. One file must not
 * exist yet. Of what is there already only the size is looked at, unless options.verify asks for more.
 * Writes in it are durable in the database first, whatever their acknowledgement. What it holds of a collection
 * includes the request ids remembered and the expiries, but not points that have expired.
 * A database that was restored has a history of its own: where there are backups of another, or with such a
 * base, it is LODE_INVALID.
 * An interrupted backup is no backup: nothing counts before the very last step. Durable on return. Named
 * snapshots are not part of it. options and ret_info may be NULL.
 * Errors: LODE_EXISTS, LODE_INVALID (the target is something else, or where it is staged, <target>/tmp or
 * <file>.tmp, somebody else's files are), LODE_BUSY (another backup into it, or a collection cannot be
 * dropped meanwhile), LODE_CORRUPT (a damaged file of the database is named; nothing damaged is backed up),
 * LODE_CANCELLED, LODE_FULL, LODE_IO, LODE_READONLY (writes in it cannot be synced any more). */
LODE_NODISCARD LODE_API lode_status lode_backup(lode_db *db, const char *target,
                                                const lode_backup_options *options,
                                                lode_backup_info *ret_info, lode_error *error);

typedef struct lode_backup_collection {
    const char *name;
    uint64_t sequence; /* of the state that was backed up */
    uint64_t points;
    /* Of the logs in the backup: it and all after it, up to `sequence`, can be restored to from
     * a state before it; 0: no log */
    uint64_t oldest_sequence;
} lode_backup_collection;

typedef struct lode_backup_entry {
    uint64_t number;
    uint64_t made_us; /* microseconds since 1970 UTC */
    uint64_t files, bytes;
    uint64_t held_files; /* of one file with a base, fewer than `files` */
    char root[LODE_HASH_TEXT_SIZE];
    char base[LODE_HASH_TEXT_SIZE];            /* root of the base; "" when it needs none */
    const lode_backup_collection *collections; /* ordered by uid */
    size_t collection_count;
    int damaged; /* 1: its inventory cannot be read, and nothing but the number is known */
    char key_id[LODE_KEY_ID_TEXT_SIZE]; /* of the key that it needs; "" when it is not encrypted */
} lode_backup_entry;

typedef struct lode_backup_list {
    const lode_backup_entry *backups; /* the oldest first */
    size_t count;
} lode_backup_list;

/* What backups there are at `path`; LODE_NOT_FOUND, LODE_INVALID when it is no place of backups. Contents are
 * not read. Free with lode_backup_list_free. */
LODE_NODISCARD LODE_API lode_status lode_backup_list_get(const char *path,
                                                         lode_backup_list **ret_list,
                                                         lode_error *error);
/* The same with a key: of encrypted backups without it, the names of collections are "". */
LODE_NODISCARD LODE_API lode_status lode_backup_list_get_with_key(const char *path,
                                                                  const lode_key_source *key,
                                                                  lode_backup_list **ret_list,
                                                                  lode_error *error);
LODE_API void lode_backup_list_free(lode_backup_list *list); /* NULL is allowed */

typedef struct lode_restore_options {
    uint64_t number;          /* which backup of a directory; 0: the newest */
    const char *const *bases; /* backups that have what a backup with a base leaves out, or what is
                                 damaged in it */
    size_t base_count;
    const char *collection; /* only this one, without aliases; NULL: all of them */
    uint64_t to_sequence;   /* the state after this batch, by the kept logs; 0: as backed up. The
                               collection must be named, unless there is only one */
    unsigned sample;        /* searches of each collection that measure recall; 0: 100 */
    const lode_key_source *key; /* of an encrypted backup: LODE_KEY without it, or with another. The
                                   database needs it too. NULL: none */
    int (*progress)(void *context, const char *stage, uint64_t done_bytes, uint64_t total_bytes);
    void *context;
} lode_restore_options;

typedef struct lode_restore_info {
    uint64_t number;
    uint64_t collections, points;
    uint64_t files, bytes;
    uint64_t replayed; /* batches of logs, with to_sequence */
    uint64_t searches; /* that were answered by the index and by scanning everything */
    double recall;     /* of the first against the second, 10 hits each; 1 without searches */
    /* Of what lies on the disk, which has been read again; "" of one collection or with
     * to_sequence: that is not all of a backup */
    char root[LODE_HASH_TEXT_SIZE];
} lode_restore_info;

/* Restore a backup into the directory `path`, which must be missing or empty, and prove it: the files are read
 * back from the disk and must have the backup's hashes; the database is opened, each collection must have
 * as many points and the sequence that it was backed up with, and a sample of points is searched for.
 * Until all of that is done the directory is marked as unfinished, and lode_db_open refuses it: an
 * interrupted restore is never taken for a database. options and ret_info may be NULL.
 * Errors: LODE_EXISTS (path is not empty), LODE_NOT_FOUND, LODE_CORRUPT (names the file and what is lost),
 * LODE_INVALID (no log leads to to_sequence), LODE_CANCELLED, LODE_FULL, LODE_IO. */
LODE_NODISCARD LODE_API lode_status lode_restore(const char *backup, const char *path,
                                                 const lode_restore_options *options,
                                                 lode_restore_info *ret_info, lode_error *error);

#ifdef __cplusplus
}
#endif

#endif /* LODE_BACKUP_H */
