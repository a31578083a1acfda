/* loop.h: an event base with the threads that drive it, a mailbox through which other threads hand things to it, and the
 * tick at which what has waited too long is looked for.
 *
 * Turns: wait for events, handle them; deliver mail; write what is to be written; then run for a while what the requests
 * of this turn have queued, if their lane's runs are short: nobody has to be woken for them, neither a thread of the lane nor
 * the loop for the answer.
 *
 * Two threads, so that no run can hold the loop up: while the one that drives runs something, the loop is lent. The other
 * watches, and takes a loop that stays lent for 1 to 2 ms; whose run was so long finds that when it ends, and watches. "The loop's
 * thread" means the one that drives.
 *
 * Mailbox: senders push onto an atomic list; whoever finds it empty, and the loop waiting for events, wakes it by its eventfd.
 * The loop takes the whole list and delivers in the order of sending. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/buf.h"
#include "os/thread.h"

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
    atomic_int is_waiting; /* for events: mail must wake it */
    atomic_int is_nudged;  /* the server wants to be asked for its state */
    atomic_int has_left;   /* loop_leave was called */
    atomic_uint lends;     /* odd: it is lent */
    atomic_int
        watches; /* there is one that watches: the other does not still run what it began when it drove */
    atomic_int
        is_awake; /* the one that watches looks every millisecond; 0: it sleeps until something is lent */
    struct thread other; /* watches at first */
    bool has_other;
    struct mutex mutex; /* of watch_wanted alone */
    struct cond watch_wanted;
    /* Of the loop's thread alone: */
    unsigned handled;      /* events, since mail was delivered */
    unsigned queued_lanes; /* bits: into which something was queued in this turn */
    struct connection *connections;
    uint64_t checked_us;        /* when all of them were looked at */
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
/* The thread that watches. */
NODISCARD lode_status loop_start(struct loop *loop, lode_error *error);
/* Drive, until loop_leave. */
void loop_run(struct loop *loop);
/* Have it left, if it has not been, and join the other thread. One that was not started is left alone. */
void loop_stop(struct loop *loop);
void loop_leave(struct loop *loop);
/* Any thread. The mail is the loop's until it is delivered. */
void loop_send(struct loop *loop, struct mail *mail);
/* An event is handled: mail need not wake it. */
void loop_awake(struct loop *loop);
/* It is handled, and nothing of it is used any more: mail is delivered, and threads of lanes are woken, once many events of a turn
 * are handled. */
void loop_handled(struct loop *loop);
/* Any thread: have server_check called on the loop's thread soon. */
void loop_nudge(struct loop *loop);
/* The loop that this thread drives, or NULL. */
struct loop *loop_here(void);
/* Pump this connection at the end of this turn. */
void loop_touch(struct loop *loop, struct connection *connection);
/* The same, after other events had their turn. */
void loop_go_on_later(struct loop *loop, struct connection *connection);
const char *loop_date(struct loop *loop);

#endif
