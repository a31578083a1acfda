/* net_echo.c: a service for the scripts of this folder. Arguments are KEY=VALUE; it prints where it listens, stops on
 * SIGTERM and reads its certificates again on SIGHUP.
 *
 *     /hello      answered by the loop itself           /echo       the body back
 *     /work       takes ?ms, looks at cancelled         /deadline   the same, with a deadline of ?within ms
 *     /upload     counts a streamed body                /slurp      the same, ?ms for each piece
 *     /stream     ?bytes of answer, in parts            /broken     an answer that is not finished
 *     /never      a run that does not answer            /trailers   as gRPC has them
 *     /head       what was asked                        /stats      what was counted
 *     /whole      ?bytes of answer, in one piece */
#include "net/net.h"
#include "os/clock.h"
#include "os/thread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    struct net_server *server;
    struct net_tls_options tls;
    unsigned drain_ms;
    atomic_uint begun, ended, complete, cancelled, refused[6], malformed, runs;
    _Atomic uint64_t bytes_in, bytes_out;
} echo;

static uint64_t number_of(const struct exchange *exchange, const char *name, uint64_t otherwise)
{
    const char *found = strstr(exchange_request(exchange)->query, name);
    return found ? strtoull(found + strlen(name), NULL, 10) : otherwise;
}

static void answer_text(struct exchange *exchange, unsigned status, const char *text)
{
    struct buf body;
    buf_init(&body, SIZE_MAX);
    if (buf_append(&body, text, strlen(text), NULL))
        abort();
    exchange_answer(
        exchange,
        &(struct net_answer){.status = status, .content_type = "application/json", .body = &body});
}

/* --- Runs --------------------------------------------------------------------------------------------------- */

static void run_echo(void *context, struct exchange *exchange)
{
    size_t size = 0;
    const uint8_t *data = exchange_body(exchange, &size);
    struct buf body;
    (void)context;
    buf_init(&body, SIZE_MAX);
    if (size && buf_append(&body, data, size, NULL))
        abort();
    atomic_fetch_add(&echo.runs, 1);
    exchange_answer(exchange, &(struct net_answer){.status = 200,
                                                   .content_type = "application/octet-stream",
                                                   .body = &body});
}

static void run_work(void *context, struct exchange *exchange)
{
    uint64_t until_us = clock_now_us(&clock_system) + number_of(exchange, "ms=", 10) * 1000;
    (void)context;
    atomic_fetch_add(&echo.runs, 1);
    while (clock_now_us(&clock_system) < until_us) {
        if (atomic_load(exchange_cancelled(exchange))) {
            atomic_fetch_add(&echo.cancelled, 1);
            break;
        }
        thread_sleep_us(500);
    }
    answer_text(exchange, 200, "{\"worked\":true}");
}

static void run_upload(void *context, struct exchange *exchange)
{
    static _Thread_local uint8_t data[16384];
    uint64_t total = 0, pause_ms = number_of(exchange, "ms=", 0);
    size_t size = 1;
    lode_error error = {0};
    lode_status status = LODE_OK;
    (void)context;
    while (!status && size) {
        status = exchange_read(exchange, data, sizeof data, &size, &error);
        total += status ? 0 : size;
        if (pause_ms)
            thread_sleep_us((unsigned)pause_ms * 1000);
    }
    if (status)
        atomic_fetch_add(&echo.cancelled, 1);
    char text[64];
    (void)snprintf(text, sizeof text, "{\"bytes\":%llu}", (unsigned long long)total);
    answer_text(exchange, status ? 500 : 200, text);
}

static const struct net_answer octets = {.status = 200, .content_type = "application/octet-stream"};

static void run_stream(void *context, struct exchange *exchange)
{
    static const uint8_t data[10000] = {'x'};
    uint64_t left = number_of(exchange, "bytes=", 100000);
    lode_error error = {0};
    (void)context;
    lode_status status = exchange_begin(exchange, &octets, &error);
    while (!status && left) {
        size_t size = left < sizeof data ? (size_t)left : sizeof data;
        status = exchange_write(exchange, data, size, &error);
        left -= size;
    }
    if (status)
        atomic_fetch_add(&echo.cancelled, 1);
    else
        exchange_finish(exchange, NULL, 0);
}

static void run_broken(void *context, struct exchange *exchange)
{
    (void)context;
    if (exchange_begin(exchange, &octets, NULL) || exchange_write(exchange, "half", 4, NULL))
        atomic_fetch_add(&echo.cancelled, 1);
}

static void run_never(void *context, struct exchange *exchange)
{
    (void)context;
    (void)exchange;
}

