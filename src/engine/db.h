/* db.h: an open database: its directory, catalog, threads and the collections that are open. */
#ifndef ENGINE_DB_H
#define ENGINE_DB_H

#include "engine/catalog.h"
#include "engine/readers.h"
#include "engine/retry.h"
#include "engine/room.h"
#include "os/clock.h"
#include "os/executor.h"
#include "os/vfs_readonly.h"
#include "os/thread.h"

struct lode_db {
    /* Constant while open. */
    struct vfs *vfs;   /* with the keys of an encrypted database */
    struct vfs *crypt; /* the same, owned; NULL: it is not encrypted */
    const struct clock *clock;
    char *path;
    int read_only;                /* vfs is then `readonly` */
    struct vfs_readonly readonly; /* over the real one */
    lode_maintenance maintenance;
    uint64_t growing_bytes_max;
    uint32_t overlay_rows_min; /* OVERLAY_ROWS_MIN and INDEX_ROWS_MIN; tests set less */
    uint32_t index_rows_min;
    uint64_t log_keep_bytes; /* as the catalog has it */
    struct vfs_file *lock;
    struct executor *quick;    /* flushes and overlays: never behind a long build */
    struct executor *executor; /* index and merge */
    int owns_executors;
    struct readers readers;

    struct retry retry;
    struct room room;

    struct mutex mutex;  /* guards everything below, and the collections' state */
    struct cond changed; /* a collection has become open, or is gone */
    struct catalog catalog;
    int rotating;     /* its key is being changed */
    unsigned backups; /* under way: meanwhile it is not */
    int rewriting; /* all files are being written anew: no collection may be opened, nothing changed */
    lode_error broken; /* why the catalog on disk may be another; status LODE_OK: it is not */
    struct collection *collections; /* open, opening or closing */
};

/* Where nondeterminism enters; NULL fields get the real thing. Executors given are borrowed. */
struct db_env {
    struct vfs *vfs;
    const struct clock *clock;
    struct executor *quick;
    struct executor *executor;
    int restoring; /* 1: an unfinished restore is to be opened, by lode_restore itself */
};

/* A directory in a database that is being restored, from the first to the last moment of that. */
#define RESTORING_NAME "RESTORING"

NODISCARD lode_status db_open(const char *path, const lode_db_options *options,
                              const struct db_env *env, lode_db **ret_db, lode_error *error);
void db_close(lode_db *db);
/* LODE_READONLY when it was opened for reading alone. */
NODISCARD lode_status db_check_writable(const lode_db *db, lode_error *error);
/* LODE_READONLY when it is unknown what the catalog on disk says: a collection might be gone at the next
 * open, so none may be opened for writing now. db->mutex is held. */
NODISCARD lode_status db_check(const lode_db *db, lode_error *error);

/* What api.c calls once the arguments are checked. Contracts: lode.h. */
/* A handle of a collection; takes over the caller's reference. LODE_NOMEM. */
NODISCARD lode_status handle_new(struct collection *collection, lode_collection **ret_handle,
                                 lode_error *error);
/* Those that nobody has closed. The database is being closed. */
void handles_free(struct collection *collection);
NODISCARD lode_status handle_open(lode_db *db, const char *name, lode_collection **ret_collection,
                                  lode_error *error);
void handle_close(lode_collection *handle);
NODISCARD lode_status db_create(lode_db *db, const char *name, const lode_schema *schema,
                                lode_error *error);
NODISCARD lode_status db_acquire(lode_db *db, const char *name, struct collection **ret_collection,
                                 lode_error *error);
void db_release(struct collection *collection);
/* One more reference to a collection that the caller holds. */
void db_retain(struct collection *collection);
/* The same of one that others hold, unless the last of them has gone and it is being closed: 1, or 0. */
int db_retain_open(struct collection *collection);
NODISCARD lode_status db_drop(lode_db *db, const char *name, lode_error *error);
NODISCARD lode_status db_alias(lode_db *db, const char *alias, const char *target,
                               lode_error *error);
NODISCARD lode_status db_list(lode_db *db, lode_catalog **ret_catalog, lode_error *error);

#endif
