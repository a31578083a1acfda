/* metrics.c: counting (metrics.h); metrics_text*.c tells what was counted. */
#include "server/metrics_state.h"

#include <stdlib.h>
#include <string.h>

#include "os/clock.h"

#define SHARDS_MAX 16u

/* 0: the client was gone, or cut off, before there was an answer. */
static const uint16_t status_codes[METRICS_STATUSES - 1] = {
    0,   200, 201, 202, 204, 206, 301, 304, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410,
    411, 412, 413, 414, 415, 417, 421, 422, 426, 429, 431, 499, 500, 501, 503, 504, 507,
};
const char *const metrics_status_texts[METRICS_STATUSES] = {
    "none", "200", "201", "202", "204", "206", "301", "304", "308", "400", "401", "403",
    "404",  "405", "406", "408", "409", "410", "411", "412", "413", "414", "415", "417",
    "421",  "422", "426", "429", "431", "499", "500", "501", "503", "504", "507", "other",
};

static size_t status_index(unsigned status)
{
    size_t i = 0;
    while (i < METRICS_STATUSES - 1 && status_codes[i] != status)
        i++;
    return i;
}

static void add(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

/* --- Life --------------------------------------------------------------------------------------- */

static size_t shard_count(void)
{
    size_t count = 1;
    while (count < thread_cores() && count < SHARDS_MAX)
        count *= 2;
    return count;
}

static lode_status copy_names(struct metrics *metrics, const char *const *operations,
                              size_t operation_count, lode_error *error)
{
    metrics->operations = calloc(operation_count + 1, sizeof *metrics->operations);
    if (!metrics->operations)
        return error_nomem(error, "names of operations", operation_count);
    for (size_t i = 0; i < operation_count; i++) {
        metrics->operations[i] = strdup(operations[i]);
        if (!metrics->operations[i])
            return error_nomem(error, "names of operations", operation_count);
        metrics->operation_count++;
    }
    return LODE_OK;
}

static void *zeroed_lines(size_t size)
{
    void *memory = aligned_alloc(METRICS_LINE, size); /* structs aligned so have such sizes */
    return memory ? memset(memory, 0, size) : NULL;
}

static lode_status make_shards(struct metrics *metrics, lode_error *error)
{
    size_t count = shard_count();
    size_t rows_size = (metrics->operation_count + 1) * sizeof(struct metrics_row);
    metrics->shards = zeroed_lines(count * sizeof *metrics->shards);
    if (!metrics->shards)
        return error_nomem(error, "metrics", count * sizeof *metrics->shards);
    metrics->shard_count = count;
    for (size_t i = 0; i < count; i++) {
        metrics->shards[i].rows = zeroed_lines(rows_size);
        if (!metrics->shards[i].rows)
            return error_nomem(error, "metrics", rows_size);
    }
    return LODE_OK;
}

lode_status metrics_new(const char *const *operations, size_t operation_count,
                        struct metrics **ret_metrics, lode_error *error)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return error_nomem(error, "metrics", sizeof *metrics);
    mutex_init(&metrics->lock);
    metrics->started_wall_us = clock_wall_us(&clock_system);
    lode_status status = copy_names(metrics, operations, operation_count, error);
    if (!status)
        status = make_shards(metrics, error);
    if (status) {
        metrics_free(metrics);
        return status;
    }
    *ret_metrics = metrics;
    return LODE_OK;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (size_t i = 0; i < metrics->shard_count; i++)
        free(metrics->shards[i].rows);
    for (size_t i = 0; i < metrics->operation_count; i++)
        free(metrics->operations[i]);
    metrics_indices_free(metrics);
    mutex_release(&metrics->lock);
    free(metrics->shards);
    free(metrics->operations);
    free(metrics->recall);
    free(metrics->jobs);
    free(metrics);
}

/* --- Counting ----------------------------------------------------------------------------------- */

/* Threads take shards in turn, each its own for as long as it lives. */
static struct metrics_shard *shard_of_thread(const struct metrics *metrics)
{
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t number; /* 0: none yet */
    if (!number)
        number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    return &metrics->shards[number & (metrics->shard_count - 1)];
}

void metrics_request(struct metrics *metrics, size_t operation, const struct net_outcome *outcome)
{
    struct metrics_shard *shard = shard_of_thread(metrics);
    size_t index = operation < metrics->operation_count ? operation : metrics->operation_count;
    struct metrics_row *row = &shard->rows[index];
    add(&row->statuses[status_index(outcome->status)], 1);
    add(&row->bytes_in, outcome->bytes_in);
    add(&row->bytes_out, outcome->bytes_out);
    histogram_add(&row->time, outcome->total_us);
    if (outcome->ran_us) /* else it was answered without waiting in a lane, or given up there */
        histogram_add(&shard->wait, outcome->waited_us);
}

