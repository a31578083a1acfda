/* recall_sample.c: see recall_sample.h. */
#include "server/recall_sample.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/thread.h"

#define NICENESS     19
#define REST_PER_RUN 9u
#define REST_US_MAX  60000000u /* also where one exact query takes very long */
#define LOOK_US      50000u /* how often it is looked for samples that are unwanted, while it rests */

/* A sample with copies of what its request points at. */
struct task {
    const struct recall_sampler *sampler;
    char name[LODE_NAME_SIZE_MAX + 1];
    struct recall_sample sample;
    lode_stop stop;
    lode_search_request request; /* exact */
    lode_id like;
    void *copies[4]; /* vector, text, filter, string of like */
};

struct recall_sampler {
    struct recall_options options;
    _Atomic uint64_t skipped; /* relaxed: a figure */
    _Atomic uint32_t waiting; /* relaxed: a hint, before the lock is taken */
    struct thread thread;
    bool is_started;
    _Atomic bool is_stopping; /* written under the lock; relaxed where it is read without: a hint */
    struct mutex lock;        /* guards what follows */
    struct cond wake;
    struct task *queue[RECALL_QUEUE_MAX]; /* the oldest first */
    size_t count;
};

/* --- Samples -------------------------------------------------------------------------------------- */

/* Give back what a sample holds. */
static void let_go(const struct recall_sample *sample)
{
    lode_result_free(sample->own_result);
    lode_snapshot_close(sample->own_snapshot);
    if (sample->release)
        sample->release(sample->own_hold);
}

static void task_free(struct task *task)
{
    let_go(&task->sample);
    for (size_t i = 0; i < sizeof task->copies / sizeof *task->copies; i++)
        free(task->copies[i]);
    free(task);
}

/* A copy of bytes in slot i; 1, or 0 when memory is refused. Nothing of nothing. */
static int copy(struct task *task, size_t i, const void *bytes, size_t size, const void **ret_copy)
{
    *ret_copy = NULL;
    if (!bytes)
        return 1;
    task->copies[i] = malloc(size ? size : 1);
    if (!task->copies[i])
        return 0;
    if (size)
        memcpy(task->copies[i], bytes, size);
    *ret_copy = task->copies[i];
    return 1;
}

/* Asked by the engine, now and then. */
static int is_unwanted(void *context)
{
    const struct task *task = context;
    return atomic_load_explicit(&task->sampler->is_stopping, memory_order_relaxed) ||
           (task->sample.is_unwanted && task->sample.is_unwanted(task->sample.own_hold));
}

static int copy_request(struct task *task, const struct recall_sample *sample)
{
    const lode_search_request *from = sample->request;
    const void *vector, *text, *filter, *string = NULL;
    int is_copied = copy(task, 0, from->vector, sample->dim * sizeof(float), &vector) &&
                    copy(task, 1, from->text, from->text_size, &text) &&
                    copy(task, 2, from->filter, from->filter_size, &filter);
    if (is_copied && from->like) {
        task->like = *from->like;
        is_copied = from->like->kind != LODE_ID_STRING ||
                    copy(task, 3, from->like->string, from->like->string_size, &string);
        task->like.string = string;
    }
    if (!is_copied)
        return 0;
    task->request = *from;
    task->request.vector = vector;
    task->request.text = text;
    task->request.filter = filter;
    task->request.like = from->like ? &task->like : NULL;
    task->stop = (lode_stop){.is_wanted = is_unwanted, .context = task};
    task->request.stop = &task->stop;
    task->request.exact = 1;
    task->request.with = 0;
    return 1;
}

/* Takes the sample: NULL when memory was refused. */
static struct task *task_new(const struct recall_sampler *sampler,
                             const struct recall_sample *sample)
{
    struct task *task = calloc(1, sizeof *task);
    if (!task) {
        let_go(sample);
        return NULL;
    }
    task->sampler = sampler;
    task->sample = *sample;
    strncpy(task->name, sample->name, sizeof task->name - 1);
    if (copy_request(task, sample))
        return task;
    task_free(task);
    return NULL;
}

/* --- Asking and giving ---------------------------------------------------------------------------- */

static void skip(struct recall_sampler *sampler)
{
    atomic_fetch_add_explicit(&sampler->skipped, 1, memory_order_relaxed);
}

int recall_sample_wants(struct recall_sampler *sampler, const lode_search_request *request)
{
    if (!sampler || !sampler->is_started || request->exact || request->one_per)
        return 0;
    if (rng_unit(entropy_rng()) >= sampler->options.share)
        return 0;
    if (atomic_load_explicit(&sampler->waiting, memory_order_relaxed) < RECALL_QUEUE_MAX)
        return 1;
    skip(sampler);
    return 0;
}

static int enqueue(struct recall_sampler *sampler, struct task *task)
{
    mutex_lock(&sampler->lock);
    int fits = !sampler->is_stopping && sampler->count < RECALL_QUEUE_MAX;
    if (fits) {
        sampler->queue[sampler->count++] = task;
        atomic_store_explicit(&sampler->waiting, (uint32_t)sampler->count, memory_order_relaxed);
        cond_signal(&sampler->wake);
    }
    mutex_unlock(&sampler->lock);
    return fits;
}

void recall_sample_give(struct recall_sampler *sampler, const struct recall_sample *sample)
{
    struct task *task = task_new(sampler, sample);
    if (task && enqueue(sampler, task))
        return;
    if (task)
        task_free(task);
    skip(sampler);
}

uint64_t recall_sampler_skipped(const struct recall_sampler *sampler)
{
    return sampler ? atomic_load_explicit(&sampler->skipped, memory_order_relaxed) : 0;
}

