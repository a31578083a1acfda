/* small_disk.c: see small_disk.h. */
#include "support/small_disk.h"

#include "base/error.h"
#include "support/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
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

static int mount_tmpfs(unsigned mib, const char *path)
{
    char options[32];
    snprintf(options, sizeof options, "size=%um", mib);
    return mount("lode-test", path, "tmpfs", 0, options);
}

/* The image goes with its mount: it has no name by then. */
static int mount_ext4(unsigned mib, const char *path)
{
    char command[3 * PATH_SIZE_MAX];
    snprintf(command, sizeof command,
             "truncate -s %uM '%s.image' && mkfs.ext4 -q -m 0 '%s.image' && "
             "mount -o loop '%s.image' '%s'; status=$?; rm -f '%s.image'; exit $status",
             mib, path, path, path, path, path);
    return system(command); // NOLINT(cert-env33-c): a test, of its own paths
}

int small_disk_make(unsigned mib, char path[PATH_SIZE_MAX])
{
    const char *kind = getenv("LODE_TEST_DISK");
    temp_dir_make(path);
    if (go_private() &&
        (kind && strcmp(kind, "ext4") == 0 ? mount_ext4(mib, path) : mount_tmpfs(mib, path)) == 0)
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
