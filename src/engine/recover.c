/* recover.c: replay gathers batches and applies them in groups, because each group makes a version and
 * copies the live sets it touches: a log of single writes would copy them once a write. */
#include "engine/recover.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/filtering.h"
#include "engine/logs.h"
#include "os/budget.h"
#include "storage/apply.h"
#include "storage/names.h"

#define REPLAY_BATCHES_MAX 256u
#define REPLAY_BYTES_MAX   ((size_t)16 << 20)

/* --- Sealed segments --------------------------------------------------------------------------- */

static lode_status check_live(const struct sealed_entry *entry, const struct liveset *live,
                              lode_error *error)
{
    if (!live && entry->live_count == entry->row_count)
        return LODE_OK;
    if (live && bitset_count(live->words, entry->row_count) == entry->live_count)
        return LODE_OK;
    return error_set(error, LODE_CORRUPT,
                     "segment %" PRIu64 ": the manifest and the live set disagree on how many "
                     "rows live",
                     entry->number);
}

static lode_status open_view(const struct store *store, const struct sealed_entry *entry,
                             struct segment_view *view, lode_error *error)
{
    lode_error reason = {0};
    view->row_count = entry->row_count;
    view->live_count = entry->live_count;
    lode_status status = sealed_open_contained(store, entry, &view->segment, error);
    if (status)
        return status;
    if (entry->del_generation)
        status = sealed_read_live(store, entry, &view->live, &reason);
    if (!status)
        status = check_live(entry, view->live, &reason);
    if (status_is_damage(status))
        return sealed_doubt(view->segment, &reason, error);
    if (status && error)
        *error = reason;
    return status;
}

lode_status recover_sealed(struct collection *collection, lode_error *error)
{
    const struct manifest *manifest = &collection->manifest;
    struct version *version = version_new(manifest->entry_count);
    collection->version = version;
    collection->saved = calloc(manifest->entry_count + 1, sizeof(struct liveset *));
    if (!version || !collection->saved)
        return error_nomem(error, "a version", manifest->entry_count * sizeof *version->views);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < manifest->entry_count; i++) {
        struct segment_view *view = &version->views[i];
        status = open_view(&collection->store, &manifest->entries[i], view, error);
        collection->saved[i] = liveset_ref(view->live);
        version->point_count += view->live_count;
    }
    if (!status)
        status = requests_decode(&collection->requests, &manifest->requests,
                                 manifest->flushed_sequence, error);
    version->sequence = manifest->flushed_sequence;
    version->generation = manifest->generation;
    if (!status)
        version_settle(version);
    return status;
}

/* --- Fields ------------------------------------------------------------------------------------ */

static lode_status gather_fields(const struct collection *collection, struct fields *fields,
                                 lode_error *error)
{
    const struct version *version = collection->version;
    lode_status status = filtering_declare(fields, &collection->schema, error);
    for (size_t i = 0; !status && i < version->view_count; i++)
        status = fields_learn_view(fields, &version->views[i], error);
    return status;
}

lode_status recover_fields(struct collection *collection, lode_error *error)
{
    struct fields *fields = NULL;
    struct field_set *set = field_set_new();
    lode_status status =
        set ? fields_new(&fields, error) : error_nomem(error, "fields", sizeof *set);
    if (!status)
        status = gather_fields(collection, fields, error);
    if (status) {
        field_set_unref(set);
        fields_free(fields);
        return status;
    }
    known_fields_put(&collection->fields, set, fields);
    return LODE_OK;
}

/* --- Logs -------------------------------------------------------------------------------------- */

struct replay {
    struct collection *collection;
    struct segment *growing;
    size_t growing_batches; /* of this log */
    struct buf batches[REPLAY_BATCHES_MAX];
    struct apply_batch applied[REPLAY_BATCHES_MAX];
    size_t count;
    size_t bytes;
    lode_error unsure; /* why it is not known where an id of a log lives; status LODE_OK: it is */
};

