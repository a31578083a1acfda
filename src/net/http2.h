/* http2.h: what the files of HTTP/2 know of each other: protocol_http2.c (streams), http2_head.c (heads of requests),
 * http2_answer.c. */
#ifndef NET_HTTP2_H
#define NET_HTTP2_H

#include "base/bucket.h"
#include "net/connection.h"
#include "net/http1.h"
#include "net/target.h"

#include <nghttp2/nghttp2.h>

/* The head that is coming: header blocks of a connection do not mix. Offsets in the exchange's fields. */
struct http2_head {
    uint32_t method, path, authority;
    bool has_method, has_path, has_authority, is_too_large;
    size_t size; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    uint64_t content_size;
};

struct http2 {
    nghttp2_session *session;
    struct connection *connection;
    struct http2_head head;
    uint64_t head_since_us; /* 0: no header block is under way */
    struct bucket resets;   /* streams that are reset or refused */
    struct bucket idle;     /* frames that move nothing */
    unsigned stream_count;
    uint64_t drain_us;      /* when the first GOAWAY was sent; 0: not yet */
    uint64_t dropped_bytes; /* of bodies behind their answers, since the last reset for it */
    bool has_gone_away, is_calmed;
};

void http2_head_begin(struct http2 *http2);
/* false: no memory. */
bool http2_head_add(struct http2 *http2, struct exchange *exchange, const struct net_header *header,
                    size_t name_size);
/* Make the exchange's request of it. has_ended: there is no body. */
struct fault http2_head_finish(struct http2 *http2, struct exchange *exchange, bool has_ended);

/* Begin to send an answer that is ready; false: no memory. */
bool http2_submit(struct http2 *http2, struct exchange *exchange);
/* nghttp2's callback for frames of data, whose bytes are moved by us. */
int http2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                    size_t size, nghttp2_data_source *source, void *context);

#endif
