/* exchange_stream.c: bodies and answers in parts. Between the run, which may wait, and the loop, which may not, are two
 * queues of at most about STREAM_BYTES_MAX each. */
#include "net/exchange.h"

#include "net/connection.h"
#include "net/server.h"

#include <stdlib.h>

#define READ_TOLD_BYTES (STREAM_BYTES_MAX / 4) /* so much was read before the loop is told of it */

static bool is_cancelled(const struct exchange *exchange)
{
    return atomic_load_explicit(&exchange->cancelled, memory_order_acquire);
}

static lode_status cancelled(lode_error *error)
{
    return error_set(error, LODE_CANCELLED, "the client is gone, too slow, or out of time");
}

void exchange_wake(struct exchange *exchange)
{
    mutex_lock(&exchange->mutex);
    cond_broadcast(&exchange->moved);
    mutex_unlock(&exchange->mutex);
}

/* --- The body --------------------------------------------------------------------------------------------- */

/* Loop thread. Room for it is reserved, as for what is gathered; without, it is refused. size 0: the end. */
void exchange_stream_in(struct exchange *exchange, const uint8_t *data, size_t size)
{
    if (is_cancelled(exchange))
        return;
    bool has_room = size == 0 || server_reserve(exchange->server, size);
    if (has_room) {
        exchange->budget_bytes += size;
        mutex_lock(&exchange->mutex);
        exchange->in_ended = size == 0;
        has_room = !size || !chunks_append(&exchange->in, data, size, NULL);
        cond_signal(&exchange->moved);
        mutex_unlock(&exchange->mutex);
    }
    if (!has_room)
        exchange_cut_short(exchange, NET_REFUSED_MEMORY);
}

bool exchange_takes_body(struct exchange *exchange)
{
    if (exchange->mode != MODE_STREAM || is_cancelled(exchange))
        return true;
    mutex_lock(&exchange->mutex);
    bool takes = exchange->in.size < STREAM_BYTES_MAX;
    mutex_unlock(&exchange->mutex);
    return takes;
}

size_t exchange_was_read(struct exchange *exchange)
{
    mutex_lock(&exchange->mutex);
    size_t count = exchange->in_read;
    exchange->in_read = 0;
    mutex_unlock(&exchange->mutex);
    if (count) { /* of a gathered body never: its run reads budget_bytes meanwhile */
        exchange->budget_bytes -= count;
        server_give_back(exchange->server, count);
    }
    return count;
}

static lode_status read_gathered(struct exchange *exchange, void *data, size_t size,
                                 size_t *ret_size)
{
    (void)exchange;
    (void)data;
    (void)size;
    *ret_size = 0; /* its body is exchange_body's */
    return LODE_OK;
}

lode_status exchange_read(struct exchange *exchange, void *data, size_t size, size_t *ret_size,
                          lode_error *error)
{
    if (exchange->mode != MODE_STREAM)
        return read_gathered(exchange, data, size, ret_size);
    mutex_lock(&exchange->mutex);
    while (!exchange->in.size && !exchange->in_ended && !is_cancelled(exchange))
        cond_wait(&exchange->moved, &exchange->mutex);
    size_t count = chunks_read(&exchange->in, data, size);
    exchange->in_read += count;
    bool tells = exchange->in_read >= READ_TOLD_BYTES || (count && !exchange->in.size);
    mutex_unlock(&exchange->mutex);
    if (is_cancelled(exchange))
        return cancelled(error);
    if (tells)
        exchange_post(exchange);
    *ret_size = count;
    return LODE_OK;
}

/* --- The answer --------------------------------------------------------------------------------------------- */

lode_status exchange_begin(struct exchange *exchange, const struct net_answer *head,
                           lode_error *error)
{
    if (is_cancelled(exchange) || !exchange_claim(exchange))
        return cancelled(error);
    exchange->has_streamed = true;
    exchange->answer.is_streamed = true;
    answer_fill(&exchange->answer, head);
    atomic_store_explicit(&exchange->answered, ANSWER_READY, memory_order_release);
    exchange_post(exchange);
    return LODE_OK;
}

