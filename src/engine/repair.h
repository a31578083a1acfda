/* repair.h: lode_repair, and what its files share.
 *
 * Nothing is changed in place. What is made anew gets numbers that nothing else has; one new manifest then puts
 * it in the place of what was damaged, whose files have got second names in damaged/ before. So a repair that is
 * interrupted has changed nothing, and is simply run again. */
#ifndef ENGINE_REPAIR_H
#define ENGINE_REPAIR_H

#include "storage/manifest.h"

/* Contract: lode.h. */
NODISCARD lode_status repair_database(struct vfs *vfs, const char *path,
                                      const lode_repair_options *options,
                                      lode_repair_info *ret_info, lode_error *error);

struct repairing {
    struct vfs *vfs;
    const char *path;
    const lode_repair_options *options;
    lode_repair_info info;
};

/* Say what was done, or is to be done; counts it. file: relative to the database. */
void repair_report(struct repairing *run, lode_repair_kind kind, const char *file,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Give a file of the database (dir: a collection's directory name, or "") its second name in damaged/, durably; a
 * directory that is in its place is moved there. That it is missing, or kept already, is no error. Nothing in a dry
 * run. */
NODISCARD lode_status repair_keep(struct repairing *run, const char *dir, const char *name,
                                  lode_error *error);

/* --- repair_keys.c --- */

/* Of an encrypted database: run->vfs carries its keys from here on, and *ret_crypt is freed by the caller. A
 * damaged copy of them is mended. Without keys nothing can be done: LODE_CORRUPT when the database needs
 * some, reported. */
NODISCARD lode_status repair_open_keys(struct repairing *run, struct vfs **ret_crypt,
                                       lode_error *error);

/* One collection at work. */
struct mending {
    struct repairing *run;
    const char *name;  /* of the collection */
    char dir_name[32]; /* c-<uid> */
    char dir[PATH_SIZE_MAX];
    uint64_t uid;
    struct manifest manifest; /* the newest, and then the next */
    struct store store;
    struct piece *pieces; /* one for each entry of the manifest */
    size_t piece_count;
    uint64_t next_number;
    int is_rebuilt;  /* the manifest was made from the files there are */
    int is_changed;  /* a new manifest is needed */
    int log_changed; /* with a new log, from manifest.wal_first on */
};

NODISCARD lode_status repair_collection(struct repairing *run, const char *name, uint64_t uid,
                                        lode_error *error);

/* --- repair_manifest.c: make up a manifest from the segments that are found --- */

/* LODE_CORRUPT: nothing is found that tells what the vectors are. */
NODISCARD lode_status repair_rebuild_manifest(struct mending *mending, uint64_t generation,
                                              lode_error *error);

/* --- repair_log.c --- */

/* Look at the logs; where they are damaged and that is asked for, write what is whole of them as a new log, which
 * the next manifest begins with. flushed: every batch up to it is in segments. */
NODISCARD lode_status repair_logs(struct mending *mending, lode_error *error);
/* After the commit: the logs before it are in damaged/. */
NODISCARD lode_status repair_remove_logs(struct mending *mending, lode_error *error);

#endif
