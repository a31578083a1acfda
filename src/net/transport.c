/* transport.c: sockets, clear or under TLS. */
#include "net/transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_SIZE ((size_t)16 << 10) /* of TLS: so much is written in one piece */
#define IOVECS_MAX  64

static enum transport_result of_errno(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? TRANSPORT_WAIT
                                                                     : TRANSPORT_ERROR;
}

/* Why OpenSSL did not go on. */
static enum transport_result of_ssl(const struct transport *transport, int result)
{
    switch (SSL_get_error(transport->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return TRANSPORT_WAIT;
    case SSL_ERROR_ZERO_RETURN: return TRANSPORT_EOF;
    default: return TRANSPORT_ERROR;
    }
}

/* Why it did not read, or shake hands: it may have to write first. */
static enum transport_result of_reading(struct transport *transport, int result)
{
    enum transport_result why = of_ssl(transport, result);
    transport->wants_write = why == TRANSPORT_WAIT && SSL_want_write(transport->ssl);
    return why;
}

static enum transport_result read_ssl(struct transport *transport, void *data, size_t size,
                                      size_t *ret_size)
{
    ERR_clear_error();
    int result = SSL_read_ex(transport->ssl, data, size, ret_size);
    return result == 1 ? TRANSPORT_OK : of_reading(transport, result);
}

enum transport_result transport_read(struct transport *transport, void *data, size_t size,
                                     size_t *ret_size)
{
    transport->wants_write = false;
    if (transport->ssl)
        return read_ssl(transport, data, size, ret_size);
    ssize_t count = recv(transport->fd, data, size, 0);
    if (count < 0)
        return of_errno();
    *ret_size = (size_t)count;
    return count ? TRANSPORT_OK : TRANSPORT_EOF;
}

static enum transport_result write_ssl(struct transport *transport, struct evbuffer *out)
{
    for (size_t size; (size = evbuffer_get_length(out)) > 0;) {
        size_t written = 0, piece = size < RECORD_SIZE ? size : RECORD_SIZE;
        const unsigned char *data = evbuffer_pullup(out, (ev_ssize_t)piece);
        if (!data)
            return TRANSPORT_ERROR;
        ERR_clear_error();
        int result = SSL_write_ex(transport->ssl, data, piece, &written);
        if (result != 1)
            return of_ssl(transport, result);
        evbuffer_drain(out, written);
    }
    return TRANSPORT_OK;
}

enum transport_result transport_write(struct transport *transport, struct evbuffer *out)
{
    if (transport->ssl)
        return write_ssl(transport, out);
    while (evbuffer_get_length(out)) {
        struct evbuffer_iovec vectors[IOVECS_MAX];
        int count = evbuffer_peek(out, -1, NULL, vectors, IOVECS_MAX);
        struct msghdr message = {.msg_iov = (struct iovec *)vectors,
                                 .msg_iovlen = (size_t)(count < IOVECS_MAX ? count : IOVECS_MAX)};
        ssize_t written = sendmsg(transport->fd, &message, MSG_NOSIGNAL);
        if (written < 0)
            return of_errno();
        evbuffer_drain(out, (size_t)written);
    }
    return TRANSPORT_OK;
}

enum transport_result transport_shake(struct transport *transport)
{
    transport->wants_write = false;
    ERR_clear_error();
    int result = SSL_accept(transport->ssl);
    return result == 1 ? TRANSPORT_OK : of_reading(transport, result);
}

void transport_shut(struct transport *transport)
{
    if (transport->ssl) {
        ERR_clear_error();
        (void)SSL_shutdown(transport->ssl);
    }
    (void)shutdown(transport->fd, SHUT_WR);
}

void transport_close(struct transport *transport)
{
    if (transport->ssl)
        SSL_free(transport->ssl);
    transport->ssl = NULL;
    if (transport->fd >= 0)
        close(transport->fd);
    transport->fd = -1;
}
