/* listen.c: addresses and sockets that listen, on the first loop; what they accept is dealt to all loops in turn. */
#include "net/server.h"

#include "net/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG     4096 /* the system has a limit of its own */
#define ACCEPTS_MAX 64   /* at once, before others have their turn */

/* --- Texts of addresses --------------------------------------------------------------------------------------- */

static void address_text(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        (void)snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
    } else {
        (void)snprintf(text, size, "local");
    }
}

/* "HOST:PORT" or "[HOST]:PORT" into its two texts. */
static bool split_address(const char *text, char *host, size_t host_size, const char **ret_port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || !colon[1])
        return false;
    size_t size = (size_t)(colon - text);
    if (size >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        size -= 2;
    } else if (memchr(text, ':', size)) {
        return false; /* IPv6 without brackets */
    }
    if (size == 0 || size >= host_size)
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return strspn(*ret_port, "0123456789") == strlen(*ret_port) && strlen(*ret_port) <= 5 &&
           atoi(*ret_port) <= 65535;
}

/* --- Opening ---------------------------------------------------------------------------------------------------- */

static lode_status bind_one(const char *text, const struct addrinfo *info, int *ret_fd,
                            lode_error *error)
{
    static const int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_os(error, errno, "listen at %s", text);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG)) {
        lode_status status = error_os(error, errno, "listen at %s", text);
        close(fd);
        return status;
    }
    *ret_fd = fd;
    return LODE_OK;
}

static lode_status bind_address(const char *text, int *ret_fd, lode_error *error)
{
    char host[256];
    const char *port = NULL;
    if (!split_address(text, host, sizeof host, &port))
        return error_set(error, LODE_INVALID,
                         "address '%.80s': it must be HOST:PORT, or [HOST]:PORT for IPv6", text);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *infos = NULL;
    int failed = getaddrinfo(host, port, &hints, &infos);
    if (failed)
        return error_set(error, LODE_INVALID, "address '%.80s': %s", text, gai_strerror(failed));
    lode_status status = bind_one(text, infos, ret_fd, error);
    freeaddrinfo(infos);
    return status;
}

/* Accepted sockets have it from the one that listens: a client that waits for what is told seldom, and whose machine has gone, is
 * found out after two minutes. */
static void keep_alive(int fd)
{
    static const int on = 1, idle_s = 60, interval_s = 15, count = 4;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void take_fd(struct net_server *server, int fd)
{
    struct listener *listener = &server->listeners[server->listener_count++];
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    listener->fd = fd;
    listener->server = server;
    keep_alive(fd);
    (void)getsockname(fd, (void *)&address, &size);
    address_text(&address, listener->address, sizeof listener->address);
}

static lode_status check_socket(int fd, lode_error *error)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) || !listens)
        return error_set(error, LODE_INVALID, "file descriptor %d is no socket that listens", fd);
    return evutil_make_socket_nonblocking(fd) ? error_os(error, errno, "socket %d", fd) : LODE_OK;
}

lode_status listen_open(const struct net_options *options, struct net_server *server,
                        lode_error *error)
{
    size_t count = options->address_count + options->socket_count;
    server->listeners = calloc(count ? count : 1, sizeof *server->listeners);
    if (!server->listeners)
        return error_nomem(error, "listeners", count * sizeof *server->listeners);
    if (count == 0)
        return error_set(error, LODE_INVALID, "no address to listen at");
    /* They are ours from now on; they come behind the addresses all the same. */
    lode_status status = LODE_OK;
    for (size_t i = 0; i < options->address_count && !status; i++) {
        int fd = -1;
        status = bind_address(options->addresses[i], &fd, error);
        if (!status)
            take_fd(server, fd);
    }
    for (size_t i = 0; i < options->socket_count; i++) {
        take_fd(server, options->sockets[i]);
        if (!status)
            status = check_socket(options->sockets[i], error);
    }
    return status;
}

