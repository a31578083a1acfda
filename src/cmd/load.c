/* load.c: see load.h. A fixed number of batches goes round between the reader and the writers: empty
 * ones wait in `idle`, full ones in `ready`, first in, first out. So memory is bounded, and when a
 * batch fails all batches before it have been handed out already and are finished first. */
#include "cmd/load.h"

#include "cmd/interrupt.h"

#include <stdlib.h>
#include <time.h>

#define SPARE_BATCHES 2 /* beside one for each writer: one being read, one waiting */

struct ring {
    struct batch **items;
    size_t capacity, first, count;
};

struct loader {
    struct load *load;
    struct batch *batches;
    size_t batch_count;
    uint64_t origin; /* the source's index at the beginning */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock: */
    struct ring idle, ready;
    int read_all; /* no more batches will come */
    int failed;   /* take no more batches */
    uint64_t written, due;
    uint64_t failed_index; /* of the first point of the earliest batch that failed */
    lode_status status;
    lode_error error;
};

static lode_status ring_init(struct ring *ring, size_t capacity, lode_error *error)
{
    ring->items = calloc(capacity, sizeof(struct batch *));
    ring->capacity = capacity;
    return ring->items ? LODE_OK : error_nomem(error, "a queue of batches", capacity);
}

static void ring_put(struct ring *ring, struct batch *batch)
{
    ring->items[(ring->first + ring->count++) % ring->capacity] = batch;
}

static struct batch *ring_take(struct ring *ring)
{
    struct batch *batch = ring->items[ring->first];
    ring->first = (ring->first + 1) % ring->capacity;
    ring->count--;
    return batch;
}

/* The caller holds the lock. */
static void batch_failed(struct loader *loader, const struct batch *batch, lode_status status,
                         const lode_error *error)
{
    if (loader->failed && batch->first >= loader->failed_index)
        return;
    loader->failed = 1;
    loader->failed_index = batch->first;
    loader->status = status;
    loader->error = *error;
    loader->load->failed_first = batch->first_position;
    loader->load->failed_last = batch->last_position;
}

static struct batch *next_ready(struct loader *loader)
{
    pthread_mutex_lock(&loader->lock);
    while (loader->ready.count == 0 && !loader->read_all && !loader->failed)
        pthread_cond_wait(&loader->changed, &loader->lock);
    struct batch *batch =
        loader->ready.count > 0 && !loader->failed ? ring_take(&loader->ready) : NULL;
    pthread_mutex_unlock(&loader->lock);
    return batch;
}

static lode_status insert(lode_collection *collection, const struct batch *batch, lode_error *error)
{
    lode_write_op *ops = calloc(batch->count, sizeof *ops);
    if (!ops)
        return error_nomem(error, "the operations", batch->count * sizeof *ops);
    for (size_t i = 0; i < batch->count; i++)
        ops[i] = (lode_write_op){
            .kind = LODE_WRITE_UPSERT, .point = batch->points[i], .condition = LODE_IF_ABSENT};
    lode_status status = lode_write(collection, ops, batch->count, NULL, NULL, error);
    free(ops);
    return status;
}

static lode_status write_batch(const struct load *load, const struct batch *batch,
                               lode_error *error)
{
    return load->insert_only
               ? insert(load->collection, batch, error)
               : lode_upsert(load->collection, batch->points, batch->count, NULL, error);
}

/* Points that no read will ever show. */
static uint64_t count_due(const struct batch *batch)
{
    uint64_t now_ms = (uint64_t)time(NULL) * 1000, count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->points[i].expires_at_ms && batch->points[i].expires_at_ms <= now_ms;
    return count;
}

static void *writer_thread(void *context)
{
    struct loader *loader = context;
    struct batch *batch;
    while ((batch = next_ready(loader)) != NULL) {
        lode_error error = {0};
        lode_status status = write_batch(loader->load, batch, &error);
        uint64_t due = status ? 0 : count_due(batch);
        pthread_mutex_lock(&loader->lock);
        if (status)
            batch_failed(loader, batch, status, &error);
        else
            loader->written += batch->count;
        loader->due += due;
        ring_put(&loader->idle, batch);
        pthread_cond_broadcast(&loader->changed);
        pthread_mutex_unlock(&loader->lock);
    }
    return NULL;
}

/* An empty batch to read into, or NULL when writing has failed. */
static struct batch *next_idle(struct loader *loader, uint64_t *ret_written)
{
    pthread_mutex_lock(&loader->lock);
    while (loader->idle.count == 0 && !loader->failed)
        pthread_cond_wait(&loader->changed, &loader->lock);
    struct batch *batch = loader->failed ? NULL : ring_take(&loader->idle);
    *ret_written = loader->written;
    pthread_mutex_unlock(&loader->lock);
    return batch;
}

