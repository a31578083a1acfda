/* grpc_health.c: grpc.health.v1.Health. The server and each of its services serve as soon as the database is open and until
 * the server stops.
 *
 * A watcher holds a thread of the slow lane, so there are at most half as many of them as it has threads; others are told
 * to come again. They look at the server's state four times a second. */
#include "os/thread.h"
#include "server/grpc_call.h"
#include "server/grpc_descriptors.h"
#include "server/grpc_methods.h"
#include "server/service.h"

#include <proto/grpc/health/v1/health.pb-c.h>

#include <string.h>

#define LOOK_US 250000

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving;
#define SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define UNKNOWN     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

static atomic_uint watchers; /* of the process */

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

/* --- Watch --------------------------------------------------------------------------------------- */

static unsigned watchers_max(const struct call *call)
{
    struct net_options options;
    struct net_tls_options tls;
    config_net_options(call->server->config, &options, &tls);
    return options.lanes[NET_LANE_SLOW].threads / 2;
}

static bool enter(struct call *call)
{
    unsigned most = watchers_max(call);
    unsigned count = atomic_load_explicit(&watchers, memory_order_relaxed);
    do {
        if (count >= most) {
            call_refuse(call, most ? 429 : 501, "watchers", NULL,
                        "at most %u watch at a time, half of http.slow-threads", most);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&watchers, &count, count + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static lode_status send_status(struct call *call, serving status, lode_error *error)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct put put;
    size_t begin;
    lode_status failed = frame_begin(&call->out, &begin, error);
    response.status = status;
    put_init(&put, &call->out, error);
    if (!failed)
        put_fields(&put, &response.base);
    failed = failed ? failed : put.status;
    return failed ? failed : grpc_stream_send(call, error);
}

static void watch(struct call *call, const char *service)
{
    serving last = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN;
    lode_error error;
    lode_status failed = grpc_stream_begin(call, &error);
    while (!failed && !call_is_cancelled(call)) {
        /* Looked at first: then what is said is the last. */
        enum server_state state = state_of(call);
        bool is_last = state == SERVER_STOPPING || state == SERVER_FAILED;
        serving status = status_of(call, service);
        if (status != last)
            failed = send_status(call, status, &error);
        last = status;
        if (is_last) {
            call_refuse(call, 503, "stopping", NULL, "the server is stopping");
            return;
        }
        thread_sleep_us(LOOK_US);
    }
    if (failed)
        grpc_fail(call, &error, NULL);
}

void grpc_health_watch(struct call *call)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        grpc_read_single(call, &grpc__health__v1__health_check_request__descriptor);
    if (request && enter(call)) {
        watch(call, request->service);
        atomic_fetch_sub_explicit(&watchers, 1, memory_order_relaxed);
    }
    if (call->is_answered)
        grpc_stream_end(call);
}
