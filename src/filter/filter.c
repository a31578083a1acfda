/* filter.c: building nodes. */
#include "filter/filter.h"

#include <string.h>

#include "base/utf8.h"
#include "base/words.h"
#include "filter/glob.h"
#include "filter/regex.h"

static const char *const kind_names[] = {
    [FILTER_TRUE] = "true",     [FILTER_FALSE] = "false",
    [FILTER_AND] = "and",       [FILTER_OR] = "or",
    [FILTER_NOT] = "not",       [FILTER_AT_LEAST] = "at least",
    [FILTER_NESTED] = "nested", [FILTER_IN] = "in",
    [FILTER_ALL] = "all",       [FILTER_RANGE] = "a range",
    [FILTER_EXISTS] = "exists", [FILTER_NULL] = "null",
    [FILTER_PREFIX] = "prefix", [FILTER_GLOB] = "glob",
    [FILTER_REGEX] = "regex",   [FILTER_MATCH] = "match",
    [FILTER_PHRASE] = "phrase", [FILTER_CIRCLE] = "a circle",
    [FILTER_BOX] = "a box",     [FILTER_POLYGON] = "a polygon",
    [FILTER_ID] = "@id",
};

const char *filter_kind_name(enum filter_kind kind)
{
    return kind_names[kind];
}

lode_status filter_push(struct buf *list, const void *item, size_t item_size, const char *what,
                        lode_error *error)
{
    if (list->size + item_size > list->size_max)
        return error_set(error, LODE_LIMIT, "filter: more than %zu %s", list->size_max / item_size,
                         what);
    return buf_append(list, item, item_size, error);
}

static struct filter *node_new(const struct filter_maker *maker, enum filter_kind kind,
                               const struct path *path)
{
    struct filter *node = arena_alloc_zero(maker->arena, sizeof *node);
    if (!node) {
        (void)error_nomem(maker->error, "a filter", sizeof *node);
        return NULL;
    }
    node->kind = kind;
    node->offset = maker->offset;
    node->path = path;
    node->node_count = node->depth = 1;
    return node;
}

lode_status filter_constant(const struct filter_maker *maker, int truth,
                            const struct filter **ret_filter)
{
    const struct filter *node = node_new(maker, truth ? FILTER_TRUE : FILTER_FALSE, NULL);
    if (!node)
        return LODE_NOMEM;
    *ret_filter = node;
    return LODE_OK;
}

/* A node above others: counts them, copies the list. */
static lode_status group_new(const struct filter_maker *maker, const struct filter *like,
                             const struct filter *const *items, size_t count,
                             const struct filter **ret_filter)
{
    uint64_t node_count = 1;
    uint32_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        node_count += items[i]->node_count;
        depth = items[i]->depth > depth ? items[i]->depth : depth;
    }
    if (node_count > FILTER_NODES_MAX)
        return error_set(maker->error, LODE_LIMIT, "filter of %llu conditions: at most %d",
                         (unsigned long long)node_count, FILTER_NODES_MAX);
    if (depth >= FILTER_DEPTH_MAX)
        return error_set(maker->error, LODE_LIMIT, "filter nested more than %d deep",
                         FILTER_DEPTH_MAX);
    struct filter *node = node_new(maker, like->kind, like->path);
    char *copy = arena_copy(maker->arena, items, count * sizeof(const struct filter *));
    if (!node || !copy)
        return error_nomem(maker->error, "a filter", count * sizeof(const struct filter *));
    node->node_count = (uint32_t)node_count;
    node->depth = depth + 1;
    node->group.items = (const struct filter *const *)(void *)copy;
    node->group.count = (uint32_t)count;
    node->group.least = like->group.least;
    *ret_filter = node;
    return LODE_OK;
}

lode_status filter_group(const struct filter_maker *maker, enum filter_kind and_or_or,
                         const struct filter *const *items, size_t count,
                         const struct filter **ret_filter)
{
    if (count == 0)
        return filter_constant(maker, and_or_or == FILTER_AND, ret_filter);
    if (count == 1) {
        *ret_filter = items[0];
        return LODE_OK;
    }
    return group_new(maker, &(struct filter){.kind = and_or_or}, items, count, ret_filter);
}

lode_status filter_not(const struct filter_maker *maker, const struct filter *item,
                       const struct filter **ret_filter)
{
    return group_new(maker, &(struct filter){.kind = FILTER_NOT}, &item, 1, ret_filter);
}

