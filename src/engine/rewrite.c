/* rewrite.c: every file of a database, written anew under the newest data key. A file keeps its content, so that
 * whichever of the two a crash leaves is right; the data keys of both are kept until all names are durable. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "crypt/crypt_file.h"
#include "engine/encryption.h"
#include "engine/files.h"
#include "storage/names.h"
#include "storage/wal.h"
#include "storage/wal_format.h"

#define PIECE_SIZE    ((size_t)1 << 20) /* a multiple of CRYPT_BLOCK_SIZE */
#define GROUP_BYTES   ((size_t)4 << 20)
#define GROUP_BATCHES 1024u
#define SCRATCH_NAME  "rewriting.tmp" /* a directory in which a log is written */

static uint64_t newest_id(const struct rewrite *rewrite)
{
    struct data_key key;
    keyring_newest(crypt_vfs_keyring(rewrite->db->vfs), &key);
    uint64_t id = key.id;
    cipher_wipe(&key, sizeof key);
    return id;
}

static lode_status tell(struct rewrite *rewrite, uint64_t bytes, lode_error *error)
{
    rewrite->done_bytes += bytes;
    if (rewrite->total_bytes < rewrite->done_bytes)
        rewrite->total_bytes = rewrite->done_bytes;
    if (rewrite->progress &&
        rewrite->progress(rewrite->context, rewrite->done_bytes, rewrite->total_bytes))
        return error_set(error, LODE_CANCELLED,
                         "stopped: some files are written anew, others are as they were; the same "
                         "command goes on");
    return LODE_OK;
}

/* --- Files that are written once --------------------------------------------------------------- */

static lode_status copy(struct rewrite *rewrite, struct vfs_file *from, struct vfs_file *to,
                        lode_error *error)
{
    uint64_t size = 0;
    lode_status status = vfs_size(from, &size, error);
    uint8_t *piece = status ? NULL : malloc(PIECE_SIZE);
    if (!status && !piece)
        status = error_nomem(error, "a piece of a file", PIECE_SIZE);
    for (uint64_t at = 0; !status && at < size; at += PIECE_SIZE) {
        size_t take = size - at < PIECE_SIZE ? (size_t)(size - at) : PIECE_SIZE;
        status = vfs_read(from, at, piece, take, error);
        if (!status)
            status = vfs_write(to, at, piece, take, error);
        if (!status)
            status = tell(rewrite, take, error);
    }
    if (piece)
        cipher_wipe(piece, PIECE_SIZE);
    free(piece);
    return status ? status : vfs_sync(to, error);
}

