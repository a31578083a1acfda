/* executor_threads.c: a fixed set of threads over two queues of jobs, and loops that they share.
 *
 * A loop (executor_parallel) lives on its caller's stack and in a list while it has indexes that
 * nobody has claimed. The caller works through it like everyone else, so that it ends even if no
 * thread ever has time to help; that is why it may be called from inside a job, and why nothing
 * here can deadlock: nobody waits for a thread that is not already running one of the caller's
 * indexes. Idle threads prefer loops to queued jobs, for somebody is waiting for a loop.
 *
 * Locks: one mutex guards everything below except loop.next, on which no other data depends. */
#include "os/executor.h"

#include "base/limits.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PRIORITIES 2

struct job {
    struct job *next;
    void (*run)(void *context);
    void *context;
};

struct queue {
    struct job *first;
    struct job *last;
};

struct loop {
    struct loop *next_loop;
    void (*body)(void *context, size_t i);
    void *context;
    size_t count;
    atomic_size_t next; /* the lowest index nobody has claimed; may run past count */
    unsigned helpers;   /* threads inside, the caller not counted */
    struct cond left;   /* helpers has become 0 */
};

struct executor_threads {
    struct executor base;
    struct mutex mutex;
    struct cond work; /* something to do has been added, or stopping has been set */
    struct queue queues[PRIORITIES];
    struct loop *loops;
    int stopping;
    unsigned thread_count;
    int niceness;
    struct thread threads[];
};

static struct executor_threads *of(struct executor *executor)
{
    return (struct executor_threads *)executor;
}

static struct job *take_job(struct executor_threads *pool)
{
    for (int priority = 0; priority < PRIORITIES; priority++) {
        struct queue *queue = &pool->queues[priority];
        struct job *job = queue->first;
        if (job) {
            queue->first = job->next;
            return job;
        }
    }
    return NULL;
}

/* A loop that has room for one more helper, or NULL. */
static struct loop *find_loop(const struct executor_threads *pool)
{
    for (struct loop *loop = pool->loops; loop; loop = loop->next_loop)
        /* Relaxed: a stale answer costs one needless look. */
        if (loop->helpers + 1 < pool->thread_count &&
            atomic_load_explicit(&loop->next, memory_order_relaxed) < loop->count)
            return loop;
    return NULL;
}

static void run_indexes(struct loop *loop)
{
    for (;;) {
        /* Relaxed: only who gets which index. What bodies write is published by the mutex. */
        size_t i = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed);
        if (i >= loop->count)
            return;
        loop->body(loop->context, i);
    }
}

/* Called with the mutex held, and returns so. */
static void help(struct executor_threads *pool, struct loop *loop)
{
    loop->helpers++;
    mutex_unlock(&pool->mutex);
    run_indexes(loop);
    mutex_lock(&pool->mutex);
    loop->helpers--;
    if (loop->helpers == 0)
        cond_signal(&loop->left); /* under the mutex: the loop is gone as soon as we release it */
}

static void run_job(struct executor_threads *pool, struct job *job)
{
    mutex_unlock(&pool->mutex);
    job->run(job->context);
    free(job);
    mutex_lock(&pool->mutex);
}

static void thread_run(void *context)
{
    struct executor_threads *pool = context;
    if (pool->niceness)
        thread_give_way(pool->niceness);
    mutex_lock(&pool->mutex);
    for (;;) {
        struct loop *loop = find_loop(pool);
        struct job *job = loop ? NULL : take_job(pool);
        if (loop)
            help(pool, loop);
        else if (job)
            run_job(pool, job);
        else if (pool->stopping)
            break;
        else
            cond_wait(&pool->work, &pool->mutex);
    }
    mutex_unlock(&pool->mutex);
}

