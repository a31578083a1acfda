/* protocol_http2.c: HTTP/2 by nghttp2: streams are exchanges. nghttp2 keeps the framing, HPACK and the rules of RFC 9113;
 * here are limits, flow control and the life of streams. Windows grow by what was taken only: what is gathered has its
 * own bound and is taken at once; a streamed body is taken when its run has read it.
 *
 * How many streams there are at a time is counted here: nghttp2 would end the connection for one too many (announce).
 *
 * A stream's user data is its exchange, from the first header until its answer is out or it is closed. */
#include "net/http2.h"

#include "net/server.h"

#include <stdlib.h>
#include <string.h>

#define STREAM_WINDOW     ((int32_t)STREAM_BYTES_MAX)
#define CONNECTION_WINDOW ((int32_t)1 << 20)
#define REST_BYTES_MAX    ((uint64_t)4 << 20) /* of bodies that nobody wants */
#define BURST_S           10               /* seconds' worth of what is limited by rate, at once */
#define IDLE_PER_S        ((uint64_t)1000) /* frames that move nothing */
#define IDLE_PER_FRAME    10               /* of them for each HEADERS read and DATA written */
#define SETTINGS_VALUE    (9 + 2)          /* of a SETTINGS frame: where its first value is */
#define GOAWAY_US         200000 /* from the first GOAWAY to the second: what was sent before it was seen */
#define OUT_READING_MAX                                                                            \
    (4 * OUT_BYTES_HIGH) /* of answers to frames, before no more frames are read */

static struct http2 *session_of(const struct connection *connection)
{
    return connection->session;
}

static struct exchange *exchange_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static void reset(struct http2 *http2, int32_t stream_id, uint32_t code)
{
    if (nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream_id, code))
        connection_fail(http2->connection);
}

/* --- Floods ------------------------------------------------------------------------------------------------------- */

/* A client that empties a bucket, or lets too many acknowledgements wait (nghttp2 counts them), is told to calm down, and closed. */
static void calm(struct http2 *http2)
{
    if (http2->is_calmed)
        return;
    http2->is_calmed = true;
    atomic_fetch_add_explicit(&http2->connection->server->resets_limited, 1, memory_order_relaxed);
    if (nghttp2_session_terminate_session(http2->session, NGHTTP2_ENHANCE_YOUR_CALM))
        connection_fail(http2->connection);
}

static void take_or_end(struct http2 *http2, struct bucket *bucket)
{
    uint64_t now_us = clock_us();
    if (bucket_wait_us(bucket, 1, now_us))
        calm(http2);
    else
        bucket_take(bucket, 1, now_us);
}

/* PING, SETTINGS, PRIORITY and WINDOW_UPDATE cost their sender nine bytes and us the work of a frame. Who asks and is
 * answered has need of some for each frame. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *context)
{
    struct http2 *http2 = context;
    (void)session;
    switch (head->type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY:
    case NGHTTP2_WINDOW_UPDATE: take_or_end(http2, &http2->idle); break;
    case NGHTTP2_HEADERS: bucket_give(&http2->idle, IDLE_PER_FRAME); break;
    default: break;
    }
    return 0;
}

/* --- Bodies of requests --------------------------------------------------------------------------------------------- */

/* The answer is out, and more of a body comes that nobody wants. Many clients take a reset, even with NO_ERROR, for a
 * failure of the request, and stop by themselves once they have read the answer: they are given the time. */
static void drop_rest(struct http2 *http2, int32_t stream_id, size_t size)
{
    http2->dropped_bytes += size;
    if (http2->dropped_bytes < REST_BYTES_MAX)
        return;
    http2->dropped_bytes = 0;
    reset(http2, stream_id, NGHTTP2_NO_ERROR);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t size, void *context)
{
    struct http2 *http2 = context;
    struct exchange *exchange = exchange_of(session, stream_id);
    (void)flags;
    if (exchange && exchange->mode == MODE_STREAM) {
        exchange->unread_bytes += size;
        exchange_body_bytes(exchange, data, size);
        return 0;
    }
    if (exchange)
        exchange_body_bytes(exchange, data, size);
    else
        drop_rest(http2, stream_id, size);
    if (nghttp2_session_consume(session, stream_id, size))
        connection_fail(http2->connection);
    return 0;
}

