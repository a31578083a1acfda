/* repair_log.c: logs that are damaged. Groups that are whole can be found again behind damage, since each is valid
 * at its own place alone; but what lay between is lost, and later batches then stand on another state than they
 * did. So it is done only when asked for. */
#include "engine/repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/logs.h"
#include "storage/batch.h"
#include "storage/names.h"
#include "storage/wal.h"

struct logs {
    struct mending *mending;
    uint64_t *numbers;
    size_t count;
    size_t first; /* of those that are to be replayed */
    /* Looking: */
    uint64_t expected; /* the next batch; 0: any */
    lode_error damage; /* the first; status LODE_OK: none */
    char damaged_file[112];
    /* Saving: */
    struct wal *wal;        /* NULL: only counted */
    uint64_t last_sequence; /* taken last, as it was */
    uint64_t sequence;      /* given last */
    uint64_t taken, skipped_batches;
};

static void note_damage(struct logs *logs, uint64_t number, const lode_error *reason)
{
    char file[NAME_TEXT_MAX];
    if (logs->damage.status)
        return;
    logs->damage = *reason;
    name_format((struct name){.kind = NAME_LOG, .number = number}, file);
    snprintf(logs->damaged_file, sizeof logs->damaged_file, "%s/%s", logs->mending->dir_name, file);
}

static lode_status look(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                        lode_error *error)
{
    struct logs *logs = context;
    struct batch_reader reader;
    size_t row_size = logs->mending->store.space.row_size;
    if (logs->expected && sequence != logs->expected)
        return error_set(error, LODE_CORRUPT,
                         "batch %" PRIu64 " where %" PRIu64 " should be: log files are missing",
                         sequence, logs->expected);
    logs->expected = sequence + 1;
    return batch_open(&reader, data, size, row_size, BATCH_OF_LOG, error);
}

/* As recovery does: logs that end before what the manifest knows of have lost their end, however well it looks. */
static void look_at_end(struct logs *logs)
{
    const struct manifest *manifest = &logs->mending->manifest;
    uint64_t seen = manifest->seen_sequence;
    uint64_t last = logs->first < logs->count ? logs->expected - 1 : manifest->flushed_sequence;
    lode_error reason = {0};
    if (logs->damage.status || last >= seen)
        return;
    (void)error_set(&reason, LODE_CORRUPT,
                    "the logs end with batch %" PRIu64 ", and batches up to %" PRIu64
                    " were acknowledged",
                    last, seen);
    if (logs->first < logs->count) {
        note_damage(logs, logs->numbers[logs->count - 1], &reason);
        return;
    }
    logs->damage = reason;
    snprintf(logs->damaged_file, sizeof logs->damaged_file, "%s", logs->mending->dir_name);
}

static lode_status look_at_logs(struct logs *logs, lode_error *error)
{
    const struct store *store = &logs->mending->store;
    for (size_t i = 0; i < logs->count; i++) {
        struct wal_replay replay = {
            .last_file = i + 1 == logs->count, .in_use = 1, .batch = look, .context = logs};
        struct wal_found found;
        lode_error reason = {0};
        logs->expected = i < logs->first    ? 0
                         : i == logs->first ? logs->mending->manifest.flushed_sequence + 1
                                            : logs->expected;
        lode_status status =
            wal_replay(log_file(store, logs->numbers[i]), &replay, &found, &reason);
        if (status_is_damage(status)) {
            note_damage(logs, logs->numbers[i], &reason);
        } else if (status) {
            if (error)
                *error = reason;
            return status;
        }
    }
    look_at_end(logs);
    return LODE_OK;
}

/* --- Saving ------------------------------------------------------------------------------------ */

static lode_status take(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                        lode_error *error)
{
    struct logs *logs = context;
    struct batch_reader reader;
    size_t row_size = logs->mending->store.space.row_size;
    if (sequence <= logs->last_sequence)
        return LODE_OK; /* in segments, or in a log that an interrupted repair has written */
    if (batch_open(&reader, data, size, row_size, BATCH_OF_LOG, NULL))
        return LODE_OK;
    logs->skipped_batches += sequence - logs->last_sequence - 1;
    logs->last_sequence = sequence;
    logs->taken++;
    struct wal_batch batch = {.data = data, .size = size};
    return logs->wal ? wal_append(logs->wal, ++logs->sequence, &batch, 1, error) : LODE_OK;
}

