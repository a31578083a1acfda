/* protocol_http1.c: one request after the other on a connection. Requests that are sent ahead wait in the connection's
 * pending bytes until the answer before them is in its buffer. */
#include "net/connection.h"
#include "net/http1.h"
#include "net/server.h"
#include "net/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST_BYTES_MAX                                                                             \
    ((uint64_t)256 << 10)                 /* of a body that nobody wants, before we rather close */
#define BODY_COPIED_MAX ((size_t)4 << 10) /* a body so small joins its head in one piece */

struct session {
    struct http1 parser;
    struct exchange *current; /* until its answer is in the buffer */
    bool in_body;             /* the head was given, the end of the request has not come */
    bool is_over;             /* no request is read any more */
    bool closes;              /* after this answer */
    bool is_head_method, is_http10, awaits_continue, is_chunked;
    uint64_t body_rest;     /* of in_body; NET_SIZE_UNKNOWN */
    uint64_t head_since_us; /* 0: no byte of it has come */
};

static void add(struct connection *connection, const void *data, size_t size)
{
    if (size && evbuffer_add(connection->out, data, size))
        connection_fail(connection);
}

static void end_session(struct connection *connection)
{
    struct session *session = connection->session;
    session->is_over = true;
    connection_close_when_sent(connection);
}

/* --- Answers ---------------------------------------------------------------------------------------------------- */

/* The client may be told to go on only if the rest of its request is little. */
static bool rest_is_small(const struct session *session)
{
    return !session->in_body || (!session->awaits_continue && session->body_rest <= REST_BYTES_MAX);
}

static bool must_close(const struct connection *connection, const struct session *session)
{
    return session->closes || server_is_draining(connection->server) || !rest_is_small(session);
}

static bool add_text(struct buf *head, const char *text)
{
    return !buf_append(head, text, strlen(text), NULL);
}

static bool add_header(struct buf *head, const char *name, const char *value)
{
    return add_text(head, name) && add_text(head, ": ") && add_text(head, value) &&
           add_text(head, "\r\n");
}

static bool add_headers(struct buf *head, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        if (!add_header(head, fields_at(fields, fields->items[i].name),
                        fields_at(fields, fields->items[i].value)))
            return false;
    return true;
}

/* How the client will know where the answer ends. */
static bool add_framing(struct session *session, struct buf *head, const struct answer *answer)
{
    char size[24];
    if (answer->is_streamed && !session->is_http10) {
        session->is_chunked = true;
        return add_header(head, "transfer-encoding", "chunked");
    }
    if (answer->is_streamed || status_has_no_body(answer->status))
        return true;
    (void)snprintf(size, sizeof size, "%zu", answer->body_size);
    return add_header(head, "content-length", size);
}

static bool compose_head(struct connection *connection, const struct answer *answer)
{
    struct session *session = connection->session;
    struct buf *head = &connection->loop->head;
    char line[64];
    (void)snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\n", answer->status,
                   status_reason(answer->status));
    buf_clear(head);
    return add_text(head, line) && add_header(head, "date", loop_date(connection->loop)) &&
           add_headers(head, &answer->headers) && add_framing(session, head, answer) &&
           (!session->closes || add_header(head, "connection", "close")) && add_text(head, "\r\n");
}

static void free_body(const void *data, size_t size, void *body)
{
    (void)data;
    (void)size;
    free(body);
}

/* The memory of a large body is lent to the buffer, which frees it. */
static void add_body(struct connection *connection, struct answer *answer)
{
    if (evbuffer_add_reference(connection->out, answer->body, answer->body_size, free_body,
                               answer->body)) {
        connection_fail(connection);
        return;
    }
    answer->body = NULL;
}

/* The answer is in the buffer: make ready for the next request, or for the end. */
static void finish_answer(struct connection *connection)
{
    struct session *session = connection->session;
    exchange_sent(session->current);
    session->current = NULL;
    connection->may_offer = true;
    connection->since_us = clock_us();
    if (session->closes || !rest_is_small(session))
        end_session(connection);
}

static void send_whole(struct connection *connection, struct exchange *exchange)
{
    struct session *session = connection->session;
    struct answer *answer = &exchange->answer;
    struct buf *head = &connection->loop->head;
    bool sends_body =
        answer->body_size && !session->is_head_method && !status_has_no_body(answer->status);
    bool is_copied = sends_body && answer->body_size <= BODY_COPIED_MAX &&
                     !buf_append(head, answer->body, answer->body_size, NULL);
    add(connection, head->data, head->size);
    if (sends_body && !is_copied)
        add_body(connection, answer);
    exchange->bytes_out = sends_body ? answer->body_size : 0;
    finish_answer(connection);
}

