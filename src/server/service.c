/* service.c: how a request goes through the server. On its loop: begin makes the call, finds the route, asks who it is and
 * takes it out of his quota, asks what he may, and has the body gathered or streamed. On a worker: run calls the handler,
 * audits what that changed, and answers. On the loop again: end counts, logs, audits the rest, traces, and frees the call.
 * What is answered without waiting (health, refusals) never leaves the loop. */
#include "server/service.h"

#include "os/clock.h"
#include "server/access_grant.h"
#include "server/api.h"
#include "server/errors.h"
#include "server/grpc.h"
#include "server/loop_routes.h"
#include "server/percent.h"
#include "server/report.h"
#include "server/routes.h"
#include "server/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SMALL_BODY_MAX   ((size_t)1 << 20) /* of what manages: schemas, aliases */
#define NO_BODY_MAX      ((size_t)4096)    /* where none is wanted, and some clients send {} */
#define ANSWER_BYTES_MAX ((size_t)1 << 30) /* of an answer that is not streamed */

lode_db *server_db(struct server *server)
{
    return server->db;
}

struct handles *server_handles(struct server *server)
{
    return server->handles;
}

/* --- Answering ----------------------------------------------------------------------------------- */

static void common_headers(struct call *call)
{
    if (call->trace_parent[0])
        call_header(call, "traceparent", call->trace_parent);
    if (call->status == 401)
        call_header(call, "www-authenticate",
                    strcmp(call->fault_code, "unauthenticated") == 0
                        ? "Bearer realm=\"lode\""
                        : "Bearer realm=\"lode\", error=\"invalid_token\"");
}

void call_answer(struct call *call)
{
    if (call->is_answered)
        return;
    call->is_answered = true;
    if (call->is_grpc) {
        grpc_answer(call);
        return;
    }
    common_headers(call);
    exchange_answer(call->exchange, &(struct net_answer){.status = call->status,
                                                         .content_type = call->content_type,
                                                         .headers = call->headers,
                                                         .header_count = call->header_count,
                                                         .body = &call->out});
}

lode_status call_begin_stream(struct call *call, lode_error *error)
{
    call->is_answered = true;
    common_headers(call);
    return exchange_begin(call->exchange,
                          &(struct net_answer){.status = call->status,
                                               .content_type = call->content_type,
                                               .headers = call->headers,
                                               .header_count = call->header_count},
                          error);
}

/* What cannot be a call: there is no memory for one. */
static void answer_plain(struct exchange *exchange, const struct fault *fault, const char *message)
{
    char retry[16];
    struct buf body;
    buf_init(&body, 4096);
    if (fault_write(&body,
                    &(struct fault_text){.code = fault->code, .message = message, .position = -1},
                    NULL))
        buf_clear(&body);
    (void)snprintf(retry, sizeof retry, "%u", fault->retry_s);
    struct net_header header = {.name = "retry-after", .value = retry, .value_size = strlen(retry)};
    exchange_answer(exchange, &(struct net_answer){.status = fault->status,
                                                   .content_type = "application/json",
                                                   .headers = &header,
                                                   .header_count = fault->retry_s ? 1 : 0,
                                                   .body = &body});
    buf_release(&body);
}

/* --- Who may what -------------------------------------------------------------------------------- */

static void deny(struct call *call, enum access_fault why, const lode_error *error)
{
    struct fault fault = fault_of_access(why);
    call->is_denied = true;
    call_refuse(call, fault.status, fault.code, NULL, "%s", error->message);
}

void api_deny(struct call *call, const char *code, const char *message)
{
    call->is_denied = true;
    call_refuse(call, 403, code, NULL, "%s", message);
}

bool service_may(struct call *call, enum role needed, const char *collection,
                 const char *namespace_)
{
    lode_error error = {.status = LODE_OK};
    enum access_fault why = principal_may(call->who, needed, collection, namespace_, &error);
    if (why)
        deny(call, why, &error);
    return !why;
}

