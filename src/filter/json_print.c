/* json_print.c: trees as JSON. */
#include "filter/syntax.h"

#include "filter/print.h"

/* The writer does nothing after its first failure. */
struct printer {
    struct json_writer json;
    struct buf key;
};

static void print_filter(struct printer *printer, const struct filter *filter);

static void put_double(struct printer *printer, double value)
{
    char text[PRINT_NUMBER_MAX];
    json_write_raw(&printer->json, text, print_float(value, text));
}

static void put_value(struct printer *printer, const struct value *value)
{
    char text[PRINT_NUMBER_MAX];
    if (value->text)
        json_write_string(&printer->json, value->text, value->size);
    else
        json_write_raw(&printer->json, text, print_plain_value(value, text));
}

static lode_status append_path(struct printer *printer, const struct path *path)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < path->part_count; i++) {
        const struct path_part *part = &path->parts[i];
        int reserved = filter_key_is_reserved(part->text, part->size) &&
                       (path->part_count == 1 || part->text[0] == '@');
        if (i > 0)
            status = buf_append_u8(&printer->key, '.', printer->json.error);
        if (!status)
            status = path_append_part(&printer->key, part->text, part->size, i == 0 && reserved,
                                      printer->json.error);
    }
    return status ? status : buf_terminate(&printer->key, printer->json.error);
}

static void put_path(struct printer *printer, const struct path *path)
{
    buf_clear(&printer->key);
    lode_status status = append_path(printer, path);
    if (status && !printer->json.status)
        printer->json.status = status;
    if (!printer->json.status)
        json_write_key(&printer->json, (const char *)printer->key.data);
}

/* --- Conditions --------------------------------------------------------------------------------- */

static void print_values(struct printer *printer, const struct filter *filter)
{
    json_write_array(&printer->json);
    for (size_t i = 0; !printer->json.status && i < filter->list.count; i++)
        put_value(printer, &filter->list.values[i]);
    json_write_array_end(&printer->json);
}

/* The value of a field's key. */
static void print_list(struct printer *printer, const struct filter *filter, int negated)
{
    struct json_writer *json = &printer->json;
    int single = filter->kind == FILTER_IN && filter->list.count == 1;
    if (single && !negated) {
        put_value(printer, &filter->list.values[0]);
        return;
    }
    json_write_object(json);
    json_write_key(json, single ? "ne" : filter->kind == FILTER_IN ? "in" : "all");
    if (single)
        put_value(printer, &filter->list.values[0]);
    else
        print_values(printer, filter);
    json_write_object_end(json);
}

static void print_range(struct printer *printer, const struct filter *filter)
{
    json_write_object(&printer->json);
    if (filter->range.has_low) {
        json_write_key(&printer->json, filter->range.low_open ? "gt" : "gte");
        put_value(printer, &filter->range.low);
    }
    if (filter->range.has_high) {
        json_write_key(&printer->json, filter->range.high_open ? "lt" : "lte");
        put_value(printer, &filter->range.high);
    }
    json_write_object_end(&printer->json);
}

static void print_presence(struct printer *printer, const struct filter *filter, int negated)
{
    json_write_object(&printer->json);
    json_write_key(&printer->json, filter->kind == FILTER_EXISTS ? "exists" : "null");
    json_write_bool(&printer->json, !negated);
    json_write_object_end(&printer->json);
}

static void print_pattern(struct printer *printer, const struct filter *filter)
{
    json_write_object(&printer->json);
    json_write_key(&printer->json, filter_kind_name(filter->kind));
    json_write_string(&printer->json, filter->pattern.text, filter->pattern.size);
    json_write_object_end(&printer->json);
}

static void put_point(struct printer *printer, const char *key, double lat, double lon)
{
    json_write_key(&printer->json, key);
    json_write_object(&printer->json);
    json_write_key(&printer->json, "lat");
    put_double(printer, lat);
    json_write_key(&printer->json, "lon");
    put_double(printer, lon);
    json_write_object_end(&printer->json);
}

static void print_circle(struct printer *printer, const struct geo_circle *circle)
{
    json_write_object(&printer->json);
    json_write_key(&printer->json, "radius");
    json_write_object(&printer->json);
    put_point(printer, "center", circle->center.lat, circle->center.lon);
    json_write_key(&printer->json, "meters");
    put_double(printer, circle->radius_m);
    json_write_object_end(&printer->json);
    json_write_object_end(&printer->json);
}

static void print_box(struct printer *printer, const struct geo_box *box)
{
    json_write_object(&printer->json);
    json_write_key(&printer->json, "box");
    json_write_object(&printer->json);
    put_point(printer, "top_left", box->north, box->west);
    put_point(printer, "bottom_right", box->south, box->east);
    json_write_object_end(&printer->json);
    json_write_object_end(&printer->json);
}

static void print_ring(struct printer *printer, const struct geo_ring *ring)
{
    json_write_array(&printer->json);
    for (size_t i = 0; !printer->json.status && i < ring->count; i++) {
        json_write_array(&printer->json);
        put_double(printer, ring->points[i].lon);
        put_double(printer, ring->points[i].lat);
        json_write_array_end(&printer->json);
    }
    json_write_array_end(&printer->json);
}

