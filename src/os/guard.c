/* guard.c: filling blocks, each by one thread, several at once. */
#include "os/guard.h"

#include <stdlib.h>

static uint64_t block_count(const struct guard *guard)
{
    return (guard->size + GUARD_BLOCK_SIZE - 1) / GUARD_BLOCK_SIZE;
}

static size_t ready_size(const struct guard *guard)
{
    return (size_t)(block_count(guard) / 64 + 1) * sizeof *guard->ready;
}

lode_status guard_init(struct guard *guard, const uint8_t *base, uint64_t size, guard_fill *fill,
                       void *context, lode_error *error)
{
    *guard = (struct guard){.base = base, .size = size, .fill = fill, .context = context};
    guard->ready = calloc(1, ready_size(guard));
    if (!guard->ready)
        return error_nomem(error, "which blocks are sound", ready_size(guard));
    for (size_t i = 0; i < GUARD_STRIPES; i++)
        mutex_init(&guard->stripes[i]);
    mutex_init(&guard->failure_lock);
    return LODE_OK;
}

void guard_release(struct guard *guard)
{
    if (!guard->ready)
        return;
    for (size_t i = 0; i < GUARD_STRIPES; i++)
        mutex_release(&guard->stripes[i]);
    mutex_release(&guard->failure_lock);
    free((void *)guard->ready);
    guard->ready = NULL;
}

size_t guard_memory(const struct guard *guard)
{
    return sizeof *guard + ready_size(guard);
}

void guard_failure(struct guard *guard, lode_error *ret_error)
{
    mutex_lock(&guard->failure_lock);
    *ret_error = guard->failure;
    mutex_unlock(&guard->failure_lock);
}

static void note_failure(struct guard *guard, const lode_error *failure)
{
    mutex_lock(&guard->failure_lock);
    if (guard->failure.status == LODE_OK)
        guard->failure = *failure;
    mutex_unlock(&guard->failure_lock);
    atomic_store_explicit(&guard->has_failed, 1, memory_order_relaxed);
}

void guard_poison(struct guard *guard, const lode_error *reason)
{
    size_t words = ready_size(guard) / sizeof *guard->ready;
    note_failure(guard, reason);
    for (size_t i = 0; i < GUARD_STRIPES; i++)
        mutex_lock(&guard->stripes[i]);
    guard->poisoned = 1;
    for (size_t i = 0; i < words; i++)
        atomic_store_explicit(&guard->ready[i], 0, memory_order_relaxed);
    for (size_t i = GUARD_STRIPES; i-- > 0;)
        mutex_unlock(&guard->stripes[i]);
}

static lode_status fill_unless_poisoned(struct guard *guard, uint64_t block, lode_error *error)
{
    if (!guard->poisoned)
        return guard->fill(guard->context, block, error);
    guard_failure(guard, error);
    return error->status;
}

static lode_status fill_block(struct guard *guard, uint64_t block, lode_error *error)
{
    struct mutex *stripe = &guard->stripes[block % GUARD_STRIPES];
    lode_error failure = {0};
    lode_status status = LODE_OK;
    mutex_lock(stripe);
    if (!guard_is_ready(guard, block)) {
        status = fill_unless_poisoned(guard, block, &failure);
        if (status == LODE_OK)
            atomic_fetch_or_explicit(&guard->ready[block / 64], (uint64_t)1 << (block % 64),
                                     memory_order_release);
    }
    mutex_unlock(stripe);
    if (status && status != LODE_NOMEM)
        note_failure(guard, &failure);
    if (status && error)
        *error = failure;
    return status;
}

lode_status guard_fill_range(struct guard *guard, uint64_t begin, size_t size, lode_error *error)
{
    lode_status status = LODE_OK;
    if (size == 0)
        return LODE_OK;
    INVARIANT(begin < guard->size && size <= guard->size - begin);
    uint64_t last = (begin + size - 1) / GUARD_BLOCK_SIZE;
    for (uint64_t block = begin / GUARD_BLOCK_SIZE; !status && block <= last; block++)
        if (!guard_is_ready(guard, block))
            status = fill_block(guard, block, error);
    return status;
}
