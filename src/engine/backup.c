/* backup.c: lode_backup. Every collection is pinned before the first file is copied; then its sealed segments are
 * taken as they are, and manifest, live sets and what only memory has are made anew, as of the pinned state,
 * in a staging directory. Manifests and live sets get the generation 1, so that what has not changed
 * since the backup before has the same content. */
#include "engine/backup.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "crypt/crypt_vfs.h"
#include "engine/collection.h"
#include "engine/logs.h"
#include "engine/state.h"
#include "storage/backup_writer.h"
#include "storage/manifest_format.h"

struct holding {
    struct collection *collection; /* a handle */
    struct state state;
    size_t sealed_count; /* of the state's segments: without the one of what was in memory */
    uint64_t *logs;      /* their numbers, if any are to be kept; held */
    size_t log_count;
};

struct backing {
    lode_db *db;
    struct catalog catalog; /* of what is backed up */
    struct holding *holdings;
    size_t holding_count;
    struct backup_writer *writer;
};

/* --- Holding ----------------------------------------------------------------------------------- */

static lode_status copy_catalog(struct backing *backing, lode_error *error)
{
    lode_db *db = backing->db;
    mutex_lock(&db->mutex);
    lode_status status = db_check(db, error);
    if (!status)
        status = catalog_copy(&db->catalog, &backing->catalog, error);
    mutex_unlock(&db->mutex);
    return status;
}

/* Without the setting there would be gaps from one backup to the next: then none is taken. */
static lode_status list_logs(struct holding *holding, lode_error *error)
{
    const struct store *store = &holding->collection->store;
    if (holding->collection->db->log_keep_bytes == 0)
        return LODE_OK;
    return wal_list(store->vfs, store->dir, &holding->logs, &holding->log_count, error);
}

/* A collection that was dropped meanwhile is not backed up; one made anew under its name is. */
static lode_status hold_one(struct backing *backing, const char *name, lode_error *error)
{
    struct holding *holding = &backing->holdings[backing->holding_count];
    lode_error reason = {0};
    lode_status status = db_acquire(backing->db, name, &holding->collection, &reason);
    if (!status && strcmp(holding->collection->name, name) != 0) { /* by now an alias */
        db_release(holding->collection);
        status = LODE_NOT_FOUND;
    }
    if (status == LODE_NOT_FOUND) {
        catalog_remove(&backing->catalog, name);
        catalog_remove_aliases(&backing->catalog, name);
        return LODE_OK;
    }
    if (status && error)
        *error = reason;
    if (status)
        return status;
    logs_hold(holding->collection);
    status = state_hold(holding->collection, &holding->state, error);
    if (status) {
        logs_release(holding->collection);
        db_release(holding->collection);
        return status;
    }
    backing->holding_count++;
    status = list_logs(holding, error);
    if (status)
        return status;
    return catalog_put(&backing->catalog, name, NULL, holding->collection->uid, error);
}

/* The names are those of another copy: the catalog may change. */
static lode_status hold_all(struct backing *backing, lode_error *error)
{
    struct catalog names;
    lode_status status = catalog_copy(&backing->catalog, &names, error);
    if (status)
        return status;
    backing->holdings = calloc(names.count + 1, sizeof *backing->holdings);
    if (!backing->holdings)
        status = error_nomem(error, "collections", names.count * sizeof *backing->holdings);
    for (size_t i = 0; !status && i < names.count; i++)
        if (!names.names[i].target)
            status = hold_one(backing, names.names[i].name, error);
    catalog_release(&names);
    return status;
}

static void release_all(struct backing *backing)
{
    for (size_t i = 0; i < backing->holding_count; i++) {
        state_release(&backing->holdings[i].state);
        logs_release(backing->holdings[i].collection);
        free(backing->holdings[i].logs);
        db_release(backing->holdings[i].collection);
    }
    free(backing->holdings);
    catalog_release(&backing->catalog);
}

/* --- Files ------------------------------------------------------------------------------------- */

