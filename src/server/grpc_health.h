/* grpc_health.h: who watches the server's health (grpc.health.v1.Health/Watch). */
#ifndef SERVER_GRPC_HEALTH_H
#define SERVER_GRPC_HEALTH_H

#include "server/call.h"

#define HEALTH_WATCHERS_MAX 256 /* at a time: each holds a request open, and no thread */

struct health;

NODISCARD lode_status health_new(struct health **ret_health, lode_error *error);
void health_free(struct health *health); /* NULL is allowed */
/* The server's state has changed. Any thread; does not wait. */
void health_tell(struct server *server);
/* The call is about to end: if it watches, it is not told any more. */
void health_forget(struct health *health, struct call *call);

#endif
