/* routes.h: what paths and methods there are (docs/api.md). One table: metrics, audit and api/openapi.yaml go by its names
 * of operations. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include "server/call.h"

extern const struct route routes[];
extern const size_t route_count;

struct route_match {
    const struct route *route; /* NULL: see status */
    unsigned status; /* 404; 405, with `allow`; 400: the path is not encoded as it must be */
    char allow[64];  /* "GET, PUT" */
    struct {
        const char *text; /* in the path, still encoded */
        size_t size;
    } parameters[CALL_PARAMETERS_MAX];
    size_t parameter_count;
};

/* HEAD is GET to a route; who answers leaves the body out. */
void route_find(const char *method, const char *path, struct route_match *ret_match);
/* The route of an operation, or NULL. */
const struct route *route_of(const char *operation);

#endif
