/* vfs_memory.c: paths, open files, faults and locks over inodes. See vfs_memory.h and inode.h. */
#include "support/vfs_memory.h"

#include "base/limits.h"
#include "os/memory.h"
#include "os/thread.h"
#include "support/crash_counts.h"
#include "support/inode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct vfs_memory {
    struct vfs base;
    struct mutex mutex; /* guards everything */
    struct inode *root;
    unsigned crashes;
    vfs_memory_fault *fault;
    void *fault_context;
    uint64_t room;  /* as vfs_room has it */
    int late_errno; /* that the operation in progress fails with once it is done */
    int lies;       /* the sync in progress only says that it has happened */
    void (*hook)(void *context);
    void *hook_context;
};

struct memory_file {
    struct vfs_file base;
    struct inode *inode;
    unsigned crashes; /* of the file system when this was opened */
    int writable;
    char path[];
};

static struct vfs_memory *of(struct vfs *vfs)
{
    return (struct vfs_memory *)vfs;
}

static struct memory_file *file_of(struct vfs_file *file)
{
    return (struct memory_file *)file;
}

/* --- Paths ------------------------------------------------------------------------------------- */

/* Take the next component of *path into name; 0 when there is none. "." is skipped. */
static int next_name(const char **path, char name[256])
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t size = strcspn(*path, "/");
        if (size == 0)
            return 0;
        if (size < 256) {
            memcpy(name, *path, size);
            name[size] = '\0';
        } else {
            strcpy(name, ".."); /* as good as absent */
        }
        *path += size;
        if (strcmp(name, ".") != 0)
            return 1;
    }
}

/* What a path leads to. Where the last name is missing, inode is NULL and parent is not; where more
 * is missing, both are. The root has neither name nor parent. */
struct place {
    struct inode *parent;
    struct inode *inode;
    char name[256];
    int os_errno; /* 0, ENOENT or ENOTDIR */
};

static struct place find(struct vfs_memory *memory, const char *path)
{
    struct place place = {.inode = memory->root};
    char name[256];
    while (next_name(&path, name)) {
        place.parent = NULL;
        if (!place.inode || !place.inode->is_dir) {
            place.os_errno = place.inode ? ENOTDIR : ENOENT;
            place.inode = NULL;
            return place;
        }
        place.parent = place.inode;
        memcpy(place.name, name, sizeof name);
        struct entry *entry = entries_find(&place.parent->names, name);
        place.inode = entry ? entry->inode : NULL;
    }
    place.os_errno = place.inode ? 0 : ENOENT;
    return place;
}

/* --- Beginning and ending an operation --------------------------------------------------------- */

/* Lock, and fail if a fault is due: the error's errno, or 0 with the mutex held. */
static int begin(struct vfs_memory *memory, const char *operation, const char *path)
{
    if (memory->hook)
        memory->hook(memory->hook_context);
    mutex_lock(&memory->mutex);
    int os_errno = memory->fault ? memory->fault(memory->fault_context, operation, path) : 0;
    memory->lies = os_errno == VFS_MEMORY_LIE;
    if (memory->lies)
        os_errno = 0;
    memory->late_errno = os_errno < 0 ? -os_errno : 0;
    if (os_errno <= 0)
        return 0;
    mutex_unlock(&memory->mutex);
    return os_errno;
}

static int begin_file(struct memory_file *file, const char *operation)
{
    struct vfs_memory *memory = of(file->base.vfs);
    int os_errno = begin(memory, operation, file->path);
    if (!os_errno && file->crashes != memory->crashes) {
        mutex_unlock(&memory->mutex);
        return EIO;
    }
    return os_errno;
}

/* Unlock, and turn an errno into a status. */
static lode_status finish(struct vfs_memory *memory, int os_errno, const char *what,
                          const char *path, lode_error *error)
{
    if (!os_errno)
        os_errno = memory->late_errno;
    mutex_unlock(&memory->mutex);
    return os_errno ? vfs_fail(error, os_errno, what, path) : LODE_OK;
}

/* --- Files ------------------------------------------------------------------------------------- */

static struct memory_file *file_new(struct vfs_memory *memory, const char *path,
                                    struct inode *inode)
{
    size_t path_size = strlen(path) + 1;
    struct memory_file *file = memory_sure(sizeof *file + path_size);
    *file = (struct memory_file){{&memory->base}, inode, memory->crashes, 0};
    memcpy(file->path, path, path_size);
    inode->refs++;
    return file;
}

