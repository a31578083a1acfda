/* small_disk.c: see small_disk.h. */
#include "support/small_disk.h"

#include "base/error.h"
#include "support/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The file systems that this process sees become its own, so that they go with it whatever happens. */
static int go_private(void)
{
    static int is_private;
    if (!is_private)
        is_private =
            unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return is_private;
}

int small_disk_make(unsigned mib, char path[PATH_SIZE_MAX])
{
    char options[32];
    temp_dir_make(path);
    snprintf(options, sizeof options, "size=%um", mib);
    if (go_private() && mount("lode-test", path, "tmpfs", 0, options) == 0)
        return 1;
    printf("skipped: cannot mount a small file system: %s\n", strerror(errno));
    temp_dir_remove(path);
    return 0;
}

void small_disk_make_readonly(const char *path)
{
    INVARIANT(mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
}

void small_disk_remove(const char *path)
{
    INVARIANT(umount2(path, MNT_DETACH) == 0);
    temp_dir_remove(path);
}

uint64_t small_disk_room(const char *path)
{
    struct statvfs info;
    INVARIANT(statvfs(path, &info) == 0);
    return (uint64_t)info.f_bavail * info.f_frsize;
}

static void ballast_path(const char *path, char ballast[PATH_SIZE_MAX])
{
    int size = snprintf(ballast, PATH_SIZE_MAX, "%s/ballast", path);
    INVARIANT(size > 0 && size < PATH_SIZE_MAX);
}

void small_disk_fill(const char *path, uint64_t leave_bytes)
{
    static const char zeros[4096];
    char ballast[PATH_SIZE_MAX];
    ballast_path(path, ballast);
    int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    INVARIANT(fd >= 0);
    while (small_disk_room(path) > leave_bytes)
        if (write(fd, zeros, sizeof zeros) <= 0)
            break;
    close(fd);
}

void small_disk_empty(const char *path)
{
    char ballast[PATH_SIZE_MAX];
    ballast_path(path, ballast);
    INVARIANT(unlink(ballast) == 0);
}
