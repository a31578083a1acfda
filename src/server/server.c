/* server.c: see server.h. The parts are made in the order in which they need each other, and freed the other way round; the
 * database is opened by a thread of its own while the loops answer already, and closed once they have drained. */
#include "server/service.h"

#include "server/grpc.h"
#include "server/report.h"
#include "server/routes.h"

#include <stdlib.h>
#include <time.h>

#define DAY_S            86400
#define EXPIRY_WARNING_S ((int64_t)14 * DAY_S)
#define NAMES_SIZE_MAX   16384 /* of all settings, and more */

/* --- Making -------------------------------------------------------------------------------------- */

static lode_status make_metrics(struct server *server, lode_error *error)
{
    const char **names = calloc(route_count, sizeof *names);
    if (!names)
        return error_nomem(error, "the names of operations", route_count * sizeof *names);
    for (size_t i = 0; i < route_count; i++)
        names[i] = routes[i].operation;
    lode_status status = metrics_new(names, route_count, &server->metrics, error);
    free(names);
    return status;
}

static lode_status make_net(struct server *server, const int *sockets, size_t socket_count,
                            lode_error *error)
{
    const struct net_service service = {.context = server,
                                        .begin = service_begin,
                                        .refused = service_refused,
                                        .end = service_end,
                                        .malformed = service_malformed};
    struct net_options options = {0};
    struct net_tls_options tls = {0};
    server->service = service;
    config_net_options(server->config, &options, &tls);
    options.sockets = sockets;
    options.socket_count = socket_count;
    return net_server_new(&options, &server->service, &server->net, error);
}

/* What clients will stumble over is said before they do, at each start and reload. */
static void warn_certificate(struct server *server, const char *file)
{
    struct net_stats stats;
    net_server_stats(server->net, &stats);
    int64_t left_s = stats.tls_expires_s - (int64_t)time(NULL);
    if (stats.tls_expires_s == 0 || left_s > EXPIRY_WARNING_S)
        return;
    const struct log_field fields[] = {
        {.name = "certificate", .kind = LOG_TEXT, .text = file},
        {.name = "days", .kind = LOG_NUMBER, .number = left_s / DAY_S}};
    log_write(server->log, LOG_WARNING,
              left_s > 0 ? "the certificate expires soon" : "the certificate has expired", fields,
              2);
}

/* What access does in the background: keys that were read again, or could not be. */
static void access_report(void *context, const char *what, const lode_error *error)
{
    struct server *server = context;
    const struct log_field fields[] = {
        {.name = "what", .kind = LOG_TEXT, .text = what},
        {.name = "error", .kind = LOG_TEXT, .text = error ? error->message : NULL}};
    log_write(server->log, error ? LOG_WARNING : LOG_INFO, "access", fields, 2);
}

static lode_status make_parts(struct server *server, lode_error *error)
{
    const struct config *config = server->config;
    lode_status status = log_open(config, &server->log, error);
    if (status == LODE_OK)
        status = make_metrics(server, error);
    if (status == LODE_OK)
        status = tracer_new(config, &server->tracer, error);
    if (status == LODE_OK)
        status = health_new(&server->health, error);
    if (status == LODE_OK)
        status = access_new(config, &server->access, error);
    if (status == LODE_OK)
        access_set_report(server->access, access_report, server);
    if (status == LODE_OK)
        status = report_rates(&server->denials, error);
    if (status == LODE_OK && config->audit.is_on)
        status = audit_open(config, &server->audit, error);
    if (status == LODE_OK && config->engine.memory_bytes)
        status = lode_memory_budget_set(config->engine.memory_bytes, error);
    return status;
}

