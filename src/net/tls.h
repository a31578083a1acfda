/* tls.h: TLS 1.3 (1.2 with AEAD suites if allowed) with ALPN for h2 and http/1.1; certificates of clients. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/error.h"
#include "net/net.h"

#include <openssl/ssl.h>

struct tls {
    SSL_CTX *context;
    int64_t expires_s; /* when the certificate ceases to be valid, in seconds since 1970 */
};

NODISCARD lode_status tls_new(const struct net_tls_options *options, struct tls **ret_tls,
                              lode_error *error);
void tls_free(struct tls *tls); /* NULL is allowed */
/* Of an accepted socket. NULL: no memory. */
SSL *tls_accept(struct tls *tls, int fd);
/* Whether ALPN has chosen: *ret_http2, else http/1.1. */
bool tls_chose(const SSL *ssl, bool *ret_http2);
/* Who the client's verified certificate says it is, to be freed; NULL: it showed none, or no memory. */
char *tls_peer_name(const SSL *ssl);

#endif
