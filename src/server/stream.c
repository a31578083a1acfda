/* stream.c: see stream.h. */
#include "server/stream.h"

#include "os/clock.h"
#include "os/thread.h"
#include "server/api.h"
#include "server/service.h"

static struct net_lane_stats lane_of(const struct call *call)
{
    struct net_stats stats;
    net_server_stats(call->server->net, &stats);
    return stats.lanes[call->route->lane];
}

void stream_begin(struct call *call)
{
    call->pace = (struct pace){.refused = lane_of(call).refused};
}

/* The client was waited for since then, and so many bytes moved. */
static lode_status look(struct call *call, uint64_t since_us, size_t bytes, lode_error *error)
{
    struct pace *pace = &call->pace;
    uint64_t now_us = clock_us();
    pace->waited_us += now_us > since_us ? now_us - since_us : 0;
    pace->bytes += bytes;
    if (pace->waited_us < STREAM_LOOK_US)
        return LODE_OK;
    struct net_lane_stats lane = lane_of(call);
    bool is_slow = pace->bytes < STREAM_BYTES_MIN;
    if (is_slow && (lane.queued > 0 || lane.refused > pace->refused))
        return error_set(error, LODE_CANCELLED,
                         "%llu bytes moved in %llu s, and others wait: at least %llu are needed",
                         (unsigned long long)pace->bytes,
                         (unsigned long long)(pace->waited_us / 1000000),
                         (unsigned long long)STREAM_BYTES_MIN);
    *pace = (struct pace){.refused = lane.refused};
    return LODE_OK;
}

/* Who sends faster than his quota waits; so do the bytes behind. */
static void throttle(struct call *call, size_t size)
{
    uint64_t wait_ms = principal_take_bytes(call->who, size, clock_us());
    while (wait_ms > 0 && !call_is_cancelled(call)) {
        unsigned ms = wait_ms < 100 ? (unsigned)wait_ms : 100;
        thread_sleep_us(ms * 1000);
        wait_ms -= ms;
    }
}

/* Who may not any more is not served to the end of what he began. */
static lode_status check_right(struct call *call, lode_error *error)
{
    return api_may_go_on(call)
               ? LODE_OK
               : error_set(error, LODE_CANCELLED, "the key or token is no longer valid");
}

lode_status stream_read(struct call *call, void *data, size_t size, size_t *ret_size,
                        lode_error *error)
{
    uint64_t since_us = clock_us();
    lode_status status = exchange_read(call->exchange, data, size, ret_size, error);
    if (status == LODE_OK)
        status = look(call, since_us, *ret_size, error);
    if (status == LODE_OK)
        throttle(call, *ret_size);
    return status ? status : check_right(call, error);
}

lode_status stream_write(struct call *call, lode_error *error)
{
    struct buf *out = &call->out;
    uint64_t since_us = clock_us();
    lode_status status = check_right(call, error);
    if (status == LODE_OK)
        status = exchange_write(call->exchange, out->data, out->size, error);
    if (status == LODE_OK)
        status = look(call, since_us, out->size, error);
    buf_clear(out);
    return status;
}
