/* vfs.h: files enter here. Everything above opens, writes, syncs and maps through one of these; tests
 * bring one that loses what was not synced.
 *
 * Paths are NUL-terminated, of at most PATH_SIZE_MAX bytes. Errors name the path and the reason;
 * whatever an operation needs and does not find is LODE_NOT_FOUND.
 * What survives a crash: bytes written before a successful file_sync; names (created, renamed, linked,
 * removed) before a successful dir_sync of their directory. */
#ifndef OS_VFS_H
#define OS_VFS_H

#include "base/error.h"

struct vfs_file; /* one open file; each vfs has its own */

enum vfs_flag {
    VFS_READ = 1,
    VFS_WRITE = 2,     /* and read; a symbolic link is refused */
    VFS_CREATE = 4,    /* create it when missing */
    VFS_EXCLUSIVE = 8, /* with CREATE: LODE_EXISTS when it is there already */
    VFS_TRUNCATE = 16,
    VFS_ENCRYPTED =
        32, /* where the vfs has keys (crypt/crypt_vfs.h): the file is an encrypted one; to be written
                           once, from its beginning to its sync. Elsewhere it means nothing */
};

#define VFS_ROOM_UNKNOWN UINT64_MAX

struct vfs;

struct vfs_ops {
    /* LODE_NOT_FOUND when the file (without CREATE) or its directory is missing. */
    NODISCARD lode_status (*open)(struct vfs *vfs, const char *path, unsigned flags,
                                  struct vfs_file **ret_file, lode_error *error);
    void (*close)(struct vfs_file *file);
    /* Exactly size bytes, or LODE_CORRUPT ("ends at ..., wanted ...") when the file is shorter. */
    NODISCARD lode_status (*read)(struct vfs_file *file, uint64_t offset, void *data, size_t size,
                                  lode_error *error);
    NODISCARD lode_status (*write)(struct vfs_file *file, uint64_t offset, const void *data,
                                   size_t size, lode_error *error);
    NODISCARD lode_status (*size)(struct vfs_file *file, uint64_t *ret_size, lode_error *error);
    NODISCARD lode_status (*truncate)(struct vfs_file *file, uint64_t size, lode_error *error);
    /* Reserve disk space for [0, size) without changing the file's size; a hint. */
    void (*preallocate)(struct vfs_file *file, uint64_t size);
    NODISCARD lode_status (*sync)(struct vfs_file *file, lode_error *error); /* fdatasync */
    /* Map [0, size) read-only; unmap before close. */
    NODISCARD lode_status (*map)(struct vfs_file *file, uint64_t size, const uint8_t **ret_data,
                                 lode_error *error);
    void (*unmap)(struct vfs_file *file, const uint8_t *data, uint64_t size);
    /* A hint: what is mapped there is not needed in memory for now. It stays valid. */
    void (*forget)(struct vfs_file *file, const uint8_t *data, uint64_t size);

    NODISCARD lode_status (*exists)(struct vfs *vfs, const char *path, int *ret_exists,
                                    lode_error *error);
    /* A file; LODE_NOT_FOUND. */
    NODISCARD lode_status (*remove)(struct vfs *vfs, const char *path, lode_error *error);
    NODISCARD lode_status (*rename)(struct vfs *vfs, const char *from, const char *to,
                                    lode_error *error);
    /* Give `from` the second name `to`; LODE_EXISTS when `to` is there: the commit primitive. */
    NODISCARD lode_status (*link)(struct vfs *vfs, const char *from, const char *to,
                                  lode_error *error);
    /* LODE_EXISTS when it is there. */
    NODISCARD lode_status (*make_dir)(struct vfs *vfs, const char *path, lode_error *error);
    /* An empty one. */
    NODISCARD lode_status (*remove_dir)(struct vfs *vfs, const char *path, lode_error *error);
    /* Call `entry` for each name in the directory (never "." or ".."), in no order. */
    NODISCARD lode_status (*list)(struct vfs *vfs, const char *path,
                                  void (*entry)(void *context, const char *name), void *context,
                                  lode_error *error);
    NODISCARD lode_status (*dir_sync)(struct vfs *vfs, const char *path, lode_error *error);
    /* Bytes that this process may still fill on the disk of `path`; VFS_ROOM_UNKNOWN when nobody can tell. */
    uint64_t (*room)(struct vfs *vfs, const char *path);
    /* Take the lock file `path` for this process, writing its process id into it; held until
     * vfs_unlock or the process ends, however it ends. LODE_BUSY names the owner's process id. Two
     * opens inside one process exclude each other too. */
    NODISCARD lode_status (*lock)(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                                  lode_error *error);
    void (*unlock)(struct vfs_file *lock);
    /* Take it beside others who share it, so that nobody has it for himself: LODE_BUSY names who does. Nothing
     * is written, but the file is made where it is missing. *ret_lock is NULL where it cannot be made either, and
     * so has no owner.
     * May be NULL: LODE_UNSUPPORTED. */
    NODISCARD lode_status (*lock_shared)(struct vfs *vfs, const char *path,
                                         struct vfs_file **ret_lock, lode_error *error);
};

struct vfs {
    const struct vfs_ops *ops;
};

struct vfs_file {
    struct vfs *vfs; /* each vfs embeds this at the start of its own file */
};

struct vfs *vfs_posix(void); /* static; never freed */

/* vfs_open(vfs, ...), vfs_read(file, ...) and so on: one inline wrapper per operation, same names. */
#include "os/vfs_inline.h"

/* Join directory and name into path[PATH_SIZE_MAX]; LODE_LIMIT when too long. */
NODISCARD lode_status vfs_join(char path[], const char *dir, const char *name, lode_error *error);

/* Bytes of the file at this path; 0 when it cannot be opened: a figure to show, not one to rely on. */
uint64_t vfs_size_at(struct vfs *vfs, const char *path);

/* Make a directory; that it is there already is no error. */
NODISCARD lode_status vfs_have_dir(struct vfs *vfs, const char *path, lode_error *error);

/* The directory that holds `path`, into parent[PATH_SIZE_MAX]. */
void vfs_parent(const char *path, char parent[]);

/* `path`, or as much of its end as leaves an error message room for the reason. Borrowed from path. */
const char *vfs_path_tail(const char *path);

/* For what implements a vfs. The error of a failed call: "cannot open films.lode/LOCK: Permission denied";
 * LODE_NOT_FOUND and LODE_EXISTS by name. */
NODISCARD lode_status vfs_fail(lode_error *error, int os_errno, const char *what, const char *path);

#endif