void metrics_refused(struct metrics *metrics, enum net_refusal why)
{
    size_t index = (size_t)why < METRICS_REFUSALS ? (size_t)why : 0;
    add(&shard_of_thread(metrics)->refused[index], 1);
}

/* The slot of a reason; a new one takes the first that is free. */
static size_t reason_index(struct metrics *metrics, const char *reason)
{
    for (size_t i = 0; i < METRICS_REASONS_MAX - 1; i++) {
        const char *here = atomic_load_explicit(&metrics->reasons[i], memory_order_acquire);
        /* Another thread may have been quicker: then `here` is what it has put there. */
        if (!here &&
            atomic_compare_exchange_strong_explicit(&metrics->reasons[i], &here, reason,
                                                    memory_order_acq_rel, memory_order_acquire))
            return i;
        if (strcmp(here, reason) == 0)
            return i;
    }
    return METRICS_REASONS_MAX - 1;
}

void metrics_denied(struct metrics *metrics, const char *reason)
{
    add(&shard_of_thread(metrics)->denied[reason_index(metrics, reason)], 1);
}

void metrics_malformed(struct metrics *metrics, unsigned status)
{
    add(&shard_of_thread(metrics)->malformed[status_index(status)], 1);
}

void metrics_queries(struct metrics *metrics, uint64_t queries, uint64_t distances, uint64_t hops)
{
    struct metrics_shard *shard = shard_of_thread(metrics);
    add(&shard->queries, queries);
    add(&shard->distances, distances);
    add(&shard->hops, hops);
}

void metrics_points(struct metrics *metrics, uint64_t written, uint64_t deleted)
{
    struct metrics_shard *shard = shard_of_thread(metrics);
    add(&shard->written, written);
    add(&shard->deleted, deleted);
}

void metrics_slow(struct metrics *metrics)
{
    add(&shard_of_thread(metrics)->slow, 1);
}

/* --- Recall ------------------------------------------------------------------------------------- */

#define RECALL_STEP_MIN 0.01 /* weight of one query in the ratio, once there were a hundred */

/* The entry of a collection, or of the others when there is no room; NULL: memory is refused. */
static struct metrics_recall_entry *recall_entry(struct metrics *metrics, const char *collection)
{
    for (size_t i = 0; i < metrics->recall_count; i++)
        if (strcmp(metrics->recall[i].name, collection) == 0)
            return &metrics->recall[i];
    if (metrics->recall_count >= METRICS_COLLECTIONS_MAX && strcmp(collection, METRICS_OTHER) != 0)
        return recall_entry(metrics, METRICS_OTHER); /* which has the room of one more */
    if (!metrics->recall)
        metrics->recall = calloc(METRICS_COLLECTIONS_MAX + 1, sizeof *metrics->recall);
    if (!metrics->recall)
        return NULL;
    struct metrics_recall_entry *entry = &metrics->recall[metrics->recall_count++];
    strncpy(entry->name, collection, sizeof entry->name - 1);
    return entry;
}

void metrics_recall(struct metrics *metrics, const char *collection, uint64_t shared, uint64_t hits)
{
    if (!hits)
        return;
    mutex_lock(&metrics->lock);
    struct metrics_recall_entry *entry = recall_entry(metrics, collection);
    if (entry) {
        entry->queries++;
        entry->shared += shared;
        entry->hits += hits;
        double step = 1.0 / (double)entry->queries;
        step = step > RECALL_STEP_MIN ? step : RECALL_STEP_MIN;
        entry->ratio += step * ((double)shared / (double)hits - entry->ratio);
    }
    mutex_unlock(&metrics->lock);
}

/* --- Reading ------------------------------------------------------------------------------------ */

uint64_t metrics_sum(const struct metrics *metrics, size_t offset)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < metrics->shard_count; i++) {
        const char *shard = (const char *)&metrics->shards[i];
        sum += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(shard + offset),
                                    memory_order_relaxed);
    }
    return sum;
}

void metrics_time_merge(const struct metrics *metrics, size_t operation,
                        struct histogram_counts *counts)
{
    for (size_t i = 0; i < metrics->shard_count; i++)
        histogram_merge(&metrics->shards[i].rows[operation].time, counts);
}
