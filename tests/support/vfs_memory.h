/* vfs_memory.h: a file system in memory that can lose what was not synced.
 *
 * It keeps two states: what programs see, and what the disk holds. file_sync moves one file's bytes from
 * the first to the second, dir_sync one directory's names. A crash throws the first away, all of it or
 * at random: only the promises of vfs.h are kept, and no order but that of syncs.
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
/* The same, but what was not synced is kept or lost as the seed has it: each write and each change of a name
 * by itself, or all before a point, or all after it. A write that is lost may be torn instead, at sectors of 512
 * bytes or at any byte; what is missing then reads as what was there before or, where the file was
 * growing, as zeros or garbage, and the size may have grown. A rename may leave both names. inode_tally counts all of it. */
void vfs_memory_crash_random(struct vfs *vfs, uint64_t seed);
/* The process ends, the machine goes on: locks are gone and open files dead, but nothing is lost, nor
 * is anything more durable than before. */
void vfs_memory_kill(struct vfs *vfs);

/* Before each operation that can fail, ask fault(context, operation's name as in vfs_ops, path): not 0 is
 * the errno that it fails with, having done nothing. A negative errno: it fails after it took effect;
 * of a write only the first half did, and what a sync should have made durable never will be.
 * fault NULL: none. It is called under the file system's mutex and must not use it. */
#define VFS_MEMORY_LIE                                                                             \
    0x10000 /* of sync and dir_sync: says that it is done, and nothing is durable */
typedef int vfs_memory_fault(void *context, const char *operation, const char *path);
void vfs_memory_set_fault(struct vfs *vfs, vfs_memory_fault *fault, void *context);

/* What vfs_room answers; at first VFS_ROOM_UNKNOWN. It limits nothing: faults do. */
void vfs_memory_set_room(struct vfs *vfs, uint64_t bytes);
/* Call hook(context) before each operation, with nothing locked: other things may happen then, the use of the same
 * files among them. hook NULL: none. */
void vfs_memory_set_hook(struct vfs *vfs, void (*hook)(void *context), void *context);

/* A bit of some file below directory `path` turns over, on the disk too. Says which in ret_path (of
 * PATH_SIZE_MAX) and *ret_offset; 0 when there is no file that is not empty. */
int vfs_memory_flip(struct vfs *vfs, const char *path, uint64_t seed, char ret_path[],
                    uint64_t *ret_offset);

#endif
