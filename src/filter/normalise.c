/* normalise.c: trees made simpler without changing what they match.
 *
 * Negations go down to the conditions first. Then each AND and OR sorts its conditions, so that those of one
 * field stand together, and merges neighbours. Two lists or ranges of one field are intersected only where
 * documents have one value of it: of an array, one element may satisfy the one and another the other. */
#include "filter/bind.h"

#include <stdlib.h>
#include <string.h>

struct normaliser {
    struct filter_maker maker;
};

/* Items of a group, growing, in memory of their own. */
struct items {
    struct buf buf;
};

static lode_status simplify(struct normaliser *normaliser, const struct filter *filter, int negated,
                            const struct filter **ret_filter);

static size_t items_count(const struct items *items)
{
    return items->buf.size / sizeof(const struct filter *);
}

static const struct filter **items_data(const struct items *items)
{
    return (const struct filter **)(void *)items->buf.data;
}

static lode_status items_push(struct normaliser *normaliser, struct items *items,
                              const struct filter *filter)
{
    return buf_append(&items->buf, &filter, sizeof(const struct filter *), normaliser->maker.error);
}

static lode_status constant(struct normaliser *normaliser, int truth,
                            const struct filter **ret_filter)
{
    return filter_constant(&normaliser->maker, truth, ret_filter);
}

static struct filter *copy_node(struct normaliser *normaliser, const struct filter *filter)
{
    struct filter *copy =
        (struct filter *)(void *)arena_copy(normaliser->maker.arena, filter, sizeof *filter);
    if (!copy)
        (void)error_nomem(normaliser->maker.error, "a filter", sizeof *filter);
    return copy;
}

/* --- Conditions --------------------------------------------------------------------------------- */

/* <0, 0, >0: whether a range has room between its bounds, is one value, or is empty. */
static int range_shape(const struct filter *filter)
{
    if (!filter->range.has_low || !filter->range.has_high)
        return -1;
    int order = value_compare(&filter->range.low, &filter->range.high);
    if (order == 0 && (filter->range.low_open || filter->range.high_open))
        return 1;
    return order;
}

static lode_status list_of(struct normaliser *normaliser, const struct filter *like,
                           const struct value *values, size_t count,
                           const struct filter **ret_filter)
{
    struct filter *copy = copy_node(normaliser, like);
    char *copies = arena_copy(normaliser->maker.arena, values, count * sizeof *values);
    if (!copy || !copies)
        return error_nomem(normaliser->maker.error, "a filter", count * sizeof *values);
    copy->kind = FILTER_IN;
    copy->list.values = (const struct value *)(void *)copies;
    copy->list.count = count;
    *ret_filter = copy;
    return LODE_OK;
}

/* A condition, or the constant that it is. */
static lode_status simplify_condition(struct normaliser *normaliser, const struct filter *filter,
                                      const struct filter **ret_filter)
{
    *ret_filter = filter;
    switch (filter->kind) {
    case FILTER_IN: return filter->list.count ? LODE_OK : constant(normaliser, 0, ret_filter);
    case FILTER_ALL:
        if (filter->list.count == 1)
            return list_of(normaliser, filter, filter->list.values, 1, ret_filter);
        return filter->list.count ? LODE_OK : constant(normaliser, 1, ret_filter);
    case FILTER_ID: return filter->id.count ? LODE_OK : constant(normaliser, 0, ret_filter);
    case FILTER_RANGE: {
        const struct value low = filter->range.low;
        if (range_shape(filter) > 0)
            return constant(normaliser, 0, ret_filter);
        if (range_shape(filter) == 0)
            return list_of(normaliser, filter, &low, 1, ret_filter);
        return LODE_OK;
    }
    default: return LODE_OK;
    }
}

static lode_status simplify_nested(struct normaliser *normaliser, const struct filter *filter,
                                   const struct filter **ret_filter)
{
    const struct filter *item = NULL;
    lode_status status = simplify(normaliser, filter->group.items[0], 0, &item);
    if (status || item->kind == FILTER_FALSE) {
        *ret_filter = item;
        return status;
    }
    struct filter *copy = NULL;
    status = filter_nested(&normaliser->maker, filter->path, item, ret_filter);
    if (!status)
        copy = copy_node(normaliser, *ret_filter);
    if (!copy)
        return status ? status : LODE_NOMEM;
    copy->type = filter->type;
    copy->many = filter->many;
    *ret_filter = copy;
    return LODE_OK;
}

