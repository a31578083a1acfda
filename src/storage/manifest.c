/* manifest.c: committing, loading and sweeping up. The crash cases are in README.md. */
#include "storage/manifest.h"

#include "base/limits.h"
#include "storage/manifest_format.h"
#include "storage/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Copies ------------------------------------------------------------------------------------ */

void manifest_release(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->schema.field_count; i++)
        free((char *)(uintptr_t)manifest->schema.fields[i].name);
    free((lode_field *)(uintptr_t)manifest->schema.fields);
    free(manifest->entries);
    buf_release(&manifest->requests);
    *manifest = (struct manifest){0};
}

static lode_status copy_fields(const lode_schema *from, lode_schema *to, lode_error *error)
{
    lode_field *fields = calloc(from->field_count ? from->field_count : 1, sizeof *fields);
    to->fields = fields;
    to->field_count = 0;
    if (!fields)
        return error_nomem(error, "declared fields", from->field_count * sizeof *fields);
    for (; to->field_count < from->field_count; to->field_count++) {
        lode_field *field = &fields[to->field_count];
        *field = from->fields[to->field_count];
        field->name = strdup(field->name);
        if (!field->name)
            return error_nomem(error, "a field's name", LODE_NAME_SIZE_MAX);
    }
    return LODE_OK;
}

lode_status manifest_copy(const struct manifest *from, struct manifest *ret_manifest,
                          lode_error *error)
{
    struct manifest copy = *from;
    buf_init(&copy.requests, MANIFEST_REQUESTS_SIZE_MAX);
    size_t size = from->entry_count * sizeof *copy.entries;
    lode_status status = copy_fields(&from->schema, &copy.schema, error);
    copy.entries = malloc(size ? size : 1);
    if (!status && !copy.entries)
        status = error_nomem(error, "a list of segments", size);
    if (!status)
        status = buf_append(&copy.requests, from->requests.data, from->requests.size, error);
    if (status) {
        manifest_release(&copy);
        return status;
    }
    if (size)
        memcpy(copy.entries, from->entries, size);
    *ret_manifest = copy;
    return LODE_OK;
}

/* --- Names in the directory -------------------------------------------------------------------- */

struct names {
    struct buf found;     /* struct name each, of Lode's lasting files */
    struct buf temporary; /* their texts, each ending with NUL */
    lode_status status;
    lode_error *error;
};

static void keep_name(void *context, const char *text)
{
    struct names *names = context;
    struct name name = name_parse(text);
    if (names->status || name.kind == NAME_OTHER)
        return;
    names->status = name.kind == NAME_TEMPORARY
                        ? buf_append(&names->temporary, text, strlen(text) + 1, names->error)
                        : buf_append(&names->found, &name, sizeof name, names->error);
}

static void names_release(struct names *names)
{
    buf_release(&names->found);
    buf_release(&names->temporary);
}

static lode_status names_list(struct vfs *vfs, const char *dir, struct names *names,
                              lode_error *error)
{
    *names = (struct names){.error = error};
    buf_init(&names->found, SIZE_MAX / 2);
    buf_init(&names->temporary, SIZE_MAX / 2);
    lode_status status = vfs_list(vfs, dir, keep_name, names, error);
    if (!status)
        status = names->status;
    if (status)
        names_release(names);
    return status;
}

static size_t names_count(const struct names *names)
{
    return names->found.size / sizeof(struct name);
}

static struct name names_at(const struct names *names, size_t i)
{
    struct name name;
    memcpy(&name, names->found.data + i * sizeof name, sizeof name);
    return name;
}

/* Another may have removed it meanwhile. */
static lode_status remove_name(struct vfs *vfs, const char *dir, const char *text,
                               lode_error *error)
{
    char path[PATH_SIZE_MAX];
    lode_error found = {0};
    lode_status status = vfs_join(path, dir, text, &found);
    if (!status)
        status = vfs_remove(vfs, path, &found);
    if (status == LODE_NOT_FOUND)
        return LODE_OK;
    if (status && error)
        *error = found;
    return status;
}

