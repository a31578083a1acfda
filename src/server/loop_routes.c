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

static void health(struct call *call)
{
    struct json_writer json;
    call_json(call, &json);
    json_write_object(&json);
    json_write_text(&json, "status", "ok");
    json_write_object_end(&json);
    call_json_end(call, &json);
}

static void readiness(struct call *call)
{
    struct server *server = call->server;
    struct json_writer json;
    enum server_state state = atomic_load_explicit(&server->state, memory_order_acquire);
    call_json(call, &json);
    json_write_object(&json);
    json_write_text(&json, "status", state_name(state));
    if (state == SERVER_OPENING) {
        json_write_key(&json, "percent");
        json_write_u64(&json, atomic_load_explicit(&server->percent, memory_order_relaxed));
    }
    json_write_object_end(&json);
    call_json_end(call, &json);
    if (state == SERVER_READY)
        return;
    call->status = 503;
    call_header(call, "retry-after", "1");
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
        health(call);
    else if (strcmp(operation, "readyz") == 0)
        readiness(call);
    else
        openapi_answer(call);
}