static void begin_answer(struct connection *connection, struct exchange *exchange)
{
    struct session *session = connection->session;
    struct answer *answer = &exchange->answer;
    exchange->is_answering = true;
    session->is_chunked = false;
    session->closes =
        must_close(connection, session) || (answer->is_streamed && session->is_http10);
    if (!compose_head(connection, answer))
        connection_fail(connection);
    else if (answer->is_streamed)
        add(connection, connection->loop->head.data, connection->loop->head.size);
    else
        send_whole(connection, exchange);
}

static void news(struct connection *connection, struct exchange *exchange)
{
    struct session *session = connection->session;
    (void)exchange_was_read(exchange);
    if (exchange != session->current || exchange->is_answering || !exchange_is_ready(exchange))
        return;
    begin_answer(connection, exchange);
}

/* One piece of a streamed answer, as a chunk. */
static void add_piece(struct connection *connection, struct exchange *exchange, size_t size)
{
    struct session *session = connection->session;
    char line[24];
    int length = snprintf(line, sizeof line, "%zx\r\n", size);
    if (session->is_head_method || status_has_no_body(exchange->answer.status)) {
        evbuffer_drain(exchange->out, size);
        return;
    }
    exchange->bytes_out += size;
    if (session->is_chunked)
        add(connection, line, (size_t)length);
    if (evbuffer_add_buffer(connection->out, exchange->out))
        connection_fail(connection);
    if (session->is_chunked)
        add(connection, "\r\n", 2);
}

static void end_stream(struct connection *connection, enum out_end end)
{
    struct session *session = connection->session;
    if (end == OUT_BROKEN) {
        session->current->has_failed = true;
        session->closes = true;
    } else if (session->is_chunked && !session->is_head_method) {
        add(connection, "0\r\n\r\n", 5);
    }
    finish_answer(connection);
}

static void fill(struct connection *connection)
{
    struct session *session = connection->session;
    struct exchange *exchange = session->current;
    if (!exchange || !exchange->is_answering)
        return;
    if (!exchange->out && !(exchange->out = evbuffer_new())) {
        connection_fail(connection);
        return;
    }
    while (evbuffer_get_length(connection->out) < OUT_BYTES_HIGH && !connection->has_failed) {
        enum out_end end = OUT_GOES_ON;
        size_t size = exchange_take_out(exchange, exchange->out, OUT_BYTES_HIGH / 4, &end);
        if (size)
            add_piece(connection, exchange, size);
        if (end != OUT_GOES_ON)
            end_stream(connection, end);
        if (end != OUT_GOES_ON || !size)
            return;
    }
}

static void abort_answer(struct connection *connection, struct exchange *exchange)
{
    struct session *session = connection->session;
    if (exchange != session->current)
        return;
    session->closes = true;
    exchange->has_failed = true;
    finish_answer(connection);
}

/* --- Requests ----------------------------------------------------------------------------------------------------- */

static void malformed(struct connection *connection, struct fault fault)
{
    struct session *session = connection->session;
    connection_malformed(connection, fault.status, fault.why);
    if (session->current && session->current->is_answering) {
        connection_fail(connection);
        return;
    }
    if (session->current)
        exchange_gone(session->current);
    session->current = NULL;
    char text[512];
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 %u %s\r\ndate: %s\r\ncontent-type: text/plain\r\n"
                        "content-length: %zu\r\nconnection: close\r\n\r\n%s\n",
                        fault.status, status_reason(fault.status), loop_date(connection->loop),
                        strlen(fault.why) + 1, fault.why);
    add(connection, text, (size_t)size);
    end_session(connection);
}

/* Move the parser's head into a new exchange. */
static struct exchange *exchange_of_head(struct connection *connection)
{
    struct session *session = connection->session;
    struct http1_head head;
    struct exchange *exchange = exchange_new(connection);
    if (!exchange)
        return NULL;
    http1_take_head(&session->parser, &head);
    exchange->fields = head.fields;
    exchange->headers = fields_headers(&exchange->fields);
    exchange->request = (struct net_request){
        .method = head.method,
        .path = head.target.path,
        .query = head.target.query,
        .authority = head.authority,
        .content_size = head.content_size,
    };
    session->closes = head.closes;
    session->is_http10 = head.is_http10;
    session->is_head_method = !strcmp(head.method, "HEAD");
    session->awaits_continue = head.expects_continue;
    session->body_rest = head.content_size;
    return exchange;
}

