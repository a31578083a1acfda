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

/* What others may not, and how to have it so. */
static const struct {
    mode_t others;
    const char *what, *mend;
} rules[] = {
    [PRIVATE_TO_OWNER] = {077, "used by others than its owner", "chmod 600"},
    [PRIVATE_TO_GROUP] = {007, "used by everybody, and holds a secret", "chmod o="},
    [PRIVATE_TO_WRITERS] = {022, "written by others than its owner", "chmod go-w"},
};

static int is_trusted(const struct stat *info, const char *path)
{
    char parent[PATH_SIZE_MAX];
    struct stat dir;
    if (info->st_uid == geteuid() || info->st_uid == 0)
        return 1;
    if (geteuid() != 0 || strlen(path) >= sizeof parent)
        return 0;
    vfs_parent(path, parent);
    return stat(parent, &dir) == 0 && dir.st_uid == info->st_uid;
}

lode_status private_file_check(int fd, const char *path, enum private_rule rule, lode_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return vfs_fail(error, errno, "look at", path);
    const char *tail = vfs_path_tail(path);
    if (!S_ISREG(info.st_mode) && (rule == PRIVATE_TO_WRITERS || !S_ISFIFO(info.st_mode)))
        return error_set(error, LODE_INVALID, "%s is not a file", tail);
    if (rule != PRIVATE_TO_GROUP && !is_trusted(&info, path))
        return error_set(error, LODE_INVALID, "%s belongs to user %u, and this is user %u", tail,
                         (unsigned)info.st_uid, (unsigned)geteuid());
    if (info.st_mode & rules[rule].others)
        return error_set(error, LODE_INVALID, "%s may be %s (mode %04o): %s", tail,
                         rules[rule].what, (unsigned)(info.st_mode & 07777), rules[rule].mend);
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

static lode_status read_by(enum private_rule rule, const char *path, void *data, size_t size_max,
                           size_t *ret_size, lode_error *error)
{
    int fd = open_again(path, O_RDONLY);
    if (fd < 0)
        return vfs_fail(error, errno, "open", path);
    lode_status status = private_file_check(fd, path, rule, error);
    if (!status)
        status = read_all(fd, path, data, size_max, ret_size, error);
    close(fd);
    return status;
}

lode_status private_file_read(const char *path, void *data, size_t size_max, size_t *ret_size,
                              lode_error *error)
{
    return read_by(PRIVATE_TO_OWNER, path, data, size_max, ret_size, error);
}

lode_status guarded_file_read(const char *path, void *data, size_t size_max, size_t *ret_size,
                              lode_error *error)
{
    return read_by(PRIVATE_TO_WRITERS, path, data, size_max, ret_size, error);
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

lode_status private_lock(const char *path, struct vfs_file **ret_lock, lode_error *error)
{
    int fd = open_again(path, O_WRONLY | O_CREAT | O_NOFOLLOW);
    if (fd < 0)
        return vfs_fail(error, errno, "create", path);
    close(fd);
    return vfs_lock(vfs_posix(), path, ret_lock, error);
}
