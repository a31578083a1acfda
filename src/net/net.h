/* net.h: HTTP/1.1, HTTP/2 and gRPC's framing on one port, clear or under TLS. It knows exchanges (a request and its
 * answer) and nothing of what they are about: a struct net_service decides.
 *
 * Threads. Loop threads own connections and never wait: they read, parse, write, and call the service's `begin`,
 * `refused` and `end`. Worker threads, in lanes of so many each, call the `run` that `begin` asked for, and may wait: for
 * the engine, for the disk, and in streamed exchanges for the client. An exchange belongs to its loop; whatever a worker
 * does with it is handed over to the loop, and it stays valid until `end` has returned and `run` too.
 *
 * Admission. A lane refuses an exchange whose wait, by what its queue holds and how long its exchanges take lately, would
 * be longer than its wait_ms_max, or that has waited so long when its turn comes: `refused` answers it at once. What is
 * admitted keeps its latency.
 *
 * Slow clients. Bodies that are gathered, and answers that are whole and not taken yet, cost no thread, and memory that
 * net_options.gather_bytes_max bounds. Streamed exchanges hold a thread of their lane: there the rate of
 * the client is watched (stall_ms_max). */
#ifndef NET_NET_H
#define NET_NET_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct net_server;

/* --- Requests ---------------------------------------------------------------------------------- */

struct net_header {
    const char *name; /* lower case; ends with NUL, as the value */
    const char *value;
    size_t value_size;
};

#define NET_SIZE_UNKNOWN UINT64_MAX

/* The head of a request; valid as long as its exchange. */
struct net_request {
    const char *method;               /* "GET" */
    const char *path;                 /* begins with /; still percent-encoded; without query */
    const char *query;                /* behind the first ?, still encoded; "" */
    const char *authority;            /* Host, or :authority */
    const struct net_header *headers; /* as they came, pseudo-headers left out */
    size_t header_count;
    uint64_t content_size; /* NET_SIZE_UNKNOWN: not said */
    bool is_http2, is_tls;
    const char *peer; /* "192.0.2.7:51234" */
    const char *
        peer_name; /* of its verified certificate: the first DNS name or e-mail of the subject's alternatives,
                              else the common name; NULL: it showed none */
    uint64_t arrived_us; /* monotonic: when the head was complete */
};

/* The value of the first header of this lower-case name, or NULL. */
const char *net_request_header(const struct net_request *request, const char *name);

const struct net_request *exchange_request(const struct exchange *exchange);

/* What the service keeps with an exchange; NULL at first. */
void exchange_set_data(struct exchange *exchange, void *data);
void *exchange_data(const struct exchange *exchange);

/* 1 as soon as nobody waits for the answer any more: the client is gone, has reset the stream, or the deadline has
 * passed. For engines to look at while they work; never goes back to 0. Valid as long as the exchange. */
const atomic_int *exchange_cancelled(const struct exchange *exchange);

/* --- Deciding, in net_service.begin ------------------------------------------------------------- */

/* WATCH: for what must be answered when all others are full. */
enum net_lane { NET_LANE_READ, NET_LANE_WRITE, NET_LANE_SLOW, NET_LANE_WATCH, NET_LANE_COUNT };

/* Gather the body, at most bytes_max of it (else `refused` with NET_REFUSED_SIZE, at once when content_size says so), and
 * then call run on a thread of the lane. */
void exchange_gather(struct exchange *exchange, enum net_lane lane, size_t bytes_max,
                     void (*run)(void *context, struct exchange *exchange));
/* Call run on a thread of the lane right away; it takes the body by exchange_read. */
void exchange_stream(struct exchange *exchange, enum net_lane lane,
                     void (*run)(void *context, struct exchange *exchange));
/* By then it must be answered, else it is cancelled and `refused` with NET_REFUSED_DEADLINE; a running `run` goes on
 * until it notices. Monotonic. Any thread, once begun. */
void exchange_set_deadline(struct exchange *exchange, uint64_t deadline_us);

/* --- In run ------------------------------------------------------------------------------------- */

/* The body that was gathered; writable, so that it can be decoded in place. */
uint8_t *exchange_body(struct exchange *exchange, size_t *ret_size);
/* The next bytes of a streamed body, at least one; *ret_size 0: it has ended. Waits. LODE_CANCELLED when the client is
 * gone or too slow. */
NODISCARD lode_status exchange_read(struct exchange *exchange, void *data, size_t size,
                                    size_t *ret_size, lode_error *error);
/* When it was taken from its lane's queue; monotonic. */
uint64_t exchange_started_us(const struct exchange *exchange);

/* --- Answering: any thread, once ---------------------------------------------------------------- */

struct net_answer {
    unsigned status;
    const char *content_type;         /* NULL: no body */
    const struct net_header *headers; /* others; borrowed for the call; lower-case names */
    size_t header_count;
    struct buf *body;                  /* taken: it is empty afterwards. NULL: none */
    const struct net_header *trailers; /* HTTP/2 alone; borrowed */
    size_t trailer_count;
};

/* The whole answer. The first counts; a later one (the deadline came before) does nothing but release its body. */
void exchange_answer(struct exchange *exchange, struct net_answer *answer);
/* Or in parts: the head (body and trailers NULL), any number of writes, the end. A write waits while more than 256 KiB
 * are not taken by the client; LODE_CANCELLED when it is gone or too slow. Without exchange_finish the client sees that
 * the answer broke off (no last chunk, RST_STREAM). */
NODISCARD lode_status exchange_begin(struct exchange *exchange, const struct net_answer *head,
                                     lode_error *error);
NODISCARD lode_status exchange_write(struct exchange *exchange, const void *data, size_t size,
                                     lode_error *error);
