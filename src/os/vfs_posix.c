/* vfs_posix.c: files of the operating system. Calls that a signal may interrupt are repeated, and
 * reads and writes that stop short are carried on. */
#include "os/vfs.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "os/mapped.h"

struct posix_file {
    struct vfs_file base;
    int fd;
    char path[];
};

/* vfs_fail, which never says LODE_OK. */
static lode_status fail(lode_error *error, int os_errno, const char *what, const char *path)
{
    lode_status status = vfs_fail(error, os_errno, what, path);
    INVARIANT(status != LODE_OK);
    return status;
}

static struct posix_file *posix_file_of(struct vfs_file *file)
{
    return (struct posix_file *)file;
}

static lode_status ends_early(struct posix_file *file, uint64_t at, uint64_t offset, uint64_t size,
                              lode_error *error)
{
    return error_set(error, LODE_CORRUPT,
                     "%s ends at %" PRIu64 ", wanted %" PRIu64 " bytes at %" PRIu64,
                     vfs_path_tail(file->path), at, size, offset);
}

static int open_again(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Nothing is written through a symbolic link: an unpacked archive may hold one to anywhere. Nonblocking,
 * which regular files do not heed, so that opening a pipe does not wait for its other end. */
static int open_flags(unsigned flags)
{
    int result = flags & VFS_WRITE ? O_RDWR | O_NOFOLLOW : O_RDONLY;
    result |= O_NONBLOCK;
    if (flags & VFS_CREATE)
        result |= O_CREAT;
    if (flags & VFS_EXCLUSIVE)
        result |= O_EXCL;
    if (flags & VFS_TRUNCATE)
        result |= O_TRUNC;
    return result;
}

static struct posix_file *file_new(struct vfs *vfs, const char *path, lode_error *error)
{
    size_t path_size = strlen(path) + 1;
    struct posix_file *file = malloc(sizeof *file + path_size);
    if (!file) {
        (void)error_nomem(error, "an open file", sizeof *file + path_size);
        return NULL;
    }
    file->base.vfs = vfs;
    file->fd = -1;
    memcpy(file->path, path, path_size);
    return file;
}

static void posix_close(struct vfs_file *base)
{
    struct posix_file *file = posix_file_of(base);
    if (file->fd >= 0)
        close(file->fd); /* not repeated on EINTR: Linux has closed it all the same */
    free(file);
}

/* A pipe or a device would keep readers waiting, or worse. */
static lode_status check_regular(const struct posix_file *file, lode_error *error)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return fail(error, errno, "look at", file->path);
    if (S_ISREG(info.st_mode))
        return LODE_OK;
    if (S_ISDIR(info.st_mode)) /* as reading it would say */
        return fail(error, EISDIR, "open", file->path);
    lode_status status = error_set(error, LODE_IO, "cannot open %s: it is not a regular file",
                                   vfs_path_tail(file->path));
    if (error)
        error->os_errno = ENXIO;
    return status;
}

static lode_status open_new(struct vfs *vfs, const char *path, int flags,
                            struct posix_file **ret_file, lode_error *error)
{
    struct posix_file *file = file_new(vfs, path, error);
    if (!file)
        return LODE_NOMEM;
    file->fd = open_again(path, flags);
    if (file->fd < 0) {
        lode_status status = fail(error, errno, flags & O_CREAT ? "create" : "open", path);
        free(file);
        return status;
    }
    lode_status status = check_regular(file, error);
    if (status)
        posix_close(&file->base);
    else
        *ret_file = file;
    return status;
}

static lode_status posix_open(struct vfs *vfs, const char *path, unsigned flags,
                              struct vfs_file **ret_file, lode_error *error)
{
    struct posix_file *file;
    lode_status status = open_new(vfs, path, open_flags(flags), &file, error);
    if (!status)
        *ret_file = &file->base;
    return status;
}

static lode_status posix_size(struct vfs_file *base, uint64_t *ret_size, lode_error *error)
{
    struct posix_file *file = posix_file_of(base);
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return fail(error, errno, "measure", file->path);
    *ret_size = (uint64_t)info.st_size;
    return LODE_OK;
}