static lode_status negate(struct normaliser *normaliser, const struct filter *filter,
                          const struct filter **ret_filter)
{
    if (filter->kind == FILTER_TRUE || filter->kind == FILTER_FALSE)
        return constant(normaliser, filter->kind == FILTER_FALSE, ret_filter);
    return filter_not(&normaliser->maker, filter, ret_filter);
}

/* --- Merging ------------------------------------------------------------------------------------ */

static int is_negated(const struct filter *filter)
{
    return filter->kind == FILTER_NOT;
}

static const struct filter *bare(const struct filter *filter)
{
    return is_negated(filter) ? filter->group.items[0] : filter;
}

/* By condition; a condition and its negation stand together. */
static int order_items(const void *a_void, const void *b_void)
{
    const struct filter *a = *(const struct filter *const *)a_void;
    const struct filter *b = *(const struct filter *const *)b_void;
    int order = filter_compare(bare(a), bare(b));
    return order ? order : is_negated(a) - is_negated(b);
}

static size_t intersect_values(const struct filter *a, const struct filter *b, struct value *out)
{
    size_t i = 0, j = 0, count = 0;
    while (i < a->list.count && j < b->list.count) {
        int order = value_compare(&a->list.values[i], &b->list.values[j]);
        if (order == 0)
            out[count++] = a->list.values[i];
        i += order <= 0;
        j += order >= 0;
    }
    return count;
}

static lode_status intersect_lists(struct normaliser *normaliser, const struct filter *a,
                                   const struct filter *b, const struct filter **ret_filter)
{
    struct filter *copy = copy_node(normaliser, a);
    size_t size = (a->list.count + b->list.count) * sizeof(struct value);
    struct value *values = arena_alloc(normaliser->maker.arena, size);
    if (!copy || !values)
        return error_nomem(normaliser->maker.error, "a filter", size);
    copy->list.count = intersect_values(a, b, values);
    copy->list.values = values;
    *ret_filter = copy;
    return LODE_OK;
}

static lode_status intersect_ids(struct normaliser *normaliser, const struct filter *a,
                                 const struct filter *b, const struct filter **ret_filter)
{
    struct filter *copy = copy_node(normaliser, a);
    size_t size = (a->id.count + b->id.count) * sizeof(lode_id), count = 0;
    lode_id *ids = arena_alloc(normaliser->maker.arena, size);
    if (!copy || !ids)
        return error_nomem(normaliser->maker.error, "a filter", size);
    for (size_t i = 0, j = 0; i < a->id.count && j < b->id.count;) {
        int order = lode_id_compare(&a->id.ids[i], &b->id.ids[j]);
        if (order == 0)
            ids[count++] = a->id.ids[i];
        i += order <= 0;
        j += order >= 0;
    }
    copy->id.ids = ids;
    copy->id.count = count;
    *ret_filter = copy;
    return LODE_OK;
}

static int same_field(const struct filter *a, const struct filter *b)
{
    if (a->kind == FILTER_ID || b->kind == FILTER_ID)
        return a->kind == b->kind;
    return a->path && b->path && strcmp(a->path->text, b->path->text) == 0;
}

/* How many items from the first on are lists of one field, all negated or none. */
static size_t lists_at(const struct filter *const *items, size_t count)
{
    const struct filter *first = bare(items[0]);
    size_t length = 1;
    if (first->kind != FILTER_IN && first->kind != FILTER_ID)
        return 1;
    while (length < count && is_negated(items[length]) == is_negated(items[0]) &&
           bare(items[length])->kind == first->kind && same_field(bare(items[length]), first))
        length++;
    return length;
}

