/* server.h: what the parts of net share: options with their defaults, lanes, loops, counters. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "net/lane.h"
#include "net/loop.h"
#include "net/peers.h"
#include "net/tls.h"
#include "os/thread.h"

#define ADDRESS_TEXT_SIZE 80

struct listener {
    struct event event;
    int fd; /* -1: closed */
    struct net_server *server;
    char address[ADDRESS_TEXT_SIZE];
};

/* Set once, by net_server_new. */
struct net_settings {
    unsigned connections_max, connections_per_address_max, connection_streams_max;
    uint64_t gather_bytes_max;
    uint64_t idle_us_max, head_us_max, stall_us_max;
    unsigned check_us; /* between two looks at all connections */
    unsigned resets_per_s_max;
};

struct net_server {
    struct net_settings settings;
    struct net_service service;
    struct lane *lanes[NET_LANE_COUNT];
    struct loop **loops; /* the first one accepts */
    struct thread *threads;
    size_t loop_count, next_loop;
    struct listener *listeners;
    size_t listener_count;
    bool accepting_paused;         /* of loop 0: out of file descriptors */
    struct mutex tls_mutex;        /* guards tls */
    struct tls *tls;               /* NULL: clear text */
    _Atomic int64_t tls_expires_s; /* of tls; relaxed: a number to look at */
    atomic_int is_draining;
    atomic_int has_stopped_listening; /* no loop is dealt a socket any more */
    _Atomic uint64_t drain_until_us;  /* monotonic; then the rest is cut off */
    atomic_uint connections;
    struct peers peers;
    _Atomic uint64_t accepted, turned_away, malformed, resets_limited;
    _Atomic uint64_t gathered_bytes; /* bodies gathered, and whole answers not sent yet */
};

/* Reserve memory for bodies; false: there is no room. */
bool server_reserve(struct net_server *server, size_t size);
/* The same, room or not. */
void server_hold(struct net_server *server, size_t size);
void server_give_back(struct net_server *server, size_t size);
/* At every tick and after a nudge, on the loop's thread: what has waited too long, and draining. */
void server_check(struct net_server *server, struct loop *loop);
/* Leave the loop when all is drained. */
void server_maybe_leave(struct net_server *server, struct loop *loop);
bool server_is_draining(const struct net_server *server);

/* --- listen.c ---------------------------------------------------------------------------------------- */

NODISCARD lode_status listen_open(const struct net_options *options, struct net_server *server,
                                  lode_error *error);
NODISCARD lode_status listen_start(struct net_server *server, lode_error *error); /* loop 0 */
void listen_resume(struct net_server *server); /* after accepting was paused */
void listen_stop(struct net_server *server);   /* accepts what has connected, and closes */
void listen_close(struct net_server *server);
/* A connection that was accepted has gone; `place` in peers. Any thread. */
void listen_forget(struct net_server *server, unsigned place);

#endif
