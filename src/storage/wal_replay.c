/* wal_replay.c: reading the log. What tells a torn tail from damage: writes that were not synced may be
 * lost in any order, so whatever follows the last sync may be broken; what a later group calls synced
 * may not. */
#include "storage/wal.h"

#include "base/limits.h"
#include "crypt/crypt_vfs.h"
#include "storage/names.h"
#include "storage/wal_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define READ_ATTEMPTS 16u /* of a log that is cut back again and again */

struct log_bytes {
    char path[PATH_SIZE_MAX];
    const uint8_t *data;
    uint64_t size;
    uint64_t collection_uid;
    uint64_t number;
    const struct keyring *keyring; /* NULL: no log may be encrypted */
    struct cipher cipher;          /* of an encrypted log; state NULL: it is not */
    lode_error *error;
};

static uint64_t header_size(const struct log_bytes *log)
{
    return log->cipher.state ? WAL_ENCRYPTED_HEADER : WAL_HEADER_SIZE;
}

static lode_status damaged(const struct log_bytes *log, uint64_t offset, const char *what)
{
    return error_set(log->error, LODE_CORRUPT, "%s is damaged at offset %" PRIu64 ": %s",
                     vfs_path_tail(log->path), offset, what);
}

/* Fill *ret_group and return 1 when a whole, valid group stands at offset. */
static int read_group(const struct log_bytes *log, uint64_t offset, struct wal_group *ret_group)
{
    if (offset > log->size || log->size - offset < WAL_GROUP_HEADER_SIZE)
        return 0;
    const uint8_t *data = log->data + offset;
    if (le_load_u32(data + 8) != WAL_GROUP_MAGIC)
        return 0;
    struct wal_group group = {.batch_count = le_load_u32(data + 12),
                              .payload_size = le_load_u64(data + 16),
                              .first_sequence = le_load_u64(data + 24),
                              .synced = le_load_u64(data + 32)};
    if (group.payload_size > log->size || wal_group_size(&group) > log->size - offset)
        return 0;
    uint64_t seed = wal_group_seed(log->collection_uid, log->number, offset);
    if (le_load_u64(data) != hash64(data + 8, wal_group_size(&group) - 8, seed))
        return 0;
    *ret_group = group;
    return 1;
}

/* Whether a valid group behind `offset` says that more than [0, offset) had been synced. */
static int was_synced(const struct log_bytes *log, uint64_t offset)
{
    struct wal_group group;
    for (uint64_t at = offset + WAL_GROUP_ALIGNMENT; at < log->size; at += WAL_GROUP_ALIGNMENT)
        if (read_group(log, at, &group)) {
            if (group.synced > offset)
                return 1;
            at += wal_group_size(&group) - WAL_GROUP_ALIGNMENT;
        }
    return 0;
}

/* Bytes at offset are no group: LODE_OK when they are a torn tail. */
static lode_status judge(const struct log_bytes *log, uint64_t offset, int last_file)
{
    if (!last_file)
        return damaged(log, offset, "a group is broken, and later log files follow");
    if (was_synced(log, offset))
        return damaged(log, offset, "a group is broken that later ones know as synced");
    return LODE_OK;
}

/* A log that is not encrypted passes while its database is being encrypted. */
static lode_status read_encryption(struct log_bytes *log, uint32_t flags)
{
    if (flags & ~WAL_FLAG_ENCRYPTED)
        return damaged(log, 12, "its flags are unknown");
    if (!flags && (!log->keyring || keyring_accepts_plain(log->keyring)))
        return LODE_OK;
    if (!flags)
        return damaged(log, 12, "it is not encrypted, and the database is");
    if (!log->keyring)
        return damaged(log, 12,
                       "it is encrypted, and the database has no keys: its file '" KEYRING_FILE_NAME
                       "' is missing");
    return crypt_header_open(log->keyring, CRYPT_LOG, log->data + WAL_HEADER_SIZE,
                             vfs_path_tail(log->path), &log->cipher, log->error);
}