static lode_status add(struct backing *backing, const char *dir, uint64_t uid, struct name name,
                       lode_error *error)
{
    struct inventory_file file = {.uid = uid, .name = name};
    char path[PATH_SIZE_MAX];
    lode_status status = name_path(path, dir, name, error);
    return status ? status : backup_writer_add(backing->writer, path, &file, error);
}

static void remove_staged(struct backing *backing, struct name name)
{
    char path[PATH_SIZE_MAX];
    lode_status ignored = name_path(path, backup_writer_staging(backing->writer), name, NULL);
    if (!ignored)
        ignored = vfs_remove(backing->db->vfs, path, NULL);
    (void)ignored;
}

static lode_status add_staged(struct backing *backing, uint64_t uid, struct name name,
                              lode_error *error)
{
    lode_status status = add(backing, backup_writer_staging(backing->writer), uid, name, error);
    remove_staged(backing, name);
    return status;
}

static lode_status add_segment(struct backing *backing, const struct store *store,
                               const struct sealed_entry *entry,
                               lode_status (*add_part)(struct backing *backing, const char *dir,
                                                       uint64_t uid, struct name name,
                                                       lode_error *error),
                               lode_error *error)
{
    static const enum name_kind parts[] = {NAME_VECTORS, NAME_IDS, NAME_DOCS, NAME_COLUMNS,
                                           NAME_GRAPH};
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < 4 + (size_t)entry->has_graph; i++) {
        struct name name = {.kind = parts[i], .number = entry->number};
        if (parts[i] == NAME_COLUMNS && !sealed_has_columns(store, entry->number))
            continue;
        status = add_part(backing, store->dir, store->collection_uid, name, error);
    }
    return status;
}

static lode_status add_part_staged(struct backing *backing, const char *dir, uint64_t uid,
                                   struct name name, lode_error *error)
{
    (void)dir;
    return add_staged(backing, uid, name, error);
}

static lode_status add_live(struct backing *backing, const struct store *staging,
                            struct sealed_entry *entry, const struct liveset *live,
                            lode_error *error)
{
    struct name name = {.kind = NAME_LIVE, .number = entry->number, .generation = 1};
    if (entry->live_count == entry->row_count)
        return LODE_OK;
    entry->del_generation = 1;
    lode_status status =
        sealed_write_live(staging, entry->number, 1, live, entry->row_count, error);
    return status ? status : add_staged(backing, staging->collection_uid, name, error);
}

/* Not the collection's own next number: it would differ although nothing else does. */
static uint64_t next_number(const struct state *state)
{
    return state->entry_count ? state->entries[state->entry_count - 1].number + 1 : 1;
}

static lode_status add_manifest(struct backing *backing, const struct state *state,
                                const struct store *staging, lode_error *error)
{
    struct name name = {.kind = NAME_MANIFEST, .number = 1};
    struct frame_writer *writer;
    char path[PATH_SIZE_MAX];
    struct manifest manifest = {
        .collection_uid = staging->collection_uid,
        .generation = 1,
        .flushed_sequence = state->version->sequence,
        .seen_sequence = state->version->sequence,
        .wal_first = next_number(state),
        .next_number = next_number(state),
        .text_model_version = state->model ? state->model->version : 0,
        .schema = state->collection->schema,
        .entries = state->entries,
        .entry_count = state->entry_count,
        .requests = state->requests,
    };
    struct frame_id id = {FRAME_MANIFEST, manifest.collection_uid, 1};
    lode_status status = name_path(path, staging->dir, name, error);
    if (!status)
        status = frame_create(staging->vfs, path, id, &writer, error);
    if (status)
        return status;
    status = manifest_write(writer, &manifest, error);
    if (!status) {
        status = frame_finish(writer, error);
        return status ? status : add_staged(backing, staging->collection_uid, name, error);
    }
    frame_abandon(writer);
    return status;
}

static struct store staging_of(const struct backing *backing, const struct holding *holding)
{
    struct store staging = holding->collection->store;
    staging.dir = backup_writer_staging(backing->writer);
    staging.pins = NULL;
    return staging;
}