/* The file at `place`, created if the flags say so. */
static int open_inode(struct place *place, unsigned flags)
{
    if (place->inode && flags & VFS_CREATE && flags & VFS_EXCLUSIVE)
        return EEXIST;
    if (place->inode && place->inode->is_dir)
        return flags & (VFS_WRITE | VFS_CREATE) ? EISDIR : 0;
    if (!place->inode) {
        if (!(flags & VFS_CREATE) || !place->parent)
            return place->os_errno;
        place->inode = inode_new(0);
        inode_set_name(place->parent, place->name, place->inode, NULL);
    }
    if (flags & VFS_TRUNCATE)
        inode_resize(place->inode, 0);
    return 0;
}

static lode_status memory_open(struct vfs *vfs, const char *path, unsigned flags,
                               struct vfs_file **ret_file, lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    const char *what = flags & VFS_CREATE ? "create" : "open";
    int os_errno = begin(memory, "open", path);
    if (os_errno)
        return vfs_fail(error, os_errno, what, path);
    struct place place = find(memory, path);
    os_errno = open_inode(&place, flags);
    if (!os_errno && !memory->late_errno) {
        struct memory_file *file = file_new(memory, path, place.inode);
        file->writable = (flags & VFS_WRITE) != 0;
        *ret_file = &file->base;
    }
    return finish(memory, os_errno, what, path, error);
}

static void memory_close(struct vfs_file *base)
{
    struct memory_file *file = file_of(base);
    struct vfs_memory *memory = of(base->vfs);
    mutex_lock(&memory->mutex);
    inode_unref(file->inode);
    mutex_unlock(&memory->mutex);
    free(file);
}

static lode_status ends_early(struct memory_file *file, uint64_t at, uint64_t offset, uint64_t size,
                              lode_error *error)
{
    mutex_unlock(&of(file->base.vfs)->mutex);
    return error_set(error, LODE_CORRUPT,
                     "%s ends at %" PRIu64 ", wanted %" PRIu64 " bytes at %" PRIu64,
                     vfs_path_tail(file->path), at, size, offset);
}

static lode_status memory_read(struct vfs_file *base, uint64_t offset, void *data, size_t size,
                               lode_error *error)
{
    struct memory_file *file = file_of(base);
    int os_errno = begin_file(file, "read");
    if (os_errno)
        return vfs_fail(error, os_errno, "read", file->path);
    struct bytes *bytes = &file->inode->bytes;
    if (size > 0 && file->inode->is_dir)
        return finish(of(base->vfs), EISDIR, "read", file->path, error);
    if (size > 0 && (offset > bytes->size || size > bytes->size - offset))
        return ends_early(file, bytes->size, offset, size, error);
    if (size > 0)
        memcpy(data, bytes->data + offset, size);
    return finish(of(base->vfs), 0, "read", file->path, error);
}

static lode_status memory_write(struct vfs_file *base, uint64_t offset, const void *data,
                                size_t size, lode_error *error)
{
    struct memory_file *file = file_of(base);
    int os_errno = begin_file(file, "write");
    if (os_errno)
        return vfs_fail(error, os_errno, "write", file->path);
    struct inode *inode = file->inode;
    if (!file->writable)
        os_errno = EBADF;
    else if (offset > INT64_MAX || size > INT64_MAX - offset)
        os_errno = EFBIG;
    if (!os_errno)
        inode_write(inode, offset, data, of(base->vfs)->late_errno ? size / 2 : size);
    return finish(of(base->vfs), os_errno, "write", file->path, error);
}

static lode_status memory_size(struct vfs_file *base, uint64_t *ret_size, lode_error *error)
{
    struct memory_file *file = file_of(base);
    int os_errno = begin_file(file, "size");
    if (os_errno)
        return vfs_fail(error, os_errno, "measure", file->path);
    *ret_size = file->inode->bytes.size;
    return finish(of(base->vfs), 0, "measure", file->path, error);
}

static lode_status memory_truncate(struct vfs_file *base, uint64_t size, lode_error *error)
{
    struct memory_file *file = file_of(base);
    int os_errno = begin_file(file, "truncate");
    if (os_errno)
        return vfs_fail(error, os_errno, "truncate", file->path);
    if (!file->writable)
        os_errno = EINVAL;
    else if (size > INT64_MAX)
        os_errno = EFBIG;
    else
        inode_resize(file->inode, size);
    return finish(of(base->vfs), os_errno, "truncate", file->path, error);
}

static void memory_preallocate(struct vfs_file *file, uint64_t size)
{
    (void)file;
    (void)size;
}