void exchange_finish(struct exchange *exchange, const struct net_header *trailers,
                     size_t trailer_count);

/* In run, after exchange_begin: the answer does not end with the run, so that what is told seldom costs no thread in
 * between. Any thread goes on with it, up to exchange_finish or the service's `end`, which comes too when the client has
 * gone: the service must not let it return while another thread uses the exchange. */
void exchange_keep(struct exchange *exchange);

/* --- The service --------------------------------------------------------------------------------- */

enum net_refusal {
    NET_REFUSED_SIZE = 1,     /* the body is larger than bytes_max, or than gather_bytes_max */
    NET_REFUSED_QUEUE = 2,    /* its lane's wait is too long */
    NET_REFUSED_DEADLINE = 3, /* its deadline has passed */
    NET_REFUSED_DRAINING = 4, /* the server is stopping */
    NET_REFUSED_MEMORY = 5,   /* gather_bytes_max is used up */
};

struct net_outcome {
    unsigned status;              /* that was answered; 0: none */
    bool is_complete;             /* the answer was handed to the system whole */
    uint64_t bytes_in, bytes_out; /* bodies */
    uint64_t waited_us;           /* in its lane's queue */
    uint64_t ran_us;              /* in run; 0: there was none */
    uint64_t total_us;            /* from the head of the request to the end of the answer */
};

struct net_service {
    void *context;
    /* A request's head is there: answer, gather or stream. On a loop thread: must not wait. */
    void (*begin)(void *context, struct exchange *exchange);
    /* Answer that it is refused, by exchange_answer: 413, 429 or 503 with Retry-After (retry_s), 504. Loop thread. */
    void (*refused)(void *context, struct exchange *exchange, enum net_refusal why,
                    unsigned retry_s);
    /* It is over, and `run`, if there was one, has returned: forget exchange_data. Loop thread. */
    void (*end)(void *context, struct exchange *exchange, const struct net_outcome *outcome);
    /* A request that is no HTTP was answered with this status and its connection closed. Loop thread. May be NULL. */
    void (*malformed)(void *context, const char *peer, unsigned status, const char *why);
};

/* --- The server ----------------------------------------------------------------------------------- */

struct net_tls_options {
    const char *certificate_file; /* PEM, with its chain */
    const char *key_file;         /* PEM */
    const char *
        client_ca_file; /* PEM: clients must show a certificate signed by one of these; NULL: need not */
    bool allow_tls12;
};

struct net_lane_options {
    unsigned threads;
    unsigned wait_ms_max;
    unsigned queue_max; /* exchanges */
};

struct net_options {
    const char *const *addresses; /* "127.0.0.1:7700", "[::]:7700"; port 0: the system chooses */
    size_t address_count;
    const int *sockets; /* that listen already (socket activation); taken */
    size_t socket_count;
    const struct net_tls_options *tls; /* NULL: clear text */
    struct net_lane_options lanes[NET_LANE_COUNT];
    unsigned loop_threads;    /* 0: 1 */
    unsigned connections_max; /* further ones are closed at once; 0: 10,000 */
    unsigned
        connections_per_address_max; /* of one public address (of IPv6: /64); likewise; 0: 1,000 */
    unsigned connection_streams_max; /* of HTTP/2; 0: 128 */
    uint64_t gather_bytes_max; /* bodies gathered, and whole answers not sent yet, all together; a
                                        connection's answers may be a quarter of it; 0: 256 MiB */
    unsigned idle_ms_max;      /* a connection without a request; 0: 75,000 */
    unsigned
        head_ms_max; /* from the first byte of a request to the end of its head; TLS handshakes; 0: 10,000 */
    unsigned stall_ms_max; /* a body or answer of which nothing moves; 0: 30,000 */
    unsigned
        resets_per_s_max; /* streams that one connection resets, with a burst of ten times as many; 0: 100 */
};

/* Bind and listen; nothing is answered before net_server_run. The service is borrowed until net_server_free.
 * LODE_INVALID names an address; LODE_IO (address in use), LODE_KEY (certificates). */
NODISCARD lode_status net_server_new(const struct net_options *options,
                                     const struct net_service *service,
                                     struct net_server **ret_server, lode_error *error);
/* Address that socket `i` (addresses first, then sockets) listens at, with its port. */
const char *net_server_address(const struct net_server *server, size_t i);
/* Serve until net_server_stop has been called and all is drained. */
NODISCARD lode_status net_server_run(struct net_server *server, lode_error *error);
/* Stop listening, let what was begun end (GOAWAY, Connection: close), at most drain_ms, then cut the rest off. Any
 * thread; once more with 0 to hurry. */
void net_server_stop(struct net_server *server, unsigned drain_ms);
/* From now on new connections use these files, read again. Any thread. On an error what was used stays. */
NODISCARD lode_status net_server_set_tls(struct net_server *server,
                                         const struct net_tls_options *tls, lode_error *error);
/* Whether these files can be used, as net_server_new would. */
NODISCARD lode_status net_tls_check(const struct net_tls_options *tls, lode_error *error);
void net_server_free(struct net_server *server); /* NULL is allowed */

struct net_lane_stats {
    unsigned running, queued;
    uint64_t admitted, refused;
    uint64_t expected_wait_us; /* of one that came now */
};

struct net_stats {
    unsigned connections;
    uint64_t accepted, turned_away; /* since it began */
    uint64_t malformed, resets_limited;
    uint64_t gathered_bytes; /* of bodies and whole answers in memory now */
    int64_t
        tls_expires_s; /* when the certificate ceases to be valid, in seconds since 1970; 0: no TLS */
    struct net_lane_stats lanes[NET_LANE_COUNT];
};

void net_server_stats(const struct net_server *server, struct net_stats *ret_stats);

#endif
