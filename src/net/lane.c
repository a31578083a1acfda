/* lane.c: worker threads and their queue. */
#include "net/lane.h"

#include "base/limits.h"
#include "os/thread.h"

#include <stdlib.h>

#define AVERAGE_SHARE 16 /* the newest time counts for 1/16 of the average */

/* Once one was refused for its wait so many runs may lie before one that comes, until of what came within SPELL_US fewer than one
 * in REFUSED_SHARE was refused. The runs are few, but enough that at four fifths of what can be done a smaller share is. */
#define SHORT_RUNS    16
#define SHORT_US_MIN  ((uint64_t)4000)
#define SPELL_US      ((uint64_t)200000)
#define REFUSED_SHARE 20

#define HELPED_US_MAX ((uint64_t)250)

struct lane {
    struct net_lane_options options;
    struct lane_work work;
    const struct clock *clock;
    struct mutex mutex; /* guards all below but threads */
    struct cond wanted; /* something is queued, or is_stopping */
    struct lane_item *first, *last;
    unsigned queued, running, idle;
    uint64_t admitted, refused;
    uint64_t average_sum_us; /* AVERAGE_SHARE times the average time of a run */
    bool is_overloaded;      /* more comes than can be done */
    uint64_t spell_us;       /* overloaded: since when came and turned are counted */
    unsigned came, turned;   /* since then; turned away for their wait */
    bool is_stopping;
    unsigned thread_count;
    struct thread threads[];
};

lode_status lane_new(const struct net_lane_options *options, const struct lane_work *work,
                     const struct clock *clock, struct lane **ret_lane, lode_error *error)
{
    if (options->threads == 0 || options->threads > THREADS_MAX)
        return error_set(error, LODE_INVALID, "threads of a lane: %u is not within 1 and %d",
                         options->threads, THREADS_MAX);
    struct lane *lane = calloc(1, sizeof *lane + options->threads * sizeof *lane->threads);
    if (!lane)
        return error_nomem(error, "a lane", sizeof *lane);
    lane->options = *options;
    lane->work = *work;
    lane->clock = clock;
    mutex_init(&lane->mutex);
    cond_init(&lane->wanted);
    *ret_lane = lane;
    return LODE_OK;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    INVARIANT(!lane->first && !lane->thread_count);
    cond_release(&lane->wanted);
    mutex_release(&lane->mutex);
    free(lane);
}

/* --- The queue; the mutex is held ------------------------------------------------------------------ */

static void push(struct lane *lane, struct lane_item *item)
{
    *item = (struct lane_item){
        .previous = lane->last, .queued_us = clock_now_us(lane->clock), .is_queued = true};
    if (lane->last)
        lane->last->next = item;
    else
        lane->first = item;
    lane->last = item;
    lane->queued++;
}

static void unlink_item(struct lane *lane, struct lane_item *item)
{
    if (item->previous)
        item->previous->next = item->next;
    else
        lane->first = item->next;
    if (item->next)
        item->next->previous = item->previous;
    else
        lane->last = item->previous;
    item->is_queued = false;
    lane->queued--;
}

static uint64_t average_us(const struct lane *lane)
{
    return lane->average_sum_us / AVERAGE_SHARE;
}

static uint64_t expected_wait_us(const struct lane *lane)
{
    return lane->queued * average_us(lane) / lane->options.threads;
}

static uint64_t wait_us_max(const struct lane *lane)
{
    return (uint64_t)lane->options.wait_ms_max * 1000;
}

/* How long one that comes now may have to wait: of a burst each may wait long, since it ends, and so may clients
 * that ask again when they are answered. When more comes than can be done a long queue makes all wait for nothing: as many are
 * answered when it is short. */
static uint64_t wait_us_now(const struct lane *lane)
{
    uint64_t most = wait_us_max(lane), least = SHORT_RUNS * average_us(lane);
    least = least < SHORT_US_MIN ? SHORT_US_MIN : least;
    return lane->is_overloaded && least < most ? least : most;
}