static lode_status memory_sync(struct vfs_file *base, lode_error *error)
{
    struct memory_file *file = file_of(base);
    int os_errno = begin_file(file, "sync");
    if (os_errno)
        return vfs_fail(error, os_errno, "sync", file->path);
    if (of(base->vfs)->late_errno)
        inode_forget(file->inode); /* no later sync brings them to the disk */
    else if (!of(base->vfs)->lies)
        inode_sync(file->inode);
    return finish(of(base->vfs), 0, "sync", file->path, error);
}

static lode_status memory_map(struct vfs_file *base, uint64_t size, const uint8_t **ret_data,
                              lode_error *error)
{
    struct memory_file *file = file_of(base);
    int os_errno = begin_file(file, "map");
    if (os_errno)
        return vfs_fail(error, os_errno, "map", file->path);
    struct bytes *bytes = &file->inode->bytes;
    if (size > bytes->size)
        return ends_early(file, bytes->size, 0, size, error);
    if (!of(base->vfs)->late_errno) {
        uint8_t *copy = memory_aligned(4096, size);
        if (!copy)
            copy = memory_aligned(4096, size);
        INVARIANT(copy != NULL);
        if (size > 0)
            memcpy(copy, bytes->data, size);
        *ret_data = copy;
    }
    return finish(of(base->vfs), 0, "map", file->path, error);
}

static void memory_forget(struct vfs_file *file, const uint8_t *data, uint64_t size)
{
    (void)file;
    (void)data;
    (void)size;
}

static void memory_unmap(struct vfs_file *file, const uint8_t *data, uint64_t size)
{
    (void)file;
    (void)size;
    free((void *)(uintptr_t)data);
}

/* --- Names ------------------------------------------------------------------------------------- */

static lode_status memory_exists(struct vfs *vfs, const char *path, int *ret_exists,
                                 lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "exists", path);
    if (os_errno)
        return vfs_fail(error, os_errno, "look for", path);
    *ret_exists = find(memory, path).inode != NULL;
    return finish(memory, 0, "look for", path, error);
}

static void unname(struct place *place)
{
    inode_set_name(place->parent, place->name, NULL, NULL);
}

static lode_status memory_remove(struct vfs *vfs, const char *path, lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "remove", path);
    if (os_errno)
        return vfs_fail(error, os_errno, "remove", path);
    struct place place = find(memory, path);
    os_errno = place.os_errno;
    if (place.inode && place.inode->is_dir)
        os_errno = EISDIR;
    if (!os_errno)
        unname(&place);
    return finish(memory, os_errno, "remove", path, error);
}

/* Why `from` may not take the name `to`; 0 when it may. */
static int check_rename(const struct place *from, const struct place *to)
{
    if (from->os_errno)
        return from->os_errno;
    if (!to->parent || !from->parent)
        return to->os_errno ? to->os_errno : EBUSY;
    if (!to->inode || to->inode == from->inode)
        return 0;
    if (from->inode->is_dir != to->inode->is_dir)
        return from->inode->is_dir ? ENOTDIR : EISDIR;
    return to->inode->names.count ? ENOTEMPTY : 0;
}

static lode_status memory_rename(struct vfs *vfs, const char *from_path, const char *to_path,
                                 lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "rename", from_path);
    if (os_errno)
        return vfs_fail(error, os_errno, "rename", from_path);
    struct place from = find(memory, from_path), to = find(memory, to_path);
    os_errno = check_rename(&from, &to);
    if (!os_errno && from.inode != to.inode) { /* two names of one file: nothing happens */
        int together = from.parent == to.parent;
        inode_set_name(to.parent, to.name, from.inode, together ? from.name : NULL);
        if (!together)
            unname(&from);
    }
    return finish(memory, os_errno, "rename", from_path, error);
}

static lode_status memory_link(struct vfs *vfs, const char *from_path, const char *to_path,
                               lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "link", from_path);
    if (os_errno)
        return vfs_fail(error, os_errno, "link", from_path);
    struct place from = find(memory, from_path), to = find(memory, to_path);
    if (from.os_errno)
        os_errno = from.os_errno;
    else if (to.inode)
        os_errno = EEXIST;
    else if (from.inode->is_dir)
        os_errno = EPERM;
    else if (!to.parent)
        os_errno = to.os_errno;
    else
        inode_set_name(to.parent, to.name, from.inode, NULL);
    return finish(memory, os_errno, "link", os_errno == EEXIST ? to_path : from_path, error);
}