/* The tail's files are made, added and removed again. */
static lode_status add_tail(struct backing *backing, struct holding *holding, lode_error *error)
{
    struct state *state = &holding->state;
    struct store staging = staging_of(backing, holding);
    holding->sealed_count = state->entry_count;
    lode_status status = state_write_tail(state, &staging, error);
    if (!status && state->entry_count > holding->sealed_count)
        status = add_segment(backing, &staging, &state->entries[holding->sealed_count],
                             add_part_staged, error);
    if (status)
        error_prefix(error, "collection '%s': ", state->collection->name);
    return status;
}

static lode_status add_model(struct backing *backing, const struct state *state, lode_error *error)
{
    const struct store *store = &state->collection->store;
    if (!state->model)
        return LODE_OK;
    struct name name = {.kind = NAME_TEXT_MODEL, .number = state->model->version};
    return add(backing, store->dir, store->collection_uid, name, error);
}

static lode_status add_figures(struct backing *backing, const struct state *state,
                               lode_error *error)
{
    INVARIANT(state->collection);
    struct inventory_collection collection = {
        .uid = state->collection->uid,
        .sequence = state->version->sequence,
        .point_count = state->version->point_count,
    };
    memcpy(collection.name, state->collection->name, strlen(state->collection->name) + 1);
    return inventory_add_collection(backup_writer_inventory(backing->writer), &collection, error);
}

/* Of the last log, which may be written to, as much as stands; and no batch beyond the state counts. */
static lode_status add_log(struct backing *backing, const struct holding *holding, size_t i,
                           lode_error *error)
{
    const struct store *store = &holding->collection->store;
    uint64_t sequence = holding->state.version->sequence;
    struct name name = {.kind = NAME_LOG, .number = holding->logs[i]};
    struct log_range range;
    char path[PATH_SIZE_MAX];
    lode_status status =
        log_range(store, name.number, i + 1 == holding->log_count, sequence, &range, error);
    if (status || range.first == 0 || range.first > sequence)
        return status;
    struct inventory_file file = {
        .uid = store->collection_uid,
        .name = name,
        .size = range.size,
        .first_sequence = range.first,
        .last_sequence = range.last < sequence ? range.last : sequence,
    };
    status = name_path(path, store->dir, name, error);
    return status ? status : backup_writer_add(backing->writer, path, &file, error);
}

static lode_status add_collection(struct backing *backing, struct holding *holding,
                                  lode_error *error)
{
    INVARIANT(holding->collection);
    struct state *state = &holding->state;
    struct store staging = staging_of(backing, holding);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < holding->sealed_count; i++)
        status = add_segment(backing, &holding->collection->store, &state->entries[i], add, error);
    for (size_t i = 0; !status && i < state->entry_count; i++)
        status = add_live(backing, &staging, &state->entries[i], state->live[i], error);
    if (!status)
        status = add_model(backing, state, error);
    if (!status)
        status = add_manifest(backing, state, &staging, error);
    for (size_t i = 0; !status && i < holding->log_count; i++)
        status = add_log(backing, holding, i, error);
    if (status)
        error_prefix(error, "collection '%s': ", state->collection->name);
    return status;
}

/* Last, so that every data key that anything before is under is among them. */
static lode_status add_keys(struct backing *backing, lode_error *error)
{
    struct inventory_file file = {.name = {.kind = NAME_KEYS}};
    char path[PATH_SIZE_MAX];
    if (!backing->db->crypt)
        return LODE_OK;
    lode_status status = vfs_join(path, backing->db->path, KEYRING_FILE_NAME, error);
    return status ? status : backup_writer_add(backing->writer, path, &file, error);
}

static lode_status add_catalog(struct backing *backing, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    const char *dir = backup_writer_staging(backing->writer);
    int unknown;
    struct inventory_file file = {.uid = 0};
    backing->catalog.history = 0; /* the restored database begins its own */
    lode_status status = catalog_save(backing->db->vfs, dir, &backing->catalog, &unknown, error);
    if (!status)
        status = vfs_join(path, dir, "catalog", error);
    return status ? status : backup_writer_add(backing->writer, path, &file, error);
}