static void run_whole(void *context, struct exchange *exchange)
{
    struct buf body;
    (void)context;
    buf_init(&body, SIZE_MAX);
    size_t size = number_of(exchange, "bytes=", 1);
    if (buf_reserve(&body, size, NULL))
        abort();
    memset(body.data, 'x', size);
    body.size = size;
    exchange_answer(exchange, &(struct net_answer){.status = 200,
                                                   .content_type = "application/octet-stream",
                                                   .body = &body});
}

static void run_trailers(void *context, struct exchange *exchange)
{
    static const struct net_header trailers[] = {{"grpc-status", "0", 1}, {"grpc-message", "", 0}};
    struct buf body;
    (void)context;
    buf_init(&body, SIZE_MAX);
    if (buf_append(&body, "\0\0\0\0\2ok", 7, NULL))
        abort();
    exchange_answer(exchange, &(struct net_answer){.status = 200,
                                                   .content_type = "application/grpc",
                                                   .body = &body,
                                                   .trailers = trailers,
                                                   .trailer_count = 2});
}

/* --- Answers of the loop ----------------------------------------------------------------------------------------- */

static void answer_head(struct exchange *exchange)
{
    const struct net_request *request = exchange_request(exchange);
    char text[1024];
    (void)snprintf(
        text, sizeof text,
        "{\"method\":\"%s\",\"path\":\"%.200s\",\"query\":\"%.200s\",\"authority\":\"%s\","
        "\"headers\":%zu,\"http2\":%d,\"tls\":%d,\"peer\":\"%s\",\"name\":\"%.200s\"}",
        request->method, request->path, request->query, request->authority, request->header_count,
        request->is_http2, request->is_tls, request->peer,
        request->peer_name ? request->peer_name : "");
    answer_text(exchange, 200, text);
}

static void answer_stats(struct exchange *exchange)
{
    struct net_stats stats;
    char text[1024];
    net_server_stats(echo.server, &stats);
    (void)snprintf(
        text, sizeof text,
        "{\"begun\":%u,\"ended\":%u,\"complete\":%u,\"cancelled\":%u,\"runs\":%u,\"size\":%u,"
        "\"queue\":%u,\"deadline\":%u,\"draining\":%u,\"malformed\":%u,\"connections\":%u,"
        "\"accepted\":%llu,\"turned_away\":%llu,\"limited\":%llu,\"gathered\":%llu,"
        "\"running\":%u,\"queued\":%u,\"bytes_in\":%llu,\"bytes_out\":%llu}",
        echo.begun, echo.ended, echo.complete, echo.cancelled, echo.runs, echo.refused[1],
        echo.refused[2], echo.refused[3], echo.refused[4], echo.malformed, stats.connections,
        (unsigned long long)stats.accepted, (unsigned long long)stats.turned_away,
        (unsigned long long)stats.resets_limited, (unsigned long long)stats.gathered_bytes,
        stats.lanes[NET_LANE_READ].running + stats.lanes[NET_LANE_SLOW].running,
        stats.lanes[NET_LANE_READ].queued, (unsigned long long)echo.bytes_in,
        (unsigned long long)echo.bytes_out);
    answer_text(exchange, 200, text);
}