static lode_status memory_make_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "make_dir", path);
    if (os_errno)
        return vfs_fail(error, os_errno, "make directory", path);
    struct place place = find(memory, path);
    if (place.inode)
        os_errno = EEXIST;
    else if (!place.parent)
        os_errno = place.os_errno;
    else
        inode_set_name(place.parent, place.name, inode_new(1), NULL);
    return finish(memory, os_errno, "make directory", path, error);
}

static lode_status memory_remove_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "remove_dir", path);
    if (os_errno)
        return vfs_fail(error, os_errno, "remove directory", path);
    struct place place = find(memory, path);
    if (!place.inode)
        os_errno = place.os_errno;
    else if (!place.inode->is_dir)
        os_errno = ENOTDIR;
    else if (!place.parent)
        os_errno = EBUSY;
    else if (place.inode->names.count)
        os_errno = ENOTEMPTY;
    else
        unname(&place);
    return finish(memory, os_errno, "remove directory", path, error);
}

static lode_status memory_list(struct vfs *vfs, const char *path,
                               void (*entry)(void *context, const char *name), void *context,
                               lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "list", path);
    if (os_errno)
        return vfs_fail(error, os_errno, "list", path);
    struct place place = find(memory, path);
    struct entries names = {0};
    os_errno = place.os_errno;
    if (place.inode && !place.inode->is_dir)
        os_errno = ENOTDIR;
    if (!os_errno)
        entries_copy(&names, &place.inode->names);
    lode_status status = finish(memory, os_errno, "list", path, error);
    for (size_t i = 0; i < names.count; i++) /* outside of the mutex: entry may use the vfs */
        entry(context, names.items[i].name);
    mutex_lock(&memory->mutex);
    entries_clear(&names);
    mutex_unlock(&memory->mutex);
    return status;
}

static lode_status memory_dir_sync(struct vfs *vfs, const char *path, lode_error *error)
{
    struct vfs_memory *memory = of(vfs);
    int os_errno = begin(memory, "dir_sync", path);
    if (os_errno)
        return vfs_fail(error, os_errno, "sync directory", path);
    struct place place = find(memory, path);
    os_errno = place.os_errno;
    if (place.inode && !place.inode->is_dir)
        os_errno = ENOTDIR;
    if (!os_errno && !memory->lies)
        inode_sync(place.inode);
    return finish(memory, os_errno, "sync directory", path, error);
}

/* --- Locks ------------------------------------------------------------------------------------- */

static lode_status memory_lock(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                               lode_error *error)
{
    struct vfs_file *lock = NULL;
    lode_status status = memory_open(vfs, path, VFS_WRITE | VFS_CREATE, &lock, error);
    if (status)
        return status;
    mutex_lock(&of(vfs)->mutex);
    struct inode *inode = file_of(lock)->inode;
    int taken = inode->locked;
    inode->locked = 1;
    mutex_unlock(&of(vfs)->mutex);
    if (taken) {
        memory_close(lock);
        return error_set(error, LODE_BUSY, "%s is held by this process already (pid %ld)",
                         vfs_path_tail(path), (long)getpid());
    }
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    (void)!memory_write(lock, 0, text, (size_t)size, NULL);
    *ret_lock = lock;
    return LODE_OK;
}

static void memory_unlock(struct vfs_file *lock)
{
    struct memory_file *file = file_of(lock);
    struct vfs_memory *memory = of(lock->vfs);
    mutex_lock(&memory->mutex);
    if (file->crashes == memory->crashes) { /* otherwise it may be somebody else's by now */
        file->inode->locked = 0;
        inode_resize(file->inode, 0);
    }
    mutex_unlock(&memory->mutex);
    memory_close(lock);
}

/* --- Crashing ---------------------------------------------------------------------------------- */

void vfs_memory_crash(struct vfs *vfs)
{
    struct vfs_memory *memory = of(vfs);
    crash_count(&crash_counts.powers);
    mutex_lock(&memory->mutex);
    memory->crashes++;
    inode_crash(memory->root, NULL);
    mutex_unlock(&memory->mutex);
}

void vfs_memory_crash_random(struct vfs *vfs, uint64_t seed)
{
    struct vfs_memory *memory = of(vfs);
    struct rng rng;
    rng_init(&rng, seed);
    crash_count(&crash_counts.powers);
    mutex_lock(&memory->mutex);
    memory->crashes++;
    inode_crash(memory->root, &rng);
    mutex_unlock(&memory->mutex);
}

