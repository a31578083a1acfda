/* named.c: making, opening and dropping named snapshots. */
#include "engine/named.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "engine/files.h"
#include "engine/filtering.h"
#include "engine/read.h"
#include "engine/state.h"
#include "engine/text.h"

#define RESERVED_PREFIX "snapshot-" /* a damaged one goes by its file's name */

void named_init(struct named *named)
{
    mutex_init(&named->mutex);
}

void named_release(struct named *named)
{
    for (size_t i = 0; i < named->count; i++)
        saved_snapshot_release(&named->items[i].saved);
    free(named->items);
    mutex_release(&named->mutex);
}

/* named->mutex is held by everything down to the public functions. */

static lode_status reserve_one(struct named *named, lode_error *error)
{
    if (named->count >= LODE_SNAPSHOTS_MAX)
        return error_set(error, LODE_LIMIT, "there are %zu named snapshots: at most %d",
                         named->count, LODE_SNAPSHOTS_MAX);
    struct named_snapshot *items = array_grow(named->items, named->count, &named->capacity,
                                              sizeof *items, "named snapshots", error);
    if (!items)
        return LODE_NOMEM;
    named->items = items;
    return LODE_OK;
}

static void count_shown(struct named *named)
{
    uint32_t count = 0;
    for (size_t i = 0; i < named->count; i++)
        count += !named->items[i].ghost;
    atomic_store_explicit(&named->shown, count, memory_order_relaxed);
}

static void leave(struct named *named)
{
    count_shown(named);
    mutex_unlock(&named->mutex);
}

static struct named_snapshot *find(const struct named *named, const char *name)
{
    for (size_t i = 0; i < named->count; i++)
        if (strcmp(named->items[i].saved.name, name) == 0)
            return &named->items[i];
    return NULL;
}

static void forget(struct named *named, struct named_snapshot *snapshot)
{
    saved_snapshot_release(&snapshot->saved);
    *snapshot = named->items[--named->count];
}

/* --- Pins -------------------------------------------------------------------------------------- */

/* What a snapshot needs: free(*ret_keys). */
static lode_status keys_of(const struct saved_snapshot *saved, struct pin_key **ret_keys,
                           size_t *ret_count, lode_error *error)
{
    struct pin_key *keys = calloc(saved->entry_count + 1, sizeof *keys);
    size_t count = 0;
    if (!keys)
        return error_nomem(error, "pins of files", (saved->entry_count + 1) * sizeof *keys);
    for (; count < saved->entry_count; count++)
        keys[count] = (struct pin_key){NAME_VECTORS, saved->entries[count].number};
    if (saved->text_model_version)
        keys[count++] = (struct pin_key){NAME_TEXT_MODEL, saved->text_model_version};
    *ret_keys = keys;
    *ret_count = count;
    return LODE_OK;
}

static lode_status pin(struct collection *collection, const struct saved_snapshot *saved,
                       struct pin_key **ret_keys, size_t *ret_count, lode_error *error)
{
    lode_status status = keys_of(saved, ret_keys, ret_count, error);
    if (status)
        return status;
    pins_lock(&collection->pins);
    status = pins_add(&collection->pins, *ret_keys, *ret_count, error);
    pins_unlock(&collection->pins);
    if (status) {
        free(*ret_keys);
        *ret_keys = NULL;
        *ret_count = 0;
    }
    return status;
}

static int manifest_has(const struct manifest *manifest, struct pin_key key)
{
    if (key.kind == NAME_TEXT_MODEL)
        return manifest->text_model_version == key.number;
    for (size_t i = 0; i < manifest->entry_count; i++)
        if (manifest->entries[i].number == key.number)
            return 1;
    return 0;
}

/* --- Loading ----------------------------------------------------------------------------------- */

static lode_status pin_loaded(struct collection *collection, const struct saved_snapshot *saved,
                              lode_error *error)
{
    struct pin_key *keys = NULL;
    size_t count = 0;
    lode_status status = pin(collection, saved, &keys, &count, error);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++)
        if (!manifest_has(&collection->manifest, keys[i]))
            (void)pins_retire(&collection->pins, keys[i]);
    free(keys);
    return LODE_OK;
}

static void name_by_file(struct saved_snapshot *saved, uint64_t number)
{
    name_format((struct name){.kind = NAME_SNAPSHOT, .number = number}, saved->name);
    saved->number = number;
}

