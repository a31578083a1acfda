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
    else
        openapi_answer(call);
}