/* Whether the encryption header, if there is to be one, is whole. */
static int has_whole_header(const struct log_bytes *log)
{
    const uint8_t *header = log->data;
    if (log->size < WAL_HEADER_SIZE || memcmp(header, wal_magic, sizeof wal_magic) != 0 ||
        le_load_u64(header + WAL_HEADER_CHECKSUM_AT) != checksum64(header, WAL_HEADER_CHECKSUM_AT))
        return 0;
    if (le_load_u32(header + 8) != WAL_VERSION || le_load_u32(header + 12) != WAL_FLAG_ENCRYPTED)
        return 1;
    return log->size >= WAL_ENCRYPTED_HEADER && crypt_header_is_whole(header + WAL_HEADER_SIZE);
}

/* *ret_whole 0: the header was never written whole, so there is no batch. */
static lode_status read_header(struct log_bytes *log, int last_file, int *ret_whole)
{
    const uint8_t *header = log->data;
    *ret_whole = has_whole_header(log);
    if (!*ret_whole)
        return judge(log, 0, last_file);
    uint32_t version = le_load_u32(header + 8);
    if (version == 0)
        return damaged(log, 8, "its format is 0");
    if (version != WAL_VERSION)
        return error_set(log->error, LODE_VERSION, "%s has format %u; this Lode knows %d",
                         vfs_path_tail(log->path), version, WAL_VERSION);
    if (le_load_u64(header + 16) != log->collection_uid)
        return damaged(log, 16, "it belongs to another collection");
    if (le_load_u64(header + 24) != log->number)
        return damaged(log, 24, "it has another number than its name");
    return read_encryption(log, le_load_u32(header + 12));
}

/* The batches of an encrypted group, into bytes that are the caller's to free. */
static lode_status open_group(struct log_bytes *log, uint64_t offset, const struct wal_group *group,
                              uint8_t **ret_batches)
{
    uint8_t additional[WAL_ADDITIONAL_SIZE];
    const uint8_t *data = log->data + offset, *payload = data + WAL_GROUP_HEADER_SIZE;
    if (group->payload_size < WAL_GROUP_SEAL_SIZE)
        return damaged(log, offset, "a group is too short to be encrypted");
    size_t size = (size_t)group->payload_size - WAL_GROUP_SEAL_SIZE;
    uint8_t *batches = malloc(size ? size : 1);
    if (!batches)
        return error_nomem(log->error, "a group of a log", size);
    wal_put_additional(additional, data, log->collection_uid, log->number, offset);
    struct cipher_message message = {.additional = additional,
                                     .additional_size = sizeof additional,
                                     .from = payload + WAL_GROUP_NUMBER_SIZE,
                                     .to = batches,
                                     .size = size};
    cipher_nonce(message.nonce, le_load_u64(payload), 0);
    if (cipher_open(&log->cipher, &message, payload + WAL_GROUP_NUMBER_SIZE + size)) {
        *ret_batches = batches;
        return LODE_OK;
    }
    free(batches);
    return damaged(log, offset,
                   "a group does not authenticate: it was changed by somebody without the key");
}

/* Hand out the batches of a valid group. */
static lode_status replay_batches(const struct log_bytes *log, uint64_t offset,
                                  const struct wal_group *group, struct reader payload,
                                  const struct wal_replay *replay)
{
    for (uint32_t i = 0; i < group->batch_count; i++) {
        uint32_t size = reader_u32(&payload);
        const uint8_t *data = reader_bytes(&payload, size);
        if (!data)
            return damaged(log, offset, "a group ends before its batches do");
        lode_status status =
            replay->batch(replay->context, group->first_sequence + i, data, size, log->error);
        if (status) {
            error_prefix(log->error, "%s at offset %" PRIu64 ": ", vfs_path_tail(log->path),
                         offset);
            return status;
        }
    }
    return reader_left(&payload) ? damaged(log, offset, "a group is longer than its batches")
                                 : LODE_OK;
}