/* All of some lists of values or ids as one, whose own copy this fills. */
static lode_status unite_lists(struct normaliser *normaliser, const struct filter *const *items,
                               size_t count, struct filter *united)
{
    int is_id = united->kind == FILTER_ID;
    size_t unit = is_id ? sizeof(lode_id) : sizeof(struct value), all = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        all += is_id ? bare(items[i])->id.count : bare(items[i])->list.count;
    char *memory = arena_alloc(normaliser->maker.arena, all * unit);
    if (!memory)
        return error_nomem(normaliser->maker.error, "a filter", all * unit);
    for (size_t i = 0; i < count; i++) {
        const struct filter *item = bare(items[i]);
        size_t more = is_id ? item->id.count : item->list.count;
        memcpy(memory + used * unit,
               is_id ? (const void *)item->id.ids : (const void *)item->list.values, more * unit);
        used += more;
    }
    if (is_id) {
        united->id.ids = (lode_id *)(void *)memory;
        united->id.count = ids_sort((lode_id *)(void *)memory, all);
    } else {
        united->list.values = (struct value *)(void *)memory;
        united->list.count = values_sort((struct value *)(void *)memory, all);
    }
    return LODE_OK;
}

static void narrow(struct filter *to, const struct filter *by)
{
    int low = to->range.has_low && by->range.has_low ? value_compare(&by->range.low, &to->range.low)
              : by->range.has_low                    ? 1
                                                     : -1;
    int high = to->range.has_high && by->range.has_high
                   ? value_compare(&by->range.high, &to->range.high)
               : by->range.has_high ? -1
                                    : 1;
    if (low > 0) {
        to->range.low = by->range.low;
        to->range.low_open = by->range.low_open;
        to->range.has_low = 1;
    } else if (low == 0) {
        to->range.low_open |= by->range.low_open;
    }
    if (high < 0) {
        to->range.high = by->range.high;
        to->range.high_open = by->range.high_open;
        to->range.has_high = 1;
    } else if (high == 0) {
        to->range.high_open |= by->range.high_open;
    }
}

static lode_status intersect_ranges(struct normaliser *normaliser, const struct filter *a,
                                    const struct filter *b, const struct filter **ret_filter)
{
    struct filter *copy = copy_node(normaliser, a);
    if (!copy)
        return LODE_NOMEM;
    narrow(copy, b);
    return simplify_condition(normaliser, copy, ret_filter);
}

static int in_range(const struct filter *range, const struct value *value)
{
    int low = range->range.has_low ? value_compare(value, &range->range.low) : 1;
    int high = range->range.has_high ? value_compare(value, &range->range.high) : -1;
    return low >= range->range.low_open && high <= -range->range.high_open;
}

/* Those of a list that are within a range. */
static lode_status cut_list(struct normaliser *normaliser, const struct filter *list,
                            const struct filter *range, const struct filter **ret_filter)
{
    struct filter *copy = copy_node(normaliser, list);
    size_t size = list->list.count * sizeof(struct value), count = 0;
    struct value *values = arena_alloc(normaliser->maker.arena, size);
    if (!copy || !values)
        return error_nomem(normaliser->maker.error, "a filter", size);
    for (size_t i = 0; i < list->list.count; i++) {
        if (in_range(range, &list->list.values[i]))
            values[count++] = list->list.values[i];
    }
    copy->list.values = values;
    copy->list.count = count;
    return simplify_condition(normaliser, copy, ret_filter);
}

/* The one condition that two are which must both hold of a value; *ret_merged NULL when there is none. */
static lode_status merge_pair(struct normaliser *normaliser, const struct filter *a,
                              const struct filter *b, const struct filter **ret_merged)
{
    *ret_merged = NULL;
    if (!same_field(a, b) || a->many || b->many)
        return LODE_OK;
    if (a->kind == FILTER_ID)
        return intersect_ids(normaliser, a, b, ret_merged);
    if (a->kind == FILTER_IN && b->kind == FILTER_IN)
        return intersect_lists(normaliser, a, b, ret_merged);
    if (a->kind == FILTER_RANGE && b->kind == FILTER_RANGE)
        return intersect_ranges(normaliser, a, b, ret_merged);
    if (a->kind == FILTER_IN && b->kind == FILTER_RANGE)
        return cut_list(normaliser, a, b, ret_merged);
    return LODE_OK;
}

/* Whether bare items must both hold: x AND y, and NOT x OR NOT y, which is NOT (x AND y). */
static int together(enum filter_kind kind, const struct filter *item)
{
    return (kind == FILTER_AND) != is_negated(item);
}

