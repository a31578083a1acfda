/* wal.c: writing the log; the layout is docs/format/wal.md, reading it is wal_replay.c.
 *
 * Groups are put together in one buffer, behind those that are kept in memory for the while, and written
 * with one call. Space is reserved in steps: without that every sync has to commit new block allocations too
 * (docs/decisions/0030). */
#include "storage/wal.h"

#include "base/le.h"
#include "base/limits.h"
#include "crypt/crypt_vfs.h"
#include "storage/names.h"
#include "storage/wal_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PREALLOCATE_STEP ((uint64_t)8 << 20)
#define BUFFER_KEPT_MAX  ((size_t)16 << 20) /* a larger group's buffer is given back */

struct wal {
    struct vfs_file *file;
    uint64_t collection_uid;
    uint64_t number;
    uint64_t written;    /* header and whole groups in the file */
    uint64_t synced;     /* of them */
    uint64_t reserved;   /* disk space asked for */
    struct buf groups;   /* behind them: kept, or being put together */
    lode_status refused; /* LODE_OK, or why appends are refused for good */
    /* Of an encrypted log. Each group gets a number that none before it had, written or not: a group that
     * could not be written is never sealed anew under its own. Nothing is appended to a log that was not
     * created by this object, so that no other counts under its key. */
    struct cipher cipher; /* state NULL: it is not encrypted */
    uint64_t sealed;      /* groups so far */
};

static lode_status wal_path(char path[], const char *dir, uint64_t number, lode_error *error)
{
    return name_path(path, dir, (struct name){.kind = NAME_LOG, .number = number}, error);
}

struct header_of {
    uint64_t collection_uid, number;
    const struct keyring *keyring; /* NULL: it is not encrypted */
};

static uint64_t header_size(const struct keyring *keyring)
{
    return keyring ? WAL_ENCRYPTED_HEADER : WAL_HEADER_SIZE;
}

/* With a new key each time, which *ret_cipher gets. */
static lode_status write_header(struct vfs_file *file, const struct header_of *of,
                                struct cipher *ret_cipher, lode_error *error)
{
    uint8_t header[WAL_ENCRYPTED_HEADER] = {0};
    lode_status status = LODE_OK;
    memcpy(header, wal_magic, sizeof wal_magic);
    le_store_u32(header + 8, WAL_VERSION);
    le_store_u32(header + 12, of->keyring ? WAL_FLAG_ENCRYPTED : 0);
    le_store_u64(header + 16, of->collection_uid);
    le_store_u64(header + 24, of->number);
    le_store_u64(header + WAL_HEADER_CHECKSUM_AT, checksum64(header, WAL_HEADER_CHECKSUM_AT));
    if (of->keyring)
        status =
            crypt_header_make(of->keyring, CRYPT_LOG, header + WAL_HEADER_SIZE, ret_cipher, error);
    if (!status)
        status = vfs_write(file, 0, header, (size_t)header_size(of->keyring), error);
    return status ? status : vfs_sync(file, error);
}

/* A log that could not be begun may lack its header, and the next would make that damage: it must be gone
 * for good first. Returns what the creation ends with. */
static lode_status take_back(struct vfs *vfs, const char *dir, const char *path, lode_status why,
                             lode_error *error)
{
    lode_status status = vfs_remove(vfs, path, NULL);
    if (status == LODE_NOT_FOUND)
        status = LODE_OK;
    if (!status)
        status = vfs_dir_sync(vfs, dir, NULL);
    if (!status)
        return why;
    if (error)
        error->status = LODE_READONLY;
    return LODE_READONLY;
}

static lode_status create_file(struct vfs *vfs, const char *dir, struct wal *wal, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    unsigned flags = VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE;
    lode_status status = wal_path(path, dir, wal->number, error);
    if (!status)
        status = vfs_open(vfs, path, flags, &wal->file, error);
    if (!status)
        status = write_header(wal->file,
                              &(struct header_of){.collection_uid = wal->collection_uid,
                                                  .number = wal->number,
                                                  .keyring = crypt_vfs_keyring(vfs)},
                              &wal->cipher, error);
    if (!status)
        status = vfs_dir_sync(vfs, dir, error);
    return status && status != LODE_EXISTS ? take_back(vfs, dir, path, status, error) : status;
}