static lode_status replay_group(struct log_bytes *log, uint64_t offset,
                                const struct wal_group *group, const struct wal_replay *replay)
{
    struct reader payload;
    uint8_t *batches = NULL;
    if (!log->cipher.state) {
        reader_init(&payload, log->data + offset + WAL_GROUP_HEADER_SIZE,
                    (size_t)group->payload_size);
        return replay_batches(log, offset, group, payload, replay);
    }
    lode_status status = open_group(log, offset, group, &batches);
    if (status)
        return status;
    size_t size = (size_t)group->payload_size - WAL_GROUP_SEAL_SIZE;
    reader_init(&payload, batches, size);
    status = replay_batches(log, offset, group, payload, replay);
    cipher_wipe(batches, size);
    free(batches);
    return status;
}

static lode_status check_sequence(const struct log_bytes *log, uint64_t offset,
                                  const struct wal_group *group, uint64_t last_sequence)
{
    if (group->batch_count == 0 || group->first_sequence == 0)
        return damaged(log, offset, "a group without batches or sequence");
    if (last_sequence && group->first_sequence != last_sequence + 1)
        return damaged(log, offset, "a group does not follow the one before it");
    return LODE_OK;
}

static lode_status replay_groups(struct log_bytes *log, const struct wal_replay *replay,
                                 struct wal_found *found)
{
    while (found->valid_size < log->size &&
           (replay->until == 0 || found->last_sequence < replay->until)) {
        uint64_t offset = found->valid_size;
        struct wal_group group;
        if (!read_group(log, offset, &group))
            return judge(log, offset, replay->last_file);
        lode_status status = check_sequence(log, offset, &group, found->last_sequence);
        if (!status)
            status = replay_group(log, offset, &group, replay);
        if (status)
            return status;
        found->last_sequence = group.first_sequence + group.batch_count - 1;
        found->valid_size = offset + wal_group_size(&group);
        found->synced_size = group.synced < offset ? group.synced : offset;
    }
    return LODE_OK;
}

static lode_status replay_bytes(struct log_bytes *log, const struct wal_replay *replay,
                                struct wal_found *ret_found)
{
    struct wal_found found = {0};
    int whole;
    lode_status status = read_header(log, replay->last_file, &whole);
    if (!status && whole) {
        found.valid_size = header_size(log);
        status = replay_groups(log, replay, &found);
    }
    cipher_release(&log->cipher);
    found.torn_size = log->size - found.valid_size;
    if (!status || status == LODE_CORRUPT)
        *ret_found = found;
    return status;
}

/* As much as there is, of at most *size bytes. LODE_CORRUPT: it was cut back in between. */
static lode_status read_once(struct vfs_file *file, uint8_t *data, uint64_t *size,
                             lode_error *error)
{
    uint64_t now = 0;
    lode_status status = vfs_size(file, &now, error);
    if (status)
        return status;
    if (now < *size)
        *size = now;
    return *size ? vfs_read(file, 0, data, (size_t)*size, error) : LODE_OK;
}

/* A file that ends before it should was cut back, and may have grown again since: it is tried again. What is synced
 * is never cut off, so that whoever reads up to there finds it in whatever was read whole. */
static lode_status read_in_use(struct vfs_file *file, uint8_t **ret_data, struct log_bytes *log,
                               lode_error *error)
{
    uint64_t size_max = 0;
    lode_status status = vfs_size(file, &size_max, error);
    if (status)
        return status;
    uint8_t *data = malloc(size_max ? (size_t)size_max : 1);
    if (!data)
        return error_nomem(error, "a log", (size_t)size_max);
    lode_error reason = {0};
    status = LODE_CORRUPT;
    for (unsigned i = 0; status == LODE_CORRUPT && i < READ_ATTEMPTS; i++) {
        log->size = size_max;
        status = read_once(file, data, &log->size, &reason);
    }
    if (!status) {
        *ret_data = data;
        return LODE_OK;
    }
    if (error)
        *error = reason;
    free(data);
    return status;
}

