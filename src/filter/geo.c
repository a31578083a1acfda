/* geo.c: see geo.h. */
#include "filter/geo.h"

#include <math.h>

#include "base/json.h"
#include "base/number.h"

lode_status geo_point_check(const struct geo_point *point, lode_error *error)
{
    if (!(point->lat >= -90 && point->lat <= 90))
        return error_set(error, LODE_INVALID, "latitude %g: it must be from -90 to 90", point->lat);
    if (!(point->lon >= -180 && point->lon <= 180))
        return error_set(error, LODE_INVALID, "longitude %g: it must be from -180 to 180",
                         point->lon);
    return LODE_OK;
}

lode_status geo_circle_check(const struct geo_circle *circle, lode_error *error)
{
    if (!(circle->radius_m >= 0 && isfinite(circle->radius_m)))
        return error_set(error, LODE_INVALID, "radius of %g m: it must be 0 or more",
                         circle->radius_m);
    return geo_point_check(&circle->center, error);
}

lode_status geo_box_check(const struct geo_box *box, lode_error *error)
{
    const struct geo_point south_west = {box->south, box->west},
                           north_east = {box->north, box->east};
    lode_status status = geo_point_check(&south_west, error);
    if (!status)
        status = geo_point_check(&north_east, error);
    if (!status && box->south > box->north)
        return error_set(error, LODE_INVALID, "box: its south, %g, is above its north, %g",
                         box->south, box->north);
    return status;
}

/* The turns by which lon comes nearest to x; 0 in *ret_turn when two are as near. */
static int nearest_turn(double lon, double x, int *ret_turn)
{
    int turn = (int)floor((x - lon) / 360 + 0.5);
    double away = fabs(lon + 360.0 * turn - x);
    *ret_turn = turn;
    return away != 180;
}

static lode_status continue_longitudes(struct geo_ring *ring, double *x, lode_error *error)
{
    int turn = 0;
    for (size_t i = 0; i <= ring->count; i++) {
        const struct geo_point *point = &ring->points[i % ring->count];
        if (i > 0 && !nearest_turn(point->lon, x[i - 1], &turn))
            return error_set(error, LODE_INVALID,
                             "polygon: the edge to (%g %g) goes half around the earth: add a point "
                             "on it",
                             point->lon, point->lat);
        if (i == ring->count)
            break;
        x[i] = point->lon + 360.0 * turn;
        ring->turn_min = turn < ring->turn_min ? turn : ring->turn_min;
        ring->turn_max = turn > ring->turn_max ? turn : ring->turn_max;
    }
    if (turn != 0)
        return error_set(error, LODE_INVALID,
                         "polygon: a ring goes around a pole: cut it at a meridian");
    return LODE_OK;
}

lode_status geo_ring_make(struct arena *arena, const struct geo_point *points, size_t count,
                          struct geo_ring *ret_ring, lode_error *error)
{
    if (count > 1 && points[0].lat == points[count - 1].lat &&
        points[0].lon == points[count - 1].lon)
        count--;
    if (count < 3)
        return error_set(error, LODE_INVALID, "polygon: a ring of %zu points: at least 3", count);
    if (count > GEO_RING_POINTS_MAX)
        return error_set(error, LODE_LIMIT, "polygon: a ring of %zu points: at most %d", count,
                         GEO_RING_POINTS_MAX);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < count; i++)
        status = geo_point_check(&points[i], error);
    if (status)
        return status;
    char *copies = arena_copy(arena, points, count * sizeof *points);
    double *x = arena_alloc(arena, count * sizeof *x);
    if (!copies || !x)
        return error_nomem(error, "a polygon", count * (sizeof *points + sizeof *x));
    struct geo_ring ring = {
        .points = (const struct geo_point *)(const void *)copies, .x = x, .count = count};
    status = continue_longitudes(&ring, x, error);
    if (!status)
        *ret_ring = ring;
    return status;
}

static double radians(double degrees)
{
    return degrees * (3.14159265358979323846 / 180);
}