lode_status wal_create(struct wal_file log, struct wal **ret_wal, lode_error *error)
{
    struct wal *wal = calloc(1, sizeof *wal);
    if (!wal)
        return error_nomem(error, "a log", sizeof *wal);
    *wal = (struct wal){.collection_uid = log.collection_uid,
                        .number = log.number,
                        .written = header_size(crypt_vfs_keyring(log.vfs)),
                        .synced = header_size(crypt_vfs_keyring(log.vfs))};
    buf_init(&wal->groups, SIZE_MAX / 2);
    lode_status status = create_file(log.vfs, log.dir, wal, error);
    if (status)
        wal_close(wal);
    else
        *ret_wal = wal;
    return status;
}

/* --- Appending --------------------------------------------------------------------------------- */

/* How much of a payload stands before the batches. */
static size_t payload_begin(const struct wal *wal)
{
    return wal->cipher.state ? WAL_GROUP_NUMBER_SIZE : 0;
}

static size_t group_size(const struct wal *wal, const struct wal_batch *batches, size_t batch_count)
{
    size_t size = WAL_GROUP_HEADER_SIZE + (wal->cipher.state ? WAL_GROUP_SEAL_SIZE : 0);
    for (size_t i = 0; i < batch_count; i++)
        size += sizeof(uint32_t) + batches[i].size;
    return wal_align(size);
}

/* Returns where they end. */
static uint8_t *put_batches(uint8_t *at, const struct wal_batch *batches, size_t batch_count)
{
    for (size_t i = 0; i < batch_count; i++) {
        le_store_u32(at, (uint32_t)batches[i].size);
        memcpy(at + sizeof(uint32_t), batches[i].data, batches[i].size);
        at += sizeof(uint32_t) + batches[i].size;
    }
    return at;
}

/* The batches are in their place in the group, and so are the fields of its header; `offset` is the group's. */
static void seal_group(struct wal *wal, uint8_t *group, const struct wal_group *header,
                       uint64_t offset)
{
    uint8_t additional[WAL_ADDITIONAL_SIZE], *payload = group + WAL_GROUP_HEADER_SIZE;
    uint8_t *batches = payload + WAL_GROUP_NUMBER_SIZE;
    size_t size = (size_t)header->payload_size - WAL_GROUP_SEAL_SIZE;
    wal_put_additional(additional, group, wal->collection_uid, wal->number, offset);
    struct cipher_message message = {.additional = additional,
                                     .additional_size = sizeof additional,
                                     .from = batches,
                                     .to = batches,
                                     .size = size};
    le_store_u64(payload, wal->sealed);
    cipher_nonce(message.nonce, wal->sealed++, 0);
    cipher_seal(&wal->cipher, &message, batches + size);
}

static lode_status put_group(struct wal *wal, uint64_t first_sequence,
                             const struct wal_batch *batches, size_t batch_count, lode_error *error)
{
    struct buf *groups = &wal->groups;
    size_t size = group_size(wal, batches, batch_count);
    lode_status status = buf_reserve(groups, size, error);
    if (status)
        return status;
    uint8_t *group = groups->data + groups->size;
    uint8_t *end =
        put_batches(group + WAL_GROUP_HEADER_SIZE + payload_begin(wal), batches, batch_count);
    size_t used = (size_t)(end - group) + (wal->cipher.state ? CIPHER_TAG_SIZE : 0);
    memset(end, 0, size - (size_t)(end - group));
    struct wal_group header = {.batch_count = (uint32_t)batch_count,
                               .payload_size = used - WAL_GROUP_HEADER_SIZE,
                               .first_sequence = first_sequence,
                               .synced = wal->synced};
    wal_put_group_fields(group, &header);
    if (wal->cipher.state)
        seal_group(wal, group, &header, wal_size(wal));
    wal_put_group_checksum(group, &header,
                           wal_group_seed(wal->collection_uid, wal->number, wal_size(wal)));
    groups->size += size;
    return LODE_OK;
}