static void begin_spell(struct lane *lane, uint64_t now_us)
{
    lane->spell_us = now_us;
    lane->came = lane->turned = 0;
}

/* Nobody knows what comes after a spell in which nothing came: a burst may. */
static void end_spell(struct lane *lane, uint64_t now_us)
{
    bool is_old = now_us - lane->spell_us > 2 * SPELL_US;
    lane->is_overloaded = !is_old && lane->turned * REFUSED_SHARE > lane->came;
    begin_spell(lane, now_us);
}

static bool has_time(struct lane *lane, uint64_t wait_us)
{
    uint64_t now_us = clock_now_us(lane->clock);
    if (lane->is_overloaded && now_us - lane->spell_us > SPELL_US)
        end_spell(lane, now_us);
    bool fits = wait_us <= wait_us_now(lane);
    if (!fits && !lane->is_overloaded)
        begin_spell(lane, now_us);
    lane->is_overloaded |= !fits;
    lane->came++;
    lane->turned += !fits;
    return fits;
}

static bool has_room(struct lane *lane, uint64_t *ret_wait_us)
{
    *ret_wait_us = expected_wait_us(lane);
    return has_time(lane, *ret_wait_us) && lane->queued < lane->options.queue_max;
}

/* What was let in waits no less than it was told, though others fare worse meanwhile. */
static bool is_late(const struct lane *lane, const struct lane_item *item, uint64_t now_us)
{
    return now_us > item->queued_us && now_us - item->queued_us > wait_us_max(lane);
}

/* From nothing, and a slow run counts as one of four times the average and a millisecond at most: one whose thread
 * was kept from running does not turn away what comes after it. */
static void add_time(struct lane *lane, uint64_t ran_us)
{
    uint64_t most = 4 * average_us(lane) + 1000;
    lane->average_sum_us += (ran_us < most ? ran_us : most) - lane->average_sum_us / AVERAGE_SHARE;
}

/* --- Threads ------------------------------------------------------------------------------------------ */

static struct lane_item *take(struct lane *lane, uint64_t now_us, bool *ret_late)
{
    struct lane_item *item = lane->first;
    *ret_late = is_late(lane, item, now_us);
    unlink_item(lane, item);
    if (*ret_late)
        lane->refused++;
    else
        lane->running++;
    return item;
}

/* Whether one may run now: who helps counts as one of the threads. */
static bool may_run(const struct lane *lane)
{
    return lane->first && lane->running < lane->options.threads;
}

/* The first one that is queued; the mutex is held but while it runs. */
static void run_first(struct lane *lane)
{
    bool late = false;
    uint64_t now_us = clock_now_us(lane->clock);
    struct lane_item *item = take(lane, now_us, &late);
    uint64_t queued_us = item->queued_us;
    uint64_t waited_us = now_us > queued_us ? now_us - queued_us : 0;
    mutex_unlock(&lane->mutex);
    if (late)
        lane->work.late(item, waited_us);
    else
        lane->work.run(item, waited_us);
    uint64_t end_us = clock_now_us(lane->clock);
    mutex_lock(&lane->mutex);
    if (late)
        return;
    lane->running--;
    add_time(lane, end_us - now_us);
}

static void work(void *context)
{
    struct lane *lane = context;
    mutex_lock(&lane->mutex);
    while (lane->first || !lane->is_stopping) {
        if (may_run(lane)) {
            run_first(lane);
            continue;
        }
        lane->idle++;
        cond_wait(&lane->wanted, &lane->mutex);
        lane->idle--;
    }
    mutex_unlock(&lane->mutex);
}

lode_status lane_start(struct lane *lane, const char *thread_name, lode_error *error)
{
    for (; lane->thread_count < lane->options.threads; lane->thread_count++) {
        int failed = thread_start(&lane->threads[lane->thread_count], thread_name, work, lane);
        if (failed)
            return error_os(error, failed, "thread %u of %u of a lane", lane->thread_count + 1,
                            lane->options.threads);
    }
    return LODE_OK;
}