/* Bytes of a streamed body that nobody will read any more: other streams may use their room. */
static void forget_unread(struct http2 *http2, struct exchange *exchange)
{
    if (exchange->unread_bytes)
        (void)nghttp2_session_consume_connection(http2->session, exchange->unread_bytes);
    exchange->unread_bytes = 0;
}

static void take_read(struct http2 *http2, struct exchange *exchange)
{
    size_t count = exchange_was_read(exchange);
    if (count > exchange->unread_bytes)
        count = exchange->unread_bytes;
    if (!count)
        return;
    exchange->unread_bytes -= count;
    if (nghttp2_session_consume(http2->session, exchange->stream_id, count))
        connection_fail(http2->connection);
}

/* --- Frames --------------------------------------------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *http2 = context;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (http2->stream_count++ >= http2->connection->server->settings.connection_streams_max) {
        reset(http2, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        take_or_end(http2,
                    &http2->resets); /* at once: it may send a thousand before one is closed */
        return 0;
    }
    struct exchange *exchange = exchange_new(http2->connection);
    if (!exchange)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    exchange->stream_id = frame->hd.stream_id;
    http2->head_since_us = clock_us();
    http2_head_begin(http2);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, exchange);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct http2 *http2 = context;
    struct exchange *exchange = exchange_of(session, frame->hd.stream_id);
    (void)flags;
    if (!exchange || frame->hd.type != NGHTTP2_HEADERS ||
        frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers are dropped */
    const struct net_header header = {(const char *)name, (const char *)value, value_size};
    return http2_head_add(http2, exchange, &header, name_size)
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void begin_request(struct http2 *http2, struct exchange *exchange, bool has_ended)
{
    struct fault fault = http2_head_finish(http2, exchange, has_ended);
    http2->head_since_us = 0;
    if (fault.status) {
        connection_malformed(http2->connection, fault.status, fault.why);
        exchange_answer(exchange, &(struct net_answer){.status = fault.status});
        return;
    }
    exchange_begin_request(exchange);
}

/* Nothing but padding, and not the end. */
static bool is_empty_data(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_DATA && frame->hd.length <= frame->data.padlen &&
           !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *http2 = context;
    bool is_headers = frame->hd.type == NGHTTP2_HEADERS;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        take_or_end(http2, &http2->resets);
    if (!is_headers && frame->hd.type != NGHTTP2_DATA)
        return 0;
    if (is_empty_data(frame))
        take_or_end(http2, &http2->idle);
    struct exchange *exchange = exchange_of(session, frame->hd.stream_id);
    bool has_ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (exchange && is_headers && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        begin_request(http2, exchange, has_ended);
    if (has_ended && (exchange = exchange_of(session, frame->hd.stream_id)) != NULL)
        exchange_body_end(exchange);
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code,
                            void *context)
{
    struct http2 *http2 = context;
    (void)session;
    (void)frame;
    connection_malformed(http2->connection, 400, nghttp2_strerror(code));
    return 0;
}

/* The last frame of an answer is in the buffer: the stream is its client's alone from now on. */
static void answer_is_out(struct http2 *http2, struct exchange *exchange)
{
    forget_unread(http2, exchange);
    (void)nghttp2_session_set_stream_user_data(http2->session, exchange->stream_id, NULL);
    exchange_sent(exchange);
    http2->connection->since_us = clock_us();
}

/* A reset that the client has provoked; those that refuse it were counted when it came. */
static bool is_failure(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_RST_STREAM &&
           frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
           frame->rst_stream.error_code != NGHTTP2_REFUSED_STREAM;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct http2 *http2 = context;
    if (is_failure(frame))
        take_or_end(http2, &http2->resets);
    if (frame->hd.type == NGHTTP2_DATA)
        bucket_give(&http2->idle, IDLE_PER_FRAME);
    bool is_answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!is_answer || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct exchange *exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange)
        answer_is_out(http2, exchange);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code,
                           void *context)
{
    struct http2 *http2 = context;
    struct exchange *exchange = exchange_of(session, stream_id);
    (void)code; /* the frame was counted: a client chooses its code */
    http2->connection->since_us = clock_us();
    if (exchange) {
        forget_unread(http2, exchange);
        exchange_gone(exchange);
    }
    http2->stream_count--;
    return 0;
}

/* --- Protocol ------------------------------------------------------------------------------------------------------- */

static size_t receive(struct connection *connection, const uint8_t *data, size_t size)
{
    struct http2 *http2 = session_of(connection);
    if (connection->closes_when_sent)
        return size;
    if (evbuffer_get_length(connection->out) >= OUT_READING_MAX)
        return 0;
    ssize_t used = nghttp2_session_mem_recv(http2->session, data, size);
    if (used >= 0)
        return (size_t)used;
    if (used == NGHTTP2_ERR_FLOODED) {
        calm(http2);
        return size;
    }
    connection_malformed(connection, 400, nghttp2_strerror((int)used));
    if (nghttp2_session_terminate_session(http2->session, NGHTTP2_PROTOCOL_ERROR))
        connection_fail(connection);
    return size;
}

static void fill(struct connection *connection)
{
    struct http2 *http2 = session_of(connection);
    const uint8_t *data = NULL;
    while (evbuffer_get_length(connection->out) < OUT_BYTES_HIGH) {
        ssize_t size = nghttp2_session_mem_send(http2->session, &data);
        if (size == 0)
            break;
        if (size < 0 || evbuffer_add(connection->out, data, (size_t)size)) {
            connection_fail(connection);
            return;
        }
    }
    if (!nghttp2_session_want_read(http2->session) && !nghttp2_session_want_write(http2->session))
        connection_close_when_sent(connection);
}

static void news(struct connection *connection, struct exchange *exchange)
{
    struct http2 *http2 = session_of(connection);
    take_read(http2, exchange);
    if (exchange->is_answering)
        (void)nghttp2_session_resume_data(http2->session, exchange->stream_id);
    else if (exchange_is_ready(exchange) && !http2_submit(http2, exchange))
        connection_fail(connection);
}

static void abort_answer(struct connection *connection, struct exchange *exchange)
{
    exchange->has_failed = true;
    reset(session_of(connection), exchange->stream_id, NGHTTP2_CANCEL);
}

static void eof(struct connection *connection)
{
    for (const struct exchange *exchange = connection->exchanges; exchange;
         exchange = exchange->next)
        if (!exchange->is_parted)
            connection_fail(connection);
    connection_close_when_sent(connection);
}

/* What holds its answer up is no window but what lies before it in the connection's buffer: connection_check watches that. */
static bool waits_for_socket(const struct http2 *http2, const struct exchange *exchange)
{
    return exchange->is_answering && evbuffer_get_length(http2->connection->out) > 0 &&
           nghttp2_session_get_remote_window_size(http2->session) > 0 &&
           nghttp2_session_get_stream_remote_window_size(http2->session, exchange->stream_id) > 0;
}

static void check(struct connection *connection, uint64_t now)
{
    struct http2 *http2 = session_of(connection);
    const struct net_settings *settings = &connection->server->settings;
    uint64_t head_us = http2->head_since_us;
    if (head_us && now > head_us && now - head_us > settings->head_us_max)
        connection_fail(connection);
    for (struct exchange *exchange = connection->exchanges; exchange; exchange = exchange->next) {
        if (exchange->is_parted || !exchange_is_stalled(exchange, now) ||
            waits_for_socket(http2, exchange))
            continue;
        reset(http2, exchange->stream_id, NGHTTP2_CANCEL);
        loop_touch(connection->loop, connection);
    }
    if (connection->exchanges || now < connection->since_us + settings->idle_us_max)
        return;
    if (nghttp2_session_terminate_session(http2->session, NGHTTP2_NO_ERROR))
        connection_fail(connection);
    loop_touch(connection->loop, connection);
}

/* First that no new streams are wanted, then, when what was on its way has come, which was the last. */
static void drain(struct connection *connection, uint64_t now)
{
    struct http2 *http2 = session_of(connection);
    int failed = 0;
    if (!http2->drain_us) {
        http2->drain_us = now;
        failed = nghttp2_submit_shutdown_notice(http2->session);
    } else if (!http2->has_gone_away && now >= http2->drain_us + GOAWAY_US) {
        http2->has_gone_away = true;
        failed = nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE,
                                       nghttp2_session_get_last_proc_stream_id(http2->session),
                                       NGHTTP2_NO_ERROR, NULL, 0);
    } else if (http2->has_gone_away && !connection->exchanges) {
        /* All is answered; for bodies that a client does not end nobody waits. */
        connection_close_when_sent(connection);
    } else {
        return;
    }
    if (failed)
        connection_fail(connection);
    loop_touch(connection->loop, connection);
}

