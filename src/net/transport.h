/* transport.h: bytes to and from a socket that never waits, clear or under TLS. */
#ifndef NET_TRANSPORT_H
#define NET_TRANSPORT_H

#include <event2/buffer.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum transport_result {
    TRANSPORT_OK,
    TRANSPORT_WAIT, /* for the socket */
    TRANSPORT_EOF,
    TRANSPORT_ERROR,
};

struct transport {
    int fd;
    SSL *ssl;         /* NULL: clear */
    bool wants_write; /* reading or shaking hands has to write first */
};

/* Read at most `size` bytes, at least one when it is TRANSPORT_OK. */
enum transport_result transport_read(struct transport *transport, void *data, size_t size,
                                     size_t *ret_size);
/* Write as much of `out` as goes, and remove it. TRANSPORT_OK: all. */
enum transport_result transport_write(struct transport *transport, struct evbuffer *out);
enum transport_result transport_shake(struct transport *transport);
/* Tell the client that nothing more comes. */
void transport_shut(struct transport *transport);
void transport_close(struct transport *transport);

#endif
