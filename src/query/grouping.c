/* grouping.c: see grouping.h. */
#include "query/grouping.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "filter/filter.h"
#include "os/stop.h"

#define HITS_BETWEEN_LOOKS 64u /* at the caller's wish: of each a document is read */

/* --- The table ---------------------------------------------------------------------------------- */

/* Of values that are equal it is the same: an integer and a double may be. */
static uint64_t hash_value(const struct value *value)
{
    int64_t integer = value->integer;
    switch (value->kind) {
    case VALUE_STRING: return hash64(value->text, value->size, VALUE_STRING);
    case VALUE_UUID: return hash64(value->uuid, sizeof value->uuid, VALUE_UUID);
    case VALUE_FLOAT:
        if (value->number >= -0x1p63 && value->number < 0x1p63 &&
            (double)(int64_t)value->number == value->number)
            integer = (int64_t)value->number;
        break;
    default: break;
    }
    return hash64(&integer, sizeof integer, VALUE_INTEGER);
}

static uint32_t *find_slot(const struct grouping *grouping, const struct value *value)
{
    size_t mask = grouping->slot_count - 1;
    for (size_t i = (size_t)hash_value(value) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &grouping->slots[i];
        if (*slot == 0 || value_compare(&grouping->groups[*slot - 1].value, value) == 0)
            return slot;
    }
}

/* --- Life --------------------------------------------------------------------------------------- */

lode_status grouping_init(struct grouping *grouping, const struct field *field, size_t groups_max,
                          size_t per_group, lode_error *error)
{
    *grouping = (struct grouping){.groups_max = groups_max,
                                  .per_group = per_group,
                                  .missing = groups_max * per_group,
                                  .slot_count = 16};
    arena_init(&grouping->arena);
    lode_status status = field_reader_init(&grouping->reader, field, error);
    if (status)
        return status;
    while (grouping->slot_count < groups_max * 2)
        grouping->slot_count *= 2;
    grouping->groups = calloc(groups_max, sizeof *grouping->groups);
    grouping->slots = calloc(grouping->slot_count, sizeof *grouping->slots);
    return grouping->groups && grouping->slots
               ? LODE_OK
               : error_nomem(error, "groups", groups_max * sizeof *grouping->groups);
}

void grouping_release(struct grouping *grouping)
{
    field_reader_release(&grouping->reader);
    arena_release(&grouping->arena);
    free(grouping->groups);
    free(grouping->slots);
}

/* --- Hits --------------------------------------------------------------------------------------- */

static lode_status begin_group(struct grouping *grouping, const struct value *value, uint32_t *slot,
                               lode_error *error)
{
    struct group group = {.value = *value};
    group.hits = arena_alloc(&grouping->arena, grouping->per_group * sizeof *group.hits);
    if (value->kind == VALUE_STRING)
        group.value.text =
            arena_copy(&grouping->arena, value->size ? value->text : "", value->size);
    if (!group.hits || (value->kind == VALUE_STRING && !group.value.text))
        return error_nomem(error, "groups", grouping->per_group * sizeof *group.hits);
    grouping->groups[grouping->count++] = group;
    *slot = (uint32_t)grouping->count;
    return LODE_OK;
}

/* A document that has the value twice is one hit of its group. */
static int is_in(const struct group *group, const struct query_hit *hit)
{
    const struct query_hit *last = group->count ? &group->hits[group->count - 1] : NULL;
    return last && last->view == hit->view && last->row == hit->row;
}

static lode_status add_value(void *context, const struct value *value, lode_error *error)
{
    struct grouping *grouping = context;
    uint32_t *slot = find_slot(grouping, value);
    if (*slot == 0 && grouping->count == grouping->groups_max)
        return LODE_OK;
    lode_status status = *slot == 0 ? begin_group(grouping, value, slot, error) : LODE_OK;
    if (status)
        return status;
    struct group *group = &grouping->groups[*slot - 1];
    if (group->count == grouping->per_group || is_in(group, grouping->hit))
        return LODE_OK;
    group->hits[group->count++] = *grouping->hit;
    grouping->missing--;
    return LODE_OK;
}

lode_status grouping_add(struct grouping *grouping, const struct query_hit *hits, size_t count,
                         lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && grouping->missing > 0 && i < count; i++) {
        const struct segment *segment = hits[i].view->segment;
        struct document document;
        grouping->hit = &hits[i];
        if (i % HITS_BETWEEN_LOOKS == HITS_BETWEEN_LOOKS - 1)
            status = stop_look(grouping->stop, error);
        if (!status)
            status = segment->ops->document(segment, hits[i].row, &document, error);
        if (!status)
            status = field_reader_each(&grouping->reader, document.metadata, document.metadata_size,
                                       add_value, grouping, error);
    }
    return status;
}

size_t grouping_values(const struct grouping *grouping, int full, struct value *values)
{
    size_t count = 0;
    for (size_t i = 0; i < grouping->count; i++)
        if ((grouping->groups[i].count == grouping->per_group) == (full != 0))
            values[count++] = grouping->groups[i].value;
    return values_sort(values, count);
}

static int by_first_hit(const void *a, const void *b, void *context)
{
    return query_hit_order(((const struct group *)a)->hits, ((const struct group *)b)->hits,
                           context);
}

lode_status grouping_sort(struct grouping *grouping, lode_error *error)
{
    struct query_order order = {.stop = grouping->stop, .error = error};
    for (size_t i = 0; i < grouping->count; i++)
        qsort_r(grouping->groups[i].hits, grouping->groups[i].count,
                sizeof *grouping->groups[i].hits, query_hit_order, &order);
    if (grouping->count > 0)
        qsort_r(grouping->groups, grouping->count, sizeof *grouping->groups, by_first_hit, &order);
    return order.status;
}
