/* http2_answer.c: answers as frames. Bytes of bodies go from where they lie into the connection's buffer: nghttp2 only
 * says how many. */
#include "net/http2.h"

#include "net/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_header(nghttp2_nv *header, const char *name, const char *value)
{
    *header = (nghttp2_nv){.name = (uint8_t *)name,
                           .value = (uint8_t *)value,
                           .namelen = strlen(name),
                           .valuelen = strlen(value)};
}

static size_t set_headers(nghttp2_nv *headers, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        set_header(&headers[i], fields_at(fields, fields->items[i].name),
                   fields_at(fields, fields->items[i].value));
    return fields->count;
}

/* --- Data ----------------------------------------------------------------------------------------------------------- */

/* The body ends here; trailers, if there are any, come behind it. */
static void end_data(nghttp2_session *session, struct exchange *exchange, uint32_t *flags)
{
    const struct fields *trailers = &exchange->answer.trailers;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!trailers->count)
        return;
    nghttp2_nv *headers = calloc(trailers->count, sizeof *headers);
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (!headers || nghttp2_submit_trailer(session, exchange->stream_id, headers,
                                           set_headers(headers, trailers)))
        connection_fail(exchange->connection);
    free(headers);
}

static ssize_t read_whole(nghttp2_session *session, struct exchange *exchange, size_t size_max,
                          uint32_t *flags)
{
    uint64_t left = exchange->answer.body_size - exchange->bytes_out;
    size_t size = left < size_max ? (size_t)left : size_max;
    if (size == left)
        end_data(session, exchange, flags);
    if (size)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)size;
}

static ssize_t read_stream(nghttp2_session *session, struct exchange *exchange, size_t size_max,
                           uint32_t *flags)
{
    enum out_end end = OUT_GOES_ON;
    if (evbuffer_get_length(exchange->out) <= size_max)
        (void)exchange_take_out(exchange, exchange->out, size_max, &end);
    size_t size = evbuffer_get_length(exchange->out);
    if (end == OUT_BROKEN && size == 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    if (end == OUT_FINISHED && size <= size_max)
        end_data(session, exchange, flags);
    else if (size == 0)
        return NGHTTP2_ERR_DEFERRED;
    if (size)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)(size < size_max ? size : size_max);
}

static ssize_t read_data(nghttp2_session *session, int32_t stream_id, uint8_t *data,
                         size_t size_max, uint32_t *flags, nghttp2_data_source *source,
                         void *context)
{
    struct exchange *exchange = source->ptr;
    (void)stream_id;
    (void)data;
    (void)context;
    return exchange->answer.is_streamed ? read_stream(session, exchange, size_max, flags)
                                        : read_whole(session, exchange, size_max, flags);
}

static bool move_body(struct exchange *exchange, struct evbuffer *out, size_t size)
{
    if (exchange->answer.is_streamed)
        return evbuffer_remove_buffer(exchange->out, out, size) == (int)size;
    return !evbuffer_add(out, exchange->answer.body + exchange->bytes_out, size);
}

int http2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                    size_t size, nghttp2_data_source *source, void *context)
{
    struct http2 *http2 = context;
    struct exchange *exchange = source->ptr;
    struct evbuffer *out = http2->connection->out;
    (void)session;
    (void)frame;
    if (evbuffer_get_length(out) >= OUT_BYTES_HIGH)
        return NGHTTP2_ERR_WOULDBLOCK;
    if (evbuffer_add(out, frame_head, 9) || !move_body(exchange, out, size))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    exchange->bytes_out += size;
    exchange_moved(exchange, size);
    return 0;
}

/* --- Heads ------------------------------------------------------------------------------------------------------------ */

static bool sends_data(const struct exchange *exchange)
{
    const struct answer *answer = &exchange->answer;
    if (!strcmp(exchange->request.method, "HEAD") || status_has_no_body(answer->status))
        return false;
    return answer->is_streamed || answer->body_size || answer->trailers.count;
}

static bool submit(struct http2 *http2, struct exchange *exchange, nghttp2_nv *headers)
{
    const struct answer *answer = &exchange->answer;
    char status[8], size[24];
    size_t count = 2;
    const nghttp2_data_provider provider = {.source.ptr = exchange, .read_callback = read_data};
    (void)snprintf(status, sizeof status, "%03u", answer->status % 1000);
    (void)snprintf(size, sizeof size, "%zu", answer->body_size);
    set_header(&headers[0], ":status", status);
    set_header(&headers[1], "date", loop_date(http2->connection->loop));
    count += set_headers(headers + count, &answer->headers);
    if (!answer->is_streamed && answer->body_size && !answer->trailers.count)
        set_header(&headers[count++], "content-length", size);
    return !nghttp2_submit_response(http2->session, exchange->stream_id, headers, count,
                                    sends_data(exchange) ? &provider : NULL);
}

bool http2_submit(struct http2 *http2, struct exchange *exchange)
{
    nghttp2_nv *headers = calloc(exchange->answer.headers.count + 3, sizeof *headers);
    exchange->is_answering = true;
    if (exchange->answer.is_streamed && !exchange->out)
        exchange->out = evbuffer_new();
    bool is_submitted = headers && (!exchange->answer.is_streamed || exchange->out) &&
                        submit(http2, exchange, headers);
    free(headers);
    return is_submitted;
}
