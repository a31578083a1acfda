/* metrics_latency.c: latencies of each collection by operation. Collections are found in a table of which slots are filled and
 * never emptied, without a lock; the histogram of an operation is made when it is first asked for. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "server/metrics_state.h"

struct metrics_index {
    char name[LODE_NAME_SIZE_MAX + 1];
    size_t operation_count;
    _Atomic(struct histogram *) times[]; /* NULL: not asked for yet */
};

static struct metrics_index *index_new(const struct metrics *metrics, const char *name)
{
    struct metrics_index *index =
        calloc(1, sizeof *index + metrics->operation_count * sizeof *index->times);
    if (index) {
        strncpy(index->name, name, sizeof index->name - 1);
        index->operation_count = metrics->operation_count;
    }
    return index;
}

/* Into an empty slot, unless another thread was quicker: then what it has put there. */
static struct metrics_index *fill(struct metrics *metrics, _Atomic(struct metrics_index *) *slot,
                                  const char *name)
{
    struct metrics_index *there = NULL, *made = NULL;
    if (atomic_load_explicit(&metrics->index_count, memory_order_relaxed) < METRICS_COLLECTIONS_MAX)
        made = index_new(metrics, name);
    if (!made)
        return NULL;
    if (!atomic_compare_exchange_strong_explicit(slot, &there, made, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        free(made);
        return there;
    }
    atomic_fetch_add_explicit(&metrics->index_count, 1, memory_order_relaxed);
    return made;
}

struct metrics_index *metrics_index(struct metrics *metrics, const char *name)
{
    uint64_t hash = hash64(name, strlen(name), 0);
    for (size_t i = 0; i < METRICS_INDEX_SLOTS; i++) {
        _Atomic(struct metrics_index *) *slot = &metrics->indices[(hash + i) % METRICS_INDEX_SLOTS];
        struct metrics_index *index = atomic_load_explicit(slot, memory_order_acquire);
        if (!index)
            index = fill(metrics, slot, name);
        if (!index || strcmp(index->name, name) == 0)
            return index;
    }
    return NULL;
}

void metrics_index_request(struct metrics_index *index, size_t operation, uint64_t us)
{
    if (!index || operation >= index->operation_count)
        return;
    _Atomic(struct histogram *) *slot = &index->times[operation];
    struct histogram *time = atomic_load_explicit(slot, memory_order_acquire), *there = NULL;
    if (!time) {
        time = calloc(1, sizeof *time);
        if (time && !atomic_compare_exchange_strong_explicit(
                        slot, &there, time, memory_order_acq_rel, memory_order_acquire)) {
            free(time);
            time = there;
        }
    }
    if (time)
        histogram_add(time, us);
}

void metrics_latency_get(const struct metrics_index *index, size_t operation,
                         struct metrics_latency *ret_latency)
{
    struct histogram_counts counts = {0};
    const struct histogram *time =
        index && operation < index->operation_count
            ? atomic_load_explicit(&index->times[operation], memory_order_acquire)
            : NULL;
    if (time)
        histogram_merge(time, &counts);
    ret_latency->count = histogram_count(&counts);
    ret_latency->p50_us = histogram_quantile(&counts, 0.50);
    ret_latency->p95_us = histogram_quantile(&counts, 0.95);
    ret_latency->p99_us = histogram_quantile(&counts, 0.99);
}

void metrics_indices_free(struct metrics *metrics)
{
    for (size_t i = 0; i < METRICS_INDEX_SLOTS; i++) {
        struct metrics_index *index =
            atomic_load_explicit(&metrics->indices[i], memory_order_relaxed);
        for (size_t j = 0; index && j < index->operation_count; j++)
            free(atomic_load_explicit(&index->times[j], memory_order_relaxed));
        free(index);
    }
}
