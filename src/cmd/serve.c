/* serve.c: `lode serve`: a database as a service, under a service manager or by hand.
 *
 * Signals are blocked in all threads and taken by one that waits for them, so that no handler interrupts anything: what
 * they ask for may lock and wait. */
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/serve_settings.h"
#include "cmd/serve_system.h"
#include "server/server.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_TEXT_MAX (1u << 20)
#define FILES_BESIDES   1024u /* open files that are no connections, at the least */

struct service {
    struct serve_words words;
    struct config config;
    struct config reloaded; /* by the signal thread; the server may still look at it */
    int is_reloaded;
    int sockets[SERVE_SOCKETS_MAX];
    size_t socket_count;
    struct server *server;
    sigset_t signals;
    pthread_t signal_thread;
};

/* --- Signals --------------------------------------------------------------------------------------- */

/* What is listened at stays as it is until a restart: so new settings of auth are held against that, too. */
static lode_status check_reloaded(const struct service *service, const struct config *config,
                                  lode_error *error)
{
    struct config in_force = *config; /* borrows */
    in_force.listen = service->config.listen;
    lode_status status = config_check(config, error);
    if (!status)
        status = config_check(&in_force, error);
    return status ? status
                  : config_check_sockets(config, service->sockets, service->socket_count, error);
}

/* A wrong new file changes nothing: it is said, and the service goes on. */
static void reload(struct service *service)
{
    struct config config;
    lode_error error = {0};
    serve_notify_reloading();
    lode_status status = serve_load(&service->words, service->socket_count > 0, &config, &error);
    if (!status)
        status = check_reloaded(service, &config, &error);
    if (status) {
        config_release(&config);
        server_reload_refused(service->server, &error);
    } else {
        status = server_reload(service->server, &config, &error);
        if (service->is_reloaded)
            config_release(&service->reloaded);
        service->reloaded = config;
        service->is_reloaded = 1;
    }
    if (status)
        fprintf(stderr, "lode: reloading: %s\n", error.message);
    serve_notify(status ? "READY=1\nSTATUS=Serving; the last reload failed"
                        : "READY=1\nSTATUS=Serving");
}

/* Until the main thread sends SIGUSR1: the server has ended. */
static void *take_signals(void *context)
{
    struct service *service = context;
    int signal_number, is_stopping = 0;
    while (sigwait(&service->signals, &signal_number) == 0) {
        if (signal_number == SIGUSR1)
            break;
        if (signal_number == SIGHUP) {
            if (!is_stopping)
                reload(service);
            continue;
        }
        if (!is_stopping)
            serve_notify("STOPPING=1\nSTATUS=Letting requests end");
        is_stopping = 1;
        server_stop(service->server);
    }
    return NULL;
}

