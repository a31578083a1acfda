/* loop_routes.c: see loop_routes.h. */
#include "server/loop_routes.h"

#include "server/openapi.h"
#include "server/service.h"

#include <string.h>

static const char *state_name(enum server_state state)
{
    switch (state) {
    case SERVER_OPENING: return "opening";
    case SERVER_READY: return "ready";
    case SERVER_FAILED: return "failed";
    case SERVER_STOPPING: return "stopping";
    }
    return "";
}

static void answer_status(struct call *call, const char *status)
{
    struct json_writer json;
    call_json(call, &json);
    json_write_object(&json);
    json_write_key(&json, "status");
    json_write_string(&json, status, strlen(status));
    json_write_object_end(&json);
    call_json_end(call, &json);
}

static void readiness(struct call *call)
{
    enum server_state state = atomic_load_explicit(&call->server->state, memory_order_acquire);
    answer_status(call, state_name(state));
    if (state == SERVER_READY)
        return;
    call->status = 503;
    call_header(call, "retry-after", "1");
}

/* Collections that the principal is not for are left out; what is of the server as a whole is shown to everybody who may
 * read. */
static void collect_seen(struct call *call, const struct collected *collected,
                         struct metrics_sources *sources)
{
    struct metrics_collection *seen =
        arena_alloc(&call->memory, (collected->count + 1) * sizeof *seen);
    size_t count = 0;
    for (size_t i = 0; seen && i < collected->count; i++)
        if (principal_sees(call->who, collected->collections[i].name))
            seen[count++] = collected->collections[i];
    sources->collections = seen;
    sources->collection_count = count;
}

static void metrics_answer(struct call *call)
{
    struct server *server = call->server;
    struct net_stats net;
    const struct collected *collected = NULL;
    lode_error error = {.status = LODE_OK};
    net_server_stats(server->net, &net);
    struct metrics_sources sources = {.net = &net,
                                      .data = server->config->data,
                                      .traces_dropped = tracer_dropped(server->tracer),
                                      .traces_sent = tracer_sent(server->tracer),
                                      .log_suppressed = log_suppressed(server->log)};
    sources.audit_failures = server->audit && audit_error(server->audit, NULL) ? 1 : 0;
    enum server_state state = atomic_load_explicit(&server->state, memory_order_acquire);
    sources.is_ready = state == SERVER_READY;
    if (state == SERVER_READY || state == SERVER_STOPPING) {
        collected = collector_take(server->collector);
        collect_seen(call, collected, &sources);
    }
    lode_status status = metrics_text(server->metrics, &sources, &call->out, &error);
    collected_give(collected);
    call->content_type = METRICS_CONTENT_TYPE;
    if (status)
        call_fail(call, &error, NULL, -1);
}

static void openapi_answer(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    call->content_type = "application/yaml";
    if (buf_append(&call->out, openapi_text, openapi_size(), &error))
        call_fail(call, &error, NULL, -1);
}

void loop_route(struct call *call)
{
    const char *operation = call->route->operation;
    if (strcmp(operation, "healthz") == 0)
        answer_status(call, "ok");
    else if (strcmp(operation, "readyz") == 0)
        readiness(call);
    else if (strcmp(operation, "metrics") == 0)
        metrics_answer(call);
    else
        openapi_answer(call);
}