static void print_polygon(struct printer *printer, const struct geo_polygon *polygon)
{
    json_write_object(&printer->json);
    json_write_key(&printer->json, "polygon");
    json_write_object(&printer->json);
    json_write_key(&printer->json, "outer");
    print_ring(printer, &polygon->rings[0]);
    if (polygon->ring_count > 1) {
        json_write_key(&printer->json, "holes");
        json_write_array(&printer->json);
        for (size_t i = 1; i < polygon->ring_count; i++)
            print_ring(printer, &polygon->rings[i]);
        json_write_array_end(&printer->json);
    }
    json_write_object_end(&printer->json);
    json_write_object_end(&printer->json);
}

/* What stands behind a field's key. */
static void print_test(struct printer *printer, const struct filter *filter, int negated)
{
    switch (filter->kind) {
    case FILTER_IN:
    case FILTER_ALL: print_list(printer, filter, negated); break;
    case FILTER_RANGE: print_range(printer, filter); break;
    case FILTER_EXISTS:
    case FILTER_NULL: print_presence(printer, filter, negated); break;
    case FILTER_CIRCLE: print_circle(printer, &filter->circle); break;
    case FILTER_BOX: print_box(printer, &filter->box); break;
    case FILTER_POLYGON: print_polygon(printer, &filter->polygon); break;
    case FILTER_NESTED:
        json_write_object(&printer->json);
        json_write_key(&printer->json, "nested");
        print_filter(printer, filter->group.items[0]);
        json_write_object_end(&printer->json);
        break;
    default: print_pattern(printer, filter); break;
    }
}

static void print_condition(struct printer *printer, const struct filter *filter, int negated)
{
    json_write_object(&printer->json);
    put_path(printer, filter->path);
    print_test(printer, filter, negated);
    json_write_object_end(&printer->json);
}

static void put_id(struct printer *printer, const lode_id *id)
{
    char text[PRINT_NUMBER_MAX];
    if (id->kind == LODE_ID_NUMBER) {
        json_write_u64(&printer->json, id->number);
    } else if (id->kind == LODE_ID_UUID) {
        json_write_string(&printer->json, text, print_uuid(id->uuid, text));
    } else if (print_id_is_ambiguous(id)) {
        json_write_object(&printer->json);
        json_write_key(&printer->json, "string");
        json_write_string(&printer->json, id->string, id->string_size);
        json_write_object_end(&printer->json);
    } else {
        json_write_string(&printer->json, id->string, id->string_size);
    }
}

static void print_ids(struct printer *printer, const struct filter *filter, int negated)
{
    struct json_writer *json = &printer->json;
    json_write_object(json);
    json_write_key(json, "@id");
    json_write_object(json);
    json_write_key(json, filter->id.count != 1 ? "in" : negated ? "ne" : "eq");
    if (filter->id.count != 1)
        json_write_array(json);
    for (size_t i = 0; !json->status && i < filter->id.count; i++)
        put_id(printer, &filter->id.ids[i]);
    if (filter->id.count != 1)
        json_write_array_end(json);
    json_write_object_end(json);
    json_write_object_end(json);
}

/* --- Groups ------------------------------------------------------------------------------------- */

static void print_items(struct printer *printer, const char *key, const struct filter *filter)
{
    json_write_key(&printer->json, key);
    json_write_array(&printer->json);
    for (uint32_t i = 0; !printer->json.status && filter && i < filter->group.count; i++)
        print_filter(printer, filter->group.items[i]);
    json_write_array_end(&printer->json);
}

static void print_at_least(struct printer *printer, const struct filter *filter)
{
    json_write_object(&printer->json);
    json_write_key(&printer->json, "at_least");
    json_write_object(&printer->json);
    json_write_key(&printer->json, "n");
    json_write_u64(&printer->json, filter->group.least);
    print_items(printer, "of", filter);
    json_write_object_end(&printer->json);
    json_write_object_end(&printer->json);
}

/* Whether a test has an opposite of its own. */
static int has_opposite(const struct filter *filter)
{
    return (filter->kind == FILTER_IN && filter->list.count == 1) ||
           filter->kind == FILTER_EXISTS || filter->kind == FILTER_NULL;
}

static void print_not(struct printer *printer, const struct filter *filter)
{
    const struct filter *item = filter->group.items[0];
    if (has_opposite(item)) {
        print_condition(printer, item, 1);
        return;
    }
    if (item->kind == FILTER_ID && item->id.count == 1) {
        print_ids(printer, item, 1);
        return;
    }
    json_write_object(&printer->json);
    json_write_key(&printer->json, "not");
    print_filter(printer, item);
    json_write_object_end(&printer->json);
}

static void print_filter(struct printer *printer, const struct filter *filter)
{
    switch (filter->kind) {
    case FILTER_NOT: print_not(printer, filter); break;
    case FILTER_AT_LEAST: print_at_least(printer, filter); break;
    case FILTER_ID: print_ids(printer, filter, 0); break;
    case FILTER_TRUE:
    case FILTER_FALSE:
    case FILTER_AND:
    case FILTER_OR:
        json_write_object(&printer->json);
        if (filter->kind == FILTER_FALSE)
            print_items(printer, "or", NULL);
        else if (filter->kind != FILTER_TRUE)
            print_items(printer, filter_kind_name(filter->kind), filter);
        json_write_object_end(&printer->json);
        break;
    default: print_condition(printer, filter, 0); break;
    }
}

lode_status filter_print_json(const struct filter *filter, struct buf *out, lode_error *error)
{
    struct printer printer;
    json_writer_init(&printer.json, out, error);
    buf_init(&printer.key, (size_t)4 * FIELD_PATH_SIZE_MAX);
    print_filter(&printer, filter);
    buf_release(&printer.key);
    return printer.json.status;
}
