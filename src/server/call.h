/* call.h: one operation being carried out: what a handler is given, and how it answers. Handlers run on worker threads;
 * JSON over HTTP and gRPC have handlers of their own over the same engine calls (operations). */
#ifndef SERVER_CALL_H
#define SERVER_CALL_H

#include "base/buf.h"
#include "net/net.h"
#include "server/access.h"
#include "server/trace.h"

struct server;
struct call;

struct route {
    const char
        *operation; /* "vectors.upsert": its name in metrics, audit, openapi.yaml's operationId */
    const char *method;  /* "POST" */
    const char *pattern; /* "/indices/{name}/vectors": {} is one segment, percent-decoded */
    enum role role;      /* that it needs; ROLE_NONE: anybody */
    enum net_lane lane;
    bool is_streamed; /* body by exchange_read, answer by exchange_write */
    bool is_mutation; /* audited */
    void (*run)(struct call *call);
};

#define CALL_PARAMETERS_MAX 2

struct call {
    struct server *server;
    struct exchange *exchange;
    const struct route *route;
    struct principal *who;
    char *parameters[CALL_PARAMETERS_MAX]; /* in the order of the pattern; decoded UTF-8 */
    uint64_t deadline_us;                  /* monotonic */
    struct trace_context trace;
    uint8_t *body; /* gathered */
    size_t body_size;
    /* The answer, unless it is streamed: */
    unsigned status; /* 200 at first */
    const char *content_type;
    struct buf out;
    /* For audit, metrics and logs: */
    const char *collection, *namespace_;
    uint64_t points, sequence;
    const char *fault_code;
    lode_error error; /* of what failed; LODE_OK: nothing did */
};

/* A value of the query string, decoded, or NULL; owned by the call. */
const char *call_query(struct call *call, const char *name);
/* Fail with the status that belongs to the error (docs/api.md#errors). field and position may be NULL and -1. */
void call_fail(struct call *call, const lode_error *error, const char *field, long position);
/* Fail with a status of its own. */
void call_refuse(struct call *call, unsigned status, const char *code, const char *field,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
