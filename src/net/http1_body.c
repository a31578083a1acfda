/* http1_body.c: bodies of HTTP/1 requests, of known size or chunked (RFC 9112, sections 6 and 7). Pieces are given where
 * they lie. Trailers are held to the rules of headers and dropped. */
#include "net/http1_body.h"

#include "base/hex.h"

#include <string.h>

#define CHUNK_DIGITS_MAX 15 /* more than any body has, and no overflow */

static enum http1_event give_piece(struct http1 *http1, const uint8_t *data, size_t size,
                                   size_t *ret_used, struct http1_piece *ret_piece)
{
    size_t count = http1->left < size ? (size_t)http1->left : size;
    http1->left -= count;
    *ret_used = count;
    *ret_piece = (struct http1_piece){data, count};
    return HTTP1_BODY;
}

static enum http1_event take_body(struct http1 *http1, const uint8_t *data, size_t size,
                                  size_t *ret_used, struct http1_piece *ret_piece)
{
    enum http1_event event = give_piece(http1, data, size, ret_used, ret_piece);
    if (http1->left == 0)
        http1->state = HTTP1_STATE_END;
    return event;
}

static enum http1_event take_chunk_data(struct http1 *http1, const uint8_t *data, size_t size,
                                        size_t *ret_used, struct http1_piece *ret_piece)
{
    enum http1_event event = give_piece(http1, data, size, ret_used, ret_piece);
    if (http1->left == 0)
        http1->state = HTTP1_STATE_CHUNK_CR;
    return event;
}

static enum http1_event take_size_byte(struct http1 *http1, unsigned char byte)
{
    int digit = hex_value((char)byte);
    if (digit >= 0) {
        if (http1->digits == CHUNK_DIGITS_MAX)
            return http1_fail(http1, 413, "a chunk is too large");
        http1->left = (http1->digits++ ? http1->left : 0) * 16 + (unsigned)digit;
        return HTTP1_MORE;
    }
    if (http1->digits == 0)
        return http1_fail(http1, 400, "a chunk's size is no number");
    if (byte == '\r')
        http1->state = HTTP1_STATE_CHUNK_SIZE_LF;
    else if (byte == ';')
        http1->state = HTTP1_STATE_CHUNK_EXTENSION;
    else
        return http1_fail(http1, 400, "a chunk's size is no number");
    return HTTP1_MORE;
}

static enum http1_event take_extension_byte(struct http1 *http1, unsigned char byte)
{
    if (++http1->extension_size > EXTENSIONS_SIZE_MAX)
        return http1_fail(http1, 400, "chunk extensions are too long");
    if (byte == '\r')
        http1->state = HTTP1_STATE_CHUNK_SIZE_LF;
    else if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
        return http1_fail(http1, 400, "a control character in a chunk extension");
    return HTTP1_MORE;
}

static enum http1_event take_size_lf(struct http1 *http1, unsigned char byte)
{
    if (byte != '\n')
        return http1_fail(http1, 400, "a chunk's size does not end with CRLF");
    http1->digits = 0;
    if (http1->left) {
        http1->state = HTTP1_STATE_CHUNK_DATA;
        return HTTP1_MORE;
    }
    /* The text of the head may be the caller's by now; trailers have their own. */
    buf_clear(&http1->head.fields.text);
    http1->state = HTTP1_STATE_TRAILER;
    return HTTP1_MORE;
}

static enum http1_event take_chunk_end(struct http1 *http1, unsigned char byte)
{
    bool is_cr = http1->state == HTTP1_STATE_CHUNK_CR;
    if (byte != (is_cr ? '\r' : '\n'))
        return http1_fail(http1, 400, "a chunk does not end with CRLF");
    http1->state = is_cr ? HTTP1_STATE_CHUNK_LF : HTTP1_STATE_CHUNK_SIZE;
    return HTTP1_MORE;
}

/* A trailer line is complete in head.fields.text. */
static enum http1_event take_trailer_line(struct http1 *http1)
{
    struct buf *text = &http1->head.fields.text;
    if (text->size == 2) {
        http1->state = HTTP1_STATE_END;
        return HTTP1_MORE;
    }
    struct http1_field parts;
    struct fault fault = http1_split_field((char *)text->data, text->size - 2, &parts);
    buf_clear(text);
    return fault.status ? http1_fail(http1, fault.status, fault.why) : HTTP1_MORE;
}

static enum http1_event take_trailer_byte(struct http1 *http1, unsigned char byte)
{
    struct buf *text = &http1->head.fields.text;
    const char *why = http1_check_byte(text->size ? text->data[text->size - 1] : 0, byte);
    if (why)
        return http1_fail(http1, 400, why);
    if (++http1->trailer_size > TRAILERS_SIZE_MAX)
        return http1_fail(http1, 431, "trailers are too long");
    if (buf_append_u8(text, byte, NULL))
        return http1_fail(http1, 503, "no memory");
    return byte == '\n' ? take_trailer_line(http1) : HTTP1_MORE;
}

enum http1_event http1_body_step(struct http1 *http1, const uint8_t *data, size_t size,
                                 size_t *ret_used, struct http1_piece *ret_piece)
{
    if (http1->state == HTTP1_STATE_BODY)
        return take_body(http1, data, size, ret_used, ret_piece);
    if (http1->state == HTTP1_STATE_CHUNK_DATA)
        return take_chunk_data(http1, data, size, ret_used, ret_piece);
    *ret_used = 1;
    switch (http1->state) {
    case HTTP1_STATE_CHUNK_SIZE: return take_size_byte(http1, data[0]);
    case HTTP1_STATE_CHUNK_EXTENSION: return take_extension_byte(http1, data[0]);
    case HTTP1_STATE_CHUNK_SIZE_LF: return take_size_lf(http1, data[0]);
    case HTTP1_STATE_CHUNK_CR:
    case HTTP1_STATE_CHUNK_LF: return take_chunk_end(http1, data[0]);
    case HTTP1_STATE_TRAILER: return take_trailer_byte(http1, data[0]);
    default: return http1_fail(http1, 500, "a state that is none");
    }
}
