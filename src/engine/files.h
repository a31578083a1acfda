/* files.h: names in a directory. */
#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

#include "os/vfs.h"

struct file_names {
    char **names; /* in no order */
    size_t count;
};

NODISCARD lode_status file_names_list(struct vfs *vfs, const char *dir,
                                      struct file_names *ret_names, lode_error *error);
void file_names_release(struct file_names *names);

/* Remove a directory of files and the files in it; the parent is not synced. */
NODISCARD lode_status files_remove_dir(struct vfs *vfs, const char *dir, lode_error *error);
/* The bytes of all files in the directory; those that go away meanwhile count as nothing. */
NODISCARD lode_status files_size(struct vfs *vfs, const char *dir, uint64_t *ret_size,
                                 lode_error *error);

#endif
