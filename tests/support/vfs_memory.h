/* vfs_memory.h: a file system in memory that can lose what was not synced.
 *
 * It keeps two states: what programs see, and what the disk holds. file_sync moves one file's bytes from
 * the first to the second, dir_sync one directory's names. A crash throws the first away. This is
 * the strictest file system that keeps the promises of vfs.h: no name is ever durable because a
 * file was synced, and no byte because time went by.
 *
 * Differences from a real one: absolute and relative paths are the same ("/a" is "a"), ".." does not
 * exist, and a map is a copy of the bytes at that moment, so that AddressSanitizer sees every
 * reading beyond its end. Thread-safe. Memory refused aborts: this is for tests. */
#ifndef TESTS_SUPPORT_VFS_MEMORY_H
#define TESTS_SUPPORT_VFS_MEMORY_H

#include "os/vfs.h"

struct vfs *vfs_memory_new(void);
/* Every file must have been closed. NULL is allowed. */
void vfs_memory_free(struct vfs *vfs);

/* Lose everything that was not synced, and every lock. Files still open answer LODE_IO from then on
 * and must still be closed. */
void vfs_memory_crash(struct vfs *vfs);

/* Before each operation that can fail, ask fault(context, operation's name as in vfs_ops, path): not 0 is
 * the errno that it fails with, having done nothing. fault NULL: none. It is called under the
 * file system's mutex and must not use it. */
typedef int vfs_memory_fault(void *context, const char *operation, const char *path);
void vfs_memory_set_fault(struct vfs *vfs, vfs_memory_fault *fault, void *context);

#endif
