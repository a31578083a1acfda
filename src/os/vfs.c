/* vfs.c: what every vfs shares. */
#include "os/vfs.h"

#include "base/limits.h"

#include <errno.h>
#include <string.h>

#define PATH_TAIL_MAX 120

const char *vfs_path_tail(const char *path)
{
    size_t size = strlen(path);
    if (size <= PATH_TAIL_MAX)
        return path;
    path += size - PATH_TAIL_MAX;
    while (((unsigned char)*path & 0xc0) == 0x80) /* not from the middle of a character */
        path++;
    return path;
}

lode_status vfs_fail(lode_error *error, int os_errno, const char *what, const char *path)
{
    path = vfs_path_tail(path);
    if (os_errno == ENOENT)
        return error_set(error, LODE_NOT_FOUND, "cannot %s %s: not found", what, path);
    if (os_errno == EEXIST)
        return error_set(error, LODE_EXISTS, "cannot %s %s: it exists", what, path);
    return error_os(error, os_errno, "cannot %s %s", what, path);
}

lode_status vfs_join(char path[], const char *dir, const char *name, lode_error *error)
{
    size_t dir_size = strlen(dir), name_size = strlen(name);
    size_t slash = dir_size > 0 && dir[dir_size - 1] != '/';
    if (dir_size >= PATH_SIZE_MAX || name_size >= PATH_SIZE_MAX - dir_size - slash)
        return error_set(error, LODE_LIMIT, "path of %zu bytes ending in %s: over the limit of %d",
                         dir_size + slash + name_size, vfs_path_tail(name), PATH_SIZE_MAX - 1);
    memcpy(path, dir, dir_size);
    if (slash)
        path[dir_size] = '/';
    memcpy(path + dir_size + slash, name, name_size + 1);
    return LODE_OK;
}

lode_status vfs_have_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = vfs_make_dir(vfs, path, &reason);
    if (status == LODE_EXISTS)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

uint64_t vfs_size_at(struct vfs *vfs, const char *path)
{
    struct vfs_file *file;
    uint64_t size = 0;
    if (vfs_open(vfs, path, VFS_READ, &file, NULL))
        return 0;
    if (vfs_size(file, &size, NULL))
        size = 0;
    vfs_close(file);
    return size;
}

void vfs_parent(const char *path, char parent[])
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    while (size > 1 && path[size - 1] == '/')
        size--;
    if (size == 0) {
        memcpy(parent, ".", 2);
        return;
    }
    memcpy(parent, path, size);
    parent[size] = '\0';
}