/* --- The service ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *path;
    bool is_streamed;
    enum net_lane lane;
    void (*run)(void *context, struct exchange *exchange);
    void (*answer)(struct exchange *exchange);
} routes[] = {
    {"/echo", false, NET_LANE_READ, run_echo, NULL},
    {"/work", false, NET_LANE_READ, run_work, NULL},
    {"/deadline", false, NET_LANE_READ, run_work, NULL},
    {"/upload", true, NET_LANE_SLOW, run_upload, NULL},
    {"/slurp", true, NET_LANE_SLOW, run_upload, NULL},
    {"/stream", false, NET_LANE_SLOW, run_stream, NULL},
    {"/broken", false, NET_LANE_SLOW, run_broken, NULL},
    {"/whole", false, NET_LANE_READ, run_whole, NULL},
    {"/never", false, NET_LANE_READ, run_never, NULL},
    {"/trailers", false, NET_LANE_READ, run_trailers, NULL},
    {"/head", false, NET_LANE_READ, NULL, answer_head},
    {"/stats", false, NET_LANE_READ, NULL, answer_stats},
};

static void begin(void *context, struct exchange *exchange)
{
    const char *path = exchange_request(exchange)->path;
    uint64_t within_ms = number_of(exchange, "within=", 0);
    (void)context;
    atomic_fetch_add(&echo.begun, 1);
    if (within_ms)
        exchange_set_deadline(exchange, clock_now_us(&clock_system) + within_ms * 1000);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(path, routes[i].path) != 0)
            continue;
        if (routes[i].answer)
            routes[i].answer(exchange);
        else if (routes[i].is_streamed)
            exchange_stream(exchange, routes[i].lane, routes[i].run);
        else
            exchange_gather(exchange, routes[i].lane, 16 << 20, routes[i].run);
        return;
    }
    answer_text(exchange, strcmp(path, "/hello") ? 404 : 200, "{\"hello\":1}");
}

static void refused(void *context, struct exchange *exchange, enum net_refusal why,
                    unsigned retry_s)
{
    static const unsigned statuses[] = {0, 413, 429, 504, 503, 503};
    char seconds[16];
    int size = snprintf(seconds, sizeof seconds, "%u", retry_s);
    const struct net_header retry = {"retry-after", seconds, (size_t)size};
    (void)context;
    atomic_fetch_add(&echo.refused[why], 1);
    exchange_answer(exchange, &(struct net_answer){.status = statuses[why],
                                                   .headers = &retry,
                                                   .header_count = why == NET_REFUSED_QUEUE ||
                                                                   why == NET_REFUSED_MEMORY});
}

static void end(void *context, struct exchange *exchange, const struct net_outcome *outcome)
{
    (void)context;
    (void)exchange;
    atomic_fetch_add(&echo.ended, 1);
    if (outcome->is_complete)
        atomic_fetch_add(&echo.complete, 1);
    atomic_fetch_add(&echo.bytes_in, outcome->bytes_in);
    atomic_fetch_add(&echo.bytes_out, outcome->bytes_out);
}

static void malformed(void *context, const char *peer, unsigned status, const char *why)
{
    (void)context;
    (void)peer;
    atomic_fetch_add(&echo.malformed, 1);
    if (getenv("ECHO_VERBOSE"))
        fprintf(stderr, "malformed %u: %s\n", status, why);
}

/* --- The program -------------------------------------------------------------------------------------------------------- */

static void watch_signals(void *context)
{
    const sigset_t *signals = context;
    for (int number = 0; sigwait(signals, &number) == 0;) {
        lode_error error = {0};
        if (number == SIGTERM)
            net_server_stop(echo.server, echo.drain_ms);
        else if (number == SIGUSR1)
            return;
        else if (net_server_set_tls(echo.server, &echo.tls, &error))
            fprintf(stderr, "%s\n", error.message);
    }
}

static void set_option(struct net_options *options, const char *key, const char *value)
{
    const struct {
        const char *key;
        unsigned *number;
    } numbers[] = {
        {"threads", &options->lanes[NET_LANE_READ].threads},
        {"wait", &options->lanes[NET_LANE_READ].wait_ms_max},
        {"queue", &options->lanes[NET_LANE_READ].queue_max},
        {"loops", &options->loop_threads},
        {"connections", &options->connections_max},
        {"per_address", &options->connections_per_address_max},
        {"streams", &options->connection_streams_max},
        {"idle", &options->idle_ms_max},
        {"headtime", &options->head_ms_max},
        {"stall", &options->stall_ms_max},
        {"resets", &options->resets_per_s_max},
        {"drain", &echo.drain_ms},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(key, numbers[i].key))
            *numbers[i].number = (unsigned)strtoul(value, NULL, 10);
    if (!strcmp(key, "gather"))
        options->gather_bytes_max = strtoull(value, NULL, 10);
    if (!strcmp(key, "cert"))
        echo.tls.certificate_file = value;
    if (!strcmp(key, "key"))
        echo.tls.key_file = value;
    if (!strcmp(key, "ca"))
        echo.tls.client_ca_file = value;
    if (!strcmp(key, "tls12"))
        echo.tls.allow_tls12 = true;
}

static int serve(const struct net_options *options)
{
    static const struct net_service service = {NULL, begin, refused, end, malformed};
    static sigset_t signals;
    struct thread watcher;
    lode_error error = {0};
    if (net_server_new(options, &service, &echo.server, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (thread_start(&watcher, "signals", watch_signals, &signals))
        return 2;
    printf("%s\n", net_server_address(echo.server, 0));
    (void)fflush(stdout);
    lode_status status = net_server_run(echo.server, &error);
    kill(getpid(), SIGUSR1);
    thread_join(&watcher);
    net_server_free(echo.server);
    if (status)
        fprintf(stderr, "%s\n", error.message);
    return status || echo.begun != echo.ended;
}

int main(int count, char **arguments)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct net_options options = {.addresses = addresses, .address_count = 1};
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        options.lanes[i] = (struct net_lane_options){4, 2000, 10000};
    echo.drain_ms = 5000;
    for (int i = 1; i < count; i++) {
        char *mark = strchr(arguments[i], '=');
        if (!mark)
            return 2;
        *mark = '\0';
        set_option(&options, arguments[i], mark + 1);
    }
    if (echo.tls.certificate_file)
        options.tls = &echo.tls;
    return serve(&options);
}
