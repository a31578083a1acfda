/* report.c: see report.h. Paths and queries are not told: they hold ids and filters of users; the route's operation and the
 * collection are. */
#include "server/report.h"

#include "os/clock.h"
#include "server/errors.h"
#include "server/routes.h"
#include "server/service.h"

#include <string.h>

/* The status that the fault has over HTTP: gRPC's answers are all 200. */
static unsigned status_of(const struct call *call, const struct net_outcome *outcome)
{
    if (call->route && call->route->is_streamed && call->fault_code)
        return call->status; /* the answer, begun as a good one, broke off */
    if (!call->is_grpc)
        return outcome->status;
    return call->refusal ? fault_of_refusal(call->refusal).status : call->status;
}

static const char *fault_code(const struct call *call)
{
    return call->refusal ? fault_of_refusal(call->refusal).code : call->fault_code;
}

static size_t operation_index(const struct call *call)
{
    if (!call->route)
        return SIZE_MAX;
    /* gRPC has routes of its own, of the same operations */
    const struct route *route = call->is_grpc ? route_of(call->route->operation) : call->route;
    return route ? (size_t)(route - routes) : SIZE_MAX;
}

/* --- Denied requests ------------------------------------------------------------------------------ */

/* Whoever is denied decides how often. Lines have his name, or his address, so many a second, and strangers all together so
 * many: what is beyond is counted. A principal, who could be taken his key, is not hidden by a flood of strangers. */
#define DENIED_PER_S     1
#define DENIED_BURST     100
#define DENIED_ALL_PER_S 10
#define DENIED_ALL_BURST 1000

lode_status report_rates(struct rates **ret_rates, lode_error *error)
{
    return rates_new((struct rate){DENIED_PER_S, DENIED_BURST},
                     (struct rate){DENIED_ALL_PER_S, DENIED_ALL_BURST}, ret_rates, error);
}

/* Whether the call has lines of its own. */
static bool take_line(const struct call *call)
{
    struct rates *rates = call->server->denials;
    char peer[RATES_PEER_SIZE];
    if (!call->is_denied)
        return true;
    uint64_t now_us = clock_us();
    const char *name =
        call->who ? call->who->caller : rates_peer(exchange_request(call->exchange)->peer, peer);
    if (call->who)
        rates_know(rates, name, now_us + 1);
    if (!rates_may(rates, name, now_us))
        return false;
    rates_take(rates, name, 1, now_us);
    return true;
}

/* --- Lines ---------------------------------------------------------------------------------------- */

static enum log_level level_of(const struct call *call, unsigned status, bool is_told)
{
    if (!is_told)
        return LOG_DEBUG;
    /* 503 and 504 mostly mean that there is too much to do; what takes no writes stays so until somebody sees to it. */
    bool is_passing = status == 504 || (status == 503 && call->error.status != LODE_READONLY);
    if (status >= 500 && !is_passing)
        return LOG_WARNING;
    if (call->route && call->route->is_mutation && call->route->role == ROLE_ADMIN)
        return LOG_INFO;
    return call->is_denied ? LOG_INFO : LOG_DEBUG;
}

static void report_log(const struct call *call, const struct net_outcome *outcome, unsigned status,
                       bool is_told)
{
    const struct log *log = call->server->log;
    enum log_level level = level_of(call, status, is_told);
    char trace_id[TRACE_ID_TEXT_SIZE];
    if (!log_is_on(log, level))
        return;
    const struct net_request *request = exchange_request(call->exchange);
    trace_id_text(&call->trace, trace_id);
    const char *message = call->error.status && status >= 500 ? call->error.message : NULL;
    const struct log_field fields[] = {
        {.name = "operation",
         .kind = LOG_TEXT,
         .text = call->route ? call->route->operation : "none"},
        {.name = "status", .kind = LOG_NUMBER, .number = status},
        {.name = "code", .kind = LOG_TEXT, .text = fault_code(call)},
        {.name = "error", .kind = LOG_TEXT, .text = message},
        {.name = "index", .kind = LOG_TEXT, .text = call->collection},
        {.name = "who", .kind = LOG_TEXT, .text = call->who ? call->who->name : NULL},
        {.name = "key", .kind = LOG_TEXT, .text = principal_id(call->who, PRINCIPAL_KEY)},
        {.name = "token", .kind = LOG_TEXT, .text = principal_id(call->who, PRINCIPAL_TOKEN)},
        {.name = "peer", .kind = LOG_TEXT, .text = request->peer},
        {.name = "us", .kind = LOG_NUMBER, .number = (int64_t)outcome->total_us},
        {.name = "waited_us", .kind = LOG_NUMBER, .number = (int64_t)outcome->waited_us},
        {.name = "bytes_in", .kind = LOG_NUMBER, .number = (int64_t)outcome->bytes_in},
        {.name = "bytes_out", .kind = LOG_NUMBER, .number = (int64_t)outcome->bytes_out},
        {.name = "trace", .kind = LOG_TEXT, .text = trace_id},
    };
    log_write(call->server->log, level, "request", fields, sizeof fields / sizeof *fields);
}