static lode_status take_all(struct logs *logs, lode_error *error)
{
    const struct store *store = &logs->mending->store;
    lode_status status = LODE_OK;
    logs->last_sequence = logs->sequence = logs->mending->manifest.flushed_sequence;
    for (size_t i = 0; !status && i < logs->count; i++) {
        struct wal_replay replay = {.batch = take, .context = logs};
        uint64_t skipped = 0;
        status = wal_salvage(log_file(store, logs->numbers[i]), &replay, &skipped, error);
    }
    return status;
}

static lode_status keep_logs(const struct logs *logs, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < logs->count; i++) {
        char file[NAME_TEXT_MAX];
        struct name name = {.kind = NAME_LOG, .number = logs->numbers[i]};
        status = repair_keep(logs->mending->run, logs->mending->dir_name, name_format(name, file),
                             error);
    }
    return status;
}

static lode_status save(struct logs *logs, lode_error *error)
{
    struct mending *mending = logs->mending;
    const struct store *store = &mending->store;
    uint64_t number = mending->next_number;
    lode_status status = LODE_OK;
    if (!mending->run->options->dry_run) {
        mending->next_number++;
        status = keep_logs(logs, error);
        if (!status)
            status = wal_create(log_file(store, number), &logs->wal, error);
    }
    if (!status)
        status = take_all(logs, error);
    if (!status && logs->wal)
        status = wal_sync(logs->wal, error);
    wal_close(logs->wal);
    /* Otherwise the new log, whose batches are numbered anew, could seem to lack its end. */
    if (mending->manifest.seen_sequence > logs->sequence)
        mending->manifest.seen_sequence = logs->sequence;
    mending->manifest.wal_first = number;
    mending->is_changed = mending->log_changed = 1;
    return status;
}

static lode_status mend_logs(struct logs *logs, lode_error *error)
{
    struct repairing *run = logs->mending->run;
    const char *file = logs->damaged_file;
    int is_asked = run->options->salvage_log || logs->mending->is_rebuilt;
    if (logs->damage.status && !is_asked) {
        repair_report(run, LODE_REPAIR_LEFT, file,
                      "salvage_log takes what can be read of the log, and gives up the rest (%s)",
                      logs->damage.message);
        return LODE_OK;
    }
    uint64_t seen = logs->mending->manifest.seen_sequence;
    lode_status status = save(logs, error);
    if (status)
        return status;
    if (seen > logs->last_sequence)
        logs->skipped_batches += seen - logs->last_sequence;
    run->info.lost_batches += logs->skipped_batches;
    if (logs->damage.status)
        repair_report(run, LODE_REPAIR_LOST, file,
                      "at least %" PRIu64 " batches, and what else stood at the end (%s)",
                      logs->skipped_batches, logs->damage.message);
    repair_report(run, LODE_REPAIR_MENDED, *file ? file : logs->mending->dir_name,
                  "%" PRIu64 " batches saved into a new log", logs->taken);
    return LODE_OK;
}

lode_status repair_logs(struct mending *mending, lode_error *error)
{
    struct logs logs = {.mending = mending};
    const struct store *store = &mending->store;
    lode_status status = wal_list(store->vfs, store->dir, &logs.numbers, &logs.count, error);
    if (status)
        return status;
    while (logs.first < logs.count && logs.numbers[logs.first] < mending->manifest.wal_first)
        logs.first++;
    status = look_at_logs(&logs, error);
    if (!status && (logs.damage.status || mending->is_rebuilt))
        status = mend_logs(&logs, error);
    free(logs.numbers);
    return status;
}

lode_status repair_remove_logs(struct mending *mending, lode_error *error)
{
    const struct store *store = &mending->store;
    uint64_t *numbers = NULL;
    size_t count = 0;
    if (!mending->log_changed)
        return LODE_OK;
    lode_status status = wal_list(store->vfs, store->dir, &numbers, &count, error);
    for (size_t i = 0; !status && i < count; i++)
        if (numbers[i] < mending->manifest.wal_first)
            status = wal_remove(store->vfs, store->dir, numbers[i], error);
    free(numbers);
    return status ? status : vfs_dir_sync(store->vfs, store->dir, error);
}
