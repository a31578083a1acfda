/* collector.h: statistics of all collections, collected again and again by a thread of its own, so that /metrics can be
 * answered at once, without waiting for the engine: they are at most a second old, or fifty times as old as collecting
 * them takes, where that is more. Whoever collects them is the first to see that background work fails. Thread-safe. */
#ifndef SERVER_COLLECTOR_H
#define SERVER_COLLECTOR_H

#include "server/handles.h"
#include "server/metrics.h"

struct collector;

struct collector_watch {
    void *context;
    /* Background work of a collection fails, or fails in another way than before; error NULL: it goes on again. On the
     * collector's thread, or that of collector_new. */
    void (*work)(void *context, const char *collection, const lode_error *error);
};

/* One state of all; given out to any number of readers. */
struct collected {
    struct metrics_collection *collections; /* by name */
    size_t count;
    size_t unopened; /* others, that cannot be opened */
};

NODISCARD lode_status collector_new(lode_db *db, struct handles *handles,
                                    const struct collector_watch *watch,
                                    struct collector **ret_collector, lode_error *error);
void collector_free(struct collector *collector); /* NULL is allowed */

/* The newest; give it back with collected_give. */
const struct collected *collector_take(struct collector *collector);
void collected_give(const struct collected *collected);

#endif
