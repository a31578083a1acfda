/* http1_body.h: what http1.c and http1_body.c know of each other. */
#ifndef NET_HTTP1_BODY_H
#define NET_HTTP1_BODY_H

#include "net/http1.h"

enum http1_state {
    HTTP1_STATE_BETWEEN,  /* nothing of a request has come */
    HTTP1_STATE_BLANK_LF, /* the CR of an empty line before it */
    HTTP1_STATE_HEAD,
    HTTP1_STATE_BODY,       /* left: bytes of a body of known size */
    HTTP1_STATE_CHUNK_SIZE, /* digits: hexadecimal digits so far */
    HTTP1_STATE_CHUNK_EXTENSION,
    HTTP1_STATE_CHUNK_SIZE_LF,
    HTTP1_STATE_CHUNK_DATA, /* left: bytes of this chunk */
    HTTP1_STATE_CHUNK_CR,
    HTTP1_STATE_CHUNK_LF,
    HTTP1_STATE_TRAILER,
    HTTP1_STATE_END, /* the body is over, http1_next has not said so yet */
    HTTP1_STATE_ERROR,
};

struct http1_field {
    size_t name_size;
    char *value;
    size_t value_size;
};

enum http1_event http1_fail(struct http1 *http1, unsigned status, const char *why);
/* Why this byte may not follow that one in a head or a trailer; NULL: it may. */
const char *http1_check_byte(unsigned char before, unsigned char byte);
/* A header line without its CRLF, size > 0. */
struct fault http1_split_field(char *line, size_t size, struct http1_field *ret_field);
/* As http1_next, of a body; size > 0. */
enum http1_event http1_body_step(struct http1 *http1, const uint8_t *data, size_t size,
                                 size_t *ret_used, struct http1_piece *ret_piece);

#endif
