/* compare.c: an order of trees by what they say, so that equal ones can be found by sorting. */
#include "filter/filter.h"

#include <stdlib.h>
#include <string.h>

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int order_doubles(double a, double b)
{
    return (a > b) - (a < b);
}

static int order_texts(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t common = a_size < b_size ? a_size : b_size;
    int order = common ? memcmp(a, b, common) : 0;
    return order ? order : order_u64(a_size, b_size);
}

static int order_paths(const struct path *a, const struct path *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return order_texts(a->text, a->size, b->text, b->size);
}

static int order_values(const struct value *a, const struct value *b)
{
    int order = value_compare(a, b);
    return order ? order : order_u64(a->kind, b->kind);
}

static int order_groups(const struct filter *a, const struct filter *b)
{
    int order = order_u64(a->group.count, b->group.count);
    if (!order)
        order = order_u64(a->group.least, b->group.least);
    for (uint32_t i = 0; !order && i < a->group.count; i++)
        order = filter_compare(a->group.items[i], b->group.items[i]);
    return order;
}

static int order_lists(const struct filter *a, const struct filter *b)
{
    int order = order_u64(a->list.count, b->list.count);
    for (size_t i = 0; !order && i < a->list.count; i++)
        order = order_values(&a->list.values[i], &b->list.values[i]);
    return order;
}

static unsigned range_shape(const struct filter *filter)
{
    return filter->range.has_low | (unsigned)filter->range.has_high << 1 |
           (unsigned)filter->range.low_open << 2 | (unsigned)filter->range.high_open << 3;
}

static int order_ranges(const struct filter *a, const struct filter *b)
{
    int order = order_u64(range_shape(a), range_shape(b));
    if (!order && a->range.has_low)
        order = order_values(&a->range.low, &b->range.low);
    if (!order && a->range.has_high)
        order = order_values(&a->range.high, &b->range.high);
    return order;
}

static int order_points(const struct geo_point *a, const struct geo_point *b)
{
    int order = order_doubles(a->lat, b->lat);
    return order ? order : order_doubles(a->lon, b->lon);
}

static int order_circles(const struct geo_circle *a, const struct geo_circle *b)
{
    int order = order_points(&a->center, &b->center);
    return order ? order : order_doubles(a->radius_m, b->radius_m);
}

static int order_boxes(const struct geo_box *a, const struct geo_box *b)
{
    const struct geo_point south_west[] = {{a->south, a->west}, {b->south, b->west}};
    const struct geo_point north_east[] = {{a->north, a->east}, {b->north, b->east}};
    int order = order_points(&south_west[0], &south_west[1]);
    return order ? order : order_points(&north_east[0], &north_east[1]);
}

static int order_rings(const struct geo_ring *a, const struct geo_ring *b)
{
    int order = order_u64(a->count, b->count);
    for (size_t i = 0; !order && i < a->count; i++)
        order = order_points(&a->points[i], &b->points[i]);
    return order;
}

static int order_polygons(const struct geo_polygon *a, const struct geo_polygon *b)
{
    int order = order_u64(a->ring_count, b->ring_count);
    for (size_t i = 0; !order && i < a->ring_count; i++)
        order = order_rings(&a->rings[i], &b->rings[i]);
    return order;
}

static int order_ids(const struct filter *a, const struct filter *b)
{
    int order = order_u64(a->id.count, b->id.count);
    for (size_t i = 0; !order && i < a->id.count; i++)
        order = lode_id_compare(&a->id.ids[i], &b->id.ids[i]);
    return order;
}

int filter_compare(const struct filter *a, const struct filter *b)
{
    int order = order_paths(a->path, b->path);
    if (!order)
        order = order_u64(a->kind, b->kind);
    if (order)
        return order;
    switch (a->kind) {
    case FILTER_TRUE:
    case FILTER_FALSE:
    case FILTER_EXISTS:
    case FILTER_NULL: return 0;
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
    case FILTER_AT_LEAST:
    case FILTER_NESTED: return order_groups(a, b);
    case FILTER_IN:
    case FILTER_ALL: return order_lists(a, b);
    case FILTER_RANGE: return order_ranges(a, b);
    case FILTER_PREFIX:
    case FILTER_GLOB:
    case FILTER_REGEX:
    case FILTER_MATCH:
    case FILTER_PHRASE:
        return order_texts(a->pattern.text, a->pattern.size, b->pattern.text, b->pattern.size);
    case FILTER_CIRCLE: return order_circles(&a->circle, &b->circle);
    case FILTER_BOX: return order_boxes(&a->box, &b->box);
    case FILTER_POLYGON: return order_polygons(&a->polygon, &b->polygon);
    case FILTER_ID: return order_ids(a, b);
    }
    return 0;
}

static int order_values_void(const void *a, const void *b)
{
    return order_values(a, b);
}

size_t values_sort(struct value *values, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(values, count, sizeof *values, order_values_void);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || value_compare(&values[kept - 1], &values[i]) != 0)
            values[kept++] = values[i];
    return kept;
}

static int order_ids_void(const void *a, const void *b)
{
    return lode_id_compare(a, b);
}

size_t ids_sort(lode_id *ids, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(ids, count, sizeof *ids, order_ids_void);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || lode_id_compare(&ids[kept - 1], &ids[i]) != 0)
            ids[kept++] = ids[i];
    return kept;
}
