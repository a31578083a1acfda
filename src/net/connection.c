/* connection.c: sockets on their loop: shaking hands, finding out the protocol, reading, writing, lingering, closing. */
#include "net/connection.h"

#include "net/server.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_ROUNDS   16 /* before others have their turn */
#define PUMP_ROUNDS   16
#define LINGER_US_MAX 2000000 /* for the client to read the answer and close */
#define FRESH_US      200000  /* a connection so young may yet be asked something */
#define PENDING_MAX   (2 * LOOP_SCRATCH_SIZE)
#define HTTP2_MAGIC   "PRI "

static void on_readable(evutil_socket_t fd, short what, void *context);
static void on_writable(evutil_socket_t fd, short what, void *context);

/* --- Life ------------------------------------------------------------------------------------------------------ */

static bool make(struct connection *connection)
{
    struct net_server *server = connection->server;
    connection->out = evbuffer_new();
    if (!connection->out)
        return false;
    mutex_lock(&server->tls_mutex);
    struct tls *tls = server->tls;
    if (tls)
        connection->transport.ssl = tls_accept(tls, connection->transport.fd);
    mutex_unlock(&server->tls_mutex);
    connection->state = tls ? CONNECTION_SHAKING : CONNECTION_SNIFFING;
    return !tls || connection->transport.ssl;
}

static void list(struct connection *connection)
{
    struct loop *loop = connection->loop;
    connection->next = loop->connections;
    if (connection->next)
        connection->next->previous = connection;
    loop->connections = connection;
    connection->is_listed = true;
}

static void unlist(struct connection *connection)
{
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        connection->loop->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    connection->is_listed = false;
}

void connection_unref(struct connection *connection)
{
    if (--connection->refs)
        return;
    free(connection->peer_name);
    free(connection);
}

static void tear_down(struct connection *connection)
{
    while (connection->exchanges)
        exchange_gone(connection->exchanges);
    if (connection->protocol)
        connection->protocol->release(connection);
    connection->protocol = NULL;
    event_del(&connection->readable);
    event_del(&connection->writable);
    transport_close(&connection->transport);
    if (connection->out)
        evbuffer_free(connection->out);
    connection->out = NULL;
    buf_release(&connection->pending);
    unlist(connection);
    listen_forget(connection->server, connection->place);
    connection_unref(connection);
}

void connection_open(struct loop *loop, const struct accepted *accepted)
{
    static const int on = 1;
    struct connection *connection = calloc(1, sizeof *connection);
    int fd = accepted->fd;
    if (!connection) {
        close(fd);
        listen_forget(loop->server, accepted->place);
        return;
    }
    connection->loop = loop;
    connection->server = loop->server;
    connection->transport.fd = fd;
    connection->refs = 1;
    connection->since_us = connection->taken_us = clock_us();
    buf_init(&connection->pending, PENDING_MAX);
    connection->place = accepted->place;
    memcpy(connection->peer, accepted->peer, PEER_TEXT_SIZE);
    event_assign(&connection->readable, loop->base, fd, EV_READ | EV_PERSIST, on_readable,
                 connection);
    event_assign(&connection->writable, loop->base, fd, EV_WRITE | EV_PERSIST, on_writable,
                 connection);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    list(connection);
    if (!make(connection))
        connection->has_failed = true;
    connection_pump(connection);
}

void connection_fail(struct connection *connection)
{
    connection->has_failed = true;
    if (connection->depth == 0)
        loop_touch(connection->loop, connection);
}

void connection_close_when_sent(struct connection *connection)
{
    connection->closes_when_sent = true;
    if (connection->depth == 0)
        loop_touch(connection->loop, connection);
}

uint64_t connection_mark(const struct connection *connection)
{
    return connection->written + evbuffer_get_length(connection->out);
}