/* a, b: neighbours of a group. What they are together in *ret_merged, or NULL. */
static lode_status merge_neighbours(struct normaliser *normaliser, enum filter_kind kind,
                                    const struct filter *a, const struct filter *b,
                                    const struct filter **ret_merged)
{
    int negated = is_negated(a);
    *ret_merged = NULL;
    if (filter_compare(bare(a), bare(b)) == 0) {
        if (negated == is_negated(b))
            *ret_merged = a;
        else /* a condition and its negation */
            return constant(normaliser, kind == FILTER_OR, ret_merged);
        return LODE_OK;
    }
    if (negated != is_negated(b))
        return LODE_OK;
    if (!together(kind, a))
        return LODE_OK;
    lode_status status = merge_pair(normaliser, bare(a), bare(b), ret_merged);
    if (!status && *ret_merged)
        status = simplify_condition(normaliser, *ret_merged, ret_merged);
    if (!status && *ret_merged && negated)
        status = negate(normaliser, *ret_merged, ret_merged);
    return status;
}

/* One list for the lists of one field of which one must hold. At once: pair by pair would be quadratic. */
static lode_status unite_run(struct normaliser *normaliser, const struct filter *const *items,
                             size_t count, const struct filter **ret_filter)
{
    struct filter *united = copy_node(normaliser, bare(items[0]));
    lode_status status = united ? unite_lists(normaliser, items, count, united) : LODE_NOMEM;
    if (status)
        return status;
    *ret_filter = united;
    return is_negated(items[0]) ? negate(normaliser, united, ret_filter) : LODE_OK;
}

/* Merge each item with what is left of those before it, as far as they are of its field. */
static lode_status merge_items(struct normaliser *normaliser, enum filter_kind kind,
                               struct items *items)
{
    const struct filter **data = items_data(items);
    size_t kept = 0, count = items_count(items);
    lode_status status = LODE_OK;
    for (size_t i = 0, run; !status && i < count; i += run) {
        const struct filter *item = data[i], *merged = NULL;
        run = together(kind, item) ? 1 : lists_at(data + i, count - i);
        if (run > 1)
            status = unite_run(normaliser, data + i, run, &item);
        if (!status && kept > 0)
            status = merge_neighbours(normaliser, kind, data[kept - 1], item, &merged);
        if (merged)
            data[kept - 1] = merged;
        else
            data[kept++] = item;
    }
    items->buf.size = kept * sizeof(const struct filter *);
    return status;
}

/* Whether a constant decides the group; takes out those that do not matter. */
static int fold_constants(enum filter_kind kind, struct items *items)
{
    enum filter_kind decides = kind == FILTER_AND ? FILTER_FALSE : FILTER_TRUE;
    enum filter_kind nothing = kind == FILTER_AND ? FILTER_TRUE : FILTER_FALSE;
    const struct filter **data = items_data(items);
    size_t kept = 0;
    for (size_t i = 0; i < items_count(items); i++) {
        if (data[i]->kind == decides)
            return 1;
        if (data[i]->kind != nothing)
            data[kept++] = data[i];
    }
    items->buf.size = kept * sizeof(const struct filter *);
    return 0;
}

/* An AND or OR of simplified items. */
static lode_status join(struct normaliser *normaliser, enum filter_kind kind, struct items *items,
                        const struct filter **ret_filter)
{
    if (fold_constants(kind, items))
        return constant(normaliser, kind == FILTER_OR, ret_filter);
    if (items_count(items) > 1)
        qsort(items->buf.data, items_count(items), sizeof(const struct filter *), order_items);
    lode_status status = merge_items(normaliser, kind, items);
    if (status)
        return status;
    if (fold_constants(kind, items))
        return constant(normaliser, kind == FILTER_OR, ret_filter);
    return filter_group(&normaliser->maker, kind, items_data(items), items_count(items),
                        ret_filter);
}

/* --- Groups ------------------------------------------------------------------------------------- */

/* Simplify and add; the items of a group of the same kind one by one. */
static lode_status add_item(struct normaliser *normaliser, enum filter_kind kind,
                            const struct filter *filter, int negated, struct items *items)
{
    const struct filter *item = NULL;
    lode_status status = simplify(normaliser, filter, negated, &item);
    if (status || item->kind != kind || kind == FILTER_AT_LEAST)
        return status ? status : items_push(normaliser, items, item);
    for (uint32_t i = 0; !status && i < item->group.count; i++)
        status = items_push(normaliser, items, item->group.items[i]);
    return status;
}

