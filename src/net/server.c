/* server.c: the server as a whole: options, lanes, loops, draining. */
#include "net/server.h"

#include "base/limits.h"
#include "net/connection.h"

#include <stdlib.h>

#define TICK_US_MIN  10000
#define TICK_US_MAX  500000
#define CUT_GRACE_US 500000 /* for what was refused at the end to be written */
#define IDLE_MS      75000
#define HEAD_MS      10000
#define STALL_MS     30000
#define CONNECTIONS  10000
#define PER_ADDRESS  1000
#define STREAMS      128
#define RESETS_PER_S 100
#define GATHER_BYTES ((uint64_t)256 << 20)

/* --- Memory of bodies --------------------------------------------------------------------------------------- */

bool server_reserve(struct net_server *server, size_t size)
{
    uint64_t before =
        atomic_fetch_add_explicit(&server->gathered_bytes, size, memory_order_relaxed);
    if (size <= server->settings.gather_bytes_max &&
        before <= server->settings.gather_bytes_max - size)
        return true;
    server_give_back(server, size);
    return false;
}

void server_hold(struct net_server *server, size_t size)
{
    atomic_fetch_add_explicit(&server->gathered_bytes, size, memory_order_relaxed);
}

void server_give_back(struct net_server *server, size_t size)
{
    atomic_fetch_sub_explicit(&server->gathered_bytes, size, memory_order_relaxed);
}

/* --- Ticks and draining ------------------------------------------------------------------------------------- */

bool server_is_draining(const struct net_server *server)
{
    return atomic_load_explicit(&server->is_draining, memory_order_acquire);
}

static void cut(struct connection *connection, bool is_final)
{
    for (struct exchange *exchange = connection->exchanges, *next; exchange; exchange = next) {
        next = exchange->next;
        (void)exchange_stop_waiting(exchange);
    }
    if (is_final)
        connection_fail(connection);
    else
        loop_touch(connection->loop, connection);
}

static void drain(struct net_server *server, struct connection *connection, uint64_t now)
{
    uint64_t until_us = atomic_load_explicit(&server->drain_until_us, memory_order_acquire);
    if (connection->state == CONNECTION_SERVING)
        connection->protocol->drain(connection, now);
    else if (connection->state != CONNECTION_LINGERING && connection_is_quiet(connection, now))
        connection_fail(connection);
    if (now >= until_us)
        cut(connection, now >= until_us + CUT_GRACE_US);
}

void server_check(struct net_server *server, struct loop *loop)
{
    uint64_t now = clock_us();
    bool is_draining = server_is_draining(server);
    if (loop == server->loops[0] && is_draining)
        listen_stop(server);
    else if (loop == server->loops[0])
        listen_resume(server);
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        lane_expire(server->lanes[i]);
    if (now < loop->checked_us + server->settings.check_us && !is_draining)
        return;
    loop->checked_us = now;
    for (struct connection *connection = loop->connections, *next; connection; connection = next) {
        next = connection->next;
        connection_check(connection, now);
        if (is_draining && !connection->has_failed)
            drain(server, connection, now);
    }
}

void server_maybe_leave(struct net_server *server, struct loop *loop)
{
    /* In this order: what was dealt before listening stopped is in the mailbox then. */
    if (atomic_load_explicit(&server->has_stopped_listening, memory_order_acquire) &&
        !loop->connections && !loop->touched && !loop->exchange_count &&
        !atomic_load_explicit(&loop->mailbox, memory_order_acquire))
        loop_leave(loop);
}

/* --- Life ---------------------------------------------------------------------------------------------------- */

/* A quarter of the shortest time for which connections are watched. */
static unsigned check_us(const struct net_settings *settings)
{
    uint64_t shortest = settings->idle_us_max;
    if (settings->head_us_max < shortest)
        shortest = settings->head_us_max;
    if (settings->stall_us_max < shortest)
        shortest = settings->stall_us_max;
    shortest /= 4;
    return (unsigned)(shortest < TICK_US_MIN   ? TICK_US_MIN
                      : shortest > TICK_US_MAX ? TICK_US_MAX
                                               : shortest);
}