/* A damaged one must not keep the collection from being opened. */
static lode_status load_one(struct collection *collection, uint64_t number, int *ret_all_known,
                            lode_error *error)
{
    struct named *named = &collection->named;
    struct named_snapshot snapshot = {0};
    lode_error reason = {0};
    lode_status status = reserve_one(named, error);
    if (status)
        return status;
    status = snapshot_file_read(&collection->store, number, &snapshot.saved, NULL, &reason);
    if (status == LODE_CORRUPT) {
        snapshot.damaged = 1;
        *ret_all_known = 0;
        name_by_file(&snapshot.saved, number);
        status = LODE_OK;
    } else if (status && error) {
        *error = reason;
    }
    if (!status && find(named, snapshot.saved.name)) /* not by us */
        name_by_file(&snapshot.saved, number);
    if (!status)
        status = pin_loaded(collection, &snapshot.saved, error);
    if (status)
        saved_snapshot_release(&snapshot.saved);
    else
        named->items[named->count++] = snapshot;
    return status;
}

lode_status named_load(struct collection *collection, int *ret_all_known, lode_error *error)
{
    struct file_names files;
    *ret_all_known = 1;
    lode_status status = file_names_list(collection->store.vfs, collection->dir, &files, error);
    if (status)
        return status;
    uint64_t above = collection->manifest.next_number;
    for (size_t i = 0; !status && i < files.count; i++) {
        struct name name = name_parse(files.names[i]);
        if (name.kind != NAME_SNAPSHOT)
            continue;
        status = load_one(collection, name.number, ret_all_known, error);
        above = name.number >= above ? name.number + 1 : above;
    }
    file_names_release(&files);
    count_shown(&collection->named);
    atomic_store(&collection->next_number, above);
    return status;
}

/* --- Making ------------------------------------------------------------------------------------ */

