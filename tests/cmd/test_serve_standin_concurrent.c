/* `lode serve` around a server that only says what it is told: with "serve" as its first argument this program is the
 * command, for test_serve_concurrent.py. Without, it tests the agreements with a service manager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/serve_system.h"
#include "os/thread.h"
#include "server/server.h"
#include "support/temp_dir.h"

/* --- The stand-in -------------------------------------------------------------------------------- */

struct server {
    const struct config *config;
    struct mutex lock;
    struct cond changed;
    unsigned stops; /* guarded by lock */
    unsigned stops_wanted;
    char sockets[SERVE_SOCKETS_MAX][64];
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("event: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

lode_status server_new(const struct config *config, const int *sockets, size_t socket_count,
                       struct server **ret_server, lode_error *error)
{
    if (getenv("STANDIN_REFUSES"))
        return error_set(error, LODE_IO, "cannot listen: %s", getenv("STANDIN_REFUSES"));
    struct server *server = calloc(1, sizeof *server);
    INVARIANT(server);
    server->config = config;
    server->stops_wanted = getenv("STANDIN_HANGS") ? 2 : 1;
    mutex_init(&server->lock);
    cond_init(&server->changed);
    for (size_t i = 0; i < socket_count; i++) {
        struct sockaddr_in address;
        socklen_t size = sizeof address;
        INVARIANT(getsockname(sockets[i], (struct sockaddr *)&address, &size) == 0);
        snprintf(server->sockets[i], sizeof server->sockets[i], "127.0.0.1:%u",
                 ntohs(address.sin_port));
    }
    *ret_server = server;
    return LODE_OK;
}

const char *server_address(const struct server *server, size_t i)
{
    size_t count = server->config->listen.count;
    return i < count ? server->config->listen.items[i] : server->sockets[i - count];
}

lode_status server_run(struct server *server, lode_error *error)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    say("runs threads=%u files=%llu/%llu", server->config->http.read_threads,
        (unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_max);
    if (getenv("STANDIN_FAILS"))
        return error_set(error, LODE_CORRUPT, "damaged");
    mutex_lock(&server->lock);
    while (server->stops < server->stops_wanted)
        cond_wait(&server->changed, &server->lock);
    mutex_unlock(&server->lock);
    return LODE_OK;
}

void server_stop(struct server *server)
{
    mutex_lock(&server->lock);
    say("stop %u", ++server->stops);
    cond_broadcast(&server->changed);
    mutex_unlock(&server->lock);
}

lode_status server_reload(struct server *server, const struct config *config, lode_error *error)
{
    (void)server;
    say("reload level=%s", config->log.level);
    return strcmp(config->log.level, "error") == 0
               ? error_set(error, LODE_KEY, "the new certificate is none")
               : LODE_OK;
}

void server_reload_refused(struct server *server, const lode_error *error)
{
    (void)server;
    say("reload refused: %s", error->message);
}

void server_free(struct server *server)
{
    say("freed");
    cond_release(&server->changed);
    mutex_release(&server->lock);
    free(server);
}

/* --- Service managers ---------------------------------------------------------------------------- */

static int datagram_socket(const char *name, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, address_size), 0);
    return fd;
}

static void receives(int fd, const char *prefix)
{
    char text[128];
    ssize_t size = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    assert_true(size > 0);
    text[size] = '\0';
    if (strncmp(text, prefix, strlen(prefix)) != 0)
        fail_msg("'%s' does not begin with '%s'", text, prefix);
}

static void managers_are_told(void **state)
{
    (void)state;
    char dir[PATH_SIZE_MAX], name[] = "\0lode-test-0000000000";
    temp_dir_make(dir);
    assert_int_equal(chdir(dir), 0);
    int file = datagram_socket("notify", sizeof "notify");
    strncat(dir, "/notify", sizeof dir - strlen(dir) - 1);
    setenv("NOTIFY_SOCKET", dir, 1);
    serve_notify("READY=1");
    receives(file, "READY=1");
    serve_notify_reloading();
    receives(file, "RELOADING=1\nMONOTONIC_USEC=");

    int size = snprintf(name + 1, sizeof name - 1, "lode-test-%d", (int)getpid());
    int abstract = datagram_socket(name, (size_t)size + 1);
    name[0] = '@';
    setenv("NOTIFY_SOCKET", name, 1);
    serve_notify("STOPPING=1");
    receives(abstract, "STOPPING=1");
    assert_int_equal(recv(file, dir, sizeof dir, MSG_DONTWAIT), -1);
    close(file);
    close(abstract);
    unlink("notify");
    assert_int_equal(chdir("/"), 0);
}

static void nobody_to_tell_is_no_fault(void **state)
{
    (void)state;
    char longest[200];
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    static const char *const names[] = {"", "/", "relative", "/nowhere/at/all", "@nobody-is-there"};
    unsetenv("NOTIFY_SOCKET");
    serve_notify("READY=1");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        serve_notify("READY=1");
    }
    setenv("NOTIFY_SOCKET", longest, 1);
    serve_notify("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

static void pass(const char *pid, const char *count)
{
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", count, 1);
    setenv("LISTEN_FDNAMES", "a", 1);
}

static void sockets_of_others_are_not_taken(void **state)
{
    (void)state;
    int sockets[SERVE_SOCKETS_MAX];
    size_t count = 7;
    lode_error error = {0};
    pass("1", "1");
    assert_int_equal(serve_sockets(sockets, &count, &error), LODE_OK);
    assert_int_equal(count, 0);
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDNAMES"));
    assert_int_equal(serve_sockets(sockets, &count, &error), LODE_OK);
    assert_int_equal(count, 0);
}

static void what_does_not_listen_is_refused(void **state)
{
    (void)state;
    int sockets[SERVE_SOCKETS_MAX];
    size_t count = 7;
    char pid[32];
    lode_error error = {0};
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    pass(pid, "17");
    assert_int_equal(serve_sockets(sockets, &count, &error), LODE_INVALID);
    assert_string_equal(error.message, "LISTEN_FDS is 17; at most 16");
    pass(pid, "16"); /* of these nearly all are not open */
    assert_int_equal(serve_sockets(sockets, &count, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "which is no stream socket that listens"));
    assert_int_equal(count, 0);
}

static void files_are_raised(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max / 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(serve_raise_files(), limit.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(managers_are_told),
        cmocka_unit_test(nobody_to_tell_is_no_fault),
        cmocka_unit_test(sockets_of_others_are_not_taken),
        cmocka_unit_test(what_does_not_listen_is_refused),
        cmocka_unit_test(files_are_raised),
    };
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return output_flush(serve_run(argc - 1, argv + 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
