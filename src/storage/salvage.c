/* salvage.c: reading row by row what a damaged segment still has. A block that fails is tried again for each
 * of its rows: this is not in a hurry. */
#include "storage/salvage.h"

#include "storage/id.h"

#include <stdlib.h>
#include <string.h>

static lode_status read_row(const struct segment *segment, uint32_t row, lode_error *error)
{
    struct document document;
    struct stamp stamp;
    lode_status status = rows_touch(&segment->rows, row, 1, error);
    if (!status)
        status = segment->ops->document(segment, row, &document, error);
    return status ? status : segment->ops->stamp(segment, row, &stamp, error);
}

static void lose(struct segment_view *view, uint32_t row)
{
    INVARIANT(view->live);
    bitset_unset(view->live->words, row);
    view->live_count--;
}

lode_status salvage_rows(struct segment_view *view, salvage_lost_fn *lost, void *context,
                         lode_error *error)
{
    const struct segment *segment = view->segment;
    for (uint32_t row = 0; row < view->row_count; row++) {
        const uint8_t *id = NULL;
        size_t size = 0;
        if (!view_alive(view, row))
            continue;
        lode_status named = segment->ops->id(segment, row, &id, &size, error);
        lode_status status = named ? named : read_row(segment, row, error);
        if (status == LODE_OK)
            continue;
        if (!status_is_damage(status))
            return status;
        lost(context, named ? NULL : id, size);
        lose(view, row);
    }
    return LODE_OK;
}

/* --- Ids that live twice ----------------------------------------------------------------------- */

struct place {
    uint32_t view; /* + 1; 0: empty */
    uint32_t row;
    uint64_t hash;
};

struct places {
    struct segment_view *views;
    struct place *slots;
    size_t mask;
};

static lode_status places_init(struct places *places, struct segment_view *views, size_t view_count,
                               lode_error *error)
{
    uint64_t rows = 0;
    size_t slots = 16;
    for (size_t i = 0; i < view_count; i++)
        rows += views[i].live_count;
    while (slots < rows * 2)
        slots *= 2;
    *places = (struct places){.views = views, .mask = slots - 1};
    places->slots = calloc(slots, sizeof *places->slots);
    return places->slots ? LODE_OK : error_nomem(error, "all ids", slots * sizeof *places->slots);
}

static lode_status sequence_of(const struct segment *segment, uint32_t row, uint64_t *ret_sequence,
                               lode_error *error)
{
    struct stamp stamp;
    lode_status status = segment->ops->stamp(segment, row, &stamp, error);
    if (!status)
        *ret_sequence = stamp.sequence;
    return status;
}

/* One of two rows of an id goes; slot is where the other is, or comes to be. */
static lode_status settle(struct places *places, struct place *slot, const struct place *other,
                          lode_error *error)
{
    struct segment_view *there = &places->views[slot->view - 1];
    struct segment_view *here = &places->views[other->view - 1];
    uint64_t there_sequence = 0, here_sequence = 0;
    lode_status status = sequence_of(there->segment, slot->row, &there_sequence, error);
    if (!status)
        status = sequence_of(here->segment, other->row, &here_sequence, error);
    if (status)
        return status;
    if (here_sequence <= there_sequence) {
        lose(here, other->row);
    } else {
        lose(there, slot->row);
        *slot = *other;
    }
    return LODE_OK;
}

static lode_status add_row(struct places *places, uint32_t view, uint32_t row, lode_error *error)
{
    const struct segment *segment = places->views[view].segment;
    const uint8_t *id, *other;
    size_t size, other_size;
    lode_status status = segment->ops->id(segment, row, &id, &size, error);
    if (status)
        return status;
    struct place place = {.view = view + 1, .row = row, .hash = id_hash(id, size)};
    for (size_t at = (size_t)place.hash & places->mask;; at = (at + 1) & places->mask) {
        struct place *slot = &places->slots[at];
        if (slot->view == 0) {
            *slot = place;
            return LODE_OK;
        }
        if (slot->hash != place.hash)
            continue;
        const struct segment *there = places->views[slot->view - 1].segment;
        status = there->ops->id(there, slot->row, &other, &other_size, error);
        if (status)
            return status;
        if (other_size == size && memcmp(other, id, size) == 0)
            return settle(places, slot, &place, error);
    }
}

lode_status salvage_ids_once(struct segment_view *views, size_t view_count, lode_error *error)
{
    struct places places;
    lode_status status = places_init(&places, views, view_count, error);
    for (uint32_t v = 0; !status && v < view_count; v++)
        for (uint32_t row = 0; !status && row < views[v].row_count; row++)
            if (view_alive(&views[v], row))
                status = add_row(&places, v, row, error);
    free(places.slots);
    return status;
}
