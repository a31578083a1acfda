/* loop_routes.h: what the loop answers by itself, without waiting: health, readiness, metrics, the API's description. */
#ifndef SERVER_LOOP_ROUTES_H
#define SERVER_LOOP_ROUTES_H

#include "server/call.h"

/* Of a route that has no `run`. */
void loop_route(struct call *call);

#endif
