/* Executors: every job runs once, in order of priority; loops end whatever else is going on. A
 * deadlock shows as a timeout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/limits.h"
#include "os/executor.h"
#include "os/thread.h"

enum { WIDE = 1000 };

static struct executor *new_executor(unsigned thread_count)
{
    struct executor *executor = NULL;
    lode_error error = {0};
    lode_status status = thread_count ? executor_threads_new(thread_count, &executor, &error)
                                      : executor_inline_new(&executor, &error);
    if (status)
        fail_msg("%s", error.message);
    return executor;
}

static void submit(struct executor *executor, enum executor_priority priority,
                   void (*run)(void *context), void *context)
{
    assert_int_equal(executor_submit(executor, priority, run, context, NULL), LODE_OK);
}

/* A gate that jobs wait at. */
struct gate {
    struct mutex mutex;
    struct cond cond;
    int open;
    int waiting;
};

static void gate_init(struct gate *gate)
{
    mutex_init(&gate->mutex);
    cond_init(&gate->cond);
    gate->open = gate->waiting = 0;
}

static void gate_release(struct gate *gate)
{
    cond_release(&gate->cond);
    mutex_release(&gate->mutex);
}

static void gate_pass(void *context)
{
    struct gate *gate = context;
    mutex_lock(&gate->mutex);
    gate->waiting++;
    cond_broadcast(&gate->cond);
    while (!gate->open)
        cond_wait(&gate->cond, &gate->mutex);
    mutex_unlock(&gate->mutex);
}

static void gate_await(struct gate *gate, int waiting)
{
    mutex_lock(&gate->mutex);
    while (gate->waiting < waiting)
        cond_wait(&gate->cond, &gate->mutex);
    mutex_unlock(&gate->mutex);
}

static void gate_open(struct gate *gate)
{
    mutex_lock(&gate->mutex);
    gate->open = 1;
    cond_broadcast(&gate->cond);
    mutex_unlock(&gate->mutex);
}

/* --- Jobs -------------------------------------------------------------------------------------- */

static void add_one(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void free_waits_for_all(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads <= 4; threads++) {
        struct executor *executor = new_executor(threads);
        atomic_int count = 0;
        for (int i = 0; i < WIDE; i++)
            submit(executor, i % 2 ? EXECUTOR_HIGH : EXECUTOR_LOW, add_one, &count);
        executor_free(executor);
        assert_int_equal(count, WIDE);
    }
    executor_free(NULL);
}

/* Threads that have gone to sleep are woken by the next job and the next loop. */
static void idle_threads_are_woken(void **state)
{
    (void)state;
    struct executor *executor = new_executor(2);
    struct gate gate;
    gate_init(&gate);
    gate_open(&gate);
    for (int round = 1; round <= 6; round++) {
        usleep(10000);
        submit(executor, round % 2 ? EXECUTOR_HIGH : EXECUTOR_LOW, gate_pass, &gate);
        gate_await(&gate, round);
    }
    executor_free(executor);
    gate_release(&gate);
}

struct order {
    char *next;
    char text[16];
};

struct named {
    struct order *order;
    char name;
};

static void write_name(void *context)
{
    struct named *named = context;
    *named->order->next++ = named->name;
}

/* One thread, held at a gate while jobs pile up. */
static void order_of_jobs(void **state)
{
    (void)state;
    struct executor *executor = new_executor(1);
    struct gate gate;
    gate_init(&gate);
    submit(executor, EXECUTOR_LOW, gate_pass, &gate);
    gate_await(&gate, 1);
    struct order order = {.text = ""};
    order.next = order.text;
    struct named jobs[6];
    static const char names[] = "aAbBcC"; /* capitals are high */
    for (int i = 0; i < 6; i++) {
        jobs[i] = (struct named){&order, names[i]};
        submit(executor, i % 2 ? EXECUTOR_HIGH : EXECUTOR_LOW, write_name, &jobs[i]);
    }
    gate_open(&gate);
    executor_free(executor);
    gate_release(&gate);
    assert_string_equal(order.text, "ABCabc");
}

