/* loop.c: a thread's event loop and its mailbox. No lock of libevent's is used: all of a base belongs to one thread. */
#include "net/loop.h"

#include "net/connection.h"
#include "net/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static _Thread_local struct loop *here;

struct loop *loop_here(void)
{
    return here;
}

/* --- Mail ------------------------------------------------------------------------------------------------ */

static void wake_up(struct loop *loop)
{
    /* The counter is never read: the event is edge-triggered. It cannot overflow within the age of the machine. */
    uint64_t one = 1;
    ssize_t count = write(loop->wake_fd, &one, sizeof one);
    INVARIANT(count == sizeof one || errno == EAGAIN || errno == EINTR);
}

void loop_send(struct loop *loop, struct mail *mail)
{
    /* Release: the loop sees what was written before. Acquire: not needed, nothing of the others is read. */
    struct mail *first = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
    do
        mail->next = first;
    while (!atomic_compare_exchange_weak_explicit(&loop->mailbox, &first, mail,
                                                  memory_order_release, memory_order_relaxed));
    if (!first)
        wake_up(loop);
}

void loop_nudge(struct loop *loop)
{
    atomic_store_explicit(&loop->is_nudged, 1, memory_order_release);
    wake_up(loop);
}

/* The mailbox, oldest first. */
static struct mail *take_mail(struct loop *loop)
{
    struct mail *mail = atomic_exchange_explicit(&loop->mailbox, NULL, memory_order_acquire);
    struct mail *ordered = NULL;
    while (mail) {
        struct mail *next = mail->next;
        mail->next = ordered;
        ordered = mail;
        mail = next;
    }
    return ordered;
}

void loop_touch(struct loop *loop, struct connection *connection)
{
    if (connection->is_touched)
        return;
    connection->is_touched = true;
    connection->refs++;
    connection->next_touched = loop->touched;
    loop->touched = connection;
}

/* An event of a socket must not be activated by hand: libevent does not watch one that is added while it is active. */
void loop_go_on_later(struct loop *loop, struct connection *connection)
{
    loop_touch(loop, connection);
    event_active(&loop->again, EV_TIMEOUT, 0);
}

/* Those that are touched meanwhile have their turn later. */
static void pump_touched(struct loop *loop)
{
    struct connection *touched = loop->touched;
    loop->touched = NULL;
    while (touched) {
        struct connection *connection = touched;
        touched = connection->next_touched;
        connection->is_touched = false;
        connection_go_on(connection);
        connection_unref(connection);
    }
    if (loop->touched)
        event_active(&loop->again, EV_TIMEOUT, 0);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop *loop = context;
    pump_touched(loop);
    server_maybe_leave(loop->server, loop);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop *loop = context;
    /* One batch: what comes meanwhile wakes the loop again, after sockets had their turn. */
    for (struct mail *mail = take_mail(loop), *next; mail; mail = next) {
        next = mail->next;
        mail->deliver(mail);
    }
    if (atomic_exchange_explicit(&loop->is_nudged, 0, memory_order_acquire))
        server_check(loop->server, loop);
    pump_touched(loop);
    server_maybe_leave(loop->server, loop);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop *loop = context;
    server_check(loop->server, loop);
    pump_touched(loop);
    server_maybe_leave(loop->server, loop);
}

/* --- Life -------------------------------------------------------------------------------------------------- */

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    struct event_base *base = NULL;
    if (!event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) &&
        !event_config_require_features(config, EV_FEATURE_ET))
        base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool open_parts(struct loop *loop, unsigned tick_us)
{
    const struct timeval interval = {.tv_sec = tick_us / 1000000, .tv_usec = tick_us % 1000000};
    loop->base = base_new();
    loop->scratch = malloc(LOOP_SCRATCH_SIZE);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!loop->base || !loop->scratch || loop->wake_fd < 0)
        return false;
    event_assign(&loop->wake, loop->base, loop->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_wake,
                 loop);
    event_assign(&loop->again, loop->base, -1, EV_PERSIST, on_again, loop);
    event_assign(&loop->tick, loop->base, -1, EV_PERSIST, on_tick, loop);
    return !event_add(&loop->wake, NULL) && !event_add(&loop->tick, &interval);
}

lode_status loop_new(struct net_server *server, unsigned tick_us, struct loop **ret_loop,
                     lode_error *error)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return error_nomem(error, "an event loop", sizeof *loop);
    loop->server = server;
    loop->wake_fd = -1;
    buf_init(&loop->head, SIZE_MAX);
    if (!open_parts(loop, tick_us)) {
        lode_status status = error_os(error, errno, "an event loop");
        loop_free(loop);
        return status;
    }
    *ret_loop = loop;
    return LODE_OK;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (event_initialized(&loop->wake))
        event_del(&loop->wake);
    if (event_initialized(&loop->tick))
        event_del(&loop->tick);
    if (event_initialized(&loop->again))
        event_del(&loop->again);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    buf_release(&loop->head);
    free(loop->scratch);
    free(loop);
}

/* A client that goes away is an error of write(), not a signal; OpenSSL cannot be told so otherwise. */
static void block_sigpipe(sigset_t *ret_before)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, ret_before);
}

static void restore_sigpipe(const sigset_t *before)
{
    static const struct timespec now = {0};
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!sigismember(before, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &now) == SIGPIPE)
            ;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void loop_run(struct loop *loop)
{
    sigset_t before;
    here = loop;
    block_sigpipe(&before);
    event_base_dispatch(loop->base);
    restore_sigpipe(&before);
    here = NULL;
}

void loop_leave(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

const char *loop_date(struct loop *loop)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != loop->date_s) {
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        (void)evutil_snprintf(
            loop->date, sizeof loop->date, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT",
            days + 3 * (size_t)tm.tm_wday, tm.tm_mday, months + 3 * (size_t)tm.tm_mon,
            tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        loop->date_s = now.tv_sec;
    }
    return loop->date;
}