static const struct sealed_entry *find_entry(const struct manifest *manifest, uint64_t number)
{
    for (size_t i = 0; i < manifest->entry_count; i++)
        if (manifest->entries[i].number == number)
            return &manifest->entries[i];
    return NULL;
}

/* --- Committing -------------------------------------------------------------------------------- */

static lode_status write_temporary(struct vfs *vfs, const char *path,
                                   const struct manifest *manifest, lode_error *error)
{
    struct frame_writer *writer;
    struct frame_id id = {FRAME_MANIFEST, manifest->collection_uid, manifest->generation};
    lode_status status = frame_create(vfs, path, id, &writer, error);
    if (status)
        return status;
    status = manifest_write(writer, manifest, error);
    if (!status)
        return frame_finish(writer, error);
    frame_abandon(writer);
    return status;
}

static int is_absent(struct vfs *vfs, const char *path)
{
    int exists = 1;
    return vfs_exists(vfs, path, &exists, NULL) == LODE_OK && !exists;
}

/* After the link the manifest counts, unless its name is lost in a crash. If making it durable fails,
 * taking the name back is an attempt: the caller is told not to rely on either outcome. A link may also
 * fail after the deed. */
static lode_status link_durably(struct vfs *vfs, const char *dir, const char *temporary,
                                const char *path, lode_error *error)
{
    /* First the names of the files that the manifest speaks of. */
    lode_status status = vfs_dir_sync(vfs, dir, error);
    if (!status)
        status = vfs_link(vfs, temporary, path, error);
    else
        return status;
    if (status == LODE_EXISTS || (status && is_absent(vfs, path)))
        return status;
    if (!status)
        status = vfs_dir_sync(vfs, dir, error);
    if (status) {
        lode_status ignored = vfs_remove(vfs, path, NULL);
        (void)ignored;
        if (error)
            error->status = LODE_IO;
        return LODE_IO;
    }
    return LODE_OK;
}

/* Live sets that no later manifest can need: not in this one, and not written for one to come. */
static int is_outdated(const struct manifest *manifest, struct name name)
{
    if (name.kind == NAME_MANIFEST)
        return name.number < manifest->generation;
    if (name.kind != NAME_LIVE || name.generation >= manifest->generation)
        return 0;
    const struct sealed_entry *entry = find_entry(manifest, name.number);
    return !entry || entry->del_generation != name.generation;
}

/* What cannot be removed now is swept away at the next open. */
static void remove_outdated(struct vfs *vfs, const char *dir, const struct manifest *manifest)
{
    struct names names;
    if (names_list(vfs, dir, &names, NULL))
        return;
    for (size_t i = 0; i < names_count(&names); i++) {
        char text[NAME_TEXT_MAX];
        struct name name = names_at(&names, i);
        if (is_outdated(manifest, name)) {
            lode_status ignored = remove_name(vfs, dir, name_format(name, text), NULL);
            (void)ignored;
        }
    }
    names_release(&names);
}

lode_status manifest_commit(struct vfs *vfs, const char *dir, const struct manifest *manifest,
                            lode_error *error)
{
    /* Two committers of one generation must not write one temporary file; other processes are kept out
     * by the database's lock. */
    static _Atomic uint64_t attempts;
    char path[PATH_SIZE_MAX], temporary[PATH_SIZE_MAX], text[NAME_TEXT_MAX];
    struct name name = {.kind = NAME_MANIFEST, .number = manifest->generation};
    lode_status status = name_path(path, dir, name, error);
    if (status)
        return status;
    snprintf(text, sizeof text, "manifest-%" PRIu64 ".%" PRIu64 ".tmp", manifest->generation,
             (uint64_t)atomic_fetch_add(&attempts, 1));
    status = vfs_join(temporary, dir, text, error);
    if (!status)
        status = write_temporary(vfs, temporary, manifest, error);
    if (status)
        return status;
    status = link_durably(vfs, dir, temporary, path, error);
    lode_status ignored = vfs_remove(vfs, temporary, NULL);
    (void)ignored;
    if (!status)
        remove_outdated(vfs, dir, manifest);
    return status;
}

