/* change.c: the steps of change_commit, in their order: pin, carry, save live sets, manifest, install,
 * clean up. Everything that memory may refuse is taken before the manifest is written. */
#include "engine/change.h"

#include <stdlib.h>
#include <string.h>

#include "engine/logs.h"

struct commit {
    struct collection *collection;
    struct change *change;
    struct version *now;  /* pinned: what the manifest describes */
    uint64_t next_number; /* as of `now` */
    struct manifest manifest;
    struct buf requests;    /* of a flush: those of batches that are in segments now */
    struct liveset **saved; /* of the new entries; parallel to manifest.entries */
    struct liveset *live;   /* of the target as of `now`; NULL: all alive */
    uint32_t live_count;
    struct liveset *spare; /* for the target as of the install */
    struct version *next;  /* room for the views of the install */
};

/* --- Deaths ------------------------------------------------------------------------------------ */

/* Kill in `live` what lived in source->view and is dead in `view`, 64 rows at a time. */
static void carry_deaths(const struct change_source *source, const struct segment_view *view,
                         struct liveset *live)
{
    const struct segment_view *then = source->view;
    if (!view->live || view->live == then->live)
        return;
    for (uint32_t first = 0; first < then->row_count; first += 64) {
        uint64_t lived = then->live ? then->live->words[first / 64] : ~(uint64_t)0;
        uint64_t died = lived & ~view->live->words[first / 64];
        for (; died; died &= died - 1) {
            uint32_t row = first + (uint32_t)__builtin_ctzll(died);
            if (row < then->row_count && source->row_map[row] != ROW_NONE)
                bitset_unset(live->words, source->row_map[row]);
        }
    }
}

static int some_died(const struct change *change, const struct version *version)
{
    for (size_t i = 0; i < change->source_count; i++) {
        const struct segment_view *then = change->sources[i].view;
        if (version_view(version, then->segment->number)->live != then->live)
            return 1;
    }
    return 0;
}

/* The target's live set as of `version`, in `spare`, which is all alive. Gives how many live. */
static uint32_t carry(const struct change *change, const struct version *version,
                      struct liveset *spare)
{
    for (size_t i = 0; i < change->source_count; i++)
        carry_deaths(&change->sources[i],
                     version_view(version, change->sources[i].view->segment->number), spare);
    return (uint32_t)bitset_count(spare->words, change->entry.row_count);
}

static lode_status new_live(uint32_t row_count, struct liveset **ret_live, lode_error *error)
{
    *ret_live = liveset_new(row_count);
    return *ret_live ? LODE_OK : error_nomem(error, "a live set", row_count / 8);
}

/* Rows keep their numbers: so does the live set. */
static int keeps_rows(const struct change *change)
{
    return change->source_count == 1 && !change->sources[0].row_map;
}

static lode_status carry_to_manifest(struct commit *commit, lode_error *error)
{
    const struct change *change = commit->change;
    if (!change->target)
        return LODE_OK;
    if (keeps_rows(change)) {
        const struct segment_view *view = version_view(commit->now, change->entry.number);
        commit->live = liveset_ref(view->live);
        commit->live_count = view->live_count;
        return LODE_OK;
    }
    lode_status status = new_live(change->entry.row_count, &commit->spare, error);
    commit->live_count = change->entry.row_count;
    if (status || !some_died(change, commit->now))
        return status;
    status = new_live(change->entry.row_count, &commit->live, error);
    if (!status)
        commit->live_count = carry(change, commit->now, commit->live);
    return status;
}

/* --- The manifest ------------------------------------------------------------------------------ */

static int is_source(const struct change *change, uint64_t number)
{
    for (size_t i = 0; i < change->source_count; i++)
        if (change->sources[i].view->segment->number == number)
            return 1;
    return 0;
}