static void block_signals(struct service *service)
{
    sigemptyset(&service->signals);
    sigaddset(&service->signals, SIGTERM);
    sigaddset(&service->signals, SIGINT);
    sigaddset(&service->signals, SIGHUP);
    sigaddset(&service->signals, SIGUSR1); /* the end of the thread that takes the others */
    pthread_sigmask(SIG_BLOCK, &service->signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* --- What it says ------------------------------------------------------------------------------------ */

static size_t address_count(const struct service *service)
{
    return service->config.listen.count + service->socket_count;
}

static const char *tls_text(const struct config *config)
{
    if (!config->tls.certificate)
        return "off";
    if (config->tls.client_ca)
        return config->tls.allow_tls12 ? "1.2 and 1.3, mutual" : "1.3, mutual";
    return config->tls.allow_tls12 ? "1.2 and 1.3" : "1.3";
}

static int say_json(const struct service *service)
{
    struct document document;
    document_begin(&document);
    document_key_text(&document, "version", lode_version());
    json_write_key(&document.json, "listening");
    json_write_array(&document.json);
    for (size_t i = 0; i < address_count(service); i++) {
        const char *address = server_address(service->server, i);
        json_write_string(&document.json, address, strlen(address));
    }
    json_write_array_end(&document.json);
    document_key_text(&document, "data", service->config.data);
    document_key_bool(&document, "authentication", !service->config.auth.is_off);
    document_key_text(&document, "tls", tls_text(&service->config));
    return document_end(&document);
}

/* One line, for whoever started it by hand and for the journal. */
static int say_text(const struct service *service)
{
    const struct config *config = &service->config;
    if (output_quiet())
        return EXIT_OK;
    printf("lode %s serves %s at", lode_version(), config->data);
    for (size_t i = 0; i < address_count(service); i++)
        printf("%s http%s://%s", i ? "," : "", config->tls.certificate ? "s" : "",
               server_address(service->server, i));
    printf("; authentication %s, TLS %s\n", config->auth.is_off ? "off" : "on", tls_text(config));
    return EXIT_OK;
}

static int is_public(const struct service *service)
{
    for (size_t i = 0; i < address_count(service); i++)
        if (!config_is_loopback(server_address(service->server, i)))
            return 1;
    return 0;
}

/* What is allowed and seldom meant. */
static void advise(const struct service *service, uint64_t files)
{
    const struct config *config = &service->config;
    if (is_public(service) && !config->tls.certificate)
        output_note("note: others can reach it without TLS: keys and data can be read on the way");
    if (is_public(service) && config->auth.is_off)
        output_note("note: others can reach it, and everybody may do everything");
    if (files < config->http.connections_max + FILES_BESIDES)
        output_note("note: %llu files may be open, http.connections is %llu: raise LimitNOFILE or "
                    "ulimit -n",
                    (unsigned long long)files, (unsigned long long)config->http.connections_max);
}

/* --- Serving ---------------------------------------------------------------------------------------- */

static int wrong_setting(const lode_error *error)
{
    return output_usage("serve", "%s", error->message);
}

static int run_server(struct service *service)
{
    lode_error error = {0};
    if (pthread_create(&service->signal_thread, NULL, take_signals, service) != 0) {
        error_set(&error, LODE_NOMEM, "cannot start a thread");
        return output_error(&error, CAUSE_ARGUMENTS);
    }
    serve_notify("READY=1\nSTATUS=Serving");
    lode_status status = server_run(service->server, &error);
    serve_notify("STOPPING=1");
    pthread_kill(service->signal_thread, SIGUSR1);
    pthread_join(service->signal_thread, NULL);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : EXIT_OK;
}

static int serve(struct service *service)
{
    lode_error error = {0};
    uint64_t files = serve_raise_files();
    block_signals(service);
    if (server_new(&service->config, service->socket_count ? service->sockets : NULL,
                   service->socket_count, &service->server, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    int code = output_json() ? say_json(service) : say_text(service);
    if (!code)
        code = output_flush(EXIT_OK);
    advise(service, files);
    if (!code)
        code = run_server(service);
    server_free(service->server);
    return code;
}

/* --- Settings alone ------------------------------------------------------------------------------------ */

static int print_config(const struct config *config)
{
    struct buf text;
    lode_error error = {0};
    buf_init(&text, CONFIG_TEXT_MAX);
    lode_status status = config_print(config, output_json(), &text, &error);
    if (!status) {
        fwrite(text.data, 1, text.size, stdout);
        if (output_json())
            putchar('\n');
    }
    buf_release(&text);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : EXIT_OK;
}

static int report_check(void)
{
    struct document document;
    if (!output_json()) {
        puts("the settings are sound");
        return EXIT_OK;
    }
    document_begin(&document);
    document_key_bool(&document, "sound", 1);
    return document_end(&document);
}

static int run(struct service *service)
{
    lode_error error = {0};
    if (serve_load(&service->words, service->socket_count > 0, &service->config, &error))
        return wrong_setting(&error);
    if (service->words.print_config)
        return print_config(&service->config);
    if (address_count(service) == 0)
        return output_usage("serve", "listen is empty: HOST:PORT is wanted");
    if (config_check(&service->config, &error) ||
        config_check_sockets(&service->config, service->sockets, service->socket_count, &error) ||
        config_check_tls(&service->config, &error))
        return wrong_setting(&error);
    return service->words.check_config ? report_check() : serve(service);
}

int serve_run(int argc, char **argv)
{
    int code = EXIT_OK;
    lode_error error = {0};
    struct service *service = calloc(1, sizeof *service);
    if (!service) {
        error_nomem(&error, "settings", sizeof *service);
        return output_error(&error, CAUSE_ARGUMENTS);
    }
    if (serve_parse(&service->words, argc, argv, &code)) {
        code = serve_sockets(service->sockets, &service->socket_count, &error)
                   ? wrong_setting(&error)
                   : run(service);
        config_release(&service->config);
        if (service->is_reloaded)
            config_release(&service->reloaded);
    }
    free(service);
    return code;
}