void vfs_memory_kill(struct vfs *vfs)
{
    struct vfs_memory *memory = of(vfs);
    crash_count(&crash_counts.processes);
    mutex_lock(&memory->mutex);
    memory->crashes++;
    inode_unlock(memory->root);
    mutex_unlock(&memory->mutex);
}

/* --- Decay -------------------------------------------------------------------------------------- */

/* Of the bytes below `inode`, in the order of its names, the one number *left; 0 when it is beyond them, and
 * *left is then less by their number. */
static int flip_below(struct inode *inode, uint64_t *left, unsigned bit, char path[])
{
    size_t size = strlen(path);
    for (size_t i = 0; i < inode->names.count; i++) {
        snprintf(path + size, PATH_SIZE_MAX - size, "/%s", inode->names.items[i].name);
        if (flip_below(inode->names.items[i].inode, left, bit, path))
            return 1;
        path[size] = '\0';
    }
    if (inode->is_dir || *left >= inode->bytes.size) {
        *left -= inode->is_dir ? 0 : inode->bytes.size;
        return 0;
    }
    inode_flip(inode, *left, bit);
    return 1;
}

static uint64_t bytes_below(const struct inode *inode)
{
    uint64_t size = inode->is_dir ? 0 : inode->bytes.size;
    for (size_t i = 0; i < inode->names.count; i++)
        size += bytes_below(inode->names.items[i].inode);
    return size;
}

int vfs_memory_flip(struct vfs *vfs, const char *path, uint64_t seed, char ret_path[],
                    uint64_t *ret_offset)
{
    struct vfs_memory *memory = of(vfs);
    struct rng rng;
    rng_init(&rng, seed);
    mutex_lock(&memory->mutex);
    struct inode *inode = find(memory, path).inode;
    uint64_t size = inode ? bytes_below(inode) : 0;
    snprintf(ret_path, PATH_SIZE_MAX, "%s", path);
    *ret_offset = size ? rng_u64(&rng) % size : 0;
    int flipped = size > 0 && flip_below(inode, ret_offset, (unsigned)rng_below(&rng, 8), ret_path);
    mutex_unlock(&memory->mutex);
    return flipped;
}

/* --- The file system --------------------------------------------------------------------------- */

static uint64_t memory_room(struct vfs *vfs, const char *path)
{
    struct vfs_memory *memory = of(vfs);
    (void)path;
    mutex_lock(&memory->mutex);
    uint64_t room = memory->room;
    mutex_unlock(&memory->mutex);
    return room;
}

void vfs_memory_set_room(struct vfs *vfs, uint64_t bytes)
{
    struct vfs_memory *memory = of(vfs);
    mutex_lock(&memory->mutex);
    memory->room = bytes;
    mutex_unlock(&memory->mutex);
}

static const struct vfs_ops memory_ops = {
    .open = memory_open,
    .close = memory_close,
    .read = memory_read,
    .write = memory_write,
    .size = memory_size,
    .truncate = memory_truncate,
    .preallocate = memory_preallocate,
    .sync = memory_sync,
    .map = memory_map,
    .unmap = memory_unmap,
    .forget = memory_forget,
    .exists = memory_exists,
    .remove = memory_remove,
    .rename = memory_rename,
    .link = memory_link,
    .make_dir = memory_make_dir,
    .remove_dir = memory_remove_dir,
    .list = memory_list,
    .dir_sync = memory_dir_sync,
    .room = memory_room,
    .lock = memory_lock,
    .unlock = memory_unlock,
};

struct vfs *vfs_memory_new(void)
{
    struct vfs_memory *memory = memory_sure(sizeof *memory);
    *memory = (struct vfs_memory){.room = VFS_ROOM_UNKNOWN};
    memory->base.ops = &memory_ops;
    mutex_init(&memory->mutex);
    memory->root = inode_new(1);
    memory->root->refs = 1;
    return &memory->base;
}

void vfs_memory_free(struct vfs *vfs)
{
    if (!vfs)
        return;
    struct vfs_memory *memory = of(vfs);
    inode_unref(memory->root);
    mutex_release(&memory->mutex);
    free(memory);
}

void vfs_memory_set_hook(struct vfs *vfs, void (*hook)(void *context), void *context)
{
    of(vfs)->hook_context = context;
    of(vfs)->hook = hook;
}

void vfs_memory_set_fault(struct vfs *vfs, vfs_memory_fault *fault, void *context)
{
    struct vfs_memory *memory = of(vfs);
    mutex_lock(&memory->mutex);
    memory->fault = fault;
    memory->fault_context = context;
    mutex_unlock(&memory->mutex);
}