lode_status server_new(const struct config *config, const int *sockets, size_t socket_count,
                       struct server **ret_server, lode_error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return error_nomem(error, "a server", sizeof *server);
    server->config = config;
    atomic_init(&server->state, SERVER_OPENING);
    lode_status status = make_parts(server, error);
    if (status == LODE_OK)
        status = make_net(server, sockets, socket_count, error);
    if (status) {
        server_free(server);
        return status;
    }
    warn_certificate(server, config->tls.certificate);
    *ret_server = server;
    return LODE_OK;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    net_server_free(server->net);
    audit_close(server->audit);
    rates_free(server->denials);
    access_free(server->access);
    health_free(server->health);
    tracer_free(server->tracer);
    metrics_free(server->metrics);
    log_close(server->log);
    free(server);
}

const char *server_address(const struct server *server, size_t i)
{
    return net_server_address(server->net, i);
}

/* --- Opening ------------------------------------------------------------------------------------- */

static void open_failed(void *context, const char *collection, const lode_error *error)
{
    struct server *server = context;
    log_write(
        server->log, LOG_ERROR, "an index cannot be opened",
        (const struct log_field[]){{.name = "index", .kind = LOG_TEXT, .text = collection},
                                   {.name = "error", .kind = LOG_TEXT, .text = error->message}},
        2);
}

static void open_progress(void *context, size_t done, size_t total)
{
    struct server *server = context;
    atomic_store_explicit(&server->percent, (unsigned)(100 * done / total), memory_order_relaxed);
}

/* Whoever writes may not notice, until the disk is full or the log long. */
static void work_changed(void *context, const char *collection, const lode_error *error)
{
    struct server *server = context;
    const struct log_field fields[] = {
        {.name = "index", .kind = LOG_TEXT, .text = collection},
        {.name = "error", .kind = LOG_TEXT, .text = error ? error->message : NULL}};
    log_write(server->log, error ? LOG_ERROR : LOG_INFO,
              error ? "background work fails, and is tried again" : "background work goes on",
              fields, 2);
}

/* What a query that was measured has shown; on the sampler's thread. */
static void recall_found(void *context, const char *collection, uint64_t shared, uint64_t hits)
{
    struct server *server = context;
    metrics_recall(server->metrics, collection, shared, hits);
}

static lode_status open_db(struct server *server, lode_error *error)
{
    const struct config *config = server->config;
    const lode_key_source key = {.file = config->engine.key_file,
                                 .command = config->engine.key_command};
    const lode_db_options options = {.thread_count = config->engine.background_threads,
                                     .log_keep_bytes = config->engine.log_keep_bytes,
                                     .key = key.file || key.command ? &key : NULL};
    lode_status status = lode_db_open(config->data, &options, &server->db, error);
    if (status == LODE_OK)
        status = handles_open(server->db, &server->handles, error);
    const struct handles_watch watch = {
        .context = server, .failed = open_failed, .progress = open_progress};
    if (status == LODE_OK)
        status = handles_open_all(server->handles, &watch, error);
    const struct collector_watch work = {.context = server, .work = work_changed};
    if (status == LODE_OK)
        status = collector_new(server->db, server->handles, &work, &server->collector, error);
    const struct recall_options recall = {
        .share = config->recall.share, .report = recall_found, .context = server};
    if (status == LODE_OK)
        status = recall_sampler_new(&recall, &server->recall, error);
    return status;
}

/* The opening thread. */
static void opening(void *context)
{
    struct server *server = context;
    enum server_state expected = SERVER_OPENING;
    lode_status status = open_db(server, &server->opening_error);
    if (status) {
        server->opening_error.status = status;
        log_write(server->log, LOG_ERROR, "the database cannot be opened",
                  &(struct log_field){
                      .name = "error", .kind = LOG_TEXT, .text = server->opening_error.message},
                  1);
        atomic_store_explicit(&server->state, SERVER_FAILED, memory_order_release);
        health_tell(server);
        net_server_stop(server->net, 0);
        return;
    }
    if (atomic_compare_exchange_strong_explicit(&server->state, &expected, SERVER_READY,
                                                memory_order_release, memory_order_relaxed) &&
        atomic_load_explicit(&server->stops, memory_order_relaxed) == 0)
        log_write(server->log, LOG_INFO, "ready", NULL, 0);
    health_tell(server);
}

