/* catalog_file.c: the file `catalog`: docs/format/catalog.md. */
#include "engine/catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/le.h"
#include "base/limits.h"
#include "storage/frame.h"

#define SECTION_NAMES    1u
#define SECTION_SETTINGS 2u
#define SETTINGS_SIZE    16
#define FILE_NAME        "catalog"
#define TEMP_NAME        "catalog.tmp"
#define FILE_SIZE_MAX    ((size_t)64 << 20) /* COLLECTIONS_MAX names of LODE_NAME_SIZE_MAX, twice */

enum { KIND_COLLECTION = 1, KIND_ALIAS = 2 };

static lode_status encode_text(struct buf *out, const char *text, lode_error *error)
{
    size_t size = strlen(text);
    lode_status status = buf_append_u8(out, (uint8_t)size, error);
    return status ? status : buf_append(out, text, size, error);
}

static lode_status encode(const struct catalog *catalog, struct buf *out, lode_error *error)
{
    lode_status status = buf_append_u32(out, (uint32_t)catalog->count, error);
    for (size_t i = 0; !status && i < catalog->count; i++) {
        const struct catalog_name *name = &catalog->names[i];
        status = buf_append_u8(out, name->target ? KIND_ALIAS : KIND_COLLECTION, error);
        if (!status)
            status = encode_text(out, name->name, error);
        if (!status && name->target)
            status = encode_text(out, name->target, error);
        if (!status && !name->target)
            status = buf_append_u64(out, name->uid, error);
    }
    return status;
}

static lode_status write_settings(struct frame_writer *writer, const struct catalog *catalog,
                                  lode_error *error)
{
    uint8_t settings[SETTINGS_SIZE] = {0};
    le_store_u64(settings, catalog->log_keep_bytes);
    le_store_u64(settings + 8, catalog->history);
    lode_status status = frame_section(writer, SECTION_SETTINGS, error);
    return status ? status : frame_write(writer, settings, sizeof settings, error);
}

static lode_status write_file(struct vfs *vfs, const char *path, const struct catalog *catalog,
                              const struct buf *bytes, lode_error *error)
{
    struct frame_writer *writer;
    struct frame_id id = {.kind = FRAME_CATALOG};
    lode_status status = frame_create(vfs, path, id, &writer, error);
    if (status)
        return status;
    status = frame_section(writer, SECTION_NAMES, error);
    if (!status)
        status = frame_write(writer, bytes->data, bytes->size, error);
    if (!status)
        status = write_settings(writer, catalog, error);
    if (!status)
        return frame_finish(writer, error);
    frame_abandon(writer);
    return status;
}

/* Whether it surely is. */
static int is_there(struct vfs *vfs, const char *path)
{
    int exists = 0;
    return vfs_exists(vfs, path, &exists, NULL) == LODE_OK && exists;
}

lode_status catalog_save(struct vfs *vfs, const char *dir, const struct catalog *catalog,
                         int *ret_unknown, lode_error *error)
{
    char path[PATH_SIZE_MAX], temp[PATH_SIZE_MAX];
    lode_status status = vfs_join(path, dir, FILE_NAME, error);
    if (!status)
        status = vfs_join(temp, dir, TEMP_NAME, error);
    struct buf bytes;
    buf_init(&bytes, FILE_SIZE_MAX);
    if (!status)
        status = encode(catalog, &bytes, error);
    if (!status)
        status = write_file(vfs, temp, catalog, &bytes, error);
    *ret_unknown = 0;
    if (!status) {
        status = vfs_rename(vfs, temp, path, error);
        *ret_unknown = status && is_there(vfs, temp) ? 0 : CATALOG_UNKNOWN;
    }
    if (!status) {
        status = vfs_dir_sync(vfs, dir, error);
        *ret_unknown = CATALOG_UNSYNCED;
    }
    buf_release(&bytes);
    return status;
}

/* A name into text[LODE_NAME_SIZE_MAX + 1]; 0 when it is none. */
static int decode_text(struct reader *reader, char *text)
{
    size_t size = reader_u8(reader);
    const uint8_t *bytes = reader_bytes(reader, size);
    if (!bytes || size > LODE_NAME_SIZE_MAX)
        return 0;
    memcpy(text, bytes, size);
    text[size] = '\0';
    return strlen(text) == size && catalog_check_name("name", text, NULL) == LODE_OK;
}

static lode_status decode_name(struct reader *reader, struct catalog *catalog, int *ret_good,
                               lode_error *error)
{
    char name[LODE_NAME_SIZE_MAX + 1], target[LODE_NAME_SIZE_MAX + 1];
    uint8_t kind = reader_u8(reader);
    uint64_t uid = 0;
    int good = decode_text(reader, name) && !catalog_find(catalog, name);
    if (kind == KIND_COLLECTION)
        good = good && (uid = reader_u64(reader)) != 0;
    else
        good = good && kind == KIND_ALIAS && decode_text(reader, target);
    *ret_good = good && !reader->failed;
    if (!*ret_good)
        return LODE_OK;
    return catalog_put(catalog, name, kind == KIND_ALIAS ? target : NULL, uid, error);
}

/* Every alias must lead to a collection. */
static int aliases_resolve(const struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_name *found = catalog_resolve(catalog, catalog->names[i].name);
        if (!found || found->target)
            return 0;
    }
    return 1;
}

static lode_status decode(const struct frame_section_view *section, const char *path,
                          struct catalog *catalog, lode_error *error)
{
    struct reader reader;
    reader_init(&reader, section->data, (size_t)section->size);
    uint32_t count = reader_u32(&reader);
    lode_status status = LODE_OK;
    int good = !reader.failed && count <= COLLECTIONS_MAX;
    for (uint32_t i = 0; !status && good && i < count; i++)
        status = decode_name(&reader, catalog, &good, error);
    if (status)
        return status;
    if (!good || reader_left(&reader) > 0 || !aliases_resolve(catalog))
        return error_set(error, LODE_CORRUPT, "%s: names do not read as names, at byte %zu of them",
                         path, reader.offset);
    return LODE_OK;
}

static lode_status read_settings(const struct frame *frame, const char *path,
                                 struct catalog *catalog, lode_error *error)
{
    const struct frame_section_view *section = frame_find(frame, SECTION_SETTINGS);
    if (!section || section->size != SETTINGS_SIZE)
        return error_set(error, LODE_CORRUPT, "%s: its settings do not read as settings", path);
    catalog->log_keep_bytes = le_load_u64(section->data);
    catalog->history = le_load_u64(section->data + 8);
    return LODE_OK;
}

static lode_status read_frame(const struct frame *frame, const char *path, struct catalog *catalog,
                              lode_error *error)
{
    lode_status status = frame_check(frame, error);
    if (status)
        return status;
    const struct frame_section_view *section = frame_find(frame, SECTION_NAMES);
    if (!section)
        return error_set(error, LODE_CORRUPT, "%s has no section of names", path);
    status = read_settings(frame, path, catalog, error);
    if (status)
        return status;
    return decode(section, path, catalog, error);
}

lode_status catalog_load(struct vfs *vfs, const char *dir, struct catalog *ret_catalog,
                         lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct frame_id id = {.kind = FRAME_CATALOG};
    lode_status status = vfs_join(path, dir, FILE_NAME, error);
    if (status)
        return status;
    struct frame frame;
    status = frame_open(vfs, path, id, &frame, error);
    if (status)
        return status;
    struct catalog catalog = {0};
    status = read_frame(&frame, path, &catalog, error);
    frame_close(&frame);
    if (status)
        catalog_release(&catalog);
    else
        *ret_catalog = catalog;
    return status;
}
