/* loop.h: an event base with its thread, a mailbox through which other threads hand things to it, and the tick at which
 * what has waited too long is looked for.
 *
 * Mailbox: senders push onto an atomic list; whoever finds it empty wakes the loop by its eventfd, so that a batch of
 * answers costs one wake. The loop takes the whole list and delivers in the order of sending. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/buf.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#define LOOP_SCRATCH_SIZE ((size_t)64 << 10)

struct connection;
struct net_server;

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail);
};

struct loop {
    struct net_server *server;
    struct event_base *base;
    struct event wake, tick;
    struct event
        again; /* never added, only activated: what is touched goes on after others had their turn */
    int wake_fd;
    _Atomic(struct mail *) mailbox;
    atomic_int is_nudged; /* the server wants to be asked for its state */
    /* Of the loop's thread alone: */
    struct connection *connections;
    struct connection *touched; /* that are to be pumped after this batch of mail */
    size_t exchange_count;      /* that have not ended, whether their connections live or not */
    uint8_t *scratch;           /* LOOP_SCRATCH_SIZE bytes to read into */
    struct buf head;            /* to compose heads of answers in */
    time_t date_s;
    char date[32]; /* of date_s, as a header has it */
};

NODISCARD lode_status loop_new(struct net_server *server, unsigned tick_us, struct loop **ret_loop,
                               lode_error *error);
void loop_free(struct loop *loop); /* NULL is allowed */
/* Until loop_leave. */
void loop_run(struct loop *loop);
void loop_leave(struct loop *loop);
/* Any thread. The mail is the loop's until it is delivered. */
void loop_send(struct loop *loop, struct mail *mail);
/* Any thread: have server_check called on the loop's thread soon. */
void loop_nudge(struct loop *loop);
/* The loop whose thread this is, or NULL. */
struct loop *loop_here(void);
/* Pump this connection once the batch of mail is delivered. */
void loop_touch(struct loop *loop, struct connection *connection);
/* The same, after other events had their turn. */
void loop_go_on_later(struct loop *loop, struct connection *connection);
const char *loop_date(struct loop *loop);

#endif
