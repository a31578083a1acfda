/* idle.h: objects that wait to be used again, each taken and given back by one atomic exchange: readers take no lock.
 * What they are is the caller's affair, who makes one when none waits and frees one when too many do. */
#ifndef INDEX_IDLE_H
#define INDEX_IDLE_H

#include <stdatomic.h>
#include <stddef.h>

#define IDLE_SLOTS 64

struct idle {
    _Atomic(void *) slots[IDLE_SLOTS]; /* NULL: free */
};

/* One that nobody else has from now on; NULL: none waits. */
static inline void *idle_take(struct idle *idle)
{
    for (int i = 0; i < IDLE_SLOTS; i++) {
        if (!atomic_load_explicit(&idle->slots[i], memory_order_relaxed))
            continue;
        /* acquire: see what the previous user wrote into it */
        void *object = atomic_exchange_explicit(&idle->slots[i], NULL, memory_order_acquire);
        if (object)
            return object;
    }
    return NULL;
}

/* 0: there is no slot for it, and it stays the caller's. */
static inline int idle_give(struct idle *idle, void *object)
{
    for (int i = 0; i < IDLE_SLOTS; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&idle->slots[i], &none, object,
                                                    memory_order_release, memory_order_relaxed))
            return 1;
    }
    return 0;
}

#endif
