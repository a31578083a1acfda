/* wal_format.h: the bytes of the log, for wal.c and wal_replay.c (docs/format/wal.md).
 *
 * A group's checksum is seeded with collection, file number and offset, so that a group is valid only
 * where it was written: neither a recycled disk block nor bytes that a user stored pass for one. */
#ifndef STORAGE_WAL_FORMAT_H
#define STORAGE_WAL_FORMAT_H

#include "base/hash.h"
#include "base/le.h"
#include "base/random.h"
#include "crypt/header.h"

#define WAL_VERSION            3
#define WAL_HEADER_SIZE        64
#define WAL_HEADER_CHECKSUM_AT 56
#define WAL_GROUP_HEADER_SIZE  40
#define WAL_GROUP_ALIGNMENT    8
#define WAL_GROUP_MAGIC        0x7072676cu /* "lgrp" */

/* An encrypted log has an encryption header behind its own, and each payload is number, sealed batches, tag. */
#define WAL_FLAG_ENCRYPTED    1u
#define WAL_ENCRYPTED_HEADER  (WAL_HEADER_SIZE + CRYPT_HEADER_SIZE)
#define WAL_GROUP_NUMBER_SIZE 8
#define WAL_GROUP_SEAL_SIZE   (WAL_GROUP_NUMBER_SIZE + CIPHER_TAG_SIZE) /* what sealing adds */
#define WAL_ADDITIONAL_SIZE   56

static const uint8_t wal_magic[8] = {'l', 'o', 'd', 'e', 'w', 'a', 'l', '\n'};

struct wal_group {
    uint32_t batch_count;
    uint64_t payload_size;
    uint64_t first_sequence;
    uint64_t synced; /* the file was synced up to this offset when the group was written */
};

static inline size_t wal_align(size_t size)
{
    return (size + WAL_GROUP_ALIGNMENT - 1) / WAL_GROUP_ALIGNMENT * WAL_GROUP_ALIGNMENT;
}

static inline uint64_t wal_group_seed(uint64_t collection_uid, uint64_t number, uint64_t offset)
{
    return random_mix(random_mix(collection_uid) ^ random_mix(number + 1) ^ (offset << 1));
}

/* Header, payload and the zeros that fill it up: what the checksum covers but for itself. */
static inline size_t wal_group_size(const struct wal_group *group)
{
    return wal_align(WAL_GROUP_HEADER_SIZE + (size_t)group->payload_size);
}

/* What a group's seal covers besides its batches: that it is this one, at its place in its file. `data` is the
 * group with its header, whose fields are in place. */
static inline void wal_put_additional(uint8_t additional[WAL_ADDITIONAL_SIZE], const uint8_t *data,
                                      uint64_t collection_uid, uint64_t number, uint64_t offset)
{
    le_store_u64(additional, collection_uid);
    le_store_u64(additional + 8, number);
    le_store_u64(additional + 16, offset);
    memcpy(additional + 24, data + 8, 32); /* magic, batches, size, sequence, synced */
}

static inline void wal_put_group_fields(uint8_t *data, const struct wal_group *group)
{
    le_store_u32(data + 8, WAL_GROUP_MAGIC);
    le_store_u32(data + 12, group->batch_count);
    le_store_u64(data + 16, group->payload_size);
    le_store_u64(data + 24, group->first_sequence);
    le_store_u64(data + 32, group->synced);
}

/* All else stands: the checksum, of the sealed payload where it is sealed. */
static inline void wal_put_group_checksum(uint8_t *data, const struct wal_group *group,
                                          uint64_t seed)
{
    le_store_u64(data, hash64(data + 8, wal_group_size(group) - 8, seed));
}

#endif