static void append_audit(const struct call *call, const char *outcome, unsigned status,
                         const char *reason)
{
    char trace_id[TRACE_ID_TEXT_SIZE];
    trace_id_text(&call->trace, trace_id);
    audit_append(call->server->audit,
                 &(struct audit_entry){
                     .operation = call->route ? call->route->operation : "none",
                     .outcome = outcome,
                     .status = status,
                     .who = call->who ? call->who->name : NULL,
                     .key_id = principal_id(call->who, PRINCIPAL_KEY),
                     .token_id = principal_id(call->who, PRINCIPAL_TOKEN),
                     .peer = exchange_request(call->exchange)->peer,
                     .collection = call->collection,
                     .namespace_ = call->namespace_,
                     .reason = reason,
                     .points = call->points,
                     .sequence = call->sequence,
                     .trace_id = trace_id,
                 });
}

static const char *outcome_of(unsigned status)
{
    return status >= 200 && status < 300 ? "ok" : "failed";
}

void report_begun(const struct call *call)
{
    append_audit(call, "begun", 0, NULL);
}

void report_change(struct call *call)
{
    if (!call->route->is_mutation || call->is_denied)
        return;
    append_audit(call, outcome_of(call->status), call->status, call->fault_code);
    call->is_audited = true;
}

/* What was denied, and changes that were refused before they were run; queries only where that is asked for. */
static bool is_to_be_audited(const struct call *call)
{
    if (!call->server->audit || call->is_audited)
        return false;
    if (call->is_denied || (call->route && call->route->is_mutation))
        return true;
    return call->server->config->audit.queries && call->route && call->who;
}

static void report_audit(const struct call *call, unsigned status, bool is_told)
{
    if (!is_to_be_audited(call))
        return;
    if (is_told)
        append_audit(call, call->is_denied ? "denied" : outcome_of(status), status,
                     fault_code(call));
    else
        audit_skip(call->server->audit);
}

static void report_trace(const struct call *call, const struct net_outcome *outcome,
                         unsigned status)
{
    if (!call->trace.is_sampled)
        return;
    uint64_t end_us = clock_wall_us(&clock_system), start_us = end_us - outcome->total_us;
    const struct trace_attribute attributes[] = {
        {.name = "http.response.status_code", .number = status},
        {.name = "http.request.method", .text = exchange_request(call->exchange)->method},
        {.name = "http.route", .text = call->route ? call->route->pattern : ""},
        {.name = "lode.index", .text = call->collection ? call->collection : ""},
    };
    struct trace_span spans[2] = {{.name = call->route ? call->route->operation : "none",
                                   .start_us = start_us,
                                   .end_us = end_us,
                                   .attributes = attributes,
                                   .attribute_count = sizeof attributes / sizeof *attributes,
                                   .error = status >= 500 ? fault_code(call) : NULL},
                                  {.name = "queue"}};
    memcpy(spans[0].span_id, call->trace.span_id, sizeof spans[0].span_id);
    memcpy(spans[0].parent_id, call->trace.parent_id, sizeof spans[0].parent_id);
    trace_new_span_id(call->server->tracer, spans[1].span_id);
    memcpy(spans[1].parent_id, call->trace.span_id, sizeof spans[1].parent_id);
    uint64_t started_us = exchange_started_us(call->exchange);
    uint64_t arrived_us = exchange_request(call->exchange)->arrived_us;
    /* Its wait ends where run began. */
    spans[1].end_us = started_us ? start_us + (started_us - arrived_us) : start_us;
    spans[1].start_us = spans[1].end_us - outcome->waited_us;
    trace_spans(call->server->tracer, &call->trace, spans, started_us ? 2 : 1);
}

void report(struct call *call, const struct net_outcome *outcome)
{
    unsigned status = status_of(call, outcome);
    struct net_outcome counted = *outcome;
    counted.status = status;
    metrics_request(call->server->metrics, operation_index(call), &counted);
    metrics_index_request(call->measured, operation_index(call), outcome->total_us);
    if (call->is_denied && call->fault_code)
        metrics_denied(call->server->metrics, call->fault_code);
    bool is_told = take_line(call);
    report_log(call, outcome, status, is_told);
    report_audit(call, status, is_told);
    report_trace(call, outcome, status);
}