/* What can be told from the path alone. Operations on points say in their bodies which namespace they mean (api_take); gRPC
 * names collections in its messages. */
static bool may(struct call *call)
{
    const struct route *route = call->route;
    const char *collection = call->parameters[0];
    lode_error error = {.status = LODE_OK};
    if (route->role == ROLE_NONE)
        return true;
    if (call->who->role < route->role) {
        (void)error_set(&error, LODE_INVALID, "%s needs the role %s", route->operation,
                        role_name(route->role));
        deny(call, ACCESS_ROLE, &error);
        return false;
    }
    if (call->is_grpc || route->reach == REACH_NONE)
        return true;
    call->collection = collection;
    if (route->reach == REACH_WHOLE)
        return service_may(call, route->role, collection, NULL);
    if (principal_sees(call->who, collection))
        return true;
    (void)error_set(&error, LODE_INVALID, "this key is not for index '%.128s'", collection);
    deny(call, ACCESS_COLLECTION, &error);
    return false;
}

static bool identify(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    if (call->route && call->route->role == ROLE_NONE)
        return true;
    enum access_fault why =
        access_check(call->server->access, exchange_request(call->exchange), &call->who, &error);
    if (why == ACCESS_RATE)
        call_header(call, "retry-after", "1");
    if (why)
        deny(call, why, &error);
    return !why;
}

/* Bytes that the request says it has; those of others are taken once they are known. */
static uint64_t said_size(const struct call *call)
{
    uint64_t size = exchange_request(call->exchange)->content_size;
    return size == NET_SIZE_UNKNOWN || call->route->is_streamed ? 0 : size;
}

static void refuse_rate(struct call *call, uint64_t retry_ms, const lode_error *error)
{
    char retry[24];
    (void)snprintf(retry, sizeof retry, "%llu", (unsigned long long)((retry_ms + 999) / 1000));
    call_header(call, "retry-after", retry);
    deny(call, ACCESS_RATE, error);
}

static bool take_quota(struct call *call)
{
    uint64_t retry_ms = 0;
    lode_error error = {.status = LODE_OK};
    if (!call->who || !principal_take(call->who, said_size(call), clock_us(), &retry_ms, &error))
        return true;
    refuse_rate(call, retry_ms, &error);
    return false;
}

/* What was gathered without having been said; streams take what they read. */
static bool take_quota_of_body(struct call *call)
{
    uint64_t retry_ms = 0;
    lode_error error = {.status = LODE_OK};
    bool is_known = exchange_request(call->exchange)->content_size != NET_SIZE_UNKNOWN;
    if (!call->who || is_known || call->route->is_streamed ||
        !principal_take_body(call->who, call->body_size, clock_us(), &retry_ms, &error))
        return true;
    refuse_rate(call, retry_ms, &error);
    return false;
}

/* Whether he may is known by now. NULL, and error says why. */
static const struct handle *take(struct call *call, const char *namespace_,
                                 const struct principal *who, lode_error *error)
{
    const struct handle *handle = NULL;
    if (handles_take(call->server->handles, call->collection, namespace_, who, &handle, error))
        return NULL;
    call->measured = metrics_index(call->server->metrics, handle->name);
    return handle;
}

const struct handle *api_take(struct call *call, const char *namespace_)
{
    lode_error error = {.status = LODE_OK};
    call->collection = call->parameters[0];
    call->namespace_ =
        namespace_ && *namespace_ ? call_copy(call, namespace_, strlen(namespace_)) : NULL;
    if (call_has_failed(call) ||
        !service_may(call, call->route->role, call->collection, namespace_ ? namespace_ : ""))
        return NULL;
    const struct handle *handle = take(call, namespace_, call->who, &error);
    if (error.status == LODE_LIMIT) /* of the name, not of the body */
        call_refuse(call, 400, "limit", "namespace", "%s", error.message);
    else if (!handle)
        call_fail(call, &error, NULL, -1);
    else if (call->route->is_mutation && call->route->is_streamed)
        report_begun(call);
    return handle;
}

