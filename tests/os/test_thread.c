/* Mutexes, conditions, threads and clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "os/clock.h"
#include "os/thread.h"

enum { THREADS = 4, ROUNDS = 20000 };

struct counter {
    struct mutex mutex;
    struct cond cond;
    int count;
};

static void count_up(void *context)
{
    struct counter *counter = context;
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&counter->mutex);
        counter->count++;
        mutex_unlock(&counter->mutex);
    }
}

static void mutexes_exclude(void **state)
{
    (void)state;
    struct counter counter = {.count = 0};
    struct thread threads[THREADS];
    mutex_init(&counter.mutex);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "counter", count_up, &counter), 0);
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    assert_int_equal(counter.count, THREADS * ROUNDS);
    mutex_release(&counter.mutex);
}

static void wait_for_one(void *context)
{
    struct counter *counter = context;
    mutex_lock(&counter->mutex);
    while (counter->count == 0)
        cond_wait(&counter->cond, &counter->mutex);
    counter->count++;
    mutex_unlock(&counter->mutex);
}

static void broadcast_wakes_all(void **state)
{
    (void)state;
    struct counter counter = {.count = 0};
    struct thread threads[THREADS];
    mutex_init(&counter.mutex);
    cond_init(&counter.cond);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "waiter", wait_for_one, &counter), 0);
    mutex_lock(&counter.mutex);
    counter.count = 1;
    cond_broadcast(&counter.cond);
    mutex_unlock(&counter.mutex);
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    assert_int_equal(counter.count, 1 + THREADS);
    cond_release(&counter.cond);
    mutex_release(&counter.mutex);
}

static void waits_end_in_time(void **state)
{
    (void)state;
    struct counter counter = {.count = 0};
    mutex_init(&counter.mutex);
    cond_init(&counter.cond);
    mutex_lock(&counter.mutex);
    static const uint64_t timeouts_us[] = {0, 1000, 999999};
    for (int i = 0; i < 3; i++) {
        uint64_t begin = clock_now_us(&clock_system);
        while (!cond_wait_us(&counter.cond, &counter.mutex, timeouts_us[i])) {
        }
        assert_true(clock_now_us(&clock_system) - begin >= timeouts_us[i]);
    }
    mutex_unlock(&counter.mutex);
    cond_release(&counter.cond);
    mutex_release(&counter.mutex);
}

static void signal_soon(void *context)
{
    struct counter *counter = context;
    mutex_lock(&counter->mutex);
    counter->count = 1;
    cond_signal(&counter->cond);
    mutex_unlock(&counter->mutex);
}

/* "For ever" must not overflow into "not at all". */
static void endless_timeout_is_woken(void **state)
{
    (void)state;
    struct counter counter = {.count = 0};
    struct thread thread;
    mutex_init(&counter.mutex);
    cond_init(&counter.cond);
    mutex_lock(&counter.mutex);
    assert_int_equal(thread_start(&thread, "signaller", signal_soon, &counter), 0);
    while (counter.count == 0)
        assert_int_equal(cond_wait_us(&counter.cond, &counter.mutex, UINT64_MAX), 0);
    mutex_unlock(&counter.mutex);
    thread_join(&thread);
    cond_release(&counter.cond);
    mutex_release(&counter.mutex);
}

struct seen {
    char name[16];
    int usr1_blocked, segv_blocked;
};

static void look_around(void *context)
{
    struct seen *seen = context;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    seen->usr1_blocked = sigismember(&mask, SIGUSR1);
    seen->segv_blocked = sigismember(&mask, SIGSEGV);
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
}

/* Signals belong to the threads of the program that uses the library. */
static void threads_take_no_signals(void **state)
{
    (void)state;
    struct seen seen = {.segv_blocked = 1};
    struct thread thread;
    assert_int_equal(thread_start(&thread, "a name longer than allowed", look_around, &seen), 0);
    thread_join(&thread);
    assert_int_equal(seen.usr1_blocked, 1);
    assert_int_equal(seen.segv_blocked, 0);
    assert_string_equal(seen.name, "a name longer t"); /* what Linux leaves of it */
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGUSR1), 0); /* and ours are as before */
}

static void give_way(void *context)
{
    int *niceness = context;
    thread_give_way(3);
    *niceness = getpriority(PRIO_PROCESS, 0);
}

/* A thread alone: whoever started it keeps its own priority. */
static void threads_give_way(void **state)
{
    (void)state;
    struct thread thread;
    int before = getpriority(PRIO_PROCESS, 0), niceness = -1;
    assert_int_equal(thread_start(&thread, "nice", give_way, &niceness), 0);
    thread_join(&thread);
    assert_int_equal(niceness, before + 3 < 19 ? before + 3 : 19);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static void cores_follow_affinity(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(thread_cores(), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    unsigned cores = thread_cores();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cores, 1);
}

static void clocks(void **state)
{
    (void)state;
    uint64_t before = clock_now_us(&clock_system);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_now_us(&clock_system);
        assert_true(now >= before);
        before = now;
    }
    uint64_t wall_s = clock_system.wall_us(clock_system.context) / 1000000;
    assert_true(wall_s > 1704067200 && wall_s < 4102444800); /* 2024 to 2100 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutexes_exclude),         cmocka_unit_test(broadcast_wakes_all),
        cmocka_unit_test(waits_end_in_time),       cmocka_unit_test(endless_timeout_is_woken),
        cmocka_unit_test(threads_take_no_signals), cmocka_unit_test(threads_give_way),
        cmocka_unit_test(cores_follow_affinity),   cmocka_unit_test(clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