/* Which live set the newest del file of an entry holds. */
static struct liveset *saved_live(const struct collection *collection, uint64_t number,
                                  uint64_t *ret_generation)
{
    const struct manifest *manifest = &collection->manifest;
    for (size_t i = 0; i < manifest->entry_count; i++)
        if (manifest->entries[i].number == number) {
            *ret_generation = manifest->entries[i].del_generation;
            return collection->saved[i];
        }
    *ret_generation = 0;
    return NULL;
}

/* Add an entry in its place by number. */
static void put_entry(struct commit *commit, const struct sealed_entry *entry, struct liveset *live)
{
    struct manifest *manifest = &commit->manifest;
    size_t at = manifest->entry_count++;
    for (; at > 0 && manifest->entries[at - 1].number > entry->number; at--) {
        manifest->entries[at] = manifest->entries[at - 1];
        commit->saved[at] = commit->saved[at - 1];
    }
    manifest->entries[at] = *entry;
    commit->saved[at] = liveset_ref(live);
}

/* Where the logs begin once this one is gone: at the oldest growing segment left. */
static uint64_t first_log(const struct commit *commit)
{
    uint64_t first = commit->next_number;
    for (size_t i = 0; i < commit->now->view_count; i++) {
        const struct segment *segment = commit->now->views[i].segment;
        if (!segment->sealed && !is_source(commit->change, segment->number) &&
            segment->number < first)
            first = segment->number;
    }
    return first;
}

static lode_status make_manifest(struct commit *commit, lode_error *error)
{
    const struct collection *collection = commit->collection;
    const struct manifest *from = &collection->manifest;
    const struct change *change = commit->change;
    size_t room = from->entry_count + 1;
    lode_status status = manifest_copy(from, &commit->manifest, error);
    if (status)
        return status;
    struct manifest *manifest = &commit->manifest;
    struct sealed_entry *entries = realloc(manifest->entries, room * sizeof *entries);
    if (entries)
        manifest->entries = entries;
    commit->saved = calloc(room, sizeof(struct liveset *));
    if (!entries || !commit->saved)
        return error_nomem(error, "a manifest", room * sizeof *entries);
    manifest->entry_count = 0;
    for (size_t i = 0; i < from->entry_count; i++)
        if (!is_source(change, from->entries[i].number))
            put_entry(commit, &from->entries[i], collection->saved[i]);
    manifest->generation = from->generation + 1;
    manifest->next_number = commit->next_number;
    if (manifest->seen_sequence < commit->now->sequence)
        manifest->seen_sequence = commit->now->sequence;
    if (change->flushed) {
        struct buf older = manifest->requests;
        manifest->requests = commit->requests;
        commit->requests = older;
        manifest->flushed_sequence = change->flushed->last_sequence;
        manifest->wal_first = first_log(commit);
    }
    return LODE_OK;
}

/* Write one segment's live set when the newest file of it is not the same. */
static lode_status save_live(struct commit *commit, struct sealed_entry *entry,
                             struct liveset *live, struct liveset **saved, lode_error *error)
{
    if (live == *saved)
        return LODE_OK;
    uint64_t generation = commit->manifest.generation;
    lode_status status = sealed_write_live(&commit->collection->store, entry->number, generation,
                                           live, entry->row_count, error);
    if (status)
        return status;
    entry->del_generation = generation;
    liveset_unref(*saved);
    *saved = liveset_ref(live);
    return LODE_OK;
}

/* Dropping a log loses the deaths it brought about, unless they are written down before. */
static lode_status save_deaths(struct commit *commit, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < commit->manifest.entry_count; i++) {
        struct sealed_entry *entry = &commit->manifest.entries[i];
        const struct segment_view *view = version_view(commit->now, entry->number);
        entry->live_count = view->live_count;
        status = save_live(commit, entry, view->live, &commit->saved[i], error);
    }
    return status;
}

static lode_status add_target(struct commit *commit, lode_error *error)
{
    const struct change *change = commit->change;
    if (!change->target)
        return LODE_OK;
    struct sealed_entry entry = change->entry;
    struct liveset *saved = NULL;
    if (keeps_rows(change))
        saved = liveset_ref(saved_live(commit->collection, entry.number, &entry.del_generation));
    entry.live_count = commit->live_count;
    lode_status status = save_live(commit, &entry, commit->live, &saved, error);
    if (!status)
        put_entry(commit, &entry, saved);
    liveset_unref(saved);
    return status;
}