static void give(struct loader *loader, struct ring *ring, struct batch *batch)
{
    pthread_mutex_lock(&loader->lock);
    ring_put(ring, batch);
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
}

static void show(const struct loader *loader, uint64_t written)
{
    const struct source *source = loader->load->source;
    uint64_t wanted = loader->load->limit;
    if (source->count != COUNT_UNKNOWN && source->count - loader->origin < wanted)
        wanted = source->count - loader->origin;
    if (wanted != UINT64_MAX)
        progress_update(loader->load->progress, written, wanted);
    else if (source->input.size > 0)
        progress_update_fraction(loader->load->progress, written,
                                 (double)source->input.offset / (double)source->input.size);
    else
        progress_update(loader->load->progress, written, 0);
}

/* Read batch after batch until the end, the limit or a fault. */
static lode_status read_all(struct loader *loader, lode_error *error)
{
    struct load *load = loader->load;
    uint64_t left = load->limit, written = 0;
    struct batch *batch;
    while ((batch = next_idle(loader, &written)) != NULL) {
        show(loader, written);
        size_t wanted = left < load->batch_size ? (size_t)left : load->batch_size;
        batch_clear(batch);
        lode_status status = source_fill(load->source, batch, wanted, error);
        if (status)
            load->reading_failed = 1;
        else if (interrupt_caught())
            status = error_set(error, LODE_CANCELLED, "interrupted");
        if (status || batch->count == 0) {
            give(loader, &loader->idle, batch);
            return status;
        }
        left -= batch->count;
        give(loader, &loader->ready, batch);
    }
    return LODE_OK;
}

static void loader_release(struct loader *loader)
{
    for (size_t i = 0; loader->batches && i < loader->batch_count; i++)
        batch_release(&loader->batches[i]);
    free(loader->batches);
    free(loader->idle.items);
    free(loader->ready.items);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->lock);
}

/* A batch is held twice while it is written, and several of them lie about here. */
#define COPIES 4u

/* So that all batches together are within what a memory budget lets batches take. */
static size_t batch_bytes(size_t batch_count)
{
    lode_memory_stats memory;
    lode_memory_stats_get(&memory);
    uint64_t bytes = memory.batch_bytes_max / (COPIES * batch_count);
    return memory.batch_bytes_max == 0 || bytes > BATCH_BYTES_MAX ? BATCH_BYTES_MAX : (size_t)bytes;
}

static lode_status loader_init(struct loader *loader, struct load *load, lode_error *error)
{
    *loader = (struct loader){.load = load, .origin = load->source->index};
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->changed, NULL);
    size_t count = load->threads + SPARE_BATCHES;
    loader->batches = calloc(count, sizeof *loader->batches);
    if (!loader->batches)
        return error_nomem(error, "batches", count * sizeof *loader->batches);
    lode_status status = ring_init(&loader->idle, count, error);
    if (status == LODE_OK)
        status = ring_init(&loader->ready, count, error);
    for (; status == LODE_OK && loader->batch_count < count; loader->batch_count++) {
        status = batch_init(&loader->batches[loader->batch_count], load->batch_size, error);
        if (status)
            break;
        loader->batches[loader->batch_count].bytes_max = batch_bytes(count);
        ring_put(&loader->idle, &loader->batches[loader->batch_count]);
    }
    return status;
}

static unsigned start_writers(struct loader *loader, pthread_t *threads)
{
    unsigned count = 0;
    while (count < loader->load->threads &&
           pthread_create(&threads[count], NULL, writer_thread, loader) == 0)
        count++;
    return count;
}

static void finish_writers(struct loader *loader, const pthread_t *threads, unsigned count)
{
    pthread_mutex_lock(&loader->lock);
    loader->read_all = 1;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

lode_status load_run(struct load *load, lode_error *error)
{
    struct loader loader;
    pthread_t threads[LOAD_THREADS_MAX];
    lode_status status = loader_init(&loader, load, error);
    unsigned count = status ? 0 : start_writers(&loader, threads);
    if (status == LODE_OK && count == 0)
        status = error_set(error, LODE_NOMEM, "cannot start a thread");
    if (status == LODE_OK)
        status = read_all(&loader, error);
    finish_writers(&loader, threads, count);
    load->points = loader.written;
    load->due = loader.due;
    if (loader.failed) {
        load->reading_failed = 0;
        load->points = loader.failed_index - loader.origin;
        status = loader.status;
        if (error)
            *error = loader.error;
    }
    loader_release(&loader);
    return status;
}

void load_place(const struct load *load, lode_error *error)
{
    unsigned long long first = load->failed_first, last = load->failed_last;
    if (load->reading_failed || first == 0)
        return;
    if (first == last)
        error_prefix(error, "%s %llu: ", load->source->ops->unit, first);
    else
        error_prefix(error, "%ss %llu to %llu: ", load->source->ops->unit, first, last);
}