/* A temporary name that is left may be the second name of a file that counts: it is removed, not written to. */
static lode_status remove_left(struct vfs *vfs, const char *path, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = vfs_remove(vfs, path, &reason);
    if (status == LODE_NOT_FOUND)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

static lode_status replace(struct rewrite *rewrite, struct vfs_file *from, const char *path,
                           lode_error *error)
{
    struct vfs *vfs = rewrite->db->vfs;
    struct vfs_file *to;
    char temp[PATH_SIZE_MAX];
    if (strlen(path) + sizeof ".tmp" > sizeof temp)
        return error_set(error, LODE_LIMIT, "path of %zu bytes: too long", strlen(path));
    memcpy(temp, path, strlen(path));
    memcpy(temp + strlen(path), ".tmp", sizeof ".tmp");
    lode_status status = remove_left(vfs, temp, error);
    if (!status)
        status =
            vfs_open(vfs, temp, VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE | VFS_ENCRYPTED, &to, error);
    if (status)
        return status;
    status = copy(rewrite, from, to, error);
    vfs_close(to);
    if (!status)
        return vfs_rename(vfs, temp, path, error);
    lode_status ignored = vfs_remove(vfs, temp, NULL); /* what stays is swept away */
    (void)ignored;
    return status;
}

static lode_status rewrite_file(struct rewrite *rewrite, const char *path, lode_error *error)
{
    struct vfs_file *from;
    uint64_t size = 0;
    lode_status status = vfs_open(rewrite->db->vfs, path, VFS_READ | VFS_ENCRYPTED, &from, error);
    if (status)
        return status;
    if (crypt_file_is(from) && crypt_file_key_id(from) == newest_id(rewrite)) {
        status = vfs_size(from, &size, error);
        if (!status)
            status = tell(rewrite, size, error);
    } else {
        status = replace(rewrite, from, path, error);
    }
    vfs_close(from);
    return status;
}

/* --- Logs -------------------------------------------------------------------------------------- */

/* Batches on their way from one log into another of the same number. */
struct log_copy {
    struct wal *to;
    struct buf bytes;
    struct wal_batch batches[GROUP_BATCHES]; /* data: offsets in bytes until they are written */
    size_t count;
    uint64_t first_sequence; /* of the batches */
};

static lode_status write_group(struct log_copy *copying, lode_error *error)
{
    if (copying->count == 0)
        return LODE_OK;
    for (size_t i = 0, at = 0; i < copying->count; at += copying->batches[i++].size)
        copying->batches[i].data = copying->bytes.data + at;
    lode_status status =
        wal_append(copying->to, copying->first_sequence, copying->batches, copying->count, error);
    copying->count = 0;
    buf_clear(&copying->bytes);
    return status;
}

static lode_status take_batch(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                              lode_error *error)
{
    struct log_copy *copying = context;
    lode_status status = buf_append(&copying->bytes, data, size, error);
    if (status)
        return status;
    if (copying->count == 0)
        copying->first_sequence = sequence;
    copying->batches[copying->count++].size = size;
    if (copying->count < GROUP_BATCHES && copying->bytes.size < GROUP_BYTES)
        return LODE_OK;
    return write_group(copying, error);
}

struct log_place {
    const char *dir;
    uint64_t uid, number;
};

static lode_status copy_log(struct rewrite *rewrite, const struct log_place *place,
                            const char *scratch, lode_error *error)
{
    struct vfs *vfs = rewrite->db->vfs;
    struct log_copy *copying = calloc(1, sizeof *copying);
    if (!copying)
        return error_nomem(error, "a log", sizeof *copying);
    struct wal_replay replay = {.batch = take_batch, .context = copying};
    struct wal_found found;
    buf_init(&copying->bytes, SIZE_MAX / 2);
    lode_status status =
        wal_create((struct wal_file){vfs, scratch, place->uid, place->number}, &copying->to, error);
    if (!status)
        status = wal_replay((struct wal_file){vfs, place->dir, place->uid, place->number}, &replay,
                            &found, error);
    if (!status)
        status = write_group(copying, error);
    if (!status)
        status = wal_sync(copying->to, error);
    wal_close(copying->to);
    buf_release(&copying->bytes);
    free(copying);
    return status;
}

/* Whether it is under the newest data key already. */
static lode_status is_log_newest(struct rewrite *rewrite, const char *path, int *ret_newest,
                                 uint64_t *ret_size, lode_error *error)
{
    uint8_t header[WAL_ENCRYPTED_HEADER] = {0};
    struct vfs_file *file;
    lode_status status = vfs_open(rewrite->db->vfs, path, VFS_READ, &file, error);
    if (status)
        return status;
    status = vfs_size(file, ret_size, error);
    size_t size = *ret_size < sizeof header ? (size_t)*ret_size : sizeof header;
    if (!status && size > 0)
        status = vfs_read(file, 0, header, size, error);
    vfs_close(file);
    *ret_newest = le_load_u32(header + 12) == WAL_FLAG_ENCRYPTED &&
                  crypt_header_key_id(header + WAL_HEADER_SIZE) == newest_id(rewrite);
    return status;
}

static lode_status rewrite_log(struct rewrite *rewrite, const struct log_place *place,
                               lode_error *error)
{
    struct vfs *vfs = rewrite->db->vfs;
    struct name name = {.kind = NAME_LOG, .number = place->number};
    char path[PATH_SIZE_MAX], scratch[PATH_SIZE_MAX], written[PATH_SIZE_MAX];
    int newest = 0;
    uint64_t size = 0;
    lode_status status = name_path(path, place->dir, name, error);
    if (!status)
        status = is_log_newest(rewrite, path, &newest, &size, error);
    if (status || newest)
        return status ? status : tell(rewrite, size, error);
    status = vfs_join(scratch, rewrite->db->path, SCRATCH_NAME, error);
    if (!status)
        status = name_path(written, scratch, name, error);
    if (!status)
        status = remove_left(vfs, written, error);
    if (!status)
        status = copy_log(rewrite, place, scratch, error);
    if (!status)
        status = vfs_rename(vfs, written, path, error);
    return status ? status : tell(rewrite, size, error);
}

/* --- All of them ------------------------------------------------------------------------------- */

static lode_status rewrite_one(struct rewrite *rewrite, const char *dir, uint64_t uid,
                               const char *file, lode_error *error)
{
    struct name name = name_parse(file);
    char path[PATH_SIZE_MAX];
    if (name.kind == NAME_OTHER || name.kind == NAME_TEMPORARY)
        return LODE_OK;
    if (name.kind == NAME_LOG)
        return rewrite_log(
            rewrite, &(struct log_place){.dir = dir, .uid = uid, .number = name.number}, error);
    lode_status status = vfs_join(path, dir, file, error);
    return status ? status : rewrite_file(rewrite, path, error);
}

static lode_status rewrite_collection(struct rewrite *rewrite, uint64_t uid, lode_error *error)
{
    char text[CATALOG_DIR_NAME_SIZE], dir[PATH_SIZE_MAX];
    struct file_names names;
    catalog_dir_name(uid, text);
    lode_status status = vfs_join(dir, rewrite->db->path, text, error);
    if (!status)
        status = file_names_list(rewrite->db->vfs, dir, &names, error);
    if (status)
        return status;
    for (size_t i = 0; !status && i < names.count; i++)
        status = rewrite_one(rewrite, dir, uid, names.names[i], error);
    file_names_release(&names);
    return status ? status : vfs_dir_sync(rewrite->db->vfs, dir, error);
}

static lode_status make_scratch(const struct rewrite *rewrite, char scratch[], lode_error *error)
{
    lode_status status = vfs_join(scratch, rewrite->db->path, SCRATCH_NAME, error);
    return status ? status : vfs_have_dir(rewrite->db->vfs, scratch, error);
}

static void expect(struct rewrite *rewrite)
{
    const struct catalog *catalog = &rewrite->db->catalog;
    for (size_t i = 0; i < catalog->count; i++) {
        char text[CATALOG_DIR_NAME_SIZE], dir[PATH_SIZE_MAX];
        uint64_t bytes = 0;
        catalog_dir_name(catalog->names[i].uid, text);
        if (!catalog->names[i].target && !vfs_join(dir, rewrite->db->path, text, NULL) &&
            !files_size(rewrite->db->vfs, dir, &bytes, NULL))
            rewrite->total_bytes += bytes;
    }
}

lode_status rewrite_files(struct rewrite *rewrite, lode_error *error)
{
    lode_db *db = rewrite->db;
    char path[PATH_SIZE_MAX], scratch[PATH_SIZE_MAX] = "";
    expect(rewrite);
    lode_status status = make_scratch(rewrite, scratch, error);
    if (!status)
        status = vfs_join(path, db->path, "catalog", error);
    for (size_t i = 0; !status && i < db->catalog.count; i++)
        if (!db->catalog.names[i].target)
            status = rewrite_collection(rewrite, db->catalog.names[i].uid, error);
    if (!status)
        status = rewrite_file(rewrite, path, error);
    lode_status ignored = files_remove_dir(db->vfs, scratch, NULL); /* or the next time */
    (void)ignored;
    return status ? status : vfs_dir_sync(db->vfs, db->path, error);
}
