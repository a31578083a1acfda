/* collector.c: see collector.h. */
#include "server/collector.h"

#include "os/clock.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PERIOD_US   UINT64_C(1000000)
#define REST_FACTOR 50 /* collecting takes at most so small a part of the time */

struct collected_own {
    struct collected shown; /* first */
    atomic_uint references; /* acquire-release: who gives the last one back frees it */
};

struct collector {
    lode_db *db;
    struct handles *handles;
    struct collector_watch watch;
    struct thread thread;
    struct mutex lock; /* guards what follows */
    struct cond stop;
    bool is_stopping;
    struct collected_own *newest; /* changed by who collects alone, who reads it without the lock */
};

static struct collected_own *collected_new(size_t count_max)
{
    struct collected_own *own = calloc(1, sizeof *own);
    if (!own)
        return NULL;
    atomic_init(&own->references, 1);
    own->shown.collections = calloc(count_max ? count_max : 1, sizeof *own->shown.collections);
    if (own->shown.collections)
        return own;
    free(own);
    return NULL;
}

void collected_give(const struct collected *collected)
{
    struct collected_own *own = (struct collected_own *)collected;
    if (!own || atomic_fetch_sub_explicit(&own->references, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < own->shown.count; i++) {
        free((char *)own->shown.collections[i].name);
        lode_stats_free((lode_stats *)own->shown.collections[i].stats);
    }
    free(own->shown.collections);
    free(own);
}

const struct collected *collector_take(struct collector *collector)
{
    mutex_lock(&collector->lock);
    struct collected_own *own = collector->newest;
    atomic_fetch_add_explicit(&own->references, 1, memory_order_relaxed);
    mutex_unlock(&collector->lock);
    return &own->shown;
}

/* --- Collecting ---------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const struct metrics_collection *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* How background work of the collection failed when it was last looked at; LODE_OK: it did not, or nobody has looked. */
static lode_status failed_before(const struct collector *collector, const char *name)
{
    const struct collected *before = &collector->newest->shown;
    const struct metrics_collection wanted = {.name = name};
    const struct metrics_collection *found =
        before->count
            ? bsearch(&wanted, before->collections, before->count, sizeof wanted, compare_names)
            : NULL;
    return found ? found->stats->job_error.status : LODE_OK;
}

static void look_at_work(const struct collector *collector, const char *name,
                         const lode_error *error)
{
    if (error->status != failed_before(collector, name))
        collector->watch.work(collector->watch.context, name, error->status ? error : NULL);
}

/* Of one collection; what cannot be had now is left out, and counted unless it has just been dropped. */
static void collect(struct collector *collector, const char *name, struct collected *into)
{
    const struct handle *handle = NULL;
    lode_stats *stats = NULL;
    lode_status status = handles_take(collector->handles, name, NULL, NULL, &handle, NULL);
    if (status) {
        into->unopened += status != LODE_NOT_FOUND;
        return;
    }
    status = lode_stats_get(handle->collection, &stats, NULL);
    handles_give(collector->handles, handle);
    char *copy = status ? NULL : strdup(name);
    if (!copy) {
        lode_stats_free(stats);
        return;
    }
    look_at_work(collector, name, &stats->job_error);
    into->collections[into->count++] = (struct metrics_collection){.name = copy, .stats = stats};
}

static void collect_all(struct collector *collector)
{
    lode_catalog *catalog = NULL;
    if (lode_catalog_list(collector->db, &catalog, NULL))
        return;
    struct collected_own *own = collected_new(catalog->entry_count);
    for (size_t i = 0; own && i < catalog->entry_count; i++)
        if (!catalog->entries[i].target)
            collect(collector, catalog->entries[i].name, &own->shown);
    lode_catalog_free(catalog);
    if (!own)
        return;
    mutex_lock(&collector->lock);
    struct collected_own *before = collector->newest;
    collector->newest = own;
    mutex_unlock(&collector->lock);
    collected_give(&before->shown);
}

/* Wait; whether to go on. */
static bool rest(struct collector *collector, uint64_t us)
{
    uint64_t now_us = clock_us(), until_us = now_us + us;
    mutex_lock(&collector->lock);
    while (!collector->is_stopping && now_us < until_us) {
        (void)cond_wait_us(&collector->stop, &collector->lock, until_us - now_us);
        now_us = clock_us();
    }
    bool goes_on = !collector->is_stopping;
    mutex_unlock(&collector->lock);
    return goes_on;
}

static void run(void *context)
{
    struct collector *collector = context;
    uint64_t rest_us = PERIOD_US;
    while (rest(collector, rest_us)) {
        uint64_t began_us = clock_us();
        collect_all(collector);
        rest_us = (clock_us() - began_us) * REST_FACTOR;
        rest_us = rest_us > PERIOD_US ? rest_us : PERIOD_US;
    }
}

lode_status collector_new(lode_db *db, struct handles *handles, const struct collector_watch *watch,
                          struct collector **ret_collector, lode_error *error)
{
    struct collector *collector = calloc(1, sizeof *collector);
    struct collected_own *nothing = collected_new(0);
    if (!collector || !nothing) {
        free(collector);
        if (nothing)
            collected_give(&nothing->shown);
        return error_nomem(error, "the collector of statistics", sizeof *collector);
    }
    collector->db = db;
    collector->handles = handles;
    collector->watch = *watch;
    collector->newest = nothing;
    mutex_init(&collector->lock);
    cond_init(&collector->stop);
    collect_all(collector);
    int os_errno = thread_start(&collector->thread, "lode-collect", run, collector);
    if (os_errno) {
        collected_give(&collector->newest->shown);
        cond_release(&collector->stop);
        mutex_release(&collector->lock);
        free(collector);
        return error_os(error, os_errno, "cannot start the thread that collects statistics");
    }
    *ret_collector = collector;
    return LODE_OK;
}

void collector_free(struct collector *collector)
{
    if (!collector)
        return;
    mutex_lock(&collector->lock);
    collector->is_stopping = true;
    cond_broadcast(&collector->stop);
    mutex_unlock(&collector->lock);
    thread_join(&collector->thread);
    collected_give(&collector->newest->shown);
    cond_release(&collector->stop);
    mutex_release(&collector->lock);
    free(collector);
}
