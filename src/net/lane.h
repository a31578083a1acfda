/* lane.h: so many threads and a first-come queue, bound by time: what would wait longer than wait_ms_max is refused at
 * once, and what has waited longer although it was admitted is handed back instead of being run. How long it would wait is
 * what is queued times the average time of late, over the threads.
 *
 * Overload: once one was refused for its wait, and until none was for 200 ms, the bound is 16 average runs, or 4 ms if that is
 * more: a long queue would make all wait, and answer no more of them.
 *
 * Waking a thread costs more than many a run. So queueing wakes nobody: who queues says when he has queued all that he
 * has (lane_wake), and may take short runs upon himself before (lane_help).
 *
 * Thread-safe. One mutex guards all of a lane; it is never held while anything else is called. */
#ifndef NET_LANE_H
#define NET_LANE_H

#include "base/error.h"
#include "net/net.h"
#include "os/clock.h"

struct lane;

/* What is queued holds one of these; of the lane alone while it is queued. */
struct lane_item {
    struct lane_item *next, *previous;
    uint64_t queued_us;
    bool is_queued;
};

struct lane_work {
    /* On a thread of the lane. */
    void (*run)(struct lane_item *item, uint64_t waited_us);
    /* It has waited too long. On a thread of the lane, or in lane_expire. */
    void (*late)(struct lane_item *item, uint64_t waited_us);
};

NODISCARD lode_status lane_new(const struct net_lane_options *options, const struct lane_work *work,
                               const struct clock *clock, struct lane **ret_lane,
                               lode_error *error);
NODISCARD lode_status lane_start(struct lane *lane, const char *thread_name, lode_error *error);
/* Runs what is queued, then joins the threads. */
void lane_stop(struct lane *lane);
void lane_free(struct lane *lane); /* stopped; NULL is allowed */

/* Whether one that came now would be admitted. */
bool lane_has_room(struct lane *lane, uint64_t *ret_wait_us);
/* Queue it, unless its wait would be too long: false, and how long it would have been. Wakes no thread. */
bool lane_submit(struct lane *lane, struct lane_item *item, uint64_t *ret_wait_us);
/* As many threads as there is work for, if they sleep. */
void lane_wake(struct lane *lane);
/* Whether runs are so short of late, 250 us or less, that the caller is as well off running them himself, and one is queued, and
 * the lane is not overloaded.
 * Threads are woken if not, or if those that are queued will take longer than help_us. */
bool lane_wants_help(struct lane *lane, uint64_t help_us);
/* Run what is queued on this thread, until nothing is, or until_us has come, or runs have become long; threads are woken
 * for what is left. Whether help is wanted still. */
bool lane_help(struct lane *lane, uint64_t until_us);
/* Take it out of the queue: false when it is not in it any more (it runs, has run, or was late). */
bool lane_remove(struct lane *lane, struct lane_item *item);
/* Hand back what has waited too long, although no thread is free to see it. */
void lane_expire(struct lane *lane);
void lane_stats(struct lane *lane, struct net_lane_stats *ret_stats);

#endif
