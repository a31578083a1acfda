/* room.c: see room.h. */
#include "engine/room.h"

#include <inttypes.h>

#include "base/limits.h"
#include "engine/db.h"

/* Enough for thousands of batches of deletes, or for the manifest and live sets of a merge that drops
 * segments; not more than a part of what there is, on small disks. */
#define RESERVE_BYTES    ((uint64_t)4 << 20)
#define RESERVE_PART     16u
#define RESERVE_LEAST    ((uint64_t)64 << 10)
#define MANIFEST_AT_MOST ((uint64_t)256 << 10) /* what any change writes beside its segment */

void room_init(struct room *kept)
{
    mutex_init(&kept->mutex);
}

static lode_status reserve_path(const lode_db *db, char path[])
{
    return vfs_join(path, db->path, RESERVE_NAME, NULL);
}

/* The mutex is held. A file that a killed process left behind is taken over. */
static void make_reserve(lode_db *db, uint64_t size)
{
    char path[PATH_SIZE_MAX];
    struct room *kept = &db->room;
    if (size < RESERVE_LEAST || reserve_path(db, path) ||
        vfs_open(db->vfs, path, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE, &kept->file, NULL)) {
        kept->file = NULL;
        return;
    }
    vfs_preallocate(kept->file, size);
    kept->size = size;
}

/* Room from which on there is enough for a reserve of the size that there was, and for something beside it. */
static uint64_t enough(const struct room *kept)
{
    return (kept->size ? kept->size : RESERVE_BYTES) * 2;
}

/* Returns whether there was one; it may be what a killed process left behind. */
static int drop_reserve(lode_db *db)
{
    char path[PATH_SIZE_MAX];
    if (db->room.file)
        vfs_close(db->room.file);
    db->room.file = NULL;
    return reserve_path(db, path) == LODE_OK && vfs_remove(db->vfs, path, NULL) == LODE_OK;
}

void room_release(lode_db *db)
{
    if (db->room.file)
        vfs_close(db->room.file);
    mutex_release(&db->room.mutex);
}

/* As much as is kept where there is that much room; 0: it is unknown. */
static uint64_t reserve_size(uint64_t room)
{
    if (room == VFS_ROOM_UNKNOWN)
        return 0;
    return room / RESERVE_PART < RESERVE_BYTES ? room / RESERVE_PART : RESERVE_BYTES;
}

void room_keep(lode_db *db)
{
    struct room *kept = &db->room;
    mutex_lock(&kept->mutex);
    if (!kept->file && !atomic_load_explicit(&kept->is_short, memory_order_relaxed))
        make_reserve(db, reserve_size(vfs_room(db->vfs, db->path)));
    mutex_unlock(&kept->mutex);
}

uint64_t room_spend(lode_db *db)
{
    struct room *kept = &db->room;
    uint64_t bytes = 0;
    mutex_lock(&kept->mutex);
    uint64_t before = vfs_room(db->vfs, db->path);
    if (drop_reserve(db)) {
        uint64_t freed =
            vfs_room(db->vfs, db->path) - before; /* an earlier process may have made it */
        bytes = kept->size ? kept->size : RESERVE_LEAST;
        if (before != VFS_ROOM_UNKNOWN && freed <= RESERVE_BYTES && freed > bytes)
            bytes = freed;
        atomic_store_explicit(&kept->is_short, 1, memory_order_relaxed);
    }
    mutex_unlock(&kept->mutex);
    return bytes;
}

int room_is_short(lode_db *db)
{
    struct room *kept = &db->room;
    if (!atomic_load_explicit(&kept->is_short, memory_order_relaxed))
        return 0;
    mutex_lock(&kept->mutex);
    if (vfs_room(db->vfs, db->path) >= enough(kept)) {
        atomic_store_explicit(&kept->is_short, 0, memory_order_relaxed);
        make_reserve(db, enough(kept) / 2);
    }
    int is_short = atomic_load_explicit(&kept->is_short, memory_order_relaxed);
    mutex_unlock(&kept->mutex);
    return is_short;
}

lode_status room_admit(lode_db *db, lode_error *error)
{
    if (!room_is_short(db))
        return LODE_OK;
    uint64_t room = vfs_room(db->vfs, db->path), wanted;
    mutex_lock(&db->room.mutex);
    wanted = enough(&db->room);
    mutex_unlock(&db->room.mutex);
    return error_set(error, LODE_FULL,
                     "the disk of %s is full: only deletes are taken until %" PRIu64
                     " bytes are free, of which there are %" PRIu64,
                     vfs_path_tail(db->path), wanted, room);
}

lode_status room_check(lode_db *db, const char *dir, const struct room_need *need,
                       lode_error *error)
{
    uint64_t bytes = need->bytes + (need->frees ? MANIFEST_AT_MOST : 0);
    uint64_t room = vfs_room(db->vfs, dir);
    if (room < bytes && need->frees && room_spend(db))
        room = vfs_room(db->vfs, dir);
    /* Where the reserve made room for less than was hoped for, the attempt still costs little. */
    if (room >= need->bytes)
        return LODE_OK;
    return error_set(error, LODE_FULL,
                     "%s needs at least %" PRIu64 " bytes in %s, where %" PRIu64 " are free",
                     need->what, need->bytes, vfs_path_tail(dir), room);
}
