/* simd.c: asks the processor once what it can do and picks the table. */
#include "simd/levels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 3 };

/* Written once, under `once`; constant and free to read afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct simd_ops *levels[LEVELS_MAX]; /* what this processor runs, worst first */
static size_t level_count;
/* Released after all of the above, so that the common path is one acquiring load. */
static const struct simd_ops *_Atomic chosen;

static const struct simd_ops *level_named(const char *name)
{
    for (size_t i = 0; i < level_count; i++)
        if (strcmp(levels[i]->name, name) == 0)
            return levels[i];
    return NULL;
}

static void choose(void)
{
    const char *wanted = getenv("LODE_SIMD");
    const struct simd_ops *ops = NULL;

    levels[level_count++] = &simd_scalar;
    if (wanted)
        ops = level_named(wanted);
    if (!ops)
        ops = levels[level_count - 1];
    atomic_store_explicit(&chosen, ops, memory_order_release);
}

const struct simd_ops *simd(void)
{
    /* Acquire: the table behind the pointer may have been put together by another thread. */
    const struct simd_ops *ops = atomic_load_explicit(&chosen, memory_order_acquire);

    if (ops)
        return ops;
    pthread_once(&once, choose);
    return atomic_load_explicit(&chosen, memory_order_acquire);
}

const struct simd_ops *simd_level(const char *name)
{
    pthread_once(&once, choose);
    return level_named(name);
}