lode_status filter_at_least(const struct filter_maker *maker, size_t least,
                            const struct filter *const *items, size_t count,
                            const struct filter **ret_filter)
{
    if (least < 1 || least > count)
        return error_set(maker->error, LODE_INVALID,
                         "at least %zu of %zu filters: it must be from 1 to their number", least,
                         count);
    const struct filter like = {.kind = FILTER_AT_LEAST, .group.least = (uint32_t)least};
    return group_new(maker, &like, items, count, ret_filter);
}

lode_status filter_nested(const struct filter_maker *maker, const struct path *path,
                          const struct filter *item, const struct filter **ret_filter)
{
    const struct filter like = {.kind = FILTER_NESTED, .path = path};
    return group_new(maker, &like, &item, 1, ret_filter);
}

/* Copies a value, its text included. */
static lode_status copy_value(const struct filter_maker *maker, const struct value *from,
                              struct value *to)
{
    *to = *from;
    if (!from->text)
        return LODE_OK;
    if (utf8_valid_prefix(from->text, from->size) != from->size)
        return error_set(maker->error, LODE_INVALID, "filter: a string that is not UTF-8");
    to->text = arena_copy(maker->arena, from->text, from->size);
    return to->text ? LODE_OK : error_nomem(maker->error, "a filter", from->size);
}

static lode_status too_long(const struct filter_maker *maker, size_t count)
{
    return error_set(maker->error, LODE_LIMIT, "filter: a list of %zu values: at most %d", count,
                     FILTER_VALUES_MAX);
}

lode_status filter_list(const struct filter_maker *maker, enum filter_kind kind,
                        const struct path *path, const struct value *values, size_t count,
                        const struct filter **ret_filter)
{
    if (count > FILTER_VALUES_MAX)
        return too_long(maker, count);
    struct filter *node = node_new(maker, kind, path);
    struct value *copies = arena_alloc(maker->arena, count * sizeof *copies);
    if (!node || !copies)
        return error_nomem(maker->error, "a filter", count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        lode_status status = copy_value(maker, &values[i], &copies[i]);
        if (status)
            return status;
    }
    node->list.values = copies;
    node->list.count = count;
    *ret_filter = node;
    return LODE_OK;
}

static int is_boolean(const struct value *value)
{
    return value && value->kind == VALUE_BOOLEAN;
}

lode_status filter_range(const struct filter_maker *maker, const struct path *path,
                         const struct filter_bounds *bounds, const struct filter **ret_filter)
{
    lode_status status = LODE_OK;
    if (!bounds->low && !bounds->high)
        return error_set(maker->error, LODE_INVALID, "filter: a range without bounds");
    if (is_boolean(bounds->low) || is_boolean(bounds->high))
        return error_set(maker->error, LODE_INVALID, "a range: true and false have no order");
    struct filter *node = node_new(maker, FILTER_RANGE, path);
    if (!node)
        return LODE_NOMEM;
    if (bounds->low)
        status = copy_value(maker, bounds->low, &node->range.low);
    if (!status && bounds->high)
        status = copy_value(maker, bounds->high, &node->range.high);
    node->range.has_low = bounds->low != NULL;
    node->range.has_high = bounds->high != NULL;
    node->range.low_open = bounds->low && bounds->low_open;
    node->range.high_open = bounds->high && bounds->high_open;
    if (!status)
        *ret_filter = node;
    return status;
}

lode_status filter_presence(const struct filter_maker *maker, enum filter_kind kind,
                            const struct path *path, const struct filter **ret_filter)
{
    const struct filter *node = node_new(maker, kind, path);
    if (!node)
        return LODE_NOMEM;
    *ret_filter = node;
    return LODE_OK;
}

static lode_status check_words(const struct filter_maker *maker, enum filter_kind kind,
                               const char *text, size_t size)
{
    struct words words;
    size_t word_size;
    if (size > FILTER_WORDS_SIZE_MAX)
        return error_set(maker->error, LODE_LIMIT, "%s: a text of %zu bytes: at most %d",
                         kind_names[kind], size, FILTER_WORDS_SIZE_MAX);
    words_begin(&words, text, size);
    if (words_next(&words, &word_size))
        return LODE_OK;
    return error_set(maker->error, LODE_INVALID, "%s: there is no word in '%.*s'", kind_names[kind],
                     size < 40 ? (int)size : 40, text);
}

/* A regex is compiled when the tree is bound; here only to see that it can be. */
static lode_status check_regex(const struct filter_maker *maker, const char *text, size_t size)
{
    struct arena scratch;
    const struct regex *regex;
    arena_init(&scratch);
    lode_status status = regex_compile(&scratch, text, size, &regex, maker->error);
    arena_release(&scratch);
    return status;
}

