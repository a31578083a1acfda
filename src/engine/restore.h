/* restore.h: what the steps of lode_restore share. */
#ifndef ENGINE_RESTORE_H
#define ENGINE_RESTORE_H

#include "engine/backup.h"
#include "storage/backup_reader.h"

struct restoring {
    struct vfs *vfs;         /* with the keys of what is restored, once they are known */
    struct vfs *crypt;       /* the same, owned; NULL: it is not encrypted */
    struct keyring *keyring; /* of the inventory, until the vfs has it */
    const struct db_env *env;
    const char *path;
    const lode_restore_options *options;
    struct backup **sources; /* the backup, then the bases */
    size_t source_count;
    struct inventory inventory; /* of what is restored */
    uint64_t uid;               /* the one collection that is; 0: all */
    uint64_t to_sequence;       /* of that collection, after its logs; 0: as backed up */
    uint64_t from_sequence;     /* of the state that logs lead on from */
    int from_nothing;           /* there is no such state: an empty collection */
    struct buf logs;            /* that do: struct inventory_file each, in order */
    const char *stage;          /* shown with the progress */
    uint64_t done_bytes, total_bytes;
    lode_restore_info info;
};

/* So many bytes more are done. */
NODISCARD lode_status restoring_tell(struct restoring *restoring, size_t bytes, lode_error *error);
void restoring_stage(struct restoring *restoring, const char *stage, uint64_t total_bytes);
/* Decrypt the inventory of one of the sources, with its keys from whichever has them sound. The caller frees
 * *ret_keyring; it is NULL when the inventory is not encrypted. */
NODISCARD lode_status restoring_decrypt(const struct restoring *restoring,
                                        struct inventory *inventory, struct keyring **ret_keyring,
                                        lode_error *error);
/* Write a content, of whichever source has it sound, to a file, synced. */
NODISCARD lode_status restoring_write(struct restoring *restoring,
                                      const struct inventory_file *file, const char *path,
                                      lode_error *error);
/* Whether a file of the inventory is to be there afterwards. */
int restoring_wants(const struct restoring *restoring, const struct inventory_file *file);

/* restore_logs.c: choose a state and logs that lead to restoring->to_sequence: the inventory becomes that of
 * the state. */
NODISCARD lode_status restoring_choose_state(struct restoring *restoring, lode_error *error);
/* Write the batches between it and to_sequence as logs of the collection in `dir`; `scratch` is a directory
 * for whatever is needed on the way. */
NODISCARD lode_status restoring_write_logs(struct restoring *restoring, const char *dir,
                                           const char *scratch, lode_error *error);

/* restore_prove.c: open the database and compare it with the inventory. */
NODISCARD lode_status restoring_prove(struct restoring *restoring, lode_error *error);

#endif
