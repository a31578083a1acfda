/* exchange.c: the life of an exchange on its loop: begun, its body taken, queued, refused, ended. */
#include "net/exchange.h"

#include "net/connection.h"
#include "net/server.h"

#include <stdlib.h>
#include <string.h>

#define CONNECTION_SHARE 4 /* of gather_bytes_max is for the answers of one connection */

static void deliver(struct mail *mail);
static void deliver_end(struct mail *mail);
static void on_deadline(evutil_socket_t fd, short what, void *context);

static struct exchange *of_mail(struct mail *mail, size_t offset)
{
    return (struct exchange *)(void *)((char *)mail - offset);
}

static struct exchange *of_item(struct lane_item *item)
{
    return (struct exchange *)(void *)((char *)item - offsetof(struct exchange, item));
}

/* --- Birth and end ----------------------------------------------------------------------------------------- */

struct exchange *exchange_new(struct connection *connection)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->mail.deliver = deliver;
    exchange->end_mail.deliver = deliver_end;
    atomic_init(&exchange->over, OVER_RUN);
    exchange->server = connection->server;
    exchange->loop = connection->loop;
    exchange->connection = exchange->origin = connection;
    connection->refs++;
    fields_init(&exchange->fields, SIZE_MAX);
    mutex_init(&exchange->mutex);
    cond_init(&exchange->moved);
    exchange->next = connection->exchanges;
    if (exchange->next)
        exchange->next->previous = exchange;
    connection->exchanges = exchange;
    exchange->loop->exchange_count++;
    return exchange;
}

void exchange_hold_answer(struct exchange *exchange)
{
    exchange->held_bytes = exchange->answer.body_size;
    server_hold(exchange->server, exchange->held_bytes);
    atomic_fetch_add_explicit(&exchange->origin->held_bytes, exchange->held_bytes,
                              memory_order_relaxed);
}

static void drop_answer(struct exchange *exchange)
{
    answer_release(&exchange->answer);
    server_give_back(exchange->server, exchange->held_bytes);
    atomic_fetch_sub_explicit(&exchange->origin->held_bytes, exchange->held_bytes,
                              memory_order_relaxed);
}

/* Whether one more answer may come to wait in memory: those of its connection, and all, are few enough. What must be
 * answered when all others are full is. */
static bool has_room(const struct exchange *exchange)
{
    const struct net_server *server = exchange->server;
    uint64_t max = server->settings.gather_bytes_max;
    uint64_t all = atomic_load_explicit(&server->gathered_bytes, memory_order_relaxed);
    uint64_t own = atomic_load_explicit(&exchange->origin->held_bytes, memory_order_relaxed);
    /* Its own body is not to stand in its way. */
    return exchange->mode != MODE_GATHER || exchange->lane == NET_LANE_WATCH ||
           (all - exchange->budget_bytes < max && own < max / CONNECTION_SHARE);
}

static void drop_body(struct exchange *exchange)
{
    server_give_back(exchange->server, exchange->budget_bytes);
    exchange->budget_bytes = 0;
    free(exchange->body);
    exchange->body = NULL;
    exchange->body_size = exchange->body_capacity = 0;
}

static void exchange_free(struct exchange *exchange)
{
    if (exchange->has_timer)
        event_del(&exchange->timer);
    drop_body(exchange);
    chunks_release(&exchange->in);
    chunks_release(&exchange->out_chunks);
    if (exchange->out)
        evbuffer_free(exchange->out);
    drop_answer(exchange);
    fields_release(&exchange->fields);
    free(exchange->headers);
    cond_release(&exchange->moved);
    mutex_release(&exchange->mutex);
    connection_unref(exchange->origin);
    exchange->loop->exchange_count--;
    free(exchange);
}