static void begin_request(struct connection *connection)
{
    struct session *session = connection->session;
    struct exchange *exchange = exchange_of_head(connection);
    session->head_since_us = 0;
    session->in_body = true;
    session->current = exchange;
    if (!exchange || !exchange->headers) {
        connection_fail(connection);
        return;
    }
    exchange_begin_request(exchange);
    if (session->awaits_continue && session->current == exchange && !exchange_is_ready(exchange)) {
        add(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        session->awaits_continue = false;
    }
}

static void take_piece(struct connection *connection, const struct http1_piece *piece)
{
    struct session *session = connection->session;
    if (session->body_rest != NET_SIZE_UNKNOWN)
        session->body_rest -= piece->size;
    session->awaits_continue = false; /* it did not wait */
    if (session->current)
        exchange_body_bytes(session->current, piece->data, piece->size);
}

static void end_request(struct connection *connection)
{
    struct session *session = connection->session;
    session->in_body = false;
    connection->since_us = clock_us();
    if (session->current)
        exchange_body_end(session->current);
}

/* Whether the next bytes can be read now. */
static bool takes(const struct connection *connection, const struct session *session)
{
    if (session->in_body)
        return !session->current || http1_is_complete(&session->parser) ||
               exchange_takes_body(session->current);
    return !session->current && evbuffer_get_length(connection->out) < OUT_BYTES_HIGH;
}

/* One step of the parser; false: it wants more bytes, or is over. */
static bool step(struct connection *connection, const uint8_t *data, size_t size, size_t *ret_used)
{
    struct session *session = connection->session;
    struct http1_piece piece = {0};
    switch (http1_next(&session->parser, data, size, ret_used, &piece)) {
    case HTTP1_MORE:
        if (!session->in_body && !session->head_since_us && !http1_is_between(&session->parser))
            session->head_since_us = clock_us();
        return false;
    case HTTP1_HEAD: begin_request(connection); break;
    case HTTP1_BODY: take_piece(connection, &piece); break;
    case HTTP1_END: end_request(connection); break;
    case HTTP1_ERROR: malformed(connection, session->parser.fault); break;
    }
    return !connection->has_failed;
}

static size_t receive(struct connection *connection, const uint8_t *data, size_t size)
{
    struct session *session = connection->session;
    size_t used = 0;
    for (;;) {
        if (session->is_over || connection->has_failed)
            return size;
        if (!takes(connection, session))
            return used;
        size_t count = 0;
        bool goes_on = step(connection, data + used, size - used, &count);
        used += count;
        if (!goes_on)
            return connection->has_failed ? size : used;
    }
}

/* --- The client is silent, or gone ---------------------------------------------------------------------------------- */

static void eof(struct connection *connection)
{
    struct session *session = connection->session;
    bool is_out = evbuffer_get_length(connection->out) > 0;
    if (session->current || !is_out)
        connection_fail(connection);
    else
        end_session(connection);
}

static void check_between(struct connection *connection, uint64_t now)
{
    struct session *session = connection->session;
    const struct net_settings *settings = &connection->server->settings;
    uint64_t head_us = session->head_since_us;
    if (head_us && now > head_us && now - head_us > settings->head_us_max) {
        malformed(connection, (struct fault){408, "the head of the request did not come in time"});
        loop_touch(connection->loop, connection);
    } else if (!head_us && now > connection->since_us &&
               now - connection->since_us > settings->idle_us_max) {
        connection_fail(connection);
    }
}

static void check(struct connection *connection, uint64_t now)
{
    struct session *session = connection->session;
    uint64_t stall_us = connection->server->settings.stall_us_max;
    if (session->is_over)
        return;
    if (session->current) {
        /* Whether an answer is taken, connection_check sees. */
        if (!session->current->is_answering && exchange_is_stalled(session->current, now))
            connection_fail(connection);
    } else if (session->in_body) {
        if (now > connection->since_us && now - connection->since_us > stall_us)
            connection_fail(connection);
    } else {
        check_between(connection, now);
    }
}

static void drain(struct connection *connection, uint64_t now)
{
    struct session *session = connection->session;
    if (!session->current && !session->head_since_us && !session->is_over &&
        connection_is_quiet(connection, now))
        end_session(connection);
}

/* --- Life -------------------------------------------------------------------------------------------------------------- */

static void release(struct connection *connection)
{
    struct session *session = connection->session;
    http1_release(&session->parser);
    free(session);
    connection->session = NULL;
}

const struct protocol protocol_http1 = {receive, fill,  news,  abort_answer,
                                        eof,     check, drain, release};

bool protocol_http1_open(struct connection *connection)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return false;
    http1_init(&session->parser);
    connection->session = session;
    connection->protocol = &protocol_http1;
    return true;
}