static lode_status check_pattern(const struct filter_maker *maker, enum filter_kind kind,
                                 const char *text, size_t size)
{
    if (utf8_valid_prefix(text, size) != size)
        return error_set(maker->error, LODE_INVALID, "filter: a string that is not UTF-8");
    switch (kind) {
    case FILTER_GLOB: return glob_check(text, size, maker->error);
    case FILTER_REGEX: return check_regex(maker, text, size);
    case FILTER_MATCH:
    case FILTER_PHRASE: return check_words(maker, kind, text, size);
    default: return LODE_OK;
    }
}

lode_status filter_pattern(const struct filter_maker *maker, enum filter_kind kind,
                           const struct path *path, const char *text, size_t size,
                           const struct filter **ret_filter)
{
    lode_status status = check_pattern(maker, kind, text, size);
    if (status)
        return status;
    struct filter *node = node_new(maker, kind, path);
    char *copy = arena_copy(maker->arena, text, size);
    if (!node || !copy)
        return error_nomem(maker->error, "a filter", size);
    node->pattern.text = copy;
    node->pattern.size = size;
    *ret_filter = node;
    return LODE_OK;
}

lode_status filter_circle(const struct filter_maker *maker, const struct path *path,
                          const struct geo_circle *circle, const struct filter **ret_filter)
{
    lode_status status = geo_circle_check(circle, maker->error);
    struct filter *node = status ? NULL : node_new(maker, FILTER_CIRCLE, path);
    if (!node)
        return status ? status : LODE_NOMEM;
    node->circle = *circle;
    *ret_filter = node;
    return LODE_OK;
}

lode_status filter_box(const struct filter_maker *maker, const struct path *path,
                       const struct geo_box *box, const struct filter **ret_filter)
{
    lode_status status = geo_box_check(box, maker->error);
    struct filter *node = status ? NULL : node_new(maker, FILTER_BOX, path);
    if (!node)
        return status ? status : LODE_NOMEM;
    node->box = *box;
    *ret_filter = node;
    return LODE_OK;
}

lode_status filter_polygon(const struct filter_maker *maker, const struct path *path,
                           const struct geo_ring *rings, size_t count,
                           const struct filter **ret_filter)
{
    if (count < 1 || count > GEO_RINGS_MAX)
        return error_set(maker->error, count ? LODE_LIMIT : LODE_INVALID,
                         "polygon of %zu rings: from 1 to %d", count, GEO_RINGS_MAX);
    struct filter *node = node_new(maker, FILTER_POLYGON, path);
    char *copy = arena_copy(maker->arena, rings, count * sizeof *rings);
    if (!node || !copy)
        return error_nomem(maker->error, "a filter", count * sizeof *rings);
    node->polygon.rings = (const struct geo_ring *)(void *)copy;
    node->polygon.ring_count = count;
    *ret_filter = node;
    return LODE_OK;
}

static lode_status copy_id(const struct filter_maker *maker, const lode_id *from, lode_id *to)
{
    *to = *from;
    if (from->kind != LODE_ID_STRING)
        return LODE_OK;
    if (from->string_size == 0 || from->string_size > LODE_ID_SIZE_MAX)
        return error_set(maker->error, LODE_INVALID, "@id: a string of %zu bytes: from 1 to %d",
                         from->string_size, LODE_ID_SIZE_MAX);
    if (utf8_valid_prefix(from->string, from->string_size) != from->string_size ||
        memchr(from->string, 0, from->string_size))
        return error_set(maker->error, LODE_INVALID,
                         "@id: a string that is not UTF-8 or holds a NUL byte");
    to->string = arena_copy(maker->arena, from->string, from->string_size);
    return to->string ? LODE_OK : error_nomem(maker->error, "a filter", from->string_size);
}

lode_status filter_id(const struct filter_maker *maker, const lode_id *ids, size_t count,
                      const struct filter **ret_filter)
{
    if (count > FILTER_VALUES_MAX)
        return too_long(maker, count);
    struct filter *node = node_new(maker, FILTER_ID, NULL);
    lode_id *copies = arena_alloc(maker->arena, count * sizeof *copies);
    if (!node || !copies)
        return error_nomem(maker->error, "a filter", count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        lode_status status = copy_id(maker, &ids[i], &copies[i]);
        if (status)
            return status;
    }
    node->id.ids = copies;
    node->id.count = count;
    *ret_filter = node;
    return LODE_OK;
}
