/* backup_format.h: names and numbers that writing and reading backups share: docs/format/backup.md. */
#ifndef STORAGE_BACKUP_FORMAT_H
#define STORAGE_BACKUP_FORMAT_H

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/sha256.h"
#include "os/vfs.h"

/* In a directory of backups. */
#define BACKUP_MARK           "lode-backups" /* what the directory is; BACKUP_MARK_TEXT is in it */
#define BACKUP_MARK_TEMPORARY "lode-backups.tmp" /* until it is whole */
#define BACKUP_MARK_BEGIN     "Lode backups, format "
#define BACKUP_MARK_TEXT      BACKUP_MARK_BEGIN "1\n" /* BACKUP_FORMAT */
#define BACKUP_OBJECTS        "objects"
#define BACKUP_STAGING        "tmp"
#define BACKUP_LOCK           "LOCK"

/* One file: header, contents at multiples of BACKUP_ALIGNMENT, inventory, trailer. */
#define BACKUP_HEAD_MAGIC    "lodebak\n"
#define BACKUP_TRAILER_MAGIC "lodebke\n"
#define BACKUP_FORMAT        1u
#define BACKUP_HEAD_SIZE     64
#define BACKUP_TRAILER_SIZE  64
#define BACKUP_ALIGNMENT     64
#define BACKUP_CHECKSUM_AT   56

#define BACKUP_NAME_MAX 32

/* "backup-<number>" */
static inline const char *backup_name(uint64_t number, char text[BACKUP_NAME_MAX])
{
    snprintf(text, BACKUP_NAME_MAX, "backup-%llu", (unsigned long long)number);
    return text;
}

/* 0 when it is another name. */
static inline uint64_t backup_parse_name(const char *name)
{
    char again[BACKUP_NAME_MAX];
    unsigned long long number = 0;
    if (sscanf(name, "backup-%20llu", &number) != 1 || number == 0)
        return 0;
    return strcmp(backup_name(number, again), name) == 0 ? number : 0;
}

/* objects/<hash> below a directory of backups. */
NODISCARD static inline lode_status backup_object_path(char path[], const char *dir,
                                                       const uint8_t hash[SHA256_SIZE],
                                                       lode_error *error)
{
    char name[sizeof BACKUP_OBJECTS + 1 + SHA256_TEXT_SIZE] = BACKUP_OBJECTS "/";
    sha256_text(hash, name + sizeof BACKUP_OBJECTS);
    return vfs_join(path, dir, name, error);
}

static inline void backup_head_put(uint8_t head[BACKUP_HEAD_SIZE])
{
    memset(head, 0, BACKUP_HEAD_SIZE);
    memcpy(head, BACKUP_HEAD_MAGIC, 8);
    le_store_u32(head + 8, BACKUP_FORMAT);
    le_store_u64(head + BACKUP_CHECKSUM_AT, checksum64(head, BACKUP_CHECKSUM_AT));
}

static inline void backup_trailer_put(uint8_t trailer[BACKUP_TRAILER_SIZE], uint64_t offset,
                                      uint64_t size, const uint8_t root[SHA256_SIZE])
{
    memset(trailer, 0, BACKUP_TRAILER_SIZE);
    memcpy(trailer, BACKUP_TRAILER_MAGIC, 8);
    le_store_u64(trailer + 8, offset);
    le_store_u64(trailer + 16, size);
    memcpy(trailer + 24, root, SHA256_SIZE);
    le_store_u64(trailer + BACKUP_CHECKSUM_AT, checksum64(trailer, BACKUP_CHECKSUM_AT));
}

#endif
