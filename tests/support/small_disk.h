/* small_disk.h: a file system of a few MiB that really is full when it is: tmpfs, mounted for a test. */
#ifndef TESTS_SUPPORT_SMALL_DISK_H
#define TESTS_SUPPORT_SMALL_DISK_H

#include "base/limits.h"

#include <stdint.h>

/* LODE_TEST_DISK=ext4: that in a file instead, which allocates otherwise (mkfs.ext4, and a loop device, are needed). */
/* Mount one at a new directory, whose path it gives; 0 when this process may not mount, with the reason
 * printed. */
int small_disk_make(unsigned mib, char path[PATH_SIZE_MAX]);
void small_disk_remove(const char *path);
void small_disk_make_readonly(const char *path); /* for good */
uint64_t small_disk_room(const char *path);
/* Fill it, but for about that many bytes, with one file; empty it again. */
void small_disk_fill(const char *path, uint64_t leave_bytes);
void small_disk_empty(const char *path);

#endif
