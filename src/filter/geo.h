/* geo.h: points, circles, boxes and polygons on the earth.
 *
 * The earth is a sphere of GEO_RADIUS_M, the mean radius; distances are great circles (haversine). Edges of
 * polygons are straight in longitude and latitude, as on a map, and take the shorter way around the earth,
 * across the antimeridian if need be; a border belongs to its area, that of a hole included. -180 and 180
 * are one meridian. */
#ifndef FILTER_GEO_H
#define FILTER_GEO_H

#include "base/arena.h"
#include "base/error.h"

#define GEO_RADIUS_M        6371008.8
#define GEO_RING_POINTS_MAX 10000 /* bounds a test: each point of a ring is looked at */
#define GEO_RINGS_MAX       1000  /* outer ring and holes of one polygon */

struct geo_point { /* degrees */
    double lat;    /* -90 to 90 */
    double lon;    /* -180 to 180 */
};

struct geo_circle {
    struct geo_point center;
    double radius_m; /* the border is inside */
};

struct geo_box { /* west > east: across the antimeridian */
    double south, west, north, east;
};

/* The first point is not repeated at the end. Longitudes are continued beyond ±180 where an edge crosses:
 * x = lon + 360 * turn. */
struct geo_ring {
    const struct geo_point *points; /* as given */
    const double *x;
    size_t count;
    int turn_min, turn_max;
};

struct geo_polygon {
    const struct geo_ring *rings; /* the outer one, then holes */
    size_t ring_count;
};

/* LODE_INVALID names what is out of range. */
NODISCARD lode_status geo_point_check(const struct geo_point *point, lode_error *error);
NODISCARD lode_status geo_circle_check(const struct geo_circle *circle, lode_error *error);
NODISCARD lode_status geo_box_check(const struct geo_box *box, lode_error *error);
/* Copies the points. LODE_INVALID: fewer than three, an edge of 180 degrees, a ring around a pole. */
NODISCARD lode_status geo_ring_make(struct arena *arena, const struct geo_point *points,
                                    size_t count, struct geo_ring *ret_ring, lode_error *error);

double geo_distance_m(const struct geo_point *a, const struct geo_point *b);
int geo_in_circle(const struct geo_circle *circle, const struct geo_point *point);
int geo_in_box(const struct geo_box *box, const struct geo_point *point);
int geo_in_polygon(const struct geo_polygon *polygon, const struct geo_point *point);

/* {"lat": 48.85, "lon": 2.35} or [2.35, 48.85], longitude first as in GeoJSON. 1 on success; 0 when text is
 * neither, or out of range. text is valid JSON. */
int geo_of_json(const char *text, size_t size, struct geo_point *ret_point);

#endif
