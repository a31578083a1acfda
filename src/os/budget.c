/* budget.c: see budget.h. Figures are relaxed atomics: each is right, and no two need be of one moment. */
#include "os/budget.h"

#include <stdatomic.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/thread.h"

/* Sixteenths of the budget. What is left over, five of them, is for scratch and other, for the process itself,
 * and for mapped pages: docs/decisions/0091. */
static const unsigned sixteenths[BUDGET_PARTS] = {
    [BUDGET_GROWING] = 3,
    [BUDGET_BUILD] = 6,
    [BUDGET_WRITE] = 2,
};

static _Atomic uint64_t limit; /* 0: none */
static _Atomic uint64_t used[BUDGET_PARTS];
static _Atomic uint64_t used_sum, peak;
static _Atomic uint64_t returns;
static _Atomic uint64_t waits, waited_us, refusals;

static _Atomic unsigned waiting; /* threads in budget_wait */
static struct mutex wait_mutex = {PTHREAD_MUTEX_INITIALIZER};
static struct cond given;
static pthread_once_t given_once = PTHREAD_ONCE_INIT;

static void init_given(void)
{
    cond_init(&given);
}

void budget_set(uint64_t bytes)
{
    atomic_store(&limit, bytes);
    atomic_fetch_add(&returns, 1); /* who waits looks again */
}

uint64_t budget_bytes(void)
{
    return atomic_load_explicit(&limit, memory_order_relaxed);
}

uint64_t budget_share(enum budget_part part)
{
    uint64_t bytes = budget_bytes();
    if (bytes == 0 || sixteenths[part] == 0)
        return UINT64_MAX;
    return bytes / 16 * sixteenths[part];
}

static void count_sum(uint64_t bytes)
{
    uint64_t sum = atomic_fetch_add_explicit(&used_sum, bytes, memory_order_relaxed) + bytes;
    uint64_t highest = atomic_load_explicit(&peak, memory_order_relaxed);
    while (sum > highest && !atomic_compare_exchange_weak_explicit(
                                &peak, &highest, sum, memory_order_relaxed, memory_order_relaxed))
        ;
}

int budget_try(enum budget_part part, uint64_t bytes)
{
    uint64_t share = budget_share(part);
    uint64_t before = atomic_load_explicit(&used[part], memory_order_relaxed);
    do
        if (before > share || bytes > share - before)
            return 0;
    while (!atomic_compare_exchange_weak_explicit(&used[part], &before, before + bytes,
                                                  memory_order_relaxed, memory_order_relaxed));
    count_sum(bytes);
    return 1;
}

void budget_take(enum budget_part part, uint64_t bytes)
{
    atomic_fetch_add_explicit(&used[part], bytes, memory_order_relaxed);
    count_sum(bytes);
}

void budget_give(enum budget_part part, uint64_t bytes)
{
    if (bytes == 0)
        return;
    uint64_t before = atomic_fetch_sub_explicit(&used[part], bytes, memory_order_relaxed);
    INVARIANT(before >= bytes);
    atomic_fetch_sub_explicit(&used_sum, bytes, memory_order_relaxed);
    /* Sequentially consistent, as is `waiting` in budget_wait: one of the two sees the other. */
    atomic_fetch_add(&returns, 1);
    if (atomic_load(&waiting) == 0)
        return;
    pthread_once(&given_once, init_given);
    mutex_lock(&wait_mutex);
    cond_broadcast(&given);
    mutex_unlock(&wait_mutex);
}

uint64_t budget_used(enum budget_part part)
{
    return atomic_load_explicit(&used[part], memory_order_relaxed);
}

uint64_t budget_returns(void)
{
    return atomic_load(&returns);
}

int budget_wait(uint64_t seen, uint64_t timeout_us)
{
    uint64_t end = clock_us() + timeout_us, now;
    pthread_once(&given_once, init_given);
    mutex_lock(&wait_mutex);
    atomic_fetch_add(&waiting, 1);
    while (atomic_load(&returns) == seen && (now = clock_us()) < end)
        (void)cond_wait_us(&given, &wait_mutex, end - now);
    atomic_fetch_sub(&waiting, 1);
    mutex_unlock(&wait_mutex);
    return atomic_load(&returns) != seen;
}

void budget_waited(uint64_t us)
{
    atomic_fetch_add_explicit(&waits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&waited_us, us, memory_order_relaxed);
}

void budget_refused(void)
{
    atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
}

void budget_figures(struct budget_figures *ret_figures)
{
    *ret_figures = (struct budget_figures){
        .bytes = budget_bytes(),
        .used_sum = atomic_load_explicit(&used_sum, memory_order_relaxed),
        .peak = atomic_load_explicit(&peak, memory_order_relaxed),
        .waits = atomic_load_explicit(&waits, memory_order_relaxed),
        .waited_us = atomic_load_explicit(&waited_us, memory_order_relaxed),
        .refusals = atomic_load_explicit(&refusals, memory_order_relaxed),
    };
    for (int part = 0; part < BUDGET_PARTS; part++)
        ret_figures->used[part] = budget_used((enum budget_part)part);
}
