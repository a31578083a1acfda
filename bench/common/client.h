/* client.h: requests that are made once and sent over many connections by one thread, in a closed loop or an open one. */
#ifndef BENCH_COMMON_CLIENT_H
#define BENCH_COMMON_CLIENT_H

#include "common/bench.h"

/* Whole requests, as they are sent: of queries near vectors of the collection "vectors". */
struct client_requests {
    int is_http2;
    size_t count;
    char **bytes; /* over HTTP/2 the number of the stream is to be filled in, at `stream_at` */
    size_t *sizes;
    size_t stream_at[2]; /* in HEADERS and in DATA */
};

/* body: "json", "binary" (raw floats) or "grpc". */
void client_requests_init(struct client_requests *requests, const char *body,
                          const struct bench_vecs *vectors, unsigned k);
void client_requests_release(struct client_requests *requests);

struct client_load {
    const char *address; /* 127.0.0.1:PORT */
    const struct client_requests *requests;
    unsigned connections;
    double rate; /* a second; 0: closed loop, the next request when the last one is answered */
    double seconds;
};

struct client_outcome {
    struct bench_series answered_ms; /* 200, or a message of gRPC */
    struct bench_series refused_ms;  /* 429 */
    uint64_t failed;                 /* everything else */
    uint64_t unsent;                 /* open loop: all connections were busy */
    double seconds;
};

void client_run(const struct client_load *load, struct client_outcome *outcome);
void client_outcome_release(struct client_outcome *outcome);
/* Until /readyz says 200. */
void client_wait_ready(const char *address);

#endif