static void take_settings(const struct net_options *options, struct net_settings *settings)
{
    unsigned idle = options->idle_ms_max, head = options->head_ms_max,
             stall = options->stall_ms_max;
    unsigned streams = options->connection_streams_max;
    unsigned per_address = options->connections_per_address_max;
    *settings = (struct net_settings){
        .connections_max = options->connections_max ? options->connections_max : CONNECTIONS,
        .connections_per_address_max = per_address ? per_address : PER_ADDRESS,
        .connection_streams_max = streams ? streams : STREAMS,
        .gather_bytes_max = options->gather_bytes_max ? options->gather_bytes_max : GATHER_BYTES,
        .idle_us_max = (uint64_t)(idle ? idle : IDLE_MS) * 1000,
        .head_us_max = (uint64_t)(head ? head : HEAD_MS) * 1000,
        .stall_us_max = (uint64_t)(stall ? stall : STALL_MS) * 1000,
        .resets_per_s_max = options->resets_per_s_max ? options->resets_per_s_max : RESETS_PER_S,
    };
    settings->check_us = check_us(settings);
}

/* The same of lanes, too: few to look at. */
static unsigned tick_us(const struct net_server *server, const struct net_options *options)
{
    uint64_t shortest = server->settings.check_us;
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        if ((uint64_t)options->lanes[i].wait_ms_max * 250 < shortest)
            shortest = (uint64_t)options->lanes[i].wait_ms_max * 250;
    return (unsigned)(shortest < TICK_US_MIN ? TICK_US_MIN : shortest);
}

static lode_status make_loops(struct net_server *server, const struct net_options *options,
                              lode_error *error)
{
    size_t count = options->loop_threads ? options->loop_threads : 1;
    if (count > THREADS_MAX)
        return error_set(error, LODE_INVALID, "loop threads: %zu is over %d", count, THREADS_MAX);
    server->loops = calloc(count, sizeof(struct loop *));
    server->threads = calloc(count, sizeof *server->threads);
    if (!server->loops || !server->threads)
        return error_nomem(error, "event loops", count * sizeof(struct loop *));
    for (; server->loop_count < count; server->loop_count++) {
        lode_status status =
            loop_new(server, tick_us(server, options), &server->loops[server->loop_count], error);
        if (status)
            return status;
    }
    return LODE_OK;
}

static lode_status make_parts(struct net_server *server, const struct net_options *options,
                              lode_error *error)
{
    lode_status status = LODE_OK;
    if (options->tls)
        status = tls_new(options->tls, &server->tls, error);
    if (server->tls)
        atomic_init(&server->tls_expires_s, server->tls->expires_s);
    for (size_t i = 0; !status && i < NET_LANE_COUNT; i++)
        status = lane_new(&options->lanes[i], &exchange_lane_work, &clock_system, &server->lanes[i],
                          error);
    if (!status)
        status = make_loops(server, options, error);
    return status;
}

lode_status net_server_new(const struct net_options *options, const struct net_service *service,
                           struct net_server **ret_server, lode_error *error)
{
    struct net_server *server = calloc(1, sizeof *server);
    if (!server)
        return error_nomem(error, "a server", sizeof *server);
    mutex_init(&server->tls_mutex);
    server->service = *service;
    take_settings(options, &server->settings);
    peers_init(&server->peers, server->settings.connections_per_address_max);
    /* Sockets are taken first, so that they are closed whatever fails. */
    lode_status status = listen_open(options, server, error);
    if (!status)
        status = make_parts(server, options, error);
    if (status)
        net_server_free(server);
    else
        *ret_server = server;
    return status;
}

