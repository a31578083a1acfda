/* call.h: one operation being carried out: what a handler is given, and how it answers. Handlers run on worker threads;
 * JSON over HTTP and gRPC have handlers of their own over the same engine calls (operations). */
#ifndef SERVER_CALL_H
#define SERVER_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "net/net.h"
#include "server/access.h"
#include "server/trace.h"

struct server;
struct call;
struct metrics_index;
struct watcher;

/* What of a collection an operation needs to see: who is let to a part of it alone (namespaces, a filter) is refused
 * what is about the whole, with 403. */
enum reach {
    REACH_NONE,  /* it is about no collection */
    REACH_NAME,  /* about one as such: its schema, that it is there */
    REACH_PART,  /* about points: api_take looks at the namespace */
    REACH_WHOLE, /* about all of it */
};

/* Bodies that a route takes, or-ed; others are 415. Without Content-Type: JSON. */
enum { BODY_NONE = 0, BODY_JSON = 1, BODY_NDJSON = 2, BODY_BINARY = 4 };

struct route {
    const char
        *operation; /* "vectors.upsert": its name in metrics, audit, openapi.yaml's operationId */
    const char *method;  /* "POST" */
    const char *pattern; /* "/indices/{name}/vectors": {} is one segment, percent-decoded */
    enum role role;      /* that it needs; ROLE_NONE: anybody */
    enum net_lane lane;
    bool is_streamed; /* body by exchange_read, answer by exchange_write */
    bool is_mutation; /* audited */
    enum reach reach;
    unsigned bodies; /* BODY_... */
    void (*run)(struct call *call);
};

/* How a stream's client keeps up (stream.h); since the last look at it: */
struct pace {
    uint64_t waited_us; /* for the client */
    uint64_t bytes;
    uint64_t refused; /* of the lane, by then */
};

#define CALL_PARAMETERS_MAX 2
#define CALL_HEADERS_MAX    6

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
    unsigned body_kind; /* BODY_..., by its Content-Type */
    /* The answer, unless it is streamed: */
    unsigned status; /* 200 at first */
    const char *content_type;
    struct buf out;
    struct net_header headers[CALL_HEADERS_MAX]; /* see call_header */
    size_t header_count;
    /* For audit, metrics and logs: */
    const char *collection, *namespace_;
    struct metrics_index *measured; /* the collection that was taken; NULL: none */
    uint64_t points, sequence;
    const char *fault_code;
    lode_error error;    /* of what failed; LODE_OK: nothing did */
    struct arena memory; /* of the call's thread; freed with it */
    bool
        is_answered; /* by exchange_answer or exchange_begin: nothing is answered for it any more */
    bool is_denied;  /* what failed was a question of who may what */
    bool is_audited; /* it has its line (report_change) */
    bool is_grpc;
    enum net_refusal refusal; /* the loop's; 0: none */
    struct pace pace;
    struct watcher *watcher; /* of grpc_health.c; NULL: it is none */
    char trace_parent[TRACEPARENT_SIZE];
};

/* A value of the query string, decoded; owned by the call. After call_query_only: it is there once, and what is no UTF-8, or not
 * percent-encoded as it must be, is refused. NULL: it is not there, or there is no memory, and the call has failed: api_take sees
 * that, so ask for what narrows an operation before. */
const char *call_query(struct call *call, const char *name);
/* The same as a whole number, or `fallback` when it is not there. 0, and the call has failed: it is none, or not from `min`
 * to `max`. */
bool call_query_u64(struct call *call, const char *name, uint64_t min, uint64_t max,
                    uint64_t fallback, uint64_t *ret_value);
/* Refuses (400) values of the query string that are not in `names`, which ends with NULL, or are given twice: a misspelt
 * one must not be passed over, and which of two counts is nobody's guess. False, and the call has failed. */
bool call_query_only(struct call *call, const char *const *names);
/* One more header of the answer; name static and in lower case, value copied. Too many are left out. */
void call_header(struct call *call, const char *name, const char *value);
/* Copies into the call's memory; NULL, and the call has failed: there is none. */
char *call_copy(struct call *call, const void *data, size_t size);

/* Begin to write the answer as JSON; call_json_end fails the call when that could not be done. */
void call_json(struct call *call, struct json_writer *json);
void call_json_end(struct call *call, struct json_writer *json);

/* Answer now: what the handler does from then on, nobody waits for. Without it the call is answered when the handler
 * returns. */
void call_answer(struct call *call);
/* Begin an answer in parts: status, content_type and the headers so far. Then exchange_write and exchange_finish. */
NODISCARD lode_status call_begin_stream(struct call *call, lode_error *error);

/* Fail with the status that belongs to the error (errors.h, docs/api.md#errors). field and position may be NULL and -1. */
void call_fail(struct call *call, const lode_error *error, const char *field, long position);
/* The same, at a line of a body in lines. */
struct call_line {
    const char *field; /* NULL: none */
    long position;     /* in the line; -1: none */
    uint64_t line, applied_lines, applied_points;
};
void call_fail_line(struct call *call, const lode_error *error, const struct call_line *at);
/* Fail with a status of its own. */
void call_refuse(struct call *call, unsigned status, const char *code, const char *field,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
bool call_has_failed(const struct call *call);
/* Nobody waits for the answer any more. */
bool call_is_cancelled(const struct call *call);
/* For the engine: then, and at the deadline. Valid as long as the call. */
lode_stop call_stop(struct call *call);

#endif