/* Offsets come from files too: one that no file can have is answered like one beyond the end. */
static lode_status check_range(struct posix_file *file, uint64_t offset, uint64_t size,
                               lode_error *error)
{
    if (offset <= INT64_MAX && size <= INT64_MAX - offset)
        return LODE_OK;
    uint64_t end;
    lode_status status = posix_size(&file->base, &end, error);
    return status ? status : ends_early(file, end, offset, size, error);
}

static lode_status posix_read(struct vfs_file *base, uint64_t offset, void *data, size_t size,
                              lode_error *error)
{
    struct posix_file *file = posix_file_of(base);
    lode_status status = check_range(file, offset, size, error);
    for (size_t done = 0; !status && done < size;) {
        ssize_t got = pread(file->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (got > 0)
            done += (size_t)got;
        else if (got == 0)
            return ends_early(file, offset + done, offset, size, error);
        else if (errno != EINTR)
            return fail(error, errno, "read", file->path);
    }
    return status;
}

/* What was to be written is told: on a full disk it is what there has to be room for. */
static lode_status write_failed(const struct posix_file *file, int os_errno, uint64_t offset,
                                size_t size, lode_error *error)
{
    return error_os(error, os_errno, "cannot write %zu bytes at %" PRIu64 " of %s", size, offset,
                    vfs_path_tail(file->path));
}

static lode_status posix_write(struct vfs_file *base, uint64_t offset, const void *data,
                               size_t size, lode_error *error)
{
    struct posix_file *file = posix_file_of(base);
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        return write_failed(file, EFBIG, offset, size, error);
    for (size_t done = 0; done < size;) {
        ssize_t put =
            pwrite(file->fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (put > 0)
            done += (size_t)put;
        else if (put == 0)
            return write_failed(file, EIO, offset, size, error);
        else if (errno != EINTR)
            return write_failed(file, errno, offset, size, error);
    }
    return LODE_OK;
}

static lode_status posix_truncate(struct vfs_file *base, uint64_t size, lode_error *error)
{
    struct posix_file *file = posix_file_of(base);
    if (size > INT64_MAX)
        return fail(error, EFBIG, "truncate", file->path);
    int failed;
    do
        failed = ftruncate(file->fd, (off_t)size);
    while (failed && errno == EINTR);
    return failed ? fail(error, errno, "truncate", file->path) : LODE_OK;
}

/* Where there is less, ext4 has taken all of that before it fails: it is given back. */
static void posix_preallocate(struct vfs_file *base, uint64_t size)
{
#ifdef FALLOC_FL_KEEP_SIZE
    int fd = posix_file_of(base)->fd;
    struct stat info;
    if (size == 0 || size > INT64_MAX || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0)
        return;
    if (fstat(fd, &info) == 0 && ftruncate(fd, info.st_size) != 0)
        return; /* then less is free; whoever needs it is told */
#else
    (void)base;
    (void)size;
#endif
}

/* A sync that failed must not be repeated in the hope of better luck: the kernel may already have
 * dropped the pages it could not write, and then the second one succeeds over lost data. */
static lode_status posix_sync(struct vfs_file *base, lode_error *error)
{
    struct posix_file *file = posix_file_of(base);
    int failed;
    do
        failed = fdatasync(file->fd);
    while (failed && errno == EINTR);
    return failed ? fail(error, errno, "sync", file->path) : LODE_OK;
}

static const uint8_t nothing_mapped[1];

#define WRITTEN_S                                                                                  \
    60 /* what is in the kernel's cache of a file that changed since is from writing it */

/* Pages that are touched come in by themselves: docs/decisions/0093. What was written a moment ago lies in the cache
 * in large pieces, which would be mapped whole. */
static void bring_in_alone(const struct posix_file *file, void *data, uint64_t size)
{
    struct stat info;
    if (fstat(file->fd, &info) == 0 && time(NULL) - info.st_mtime < WRITTEN_S)
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)posix_fadvise(file->fd, 0, 0,
                        POSIX_FADV_RANDOM); /* blocks are read before they are used */
    (void)madvise(data, size, MADV_RANDOM);
}

static lode_status posix_map(struct vfs_file *base, uint64_t size, const uint8_t **ret_data,
                             lode_error *error)
{
    struct posix_file *file = posix_file_of(base);
    uint64_t end;
    lode_status status = posix_size(base, &end, error);
    if (status)
        return status;
    if (size > end) /* reading there would be a SIGBUS */
        return ends_early(file, end, 0, size, error);
    if (size == 0) {
        *ret_data = nothing_mapped;
        return LODE_OK;
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (data == MAP_FAILED)
        return fail(error, errno, "map", file->path);
    if (mapped_is_much(size))
        bring_in_alone(file, data, size);
    mapped_add(data, size);
    *ret_data = data;
    return LODE_OK;
}

/* Pages of a shared mapping of a file: they are read again when they are touched. */
static void posix_forget(struct vfs_file *file, const uint8_t *data, uint64_t size)
{
    (void)file;
    if (data != nothing_mapped)
        (void)madvise((void *)(uintptr_t)data, size, MADV_DONTNEED);
}

static void posix_unmap(struct vfs_file *file, const uint8_t *data, uint64_t size)
{
    (void)file;
    if (size == 0)
        return;
    mapped_remove(data, size);
    int failed = munmap((void *)(uintptr_t)data, size);
    INVARIANT(!failed);
}

static lode_status posix_exists(struct vfs *vfs, const char *path, int *ret_exists,
                                lode_error *error)
{
    (void)vfs;
    struct stat info;
    int failed = lstat(path, &info);
    if (failed && errno != ENOENT && errno != ENOTDIR)
        return fail(error, errno, "look for", path);
    *ret_exists = !failed;
    return LODE_OK;
}

static lode_status posix_remove(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    return unlink(path) ? fail(error, errno, "remove", path) : LODE_OK;
}

static lode_status posix_rename(struct vfs *vfs, const char *from, const char *to,
                                lode_error *error)
{
    (void)vfs;
    return rename(from, to) ? fail(error, errno, "rename", from) : LODE_OK;
}

static lode_status posix_link(struct vfs *vfs, const char *from, const char *to, lode_error *error)
{
    (void)vfs;
    if (link(from, to) == 0)
        return LODE_OK;
    return fail(error, errno, "link", errno == EEXIST ? to : from);
}

static lode_status posix_make_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    return mkdir(path, 0777) ? fail(error, errno, "make directory", path) : LODE_OK;
}

static lode_status posix_remove_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    if (rmdir(path) == 0)
        return LODE_OK;
    /* POSIX allows EEXIST where Linux says ENOTEMPTY. */
    return fail(error, errno == EEXIST ? ENOTEMPTY : errno, "remove directory", path);
}

