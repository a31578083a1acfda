/* exchange.h: a request and its answer, as the loop, the lanes and the protocols see it (net.h: as the service does).
 *
 * It belongs to its loop. Other threads reach it in three ways: they claim the answer (`answered`), they write and read
 * the streams (guarded by `mutex`), and they post it: the loop then looks at what has changed (exchange_deliver).
 *
 * It ends, once: when the loop has done with it (the answer is out, or the connection is gone) and no run is under way.
 * `over` has a bit for each; who sets the second ends it. That is always done on the loop's thread: a worker that comes
 * second sends end_mail. */
#ifndef NET_EXCHANGE_H
#define NET_EXCHANGE_H

#include "net/chunks.h"
#include "net/fields.h"
#include "net/lane.h"
#include "net/loop.h"
#include "os/thread.h"

#include <event2/buffer.h>

#define STREAM_BYTES_MAX                                                                           \
    ((size_t)256 << 10)      /* of a streamed body or answer, before its sender waits */
#define MOVED_BYTES_MIN 4096 /* less than that within stall_ms_max counts as nothing */

enum exchange_mode { MODE_NONE, MODE_GATHER, MODE_STREAM };
enum answered { ANSWER_NONE, ANSWER_CLAIMED, ANSWER_READY };
enum out_end { OUT_GOES_ON, OUT_FINISHED, OUT_BROKEN };
enum over { OVER_LOOP = 1, OVER_RUN = 2 };

struct answer {
    unsigned status;
    struct fields headers; /* content-type among them */
    struct fields trailers;
    uint8_t *body;
    size_t body_size;
    bool is_streamed, has_body; /* has_body: a content-type was named */
};

struct exchange {
    struct mail mail, end_mail;
    atomic_int is_posted; /* mail is in the mailbox */
    atomic_uint over;
    atomic_int cancelled;
    atomic_int answered;
    _Atomic uint64_t deadline_us; /* 0: none */
    struct net_server *server;
    struct loop *loop;
    void *data;

    /* The head; written before begin, then only read. */
    struct net_request request;
    struct fields fields;
    struct net_header *headers;
    struct connection *origin; /* whose texts request points to: a reference */

    /* What begin asked for. */
    enum exchange_mode mode;
    enum net_lane lane;
    size_t body_bytes_max;
    void (*run)(void *context, struct exchange *exchange);

    /* Of the loop alone. */
    struct connection *connection; /* NULL: gone */
    struct exchange *next, *previous;
    int32_t stream_id;
    bool is_in_service; /* begin or refused is being called */
    bool is_begun;      /* begin has been called */
    bool body_ended;    /* of the request */
    bool is_answering;  /* the protocol has begun to send the answer */
    bool is_parted;     /* no news for the protocol any more: answered whole, or broken off */
    bool has_failed;    /* the answer was broken off */
    bool ends_on_deliver;
    uint64_t out_mark; /* the answer is out when the connection has written so much */
    struct event timer;
    bool has_timer;
    uint64_t timer_us;
    uint64_t moved_us;  /* when a byte of body or answer moved last */
    size_t moved_bytes; /* since then: too few to count */
    uint64_t bytes_in, bytes_out;
    size_t budget_bytes;  /* taken from server's gather_bytes_max */
    size_t unread_bytes;  /* of a stream: came, and were not told to be consumed */
    struct evbuffer *out; /* of the answer, what HTTP/2 has not framed yet */

    /* Written by the loop before the run, then of the run. */
    uint8_t *body;
    size_t body_size, body_capacity;
    struct lane_item item;
    uint64_t started_us, waited_us, ran_us;
    atomic_int refusal; /* of the lane: enum net_refusal, for the loop to tell; 0: none */
    bool has_streamed;  /* of the run: it answers in parts */
    bool is_kept;       /* of the run: others go on with the answer when it has returned */

    size_t
        held_bytes; /* of the answer, counted in the server's gathered_bytes and the connection's */
    struct answer answer; /* of whoever claimed it, then of the loop */

    struct mutex mutex; /* guards all below */
    struct cond moved;
    struct chunks in;
    bool in_ended;
    size_t in_read; /* that the loop was not told of */
    struct chunks out_chunks;
    bool out_finished;
    bool out_broken; /* the run returned without having finished the answer */
};

/* --- Loop thread --------------------------------------------------------------------------------------- */

/* A new one of this connection, with no head yet. NULL: no memory. */
struct exchange *exchange_new(struct connection *connection);
/* The head is complete (fields, request.method, path, query, authority, content_size): ask the service. */
void exchange_begin_request(struct exchange *exchange);
/* Bytes of the body came. */
void exchange_body_bytes(struct exchange *exchange, const uint8_t *data, size_t size);
void exchange_body_end(struct exchange *exchange);
/* The stream's body has room for more. */
bool exchange_takes_body(struct exchange *exchange);
/* Bytes that the run has read since this was asked last: the protocol may let so many more come. */
size_t exchange_was_read(struct exchange *exchange);
/* Move at most about `size` bytes of a streamed answer to the end of `out`; *ret_finished: that was all. */
size_t exchange_take_out(struct exchange *exchange, struct evbuffer *out, size_t size,
                         enum out_end *ret_end);
/* Whether there is something to take, or the end. */
bool exchange_has_out(struct exchange *exchange);
void exchange_refuse(struct exchange *exchange, enum net_refusal why, uint64_t wait_us);
/* Refuse it if it has no answer yet, break a streamed answer off, and cancel what runs for it. */
void exchange_cut_short(struct exchange *exchange, enum net_refusal why);
/* Nobody waits for the answer: cancelled, taken out of its queue, and off its connection. */
void exchange_gone(struct exchange *exchange);
/* The answer is whole in the connection's buffer, or broken off: what is left is that it be written. */
void exchange_sent(struct exchange *exchange);
/* All of it was written. */
void exchange_done(struct exchange *exchange);
/* Bytes of its body or answer moved. */
void exchange_moved(struct exchange *exchange, size_t size);
/* Whether its client keeps it waiting for too long. */
bool exchange_is_stalled(struct exchange *exchange, uint64_t now_us);
/* Refuse it if it waits in a queue or gathers its body: the server stops. */
bool exchange_stop_waiting(struct exchange *exchange);
bool exchange_is_ready(const struct exchange *exchange); /* answered, whole or in parts */

/* --- Any thread ------------------------------------------------------------------------------------------- */

void exchange_post(struct exchange *exchange);
/* Its whole answer waits in memory from now on. */
void exchange_hold_answer(struct exchange *exchange);
extern const struct lane_work exchange_lane_work;

/* --- exchange_stream.c ------------------------------------------------------------------------------------ */

/* Wake whoever waits in exchange_read or exchange_write. */
void exchange_wake(struct exchange *exchange);
/* Bytes of a streamed body came; size 0: it has ended. Loop thread. */
void exchange_stream_in(struct exchange *exchange, const uint8_t *data, size_t size);
/* Its run has returned. */
void exchange_stream_over(struct exchange *exchange);

/* --- answer.c ------------------------------------------------------------------------------------------------ */

bool exchange_claim(struct exchange *exchange);
/* Take the answer's head and whole body over; without memory it becomes an empty 500. */
void answer_fill(struct answer *answer, const struct net_answer *given);
bool answer_add_headers(struct fields *fields, const struct net_header *headers, size_t count);
void answer_release(struct answer *answer);

#endif