/* --- All together ------------------------------------------------------------------------------ */

static void expect(struct backing *backing)
{
    for (size_t i = 0; i < backing->holding_count; i++) {
        const struct state *state = &backing->holdings[i].state;
        for (size_t j = 0; j < state->entry_count; j++)
            backup_writer_expect(backing->writer,
                                 sealed_bytes(&state->collection->store, state->entries[j].number));
    }
}

static lode_status write_all(struct backing *backing, struct backup_written *ret_written,
                             lode_error *error)
{
    const struct clock *clock = backing->db->clock;
    uint64_t now = clock->wall_us(clock->context);
    expect(backing);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < backing->holding_count; i++)
        status = add_figures(backing, &backing->holdings[i].state, error);
    /* First of all collections: what is in memory yet is then held no longer. */
    for (size_t i = 0; !status && i < backing->holding_count; i++)
        status = add_tail(backing, &backing->holdings[i], error);
    for (size_t i = 0; !status && i < backing->holding_count; i++)
        status = add_collection(backing, &backing->holdings[i], error);
    if (!status)
        status = add_catalog(backing, error);
    if (!status)
        status = add_keys(backing, error);
    return status ? status : backup_writer_finish(backing->writer, now, ret_written, error);
}

static void tell(const struct backing *backing, const struct backup_written *written,
                 lode_backup_info *info)
{
    *info = (lode_backup_info){
        .number = written->number,
        .collections = backing->holding_count,
        .files = written->files,
        .bytes = written->bytes,
        .new_files = written->new_files,
        .new_bytes = written->new_bytes,
        .healed_files = written->healed_files,
    };
    sha256_text(backup_writer_inventory(backing->writer)->root, info->root);
}

/* From here on the database's key stays what it is: the inventory is sealed with keys that are backed up. */
static lode_status begin(lode_db *db, uint64_t *ret_history, lode_error *error)
{
    mutex_lock(&db->mutex);
    lode_status status = LODE_OK;
    if (db->rotating || db->rewriting)
        status = error_set(error, LODE_BUSY, "the database's key is being changed");
    else if (db->crypt && keyring_accepts_plain(crypt_vfs_keyring(db->crypt)))
        status = error_set(error, LODE_INVALID,
                           "the database is only half encrypted: finish that first ('lode "
                           "encryption encrypt')");
    else
        db->backups++;
    *ret_history = db->catalog.history;
    mutex_unlock(&db->mutex);
    return status;
}

static void end(lode_db *db)
{
    mutex_lock(&db->mutex);
    db->backups--;
    mutex_unlock(&db->mutex);
}

lode_status backup_database(lode_db *db, const char *target, const lode_backup_options *options,
                            lode_backup_info *ret_info, lode_error *error)
{
    static const lode_backup_options defaults;
    const lode_backup_options *given = options ? options : &defaults;
    struct backing backing = {.db = db};
    struct backup_written written;
    struct backup_target where = {.vfs = db->vfs,
                                  .path = target,
                                  .one_file = given->one_file,
                                  .verify = given->verify,
                                  .base = given->base};
    if (given->base && !given->one_file)
        return error_set(error, LODE_INVALID,
                         "options.base is for a backup that is one file: a directory finds the "
                         "backup before by itself");
    lode_status status = begin(db, &where.history, error);
    if (status)
        return status;
    status = backup_writer_begin(&where, &backing.writer, error);
    if (status) {
        end(db);
        return status;
    }
    backup_writer_progress(backing.writer, given->progress, given->context);
    status = copy_catalog(&backing, error);
    if (!status)
        status = hold_all(&backing, error);
    if (!status)
        status = write_all(&backing, &written, error);
    if (!status && ret_info)
        tell(&backing, &written, ret_info);
    release_all(&backing);
    backup_writer_close(backing.writer);
    end(db);
    return status;
}
