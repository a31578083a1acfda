/* text_print.c: trees as text. What binds less than its surroundings stands in parentheses, so that
 * reading gives the same tree. */
#include "filter/syntax.h"

#include <string.h>

#include "filter/lex.h"
#include "filter/print.h"

/* Calls do nothing after the first failure. */
struct printer {
    struct buf *out;
    lode_error *error;
    lode_status status;
};

static void print_filter(struct printer *printer, const struct filter *filter);

static void put_bytes(struct printer *printer, const char *text, size_t size)
{
    if (!printer->status)
        printer->status = buf_append(printer->out, text, size, printer->error);
}

static void put_text(struct printer *printer, const char *text)
{
    put_bytes(printer, text, strlen(text));
}

static void put_path(struct printer *printer, const struct path *path)
{
    for (size_t i = 0; !printer->status && i < path->part_count; i++) {
        const struct path_part *part = &path->parts[i];
        int quoted = !lexer_is_bare_name(part->text, part->size) ||
                     (i == 0 && filter_word_is_reserved(part->text, part->size));
        if (i > 0)
            put_text(printer, ".");
        if (!printer->status)
            printer->status =
                path_append_part(printer->out, part->text, part->size, quoted, printer->error);
    }
}

static void put_string(struct printer *printer, const char *text, size_t size)
{
    struct json_writer writer;
    json_writer_init(&writer, printer->out, printer->error);
    json_write_string(&writer, text, size);
    if (!printer->status)
        printer->status = writer.status;
}

static void put_double(struct printer *printer, double value)
{
    char text[PRINT_NUMBER_MAX];
    put_bytes(printer, text, print_float(value, text));
}

static void put_value(struct printer *printer, const struct value *value)
{
    char text[PRINT_NUMBER_MAX];
    if (value->text)
        put_string(printer, value->text, value->size);
    else
        put_bytes(printer, text, print_plain_value(value, text));
}

static void put_id(struct printer *printer, const lode_id *id)
{
    char text[PRINT_NUMBER_MAX];
    if (id->kind == LODE_ID_STRING && print_id_is_ambiguous(id))
        put_text(printer, "STRING ");
    if (id->kind == LODE_ID_STRING)
        put_string(printer, id->string, id->string_size);
    else if (id->kind == LODE_ID_UUID)
        put_string(printer, text, print_uuid(id->uuid, text));
    else
        put_bytes(printer, text, print_u64(id->number, text));
}

/* --- Conditions --------------------------------------------------------------------------------- */

static void print_list(struct printer *printer, const struct filter *filter, int negated)
{
    const struct value *values = filter->list.values;
    int single = filter->kind == FILTER_IN && filter->list.count == 1;
    if (negated && !single)
        put_text(printer, "NOT ");
    put_path(printer, filter->path);
    if (single) {
        put_text(printer, negated ? " != " : " = ");
        put_value(printer, &values[0]);
        return;
    }
    put_text(printer, filter->kind == FILTER_IN ? " IN (" : " HAS ALL (");
    for (size_t i = 0; !printer->status && i < filter->list.count; i++) {
        if (i > 0)
            put_text(printer, ", ");
        put_value(printer, &values[i]);
    }
    put_text(printer, ")");
}

static void print_ids(struct printer *printer, const struct filter *filter, int negated)
{
    if (filter->id.count == 1) {
        put_text(printer, negated ? "@id != " : "@id = ");
        put_id(printer, &filter->id.ids[0]);
        return;
    }
    put_text(printer, negated ? "NOT @id IN (" : "@id IN (");
    for (size_t i = 0; !printer->status && i < filter->id.count; i++) {
        if (i > 0)
            put_text(printer, ", ");
        put_id(printer, &filter->id.ids[i]);
    }
    put_text(printer, ")");
}

static void print_range(struct printer *printer, const struct filter *filter)
{
    if (filter->range.has_low && filter->range.has_high) {
        put_value(printer, &filter->range.low);
        put_text(printer, filter->range.low_open ? " < " : " <= ");
    }
    put_path(printer, filter->path);
    if (filter->range.has_high) {
        put_text(printer, filter->range.high_open ? " < " : " <= ");
        put_value(printer, &filter->range.high);
    } else {
        put_text(printer, filter->range.low_open ? " > " : " >= ");
        put_value(printer, &filter->range.low);
    }
}

static void print_pattern(struct printer *printer, const struct filter *filter)
{
    static const char *const words[] = {
        [FILTER_PREFIX] = " PREFIX ",       [FILTER_GLOB] = " GLOB ",
        [FILTER_REGEX] = " REGEX ",         [FILTER_MATCH] = " MATCH ",
        [FILTER_PHRASE] = " MATCH PHRASE ",
    };
    put_path(printer, filter->path);
    put_text(printer, words[filter->kind]);
    put_string(printer, filter->pattern.text, filter->pattern.size);
}

static void print_circle(struct printer *printer, const struct filter *filter)
{
    put_path(printer, filter->path);
    put_text(printer, " WITHIN ");
    put_double(printer, filter->circle.radius_m);
    put_text(printer, " m OF (LAT ");
    put_double(printer, filter->circle.center.lat);
    put_text(printer, ", LON ");
    put_double(printer, filter->circle.center.lon);
    put_text(printer, ")");
}