/* An I/O error may have come after the manifest was linked: disk and memory may have parted. So have
 * they when there is a manifest of that generation already. */
static int is_unknown(lode_status status)
{
    return status == LODE_IO || status == LODE_EXISTS;
}

static lode_status write_manifest(struct commit *commit, lode_error *error)
{
    struct collection *collection = commit->collection;
    const struct store *store = &collection->store;
    lode_error reason = {0};
    lode_status status = manifest_commit(store->vfs, store->dir, &commit->manifest, &reason);
    if (status == LODE_OK)
        return LODE_OK;
    if (is_unknown(status)) {
        commit->change->unknown = 1;
        atomic_store_explicit(&collection->parted, 1, memory_order_relaxed);
        lane_enter(&collection->lane);
        if (!collection->broken.status)
            collection->broken = reason;
        lane_leave(&collection->lane);
    }
    if (error)
        *error = reason;
    return status;
}

/* --- Installing -------------------------------------------------------------------------------- */

/* Sealed views by number, then the growing ones as they were. */
static void put_view(struct version *next, const struct segment_view *view)
{
    size_t at = next->view_count++;
    while (view->segment->sealed && at > 0 &&
           (!next->views[at - 1].segment->sealed ||
            next->views[at - 1].segment->number > view->segment->number)) {
        next->views[at] = next->views[at - 1];
        at--;
    }
    next->views[at] = *view;
    segment_ref(view->segment);
    liveset_ref(view->live);
}

/* The target as of the version that is current now that writers are held off. */
static void put_target(struct commit *commit, const struct version *current)
{
    const struct change *change = commit->change;
    struct segment_view view = {
        .segment = change->target,
        .live = commit->live,
        .row_count = change->entry.row_count,
        .live_count = commit->live_count,
    };
    if (keeps_rows(change)) {
        const struct segment_view *then = version_view(current, change->entry.number);
        view.live = then->live;
        view.live_count = then->live_count;
    } else if (some_died(change, current)) {
        view.live_count = carry(change, current, commit->spare);
        if (view.live_count != commit->live_count)
            view.live = commit->spare;
    }
    put_view(commit->next, &view);
}

static void install(struct commit *commit)
{
    struct collection *collection = commit->collection;
    lane_enter(&collection->lane);
    const struct version *current = collection->version;
    struct version *next = commit->next;
    next->view_count = 0;
    next->sequence = current->sequence;
    next->generation = commit->manifest.generation;
    next->point_count = 0;
    for (size_t i = 0; i < current->view_count; i++)
        if (!is_source(commit->change, current->views[i].segment->number))
            put_view(next, &current->views[i]);
    if (commit->change->target)
        put_target(commit, current);
    for (size_t i = 0; i < next->view_count; i++)
        next->point_count += next->views[i].live_count;
    INVARIANT(next->point_count == current->point_count);
    collection_publish(collection, next);
    commit->next = NULL;
    lane_leave(&collection->lane);
}

/* --- Cleaning up ------------------------------------------------------------------------------- */

static void retire_sources(const struct commit *commit)
{
    const struct change *change = commit->change;
    for (size_t i = 0; i < change->source_count; i++) {
        struct segment *segment = change->sources[i].view->segment;
        if (segment->sealed && !keeps_rows(change))
            sealed_retire(segment);
    }
}

static void keep_manifest(struct commit *commit)
{
    struct collection *collection = commit->collection;
    for (size_t i = 0; i < collection->manifest.entry_count; i++)
        liveset_unref(collection->saved[i]);
    free(collection->saved);
    manifest_release(&collection->manifest);
    collection->manifest = commit->manifest;
    collection->saved = commit->saved;
    commit->manifest = (struct manifest){0};
    commit->saved = NULL;
}

