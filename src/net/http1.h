/* http1.h: the parser of HTTP/1.1 and 1.0 requests (RFC 9112), fed with whatever pieces come; how they are cut never
 * matters. It is strict: what two readers could take for different messages is refused, never mended. Lines end with
 * CRLF; no folded lines; no space before a colon; one Host; one Content-Length of digits alone, or Transfer-Encoding
 * that is exactly "chunked", never both.
 *
 * Bounds: the head HEAD_SIZE_MAX with FIELDS_MAX fields, the target TARGET_SIZE_MAX, chunk extensions of a message
 * together EXTENSIONS_SIZE_MAX, its trailers (checked, then forgotten) TRAILERS_SIZE_MAX. */
#ifndef NET_HTTP1_H
#define NET_HTTP1_H

#include "net/fields.h"
#include "net/target.h"

#define HEAD_SIZE_MAX       (32u << 10)
#define FIELDS_MAX          100
#define TARGET_SIZE_MAX     (8u << 10)
#define METHOD_SIZE_MAX     32
#define EXTENSIONS_SIZE_MAX (4u << 10)
#define TRAILERS_SIZE_MAX   (8u << 10)

struct http1_head {
    struct fields fields;
    const char *method;
    struct target target;
    const char *authority;
    uint64_t content_size; /* NET_SIZE_UNKNOWN: chunked */
    bool is_http10;
    bool closes; /* the client wants no further request on this connection, or cannot have one */
    bool expects_continue;
};

enum http1_event {
    HTTP1_MORE,  /* all was taken; the next piece, please */
    HTTP1_HEAD,  /* http1.head is complete */
    HTTP1_BODY,  /* a piece of the body */
    HTTP1_END,   /* the request is over; the next call begins another */
    HTTP1_ERROR, /* http1.fault says why; for good */
};

struct http1 {
    struct http1_head head;
    struct fault fault;
    /* Private: */
    unsigned state;
    bool has_length, has_coding, has_host, has_blank;
    uint32_t method, target, host, host_size; /* offsets in head.fields.text */
    size_t line_begin, extension_size, trailer_size;
    uint64_t left; /* of the body, or of the chunk */
    unsigned digits;
};

struct http1_piece {
    const uint8_t *data; /* in what was fed */
    size_t size;
};

void http1_init(struct http1 *http1);
void http1_release(struct http1 *http1);
/* Go on with data[0, size): *ret_used bytes of it were taken. To be called until it gives HTTP1_MORE, with size 0 too. */
enum http1_event http1_next(struct http1 *http1, const uint8_t *data, size_t size, size_t *ret_used,
                            struct http1_piece *ret_piece);
/* Hand the head over (its fields are the caller's to release). Between HTTP1_HEAD and the next HTTP1_END. */
void http1_take_head(struct http1 *http1, struct http1_head *ret_head);
/* All of the request has come; the next call will say so, whatever it is fed. */
bool http1_is_complete(const struct http1 *http1);
/* Nothing of a next request has come yet. */
bool http1_is_between(const struct http1 *http1);

#endif