static void end(struct exchange *exchange)
{
    const struct net_service *service = &exchange->server->service;
    bool is_answered = exchange_is_ready(exchange);
    struct net_outcome outcome = {
        .status = is_answered ? exchange->answer.status : 0,
        .is_complete = is_answered && !exchange->has_failed,
        .bytes_in = exchange->bytes_in,
        .bytes_out = exchange->bytes_out,
        .waited_us = exchange->waited_us,
        .ran_us = exchange->ran_us,
        .total_us = clock_us() - exchange->request.arrived_us,
    };
    bool was_begun = exchange->is_begun;
    exchange->is_begun = false;
    if (was_begun)
        service->end(service->context, exchange, &outcome);
    /* Of one that was kept, another thread may have told something until then. */
    if (atomic_load_explicit(&exchange->is_posted, memory_order_acquire))
        exchange->ends_on_deliver = true;
    else
        exchange_free(exchange);
}

/* Both sides are done. A mail that is under way keeps it until it is delivered. */
static void end_or_wait(struct exchange *exchange)
{
    if (atomic_load_explicit(&exchange->is_posted, memory_order_acquire))
        exchange->ends_on_deliver = true;
    else
        end(exchange);
}

static void deliver_end(struct mail *mail)
{
    end_or_wait(of_mail(mail, offsetof(struct exchange, end_mail)));
}

/* The loop has done with it. */
static void leave(struct exchange *exchange)
{
    struct connection *connection = exchange->connection;
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        connection->exchanges = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    exchange->connection = NULL;
    /* Acquire: what the run has written. Release: the run, if it comes second, only sends its mail. */
    if (atomic_fetch_or_explicit(&exchange->over, OVER_LOOP, memory_order_acq_rel) & OVER_RUN)
        end_or_wait(exchange);
}

/* The run, or the lane that did not call it, has done with it. Any thread. Nothing is touched afterwards. */
static void run_over(struct exchange *exchange)
{
    struct loop *loop = exchange->loop;
    if (atomic_fetch_or_explicit(&exchange->over, OVER_RUN, memory_order_acq_rel) & OVER_LOOP)
        loop_send(loop, &exchange->end_mail);
}

/* It waits in its lane no more; whether it did. */
static bool unqueue(struct exchange *exchange)
{
    if (atomic_load_explicit(&exchange->over, memory_order_acquire) & OVER_RUN ||
        !lane_remove(exchange->server->lanes[exchange->lane], &exchange->item))
        return false;
    atomic_fetch_or_explicit(&exchange->over, OVER_RUN, memory_order_acq_rel);
    return true;
}

static void cancel(struct exchange *exchange)
{
    atomic_store_explicit(&exchange->cancelled, 1, memory_order_release);
    exchange_wake(exchange);
    (void)unqueue(exchange);
}

void exchange_gone(struct exchange *exchange)
{
    exchange->has_failed = true;
    cancel(exchange);
    leave(exchange);
}

void exchange_sent(struct exchange *exchange)
{
    exchange->is_parted = true;
    exchange->out_mark = connection_mark(exchange->connection);
}

void exchange_done(struct exchange *exchange)
{
    leave(exchange);
}

/* --- Mail ----------------------------------------------------------------------------------------------------- */

void exchange_post(struct exchange *exchange)
{
    /* Release: what was changed is seen by who finds the flag set, or by who gets the mail. */
    if (!atomic_exchange_explicit(&exchange->is_posted, 1, memory_order_acq_rel))
        loop_send(exchange->loop, &exchange->mail);
}

bool exchange_is_ready(const struct exchange *exchange)
{
    return atomic_load_explicit(&exchange->answered, memory_order_acquire) == ANSWER_READY;
}

static void tell_protocol(struct exchange *exchange)
{
    struct connection *connection = exchange->connection;
    if (!connection || connection->has_failed || exchange->is_parted)
        return;
    exchange->moved_us = clock_us();
    connection->protocol->news(connection, exchange);
    loop_touch(exchange->loop, connection);
}

static void set_timer(struct exchange *exchange)
{
    uint64_t deadline_us = atomic_load_explicit(&exchange->deadline_us, memory_order_relaxed);
    if (deadline_us == exchange->timer_us || !exchange->connection)
        return;
    uint64_t now = clock_us(), left_us = deadline_us > now ? deadline_us - now : 0;
    const struct timeval interval = {.tv_sec = (time_t)(left_us / 1000000),
                                     .tv_usec = (suseconds_t)(left_us % 1000000)};
    if (!exchange->has_timer)
        event_assign(&exchange->timer, exchange->loop->base, -1, 0, on_deadline, exchange);
    exchange->has_timer = true;
    exchange->timer_us = deadline_us;
    event_add(&exchange->timer, &interval);
}