/* --- Loading ----------------------------------------------------------------------------------- */

lode_status manifest_find(struct vfs *vfs, const char *dir, uint64_t *ret_generation,
                          lode_error *error)
{
    struct names names;
    lode_status status = names_list(vfs, dir, &names, error);
    if (status)
        return status;
    uint64_t latest = 0;
    int found = 0;
    for (size_t i = 0; i < names_count(&names); i++) {
        struct name name = names_at(&names, i);
        if (name.kind != NAME_MANIFEST)
            continue;
        found = 1;
        latest = name.number > latest ? name.number : latest;
    }
    names_release(&names);
    if (!found)
        return error_set(error, LODE_NOT_FOUND, "%s holds no manifest", vfs_path_tail(dir));
    *ret_generation = latest;
    return LODE_OK;
}

lode_status manifest_load(struct vfs *vfs, const char *dir, struct manifest *ret_manifest,
                          lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct name name = {.kind = NAME_MANIFEST};
    struct frame frame;
    lode_status status = manifest_find(vfs, dir, &name.number, error);
    if (!status)
        status = name_path(path, dir, name, error);
    if (!status)
        status =
            frame_open(vfs, path, (struct frame_id){FRAME_MANIFEST, 0, name.number}, &frame, error);
    if (status)
        return status;
    status = frame_check(&frame, error);
    if (!status)
        status = manifest_read(&frame, name.number, ret_manifest, error);
    if (status)
        error_prefix(error, "%s: ", vfs_path_tail(path));
    frame_close(&frame);
    return status;
}

/* --- Sweeping ---------------------------------------------------------------------------------- */

static int is_leftover(const struct manifest *manifest, struct name name)
{
    const struct sealed_entry *entry = find_entry(manifest, name.number);
    switch (name.kind) {
    case NAME_MANIFEST: return name.number < manifest->generation;
    case NAME_VECTORS:
    case NAME_IDS:
    case NAME_DOCS:
    case NAME_COLUMNS: return !entry;
    case NAME_GRAPH: return !entry || !entry->has_graph;
    case NAME_LIVE: return !entry || entry->del_generation != name.generation;
    case NAME_TEXT_MODEL: return name.number != manifest->text_model_version;
    case NAME_TEMPORARY: return 1;
    case NAME_LOG:
    case NAME_SNAPSHOT:
    case NAME_KEYS:
    case NAME_OTHER: break;
    }
    return 0;
}

static int is_kept(struct pins *pins, struct name name)
{
    switch (name.kind) {
    case NAME_VECTORS:
    case NAME_IDS:
    case NAME_DOCS:
    case NAME_GRAPH:
    case NAME_COLUMNS:
    case NAME_TEXT_MODEL: return !pins || pins_has(pins, name);
    default: return 0;
    }
}

lode_status manifest_sweep(struct vfs *vfs, const char *dir, const struct manifest *manifest,
                           struct pins *pins, lode_error *error)
{
    struct names names;
    /* A process that was killed may not have synced the manifest's name: it must not be younger than the
     * removal of its forerunner. */
    lode_status status = vfs_dir_sync(vfs, dir, error);
    if (!status)
        status = names_list(vfs, dir, &names, error);
    if (status)
        return status;
    for (size_t i = 0; !status && i < names_count(&names); i++) {
        char text[NAME_TEXT_MAX];
        struct name name = names_at(&names, i);
        if (is_leftover(manifest, name) && !is_kept(pins, name))
            status = remove_name(vfs, dir, name_format(name, text), error);
    }
    for (size_t at = 0; !status && at < names.temporary.size;) {
        const char *text = (const char *)names.temporary.data + at;
        status = remove_name(vfs, dir, text, error);
        at += strlen(text) + 1;
    }
    names_release(&names);
    return status;
}
