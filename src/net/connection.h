/* connection.h: a socket with what is read from and written to it; a protocol (http1, http2) makes exchanges of it.
 *
 * Nothing is torn down while it is in use further up the stack: connection_fail marks it, and the outermost
 * connection_pump or event handler closes it. Its memory stays for exchanges that outlive it (refs). */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include "net/exchange.h"
#include "net/transport.h"

#define PEER_TEXT_SIZE 64
#define OUT_BYTES_HIGH                                                                             \
    ((size_t)256 << 10) /* beyond that nothing is added to what waits to be written */

enum connection_state {
    CONNECTION_SHAKING,  /* TLS is being agreed on */
    CONNECTION_SNIFFING, /* its first bytes tell the protocol */
    CONNECTION_SERVING,
    CONNECTION_LINGERING, /* all is written and the client was told so; what it still sends is dropped */
};

struct protocol {
    /* Bytes came; how many were taken. What is left is offered again at the next pump. */
    size_t (*receive)(struct connection *connection, const uint8_t *data, size_t size);
    /* Add to connection->out what is ready, up to OUT_BYTES_HIGH. */
    void (*fill)(struct connection *connection);
    /* The exchange is answered, or parts of its answer came, or its body was read. */
    void (*news)(struct connection *connection, struct exchange *exchange);
    /* Break the answer off. */
    void (*abort)(struct connection *connection, struct exchange *exchange);
    /* The client wants to send nothing more. */
    void (*eof)(struct connection *connection);
    /* At every tick. */
    void (*check)(struct connection *connection, uint64_t now_us);
    void (*drain)(struct connection *connection, uint64_t now_us);
    void (*release)(struct connection *connection);
};

/* A socket as it was accepted. */
struct accepted {
    int fd;
    unsigned place; /* of its address in the server's peers */
    char peer[PEER_TEXT_SIZE];
};

struct connection {
    struct connection *next, *previous; /* of the loop */
    struct connection *next_touched;
    struct loop *loop;
    struct net_server *server;
    struct transport transport;
    const struct protocol *protocol; /* NULL before CONNECTION_SERVING */
    void *session;                   /* the protocol's */
    enum connection_state state;
    struct event readable, writable;
    struct evbuffer *out;
    struct buf pending;         /* came, and were not taken yet: then reading rests */
    struct exchange *exchanges; /* all that belong to it */
    unsigned refs, depth;
    bool is_touched, is_listed;
    bool has_failed; /* to be closed as soon as nothing uses it */
    bool closes_when_sent;
    bool has_eof;
    bool may_offer;              /* the protocol takes pending bytes again */
    bool reads_on;               /* reading stopped before the socket had no more */
    bool is_reading, is_writing; /* the events are added */
    uint64_t since_us; /* of its state; of CONNECTION_SERVING: when its last request ended */
    uint64_t
        taken_us; /* when the client had taken MOVED_BYTES_MIN more, or there was nothing to take */
    int64_t taken;               /* bytes, as of a look not before then */
    uint64_t written;            /* bytes, in all */
    _Atomic uint64_t held_bytes; /* of whole answers, as long as their exchanges last; any thread */
    unsigned place;              /* as in struct accepted */
    char peer[PEER_TEXT_SIZE];
    char *peer_name;
};

/* Take over an accepted socket, on the loop's thread. */
void connection_open(struct loop *loop, const struct accepted *accepted);
void connection_unref(struct connection *connection);
/* Close as soon as nothing uses it. */
void connection_fail(struct connection *connection);
/* Close when everything is written, after having let the client read it. */
void connection_close_when_sent(struct connection *connection);
/* Offer pending bytes, fill, write, until nothing moves. */
void connection_pump(struct connection *connection);
/* The same, having read first what OpenSSL holds if reading stopped early. */
void connection_go_on(struct connection *connection);
void connection_check(struct connection *connection, uint64_t now_us);
/* Nothing was asked for a while, and nothing lies in the socket: who stops may close it. */
bool connection_is_quiet(const struct connection *connection, uint64_t now_us);
/* What is no request was met; for statistics and the service. */
void connection_malformed(struct connection *connection, unsigned status, const char *why);
/* Where connection->written stands once all that is in `out` now is written. */
uint64_t connection_mark(const struct connection *connection);

extern const struct protocol protocol_http1, protocol_http2;
NODISCARD bool protocol_http1_open(struct connection *connection);
NODISCARD bool protocol_http2_open(struct connection *connection);

#endif
