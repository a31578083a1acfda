/* grpc.h: gRPC on the port of the JSON API: what service.c needs of it. A call is a POST of content type application/grpc
 * to /package.Service/Method over HTTP/2; api/lode.proto has the methods, docs/grpc.md says how they are called.
 *
 * To service.c a gRPC call differs in three places only. It is found by grpc_find instead of route_find; its deadline is
 * the shorter one of the principal's and grpc_timeout; and its answer is grpc_answer's, whether it was refused on its way
 * (call_refuse) or carried out: always HTTP status 200, with grpc-status. Everything between is the same: who it is, what
 * his role allows, quota, readiness, audit, lanes. Names of collections are in the messages: `run` takes them by api_take,
 * which looks at what the principal may. Bodies are gathered up to grpc_body_max. */
#ifndef SERVER_GRPC_H
#define SERVER_GRPC_H

#include "server/call.h"

/* Whether it is to be answered as gRPC: its content type is application/grpc, alone or with + or ; behind it. */
bool grpc_is_call(const struct net_request *request);

/* The route of the call's path; route->pattern is the path, and its operation that of the JSON API that does the same. NULL,
 * and the call has failed (501): there is no such method, or it is no gRPC after all (HTTP/1.1, another method than POST,
 * messages in another format than proto). */
const struct route *grpc_find(struct call *call);

/* All routes, for tables of operations. */
size_t grpc_route_count(void);
const struct route *grpc_route(size_t i);

/* What grpc-timeout says, in microseconds; 0: there is none, or it is malformed. */
uint64_t grpc_timeout_us(const struct net_request *request);

/* Bytes of a gathered body, when messages may have message_size_max. */
size_t grpc_body_max(size_t message_size_max);

/* Answer a call: the message that is in call->out, or by what call_fail and call_refuse left. call->headers go along. Streamed
 * calls that have begun answer by themselves (call->is_answered). */
void grpc_answer(struct call *call);

/* Answer an exchange that has no call, or whose call a worker may be busy with: refusals of net.h. http_status is what JSON
 * would have. Does not wait. */
void grpc_refuse(struct exchange *exchange, unsigned http_status, const char *code,
                 const char *message, unsigned retry_s);

#endif