const struct handle *api_take_whole(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    call->collection = call->parameters[0];
    if (!service_may(call, call->route->role, call->collection, NULL))
        return NULL;
    const struct handle *handle = take(call, NULL, NULL, &error);
    if (!handle)
        call_fail(call, &error, NULL, -1);
    return handle;
}

const struct handle *api_take_name(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    call->collection = call->parameters[0];
    if (!principal_sees(call->who, call->collection)) {
        api_deny(call, "collection", "this key is not for this index");
        return NULL;
    }
    const struct handle *handle = take(call, NULL, NULL, &error);
    if (!handle)
        call_fail(call, &error, NULL, -1);
    return handle;
}

const struct handle *api_take_namespaces(struct call *call, const char *namespace_)
{
    call->collection = call->parameters[0];
    call->namespace_ = namespace_;
    if (namespace_ && !service_may(call, call->route->role, call->collection, namespace_))
        return NULL;
    if (!call->who->filter)
        return api_take_name(call);
    api_deny(call, "namespace",
             "this is about whole namespaces, and this key sees what its filter allows");
    return NULL;
}

bool api_may(struct call *call, enum role needed, const char *collection, const char *namespace_)
{
    return service_may(call, needed, collection, namespace_);
}

bool api_may_go_on(struct call *call)
{
    if (!call->who || access_is_valid(call->server->access, call->who))
        return true;
    /* Not counted as denied: what it did before is done, and has its line. */
    call_refuse(call, 401, "revoked", NULL,
                "the key or token was revoked, or has expired, since the request began");
    return false;
}

void api_give(struct call *call, const struct handle *handle)
{
    handles_give(call->server->handles, handle);
}

/* --- Begin --------------------------------------------------------------------------------------- */

static struct call *call_new(struct server *server, struct exchange *exchange)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->server = server;
    call->exchange = exchange;
    call->status = 200;
    arena_init(&call->memory);
    buf_init(&call->out, ANSWER_BYTES_MAX);
    exchange_set_data(exchange, call);
    return call;
}

static void call_free(struct call *call)
{
    principal_unref(call->server->access, call->who);
    buf_release(&call->out);
    arena_release(&call->memory);
    free(call);
}

static void begin_trace(struct call *call)
{
    const char *parent = net_request_header(exchange_request(call->exchange), "traceparent");
    trace_begin(call->server->tracer, parent, &call->trace);
    if (trace_has_parent(&call->trace))
        call->trace.state = net_request_header(exchange_request(call->exchange), "tracestate");
    if (parent || call->trace.is_sampled)
        trace_parent_text(&call->trace, call->trace_parent);
}

static bool take_parameters(struct call *call, const struct route_match *match)
{
    for (size_t i = 0; i < match->parameter_count; i++) {
        size_t size = match->parameters[i].size;
        char *text = call_copy(call, match->parameters[i].text, size);
        if (!text)
            return false;
        if (percent_decode(text, size, PERCENT_PATH) <= 0) {
            call_refuse(call, 400, "malformed", NULL,
                        "the path is not percent-encoded UTF-8 without control characters");
            return false;
        }
        call->parameters[i] = text;
    }
    return true;
}

static bool find_path(struct call *call)
{
    const struct net_request *request = exchange_request(call->exchange);
    struct route_match match;
    route_find(request->method, request->path, &match);
    bool is_head = strcmp(request->method, "HEAD") == 0;
    if (match.route && !(is_head && match.route->is_streamed)) {
        call->route = match.route;
        return take_parameters(call, &match);
    }
    if (match.route) {
        call_header(call, "allow", match.route->method);
        call_refuse(call, 405, "method", NULL, "HEAD is not for what is streamed");
    } else if (match.status == 405) {
        call_header(call, "allow", match.allow);
        call_refuse(call, 405, "method", NULL, "%.16s is not for this path: %s", request->method,
                    match.allow);
    } else {
        call_refuse(call, 404, "not_found", NULL, "there is nothing at %.100s", request->path);
    }
    return false;
}

