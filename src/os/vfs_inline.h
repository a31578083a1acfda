/* vfs_inline.h: calls through a vfs, one wrapper for each operation; included by vfs.h alone. */
#ifndef OS_VFS_INLINE_H
#define OS_VFS_INLINE_H

#include "os/vfs.h"

static inline lode_status vfs_open(struct vfs *vfs, const char *path, unsigned flags,
                                   struct vfs_file **ret_file, lode_error *error)
{
    return vfs->ops->open(vfs, path, flags, ret_file, error);
}

static inline void vfs_close(struct vfs_file *file)
{
    file->vfs->ops->close(file);
}

static inline lode_status vfs_read(struct vfs_file *file, uint64_t offset, void *data, size_t size,
                                   lode_error *error)
{
    return file->vfs->ops->read(file, offset, data, size, error);
}

static inline lode_status vfs_write(struct vfs_file *file, uint64_t offset, const void *data,
                                    size_t size, lode_error *error)
{
    return file->vfs->ops->write(file, offset, data, size, error);
}

static inline lode_status vfs_size(struct vfs_file *file, uint64_t *ret_size, lode_error *error)
{
    return file->vfs->ops->size(file, ret_size, error);
}

static inline lode_status vfs_truncate(struct vfs_file *file, uint64_t size, lode_error *error)
{
    return file->vfs->ops->truncate(file, size, error);
}

static inline void vfs_preallocate(struct vfs_file *file, uint64_t size)
{
    file->vfs->ops->preallocate(file, size);
}

static inline lode_status vfs_sync(struct vfs_file *file, lode_error *error)
{
    return file->vfs->ops->sync(file, error);
}

static inline lode_status vfs_map(struct vfs_file *file, uint64_t size, const uint8_t **ret_data,
                                  lode_error *error)
{
    return file->vfs->ops->map(file, size, ret_data, error);
}

static inline void vfs_forget(struct vfs_file *file, const uint8_t *data, uint64_t size)
{
    file->vfs->ops->forget(file, data, size);
}

static inline void vfs_unmap(struct vfs_file *file, const uint8_t *data, uint64_t size)
{
    file->vfs->ops->unmap(file, data, size);
}

static inline lode_status vfs_exists(struct vfs *vfs, const char *path, int *ret_exists,
                                     lode_error *error)
{
    return vfs->ops->exists(vfs, path, ret_exists, error);
}

static inline lode_status vfs_remove(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs->ops->remove(vfs, path, error);
}

static inline lode_status vfs_rename(struct vfs *vfs, const char *from, const char *to,
                                     lode_error *error)
{
    return vfs->ops->rename(vfs, from, to, error);
}

static inline lode_status vfs_link(struct vfs *vfs, const char *from, const char *to,
                                   lode_error *error)
{
    return vfs->ops->link(vfs, from, to, error);
}

static inline lode_status vfs_make_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs->ops->make_dir(vfs, path, error);
}

static inline lode_status vfs_remove_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs->ops->remove_dir(vfs, path, error);
}

static inline lode_status vfs_list(struct vfs *vfs, const char *path,
                                   void (*entry)(void *context, const char *name), void *context,
                                   lode_error *error)
{
    return vfs->ops->list(vfs, path, entry, context, error);
}

static inline lode_status vfs_dir_sync(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs->ops->dir_sync(vfs, path, error);
}

static inline uint64_t vfs_room(struct vfs *vfs, const char *path)
{
    return vfs->ops->room ? vfs->ops->room(vfs, path) : VFS_ROOM_UNKNOWN;
}

static inline lode_status vfs_lock(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                                   lode_error *error)
{
    return vfs->ops->lock(vfs, path, ret_lock, error);
}

static inline lode_status vfs_lock_shared(struct vfs *vfs, const char *path,
                                          struct vfs_file **ret_lock, lode_error *error)
{
    if (!vfs->ops->lock_shared)
        return error_set(error, LODE_UNSUPPORTED, "locks of this file system cannot be shared");
    return vfs->ops->lock_shared(vfs, path, ret_lock, error);
}

static inline void vfs_unlock(struct vfs_file *lock)
{
    lock->vfs->ops->unlock(lock);
}

#endif
