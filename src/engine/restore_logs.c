/* restore_logs.c: restoring to a point in time. From all backups at hand a state is chosen, the newest that is not
 * beyond the batch wanted; then logs, from any of them, that lead on from it without a gap. Their batches are
 * written into new logs of the restored collection, and opening it replays them like any others. */
#include "engine/restore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "storage/manifest.h"
#include "storage/wal.h"

#define GROUP_BYTES   ((size_t)4 << 20)
#define GROUP_BATCHES 1024u

/* --- Choosing ---------------------------------------------------------------------------------- */

struct choice {
    struct restoring *restoring;
    struct inventory state; /* the best so far; without collections: none */
    uint64_t number;
    uint64_t sequence;
    struct inventory earliest; /* where nothing is old enough: whose schema is taken */
    uint64_t earliest_sequence;
    struct keyring *state_keys, *earliest_keys; /* of these two, when they are encrypted */
    struct keyring *all_keys; /* of every backup that was considered: logs may need any */
    struct buf logs;          /* struct inventory_file each */
};

static void take(struct inventory *to, struct inventory *own_from)
{
    inventory_release(to);
    *to = *own_from;
    *own_from = (struct inventory){0};
}

static void take_keys(struct keyring **to, struct keyring **own_from)
{
    keyring_free(*to);
    *to = *own_from;
    *own_from = NULL;
}

static lode_status add_keys(struct choice *choice, const struct keyring *keys, lode_error *error)
{
    if (!keys)
        return LODE_OK;
    return choice->all_keys ? keyring_merge(choice->all_keys, keys, error)
                            : keyring_copy(keys, &choice->all_keys, error);
}

static lode_status add_logs(struct choice *choice, const struct inventory *inventory,
                            lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < inventory->file_count; i++) {
        const struct inventory_file *file = &inventory->files[i];
        if (file->uid == choice->restoring->uid && file->name.kind == NAME_LOG)
            status = buf_append(&choice->logs, file, sizeof *file, error);
    }
    return status;
}

/* The newest state that is not beyond the batch, or, as long as there is none, the earliest of the others. */
static void keep_better(struct choice *choice, struct inventory *inventory, struct keyring **keys,
                        uint64_t number)
{
    uint64_t sequence = inventory_collection(inventory, choice->restoring->uid)->sequence;
    int has_state = choice->state.file_count > 0;
    if (sequence <= choice->restoring->to_sequence && (!has_state || sequence > choice->sequence)) {
        choice->sequence = sequence;
        choice->number = number;
        take(&choice->state, inventory);
        take_keys(&choice->state_keys, keys);
    } else if (!has_state &&
               (choice->earliest.file_count == 0 || sequence < choice->earliest_sequence)) {
        choice->earliest_sequence = sequence;
        take(&choice->earliest, inventory);
        take_keys(&choice->earliest_keys, keys);
    }
}

struct considered {
    struct inventory inventory;
    struct keyring *keys;
    int is_read;
};

