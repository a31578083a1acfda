/* text_geo.c: circles, boxes and polygons of a filter's text, behind WITHIN. */
#include "filter/text_parser.h"

static lode_status parse_double(struct text_parser *parser, const char *what, double *ret_value)
{
    const struct value *number = &parser->token.number;
    if (parser->token.kind != TOKEN_NUMBER)
        return text_unexpected(parser, what);
    *ret_value = number->kind == VALUE_INTEGER ? (double)number->integer : number->number;
    return text_take(parser);
}

/* LAT 48.85 or LON 2.35 */
static lode_status parse_named(struct text_parser *parser, const char *name, double *ret_value)
{
    lode_status status = text_expect_word(parser, name);
    return status ? status : parse_double(parser, "degrees", ret_value);
}

/* LAT 40 TO 50 */
static lode_status parse_span(struct text_parser *parser, const char *name, double *ret_from,
                              double *ret_to)
{
    lode_status status = parse_named(parser, name, ret_from);
    if (!status)
        status = text_expect_word(parser, "TO");
    return status ? status : parse_double(parser, "degrees", ret_to);
}

static lode_status placed(struct text_parser *parser, lode_status status)
{
    if (status)
        fault_prefix(parser->lexer.error, &parser->lexer.source, parser->maker.offset);
    return status;
}

static lode_status parse_unit(struct text_parser *parser, double *radius_m)
{
    static const struct {
        const char *name;
        double meters;
    } units[] = {{"m", 1}, {"km", 1000}, {"mi", 1609.344}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (text_at_word(parser, units[i].name)) {
            *radius_m *= units[i].meters;
            return text_take(parser);
        }
    }
    return text_unexpected(parser, "m, km or mi");
}

/* 5 km OF (LAT 48.85, LON 2.35) */
static lode_status parse_circle(struct text_parser *parser, const struct path *path,
                                const struct filter **ret_filter)
{
    struct geo_circle circle;
    lode_status status = parse_double(parser, "a distance", &circle.radius_m);
    if (!status)
        status = parse_unit(parser, &circle.radius_m);
    if (!status)
        status = text_expect_word(parser, "OF");
    if (!status)
        status = text_expect(parser, TOKEN_LEFT, "'('");
    if (!status)
        status = parse_named(parser, "LAT", &circle.center.lat);
    if (!status)
        status = text_expect(parser, TOKEN_COMMA, "','");
    if (!status)
        status = parse_named(parser, "LON", &circle.center.lon);
    if (!status)
        status = text_expect(parser, TOKEN_RIGHT, "')'");
    return status ? status
                  : placed(parser, filter_circle(&parser->maker, path, &circle, ret_filter));
}

/* BOX (LAT 40 TO 50, LON 170 TO -170) */
static lode_status parse_box(struct text_parser *parser, const struct path *path,
                             const struct filter **ret_filter)
{
    struct geo_box box;
    lode_status status = text_take(parser);
    if (!status)
        status = text_expect(parser, TOKEN_LEFT, "'('");
    if (!status)
        status = parse_span(parser, "LAT", &box.south, &box.north);
    if (!status)
        status = text_expect(parser, TOKEN_COMMA, "','");
    if (!status)
        status = parse_span(parser, "LON", &box.west, &box.east);
    if (!status)
        status = text_expect(parser, TOKEN_RIGHT, "')'");
    return status ? status : placed(parser, filter_box(&parser->maker, path, &box, ret_filter));
}

/* lon lat, lon lat, ... ) */
static lode_status parse_points(struct text_parser *parser, struct buf *points)
{
    for (;;) {
        struct geo_point point;
        lode_status status = parse_double(parser, "a longitude", &point.lon);
        if (!status)
            status = parse_double(parser, "a latitude", &point.lat);
        if (!status)
            status =
                filter_push(points, &point, sizeof point, "points in a ring", parser->lexer.error);
        if (status || parser->token.kind != TOKEN_COMMA)
            return status ? status : text_expect(parser, TOKEN_RIGHT, "',' or ')'");
        status = text_take(parser);
        if (status)
            return status;
    }
}

static lode_status parse_ring(struct text_parser *parser, struct buf *rings)
{
    struct buf points;
    struct geo_ring ring;
    /* The first point may be repeated. */
    buf_init(&points, (GEO_RING_POINTS_MAX + 1) * sizeof(struct geo_point));
    lode_status status = text_expect(parser, TOKEN_LEFT, "'('");
    if (!status)
        status = parse_points(parser, &points);
    if (!status)
        status = placed(parser, geo_ring_make(parser->lexer.arena,
                                              (const struct geo_point *)(void *)points.data,
                                              points.size / sizeof(struct geo_point), &ring,
                                              parser->lexer.error));
    if (!status)
        status = filter_push(rings, &ring, sizeof ring, "rings in a polygon", parser->lexer.error);
    buf_release(&points);
    return status;
}

static lode_status parse_rings(struct text_parser *parser, struct buf *rings)
{
    for (;;) {
        lode_status status = parse_ring(parser, rings);
        if (status || parser->token.kind != TOKEN_COMMA)
            return status ? status : text_expect(parser, TOKEN_RIGHT, "',' or ')'");
        status = text_take(parser);
        if (status)
            return status;
    }
}

/* POLYGON ((lon lat, ...), (a hole), ...), as in WKT */
static lode_status parse_polygon(struct text_parser *parser, const struct path *path,
                                 const struct filter **ret_filter)
{
    struct buf rings;
    buf_init(&rings, GEO_RINGS_MAX * sizeof(struct geo_ring));
    lode_status status = text_take(parser);
    if (!status)
        status = text_expect(parser, TOKEN_LEFT, "'('");
    if (!status)
        status = parse_rings(parser, &rings);
    if (!status)
        status = placed(parser, filter_polygon(&parser->maker, path,
                                               (const struct geo_ring *)(void *)rings.data,
                                               rings.size / sizeof(struct geo_ring), ret_filter));
    buf_release(&rings);
    return status;
}

lode_status text_parse_within(struct text_parser *parser, const struct path *path,
                              const struct filter **ret_filter)
{
    if (parser->token.kind == TOKEN_NUMBER)
        return parse_circle(parser, path, ret_filter);
    if (text_at_word(parser, "box"))
        return parse_box(parser, path, ret_filter);
    if (text_at_word(parser, "polygon"))
        return parse_polygon(parser, path, ret_filter);
    return text_unexpected(parser, "a distance, BOX or POLYGON");
}