void net_server_free(struct net_server *server)
{
    if (!server)
        return;
    listen_close(server);
    for (size_t i = 0; i < server->loop_count; i++)
        loop_free(server->loops[i]);
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        lane_free(server->lanes[i]);
    free(server->listeners);
    free(server->loops);
    free(server->threads);
    tls_free(server->tls);
    mutex_release(&server->tls_mutex);
    free(server);
}

const char *net_server_address(const struct net_server *server, size_t i)
{
    return i < server->listener_count ? server->listeners[i].address : NULL;
}

/* --- Running -------------------------------------------------------------------------------------------------- */

static void run_loop(void *context)
{
    loop_run(context);
}

static lode_status start_lanes(struct net_server *server, lode_error *error)
{
    static const char *const names[NET_LANE_COUNT] = {"lode-read", "lode-write", "lode-slow",
                                                      "lode-watch"};
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < NET_LANE_COUNT; i++)
        status = lane_start(server->lanes[i], names[i], error);
    return status;
}

/* Loops but the first one; *ret_count: how many run. */
static lode_status start_loops(struct net_server *server, size_t *ret_count, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < server->loop_count; i++)
        status = loop_start(server->loops[i], error);
    if (status)
        return status;
    for (size_t i = 1; i < server->loop_count; i++) {
        int failed = thread_start(&server->threads[i], "lode-loop", run_loop, server->loops[i]);
        if (failed)
            return error_os(error, failed, "thread of event loop %zu", i);
        ++*ret_count;
    }
    return LODE_OK;
}

lode_status net_server_run(struct net_server *server, lode_error *error)
{
    size_t started = 1;
    lode_status status = start_lanes(server, error);
    if (!status)
        status = start_loops(server, &started, error);
    if (!status)
        status = listen_start(server, error);
    if (status) {
        net_server_stop(server, 0);
        listen_stop(server);
    } else {
        loop_run(server->loops[0]);
    }
    for (size_t i = 1; i < started; i++)
        thread_join(&server->threads[i]);
    for (size_t i = 0; i < server->loop_count; i++)
        loop_stop(server->loops[i]);
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        lane_stop(server->lanes[i]);
    return status;
}

void net_server_stop(struct net_server *server, unsigned drain_ms)
{
    uint64_t now = clock_us();
    atomic_store_explicit(&server->drain_until_us, now + (uint64_t)drain_ms * 1000,
                          memory_order_release);
    atomic_store_explicit(&server->is_draining, 1, memory_order_release);
    for (size_t i = 0; i < server->loop_count; i++)
        loop_nudge(server->loops[i]);
}

lode_status net_server_set_tls(struct net_server *server, const struct net_tls_options *options,
                               lode_error *error)
{
    if (!server->tls)
        return error_set(error, LODE_INVALID, "the server listens without TLS: start it anew");
    struct tls *tls = NULL;
    lode_status status = tls_new(options, &tls, error);
    if (status)
        return status;
    mutex_lock(&server->tls_mutex);
    struct tls *before = server->tls;
    server->tls = tls;
    atomic_store_explicit(&server->tls_expires_s, tls->expires_s, memory_order_relaxed);
    mutex_unlock(&server->tls_mutex);
    tls_free(before);
    return LODE_OK;
}

void net_server_stats(const struct net_server *server, struct net_stats *ret_stats)
{
    *ret_stats = (struct net_stats){
        .connections = atomic_load_explicit(&server->connections, memory_order_relaxed),
        .accepted = atomic_load_explicit(&server->accepted, memory_order_relaxed),
        .turned_away = atomic_load_explicit(&server->turned_away, memory_order_relaxed),
        .malformed = atomic_load_explicit(&server->malformed, memory_order_relaxed),
        .resets_limited = atomic_load_explicit(&server->resets_limited, memory_order_relaxed),
        .gathered_bytes = atomic_load_explicit(&server->gathered_bytes, memory_order_relaxed),
        .tls_expires_s = atomic_load_explicit(&server->tls_expires_s, memory_order_relaxed),
    };
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        lane_stats(server->lanes[i], &ret_stats->lanes[i]);
}