static void deliver(struct mail *mail)
{
    struct exchange *exchange = of_mail(mail, offsetof(struct exchange, mail));
    atomic_exchange_explicit(&exchange->is_posted, 0, memory_order_acq_rel);
    if (exchange->ends_on_deliver) {
        end(exchange);
        return;
    }
    set_timer(exchange);
    int refusal = atomic_exchange_explicit(&exchange->refusal, 0, memory_order_acq_rel);
    if (refusal)
        exchange_refuse(exchange, (enum net_refusal)refusal,
                        refusal == NET_REFUSED_QUEUE ? exchange->waited_us : 0);
    else
        tell_protocol(exchange);
}

/* --- Refusals and deadlines ------------------------------------------------------------------------------------ */

static unsigned default_status(enum net_refusal why)
{
    switch (why) {
    case NET_REFUSED_SIZE: return 413;
    case NET_REFUSED_QUEUE: return 429;
    case NET_REFUSED_DEADLINE: return 504;
    case NET_REFUSED_DRAINING:
    case NET_REFUSED_MEMORY: break;
    }
    return 503;
}

void exchange_refuse(struct exchange *exchange, enum net_refusal why, uint64_t wait_us)
{
    const struct net_service *service = &exchange->server->service;
    if (atomic_load_explicit(&exchange->answered, memory_order_acquire) != ANSWER_NONE ||
        !exchange->connection)
        return;
    if (exchange->mode == MODE_GATHER && !exchange->body_ended) {
        exchange->mode = MODE_NONE;
        drop_body(exchange);
    }
    exchange->is_in_service = true;
    unsigned retry_s = (unsigned)((wait_us + 999999) / 1000000);
    service->refused(service->context, exchange, why, retry_s ? retry_s : 1);
    exchange->is_in_service = false;
    if (atomic_load_explicit(&exchange->answered, memory_order_acquire) == ANSWER_NONE)
        exchange_answer(exchange, &(struct net_answer){.status = default_status(why)});
    else if (exchange_is_ready(exchange))
        tell_protocol(exchange);
}

void exchange_cut_short(struct exchange *exchange, enum net_refusal why)
{
    if (atomic_load_explicit(&exchange->answered, memory_order_acquire) == ANSWER_NONE)
        exchange_refuse(exchange, why, 0);
    else if (exchange_is_ready(exchange) && exchange->answer.is_streamed)
        exchange->connection->protocol->abort(exchange->connection, exchange);
    cancel(exchange); /* last: a run that sees it may answer, but this is answered */
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct exchange *exchange = context;
    struct connection *connection = exchange->connection;
    if (clock_us() < exchange->timer_us) { /* the loop's clock is coarse */
        static const struct timeval soon = {.tv_usec = 1000};
        event_add(&exchange->timer, &soon);
        return;
    }
    if (!connection || exchange->is_parted)
        return;
    exchange_cut_short(exchange, NET_REFUSED_DEADLINE);
    connection_pump(connection); /* this may have been the end of both */
}

void exchange_set_deadline(struct exchange *exchange, uint64_t deadline_us)
{
    atomic_store_explicit(&exchange->deadline_us, deadline_us, memory_order_relaxed);
    if (loop_here() == exchange->loop)
        set_timer(exchange);
    else
        exchange_post(exchange);
}

/* --- Lanes ------------------------------------------------------------------------------------------------------- */

/* On a lane's thread: the loop is to refuse it. */
static void refuse_later(struct exchange *exchange, enum net_refusal why)
{
    atomic_store_explicit(&exchange->refusal, (int)why, memory_order_release);
    exchange_post(exchange);
}

