/* grpc_health.c: grpc.health.v1.Health. The server and each of its services serve as soon as the database is open and until
 * the server stops.
 *
 * A watcher costs no thread: its answer is kept open (exchange_keep), and whoever changes the server's state tells all of
 * them. They are in a list, under a lock that is held while they are told, which does not wait: what a watcher is told in
 * its whole life are a few bytes. A call leaves the list before it ends. */
#include "server/grpc_health.h"

#include "server/grpc_call.h"
#include "server/grpc_descriptors.h"
#include "server/grpc_methods.h"
#include "server/service.h"

#include <proto/grpc/health/v1/health.pb-c.h>

#include <stdlib.h>
#include <string.h>

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving;
#define SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define UNKNOWN     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

struct watcher {
    struct call *call;
    const char *service;
    serving told;
    bool is_listed;
    struct watcher *next, *previous;
};

struct health {
    struct mutex mutex; /* guards what follows, and the streams of the watchers */
    struct watcher *first;
    unsigned count;
};

static enum server_state state_of(const struct call *call)
{
    return atomic_load_explicit(&call->server->state, memory_order_acquire);
}

static bool is_known(const char *service)
{
    char name[128];
    for (size_t i = 0; descriptors_service(descriptors_own(), i, name, sizeof name); i++)
        if (strcmp(name, service) == 0)
            return true;
    return *service == '\0'; /* the server */
}

static serving status_of(const struct call *call, const char *service)
{
    if (!is_known(service))
        return UNKNOWN;
    return state_of(call) == SERVER_READY ? SERVING : NOT_SERVING;
}

void grpc_health_check(struct call *call, const void *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request = message;
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status_of(call, request->service);
    if (response.status == UNKNOWN)
        call_refuse(call, 404, "not_found", NULL, "there is no service '%.100s'", request->service);
    else
        grpc_reply(call, &response.base);
}

/* --- Watchers; the mutex is held ----------------------------------------------------------------- */

static bool add(struct health *health, struct watcher *watcher)
{
    if (health->count == HEALTH_WATCHERS_MAX)
        return false;
    watcher->next = health->first;
    if (health->first)
        health->first->previous = watcher;
    health->first = watcher;
    health->count++;
    watcher->is_listed = true;
    return true;
}

static void take_out(struct health *health, struct watcher *watcher)
{
    if (watcher->previous)
        watcher->previous->next = watcher->next;
    else
        health->first = watcher->next;
    if (watcher->next)
        watcher->next->previous = watcher->previous;
    health->count--;
    watcher->is_listed = false;
}

static lode_status send_status(struct call *call, serving status, lode_error *error)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct put put;
    size_t begin;
    buf_clear(&call->out);
    lode_status failed = frame_begin(&call->out, &begin, error);
    response.status = status;
    put_init(&put, &call->out, error);
    if (!failed)
        put_fields(&put, &response.base);
    failed = failed ? failed : put.status;
    return failed ? failed : grpc_stream_send(call, error);
}

/* Tell it what has changed; false: that was the last. */
static bool tell(struct watcher *watcher)
{
    struct call *call = watcher->call;
    /* Looked at first: then what is said is the last. */
    enum server_state state = state_of(call);
    serving status = status_of(call, watcher->service);
    lode_error error;
    if (status != watcher->told && send_status(call, status, &error))
        call_fail(call, &error, NULL, -1);
    else if (state == SERVER_STOPPING || state == SERVER_FAILED)
        call_refuse(call, 503, "stopping", NULL, "the server is stopping");
    watcher->told = status;
    if (call_has_failed(call))
        grpc_stream_end(call);
    return !call_has_failed(call);
}

/* --- Watching ------------------------------------------------------------------------------------ */

lode_status health_new(struct health **ret_health, lode_error *error)
{
    struct health *health = calloc(1, sizeof *health);
    if (!health)
        return error_nomem(error, "watchers", sizeof *health);
    mutex_init(&health->mutex);
    *ret_health = health;
    return LODE_OK;
}

void health_free(struct health *health)
{
    if (!health)
        return;
    mutex_release(&health->mutex);
    free(health);
}

void health_tell(struct server *server)
{
    struct health *health = server->health;
    mutex_lock(&health->mutex);
    for (struct watcher *watcher = health->first, *next; watcher; watcher = next) {
        next = watcher->next;
        if (!tell(watcher))
            take_out(health, watcher);
    }
    mutex_unlock(&health->mutex);
}

void health_forget(struct health *health, struct call *call)
{
    if (!call->watcher)
        return;
    mutex_lock(&health->mutex);
    if (call->watcher->is_listed)
        take_out(health, call->watcher);
    mutex_unlock(&health->mutex);
}

/* The first thing that it is told; then it is kept. */
static void watch(struct health *health, struct watcher *watcher)
{
    struct call *call = watcher->call;
    lode_error error;
    if (!add(health, watcher)) {
        call_refuse(call, 429, "watchers", NULL, "at most %d watch at a time", HEALTH_WATCHERS_MAX);
    } else if (grpc_stream_begin(call, &error)) {
        call_fail(call, &error, NULL, -1);
        take_out(health, watcher);
    } else {
        exchange_keep(call->exchange);
        if (!tell(watcher))
            take_out(health, watcher);
    }
}

void grpc_health_watch(struct call *call, const void *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request = message;
    struct health *health = call->server->health;
    struct watcher *watcher = arena_alloc(&call->memory, sizeof *watcher);
    if (!watcher) {
        call_refuse(call, 503, "no_memory", NULL, "no memory for a watcher");
        return;
    }
    *watcher =
        (struct watcher){.call = call,
                         .service = request->service,
                         .told = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN};
    call->watcher = watcher;
    mutex_lock(&health->mutex);
    watch(health, watcher);
    mutex_unlock(&health->mutex);
}