/* --- Accepting ----------------------------------------------------------------------------------------------------- */

/* A socket on its way to its loop. */
struct handed {
    struct mail mail; /* first */
    struct loop *loop;
    struct accepted accepted;
};

static void deliver(struct mail *mail)
{
    struct handed *handed = (struct handed *)(void *)mail;
    connection_open(handed->loop, &handed->accepted);
    free(handed);
}

void listen_forget(struct net_server *server, unsigned place)
{
    peers_leave(&server->peers, place);
    atomic_fetch_sub_explicit(&server->connections, 1, memory_order_relaxed);
}

static void turn_away(struct net_server *server, const struct accepted *accepted)
{
    atomic_fetch_add_explicit(&server->turned_away, 1, memory_order_relaxed);
    listen_forget(server, accepted->place);
    close(accepted->fd);
}

static void hand_over(struct net_server *server, struct loop *loop, const struct accepted *accepted)
{
    struct handed *handed = malloc(sizeof *handed);
    if (!handed) {
        turn_away(server, accepted);
        return;
    }
    *handed = (struct handed){.mail.deliver = deliver, .loop = loop, .accepted = *accepted};
    loop_send(loop, &handed->mail);
}

static void deal(struct net_server *server, int fd, const struct sockaddr_storage *address)
{
    struct accepted accepted = {.fd = fd};
    address_text(address, accepted.peer, sizeof accepted.peer);
    atomic_fetch_add_explicit(&server->accepted, 1, memory_order_relaxed);
    unsigned before = atomic_fetch_add_explicit(&server->connections, 1, memory_order_relaxed);
    struct loop *loop = server->loops[server->next_loop++ % server->loop_count];
    bool is_one_too_many = !peers_enter(&server->peers, address, &accepted.place);
    if (is_one_too_many || before >= server->settings.connections_max)
        turn_away(server, &accepted);
    else if (loop == server->loops[0])
        connection_open(loop, &accepted);
    else
        hand_over(server, loop, &accepted);
}

/* Accept one; false: there is none now. */
static bool accept_one(struct listener *listener)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    int fd = accept4(listener->fd, (void *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        deal(listener->server, fd, &address);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        /* Level-triggered: without a rest this would spin. The next tick tries again. */
        event_del(&listener->event);
        listener->server->accepting_paused = true;
    }
    return errno == EINTR || errno == ECONNABORTED;
}

static void accept_all(struct listener *listener, int max)
{
    for (int i = 0; i < max && accept_one(listener); i++)
        ;
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    accept_all(context, ACCEPTS_MAX);
}

lode_status listen_start(struct net_server *server, lode_error *error)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        event_assign(&listener->event, server->loops[0]->base, listener->fd, EV_READ | EV_PERSIST,
                     on_accept, listener);
        if (event_add(&listener->event, NULL))
            return error_set(error, LODE_NOMEM, "listen at %s: no memory", listener->address);
    }
    return LODE_OK;
}

void listen_resume(struct net_server *server)
{
    if (!server->accepting_paused)
        return;
    server->accepting_paused = false;
    for (size_t i = 0; i < server->listener_count; i++)
        event_add(&server->listeners[i].event, NULL);
}

void listen_stop(struct net_server *server)
{
    if (atomic_load_explicit(&server->has_stopped_listening, memory_order_relaxed))
        return;
    for (size_t i = 0; i < server->listener_count; i++)
        if (event_initialized(&server->listeners[i].event))
            accept_all(&server->listeners[i], BACKLOG);
    listen_close(server);
    atomic_store_explicit(&server->has_stopped_listening, 1, memory_order_release);
    for (size_t i = 1; i < server->loop_count; i++)
        loop_nudge(server->loops[i]);
}

void listen_close(struct net_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        if (listener->fd < 0)
            continue;
        if (event_initialized(&listener->event))
            event_del(&listener->event);
        close(listener->fd);
        listener->fd = -1;
    }
}
