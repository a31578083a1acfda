/* readers.c: see readers.h, and docs/decisions/0095 for what giving way is worth. */
#include "engine/readers.h"

#include "os/thread.h"

/* Between two chunks of a build, which take a few milliseconds each: such a thread has a core to itself for a
 * fifth of the time or so. */
#define GIVE_WAY_US 25000u

void readers_searched(struct readers *readers)
{
    /* Looked at first, so that searches do not take the line from one another. */
    if (!atomic_load_explicit(&readers->searched, memory_order_relaxed))
        atomic_store_explicit(&readers->searched, 1, memory_order_relaxed);
}

int readers_are_active(struct readers *readers)
{
    uint64_t now = clock_now_us(readers->clock);
    if (atomic_exchange_explicit(&readers->searched, 0, memory_order_relaxed))
        atomic_store_explicit(&readers->seen_us, now, memory_order_relaxed);
    uint64_t seen = atomic_load_explicit(&readers->seen_us, memory_order_relaxed);
    return seen && (now < seen || now - seen < READERS_US);
}

int readers_crowd(void *context)
{
    struct readers *readers = context;
    if (!readers_are_active(readers))
        return 0;
    atomic_store_explicit(&readers->gave_us, clock_now_us(readers->clock), memory_order_relaxed);
    return 1;
}

void readers_give_way(void *context)
{
    if (readers_crowd(context))
        thread_sleep_us(GIVE_WAY_US);
}

int readers_are_given_way(const struct readers *readers)
{
    uint64_t now = clock_now_us(readers->clock);
    uint64_t gave = atomic_load_explicit(&readers->gave_us, memory_order_relaxed);
    return gave && (now < gave || now - gave < READERS_US);
}
