/* loop.c: an event loop, its mailbox, and the two threads that take turns at it. No lock of libevent's is used: all of a base
 * belongs to the thread that drives. */
#include "net/loop.h"

#include "net/connection.h"
#include "net/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HELP_US     ((uint64_t)200)  /* of runs in a turn; what is more is for the lane's threads */
#define HANDLED_MAX 32u              /* events, before answers and lanes have their turn */
#define WATCH_US    ((uint64_t)1000) /* between two looks at whether the loop stays lent */
#define LOOKS       10 /* at which nothing was lent, before the one that watches sleeps */

static _Thread_local struct loop *here;

struct loop *loop_here(void)
{
    return here;
}

/* --- Mail ------------------------------------------------------------------------------------------------ */

void loop_awake(struct loop *loop)
{
    if (atomic_load_explicit(&loop->is_waiting, memory_order_relaxed))
        atomic_store_explicit(&loop->is_waiting, 0, memory_order_relaxed);
}

static void wake_up(struct loop *loop)
{
    /* The counter is never read: the event is edge-triggered. It cannot overflow within the age of the machine. */
    uint64_t one = 1;
    ssize_t count = write(loop->wake_fd, &one, sizeof one);
    INVARIANT(count == sizeof one || errno == EAGAIN || errno == EINTR);
}

void loop_send(struct loop *loop, struct mail *mail)
{
    /* Either the loop sees the mail before it waits, or it is seen to be waiting: both sides write, then read, in one order. */
    struct mail *first = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);
    do
        mail->next = first;
    while (!atomic_compare_exchange_weak_explicit(&loop->mailbox, &first, mail,
                                                  memory_order_seq_cst, memory_order_relaxed));
    if (!first && atomic_load_explicit(&loop->is_waiting, memory_order_seq_cst))
        wake_up(loop);
}