/* What can fail, then what cannot. Takes `own_apply`. */
static lode_status show(struct replay *replay, const struct apply_group *group,
                        struct apply *own_apply, lode_error *error)
{
    struct collection *collection = replay->collection;
    struct field_set *set = NULL;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < replay->count; i++)
        if (replay->applied[i].request.id_size)
            status = requests_reserve(&collection->requests, error);
    if (!status && group->applied < replay->count)
        status = error_set(error, LODE_CORRUPT, "a log holds more rows than fit its segment");
    if (!status && group->learnt && !(set = field_set_new()))
        status = error_nomem(error, "fields", sizeof *set);
    if (status) {
        fields_free(group->learnt);
        apply_abort(own_apply);
        return status;
    }
    for (size_t i = 0; i < replay->count; i++)
        if (replay->applied[i].request.id_size)
            requests_add(&collection->requests, &replay->applied[i].request,
                         replay->applied[i].sequence);
    if (set)
        known_fields_put(&collection->fields, set, group->learnt);
    collection_publish(collection, apply_commit(own_apply));
    growing_hold_all(replay->growing);
    return LODE_OK;
}

static lode_status apply_gathered(struct replay *replay, lode_error *error)
{
    struct collection *collection = replay->collection;
    struct field_set *known;
    struct apply *apply;
    if (replay->count == 0)
        return LODE_OK;
    for (size_t i = 0; i < replay->count; i++)
        replay->applied[i] = (struct apply_batch){.bytes = &replay->batches[i]};
    known = known_fields_get(&collection->fields);
    struct apply_group group = {
        .fields = known ? known->fields : NULL,
        .batches = replay->applied,
        .count = replay->count,
        .bytes_max = UINT64_MAX,
        .ret_unsure = &replay->unsure,
    };
    lode_status status = apply_prepare(collection->version, replay->growing, &group, &apply, error);
    field_set_unref(known);
    if (!status)
        status = show(replay, &group, apply, error);
    for (size_t i = 0; !status && i < replay->count; i++)
        buf_clear(&replay->batches[i]);
    if (!status)
        replay->count = replay->bytes = 0;
    return status;
}

static lode_status gather(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                          lode_error *error)
{
    struct replay *replay = context;
    uint64_t wanted = replay->collection->version->sequence + replay->count + 1;
    if (sequence != wanted)
        return error_set(error, LODE_CORRUPT,
                         "batch %" PRIu64 " where %" PRIu64 " should be: "
                         "log files are missing",
                         sequence, wanted);
    int is_drop = batch_is_drop(data, size); /* alone in its group */
    lode_status status = is_drop ? apply_gathered(replay, error) : LODE_OK;
    if (!status)
        status = buf_append(&replay->batches[replay->count], data, size, error);
    if (status)
        return status;
    replay->count++;
    replay->growing_batches++;
    replay->bytes += size;
    if (!is_drop && replay->count < REPLAY_BATCHES_MAX && replay->bytes < REPLAY_BYTES_MAX)
        return LODE_OK;
    return apply_gathered(replay, error);
}

static lode_status log_path(const struct store *store, uint64_t number, char path[],
                            lode_error *error)
{
    return name_path(path, store->dir, (struct name){.kind = NAME_LOG, .number = number}, error);
}

static lode_status log_size(const struct store *store, uint64_t number, uint64_t *ret_size,
                            lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct vfs_file *file;
    lode_status status = log_path(store, number, path, error);
    if (!status)
        status = vfs_open(store->vfs, path, VFS_READ, &file, error);
    if (status)
        return status;
    status = vfs_size(file, ret_size, error);
    vfs_close(file);
    return status;
}

/* The segment must hold the whole log, also when segments were allowed to be larger then. */
static lode_status begin_segment(struct replay *replay, uint64_t number, uint64_t size,
                                 lode_error *error)
{
    struct collection *collection = replay->collection;
    struct growing_options options = collection_growing_options(collection, number);
    if (options.bytes_max < size)
        options.bytes_max = size;
    lode_status status = growing_new(&options, &replay->growing, error);
    if (status)
        return status;
    growing_announce(replay->growing, size);
    struct version *version = version_extend(collection->version, 1);
    if (!version) {
        segment_unref(replay->growing);
        return error_nomem(error, "a version", sizeof *version);
    }
    version->views[version->view_count - 1].segment = replay->growing;
    collection_publish(collection, version);
    replay->growing_batches = 0;
    return LODE_OK;
}

/* A log without batches: forget its segment and remove it, for good before the next log is begun: it may
 * lack a whole header, which only the last log may. */
static lode_status drop_empty(struct replay *replay, uint64_t number, lode_error *error)
{
    struct collection *collection = replay->collection;
    struct version *version = version_extend(collection->version, 0);
    if (!version)
        return error_nomem(error, "a version", sizeof *version);
    version->view_count--;
    segment_unref(version->views[version->view_count].segment);
    liveset_unref(version->views[version->view_count].live);
    collection_publish(collection, version);
    if (collection->db->read_only)
        return LODE_OK;
    lode_status status = wal_remove(collection->store.vfs, collection->store.dir, number, error);
    return status ? status : vfs_dir_sync(collection->store.vfs, collection->store.dir, error);
}

