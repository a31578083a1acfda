/* vfs_readonly.h: another file system, of which nothing can be changed: whoever goes through this one cannot
 * write by mistake. Files are opened for reading alone; everything that would change a name is
 * LODE_READONLY. */
#ifndef OS_VFS_READONLY_H
#define OS_VFS_READONLY_H

#include "os/vfs.h"

struct vfs_readonly {
    struct vfs base;
    struct vfs *inner;
};

/* Borrows `inner`; nothing to release. Open files belong to `inner`. */
void vfs_readonly_init(struct vfs_readonly *readonly, struct vfs *inner);

#endif