/* What was asked for, over JSON or gRPC. */
static bool find(struct call *call)
{
    call->is_grpc = grpc_is_call(exchange_request(call->exchange));
    if (!call->is_grpc)
        return find_path(call);
    call->route = grpc_find(call);
    return call->route != NULL;
}

static unsigned body_kind(const char *type)
{
    static const struct {
        const char *name;
        unsigned kind;
    } kinds[] = {{"application/json", BODY_JSON},
                 {"application/vnd.lode.f32", BODY_BINARY},
                 {"application/x-ndjson", BODY_NDJSON},
                 {"application/ndjson", BODY_NDJSON},
                 {"application/jsonl", BODY_NDJSON}};
    size_t size = strcspn(type, "; \t");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strlen(kinds[i].name) == size && strncasecmp(kinds[i].name, type, size) == 0)
            return kinds[i].kind;
    return BODY_NONE;
}

static bool check_type(struct call *call)
{
    const struct net_request *request = exchange_request(call->exchange);
    const char *type = net_request_header(request, "content-type");
    const char *encoding = net_request_header(request, "content-encoding");
    unsigned allowed = call->route->bodies;
    bool is_empty = request->content_size == 0;
    if (call->is_grpc)
        return true;
    call->body_kind = allowed & BODY_NDJSON ? BODY_NDJSON : BODY_JSON;
    if (allowed == BODY_NONE)
        return true;
    if (!is_empty && encoding && strcasecmp(encoding, "identity") != 0) {
        call_refuse(call, 415, "content_type", "content-encoding",
                    "a body that is encoded as '%.40s': it must come as it is", encoding);
        return false;
    }
    unsigned kind = type ? body_kind(type) : BODY_NONE;
    if (kind & allowed)
        call->body_kind = kind;
    if (!type || is_empty || (kind & allowed))
        return true;
    call_refuse(call, 415, "content_type", "content-type", "a body of type '%.60s'; %s takes %s%s",
                type, call->route->operation,
                allowed & BODY_NDJSON ? "application/x-ndjson" : "application/json",
                allowed & BODY_BINARY ? " or application/vnd.lode.f32" : "");
    return false;
}

static bool is_ready(struct call *call)
{
    enum server_state state = atomic_load_explicit(&call->server->state, memory_order_acquire);
    if (state == SERVER_READY || state == SERVER_STOPPING || !call->route->run)
        return true;
    /* What tells how the server is: health over gRPC, and metrics. */
    if (call->route->role == ROLE_NONE || call->route->lane == NET_LANE_WATCH)
        return true;
    call_refuse(call, 503, "not_ready", NULL, "the database is being opened");
    return false;
}

/* What must be audited and cannot be is not done. */
static bool is_auditable(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    if (!call->route->is_mutation || !call->server->audit ||
        audit_error(call->server->audit, &error) == LODE_OK)
        return true;
    log_write(
        call->server->log, LOG_ERROR, "changes are refused while the audit log fails",
        (const struct log_field[]){{.name = "error", .kind = LOG_TEXT, .text = error.message}}, 1);
    call_refuse(call, 503, "audit", NULL, "changes are refused while the audit log fails: %s",
                error.message);
    return false;
}

/* Of reads and writes; what is slow by nature ends when its client has gone. */
static void set_deadline(struct call *call)
{
    const struct net_request *request = exchange_request(call->exchange);
    uint64_t us = 0;
    if (call->who && call->route->lane != NET_LANE_SLOW) {
        us = call->who->limits.deadline_ms * 1000;
        us = us ? us : call->server->config->limits.deadline_ms * 1000;
    }
    uint64_t asked_us = call->is_grpc ? grpc_timeout_us(request) : 0;
    if (asked_us && (us == 0 || asked_us < us))
        us = asked_us;
    if (us == 0)
        return;
    call->deadline_us = request->arrived_us + us;
    exchange_set_deadline(call->exchange, call->deadline_us);
}

static void run(void *context, struct exchange *exchange);