static void print_box(struct printer *printer, const struct filter *filter)
{
    put_path(printer, filter->path);
    put_text(printer, " WITHIN BOX (LAT ");
    put_double(printer, filter->box.south);
    put_text(printer, " TO ");
    put_double(printer, filter->box.north);
    put_text(printer, ", LON ");
    put_double(printer, filter->box.west);
    put_text(printer, " TO ");
    put_double(printer, filter->box.east);
    put_text(printer, ")");
}

static void print_ring(struct printer *printer, const struct geo_ring *ring)
{
    put_text(printer, "(");
    for (size_t i = 0; !printer->status && i < ring->count; i++) {
        if (i > 0)
            put_text(printer, ", ");
        put_double(printer, ring->points[i].lon);
        put_text(printer, " ");
        put_double(printer, ring->points[i].lat);
    }
    put_text(printer, ")");
}

static void print_polygon(struct printer *printer, const struct filter *filter)
{
    put_path(printer, filter->path);
    put_text(printer, " WITHIN POLYGON (");
    for (size_t i = 0; !printer->status && i < filter->polygon.ring_count; i++) {
        if (i > 0)
            put_text(printer, ", ");
        print_ring(printer, &filter->polygon.rings[i]);
    }
    put_text(printer, ")");
}

static void print_presence(struct printer *printer, const struct filter *filter, int negated)
{
    if (negated && filter->kind == FILTER_EXISTS)
        put_text(printer, "NOT ");
    put_path(printer, filter->path);
    if (filter->kind == FILTER_EXISTS)
        put_text(printer, " EXISTS");
    else
        put_text(printer, negated ? " IS NOT NULL" : " IS NULL");
}

/* --- Groups ------------------------------------------------------------------------------------- */

static void print_joined(struct printer *printer, const struct filter *filter)
{
    for (uint32_t i = 0; !printer->status && i < filter->group.count; i++) {
        const struct filter *item = filter->group.items[i];
        int nested = item->kind == FILTER_AND || item->kind == FILTER_OR;
        if (i > 0)
            put_text(printer, filter->kind == FILTER_AND ? " AND " : " OR ");
        if (nested)
            put_text(printer, "(");
        print_filter(printer, item);
        if (nested)
            put_text(printer, ")");
    }
}

static void print_not(struct printer *printer, const struct filter *filter)
{
    const struct filter *item = filter->group.items[0];
    switch (item->kind) {
    case FILTER_IN:
    case FILTER_ALL: print_list(printer, item, 1); return;
    case FILTER_ID: print_ids(printer, item, 1); return;
    case FILTER_EXISTS:
    case FILTER_NULL: print_presence(printer, item, 1); return;
    case FILTER_AND:
    case FILTER_OR:
        put_text(printer, "NOT (");
        print_filter(printer, item);
        put_text(printer, ")");
        return;
    default: put_text(printer, "NOT "); print_filter(printer, item);
    }
}

static void print_at_least(struct printer *printer, const struct filter *filter)
{
    char text[PRINT_NUMBER_MAX];
    put_text(printer, "AT LEAST ");
    put_bytes(printer, text, print_u64(filter->group.least, text));
    put_text(printer, " OF (");
    for (uint32_t i = 0; !printer->status && i < filter->group.count; i++) {
        if (i > 0)
            put_text(printer, ", ");
        print_filter(printer, filter->group.items[i]);
    }
    put_text(printer, ")");
}

static void print_nested(struct printer *printer, const struct filter *filter)
{
    put_path(printer, filter->path);
    put_text(printer, " NESTED (");
    print_filter(printer, filter->group.items[0]);
    put_text(printer, ")");
}

static void print_filter(struct printer *printer, const struct filter *filter)
{
    switch (filter->kind) {
    case FILTER_TRUE: put_text(printer, "TRUE"); break;
    case FILTER_FALSE: put_text(printer, "FALSE"); break;
    case FILTER_AND:
    case FILTER_OR: print_joined(printer, filter); break;
    case FILTER_NOT: print_not(printer, filter); break;
    case FILTER_AT_LEAST: print_at_least(printer, filter); break;
    case FILTER_NESTED: print_nested(printer, filter); break;
    case FILTER_IN:
    case FILTER_ALL: print_list(printer, filter, 0); break;
    case FILTER_RANGE: print_range(printer, filter); break;
    case FILTER_EXISTS:
    case FILTER_NULL: print_presence(printer, filter, 0); break;
    case FILTER_PREFIX:
    case FILTER_GLOB:
    case FILTER_REGEX:
    case FILTER_MATCH:
    case FILTER_PHRASE: print_pattern(printer, filter); break;
    case FILTER_CIRCLE: print_circle(printer, filter); break;
    case FILTER_BOX: print_box(printer, filter); break;
    case FILTER_POLYGON: print_polygon(printer, filter); break;
    case FILTER_ID: print_ids(printer, filter, 0); break;
    }
}

lode_status filter_print_text(const struct filter *filter, struct buf *out, lode_error *error)
{
    struct printer printer = {.out = out, .error = error};
    print_filter(&printer, filter);
    return printer.status;
}
