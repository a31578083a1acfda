/* vfs_readonly.c: see vfs_readonly.h. Operations on an open file go to the file system that opened it. */
#include "os/vfs_readonly.h"

static struct vfs *inner_of(struct vfs *vfs)
{
    return ((struct vfs_readonly *)vfs)->inner;
}

static lode_status refuse(const char *what, const char *path, lode_error *error)
{
    return error_set(error, LODE_READONLY, "cannot %s %s: the database is open read-only", what,
                     vfs_path_tail(path));
}

static lode_status readonly_open(struct vfs *vfs, const char *path, unsigned flags,
                                 struct vfs_file **ret_file, lode_error *error)
{
    if (flags & ~(unsigned)(VFS_READ | VFS_ENCRYPTED))
        return refuse("write", path, error);
    return vfs_open(inner_of(vfs), path, flags, ret_file, error);
}

static lode_status readonly_exists(struct vfs *vfs, const char *path, int *ret_exists,
                                   lode_error *error)
{
    return vfs_exists(inner_of(vfs), path, ret_exists, error);
}

static lode_status readonly_list(struct vfs *vfs, const char *path,
                                 void (*entry)(void *context, const char *name), void *context,
                                 lode_error *error)
{
    return vfs_list(inner_of(vfs), path, entry, context, error);
}

static lode_status readonly_remove(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    return refuse("remove", path, error);
}

static lode_status readonly_rename(struct vfs *vfs, const char *from, const char *to,
                                   lode_error *error)
{
    (void)vfs;
    (void)to;
    return refuse("rename", from, error);
}

static lode_status readonly_link(struct vfs *vfs, const char *from, const char *to,
                                 lode_error *error)
{
    (void)vfs;
    (void)from;
    return refuse("make", to, error);
}

static lode_status readonly_make_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    return refuse("make directory", path, error);
}

static lode_status readonly_remove_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    return refuse("remove directory", path, error);
}

static lode_status readonly_dir_sync(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    return refuse("sync directory", path, error);
}

static lode_status readonly_lock(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                                 lode_error *error)
{
    return vfs_lock_shared(inner_of(vfs), path, ret_lock, error);
}

static const struct vfs_ops readonly_ops = {
    .open = readonly_open,
    .exists = readonly_exists,
    .remove = readonly_remove,
    .rename = readonly_rename,
    .link = readonly_link,
    .make_dir = readonly_make_dir,
    .remove_dir = readonly_remove_dir,
    .list = readonly_list,
    .dir_sync = readonly_dir_sync,
    .lock = readonly_lock,
    .lock_shared = readonly_lock,
};

void vfs_readonly_init(struct vfs_readonly *readonly, struct vfs *inner)
{
    readonly->base.ops = &readonly_ops;
    readonly->inner = inner;
}