static void reserve_space(struct wal *wal, uint64_t end)
{
    if (end <= wal->reserved)
        return;
    wal->reserved = (end / PREALLOCATE_STEP + 1) * PREALLOCATE_STEP;
    vfs_preallocate(wal->file, wal->reserved);
}

void wal_reserve(struct wal *wal, uint64_t bytes)
{
    wal->reserved = wal->written + bytes; /* no step more: the rest is for others */
    vfs_preallocate(wal->file, wal->reserved);
}

static lode_status check_usable(const struct wal *wal, lode_error *error)
{
    if (!wal->refused)
        return LODE_OK;
    return error_set(error, LODE_READONLY,
                     "wal-%" PRIu64 ".log takes no more writes since it could not be %s",
                     wal->number, wal->refused == LODE_IO ? "synced" : "cut back");
}

/* Durably: another log may follow this one before it is synced again, and then a torn tail is damage. */
static lode_status cut_back(struct wal *wal)
{
    lode_status status = vfs_truncate(wal->file, wal->written, NULL);
    return status ? status : vfs_sync(wal->file, NULL);
}

/* Write the groups in memory, if any. When that fails they stay there. */
static lode_status write_groups(struct wal *wal, lode_error *error)
{
    struct buf *groups = &wal->groups;
    if (groups->size == 0)
        return LODE_OK;
    reserve_space(wal, wal->written + groups->size);
    lode_status status = vfs_write(wal->file, wal->written, groups->data, groups->size, error);
    if (status) {
        /* The reservation may be what filled the disk: the next attempt asks for it anew. */
        wal->reserved = 0;
        if (cut_back(wal))
            wal->refused = LODE_READONLY;
        return status;
    }
    wal->written += groups->size;
    buf_clear(groups);
    if (groups->capacity > BUFFER_KEPT_MAX)
        buf_release(groups);
    return LODE_OK;
}

static lode_status add_group(struct wal *wal, uint64_t first_sequence,
                             const struct wal_batch *batches, size_t batch_count,
                             size_t kept_bytes_max, lode_error *error)
{
    INVARIANT(batch_count > 0 && first_sequence > 0);
    size_t kept = wal->groups.size;
    lode_status status = check_usable(wal, error);
    if (!status)
        status = put_group(wal, first_sequence, batches, batch_count, error);
    if (!status && wal->groups.size > kept_bytes_max)
        status = write_groups(wal, error);
    if (status)
        wal->groups.size = kept; /* those before were acknowledged: they wait for another attempt */
    return status;
}

lode_status wal_append(struct wal *wal, uint64_t first_sequence, const struct wal_batch *batches,
                       size_t batch_count, lode_error *error)
{
    return add_group(wal, first_sequence, batches, batch_count, 0, error);
}

lode_status wal_keep(struct wal *wal, uint64_t first_sequence, const struct wal_batch *batches,
                     size_t batch_count, lode_error *error)
{
    return add_group(wal, first_sequence, batches, batch_count, WAL_KEPT_MAX, error);
}

/* What was not synced was never promised to be on the disk. Cutting it off keeps it from coming back at
 * the next open, where that still works. */
static void give_up(struct wal *wal)
{
    wal->refused = LODE_IO;
    buf_release(&wal->groups);
    lode_status status = vfs_truncate(wal->file, wal->synced, NULL);
    if (!status)
        wal->written = wal->synced;
}

lode_status wal_write(struct wal *wal, lode_error *error)
{
    lode_status status = check_usable(wal, error);
    return status ? status : write_groups(wal, error);
}

lode_status wal_sync(struct wal *wal, lode_error *error)
{
    lode_status status = check_usable(wal, error);
    if (!status)
        status = write_groups(wal, error);
    if (status || wal->synced == wal->written)
        return status;
    status = vfs_sync(wal->file, error);
    if (status)
        give_up(wal);
    else
        wal->synced = wal->written;
    return status;
}

int wal_is_lost(const struct wal *wal)
{
    return wal->refused == LODE_IO;
}