void lane_stop(struct lane *lane)
{
    mutex_lock(&lane->mutex);
    lane->is_stopping = true;
    cond_broadcast(&lane->wanted);
    mutex_unlock(&lane->mutex);
    for (; lane->thread_count; lane->thread_count--)
        thread_join(&lane->threads[lane->thread_count - 1]);
}

/* --- From outside --------------------------------------------------------------------------------------- */

bool lane_has_room(struct lane *lane, uint64_t *ret_wait_us)
{
    mutex_lock(&lane->mutex);
    bool room = has_room(lane, ret_wait_us);
    if (!room)
        lane->refused++;
    mutex_unlock(&lane->mutex);
    return room;
}

bool lane_submit(struct lane *lane, struct lane_item *item, uint64_t *ret_wait_us)
{
    mutex_lock(&lane->mutex);
    bool room = has_room(lane, ret_wait_us);
    if (room) {
        push(lane, item);
        lane->admitted++;
    } else {
        lane->refused++;
    }
    mutex_unlock(&lane->mutex);
    return room;
}

/* How many threads sleep although there is work for them. */
static unsigned count_wanted(const struct lane *lane)
{
    unsigned count = lane->queued < lane->idle ? lane->queued : lane->idle;
    unsigned free_count = lane->options.threads - lane->running;
    return count < free_count ? count : free_count;
}

static void wake(struct lane *lane, unsigned count)
{
    while (count--)
        cond_signal(&lane->wanted);
}

void lane_wake(struct lane *lane)
{
    mutex_lock(&lane->mutex);
    unsigned count = count_wanted(lane);
    mutex_unlock(&lane->mutex);
    wake(lane, count);
}

/* An overloaded lane wants none: who would help had better refuse, quickly. */
static bool wants_help(const struct lane *lane)
{
    return may_run(lane) && !lane->is_overloaded && average_us(lane) <= HELPED_US_MAX;
}

bool lane_wants_help(struct lane *lane, uint64_t help_us)
{
    mutex_lock(&lane->mutex);
    bool wanted = wants_help(lane);
    bool is_enough = wanted && lane->queued * average_us(lane) < help_us;
    unsigned count = is_enough ? 0 : count_wanted(lane);
    mutex_unlock(&lane->mutex);
    wake(lane, count);
    return wanted;
}

bool lane_help(struct lane *lane, uint64_t until_us)
{
    mutex_lock(&lane->mutex);
    while (wants_help(lane) && clock_now_us(lane->clock) < until_us)
        run_first(lane);
    bool wanted = wants_help(lane);
    unsigned count = count_wanted(lane);
    mutex_unlock(&lane->mutex);
    wake(lane, count);
    return wanted;
}

bool lane_remove(struct lane *lane, struct lane_item *item)
{
    mutex_lock(&lane->mutex);
    bool was_queued = item->is_queued;
    if (was_queued)
        unlink_item(lane, item);
    mutex_unlock(&lane->mutex);
    return was_queued;
}

/* The oldest item if it is late, taken out of the queue. */
static struct lane_item *take_late(struct lane *lane, uint64_t now_us)
{
    mutex_lock(&lane->mutex);
    struct lane_item *item = lane->first;
    if (item && is_late(lane, item, now_us)) {
        unlink_item(lane, item);
        lane->refused++;
    } else {
        item = NULL;
    }
    mutex_unlock(&lane->mutex);
    return item;
}

void lane_expire(struct lane *lane)
{
    uint64_t now_us = clock_now_us(lane->clock);
    struct lane_item *item;
    while ((item = take_late(lane, now_us)) != NULL)
        lane->work.late(item, now_us - item->queued_us);
}

void lane_stats(struct lane *lane, struct net_lane_stats *ret_stats)
{
    mutex_lock(&lane->mutex);
    *ret_stats = (struct net_lane_stats){.running = lane->running,
                                         .queued = lane->queued,
                                         .admitted = lane->admitted,
                                         .refused = lane->refused,
                                         .expected_wait_us = expected_wait_us(lane)};
    mutex_unlock(&lane->mutex);
}