void loop_nudge(struct loop *loop)
{
    atomic_store_explicit(&loop->is_nudged, 1, memory_order_seq_cst);
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

/* One batch: what is sent meanwhile is for the next turn. */
static void deliver_mail(struct loop *loop)
{
    struct mail *mail = take_mail(loop);
    while (mail) {
        struct mail *next = mail->next;
        mail->deliver(mail);
        mail = next;
    }
}

/* Threads for what was queued in this turn, but for reads: see help. */
static void wake_lanes(struct loop *loop)
{
    loop->queued_lanes &= ~(1u << NET_LANE_READ);
    for (unsigned i = 0; loop->queued_lanes >> i; i++)
        if (loop->queued_lanes >> i & 1)
            lane_wake(loop->server->lanes[i]);
    loop->queued_lanes = 0;
}

/* A turn may be of thousands of events. */
void loop_handled(struct loop *loop)
{
    if (++loop->handled < HANDLED_MAX)
        return;
    loop->handled = 0;
    deliver_mail(loop);
    pump_touched(loop);
    wake_lanes(loop);
    (void)lane_wants_help(loop->server->lanes[NET_LANE_READ], HELP_US);
}

/* What they are for is that the loop does not wait. */
static void on_wake(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct loop *loop = context;
    server_check(loop->server, loop);
}

/* --- Turns --------------------------------------------------------------------------------------------------- */

/* Wait for events unless there is something to do, and handle them. */
static void handle_events(struct loop *loop, bool has_more)
{
    loop->handled = 0;
    atomic_store_explicit(&loop->is_waiting, 1, memory_order_seq_cst);
    bool waits = !has_more && !atomic_load_explicit(&loop->mailbox, memory_order_seq_cst) &&
                 !atomic_load_explicit(&loop->is_nudged, memory_order_seq_cst);
    if (!waits)
        loop_awake(loop);
    event_base_loop(loop->base, waits ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
    loop_awake(loop);
}

static void lend(struct loop *loop)
{
    here = NULL;
    atomic_fetch_add_explicit(&loop->lends, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&loop->is_awake, memory_order_seq_cst))
        return;
    mutex_lock(&loop->mutex);
    atomic_store_explicit(&loop->is_awake, 1, memory_order_relaxed);
    mutex_unlock(&loop->mutex);
    cond_signal(&loop->watch_wanted);
}

/* Whether nobody else has taken it. `lends` is what it was when it was lent. */
static bool take_back(struct loop *loop, unsigned lends)
{
    if (!atomic_compare_exchange_strong_explicit(&loop->lends, &lends, lends + 1,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return false;
    here = loop;
    return true;
}

/* Run for a while what lies in the lane of reads, if the other thread can take over. False: it did. *ret_more: not all was
 * run. */
static bool help(struct loop *loop, bool *ret_more)
{
    struct lane *lane = loop->server->lanes[NET_LANE_READ];
    bool is_alone = !atomic_load_explicit(&loop->watches, memory_order_relaxed);
    *ret_more = false;
    if (!lane_wants_help(lane, is_alone ? 0 : HELP_US) || is_alone)
        return true;
    unsigned lends = atomic_load_explicit(&loop->lends, memory_order_relaxed) + 1;
    lend(loop);
    *ret_more = lane_help(lane, clock_us() + HELP_US);
    return take_back(loop, lends);
}

/* Until the loop is left, or was taken by the other thread while something ran. */
static void drive(struct loop *loop)
{
    bool has_more = true; /* of what was queued before the loop was taken */
    here = loop;
    do {
        handle_events(loop, has_more);
        deliver_mail(loop);
        if (atomic_exchange_explicit(&loop->is_nudged, 0, memory_order_acquire))
            server_check(loop->server, loop);
        pump_touched(loop);
        server_maybe_leave(loop->server, loop);
        wake_lanes(loop);
    } while (help(loop, &has_more) && !atomic_load_explicit(&loop->has_left, memory_order_relaxed));
    here = NULL;
}

/* The loop is watched while things are lent; then until it is lent again, or left. */
static void sleep_unwatched(struct loop *loop, unsigned lends)
{
    mutex_lock(&loop->mutex);
    atomic_store_explicit(&loop->is_awake, 0, memory_order_seq_cst);
    while (!atomic_load_explicit(&loop->is_awake, memory_order_relaxed) &&
           atomic_load_explicit(&loop->lends, memory_order_seq_cst) == lends &&
           !atomic_load_explicit(&loop->has_left, memory_order_relaxed))
        cond_wait(&loop->watch_wanted, &loop->mutex);
    atomic_store_explicit(&loop->is_awake, 1, memory_order_relaxed);
    mutex_unlock(&loop->mutex);
}

/* Until it has stayed lent from one look to the next, and is this thread's now; or was left. */
static void watch(struct loop *loop)
{
    unsigned looks = 0, before = atomic_load_explicit(&loop->lends, memory_order_relaxed);
    atomic_store_explicit(&loop->watches, 1, memory_order_relaxed);
    while (!atomic_load_explicit(&loop->has_left, memory_order_acquire)) {
        thread_sleep_us(WATCH_US);
        unsigned lends = atomic_load_explicit(&loop->lends, memory_order_relaxed);
        if (lends % 2 && lends == before && take_back(loop, lends)) {
            atomic_store_explicit(&loop->watches, 0, memory_order_relaxed);
            return;
        }
        looks = lends == before ? looks + 1 : 0;
        before = lends;
        if (looks >= LOOKS && lends % 2 == 0)
            sleep_unwatched(loop, lends);
    }
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
    event_assign(&loop->again, loop->base, -1, EV_PERSIST, on_wake, loop);
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
    mutex_init(&loop->mutex);
    cond_init(&loop->watch_wanted);
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
    cond_release(&loop->watch_wanted);
    mutex_release(&loop->mutex);
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

static void take_turns(struct loop *loop, bool drives)
{
    sigset_t before;
    block_sigpipe(&before);
    while (!atomic_load_explicit(&loop->has_left, memory_order_acquire)) {
        if (!drives)
            watch(loop);
        else
            drive(loop);
        drives = !drives;
    }
    restore_sigpipe(&before);
}

static void watch_first(void *context)
{
    take_turns(context, false);
}

lode_status loop_start(struct loop *loop, lode_error *error)
{
    int failed = thread_start(&loop->other, "lode-loop", watch_first, loop);
    if (failed)
        return error_os(error, failed, "the second thread of an event loop");
    loop->has_other = true;
    return LODE_OK;
}

void loop_run(struct loop *loop)
{
    take_turns(loop, true);
}

void loop_stop(struct loop *loop)
{
    if (!loop->has_other)
        return;
    loop_leave(loop);
    thread_join(&loop->other);
    loop->has_other = false;
}

void loop_leave(struct loop *loop)
{
    mutex_lock(&loop->mutex);
    atomic_store_explicit(&loop->has_left, 1, memory_order_release);
    mutex_unlock(&loop->mutex);
    cond_signal(&loop->watch_wanted);
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