static int is_dot_entry(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static lode_status posix_list(struct vfs *vfs, const char *path,
                              void (*entry)(void *context, const char *name), void *context,
                              lode_error *error)
{
    (void)vfs;
    DIR *dir = opendir(path);
    if (!dir)
        return fail(error, errno, "list", path);
    struct dirent *found;
    while (errno = 0, (found = readdir(dir)) != NULL)
        if (!is_dot_entry(found->d_name))
            entry(context, found->d_name);
    int os_errno = errno;
    closedir(dir);
    return os_errno ? fail(error, os_errno, "list", path) : LODE_OK;
}

static lode_status posix_dir_sync(struct vfs *vfs, const char *path, lode_error *error)
{
    (void)vfs;
    int fd = open_again(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fail(error, errno, "open directory", path);
    int failed;
    do
        failed = fsync(fd);
    while (failed && errno == EINTR);
    int os_errno = errno;
    close(fd);
    return failed ? fail(error, os_errno, "sync directory", path) : LODE_OK;
}

static uint64_t posix_room(struct vfs *vfs, const char *path)
{
    (void)vfs;
    struct statvfs info;
    /* Some file systems count nothing, and say so by having no blocks at all. */
    if (statvfs(path, &info) != 0 || info.f_blocks == 0)
        return VFS_ROOM_UNKNOWN;
    return (uint64_t)info.f_bavail * info.f_frsize;
}

/* The process id in the lock file, or 0 when its owner has not written it yet. */
static long read_owner(int fd)
{
    char text[32];
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    return strtol(text, NULL, 10);
}

/* For the message that others get. It is not needed for the lock to hold, so failure is ignored: a
 * database on a full disk must still open. What a longer id leaves behind comes after the newline. */
static void write_owner(int fd)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    ssize_t written = pwrite(fd, text, (size_t)size, 0);
    (void)written;
}

/* An owner that was killed leaves its id behind: whoever shares the lock now does not write it. */
static int is_alive(long owner)
{
    return owner > 0 && (kill((pid_t)owner, 0) == 0 || errno != ESRCH);
}

static lode_status busy(const char *path, long owner, lode_error *error)
{
    path = vfs_path_tail(path);
    if (owner == (long)getpid())
        return error_set(error, LODE_BUSY, "%s is held by this process already (pid %ld)", path,
                         owner);
    if (is_alive(owner))
        return error_set(error, LODE_BUSY, "%s is held by process %ld", path, owner);
    return error_set(error, LODE_BUSY, "%s is held by another process", path);
}

static int flock_again(int fd, int how)
{
    int failed;
    do
        failed = flock(fd, how | LOCK_NB);
    while (failed && errno == EINTR);
    return failed;
}

/* Closes the file when it fails. */
static lode_status take_lock(struct posix_file *file, const char *path, int how, lode_error *error)
{
    struct stat info;
    lode_status status = LODE_OK;
    if (flock_again(file->fd, how))
        status = errno == EWOULDBLOCK ? busy(path, read_owner(file->fd), error)
                                      : fail(error, errno, "lock", path);
    else if (fstat(file->fd, &info) == 0 && info.st_nlink == 0)
        /* Who held it has removed it, with what it guarded. */
        status = error_set(error, LODE_BUSY, "%s was just removed", vfs_path_tail(path));
    if (status)
        posix_close(&file->base);
    return status;
}

/* flock belongs to the open file, not to the process as fcntl's locks do: it is not lost when some
 * other part of the program opens and closes the same file, and it excludes a second open in this
 * process. The file is never removed: two processes could then hold locks on two files of one name. */
static lode_status posix_lock(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                              lode_error *error)
{
    struct posix_file *file;
    lode_status status = open_new(vfs, path, open_flags(VFS_WRITE | VFS_CREATE), &file, error);
    if (!status)
        status = take_lock(file, path, LOCK_EX, error);
    if (status)
        return status;
    write_owner(file->fd);
    *ret_lock = &file->base;
    return LODE_OK;
}

/* Where the file is missing and could be made, an owner could come who does not know of us. */
static int can_be_made(const char *path)
{
    char parent[PATH_SIZE_MAX];
    vfs_parent(path, parent);
    return access(parent, W_OK) == 0;
}

static lode_status posix_lock_shared(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                                     lode_error *error)
{
    struct posix_file *file;
    lode_status status = open_new(vfs, path, open_flags(VFS_READ), &file, error);
    if (status == LODE_NOT_FOUND) { /* as of a copy that left it out */
        if (!can_be_made(path)) {
            *ret_lock = NULL;
            return LODE_OK;
        }
        status = open_new(vfs, path, open_flags(VFS_READ | VFS_CREATE), &file, error);
    }
    if (!status)
        status = take_lock(file, path, LOCK_SH, error);
    if (!status)
        *ret_lock = &file->base;
    return status;
}

/* Unlocks by hand: a child process forked meanwhile may still have the file open. */
static void posix_unlock(struct vfs_file *lock)
{
    int fd = posix_file_of(lock)->fd;
    if (ftruncate(fd, 0) != 0) {
        /* the next owner overwrites what stands there; of a shared one nothing can be changed */
    }
    (void)flock(fd, LOCK_UN);
    posix_close(lock);
}

static const struct vfs_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .size = posix_size,
    .truncate = posix_truncate,
    .preallocate = posix_preallocate,
    .sync = posix_sync,
    .map = posix_map,
    .unmap = posix_unmap,
    .forget = posix_forget,
    .exists = posix_exists,
    .remove = posix_remove,
    .rename = posix_rename,
    .link = posix_link,
    .make_dir = posix_make_dir,
    .remove_dir = posix_remove_dir,
    .list = posix_list,
    .dir_sync = posix_dir_sync,
    .room = posix_room,
    .lock = posix_lock,
    .unlock = posix_unlock,
    .lock_shared = posix_lock_shared,
};

struct vfs *vfs_posix(void)
{
    static struct vfs vfs = {&posix_ops};
    return &vfs;
}
