/* sample_database.h: a small database with something of everything that files can hold: the golden files
 * (tests/golden) are made of it, and fuzz_database begins with it. The same bytes every time. */
#ifndef TESTS_SUPPORT_SAMPLE_DATABASE_H
#define TESTS_SUPPORT_SAMPLE_DATABASE_H

#include "engine/db.h"

extern const char *const sample_collections[]; /* NULL ends them */

/* Make database `path`, the directory of backups `backups` and the one-file backup `file`, the paths of which are
 * below a directory that exists. The process then ends as if it was killed: logs hold batches that are in no
 * segment. describe, if not NULL, is called while the database is still open. */
void sample_database_make(struct vfs *vfs, const char *path, const char *backups, const char *file,
                          void (*describe)(void *context, lode_db *db), void *context);
/* Open it, with jobs at once on the caller's thread, and a clock by which nothing in it has expired. */
NODISCARD lode_status sample_database_open(struct vfs *vfs, const char *path,
                                           struct executor **ret_executor, lode_db **ret_db,
                                           lode_error *error);

/* An encrypted database `path` with the collection "links" alone; its key is key_kit(1). Otherwise the same. */
void sample_secret_make(struct vfs *vfs, const char *path,
                        void (*describe)(void *context, lode_db *db), void *context);
NODISCARD lode_status sample_secret_open(struct vfs *vfs, const char *path,
                                         const lode_key_source *key, struct executor **ret_executor,
                                         lode_db **ret_db, lode_error *error);

#endif
