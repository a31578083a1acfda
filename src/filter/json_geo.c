/* json_geo.c: circles, boxes and polygons of a filter's JSON. */
#include "filter/json_parser.h"

#include <math.h>

#include "base/number.h"

static lode_status read_point(struct json_parser *parser, struct geo_point *ret_point)
{
    const char *text;
    size_t size;
    (void)json_raw(&parser->json, &text, &size);
    if (geo_of_json(text, size, ret_point))
        return LODE_OK;
    return fault_set(parser->maker.error, LODE_INVALID, &parser->source,
                     (size_t)(text - parser->source.text),
                     "expected a point: {\"lat\": -90 to 90, \"lon\": -180 to 180} or [lon, lat]");
}

static lode_status read_meters(struct json_parser *parser, double *ret_value)
{
    const struct json *json = &parser->json;
    if (json_next(&parser->json) != JSON_NUMBER ||
        number_parse_f64(json->text, json->text_size, ret_value) != json->text_size ||
        !isfinite(*ret_value))
        return json_unexpected(parser, "a number of meters");
    return LODE_OK;
}

/* {"center": point, "meters": 5000} */
lode_status json_parse_circle(struct json_parser *parser, const struct path *path,
                              const struct filter **ret_filter)
{
    struct geo_circle circle = {{0, 0}, 0};
    int keys = 0;
    lode_status status = json_expect(parser, JSON_OBJECT, "{\"center\": ..., \"meters\": ...}");
    while (!status && json_next(&parser->json) == JSON_KEY) {
        int center = json_key_is(&parser->json, "center");
        if (!center && !json_key_is(&parser->json, "meters"))
            return json_unexpected(parser, "center or meters");
        status =
            center ? read_point(parser, &circle.center) : read_meters(parser, &circle.radius_m);
        keys++;
    }
    if (!status && keys != 2)
        return json_unexpected(parser, "both center and meters");
    return status ? status
                  : json_placed(parser, filter_circle(&parser->maker, path, &circle, ret_filter),
                                parser->maker.offset);
}

/* {"top_left": point, "bottom_right": point} */
lode_status json_parse_box(struct json_parser *parser, const struct path *path,
                           const struct filter **ret_filter)
{
    struct geo_point top_left = {0, 0}, bottom_right = {0, 0};
    int keys = 0;
    lode_status status =
        json_expect(parser, JSON_OBJECT, "{\"top_left\": ..., \"bottom_right\": ...}");
    while (!status && json_next(&parser->json) == JSON_KEY) {
        int first = json_key_is(&parser->json, "top_left");
        if (!first && !json_key_is(&parser->json, "bottom_right"))
            return json_unexpected(parser, "top_left or bottom_right");
        status = read_point(parser, first ? &top_left : &bottom_right);
        keys++;
    }
    if (!status && keys != 2)
        return json_unexpected(parser, "both top_left and bottom_right");
    const struct geo_box box = {.south = bottom_right.lat,
                                .west = top_left.lon,
                                .north = top_left.lat,
                                .east = bottom_right.lon};
    return status ? status
                  : json_placed(parser, filter_box(&parser->maker, path, &box, ret_filter),
                                parser->maker.offset);
}

/* Behind '[' of a ring. */
static lode_status read_points(struct json_parser *parser, struct buf *points)
{
    for (;;) {
        struct json ahead = parser->json;
        struct geo_point point;
        if (json_next(&ahead) == JSON_ARRAY_END) {
            parser->json = ahead;
            return LODE_OK;
        }
        lode_status status = read_point(parser, &point);
        if (!status)
            status =
                filter_push(points, &point, sizeof point, "points in a ring", parser->maker.error);
        if (status)
            return status;
    }
}

static lode_status read_ring(struct json_parser *parser, struct buf *rings)
{
    struct buf points;
    struct geo_ring ring;
    size_t offset = json_at(parser);
    buf_init(&points, (GEO_RING_POINTS_MAX + 1) * sizeof(struct geo_point));
    lode_status status = read_points(parser, &points);
    if (!status)
        status = json_placed(
            parser,
            geo_ring_make(parser->maker.arena, (const struct geo_point *)(void *)points.data,
                          points.size / sizeof(struct geo_point), &ring, parser->maker.error),
            offset);
    if (!status)
        status = filter_push(rings, &ring, sizeof ring, "rings in a polygon", parser->maker.error);
    buf_release(&points);
    return status;
}

static lode_status read_holes(struct json_parser *parser, struct buf *rings)
{
    lode_status status = json_expect(parser, JSON_ARRAY, "an array of rings");
    while (!status) {
        enum json_token token = json_next(&parser->json);
        if (token == JSON_ARRAY_END)
            break;
        if (token != JSON_ARRAY)
            return json_unexpected(parser, "an array of points");
        status = read_ring(parser, rings);
    }
    return status;
}

/* {"outer": [points], "holes": [[points]]}, in this order or the other */
static lode_status read_polygon(struct json_parser *parser, struct buf *outer, struct buf *holes)
{
    lode_status status = json_expect(parser, JSON_OBJECT, "{\"outer\": [...]}");
    while (!status && json_next(&parser->json) == JSON_KEY) {
        if (json_key_is(&parser->json, "holes")) {
            status = read_holes(parser, holes);
            continue;
        }
        if (!json_key_is(&parser->json, "outer"))
            return json_unexpected(parser, "outer or holes");
        status = json_expect(parser, JSON_ARRAY, "an array of points");
        if (!status)
            status = read_ring(parser, outer);
    }
    if (!status && outer->size == 0)
        return json_unexpected(parser, "outer, the ring around the area");
    for (size_t at = 0; !status && at < holes->size; at += sizeof(struct geo_ring))
        status = filter_push(outer, holes->data + at, sizeof(struct geo_ring), "rings in a polygon",
                             parser->maker.error);
    return status;
}

lode_status json_parse_polygon(struct json_parser *parser, const struct path *path,
                               const struct filter **ret_filter)
{
    struct buf outer, holes;
    buf_init(&outer, GEO_RINGS_MAX * sizeof(struct geo_ring));
    buf_init(&holes, GEO_RINGS_MAX * sizeof(struct geo_ring));
    lode_status status = read_polygon(parser, &outer, &holes);
    if (!status)
        status = json_placed(parser,
                             filter_polygon(&parser->maker, path,
                                            (const struct geo_ring *)(void *)outer.data,
                                            outer.size / sizeof(struct geo_ring), ret_filter),
                             parser->maker.offset);
    buf_release(&outer);
    buf_release(&holes);
    return status;
}