/* On a lane's thread. A run that did not answer has, by that, answered. */
static void run_item(struct lane_item *item, uint64_t waited_us)
{
    struct exchange *exchange = of_item(item);
    exchange->waited_us = waited_us;
    exchange->started_us = clock_us();
    if (!has_room(exchange)) {
        refuse_later(exchange, NET_REFUSED_MEMORY);
    } else if (!atomic_load_explicit(&exchange->cancelled, memory_order_acquire)) {
        exchange->run(exchange->server->service.context, exchange);
        uint64_t ran_us = clock_us() - exchange->started_us;
        exchange->ran_us = ran_us ? ran_us : 1;
        if (exchange->has_streamed && !exchange->is_kept)
            exchange_stream_over(exchange);
        else if (atomic_load_explicit(&exchange->answered, memory_order_relaxed) == ANSWER_NONE)
            exchange_answer(exchange, &(struct net_answer){.status = 500});
    }
    run_over(exchange);
}

static void late_item(struct lane_item *item, uint64_t waited_us)
{
    struct exchange *exchange = of_item(item);
    exchange->waited_us = waited_us;
    refuse_later(exchange, NET_REFUSED_QUEUE);
    run_over(exchange);
}

const struct lane_work exchange_lane_work = {run_item, late_item};

static void submit(struct exchange *exchange)
{
    uint64_t wait_us = 0;
    atomic_store_explicit(&exchange->over, 0, memory_order_relaxed); /* nobody else looks yet */
    if (lane_submit(exchange->server->lanes[exchange->lane], &exchange->item, &wait_us)) {
        exchange->loop->queued_lanes |= 1u << exchange->lane;
        return;
    }
    atomic_store_explicit(&exchange->over, OVER_RUN, memory_order_relaxed);
    exchange_refuse(exchange, NET_REFUSED_QUEUE, wait_us);
}

/* --- Begin ----------------------------------------------------------------------------------------------------------- */

/* Before the body comes: whether it will be wanted. */
static void check_gather(struct exchange *exchange)
{
    uint64_t size = exchange->request.content_size, wait_us = 0;
    uint64_t room = exchange->server->settings.gather_bytes_max;
    if (exchange->body_bytes_max > room)
        exchange->body_bytes_max = (size_t)room;
    if (size != NET_SIZE_UNKNOWN && size > exchange->body_bytes_max)
        exchange_refuse(exchange, NET_REFUSED_SIZE, 0);
    else if (!exchange->body_ended && size != 0 &&
             !lane_has_room(exchange->server->lanes[exchange->lane], &wait_us))
        exchange_refuse(exchange, NET_REFUSED_QUEUE, wait_us);
}

void exchange_begin_request(struct exchange *exchange)
{
    const struct net_service *service = &exchange->server->service;
    struct net_request *request = &exchange->request;
    struct connection *connection = exchange->connection;
    request->headers = exchange->headers;
    request->header_count = exchange->fields.count;
    request->is_tls = connection->transport.ssl != NULL;
    request->peer = connection->peer;
    request->peer_name = connection->peer_name;
    request->arrived_us = exchange->moved_us = clock_us();
    exchange->is_begun = exchange->is_in_service = true;
    service->begin(service->context, exchange);
    exchange->is_in_service = false;
    if (exchange_is_ready(exchange))
        tell_protocol(exchange);
    else if (exchange->mode == MODE_GATHER)
        check_gather(exchange);
    else if (exchange->mode == MODE_STREAM)
        submit(exchange);
}

static void decide(struct exchange *exchange, enum exchange_mode mode, enum net_lane lane,
                   void (*run)(void *context, struct exchange *exchange))
{
    INVARIANT(exchange->is_in_service && exchange->mode == MODE_NONE);
    exchange->mode = mode;
    exchange->lane = lane;
    exchange->run = run;
}

void exchange_gather(struct exchange *exchange, enum net_lane lane, size_t bytes_max,
                     void (*run)(void *context, struct exchange *exchange))
{
    decide(exchange, MODE_GATHER, lane, run);
    exchange->body_bytes_max = bytes_max;
}

void exchange_stream(struct exchange *exchange, enum net_lane lane,
                     void (*run)(void *context, struct exchange *exchange))
{
    decide(exchange, MODE_STREAM, lane, run);
}