/* --- All together ------------------------------------------------------------------------------ */

static lode_status prepare(struct commit *commit, lode_error *error)
{
    struct collection *collection = commit->collection;
    /* Inside the lane, so that a segment being begun is either in the version or not yet numbered. */
    lane_enter(&collection->lane);
    /* A manifest must not know deaths of batches that the log may lose: the rows that took the place of the
     * dead would be gone with them. */
    lode_status status = collection_sync_shown(collection, error);
    commit->now = version_ref(collection->version);
    commit->next_number = atomic_load(&collection->next_number);
    if (!status && commit->change->flushed)
        status = requests_encode(&collection->requests, commit->change->flushed->last_sequence,
                                 &commit->requests, error);
    lane_leave(&collection->lane);
    if (status)
        return status;
    commit->next = version_new(commit->now->view_count + FROZEN_MAX + 3);
    if (!commit->next)
        return error_nomem(error, "a version", sizeof *commit->next);
    commit->next->view_count = 0;
    status = carry_to_manifest(commit, error);
    if (!status)
        status = make_manifest(commit, error);
    if (!status && commit->change->flushed)
        status = save_deaths(commit, error);
    return status ? status : add_target(commit, error);
}

lode_status change_check(struct collection *collection, lode_error *error)
{
    if (!atomic_load_explicit(&collection->parted, memory_order_relaxed))
        return LODE_OK;
    return error_set(error, LODE_READONLY,
                     "collection '%s' is to be reopened: an error left open which manifest counts",
                     collection->name);
}

static void release(struct commit *commit)
{
    for (size_t i = 0; commit->saved && i < commit->manifest.entry_count; i++)
        liveset_unref(commit->saved[i]);
    free(commit->saved);
    buf_release(&commit->requests);
    manifest_release(&commit->manifest);
    liveset_unref(commit->live);
    liveset_unref(commit->spare);
    version_unref(commit->next);
    version_unref(commit->now);
}

lode_status change_commit(struct collection *collection, struct change *change, lode_error *error)
{
    struct commit commit = {.collection = collection, .change = change};
    buf_init(&commit.requests, MANIFEST_REQUESTS_SIZE_MAX);
    mutex_lock(&collection->change_mutex);
    lode_status status = change_check(collection, error);
    if (!status)
        status = prepare(&commit, error);
    if (!status)
        status = write_manifest(&commit, error);
    if (!status) {
        install(&commit);
        retire_sources(&commit);
        keep_manifest(&commit);
        if (change->flushed)
            logs_prune(collection);
    }
    mutex_unlock(&collection->change_mutex);
    release(&commit);
    return status;
}

/* So that statistics tell the generation there is; without memory they tell the one before. */
static void show_generation(struct collection *collection)
{
    struct version *version = version_extend(collection->version, 0);
    if (!version)
        return;
    version->generation = collection->manifest.generation;
    collection_publish(collection, version);
}

lode_status change_text_model(struct collection *collection, uint32_t model_version,
                              lode_error *error)
{
    struct commit commit = {.collection = collection};
    lode_status status = change_check(collection, error);
    if (!status)
        status = collection_sync_shown(collection, error);
    if (!status)
        status = manifest_copy(&collection->manifest, &commit.manifest, error);
    if (status)
        return status;
    commit.manifest.generation++;
    commit.manifest.text_model_version = model_version;
    commit.manifest.next_number = atomic_load(&collection->next_number);
    lode_error reason = {0};
    status =
        manifest_commit(collection->store.vfs, collection->store.dir, &commit.manifest, &reason);
    if (status) {
        if (is_unknown(status)) {
            atomic_store_explicit(&collection->parted, 1, memory_order_relaxed);
            collection->broken = reason;
        }
        manifest_release(&commit.manifest);
        if (error)
            *error = reason;
        return status;
    }
    manifest_release(&collection->manifest);
    collection->manifest = commit.manifest;
    show_generation(collection);
    return LODE_OK;
}