static lode_status check_name(const char *name, lode_error *error)
{
    lode_status status = catalog_check_name("name", name, error);
    if (!status && strncmp(name, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0)
        status = error_set(error, LODE_INVALID,
                           "name '%s': names that begin with '%s' are the library's own", name,
                           RESERVED_PREFIX);
    return status;
}

static lode_status settle_ghost(struct collection *collection, struct named_snapshot *snapshot,
                                lode_error *error);

static lode_status make_way(struct collection *collection, const char *name, lode_error *error)
{
    struct named_snapshot *found = find(&collection->named, name);
    if (found && !found->ghost)
        return error_set(error, LODE_EXISTS, "there is a snapshot '%s' of collection '%s' already",
                         name, collection->name);
    lode_status status = found ? settle_ghost(collection, found, error) : LODE_OK;
    return status ? status : reserve_one(&collection->named, error);
}

/* From a state whose files are held to one that the file speaks of: the pins are the snapshot's then. */
static lode_status save(struct collection *collection, const char *name, struct state *state,
                        struct named_snapshot *ret_snapshot, lode_error *error)
{
    struct saved_snapshot *saved = &ret_snapshot->saved;
    const struct clock *clock = collection->db->clock;
    int unknown = 0;
    *saved = (struct saved_snapshot){
        .number = state->number,
        .generation = state->version->generation,
        .sequence = state->version->sequence,
        .point_count = state->version->point_count,
        .created_us = clock->wall_us(clock->context),
        .text_model_version = state->model ? state->model->version : 0,
        .entries = state->entries,
        .entry_count = state->entry_count,
    };
    memcpy(saved->name, name, strlen(name) + 1);
    lode_status status =
        snapshot_file_write(&collection->store, saved, state->live, &unknown, error);
    ret_snapshot->ghost = status && unknown;
    if (status && !unknown)
        return status;
    state->entries = NULL; /* the snapshot's now */
    state->entry_count = 0;
    state_keep_pins(state);
    return status;
}

static lode_status create_locked(struct collection *collection, const char *name, lode_error *error)
{
    struct named *named = &collection->named;
    struct named_snapshot snapshot = {0};
    struct state state;
    lode_error reason = {0};
    lode_status status = make_way(collection, name, error);
    if (!status)
        status = state_hold(collection, &state, error);
    if (status)
        return status;
    status = state_write_tail(&state, &collection->store, error);
    if (!status) {
        status = save(collection, name, &state, &snapshot, &reason);
        if (!status || snapshot.ghost)
            named->items[named->count++] = snapshot;
        if (status && error)
            *error = reason;
    }
    state_release(&state);
    if (status && snapshot.ghost) {
        lode_status ignored = settle_ghost(collection, &named->items[named->count - 1], NULL);
        (void)ignored; /* it pins until a drop, or a snapshot of that name, succeeds */
    }
    return status;
}

lode_status named_create(struct collection *collection, const char *name, lode_error *error)
{
    lode_status status = check_name(name, error);
    if (status)
        return status;
    mutex_lock(&collection->named.mutex);
    status = create_locked(collection, name, error);
    leave(&collection->named);
    return status;
}

/* --- Dropping ---------------------------------------------------------------------------------- */

/* Its files go once its own is gone for good. */
static lode_status settle_ghost(struct collection *collection, struct named_snapshot *snapshot,
                                lode_error *error)
{
    struct pin_key *keys = NULL;
    size_t count = 0;
    lode_status status = keys_of(&snapshot->saved, &keys, &count, error);
    if (status)
        return status;
    status = snapshot_file_remove(&collection->store, snapshot->saved.number, error);
    if (!status) {
        pins_drop(&collection->store, keys, count);
        forget(&collection->named, snapshot);
    }
    free(keys);
    return status;
}

static lode_status not_found(const struct collection *collection, const char *name,
                             lode_error *error)
{
    return error_set(error, LODE_NOT_FOUND, "there is no snapshot '%s' of collection '%s'", name,
                     collection->name);
}

static lode_status drop_locked(struct collection *collection, const char *name, lode_error *error)
{
    struct named_snapshot *found = find(&collection->named, name);
    if (!found)
        return not_found(collection, name, error);
    int was_ghost = found->ghost;
    found->ghost = 1;
    lode_status status = settle_ghost(collection, found, error);
    if (status == LODE_NOMEM)
        found->ghost = was_ghost; /* nothing was tried */
    return status;
}

lode_status named_drop(struct collection *collection, const char *name, lode_error *error)
{
    lode_status status = catalog_check_name("name", name, error);
    if (status)
        return status;
    mutex_lock(&collection->named.mutex);
    status = drop_locked(collection, name, error);
    leave(&collection->named);
    return status;
}

/* --- Opening ----------------------------------------------------------------------------------- */

/* The segment that the collection has open, which may have got its graph since; else its files anew. */
static lode_status open_segment(struct collection *collection, const struct version *current,
                                const struct sealed_entry *entry, struct segment **ret_segment,
                                lode_error *error)
{
    const struct segment_view *view = version_view(current, entry->number);
    if (!view || !view->segment->sealed)
        return sealed_open_contained(&collection->store, entry, ret_segment, error);
    *ret_segment = segment_ref(view->segment);
    return LODE_OK;
}

static lode_status fill_views(struct collection *collection, const struct saved_snapshot *saved,
                              struct liveset **live, struct version *version, lode_error *error)
{
    struct version *current = collection_pin(collection);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < saved->entry_count; i++) {
        struct segment_view *view = &version->views[i];
        status = open_segment(collection, current, &saved->entries[i], &view->segment, error);
        view->live = live[i];
        live[i] = NULL;
        view->row_count = saved->entries[i].row_count;
        view->live_count = saved->entries[i].live_count;
    }
    version_unref(current);
    return status;
}

static lode_status open_version(struct collection *collection, uint64_t number,
                                struct version **ret_version, lode_error *error)
{
    struct saved_snapshot saved;
    struct liveset **live;
    lode_status status = snapshot_file_read(&collection->store, number, &saved, &live, error);
    if (status)
        return status;
    struct version *version = version_new(saved.entry_count);
    if (!version) {
        status = error_nomem(error, "a version", saved.entry_count * sizeof *version->views);
    } else {
        version->sequence = saved.sequence;
        version->generation = saved.generation;
        version->point_count = saved.point_count;
        status = fill_views(collection, &saved, live, version, error);
    }
    if (!status)
        version_settle(version);
    for (size_t i = 0; i < saved.entry_count; i++)
        liveset_unref(live[i]);
    free(live);
    saved_snapshot_release(&saved);
    if (status)
        version_unref(version);
    else
        *ret_version = version;
    return status;
}