/* --- Bodies ------------------------------------------------------------------------------------------------------------- */

/* How much to allocate for `wanted` bytes: twice as much as there was, but no more than is to come. What a client only says
 * that it will send, it does not get. */
static size_t capacity_for(const struct exchange *exchange, size_t wanted)
{
    uint64_t known = exchange->request.content_size;
    size_t capacity = exchange->body_capacity * 2;
    if (known < capacity) /* NET_SIZE_UNKNOWN is more */
        capacity = (size_t)known;
    if (capacity > exchange->body_bytes_max)
        capacity = exchange->body_bytes_max;
    return capacity > wanted ? capacity : wanted;
}

static bool make_room(struct exchange *exchange, size_t size)
{
    size_t wanted = exchange->body_size + size;
    if (wanted <= exchange->body_capacity)
        return true;
    size_t capacity = capacity_for(exchange, wanted);
    if (!server_reserve(exchange->server, capacity - exchange->body_capacity))
        return false;
    exchange->budget_bytes += capacity - exchange->body_capacity;
    uint8_t *body = realloc(exchange->body, capacity);
    if (!body)
        return false;
    exchange->body = body;
    exchange->body_capacity = capacity;
    return true;
}

static void gather(struct exchange *exchange, const uint8_t *data, size_t size)
{
    bool fits = size <= exchange->body_bytes_max - exchange->body_size;
    if (!fits || !make_room(exchange, size)) {
        exchange_refuse(exchange, fits ? NET_REFUSED_MEMORY : NET_REFUSED_SIZE, 0);
        return;
    }
    memcpy(exchange->body + exchange->body_size, data, size);
    exchange->body_size += size;
}

void exchange_body_bytes(struct exchange *exchange, const uint8_t *data, size_t size)
{
    exchange->bytes_in += size;
    exchange_moved(exchange, size);
    if (exchange->mode == MODE_GATHER)
        gather(exchange, data, size);
    else if (exchange->mode == MODE_STREAM)
        exchange_stream_in(exchange, data, size);
}

void exchange_body_end(struct exchange *exchange)
{
    bool is_waiting = exchange->mode == MODE_GATHER && !exchange->body_ended;
    exchange->body_ended = true;
    if (is_waiting &&
        atomic_load_explicit(&exchange->answered, memory_order_acquire) == ANSWER_NONE)
        submit(exchange);
    else if (exchange->mode == MODE_STREAM)
        exchange_stream_in(exchange, NULL, 0);
}

void exchange_moved(struct exchange *exchange, size_t size)
{
    exchange->moved_bytes += size;
    if (exchange->moved_bytes >= MOVED_BYTES_MIN) {
        exchange->moved_bytes = 0;
        exchange->moved_us = clock_us();
    }
}

bool exchange_stop_waiting(struct exchange *exchange)
{
    if (!exchange->connection ||
        atomic_load_explicit(&exchange->answered, memory_order_acquire) != ANSWER_NONE)
        return false;
    bool is_gathering = exchange->mode == MODE_GATHER && !exchange->body_ended;
    bool was_queued = unqueue(exchange);
    if (is_gathering || was_queued)
        exchange_refuse(exchange, NET_REFUSED_DRAINING, 0);
    return is_gathering || was_queued;
}

/* --- What the service asks ------------------------------------------------------------------------------------------------ */

const char *net_request_header(const struct net_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (!strcmp(request->headers[i].name, name))
            return request->headers[i].value;
    return NULL;
}

const struct net_request *exchange_request(const struct exchange *exchange)
{
    return &exchange->request;
}

void exchange_set_data(struct exchange *exchange, void *data)
{
    exchange->data = data;
}

void *exchange_data(const struct exchange *exchange)
{
    return exchange->data;
}

const atomic_int *exchange_cancelled(const struct exchange *exchange)
{
    return &exchange->cancelled;
}

uint8_t *exchange_body(struct exchange *exchange, size_t *ret_size)
{
    *ret_size = exchange->body_size;
    return exchange->body;
}

uint64_t exchange_started_us(const struct exchange *exchange)
{
    return exchange->started_us;
}