/* One that is damaged, or of another key, is passed over: others may do. */
static lode_status read_one(const struct choice *choice, const struct backup *source, size_t i,
                            struct considered *ret_one, lode_error *error)
{
    lode_error reason = {0};
    lode_status status = backup_inventory(source, i, &ret_one->inventory, &reason);
    if (!status) {
        status = restoring_decrypt(choice->restoring, &ret_one->inventory, &ret_one->keys, &reason);
        if (status)
            inventory_release(&ret_one->inventory);
    }
    ret_one->is_read = status == LODE_OK;
    if (status == LODE_CORRUPT || status == LODE_KEY)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

static lode_status consider(struct choice *choice, const struct backup *source, size_t i,
                            lode_error *error)
{
    const struct restoring *restoring = choice->restoring;
    struct considered one = {.keys = NULL};
    lode_status status = read_one(choice, source, i, &one, error);
    if (!one.is_read)
        return status;
    /* In another history the numbers are those of other batches. */
    if (inventory_collection(&one.inventory, restoring->uid) &&
        one.inventory.history == restoring->inventory.history) {
        status = add_logs(choice, &one.inventory, error);
        if (!status)
            status = add_keys(choice, one.keys, error);
        if (!status)
            keep_better(choice, &one.inventory, &one.keys, backup_number(source, i));
    }
    keyring_free(one.keys);
    inventory_release(&one.inventory);
    return status;
}

/* The log that holds a batch and leads farthest, or NULL. */
static const struct inventory_file *log_with(const struct choice *choice, uint64_t sequence)
{
    const struct inventory_file *logs = (const void *)choice->logs.data, *best = NULL;
    for (size_t i = 0; i < choice->logs.size / sizeof *logs; i++)
        if (logs[i].first_sequence <= sequence && logs[i].last_sequence >= sequence &&
            (!best || logs[i].last_sequence > best->last_sequence))
            best = &logs[i];
    return best;
}

static lode_status no_log(const struct choice *choice, uint64_t sequence, lode_error *error)
{
    return error_set(error, LODE_INVALID,
                     "options.to_sequence is %" PRIu64 ": the nearest state before it is of batch "
                     "%" PRIu64 ", and no kept log holds batch %" PRIu64,
                     choice->restoring->to_sequence, choice->sequence, sequence);
}

static lode_status choose_logs(struct choice *choice, lode_error *error)
{
    struct restoring *restoring = choice->restoring;
    for (uint64_t next = choice->sequence + 1; next <= restoring->to_sequence;) {
        const struct inventory_file *log = log_with(choice, next);
        if (!log)
            return no_log(choice, next, error);
        lode_status status = buf_append(&restoring->logs, log, sizeof *log, error);
        if (status)
            return status;
        next = log->last_sequence + 1;
    }
    return LODE_OK;
}

/* Nothing is as old: begin with nothing, if the logs do too. */
static void choose_nothing(struct choice *choice)
{
    if (choice->state.file_count > 0)
        return;
    choice->restoring->from_nothing = 1;
    choice->number = choice->restoring->info.number;
    take(&choice->state, &choice->earliest);
    take_keys(&choice->state_keys, &choice->earliest_keys);
}

static lode_status choose(struct choice *choice, lode_error *error)
{
    struct restoring *restoring = choice->restoring;
    lode_status status = LODE_OK;
    for (size_t s = 0; s < restoring->source_count; s++)
        for (size_t i = 0; !status && i < backup_count(restoring->sources[s]); i++)
            status = consider(choice, restoring->sources[s], i, error);
    if (status)
        return status;
    choose_nothing(choice);
    status = choose_logs(choice, error);
    if (status)
        return status;
    restoring->from_sequence = choice->sequence;
    restoring->info.number = choice->number;
    take(&restoring->inventory, &choice->state);
    take_keys(&restoring->keyring, &choice->state_keys);
    if (!restoring->keyring || !choice->all_keys)
        return LODE_OK;
    return keyring_merge(restoring->keyring, choice->all_keys, error);
}

lode_status restoring_choose_state(struct restoring *restoring, lode_error *error)
{
    struct choice choice = {.restoring = restoring};
    buf_init(&choice.logs, SIZE_MAX / 2);
    lode_status status = choose(&choice, error);
    inventory_release(&choice.state);
    inventory_release(&choice.earliest);
    buf_release(&choice.logs);
    keyring_free(choice.state_keys);
    keyring_free(choice.earliest_keys);
    keyring_free(choice.all_keys);
    return status;
}

/* --- Writing ----------------------------------------------------------------------------------- */

/* Batches on their way from one log into another. */
struct rewriting {
    struct restoring *restoring;
    const char *dir;
    uint64_t number; /* of the new log */
    struct wal *wal; /* begun with the first batch */
    uint64_t next;   /* sequence that is wanted next */
    struct buf bytes;
    struct wal_batch batches[GROUP_BATCHES]; /* data: offsets in bytes, until they are written */
    size_t count;
};

static lode_status write_group(struct rewriting *rewriting, lode_error *error)
{
    lode_status status = LODE_OK;
    if (rewriting->count == 0)
        return LODE_OK;
    for (size_t i = 0, at = 0; i < rewriting->count; at += rewriting->batches[i++].size)
        rewriting->batches[i].data = rewriting->bytes.data + at;
    if (!rewriting->wal)
        status = wal_create((struct wal_file){rewriting->restoring->vfs, rewriting->dir,
                                              rewriting->restoring->uid, rewriting->number},
                            &rewriting->wal, error);
    if (!status)
        status = wal_append(rewriting->wal, rewriting->next - rewriting->count, rewriting->batches,
                            rewriting->count, error);
    rewriting->restoring->info.replayed += rewriting->count;
    rewriting->count = 0;
    buf_clear(&rewriting->bytes);
    return status;
}

static lode_status take_batch(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                              lode_error *error)
{
    struct rewriting *rewriting = context;
    if (sequence < rewriting->next || sequence > rewriting->restoring->to_sequence)
        return LODE_OK;
    if (sequence != rewriting->next)
        return error_set(error, LODE_CORRUPT, "batch %" PRIu64 " where %" PRIu64 " should be",
                         sequence, rewriting->next);
    lode_status status = buf_append(&rewriting->bytes, data, size, error);
    if (status)
        return status;
    rewriting->batches[rewriting->count++].size = size;
    rewriting->next++;
    if (rewriting->count < GROUP_BATCHES && rewriting->bytes.size < GROUP_BYTES)
        return LODE_OK;
    return write_group(rewriting, error);
}

/* One log of a backup becomes one log of the collection: it fits a growing segment as it did before. */
static lode_status rewrite(struct rewriting *rewriting, const struct inventory_file *log,
                           const char *scratch, lode_error *error)
{
    struct restoring *restoring = rewriting->restoring;
    char path[PATH_SIZE_MAX];
    struct wal_replay replay = {.batch = take_batch, .context = rewriting};
    struct wal_found found;
    lode_status status = name_path(path, scratch, log->name, error);
    if (!status)
        status = restoring_write(restoring, log, path, error);
    if (!status)
        status =
            wal_replay((struct wal_file){restoring->vfs, scratch, restoring->uid, log->name.number},
                       &replay, &found, error);
    if (!status)
        status = write_group(rewriting, error);
    if (!status && rewriting->wal)
        status = wal_sync(rewriting->wal, error);
    wal_close(rewriting->wal);
    rewriting->wal = NULL;
    return status ? status : vfs_remove(restoring->vfs, path, error);
}

/* Forget what the manifest has, but for the schema and the text model. The logs know their requests. */
static lode_status begin_empty(const struct restoring *restoring, const char *dir,
                               struct manifest *manifest, lode_error *error)
{
    manifest->generation++;
    manifest->entry_count = 0;
    manifest->flushed_sequence = manifest->seen_sequence = 0;
    buf_clear(&manifest->requests);
    return manifest_commit(restoring->vfs, dir, manifest, error);
}

static lode_status rewrite_all(struct rewriting *rewriting, const char *scratch, lode_error *error)
{
    struct restoring *restoring = rewriting->restoring;
    const struct inventory_file *logs = (const void *)restoring->logs.data;
    size_t count = restoring->logs.size / sizeof *logs;
    uint64_t bytes = 0;
    lode_status status = LODE_OK;
    for (size_t i = 0; i < count; i++)
        bytes += logs[i].size;
    restoring_stage(restoring, "replaying", bytes);
    for (size_t i = 0; !status && i < count; i++, rewriting->number++)
        status = rewrite(rewriting, &logs[i], scratch, error);
    return status;
}

lode_status restoring_write_logs(struct restoring *restoring, const char *dir, const char *scratch,
                                 lode_error *error)
{
    struct manifest manifest;
    lode_status status = manifest_load(restoring->vfs, dir, &manifest, error);
    if (status)
        return status;
    struct rewriting *rewriting = calloc(1, sizeof *rewriting);
    if (!rewriting) {
        manifest_release(&manifest);
        return error_nomem(error, "the logs", sizeof *rewriting);
    }
    rewriting->restoring = restoring;
    rewriting->dir = dir;
    rewriting->number = manifest.next_number;
    rewriting->next = restoring->from_sequence + 1;
    buf_init(&rewriting->bytes, SIZE_MAX / 2);
    if (restoring->from_nothing)
        status = begin_empty(restoring, dir, &manifest, error);
    if (!status)
        status = rewrite_all(rewriting, scratch, error);
    buf_release(&rewriting->bytes);
    free(rewriting);
    manifest_release(&manifest);
    return status;
}