/* The manifest knows of deaths up to some batch, which the log held durably then. If it ends before that, what
 * looks like a torn tail is damage, and the rows that took the place of the dead are gone. */
static lode_status check_seen(const struct collection *collection, uint64_t log, uint64_t log_end,
                              lode_error *error)
{
    uint64_t seen = collection->manifest.seen_sequence, last = collection->version->sequence;
    if (last >= seen)
        return LODE_OK;
    if (log == 0)
        return error_set(error, LODE_CORRUPT,
                         "collection '%s': the logs behind batch %" PRIu64
                         " are missing; batches up to %" PRIu64 " were acknowledged",
                         collection->name, last, seen);
    return error_set(error, LODE_CORRUPT,
                     "wal-%" PRIu64 ".log is damaged at %" PRIu64 ": it ends with batch %" PRIu64
                     ", and batches up to %" PRIu64 " were acknowledged",
                     log, log_end, last, seen);
}

/* What the last log holds may never have been synced, by a process that was killed: it is made durable
 * before anybody sees it, and a torn tail is cut off before another log follows. */
static lode_status end_segment(struct replay *replay, uint64_t number, int last,
                               const struct wal_found *found, lode_error *error)
{
    struct collection *collection = replay->collection;
    const struct store *store = &collection->store;
    lode_status status = apply_gathered(replay, error);
    if (!status && last)
        status = check_seen(collection, number, found->valid_size, error);
    if (!status && replay->growing_batches == 0)
        return drop_empty(replay, number, error);
    if (!status && last && !collection->db->read_only)
        status = wal_settle(log_file(store, number), found, error);
    if (!status)
        status = jobs_frozen_reserve(&collection->jobs, error);
    if (!status)
        jobs_frozen_push(&collection->jobs, (struct frozen){
                                                .number = number,
                                                .last_sequence = collection->version->sequence,
                                                .wal_bytes = found->valid_size,
                                            });
    return status;
}

static lode_status replay_log(struct replay *replay, uint64_t number, int last, lode_error *error)
{
    const struct store *store = &replay->collection->store;
    struct wal_replay options = {.last_file = last, .batch = gather, .context = replay};
    struct wal_found found;
    uint64_t size = 0; /* it is read as a whole */
    lode_status status = log_size(store, number, &size, error);
    if (!status)
        status = begin_segment(replay, number, size, error);
    if (status)
        return status;
    budget_take(BUDGET_OTHER, size);
    status = wal_replay(log_file(store, number), &options, &found, error);
    budget_give(BUDGET_OTHER, size);
    return status ? status : end_segment(replay, number, last, &found, error);
}

/* A log deletes or replaces points of which a damaged segment cannot tell whether it has them. As long as the log is
 * there, a repair can find out: nothing is flushed, and nothing written. */
static void hold_back(struct collection *collection, const lode_error *unsure)
{
    collection->broken = *unsure;
    error_prefix(&collection->broken, "the log is kept for 'lode repair': ");
    atomic_store_explicit(&collection->parted, 1, memory_order_relaxed);
}

lode_status recover_logs(struct collection *collection, lode_error *error)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    const struct store *store = &collection->store;
    lode_status status = wal_list(store->vfs, store->dir, &numbers, &count, error);
    if (status)
        return status;
    size_t first = 0; /* of those to replay */
    while (first < count && numbers[first] < collection->manifest.wal_first)
        first++;
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        status = error_nomem(error, "the replay of a log", sizeof *replay);
    for (size_t i = 0; replay && i < REPLAY_BATCHES_MAX; i++)
        buf_init(&replay->batches[i], LODE_BATCH_SIZE_MAX);
    if (replay)
        replay->collection = collection;
    for (size_t i = first; !status && i < count; i++) {
        status = replay_log(replay, numbers[i], i + 1 == count, error);
        if (numbers[i] >= atomic_load(&collection->next_number))
            atomic_store(&collection->next_number, numbers[i] + 1);
    }
    if (!status && first == count)
        status = check_seen(collection, 0, 0, error);
    if (!status && replay->unsure.status)
        hold_back(collection, &replay->unsure);
    for (size_t i = 0; replay && i < REPLAY_BATCHES_MAX; i++)
        buf_release(&replay->batches[i]);
    free(replay);
    free(numbers);
    return status;
}
