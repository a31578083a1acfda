/* repair.h: checking a database or a backup, and mending a database. Part of lode.h, which includes it. */
#ifndef LODE_REPAIR_H
#define LODE_REPAIR_H

#include "lode/lode.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Checking ---------------------------------------------------------------------------------- */

/* Check every checksum and cross-reference of a database that no process has open. `report` is
 * called once for each thing found wrong (file relative to path; offset in bytes); the return is
 * LODE_OK when it was never called, LODE_CORRUPT otherwise, or why the check could not be made
 * (LODE_VERSION: a file is of another format, which is no damage). */
typedef struct lode_verify_finding {
    const char *file;
    uint64_t offset;
    const char *problem; /* what is wrong and what is lost */
} lode_verify_finding;

typedef struct lode_verify_options {
    void (*report)(void *context, const lode_verify_finding *finding);
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *context;
    const lode_key_source *key; /* of what is encrypted: of a database it is needed (LODE_KEY); of a
                                   backup it checks more, see lode_verify */
    /* Called once for what could not be checked for want of a key. May be NULL. */
    void (*unchecked)(void *context, const char *what);
} lode_verify_options;

/* `path` may be a backup too: then every content of it is checked against its hash, and every backup's
 * files against its root hash, without restoring anything. Contents that are encrypted are hashed as they lie;
 * with the key every block of them is authenticated besides, and each inventory. */
LODE_NODISCARD LODE_API lode_status lode_verify(const char *path,
                                                const lode_verify_options *options,
                                                lode_error *error);

/* --- Repair ------------------------------------------------------------------------------------ */

typedef enum lode_repair_kind {
    LODE_REPAIR_MENDED = 1, /* this was done, or would be */
    LODE_REPAIR_LOST = 2,   /* this cannot be brought back */
    LODE_REPAIR_LEFT = 3,   /* this is damaged and stays so */
} lode_repair_kind;

typedef struct lode_repair_step {
    lode_repair_kind kind;
    const char *file; /* relative to path */
    const char *text;
} lode_repair_step;

typedef struct lode_repair_options {
    int dry_run; /* 1: only say what would be done, and what is lost */
    int salvage_log; /* 1: of a damaged log, keep every batch that can be read, also behind the damage: batches
                        are lost in between, and those after them get other numbers. 0: such a log is left,
                        and its collection does not open */
    void (*report)(void *context, const lode_repair_step *step);
    /* A point is lost; id NULL: nothing tells which. The collection's name and the id are borrowed. */
    void (*lost)(void *context, const char *collection, const lode_id *id);
    void *context;
    /* Of an encrypted database, which is needed: LODE_KEY, also for one that is not encrypted */
    const lode_key_source *key;
} lode_repair_options;

typedef struct lode_repair_info {
    uint64_t mended, left; /* steps of these kinds; */
    uint64_t
        lost; /* and of LODE_REPAIR_LOST: settings, names, a model, what points were deleted... */
    uint64_t lost_points;
    uint64_t lost_unnamed; /* of them, those whose ids are lost too */
    uint64_t lost_batches; /* of logs, that are known to have been there */
} lode_repair_info;

/* Make a damaged database, which no process has open, sound again, with all that can still be read
 * (docs/repair.md): graphs and tables of ids are made again; points are kept that can be read whole, all
 * others are named; a lost catalog or manifest is made from the files there are. What was damaged is kept in
 * `damaged` below path until somebody removes it. An interrupted repair has changed nothing or all; a sound
 * database is not changed. A copy or a backup made before is always better than what this can bring back.
 * LODE_OK: it is sound now; LODE_CORRUPT: something is left, see report. options and ret_info may be NULL;
 * ret_info is filled on LODE_CORRUPT too. Errors: LODE_NOT_FOUND, LODE_BUSY, LODE_INVALID (an unfinished
 * restore, a backup), LODE_KEY, LODE_VERSION, LODE_FULL, LODE_IO, LODE_NOMEM. */
LODE_NODISCARD LODE_API lode_status lode_repair(const char *path,
                                                const lode_repair_options *options,
                                                lode_repair_info *ret_info, lode_error *error);

#ifdef __cplusplus
}
#endif

#endif /* LODE_REPAIR_H */