static lode_status threads_submit(struct executor *executor, enum executor_priority priority,
                                  void (*run)(void *context), void *context, lode_error *error)
{
    struct executor_threads *pool = of(executor);
    struct job *job = malloc(sizeof *job);
    if (!job)
        return error_nomem(error, "a background job", sizeof *job);
    *job = (struct job){NULL, run, context};
    mutex_lock(&pool->mutex);
    struct queue *queue = &pool->queues[priority];
    if (queue->first)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
    cond_signal(&pool->work);
    mutex_unlock(&pool->mutex);
    return LODE_OK;
}

static void add_loop(struct executor_threads *pool, struct loop *loop)
{
    mutex_lock(&pool->mutex);
    loop->next_loop = pool->loops;
    pool->loops = loop;
    for (size_t i = 1; i < loop->count && i < pool->thread_count; i++)
        cond_signal(&pool->work);
    mutex_unlock(&pool->mutex);
}

static void remove_loop(struct executor_threads *pool, struct loop *loop)
{
    mutex_lock(&pool->mutex);
    struct loop **link = &pool->loops;
    while (*link != loop)
        link = &(*link)->next_loop;
    *link = loop->next_loop;
    while (loop->helpers)
        cond_wait(&loop->left, &pool->mutex);
    mutex_unlock(&pool->mutex);
}

static void threads_parallel(struct executor *executor, size_t count,
                             void (*body)(void *context, size_t i), void *context)
{
    struct executor_threads *pool = of(executor);
    struct loop loop = {.body = body, .context = context, .count = count};
    if (count < 2 || pool->thread_count < 2) {
        run_indexes(&loop);
        return;
    }
    cond_init(&loop.left);
    add_loop(pool, &loop);
    run_indexes(&loop);
    remove_loop(pool, &loop);
    cond_release(&loop.left);
}

static unsigned threads_width(const struct executor *executor)
{
    return ((const struct executor_threads *)executor)->thread_count;
}

/* Stop and join the first `started` threads, after everything queued has been run. */
static void stop(struct executor_threads *pool, unsigned started)
{
    mutex_lock(&pool->mutex);
    pool->stopping = 1;
    cond_broadcast(&pool->work);
    mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < started; i++)
        thread_join(&pool->threads[i]);
    cond_release(&pool->work);
    mutex_release(&pool->mutex);
    free(pool);
}

static void threads_free(struct executor *executor)
{
    stop(of(executor), of(executor)->thread_count);
}

static const struct executor_ops threads_ops = {
    .submit = threads_submit,
    .parallel = threads_parallel,
    .width = threads_width,
    .free = threads_free,
};

lode_status executor_nice_new(unsigned thread_count, int niceness, struct executor **ret_executor,
                              lode_error *error)
{
    if (thread_count > THREADS_MAX)
        return error_set(error, LODE_LIMIT, "%u threads: over the limit of %d", thread_count,
                         THREADS_MAX);
    if (thread_count == 0)
        thread_count = thread_cores() < THREADS_MAX ? thread_cores() : THREADS_MAX;
    size_t size = sizeof(struct executor_threads) + thread_count * sizeof(struct thread);
    struct executor_threads *pool = calloc(1, size);
    if (!pool)
        return error_nomem(error, "an executor", size);
    pool->base.ops = &threads_ops;
    pool->thread_count = thread_count; /* before the threads, which read it; so niceness */
    pool->niceness = niceness;
    mutex_init(&pool->mutex);
    cond_init(&pool->work);
    for (unsigned i = 0; i < thread_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "lode-%u", i % 1000);
        int os_errno = thread_start(&pool->threads[i], name, thread_run, pool);
        if (os_errno) {
            stop(pool, i);
            return error_os(error, os_errno, "cannot start thread %u of %u", i + 1, thread_count);
        }
    }
    *ret_executor = &pool->base;
    return LODE_OK;
}

lode_status executor_threads_new(unsigned thread_count, struct executor **ret_executor,
                                 lode_error *error)
{
    return executor_nice_new(thread_count, 0, ret_executor, error);
}