/* --- Measuring ------------------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
    return lode_id_compare(a, b);
}

/* The ids of its hits, sorted; they borrow from it. NULL: memory is refused. */
static lode_id *sorted_ids(const lode_result *result)
{
    lode_id *ids = malloc((result->hit_count + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < result->hit_count; i++)
        ids[i] = result->hits[i].id;
    if (ids && result->hit_count > 1)
        qsort(ids, result->hit_count, sizeof *ids, compare_ids);
    return ids;
}

/* How many hits of `exact` are in `found`. 1, or 0 when memory is refused. */
static int count_shared(const lode_result *exact, const lode_result *found, uint64_t *ret_shared)
{
    lode_id *ids = sorted_ids(found);
    if (!ids)
        return 0;
    *ret_shared = 0;
    for (size_t i = 0; i < exact->hit_count; i++)
        *ret_shared += found->hit_count > 0 && bsearch(&exact->hits[i].id, ids, found->hit_count,
                                                       sizeof *ids, compare_ids) != NULL;
    free(ids);
    return 1;
}

static void measure(struct recall_sampler *sampler, struct task *task)
{
    lode_result *exact = NULL;
    uint64_t shared = 0;
    if (is_unwanted(task) || lode_search(task->sample.collection, &task->request, &exact, NULL)) {
        skip(sampler); /* given up, or damaged */
        return;
    }
    if (count_shared(exact, task->sample.own_result, &shared))
        sampler->options.report(sampler->options.context, task->name, shared, exact->hit_count);
    else
        skip(sampler);
    lode_result_free(exact);
}

/* Under the lock: take the task at `i` out of the queue. */
static struct task *take_out(struct recall_sampler *sampler, size_t i)
{
    struct task *task = sampler->queue[i];
    sampler->count--;
    memmove(&sampler->queue[i], &sampler->queue[i + 1],
            (sampler->count - i) * sizeof(struct task *));
    atomic_store_explicit(&sampler->waiting, (uint32_t)sampler->count, memory_order_relaxed);
    return task;
}

/* Under the lock: NULL when it is to end. */
static struct task *next_task(struct recall_sampler *sampler)
{
    while (!sampler->count && !sampler->is_stopping)
        cond_wait(&sampler->wake, &sampler->lock);
    return sampler->is_stopping ? NULL : take_out(sampler, 0);
}

/* Under the lock, which is let go meanwhile: whoever waits for a collection need not wait for its samples' turn. */
static void give_up_unwanted(struct recall_sampler *sampler)
{
    struct task *unwanted[RECALL_QUEUE_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sampler->count;)
        if (is_unwanted(sampler->queue[i]))
            unwanted[count++] = take_out(sampler, i);
        else
            i++;
    if (!count)
        return;
    mutex_unlock(&sampler->lock);
    for (size_t i = 0; i < count; i++) {
        task_free(unwanted[i]);
        skip(sampler);
    }
    mutex_lock(&sampler->lock);
}

/* Under the lock. */
static void rest(struct recall_sampler *sampler, uint64_t worked_us)
{
    uint64_t rest_us = worked_us * REST_PER_RUN;
    uint64_t until_us = clock_us() + (rest_us < REST_US_MAX ? rest_us : REST_US_MAX);
    for (uint64_t now_us; !sampler->is_stopping && (now_us = clock_us()) < until_us;) {
        uint64_t left_us = until_us - now_us;
        (void)cond_wait_us(&sampler->wake, &sampler->lock, left_us < LOOK_US ? left_us : LOOK_US);
        give_up_unwanted(sampler);
    }
}

static void run(void *context)
{
    struct recall_sampler *sampler = context;
    thread_give_way(NICENESS);
    mutex_lock(&sampler->lock);
    for (struct task *task; (task = next_task(sampler));) {
        mutex_unlock(&sampler->lock);
        uint64_t begun_us = clock_us();
        measure(sampler, task);
        task_free(task);
        uint64_t worked_us = clock_us() - begun_us;
        mutex_lock(&sampler->lock);
        rest(sampler, worked_us);
    }
    mutex_unlock(&sampler->lock);
}

/* --- Life ----------------------------------------------------------------------------------------- */

lode_status recall_sampler_new(const struct recall_options *options,
                               struct recall_sampler **ret_sampler, lode_error *error)
{
    if (!(options->share >= 0 && options->share <= 1))
        return error_set(error, LODE_INVALID, "recall.share: %g is not within 0 to 1",
                         options->share);
    struct recall_sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler)
        return error_nomem(error, "the sampler of recall", sizeof *sampler);
    sampler->options = *options;
    mutex_init(&sampler->lock);
    cond_init(&sampler->wake);
    int failed = options->share > 0 ? thread_start(&sampler->thread, "recall", run, sampler) : 0;
    if (failed) {
        recall_sampler_free(sampler);
        return error_os(error, failed, "cannot start the thread that measures recall");
    }
    sampler->is_started = options->share > 0;
    *ret_sampler = sampler;
    return LODE_OK;
}

void recall_sampler_free(struct recall_sampler *sampler)
{
    if (!sampler)
        return;
    mutex_lock(&sampler->lock);
    sampler->is_stopping = true;
    cond_signal(&sampler->wake);
    mutex_unlock(&sampler->lock);
    if (sampler->is_started)
        thread_join(&sampler->thread);
    for (size_t i = 0; i < sampler->count; i++)
        task_free(sampler->queue[i]);
    cond_release(&sampler->wake);
    mutex_release(&sampler->lock);
    free(sampler);
}