uint64_t wal_size(const struct wal *wal)
{
    return wal->written + wal->groups.size;
}

uint64_t wal_number(const struct wal *wal)
{
    return wal->number;
}

void wal_close(struct wal *wal)
{
    if (!wal)
        return;
    if (wal->file)
        vfs_close(wal->file);
    buf_release(&wal->groups);
    cipher_release(&wal->cipher);
    free(wal);
}

/* --- Whole files ------------------------------------------------------------------------------- */

#define REWRITE_PIECE ((size_t)1 << 20)

/* The same bytes again, so that a sync has something to write. Where not even these find room on a full disk
 * (file systems that never overwrite), it is done without: a log that could not be synced has been cut
 * back by its writer, if that was possible at all, and a full disk must not keep anybody from reading. */
static lode_status rewrite(struct vfs_file *file, uint64_t at, uint64_t end, lode_error *error)
{
    if (at >= end)
        return LODE_OK;
    uint8_t *piece = malloc(REWRITE_PIECE);
    lode_status status = piece ? LODE_OK : error_nomem(error, "a piece of a log", REWRITE_PIECE);
    while (!status && at < end) {
        size_t size = end - at < REWRITE_PIECE ? (size_t)(end - at) : REWRITE_PIECE;
        status = vfs_read(file, at, piece, size, error);
        if (!status)
            status = vfs_write(file, at, piece, size, error);
        at += size;
    }
    free(piece);
    return status == LODE_FULL ? LODE_OK : status;
}

static lode_status cut(struct vfs_file *file, uint64_t valid_size, lode_error *error)
{
    uint64_t size;
    lode_status status = vfs_size(file, &size, error);
    if (!status && size > valid_size)
        status = vfs_truncate(file, valid_size, error);
    return status;
}

/* A file cut below its header never held a batch: it is begun again. */
lode_status wal_settle(struct wal_file log, const struct wal_found *found, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct vfs_file *file;
    struct cipher unused = {0};
    struct header_of of = {.collection_uid = log.collection_uid,
                           .number = log.number,
                           .keyring = crypt_vfs_keyring(log.vfs)};
    lode_status status = wal_path(path, log.dir, log.number, error);
    if (!status)
        status = vfs_open(log.vfs, path, VFS_READ | VFS_WRITE, &file, error);
    if (status)
        return status;
    status = cut(file, found->valid_size, error);
    if (!status)
        status = found->valid_size < WAL_HEADER_SIZE
                     ? write_header(file, &of, &unused, error)
                     : rewrite(file, found->synced_size, found->valid_size, error);
    cipher_release(&unused);
    if (!status)
        status = vfs_sync(file, error);
    if (!status)
        status = vfs_dir_sync(log.vfs, log.dir, error);
    vfs_close(file);
    return status;
}

lode_status wal_remove(struct vfs *vfs, const char *dir, uint64_t number, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    lode_status status = wal_path(path, dir, number, error);
    return status ? status : vfs_remove(vfs, path, error);
}

struct listing {
    struct buf numbers;
    lode_status status;
    lode_error *error;
};

static void list_one(void *context, const char *name)
{
    struct listing *listing = context;
    struct name parsed = name_parse(name);
    if (parsed.kind == NAME_LOG && !listing->status)
        listing->status =
            buf_append(&listing->numbers, &parsed.number, sizeof parsed.number, listing->error);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

lode_status wal_list(struct vfs *vfs, const char *dir, uint64_t **ret_numbers, size_t *ret_count,
                     lode_error *error)
{
    struct listing listing = {.error = error};
    buf_init(&listing.numbers, SIZE_MAX / 2);
    lode_status status = vfs_list(vfs, dir, list_one, &listing, error);
    if (!status)
        status = listing.status;
    if (status) {
        buf_release(&listing.numbers);
        return status;
    }
    size_t count = listing.numbers.size / sizeof(uint64_t);
    if (count)
        qsort(listing.numbers.data, count, sizeof(uint64_t), compare_numbers);
    *ret_numbers = (uint64_t *)(void *)listing.numbers.data; /* malloc's alignment */
    *ret_count = count;
    return LODE_OK;
}