lode_status exchange_write(struct exchange *exchange, const void *data, size_t size,
                           lode_error *error)
{
    if (!exchange->has_streamed)
        return cancelled(error);
    mutex_lock(&exchange->mutex);
    lode_status status = LODE_OK;
    if (!is_cancelled(exchange) && size)
        status = chunks_append(&exchange->out_chunks, data, size, error);
    mutex_unlock(&exchange->mutex);
    exchange_post(exchange);
    mutex_lock(&exchange->mutex);
    while (exchange->out_chunks.size > STREAM_BYTES_MAX && !is_cancelled(exchange))
        cond_wait(&exchange->moved, &exchange->mutex);
    mutex_unlock(&exchange->mutex);
    if (is_cancelled(exchange))
        return cancelled(error);
    return status;
}

void exchange_finish(struct exchange *exchange, const struct net_header *trailers,
                     size_t trailer_count)
{
    if (!exchange->has_streamed)
        return;
    mutex_lock(&exchange->mutex);
    answer_add_headers(&exchange->answer.trailers, trailers, trailer_count);
    exchange->out_finished = true;
    mutex_unlock(&exchange->mutex);
    exchange_post(exchange);
}

void exchange_keep(struct exchange *exchange)
{
    exchange->is_kept = exchange->has_streamed;
}

void exchange_stream_over(struct exchange *exchange)
{
    mutex_lock(&exchange->mutex);
    bool is_broken = exchange->out_broken = !exchange->out_finished;
    mutex_unlock(&exchange->mutex);
    if (is_broken)
        exchange_post(exchange);
}

static void free_chunk(const void *data, size_t size, void *chunk)
{
    (void)data;
    (void)size;
    free(chunk);
}

/* Give the chunk's memory to the buffer. */
static bool give_chunk(struct evbuffer *out, struct chunk *chunk)
{
    if (!evbuffer_add_reference(out, chunk->data + chunk->begin, chunk->end - chunk->begin,
                                free_chunk, chunk))
        return true;
    free(chunk);
    return false;
}

size_t exchange_take_out(struct exchange *exchange, struct evbuffer *out, size_t size,
                         enum out_end *ret_end)
{
    size_t taken = 0;
    bool has_memory = true;
    mutex_lock(&exchange->mutex);
    while (taken < size && exchange->out_chunks.size && has_memory) {
        struct chunk *chunk = chunks_take(&exchange->out_chunks);
        taken += chunk->end - chunk->begin;
        has_memory = give_chunk(out, chunk);
    }
    *ret_end = OUT_GOES_ON;
    if (!has_memory || exchange->out_broken)
        *ret_end = OUT_BROKEN;
    else if (exchange->out_finished && !exchange->out_chunks.size)
        *ret_end = OUT_FINISHED;
    if (taken)
        cond_signal(&exchange->moved);
    mutex_unlock(&exchange->mutex);
    return taken;
}

bool exchange_has_out(struct exchange *exchange)
{
    mutex_lock(&exchange->mutex);
    bool has = exchange->out_chunks.size || exchange->out_finished || exchange->out_broken;
    mutex_unlock(&exchange->mutex);
    return has;
}

/* --- Slow clients ------------------------------------------------------------------------------------------------ */

static bool awaits_body(struct exchange *exchange)
{
    if (exchange->body_ended || exchange->mode == MODE_NONE)
        return false;
    mutex_lock(&exchange->mutex);
    bool awaits = exchange->in.size == 0;
    mutex_unlock(&exchange->mutex);
    return awaits;
}

bool exchange_is_stalled(struct exchange *exchange, uint64_t now_us)
{
    uint64_t moved_us = exchange->moved_us;
    if (!exchange->is_begun || now_us < moved_us ||
        now_us - moved_us < exchange->server->settings.stall_us_max)
        return false;
    if (exchange->is_answering && !exchange->is_parted)
        return !exchange->answer.is_streamed || exchange_has_out(exchange) ||
               (exchange->out && evbuffer_get_length(exchange->out) > 0);
    return awaits_body(exchange);
}
