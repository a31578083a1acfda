/* private_file.h: small files that nobody but their owner may read: keys. Not through a vfs: they are no part of
 * a database. */
#ifndef OS_PRIVATE_FILE_H
#define OS_PRIVATE_FILE_H

#include "base/error.h"

/* Read all of a file of at most size_max bytes. It must be a regular file, or a pipe, of this user or root that
 * group and others may not touch: LODE_INVALID says which of that it is not. LODE_NOT_FOUND, LODE_IO. */
NODISCARD lode_status private_file_read(const char *path, void *data, size_t size_max,
                                        size_t *ret_size, lode_error *error);
/* Write a new file, for its owner alone, durable with its name. LODE_EXISTS. */
NODISCARD lode_status private_file_write(const char *path, const void *data, size_t size,
                                         lode_error *error);

#endif