struct chain {
    struct executor *executor;
    atomic_int left;
};

static void submit_next(void *context)
{
    struct chain *chain = context;
    if (atomic_fetch_sub(&chain->left, 1) > 1)
        submit(chain->executor, EXECUTOR_LOW, submit_next, chain);
}

/* Jobs that submit jobs; freeing waits for those too. */
static void jobs_submit_jobs(void **state)
{
    (void)state;
    struct executor *executor = new_executor(3);
    struct chain chain = {executor, WIDE};
    submit(executor, EXECUTOR_LOW, submit_next, &chain);
    executor_free(executor);
    assert_int_equal(chain.left, 0);
}

/* --- Loops ------------------------------------------------------------------------------------- */

static void mark(void *context, size_t i)
{
    ((unsigned char *)context)[i]++; /* each index by one thread alone: no atomic, TSan watches */
}

static void every_index_once(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads <= 4; threads++) {
        struct executor *executor = new_executor(threads);
        assert_int_equal(executor_width(executor), threads ? threads : 1);
        for (size_t count = 0; count < 200; count += count < 10 ? 1 : 37) {
            unsigned char marks[200] = {0};
            executor_parallel(executor, count, mark, marks);
            for (size_t i = 0; i < sizeof marks; i++)
                assert_int_equal(marks[i], i < count);
        }
        executor_free(executor);
    }
}

/* As many bodies as the executor is wide can run at the same time: each waits for all others. */
struct meeting {
    struct mutex mutex;
    struct cond cond;
    unsigned wanted, present;
};

static void meet(void *context, size_t i)
{
    (void)i;
    struct meeting *meeting = context;
    mutex_lock(&meeting->mutex);
    meeting->present++;
    cond_broadcast(&meeting->cond);
    while (meeting->present < meeting->wanted)
        cond_wait(&meeting->cond, &meeting->mutex);
    mutex_unlock(&meeting->mutex);
}

static void loops_are_as_wide_as_promised(void **state)
{
    (void)state;
    struct executor *executor = new_executor(4);
    for (int round = 0; round < 50; round++) {
        struct meeting meeting = {.wanted = executor_width(executor)};
        mutex_init(&meeting.mutex);
        cond_init(&meeting.cond);
        executor_parallel(executor, 4, meet, &meeting);
        assert_int_equal(meeting.present, 4);
        cond_release(&meeting.cond);
        mutex_release(&meeting.mutex);
    }
    executor_free(executor);
}

struct width {
    atomic_int now, most;
};

static void measure(void *context, size_t i)
{
    (void)i;
    struct width *width = context;
    int now = atomic_fetch_add(&width->now, 1) + 1, most = atomic_load(&width->most);
    while (now > most && !atomic_compare_exchange_weak(&width->most, &most, now)) {
    }
    sched_yield();
    atomic_fetch_sub(&width->now, 1);
}

static void loops_are_no_wider(void **state)
{
    (void)state;
    struct executor *executor = new_executor(3);
    struct width width = {0};
    for (int round = 0; round < 200; round++)
        executor_parallel(executor, 20, measure, &width);
    assert_in_range(width.most, 1, 3);
    executor_free(executor);
}

/* All threads are held: the caller does the loop alone. */
static void busy_threads_do_not_block_loops(void **state)
{
    (void)state;
    struct executor *executor = new_executor(3);
    struct gate gate;
    gate_init(&gate);
    for (int i = 0; i < 3; i++)
        submit(executor, EXECUTOR_LOW, gate_pass, &gate);
    gate_await(&gate, 3);
    unsigned char marks[WIDE] = {0};
    executor_parallel(executor, WIDE, mark, marks);
    for (size_t i = 0; i < WIDE; i++)
        assert_int_equal(marks[i], 1);
    gate_open(&gate);
    executor_free(executor);
    gate_release(&gate);
}

