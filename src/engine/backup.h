/* backup.h: lode_backup, lode_restore and what tells of backups. Contracts: lode.h. */
#ifndef ENGINE_BACKUP_H
#define ENGINE_BACKUP_H

#include "engine/db.h"

NODISCARD lode_status backup_database(lode_db *db, const char *target,
                                      const lode_backup_options *options,
                                      lode_backup_info *ret_info, lode_error *error);
/* What lode_verify does with a backup. */
NODISCARD lode_status backup_verify(struct vfs *vfs, const char *path,
                                    const lode_verify_options *options, lode_error *error);
NODISCARD lode_status backup_list(struct vfs *vfs, const char *path, lode_backup_list **ret_list,
                                  lode_error *error);
NODISCARD lode_status backup_list_with_key(struct vfs *vfs, const char *path,
                                           const lode_key_source *key, lode_backup_list **ret_list,
                                           lode_error *error);
/* The id of the key that the newest backup needs, "" for none. */
NODISCARD lode_status backup_key_needed(struct vfs *vfs, const char *path,
                                        char ret_id[LODE_KEY_ID_TEXT_SIZE], lode_error *error);
/* env as of db_open: where it is restored to, and with what the result is proved. */
NODISCARD lode_status restore_database(const char *backup, const char *path,
                                       const lode_restore_options *options,
                                       const struct db_env *env, lode_restore_info *ret_info,
                                       lode_error *error);

#endif