double geo_distance_m(const struct geo_point *a, const struct geo_point *b)
{
    double lat = sin(radians(b->lat - a->lat) / 2), lon = sin(radians(b->lon - a->lon) / 2);
    double h = lat * lat + cos(radians(a->lat)) * cos(radians(b->lat)) * lon * lon;
    return 2 * GEO_RADIUS_M * asin(fmin(1, sqrt(h)));
}

int geo_in_circle(const struct geo_circle *circle, const struct geo_point *point)
{
    return geo_distance_m(&circle->center, point) <= circle->radius_m;
}

static int between_meridians(const struct geo_box *box, double lon)
{
    if (box->west <= box->east)
        return lon >= box->west && lon <= box->east;
    return lon >= box->west || lon <= box->east;
}

int geo_in_box(const struct geo_box *box, const struct geo_point *point)
{
    if (point->lat < box->south || point->lat > box->north)
        return 0;
    return between_meridians(box, point->lon) ||
           (fabs(point->lon) == 180 && between_meridians(box, -point->lon));
}

enum side { OUTSIDE, INSIDE, BORDER };

/* Of a ring whose longitudes are continued, and a point at x. */
static enum side side_at(const struct geo_ring *ring, double x, double y)
{
    int inside = 0;
    for (size_t i = 0, j = ring->count - 1; i < ring->count; j = i++) {
        double xi = ring->x[i], yi = ring->points[i].lat;
        double xj = ring->x[j], yj = ring->points[j].lat;
        double cross = (xj - xi) * (y - yi) - (yj - yi) * (x - xi);
        if (cross == 0 && x >= fmin(xi, xj) && x <= fmax(xi, xj) && y >= fmin(yi, yj) &&
            y <= fmax(yi, yj))
            return BORDER;
        if ((yi > y) != (yj > y) && x < (xj - xi) * (y - yi) / (yj - yi) + xi)
            inside = !inside;
    }
    return inside ? INSIDE : OUTSIDE;
}

static enum side side_of(const struct geo_ring *ring, const struct geo_point *point)
{
    enum side best = OUTSIDE;
    for (int turn = ring->turn_min - 1; turn <= ring->turn_max + 1; turn++) {
        enum side side = side_at(ring, point->lon + 360.0 * turn, point->lat);
        if (side == BORDER)
            return BORDER;
        if (side == INSIDE)
            best = INSIDE;
    }
    return best;
}

int geo_in_polygon(const struct geo_polygon *polygon, const struct geo_point *point)
{
    if (side_of(&polygon->rings[0], point) == OUTSIDE)
        return 0;
    for (size_t i = 1; i < polygon->ring_count; i++)
        if (side_of(&polygon->rings[i], point) == INSIDE)
            return 0;
    return 1;
}

static int read_degrees(struct json *json, double *ret_value)
{
    return json_next(json) == JSON_NUMBER &&
           number_parse_f64(json->text, json->text_size, ret_value) == json->text_size;
}

static int read_object(struct json *json, struct geo_point *point)
{
    int lat = 0, lon = 0;
    while (json_next(json) == JSON_KEY) {
        if (json_key_is(json, "lat"))
            lat += read_degrees(json, &point->lat);
        else if (json_key_is(json, "lon"))
            lon += read_degrees(json, &point->lon);
        else
            return 0;
    }
    return lat == 1 && lon == 1;
}

int geo_of_json(const char *text, size_t size, struct geo_point *ret_point)
{
    struct json json;
    struct geo_point point = {0, 0};
    json_init(&json, text, size);
    enum json_token first = json_next(&json);
    int read = first == JSON_OBJECT ? read_object(&json, &point)
               : first == JSON_ARRAY
                   ? read_degrees(&json, &point.lon) && read_degrees(&json, &point.lat) &&
                         json_next(&json) == JSON_ARRAY_END
                   : 0;
    if (!read || geo_point_check(&point, NULL))
        return 0;
    *ret_point = point;
    return 1;
}
