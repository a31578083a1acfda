/* private_file.c: see private_file.h. */
#include "os/private_file.h"

#include "base/limits.h"
#include "os/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_again(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static lode_status check_private(int fd, const char *path, lode_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return vfs_fail(error, errno, "look at", path);
    path = vfs_path_tail(path);
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode))
        return error_set(error, LODE_INVALID, "%s is neither a file nor a pipe", path);
    if (info.st_uid != geteuid() && info.st_uid != 0)
        return error_set(error, LODE_INVALID, "%s belongs to user %u, and this is user %u", path,
                         (unsigned)info.st_uid, (unsigned)geteuid());
    if (info.st_mode & 077)
        return error_set(error, LODE_INVALID,
                         "%s may be used by others than its owner (mode %04o): chmod 600", path,
                         (unsigned)(info.st_mode & 07777));
    return LODE_OK;
}

/* One byte beyond size_max is asked for, to see that there is none. */
static lode_status read_all(int fd, const char *path, uint8_t *data, size_t size_max,
                            size_t *ret_size, lode_error *error)
{
    size_t size = 0;
    uint8_t more;
    for (;;) {
        ssize_t got = size < size_max ? read(fd, data + size, size_max - size) : read(fd, &more, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vfs_fail(error, errno, "read", path);
        if (got == 0)
            break;
        if (size == size_max)
            return error_set(error, LODE_INVALID, "%s is longer than %zu bytes",
                             vfs_path_tail(path), size_max);
        size += (size_t)got;
    }
    *ret_size = size;
    return LODE_OK;
}

lode_status private_file_read(const char *path, void *data, size_t size_max, size_t *ret_size,
                              lode_error *error)
{
    int fd = open_again(path, O_RDONLY);
    if (fd < 0)
        return vfs_fail(error, errno, "open", path);
    lode_status status = check_private(fd, path, error);
    if (!status)
        status = read_all(fd, path, data, size_max, ret_size, error);
    close(fd);
    return status;
}

static lode_status write_all(int fd, const char *path, const uint8_t *data, size_t size,
                             lode_error *error)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return vfs_fail(error, errno, "write", path);
        data += put;
        size -= (size_t)put;
    }
    return fsync(fd) ? vfs_fail(error, errno, "sync", path) : LODE_OK;
}

lode_status private_file_write(const char *path, const void *data, size_t size, lode_error *error)
{
    char parent[PATH_SIZE_MAX];
    if (strlen(path) >= PATH_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "path of %zu bytes: at most %d", strlen(path),
                         PATH_SIZE_MAX - 1);
    int fd = open_again(path, O_WRONLY | O_CREAT | O_EXCL);
    if (fd < 0)
        return vfs_fail(error, errno, "create", path);
    lode_status status = write_all(fd, path, data, size, error);
    close(fd);
    vfs_parent(path, parent);
    if (!status)
        status = vfs_dir_sync(vfs_posix(), parent, error);
    if (status)
        unlink(path);
    return status;
}
