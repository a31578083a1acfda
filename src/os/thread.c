/* thread.c: POSIX threads. A mutex that fails was misused, and nothing after it could be trusted. */
#include "os/thread.h"

#include "base/error.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define STACK_SIZE ((size_t)1 << 20) /* the same everywhere, whatever `ulimit -s` says */

void mutex_init(struct mutex *mutex)
{
    int failed = pthread_mutex_init(&mutex->handle, NULL);
    INVARIANT(!failed);
}

void mutex_release(struct mutex *mutex)
{
    int failed = pthread_mutex_destroy(&mutex->handle);
    INVARIANT(!failed);
}

void mutex_lock(struct mutex *mutex)
{
    int failed = pthread_mutex_lock(&mutex->handle);
    INVARIANT(!failed);
}

void mutex_unlock(struct mutex *mutex)
{
    int failed = pthread_mutex_unlock(&mutex->handle);
    INVARIANT(!failed);
}

void cond_init(struct cond *cond)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    INVARIANT(!failed);
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    INVARIANT(!failed);
    failed = pthread_cond_init(&cond->handle, &attributes);
    INVARIANT(!failed);
    pthread_condattr_destroy(&attributes);
}

void cond_release(struct cond *cond)
{
    int failed = pthread_cond_destroy(&cond->handle);
    INVARIANT(!failed);
}

void cond_wait(struct cond *cond, struct mutex *mutex)
{
    int failed = pthread_cond_wait(&cond->handle, &mutex->handle);
    INVARIANT(!failed);
}

int cond_wait_us(struct cond *cond, struct mutex *mutex, uint64_t timeout_us)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_us / 1000000); /* at most 600,000 years: no overflow */
    until.tv_nsec += (long)(timeout_us % 1000000) * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int failed = pthread_cond_timedwait(&cond->handle, &mutex->handle, &until);
    INVARIANT(!failed || failed == ETIMEDOUT);
    return failed == ETIMEDOUT;
}

void cond_signal(struct cond *cond)
{
    int failed = pthread_cond_signal(&cond->handle);
    INVARIANT(!failed);
}

void cond_broadcast(struct cond *cond)
{
    int failed = pthread_cond_broadcast(&cond->handle);
    INVARIANT(!failed);
}

/* What a new thread is to do; it frees it. */
struct start {
    void (*run)(void *);
    void *context;
    char name[16]; /* Linux's limit, NUL included */
};

static void *thread_main(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    (void)pthread_setname_np(pthread_self(), start.name);
    start.run(start.context);
    return NULL;
}

/* Signals belong to the program that uses us: its own threads take them. Those that a thread brings
 * upon itself must stay open, or the program's handler for them would not be called. */
static int create_without_signals(pthread_t *handle, const pthread_attr_t *attributes,
                                  struct start *start)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        sigdelset(&blocked, open[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failed = pthread_create(handle, attributes, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

int thread_start(struct thread *thread, const char *name, void (*run)(void *), void *context)
{
    struct start *start = malloc(sizeof *start);
    if (!start)
        return ENOMEM;
    *start = (struct start){.run = run, .context = context};
    strncpy(start->name, name, sizeof start->name - 1);
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (!failed) {
        (void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
        failed = create_without_signals(&thread->handle, &attributes, start);
        pthread_attr_destroy(&attributes);
    }
    if (failed)
        free(start);
    return failed;
}

void thread_join(struct thread *thread)
{
    int failed = pthread_join(thread->handle, NULL);
    INVARIANT(!failed);
}

void thread_give_way(int niceness)
{
#ifdef __linux__
    /* Linux's nice values are a thread's own, whatever POSIX says; who 0 is the calling thread. */
    const struct sched_param param = {0};
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0);
    if (errno == 0)
        (void)setpriority(PRIO_PROCESS, 0, now + niceness);
    (void)sched_setscheduler(0, SCHED_BATCH, &param);
#else
    (void)niceness;
#endif
}

void thread_sleep_us(unsigned us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    (void)nanosleep(&time, NULL);
}

unsigned thread_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}
