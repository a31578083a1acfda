/* state.c: see state.h. */
#include "engine/state.h"

#include <stdlib.h>

/* The version, pinned together with its files: none of them can go in between. The lock of the pins is
 * held. */
static lode_status pin_version(struct state *state, lode_error *error)
{
    struct collection *collection = state->collection;
    state->version = collection_pin_model(collection, &state->model);
    size_t count = state->version->view_count + 2;
    state->pins = calloc(count, sizeof *state->pins);
    if (!state->pins)
        return error_nomem(error, "pins of files", count * sizeof *state->pins);
    for (size_t i = 0; i < state->version->view_count; i++) {
        const struct segment *segment = state->version->views[i].segment;
        if (segment->sealed)
            state->pins[state->pin_count++] = (struct pin_key){NAME_VECTORS, segment->number};
    }
    if (state->model)
        state->pins[state->pin_count++] = (struct pin_key){NAME_TEXT_MODEL, state->model->version};
    lode_status status = pins_add(&collection->pins, state->pins, state->pin_count, error);
    if (status)
        state->pin_count = 0;
    return status;
}

/* In the lane, so that nothing is written between the sync, or what expires, and the pin. */
static lode_status pin_durable(struct state *state, lode_error *error)
{
    struct collection *collection = state->collection;
    lane_enter(&collection->lane);
    lode_status status = collection_sync_shown(collection, error);
    if (!status)
        status = collection_expire(collection, collection_now_ms(collection), error);
    if (!status)
        status = requests_encode(&collection->requests, collection->version->sequence,
                                 &state->requests, error);
    if (!status) {
        pins_lock(&collection->pins);
        status = pin_version(state, error);
        pins_unlock(&collection->pins);
    }
    lane_leave(&collection->lane);
    return status;
}

static lode_status list_entries(struct state *state, lode_error *error)
{
    const struct version *version = state->version;
    size_t count = version->view_count + 1;
    state->entries = calloc(count, sizeof *state->entries);
    state->live = calloc(count, sizeof(struct liveset *));
    if (!state->entries || !state->live)
        return error_nomem(error, "a list of segments", count * sizeof *state->entries);
    for (size_t i = 0; i < version->view_count; i++) {
        const struct segment_view *view = &version->views[i];
        uint32_t covered;
        if (!view->segment->sealed)
            continue;
        lode_error reason;
        if (segment_is_damaged(view->segment, DAMAGE_OF_ROWS, &reason)) {
            if (error)
                *error = reason;
            return reason.status;
        }
        state->live[state->entry_count] = view->live;
        state->entries[state->entry_count++] = (struct sealed_entry){
            .number = view->segment->number,
            .row_count = view->row_count,
            .live_count = view->live_count,
            .has_graph = view->segment->ops->index(view->segment, &covered) != NULL,
        };
    }
    return LODE_OK;
}

lode_status state_hold(struct collection *collection, struct state *ret_state, lode_error *error)
{
    struct state *state = ret_state;
    *state = (struct state){.collection = collection};
    buf_init(&state->requests, MANIFEST_REQUESTS_SIZE_MAX);
    lode_status status = pin_durable(state, error);
    state->number = atomic_fetch_add(&collection->next_number, 1);
    if (!status)
        status = list_entries(state, error);
    if (status)
        state_release(state);
    return status;
}

/* The tail is nobody's but its pins'. */
static lode_status pin_tail(struct state *state, lode_error *error)
{
    struct pins *pins = &state->collection->pins;
    struct pin_key key = {NAME_VECTORS, state->number};
    pins_lock(pins);
    lode_status status = pins_add(pins, &key, 1, error);
    pins_unlock(pins);
    if (status)
        return status;
    (void)pins_retire(pins, key);
    state->pins[state->pin_count++] = key;
    return LODE_OK;
}

static lode_status write_rows(struct state *state, const struct store *store,
                              const struct segment_view *views, size_t count, lode_error *error)
{
    uint32_t **row_maps = calloc(count, sizeof *row_maps);
    struct sealed_entry entry;
    if (!row_maps)
        return error_nomem(error, "the rows of growing segments", count * sizeof *row_maps);
    struct sealed_source source = {.views = views, .view_count = count, .row_maps = row_maps};
    lode_status status = sealed_write(store, state->number, &source, &entry, error);
    for (size_t i = 0; i < count; i++)
        free(row_maps[i]);
    free(row_maps);
    if (!status)
        state->entries[state->entry_count++] = entry;
    return status;
}

/* What is written is not needed in memory any more, but by others. Without memory for that, it stays. */
static void let_go(struct state *state, size_t sealed_count)
{
    uint64_t *numbers = malloc((sealed_count + 1) * sizeof *numbers);
    struct version *part = NULL;
    for (size_t i = 0; numbers && i < sealed_count; i++)
        numbers[i] = state->version->views[i].segment->number;
    if (numbers)
        part = version_part(state->version, numbers, sealed_count);
    free(numbers);
    if (!part)
        return;
    version_unref(state->version);
    state->version = part;
}

lode_status state_write_tail(struct state *state, const struct store *store, lode_error *error)
{
    const struct version *version = state->version;
    size_t first = 0;
    uint64_t rows = 0;
    while (first < version->view_count && version->views[first].segment->sealed)
        first++;
    for (size_t i = first; i < version->view_count; i++)
        rows += version->views[i].live_count;
    if (rows == 0)
        return LODE_OK;
    lode_status status = LODE_OK;
    if (store == &state->collection->store)
        status = pin_tail(state, error);
    if (!status)
        status =
            write_rows(state, store, version->views + first, version->view_count - first, error);
    if (!status)
        let_go(state, first);
    return status;
}

void state_keep_pins(struct state *state)
{
    state->pin_count = 0;
}

void state_release(struct state *state)
{
    buf_release(&state->requests);
    free(state->entries);
    free(state->live);
    version_unref(state->version);
    text_model_unref(state->model);
    pins_drop(&state->collection->store, state->pins, state->pin_count);
    free(state->pins);
}