struct nest {
    struct executor *executor;
    atomic_int *count;
    int depth;
};

static void nested(void *context, size_t i)
{
    (void)i;
    struct nest *nest = context;
    atomic_fetch_add(nest->count, 1);
    struct nest inner = {nest->executor, nest->count, nest->depth - 1};
    if (nest->depth > 0)
        executor_parallel(nest->executor, 4, nested, &inner);
}

static void nested_job(void *context)
{
    nested(context, 0);
}

/* Loops in loops in jobs, more of them than threads. */
static void loops_inside_jobs(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads <= 3; threads++) {
        struct executor *executor = new_executor(threads);
        atomic_int count = 0;
        struct nest nest = {executor, &count, 3};
        for (int i = 0; i < 40; i++)
            submit(executor, i % 2 ? EXECUTOR_HIGH : EXECUTOR_LOW, nested_job, &nest);
        executor_free(executor);
        assert_int_equal(count, 40 * (1 + 4 + 16 + 64));
    }
}

struct caller {
    struct executor *executor;
    long sum;
};

static void square(void *context, size_t i)
{
    ((long *)context)[i] = (long)(i * i);
}

static void call_loops(void *context)
{
    struct caller *caller = context;
    for (int round = 0; round < 200; round++) {
        long squares[50] = {0};
        executor_parallel(caller->executor, 50, square, squares);
        for (int i = 0; i < 50; i++)
            caller->sum += squares[i];
    }
}

/* Several threads that are not the executor's call loops at once, while jobs come in. */
static void several_callers(void **state)
{
    (void)state;
    struct executor *executor = new_executor(2);
    struct thread threads[4];
    struct caller callers[4];
    atomic_int count = 0;
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){executor, 0};
        assert_int_equal(thread_start(&threads[i], "caller", call_loops, &callers[i]), 0);
    }
    for (int i = 0; i < WIDE; i++)
        submit(executor, EXECUTOR_LOW, add_one, &count);
    for (int i = 0; i < 4; i++) {
        thread_join(&threads[i]);
        assert_int_equal(callers[i].sum, 200 * 40425);
    }
    executor_free(executor);
    assert_int_equal(count, WIDE);
}

/* --- Making one -------------------------------------------------------------------------------- */

static void look_at_priority(void *context)
{
    int *niceness = context;
    *niceness = getpriority(PRIO_PROCESS, 0);
}

static void threads_may_be_nice(void **state)
{
    (void)state;
    struct executor *executor;
    int before = getpriority(PRIO_PROCESS, 0), niceness = -1;
    assert_int_equal(executor_nice_new(1, 2, &executor, NULL), LODE_OK);
    submit(executor, EXECUTOR_LOW, look_at_priority, &niceness);
    executor_free(executor);
    assert_int_equal(niceness, before + 2 < 19 ? before + 2 : 19);
}

static void thread_counts(void **state)
{
    (void)state;
    struct executor *executor;
    lode_error error = {0};
    assert_int_equal(executor_threads_new(THREADS_MAX + 1, &executor, &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "256"));
    assert_int_equal(executor_threads_new(0, &executor, &error), LODE_OK);
    assert_int_equal(executor_width(executor), thread_cores());
    executor_free(executor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_waits_for_all),  cmocka_unit_test(idle_threads_are_woken),
        cmocka_unit_test(order_of_jobs),       cmocka_unit_test(jobs_submit_jobs),
        cmocka_unit_test(every_index_once),    cmocka_unit_test(loops_are_as_wide_as_promised),
        cmocka_unit_test(loops_are_no_wider),  cmocka_unit_test(busy_threads_do_not_block_loops),
        cmocka_unit_test(loops_inside_jobs),   cmocka_unit_test(several_callers),
        cmocka_unit_test(threads_may_be_nice), cmocka_unit_test(thread_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