static lode_status replay_in_use(struct vfs_file *file, struct log_bytes *log,
                                 const struct wal_replay *replay, struct wal_found *ret_found,
                                 lode_error *error)
{
    uint8_t *data = NULL;
    lode_status status = read_in_use(file, &data, log, error);
    if (status)
        return status;
    log->data = data;
    status = replay_bytes(log, replay, ret_found);
    free(data);
    return status;
}

static lode_status replay_mapped(struct vfs_file *file, struct log_bytes *log,
                                 const struct wal_replay *replay, struct wal_found *ret_found,
                                 lode_error *error)
{
    lode_status status = vfs_size(file, &log->size, error);
    if (!status)
        status = vfs_map(file, log->size, &log->data, error);
    if (status)
        return status;
    status = replay_bytes(log, replay, ret_found);
    vfs_unmap(file, log->data, log->size);
    return status;
}

static lode_status open_log(struct vfs *vfs, const char *dir, struct log_bytes *log,
                            struct vfs_file **ret_file)
{
    struct name name = {.kind = NAME_LOG, .number = log->number};
    log->keyring = crypt_vfs_keyring(vfs);
    lode_status status = name_path(log->path, dir, name, log->error);
    return status ? status : vfs_open(vfs, log->path, VFS_READ, ret_file, log->error);
}

lode_status wal_replay(struct wal_file log, const struct wal_replay *replay,
                       struct wal_found *ret_found, lode_error *error)
{
    struct vfs_file *file;
    struct log_bytes bytes = {
        .collection_uid = log.collection_uid, .number = log.number, .error = error};
    lode_status status = open_log(log.vfs, log.dir, &bytes, &file);
    if (status)
        return status;
    status = replay->in_use ? replay_in_use(file, &bytes, replay, ret_found, error)
                            : replay_mapped(file, &bytes, replay, ret_found, error);
    vfs_close(file);
    return status;
}

/* --- What is left of a damaged log ------------------------------------------------------------- */

static lode_status salvage_groups(struct log_bytes *log, const struct wal_replay *replay,
                                  uint64_t *ret_skipped)
{
    uint64_t begin = header_size(log);
    uint64_t at = begin, whole = 0;
    while (at < log->size) {
        struct wal_group group;
        if (!read_group(log, at, &group)) {
            at += WAL_GROUP_ALIGNMENT;
            continue;
        }
        lode_status status = replay_group(log, at, &group, replay);
        if (status == LODE_CORRUPT) { /* with a checksum that fits: not damage but somebody */
            at += WAL_GROUP_ALIGNMENT;
            continue;
        }
        if (status)
            return status;
        whole += wal_group_size(&group);
        at += wal_group_size(&group);
    }
    *ret_skipped = log->size > begin + whole ? log->size - begin - whole : 0;
    return LODE_OK;
}

/* Nothing of an encrypted log can be read whose header is damaged: it holds what its key is made from. */
static lode_status salvage(struct log_bytes *log, const struct wal_replay *replay,
                           uint64_t *ret_skipped)
{
    lode_status status = LODE_OK;
    int has_header = has_whole_header(log);
    if (has_header)
        status = read_encryption(log, le_load_u32(log->data + 12));
    if (!status && (has_header || !log->keyring))
        status = salvage_groups(log, replay, ret_skipped);
    else if (!status)
        *ret_skipped = log->size;
    cipher_release(&log->cipher);
    return status;
}

lode_status wal_salvage(struct wal_file log, const struct wal_replay *replay, uint64_t *ret_skipped,
                        lode_error *error)
{
    struct vfs_file *file;
    uint8_t *data = NULL;
    struct log_bytes bytes = {
        .collection_uid = log.collection_uid, .number = log.number, .error = error};
    lode_status status = open_log(log.vfs, log.dir, &bytes, &file);
    if (status)
        return status;
    status = read_in_use(file, &data, &bytes, error);
    bytes.data = data;
    if (!status)
        status = salvage(&bytes, replay, ret_skipped);
    free(data);
    vfs_close(file);
    return status;
}