/* --- Life ------------------------------------------------------------------------------------------------------------ */

static void release(struct connection *connection)
{
    struct http2 *http2 = session_of(connection);
    nghttp2_session_del(http2->session);
    free(http2);
    connection->session = NULL;
}

const struct protocol protocol_http2 = {receive, fill,  news,  abort_answer,
                                        eof,     check, drain, release};

static int session_new(struct http2 *http2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int failed = nghttp2_session_callbacks_new(&callbacks);
    if (!failed)
        failed = nghttp2_option_new(&option);
    if (!failed) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_send_data_callback(callbacks, http2_send_data);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        /* http2.resets is the limit, and can be set; nghttp2's own comes too early for some honest clients. */
        nghttp2_option_set_stream_reset_rate_limit(option, 1u << 30, 1u << 30);
        failed = nghttp2_session_server_new2(&http2->session, callbacks, http2, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return failed;
}

/* The first frame that is sent is our SETTINGS, whose first value is the number of streams. nghttp2, which takes one stream
 * more than that for an error of the connection, was told that there is no limit; the client is told ours. */
static bool announce(struct http2 *http2)
{
    const uint8_t *data = NULL;
    uint8_t settings[128];
    const uint32_t streams = http2->connection->server->settings.connection_streams_max;
    ssize_t size = nghttp2_session_mem_send(http2->session, &data);
    if (size < SETTINGS_VALUE + 4 || (size_t)size > sizeof settings)
        return false;
    memcpy(settings, data, (size_t)size);
    INVARIANT(settings[3] == NGHTTP2_SETTINGS &&
              settings[SETTINGS_VALUE - 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    for (int i = 0; i < 4; i++)
        settings[SETTINGS_VALUE + i] = (uint8_t)(streams >> (24 - 8 * i));
    return !evbuffer_add(http2->connection->out, settings, (size_t)size);
}

static bool greet(struct http2 *http2)
{
    static const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, INT32_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEAD_SIZE_MAX},
    };
    return !nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, entries,
                                    sizeof entries / sizeof *entries) &&
           announce(http2) &&
           !nghttp2_session_set_local_window_size(http2->session, NGHTTP2_FLAG_NONE, 0,
                                                  CONNECTION_WINDOW);
}

bool protocol_http2_open(struct connection *connection)
{
    struct http2 *http2 = calloc(1, sizeof *http2);
    if (!http2)
        return false;
    http2->connection = connection;
    const uint64_t now_us = clock_us(),
                   resets_per_s = connection->server->settings.resets_per_s_max;
    bucket_init(&http2->resets, resets_per_s, resets_per_s * BURST_S, now_us);
    bucket_init(&http2->idle, IDLE_PER_S, IDLE_PER_S * BURST_S, now_us);
    if (session_new(http2)) {
        free(http2);
        return false;
    }
    connection->session = http2;
    connection->protocol = &protocol_http2;
    return greet(http2);
}