static size_t body_max(const struct call *call)
{
    uint64_t max = call->server->config->http.body_bytes_max;
    if (call->is_grpc)
        return grpc_body_max((size_t)max);
    if (call->route->bodies == BODY_NONE)
        return NO_BODY_MAX;
    return call->route->lane == NET_LANE_SLOW && max > SMALL_BODY_MAX ? SMALL_BODY_MAX
                                                                      : (size_t)max;
}

static void hand_over(struct call *call)
{
    const struct route *route = call->route;
    set_deadline(call);
    if (route->is_streamed)
        exchange_stream(call->exchange, route->lane, run);
    else
        exchange_gather(call->exchange, route->lane, body_max(call), run);
}

void service_begin(void *context, struct exchange *exchange)
{
    struct server *server = context;
    struct call *call = call_new(server, exchange);
    if (!call) {
        answer_plain(exchange, &(struct fault){503, "no_memory", 1}, "out of memory");
        return;
    }
    begin_trace(call);
    if (find(call) && identify(call) && take_quota(call) && may(call) && check_type(call) &&
        is_ready(call) && is_auditable(call)) {
        if (call->route->run) {
            hand_over(call);
            return;
        }
        loop_route(call);
    }
    call_answer(call);
}

/* --- Run ----------------------------------------------------------------------------------------- */

static void run(void *context, struct exchange *exchange)
{
    struct call *call = exchange_data(exchange);
    (void)context;
    if (call->route->is_streamed)
        stream_begin(call);
    else
        call->body = exchange_body(exchange, &call->body_size);
    if (take_quota_of_body(call))
        call->route->run(call);
    report_change(call);
    call_answer(call);
}

/* --- Refused and ended --------------------------------------------------------------------------- */

static const char *refusal_text(enum net_refusal why)
{
    switch (why) {
    case NET_REFUSED_SIZE: return "the body is too large";
    case NET_REFUSED_QUEUE: return "too much to do: the wait would be too long";
    case NET_REFUSED_DEADLINE: return "the deadline of the request has passed";
    case NET_REFUSED_DRAINING: return "the server is stopping";
    case NET_REFUSED_MEMORY:
        return "bodies and answers that wait to be taken use up http.gather-size, or a quarter of "
               "it on this "
               "connection";
    }
    return "";
}

/* A worker may be busy with the call at this moment: nothing of it is touched but what is the loop's own. */
void service_refused(void *context, struct exchange *exchange, enum net_refusal why,
                     unsigned retry_s)
{
    struct server *server = context;
    struct call *call = exchange_data(exchange);
    struct fault fault = fault_of_refusal(why);
    if (why == NET_REFUSED_QUEUE || why == NET_REFUSED_DRAINING || why == NET_REFUSED_MEMORY)
        fault.retry_s = retry_s ? retry_s : 1;
    metrics_refused(server->metrics, why);
    if (call)
        call->refusal = why;
    if (call && call->is_grpc)
        grpc_refuse(exchange, fault.status, fault.code, refusal_text(why), fault.retry_s);
    else
        answer_plain(exchange, &fault, refusal_text(why));
}

void service_end(void *context, struct exchange *exchange, const struct net_outcome *outcome)
{
    struct server *server = context;
    struct call *call = exchange_data(exchange);
    if (!call) {
        metrics_request(server->metrics, SIZE_MAX, outcome);
        return;
    }
    health_forget(server->health, call);
    report(call, outcome);
    exchange_set_data(exchange, NULL);
    call_free(call);
}

void service_malformed(void *context, const char *peer, unsigned status, const char *why)
{
    struct server *server = context;
    metrics_malformed(server->metrics, status);
    log_write(server->log, LOG_DEBUG, "malformed request",
              (const struct log_field[]){{.name = "peer", .kind = LOG_TEXT, .text = peer},
                                         {.name = "status", .kind = LOG_NUMBER, .number = status},
                                         {.name = "why", .kind = LOG_TEXT, .text = why}},
              3);
}