static lode_status add_items(struct normaliser *normaliser, enum filter_kind kind,
                             const struct filter *filter, int negated, struct items *items)
{
    lode_status status = LODE_OK;
    buf_init(&items->buf, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
    for (uint32_t i = 0; !status && i < filter->group.count; i++)
        status = add_item(normaliser, kind, filter->group.items[i], negated, items);
    return status;
}

static lode_status simplify_joined(struct normaliser *normaliser, const struct filter *filter,
                                   int negated, const struct filter **ret_filter)
{
    struct items items;
    enum filter_kind kind = filter->kind;
    if (negated)
        kind = kind == FILTER_AND ? FILTER_OR : FILTER_AND;
    lode_status status = add_items(normaliser, kind, filter, negated, &items);
    if (!status)
        status = join(normaliser, kind, &items, ret_filter);
    buf_release(&items.buf);
    return status;
}

/* Take constants out; what is still missing of those that must hold. */
static int64_t still_least(struct items *items, int64_t least)
{
    const struct filter **data = items_data(items);
    size_t kept = 0;
    for (size_t i = 0; i < items_count(items); i++) {
        least -= data[i]->kind == FILTER_TRUE;
        if (data[i]->kind != FILTER_TRUE && data[i]->kind != FILTER_FALSE)
            data[kept++] = data[i];
    }
    items->buf.size = kept * sizeof(const struct filter *);
    return least;
}

static lode_status choose(struct normaliser *normaliser, struct items *items, int64_t least,
                          const struct filter **ret_filter)
{
    size_t count = items_count(items);
    if (least <= 0 || least > (int64_t)count)
        return constant(normaliser, least <= 0, ret_filter);
    if (least == 1 || least == (int64_t)count) {
        struct items flat = {.buf = {0}};
        enum filter_kind kind = least == 1 ? FILTER_OR : FILTER_AND;
        lode_status status = LODE_OK;
        buf_init(&flat.buf, (size_t)FILTER_NODES_MAX * sizeof(const struct filter *));
        for (size_t i = 0; !status && i < count; i++)
            status = add_item(normaliser, kind, items_data(items)[i], 0, &flat);
        if (!status)
            status = join(normaliser, kind, &flat, ret_filter);
        buf_release(&flat.buf);
        return status;
    }
    return filter_at_least(&normaliser->maker, (size_t)least, items_data(items), count, ret_filter);
}

/* Not at least k of n hold: at least n - k + 1 do not. */
static lode_status simplify_at_least(struct normaliser *normaliser, const struct filter *filter,
                                     int negated, const struct filter **ret_filter)
{
    struct items items;
    int64_t least = filter->group.least;
    if (negated)
        least = (int64_t)filter->group.count - least + 1;
    lode_status status = add_items(normaliser, FILTER_AT_LEAST, filter, negated, &items);
    if (!status)
        status = choose(normaliser, &items, still_least(&items, least), ret_filter);
    buf_release(&items.buf);
    return status;
}

static lode_status simplify(struct normaliser *normaliser, const struct filter *filter, int negated,
                            const struct filter **ret_filter)
{
    lode_status status = LODE_OK;
    const struct filter *simple = filter;
    switch (filter->kind) {
    case FILTER_NOT: return simplify(normaliser, filter->group.items[0], !negated, ret_filter);
    case FILTER_AND:
    case FILTER_OR: return simplify_joined(normaliser, filter, negated, ret_filter);
    case FILTER_AT_LEAST: return simplify_at_least(normaliser, filter, negated, ret_filter);
    case FILTER_NESTED: status = simplify_nested(normaliser, filter, &simple); break;
    default: status = simplify_condition(normaliser, filter, &simple); break;
    }
    if (status)
        return status;
    *ret_filter = simple;
    return negated ? negate(normaliser, simple, ret_filter) : LODE_OK;
}

lode_status filter_normalise(const struct filter *filter, struct arena *arena,
                             const struct filter **ret_filter, lode_error *error)
{
    struct normaliser normaliser = {
        .maker = {.arena = arena, .offset = FILTER_NO_OFFSET, .error = error}};
    return simplify(&normaliser, filter, 0, ret_filter);
}