/* A turn handles only so many events: a request may have come that was not read yet. */
bool connection_is_quiet(const struct connection *connection, uint64_t now_us)
{
    char byte;
    return now_us >= connection->since_us + FRESH_US &&
           recv(connection->transport.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void connection_malformed(struct connection *connection, unsigned status, const char *why)
{
    const struct net_service *service = &connection->server->service;
    atomic_fetch_add_explicit(&connection->server->malformed, 1, memory_order_relaxed);
    if (service->malformed)
        service->malformed(service->context, connection->peer, status, why);
}

/* --- Finding out the protocol ------------------------------------------------------------------------------------ */

static void serve(struct connection *connection, bool is_http2)
{
    connection->state = CONNECTION_SERVING;
    connection->since_us = clock_us();
    bool is_open = is_http2 ? protocol_http2_open(connection) : protocol_http1_open(connection);
    if (!is_open)
        connection->has_failed = true;
}

static void sniff(struct connection *connection)
{
    const struct buf *pending = &connection->pending;
    size_t size = strlen(HTTP2_MAGIC);
    size_t compared = pending->size < size ? pending->size : size;
    bool is_alike = !memcmp(pending->data, HTTP2_MAGIC, compared);
    if (!is_alike || compared == size)
        serve(connection, is_alike);
}

/* A client that does not speak TLS is told so in its own language. */
static void answer_in_clear(struct connection *connection)
{
    static const char text[] = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n"
                               "content-length: 21\r\nconnection: close\r\n\r\n"
                               "this port speaks TLS\n";
    SSL_free(connection->transport.ssl);
    connection->transport.ssl = NULL;
    connection_malformed(connection, 400, "clear text where TLS is spoken");
    if (evbuffer_add(connection->out, text, sizeof text - 1))
        connection->has_failed = true;
    connection->closes_when_sent = true;
}

static bool is_clear_text(const struct connection *connection)
{
    char first = 0;
    ssize_t count = recv(connection->transport.fd, &first, 1, MSG_PEEK);
    return count == 1 && first >= 'A' && first <= 'Z';
}

static void shake(struct connection *connection)
{
    bool is_http2 = false;
    if (SSL_in_before(connection->transport.ssl) && is_clear_text(connection)) {
        answer_in_clear(connection);
        return;
    }
    switch (transport_shake(&connection->transport)) {
    case TRANSPORT_WAIT: return;
    case TRANSPORT_OK: break;
    default: connection->has_failed = true; return;
    }
    connection->peer_name = tls_peer_name(connection->transport.ssl);
    if (tls_chose(connection->transport.ssl, &is_http2))
        serve(connection, is_http2);
    else
        connection->state = CONNECTION_SNIFFING;
}

/* --- Reading ---------------------------------------------------------------------------------------------------------- */

static void keep(struct connection *connection, const uint8_t *data, size_t size)
{
    if (size && buf_append(&connection->pending, data, size, NULL))
        connection->has_failed = true;
}

static void take(struct connection *connection, const uint8_t *data, size_t size)
{
    switch (connection->state) {
    case CONNECTION_SERVING: {
        size_t used = connection->protocol->receive(connection, data, size);
        keep(connection, data + used, size - used);
        break;
    }
    case CONNECTION_SNIFFING:
        keep(connection, data, size);
        if (!connection->has_failed)
            sniff(connection);
        break;
    case CONNECTION_SHAKING:
    case CONNECTION_LINGERING: break;
    }
}

static void at_eof(struct connection *connection)
{
    connection->has_eof = true;
    if (connection->state == CONNECTION_SERVING)
        connection->protocol->eof(connection);
    else
        connection->has_failed = true;
}

/* One read; whether there may be more to read. */
static bool read_once(struct connection *connection)
{
    size_t size = 0;
    uint8_t *scratch = connection->loop->scratch;
    switch (transport_read(&connection->transport, scratch, LOOP_SCRATCH_SIZE, &size)) {
    case TRANSPORT_OK: take(connection, scratch, size); break;
    case TRANSPORT_WAIT: return false;
    case TRANSPORT_EOF: at_eof(connection); return false;
    case TRANSPORT_ERROR: connection->has_failed = true; return false;
    }
    return connection->transport.ssl || size == LOOP_SCRATCH_SIZE;
}

/* Until the socket has no more, or others are to have their turn, or the protocol takes no more: what OpenSSL holds then
 * is nothing that the socket will tell of. */
static void read_some(struct connection *connection)
{
    connection->reads_on = true;
    for (int round = 0; round < READ_ROUNDS && !connection->has_failed; round++) {
        if (connection->pending.size && connection->state != CONNECTION_SNIFFING)
            return;
        if (!read_once(connection)) {
            connection->reads_on = false;
            return;
        }
    }
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct connection *connection = context;
    struct loop *loop = connection->loop;
    loop_awake(loop);
    connection->depth++;
    if (connection->state == CONNECTION_SHAKING && connection->transport.ssl)
        shake(connection);
    if (!connection->has_failed && connection->state != CONNECTION_SHAKING)
        read_some(connection);
    connection->depth--;
    connection_pump(connection); /* it may be gone now */
    loop_handled(loop);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    if (connection->transport.wants_write)
        on_readable(fd, what, context);
    else
        connection_pump(connection);
}

/* --- Pumping ------------------------------------------------------------------------------------------------------------ */

/* Offer what was left over; whether some of it was taken. */
static bool offer(struct connection *connection)
{
    struct buf *pending = &connection->pending;
    if (!pending->size || connection->state != CONNECTION_SERVING)
        return false;
    size_t used = connection->protocol->receive(connection, pending->data, pending->size);
    if (used == pending->size) {
        buf_release(pending);
    } else if (used) {
        memmove(pending->data, pending->data + used, pending->size - used);
        pending->size -= used;
    }
    return used > 0;
}

/* Write; whether all went, and there was something. */
static bool write_out(struct connection *connection)
{
    size_t before = evbuffer_get_length(connection->out);
    if (!before || connection->state == CONNECTION_LINGERING)
        return false;
    enum transport_result result = transport_write(&connection->transport, connection->out);
    connection->written += before - evbuffer_get_length(connection->out);
    if (result == TRANSPORT_ERROR || result == TRANSPORT_EOF)
        connection->has_failed = true;
    return result == TRANSPORT_OK;
}

/* Exchanges whose answers are written are done. */
static void settle(struct connection *connection)
{
    for (struct exchange *exchange = connection->exchanges, *next; exchange; exchange = next) {
        next = exchange->next;
        if (exchange->is_parted && exchange->out_mark <= connection->written)
            exchange_done(exchange);
    }
}

static void linger(struct connection *connection)
{
    if (connection->has_eof) {
        connection->has_failed = true;
        return;
    }
    transport_shut(&connection->transport);
    connection->state = CONNECTION_LINGERING;
    connection->since_us = clock_us();
    buf_release(&connection->pending);
}

/* Whether it may go on. */
static bool pump_once(struct connection *connection)
{
    bool has_offered = offer(connection);
    if (!evbuffer_get_length(connection->out))
        connection->taken_us = clock_us();
    if (connection->state == CONNECTION_SERVING && !connection->has_failed)
        connection->protocol->fill(connection);
    if (connection->has_failed)
        return false;
    bool has_written = write_out(connection);
    settle(connection);
    bool is_empty = !evbuffer_get_length(connection->out);
    if (connection->closes_when_sent && is_empty && connection->state != CONNECTION_LINGERING)
        linger(connection);
    bool offers_more = connection->may_offer && connection->pending.size;
    connection->may_offer = false;
    return (has_written || offers_more || (has_offered && is_empty)) && !connection->has_failed;
}

static void set_event(struct event *event, bool wanted, bool *is_added)
{
    if (wanted == *is_added)
        return;
    *is_added = wanted;
    if (wanted)
        event_add(event, NULL);
    else
        event_del(event);
}

/* Whether there is something to read that the socket will not tell of. */
static bool reads_on(const struct connection *connection)
{
    return connection->reads_on && connection->transport.ssl && !connection->has_eof &&
           !connection->pending.size && connection->state != CONNECTION_SHAKING;
}

static void set_events(struct connection *connection)
{
    bool reads = !connection->has_eof && !connection->pending.size;
    if (connection->state == CONNECTION_SNIFFING)
        reads = true;
    bool writes = connection->transport.wants_write || (connection->state != CONNECTION_LINGERING &&
                                                        evbuffer_get_length(connection->out) > 0);
    set_event(&connection->readable, reads, &connection->is_reading);
    set_event(&connection->writable, writes, &connection->is_writing);
    if (reads_on(connection))
        loop_go_on_later(connection->loop, connection);
}

void connection_pump(struct connection *connection)
{
    if (connection->depth || !connection->is_listed)
        return;
    int round = 0;
    connection->depth++;
    while (!connection->has_failed && round < PUMP_ROUNDS && pump_once(connection))
        round++;
    connection->depth--;
    if (connection->has_failed) {
        tear_down(connection); /* it may be gone now */
        return;
    }
    set_events(connection);
    if (round == PUMP_ROUNDS)
        loop_go_on_later(connection->loop, connection);
}

void connection_go_on(struct connection *connection)
{
    if (connection->depth || !connection->is_listed)
        return;
    if (reads_on(connection) && !connection->has_failed) {
        connection->depth++;
        read_some(connection);
        connection->depth--;
    }
    connection_pump(connection);
}

/* --- Waiting for too long ---------------------------------------------------------------------------------------------------- */

static bool has_waited(uint64_t since_us, uint64_t now, uint64_t limit_us)
{
    return now > since_us && now - since_us > limit_us;
}

/* Bytes that the client's system has acknowledged. That a socket can be written to again tells too seldom: it comes when a third of its
 * buffer is free, which may be a megabyte. */
static int64_t taken_bytes(const struct connection *connection)
{
    int queued = 0;
    (void)ioctl(connection->transport.fd, SIOCOUTQ, &queued);
    return (int64_t)connection->written - queued;
}

/* Whether something is to be written, and the client takes too little of it. */
static bool is_stuck(struct connection *connection, uint64_t now)
{
    if (!evbuffer_get_length(connection->out) || connection->state == CONNECTION_LINGERING)
        return false;
    int64_t taken = taken_bytes(connection);
    if (taken >= connection->taken + MOVED_BYTES_MIN) {
        connection->taken = taken;
        connection->taken_us = now;
    }
    return has_waited(connection->taken_us, now, connection->server->settings.stall_us_max);
}

void connection_check(struct connection *connection, uint64_t now)
{
    const struct net_settings *settings = &connection->server->settings;
    bool is_idle = connection->state == CONNECTION_SNIFFING && !connection->pending.size;
    uint64_t limit_us = is_idle ? settings->idle_us_max : settings->head_us_max;
    bool fails = false;
    switch (connection->state) {
    case CONNECTION_SHAKING:
    case CONNECTION_SNIFFING: fails = has_waited(connection->since_us, now, limit_us); break;
    case CONNECTION_LINGERING: fails = has_waited(connection->since_us, now, LINGER_US_MAX); break;
    case CONNECTION_SERVING: connection->protocol->check(connection, now); break;
    }
    if (fails || is_stuck(connection, now))
        connection_fail(connection);
}
