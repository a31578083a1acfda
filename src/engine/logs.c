/* logs.c: see logs.h. */
#include "engine/logs.h"

#include <stdlib.h>

#include "storage/names.h"

static uint64_t log_bytes(const struct store *store, uint64_t number)
{
    char path[PATH_SIZE_MAX];
    struct name name = {.kind = NAME_LOG, .number = number};
    return name_path(path, store->dir, name, NULL) ? 0 : vfs_size_at(store->vfs, path);
}

/* From the newest of them down: as long as they fit, they stay. */
void logs_prune(struct collection *collection)
{
    const struct store *store = &collection->store;
    uint64_t *numbers = NULL, sum = 0;
    size_t count = 0, kept;
    if (atomic_load(&collection->logs_held) > 0 ||
        wal_list(store->vfs, store->dir, &numbers, &count, NULL))
        return;
    while (count > 0 && numbers[count - 1] >= collection->manifest.wal_first)
        count--;
    uint64_t keep_bytes = collection->db->log_keep_bytes;
    for (kept = 0; kept < count && keep_bytes > 0; kept++) {
        sum += log_bytes(store, numbers[count - 1 - kept]);
        if (sum > keep_bytes)
            break;
    }
    for (size_t i = 0; i + kept < count; i++) {
        lode_status ignored = wal_remove(store->vfs, store->dir, numbers[i], NULL);
        (void)ignored;
    }
    free(numbers);
}

/* Under the mutex of whoever prunes: nobody is amidst of it then. */
void logs_hold(struct collection *collection)
{
    mutex_lock(&collection->change_mutex);
    atomic_fetch_add(&collection->logs_held, 1);
    mutex_unlock(&collection->change_mutex);
}

void logs_release(struct collection *collection)
{
    mutex_lock(&collection->change_mutex);
    atomic_fetch_sub(&collection->logs_held, 1);
    logs_prune(collection);
    mutex_unlock(&collection->change_mutex);
}

/* --- What is in them --------------------------------------------------------------------------- */

struct first_batch {
    uint64_t sequence;
    int only; /* stop at it */
};

static lode_status note_batch(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                              lode_error *error)
{
    struct first_batch *first = context;
    (void)data;
    (void)size;
    if (first->sequence == 0)
        first->sequence = sequence;
    return first->only ? error_set(error, LODE_CANCELLED, "enough") : LODE_OK;
}

lode_status log_range(const struct store *store, uint64_t number, int may_be_torn, uint64_t until,
                      struct log_range *ret_range, lode_error *error)
{
    struct first_batch first = {0};
    struct wal_replay replay = {.last_file = may_be_torn,
                                .in_use = 1,
                                .until = until,
                                .batch = note_batch,
                                .context = &first};
    struct wal_found found = {0};
    lode_status status = wal_replay(log_file(store, number), &replay, &found, error);
    if (!status)
        *ret_range = (struct log_range){
            .first = first.sequence, .last = found.last_sequence, .size = found.valid_size};
    return status;
}

/* Logs from this number on are those of growing segments. */
static uint64_t first_growing(const struct version *version)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < version->view_count; i++) {
        const struct segment *segment = version->views[i].segment;
        if (!segment->sealed && segment->number < first)
            first = segment->number;
    }
    return first;
}

void logs_measure(const struct collection *collection, const struct version *version,
                  struct logs_kept *ret_kept)
{
    const struct store *store = &collection->store;
    struct first_batch first = {.only = 1};
    struct wal_replay replay = {.batch = note_batch, .context = &first};
    struct wal_found found;
    uint64_t *numbers = NULL;
    size_t count = 0;
    uint64_t growing = first_growing(version);
    *ret_kept = (struct logs_kept){0};
    if (wal_list(store->vfs, store->dir, &numbers, &count, NULL))
        count = 0;
    while (count > 0 && numbers[count - 1] >= growing)
        count--;
    for (size_t i = 0; i < count; i++)
        ret_kept->bytes += log_bytes(store, numbers[i]);
    if (count > 0) {
        lode_status stopped = wal_replay(log_file(store, numbers[0]), &replay, &found, NULL);
        (void)stopped;
    }
    ret_kept->first_sequence = first.sequence;
    free(numbers);
}
