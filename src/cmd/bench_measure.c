/* bench_measure.c: each thread takes every n-th query, so that threads share nothing but the
 * collection. All begin together, behind a gate. */
#include "cmd/bench_measure.h"

#include "cmd/output.h"

#include <stdlib.h>
#include <string.h>

#define SHOW_EVERY 64 /* queries */

/* Threads wait here until all have been started, or one could not be. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    enum { GATE_SHUT, GATE_OPEN, GATE_CALLED_OFF } state; /* guarded by lock */
};

struct worker {
    const struct bench_run *run;
    unsigned number;
    struct gate *gate;
    double *latencies; /* of all queries; this thread fills its own places */
    int keep;          /* store the hits */
    double cpu_seconds;
    uint64_t distances, hops;
    lode_status status;
    lode_error error;
};

static void keep_hits(const struct bench_run *run, size_t query, const lode_result *result)
{
    size_t count = result->hit_count < run->k ? result->hit_count : run->k;
    for (size_t i = 0; i < count; i++) {
        run->ids[query * run->k + i] = result->hits[i].id.number;
        run->scores[query * run->k + i] = result->hits[i].score;
    }
    run->hit_counts[query] = count;
}

static lode_status search_one(struct worker *worker, size_t query)
{
    const struct bench_run *run = worker->run;
    lode_result *result = NULL;
    const lode_search_request request = {
        .vector = run->queries->vectors + query * run->queries->dim,
        .k = run->k,
        .ef_search = run->ef_search,
        .exact = run->exact,
    };
    double begin = clock_wall();
    lode_status status = lode_search(run->collection, &request, &result, &worker->error);
    if (status)
        return status;
    worker->latencies[query] = clock_wall() - begin;
    worker->distances += result->info.distances;
    worker->hops += result->info.hops;
    if (worker->keep)
        keep_hits(run, query, result);
    lode_result_free(result);
    return LODE_OK;
}

/* Returns 1 to begin, 0 when it was called off. */
static int gate_wait(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->state == GATE_SHUT)
        pthread_cond_wait(&gate->opened, &gate->lock);
    int begin = gate->state == GATE_OPEN;
    pthread_mutex_unlock(&gate->lock);
    return begin;
}

static void gate_set(struct gate *gate, int open)
{
    pthread_mutex_lock(&gate->lock);
    gate->state = open ? GATE_OPEN : GATE_CALLED_OFF;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

static void *worker_thread(void *context)
{
    struct worker *worker = context;
    const struct bench_run *run = worker->run;
    size_t count = run->queries->count;
    if (!gate_wait(worker->gate))
        return NULL;
    double begin = clock_thread();
    for (size_t i = worker->number; i < count && worker->status == LODE_OK; i += run->threads) {
        worker->status = search_one(worker, i);
        if (run->progress && worker->number == 0 && i / run->threads % SHOW_EVERY == 0)
            progress_update(run->progress, i, count);
    }
    worker->cpu_seconds += clock_thread() - begin;
    return NULL;
}

static lode_status first_failure(const struct bench_run *run, const struct worker *workers,
                                 lode_error *error)
{
    for (unsigned i = 0; i < run->threads; i++) {
        if (workers[i].status == LODE_OK)
            continue;
        if (error)
            *error = workers[i].error;
        return workers[i].status;
    }
    return LODE_OK;
}

/* Once over all queries. */
static lode_status run_pass(const struct bench_run *run, struct worker *workers,
                            double *ret_seconds, lode_error *error)
{
    pthread_t threads[BENCH_THREADS_MAX];
    struct gate gate = {.state = GATE_SHUT};
    unsigned started = 0;
    pthread_mutex_init(&gate.lock, NULL);
    pthread_cond_init(&gate.opened, NULL);
    for (; started < run->threads; started++) {
        workers[started].gate = &gate;
        if (pthread_create(&threads[started], NULL, worker_thread, &workers[started]) != 0)
            break;
    }
    double begin = clock_wall();
    gate_set(&gate, started == run->threads);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    *ret_seconds = clock_wall() - begin;
    pthread_cond_destroy(&gate.opened);
    pthread_mutex_destroy(&gate.lock);
    if (started < run->threads)
        return error_set(error, LODE_NOMEM, "cannot start %u threads", run->threads);
    return first_failure(run, workers, error);
}

static int compare_doubles(const void *a_void, const void *b_void)
{
    double a = *(const double *)a_void, b = *(const double *)b_void;
    return (a > b) - (a < b);
}

static void summarise(const struct bench_run *run, const struct worker *workers, double *latencies,
                      unsigned passes, double seconds, struct bench_result *result)
{
    size_t per_pass = run->queries->count;
    double answered = (double)per_pass * passes, cpu = 0;
    uint64_t distances = 0, hops = 0;
    for (unsigned i = 0; i < run->threads; i++) {
        cpu += workers[i].cpu_seconds;
        distances += workers[i].distances;
        hops += workers[i].hops;
    }
    size_t count = per_pass * passes;
    qsort(latencies, count, sizeof *latencies, compare_doubles);
    *result = (struct bench_result){
        .qps = answered / seconds,
        .qps_cpu = cpu > 0 ? answered / cpu : 0,
        .p50_us = latencies[count / 2] * 1e6,
        .p99_us = latencies[count - 1 - count / 100] * 1e6,
        .distances = (double)distances / answered,
        .hops = (double)hops / answered,
    };
}

#define PASSES_MAX 16u

static lode_status run_passes(const struct bench_run *run, struct worker *workers,
                              double *latencies, struct bench_result *result, lode_error *error)
{
    double seconds = 0;
    unsigned passes = 0;
    do {
        double pass_seconds = 0;
        for (unsigned i = 0; i < run->threads; i++) {
            workers[i].latencies = latencies + passes * run->queries->count;
            workers[i].keep = passes == 0 && run->ids;
        }
        lode_status status = run_pass(run, workers, &pass_seconds, error);
        if (status)
            return status;
        seconds += pass_seconds;
        passes++;
    } while (seconds < run->seconds_min && passes < PASSES_MAX);
    summarise(run, workers, latencies, passes, seconds, result);
    return LODE_OK;
}

lode_status bench_measure(const struct bench_run *run, struct bench_result *ret_result,
                          lode_error *error)
{
    INVARIANT(run->queries->count > 0 && run->threads > 0 && run->threads <= BENCH_THREADS_MAX);
    size_t passes = run->seconds_min > 0 ? PASSES_MAX : 1;
    struct worker *workers = calloc(run->threads, sizeof *workers);
    double *latencies = calloc(run->queries->count * passes, sizeof *latencies);
    lode_status status = LODE_OK;
    if (!workers || !latencies)
        status = error_nomem(error, "the latencies", run->queries->count * sizeof *latencies);
    for (unsigned i = 0; status == LODE_OK && i < run->threads; i++) {
        workers[i].run = run;
        workers[i].number = i;
    }
    if (status == LODE_OK)
        status = run_passes(run, workers, latencies, ret_result, error);
    free(workers);
    free(latencies);
    return status;
}