static lode_status open_model(struct collection *collection, uint32_t version,
                              struct text_model **ret_model, lode_error *error)
{
    struct text_model *model = collection_model(collection);
    *ret_model = NULL;
    if (version == 0 || (model && model->version == version)) {
        *ret_model = version ? text_model_ref(model) : NULL;
        text_model_unref(model);
        return LODE_OK;
    }
    text_model_unref(model);
    return text_model_open(collection, version, ret_model, error);
}

static lode_status open_locked(struct collection *collection, const char *name,
                               lode_snapshot *snapshot, lode_error *error)
{
    const struct named_snapshot *found = find(&collection->named, name);
    if (!found || found->ghost)
        return not_found(collection, name, error);
    lode_status status =
        pin(collection, &found->saved, &snapshot->pins, &snapshot->pin_count, error);
    if (!status)
        status = open_version(collection, found->saved.number, &snapshot->version, error);
    if (!status)
        status = open_model(collection, found->saved.text_model_version, &snapshot->model, error);
    return status;
}

lode_status named_open(struct collection *collection, const char *name,
                       lode_snapshot **ret_snapshot, lode_error *error)
{
    lode_status status = catalog_check_name("name", name, error);
    if (status)
        return status;
    lode_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return error_nomem(error, "a snapshot", sizeof *snapshot);
    snapshot_begin(collection, snapshot);
    mutex_lock(&collection->named.mutex);
    status = open_locked(collection, name, snapshot, error);
    leave(&collection->named);
    if (!status)
        status = filtering_learn(collection, snapshot->version, error);
    if (status) {
        snapshot_close(snapshot);
        error_prefix(error, "snapshot '%s': ", name);
    } else {
        *ret_snapshot = snapshot;
    }
    return status;
}

/* --- Listing ----------------------------------------------------------------------------------- */

struct listing {
    lode_snapshot_list head; /* first: both have one address */
    lode_snapshot_info infos[];
};

/* What the collection itself needs no more. */
static uint64_t own_bytes(struct collection *collection, const struct saved_snapshot *saved)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < saved->entry_count; i++) {
        struct pin_key key = {NAME_VECTORS, saved->entries[i].number};
        if (pins_is_retired(&collection->pins, key))
            bytes += sealed_bytes(&collection->store, key.number);
    }
    return bytes;
}

static int by_age(const void *a, const void *b)
{
    const lode_snapshot_info *one = a, *two = b;
    if (one->sequence != two->sequence)
        return one->sequence < two->sequence ? -1 : 1;
    return strcmp(one->name, two->name);
}

static lode_status list_locked(struct collection *collection, lode_snapshot_list **ret_list,
                               lode_error *error)
{
    const struct named *named = &collection->named;
    size_t names_at = sizeof(struct listing) + named->count * sizeof(lode_snapshot_info);
    size_t size = names_at + named->count * (LODE_NAME_SIZE_MAX + 1);
    struct listing *listing = calloc(1, size);
    if (!listing)
        return error_nomem(error, "a list of snapshots", size);
    char *names = (char *)listing + names_at;
    for (size_t i = 0; i < named->count; i++, names += LODE_NAME_SIZE_MAX + 1) {
        const struct named_snapshot *item = &named->items[i];
        if (item->ghost)
            continue;
        memcpy(names, item->saved.name, strlen(item->saved.name) + 1);
        listing->infos[listing->head.count++] = (lode_snapshot_info){
            .name = names,
            .sequence = item->saved.sequence,
            .generation = item->saved.generation,
            .points = item->saved.point_count,
            .created_us = item->saved.created_us,
            .own_bytes = own_bytes(collection, &item->saved),
            .damaged = item->damaged,
        };
    }
    qsort(listing->infos, listing->head.count, sizeof *listing->infos, by_age);
    listing->head.snapshots = listing->infos;
    *ret_list = &listing->head;
    return LODE_OK;
}

lode_status named_list(struct collection *collection, lode_snapshot_list **ret_list,
                       lode_error *error)
{
    mutex_lock(&collection->named.mutex);
    lode_status status = list_locked(collection, ret_list, error);
    leave(&collection->named);
    return status;
}

uint32_t named_count(struct collection *collection)
{
    return atomic_load_explicit(&collection->named.shown, memory_order_relaxed);
}