/* Samples hold handles, and these collections. */
static void close_db(struct server *server)
{
    recall_sampler_free(server->recall);
    collector_free(server->collector);
    handles_close(server->handles);
    lode_db_close(server->db);
    server->recall = NULL;
    server->collector = NULL;
    server->handles = NULL;
    server->db = NULL;
}

/* --- Running ------------------------------------------------------------------------------------- */

lode_status server_run(struct server *server, lode_error *error)
{
    int os_errno = thread_start(&server->opening, "lode-open", opening, server);
    if (os_errno)
        return error_os(error, os_errno, "cannot start the thread that opens the database");
    lode_status status = net_server_run(server->net, error);
    thread_join(&server->opening);
    close_db(server);
    if (server->opening_error.status) {
        if (error)
            *error = server->opening_error;
        return server->opening_error.status;
    }
    log_write(server->log, LOG_INFO, "stopped", NULL, 0);
    return status;
}

void server_stop(struct server *server)
{
    unsigned stops = atomic_fetch_add_explicit(&server->stops, 1, memory_order_relaxed);
    enum server_state ready = SERVER_READY;
    /* While it is being opened it stays "opening", so that nobody takes a database that is not there yet. */
    (void)atomic_compare_exchange_strong_explicit(&server->state, &ready, SERVER_STOPPING,
                                                  memory_order_acq_rel, memory_order_relaxed);
    health_tell(server);
    if (stops == 0)
        log_write(server->log, LOG_INFO, "stopping", NULL, 0);
    net_server_stop(server->net, stops == 0 ? (unsigned)server->config->http.drain_ms : 0);
}

/* --- Reloading ----------------------------------------------------------------------------------- */

static void reload_failed(struct server *server, const char *what, const lode_error *error)
{
    log_write(
        server->log, LOG_ERROR, "reloading failed",
        (const struct log_field[]){{.name = "what", .kind = LOG_TEXT, .text = what},
                                   {.name = "error", .kind = LOG_TEXT, .text = error->message}},
        2);
}

void server_reload_refused(struct server *server, const lode_error *error)
{
    reload_failed(server, "settings", error);
}

static void tell_waiting(struct server *server, const struct config *config)
{
    struct buf names;
    buf_init(&names, NAMES_SIZE_MAX);
    if (!config_waiting(server->config, config, &names, NULL) && names.size &&
        !buf_terminate(&names, NULL))
        log_write(server->log, LOG_WARNING, "settings have changed that wait for a restart",
                  &(struct log_field){
                      .name = "settings", .kind = LOG_TEXT, .text = (const char *)names.data},
                  1);
    buf_release(&names);
}

lode_status server_reload(struct server *server, const struct config *config, lode_error *error)
{
    lode_error errors[3] = {{.status = LODE_OK}};
    static const char *const what[3] = {"log", "tls", "auth"};
    struct net_options options = {0};
    struct net_tls_options tls = {0};
    lode_status status = log_reopen(server->log, config->log.level, &errors[0]);
    config_net_options(config, &options, &tls);
    lode_status next =
        options.tls ? net_server_set_tls(server->net, options.tls, &errors[1]) : LODE_OK;
    lode_status last = access_reconfigure(server->access, config, &errors[2]);
    const lode_status statuses[3] = {status, next, last};
    status = LODE_OK;
    for (size_t i = 0; i < 3; i++) {
        if (!statuses[i])
            continue;
        reload_failed(server, what[i], &errors[i]);
        status = statuses[i];
        if (error)
            *error = errors[i];
    }
    if (next == LODE_OK)
        warn_certificate(server, config->tls.certificate);
    tell_waiting(server, config);
    if (status == LODE_OK)
        log_write(server->log, LOG_INFO, "reloaded", NULL, 0);
    return status;
}
