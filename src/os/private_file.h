/* private_file.h: files that only their owner may read (keys), or write (settings). Not through a vfs: they are no part of
 * a database. */
#ifndef OS_PRIVATE_FILE_H
#define OS_PRIVATE_FILE_H

#include "base/error.h"

struct vfs_file;

enum private_rule {
    PRIVATE_TO_OWNER,   /* it holds a secret: group and others may not touch it */
    PRIVATE_TO_GROUP,   /* a secret that a group may read, whoever owns it */
    PRIVATE_TO_WRITERS, /* it decides what is done: nobody but its owner may write to it */
};

/* Whether an open file keeps the rule: it must be a regular file, or a pipe where it holds a secret, and but for
 * PRIVATE_TO_GROUP belong to this user or root; for root, who works for others, to the owner of its directory too, who could
 * replace it. LODE_INVALID says which of that it is not. */
NODISCARD lode_status private_file_check(int fd, const char *path, enum private_rule rule,
                                         lode_error *error);
/* Read all of a file of at most size_max bytes that is PRIVATE_TO_OWNER. LODE_INVALID, LODE_NOT_FOUND, LODE_IO. */
NODISCARD lode_status private_file_read(const char *path, void *data, size_t size_max,
                                        size_t *ret_size, lode_error *error);
/* The same of a file that is PRIVATE_TO_WRITERS. */
NODISCARD lode_status guarded_file_read(const char *path, void *data, size_t size_max,
                                        size_t *ret_size, lode_error *error);
/* Write a new file, for its owner alone, durable with its name. LODE_EXISTS. */
NODISCARD lode_status private_file_write(const char *path, const void *data, size_t size,
                                         lode_error *error);
/* vfs_lock by a file for its owner alone: whoever could open it could hold the lock. */
NODISCARD lode_status private_lock(const char *path, struct vfs_file **ret_lock, lode_error *error);

#endif
