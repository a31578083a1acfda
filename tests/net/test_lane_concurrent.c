/* Lanes: order, bounds by time and count, late items, removal; with real threads and a clock that tests turn. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "net/lane.h"
#include "os/thread.h"

struct task {
    struct lane_item item; /* first */
    atomic_int ran, late;
    unsigned order;
};

static _Atomic uint64_t now_us;
static atomic_uint order;
static atomic_int gate; /* runs wait while it is 0 */
static atomic_int inside;
static _Atomic uint64_t run_us; /* by which a run turns the clock */

static uint64_t read_clock(void *context)
{
    (void)context;
    return atomic_load(&now_us);
}

static const struct clock test_clock = {read_clock, read_clock, NULL};

static void run(struct lane_item *item, uint64_t waited_us)
{
    struct task *task = (struct task *)(void *)item;
    (void)waited_us;
    atomic_fetch_add(&inside, 1);
    while (!atomic_load(&gate))
        thread_sleep_us(100);
    atomic_fetch_add(&now_us, atomic_load(&run_us));
    task->order = atomic_fetch_add(&order, 1);
    atomic_fetch_sub(&inside, 1);
    atomic_store(&task->ran, 1);
}

static void late(struct lane_item *item, uint64_t waited_us)
{
    struct task *task = (struct task *)(void *)item;
    (void)waited_us;
    atomic_store(&task->late, 1);
}

static const struct lane_work test_work = {run, late};

static struct lane *begin(unsigned threads, unsigned wait_ms_max, unsigned queue_max)
{
    const struct net_lane_options options = {threads, wait_ms_max, queue_max};
    struct lane *lane = NULL;
    atomic_store(&gate, 0);
    atomic_store(&order, 0);
    atomic_store(&run_us, 0);
    atomic_store(&now_us, 1000000);
    assert_int_equal(lane_new(&options, &test_work, &test_clock, &lane, NULL), LODE_OK);
    assert_int_equal(lane_start(lane, "lane", NULL), LODE_OK);
    return lane;
}

static void finish(struct lane *lane)
{
    atomic_store(&gate, 1);
    lane_stop(lane);
    lane_free(lane);
}

static bool submit(struct lane *lane, struct task *task, uint64_t *ret_wait_us)
{
    bool admitted = lane_submit(lane, &task->item, ret_wait_us);
    lane_wake(lane);
    return admitted;
}

static void wait_for(atomic_int *value, int expected)
{
    while (atomic_load(value) != expected)
        thread_sleep_us(100);
}

static void wait_for_rest(struct lane *lane)
{
    struct net_lane_stats stats;
    do
        lane_stats(lane, &stats);
    while (stats.running || stats.queued);
}

static void test_order(void **state)
{
    struct task tasks[100] = {0};
    struct lane *lane = begin(1, 1000, 1000);
    uint64_t wait_us = 0;
    (void)state;
    for (size_t i = 0; i < 100; i++)
        assert_true(submit(lane, &tasks[i], &wait_us));
    finish(lane);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(tasks[i].ran && !tasks[i].late);
        assert_int_equal(tasks[i].order, i);
    }
}

static void test_count(void **state)
{
    struct task tasks[5] = {0};
    struct lane *lane = begin(1, 1000, 2);
    struct net_lane_stats stats;
    uint64_t wait_us = 0;
    (void)state;
    assert_true(submit(lane, &tasks[0], &wait_us));
    wait_for(&inside, 1);
    assert_true(submit(lane, &tasks[1], &wait_us));
    assert_true(lane_has_room(lane, &wait_us));
    assert_true(submit(lane, &tasks[2], &wait_us));
    assert_false(submit(lane, &tasks[3], &wait_us));
    assert_false(lane_has_room(lane, &wait_us));
    lane_stats(lane, &stats);
    assert_int_equal(stats.running, 1);
    assert_int_equal(stats.queued, 2);
    assert_int_equal(stats.admitted, 3);
    assert_int_equal(stats.refused, 2);
    finish(lane);
    assert_true(tasks[2].ran && !tasks[3].ran && !tasks[3].late);
}

/* So many runs of 10 ms that the average is 10 ms, by and large. */
static void warm_up(struct lane *lane)
{
    struct task tasks[100] = {0};
    uint64_t wait_us = 0;
    atomic_store(&run_us, 10000);
    atomic_store(&gate, 1);
    for (size_t i = 0; i < 100; i++) {
        assert_true(submit(lane, &tasks[i], &wait_us));
        wait_for_rest(lane);
    }
    atomic_store(&gate, 0);
}

/* Runs of 10 ms on two threads: the bound of 20 ms is reached with four in the queue. */
static void test_estimate(void **state)
{
    struct task tasks[12] = {0};
    struct lane *lane = begin(2, 20, 1000);
    struct net_lane_stats stats;
    uint64_t wait_us = 0;
    (void)state;
    warm_up(lane);
    size_t admitted = 0;
    for (; admitted < 2; admitted++)
        assert_true(submit(lane, &tasks[admitted], &wait_us));
    wait_for(&inside, 2);
    while (admitted < 12 && submit(lane, &tasks[admitted], &wait_us))
        admitted++;
    assert_int_equal(admitted, 2 + 5); /* the fifth comes when four wait: 20 ms, which is allowed */
    assert_in_range(wait_us, 24500, 25000);
    lane_stats(lane, &stats);
    assert_int_equal(stats.expected_wait_us, wait_us);
    atomic_store(&run_us, 0);
    finish(lane);
}

/* One slow run says little about the next. */
static void test_slow_beginning(void **state)
{
    struct task slow = {0}, tasks[6] = {0};
    struct lane *lane = begin(1, 20, 1000);
    uint64_t wait_us = 0;
    (void)state;
    atomic_store(&run_us, 40000);
    atomic_store(&gate, 1);
    assert_true(submit(lane, &slow, &wait_us));
    wait_for(&slow.ran, 1);
    atomic_store(&gate, 0);
    atomic_store(&run_us, 0);
    for (size_t i = 0; i < 6; i++)
        assert_true(submit(lane, &tasks[i], &wait_us));
    finish(lane);
}

/* Short runs are wanted to be helped with, and threads sleep on; long ones are not, and threads are woken. */
static void test_help(void **state)
{
    struct task tasks[40] = {0};
    struct lane *lane = begin(1, 1000, 1000);
    uint64_t wait_us = 0;
    (void)state;
    atomic_store(&gate, 1);
    thread_sleep_us(20000);
    assert_false(lane_wants_help(lane, 200)); /* nothing is queued */
    for (size_t i = 0; i < 20; i++)
        assert_true(lane_submit(lane, &tasks[i].item, &wait_us));
    thread_sleep_us(20000);
    assert_int_equal(tasks[0].ran, 0); /* queueing wakes nobody */
    assert_true(lane_wants_help(lane, 200));
    atomic_store(&run_us, 100);
    assert_true(lane_help(lane, atomic_load(&now_us) +
                                    250)); /* three runs; a thread is woken for the rest */
    assert_int_equal(tasks[2].ran, 1);
    wait_for(&tasks[19].ran, 1);
    atomic_store(&run_us, 100000);
    for (size_t i = 20; i < 39; i++) {
        assert_true(submit(lane, &tasks[i], &wait_us));
        wait_for_rest(lane);
    }
    assert_true(lane_submit(lane, &tasks[39].item, &wait_us));
    assert_false(lane_wants_help(lane, 200)); /* some ms on average now; the thread is woken */
    wait_for(&tasks[39].ran, 1);
    atomic_store(&run_us, 0);
    finish(lane);
}

/* Admitted, but its turn comes too late; and expired while no thread is free. */
static void test_late(void **state)
{
    struct task tasks[4] = {0};
    struct lane *lane = begin(1, 50, 1000);
    uint64_t wait_us = 0;
    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_true(submit(lane, &tasks[i], &wait_us));
    wait_for(&inside, 1);
    lane_expire(lane);
    assert_false(tasks[1].late);
    atomic_fetch_add(&now_us, 50000);
    lane_expire(lane);
    assert_false(tasks[1].late);
    assert_true(submit(lane, &tasks[2], &wait_us));
    atomic_fetch_add(&now_us, 1);
    lane_expire(lane);
    assert_true(tasks[1].late);
    assert_false(tasks[2].late);
    atomic_fetch_add(&now_us, 50000);
    finish(lane);
    assert_true(tasks[0].ran && !tasks[1].ran);
    assert_true(tasks[2].late && !tasks[2].ran);
}

static void test_remove(void **state)
{
    struct task tasks[4] = {0};
    struct lane *lane = begin(1, 1000, 1000);
    uint64_t wait_us = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_true(submit(lane, &tasks[i], &wait_us));
    wait_for(&inside, 1);
    assert_false(lane_remove(lane, &tasks[0].item));
    assert_true(lane_remove(lane, &tasks[2].item));
    assert_false(lane_remove(lane, &tasks[2].item));
    assert_true(lane_remove(lane, &tasks[3].item));
    finish(lane);
    assert_true(tasks[0].ran && tasks[1].ran && !tasks[2].ran && !tasks[3].ran);
}

static void pass_spell(void)
{
    atomic_fetch_add(&now_us, 200001);
}

/* One task is being run, for 10 ms; of the others 26 are let in, the next is refused, and then 17 are left in the queue. */
static void overload(struct lane *lane, struct task *tasks)
{
    uint64_t wait_us = 0;
    size_t count = 0;
    warm_up(lane);
    assert_true(submit(lane, &tasks[count++], &wait_us));
    wait_for(&inside, 1);
    while (submit(lane, &tasks[count], &wait_us))
        count++;
    assert_int_equal(count, 1 + 26);
    while (count > 1 + 17)
        assert_true(lane_remove(lane, &tasks[--count].item));
}

/* Runs of 10 ms on one thread, of which 25 may wait. Once one more was refused it is 16, and after a fifth of a second without
 * a refusal 25 again. */
static void test_overload(void **state)
{
    struct task tasks[60] = {0};
    struct lane *lane = begin(1, 250, 1000);
    uint64_t wait_us = 0;
    size_t count = 1 + 17;
    (void)state;
    overload(lane, tasks);
    assert_false(lane_has_room(lane, &wait_us));
    assert_in_range(wait_us, 169000, 170000);
    assert_true(lane_remove(lane, &tasks[--count].item));
    assert_true(lane_has_room(lane, &wait_us));
    pass_spell();
    assert_true(lane_has_room(lane, &wait_us));
    pass_spell();
    while (count > 1)
        assert_true(lane_remove(lane, &tasks[--count].item));
    for (count = 30; count < 50; count++)
        assert_true(submit(lane, &tasks[count], &wait_us));
    atomic_store(&run_us, 0);
    finish(lane);
}

/* In a spell one is refused as 17 wait, and then come so many that find room. */
static void refuse_one(struct lane *lane, struct task *task, unsigned others)
{
    uint64_t wait_us = 0;
    pass_spell();
    assert_false(lane_has_room(lane, &wait_us));
    assert_true(lane_remove(lane, &task->item));
    for (unsigned i = 1; i < others; i++)
        assert_true(lane_has_room(lane, &wait_us));
    assert_true(lane_submit(lane, &task->item, &wait_us));
}

/* One of 19 refused: still overloaded. One of 21: no more. */
static void test_overload_share(void **state)
{
    struct task tasks[60] = {0};
    struct lane *lane = begin(1, 250, 1000);
    uint64_t wait_us = 0;
    (void)state;
    overload(lane, tasks);
    refuse_one(lane, &tasks[17], 18);
    refuse_one(lane, &tasks[17], 20);
    pass_spell();
    assert_true(submit(lane, &tasks[18], &wait_us));
    atomic_store(&run_us, 0);
    finish(lane);
}

/* Runs of 90 us, of which 1 ms may wait: an overloaded lane wants no help, however short its runs. */
static void test_overload_without_help(void **state)
{
    struct task warm[100] = {0}, tasks[40] = {0};
    struct lane *lane = begin(1, 1, 1000);
    uint64_t wait_us = 0;
    size_t count = 0;
    (void)state;
    atomic_store(&gate, 1);
    atomic_store(&run_us, 90);
    for (size_t i = 0; i < 100; i++) {
        assert_true(lane_submit(lane, &warm[i].item, &wait_us));
        assert_false(lane_help(lane, atomic_load(&now_us) + 1));
    }
    while (count < 39 && lane_submit(lane, &tasks[count].item, &wait_us))
        count++;
    assert_in_range(count, 11, 13);
    assert_false(lane_wants_help(lane, 100000)); /* the thread is woken */
    wait_for(&tasks[count - 1].ran, 1);
    atomic_fetch_add(&now_us, 400001);
    assert_true(lane_submit(lane, &tasks[39].item, &wait_us));
    assert_true(lane_wants_help(lane, 100000));
    finish(lane);
}

/* Submitted and removed from several threads: each is run once, or was removed. */
#define HAMMERS 3
#define BLOWS   2000

static void hammer(void *context)
{
    struct lane *lane = context;
    uint64_t wait_us = 0;
    for (size_t i = 0; i < BLOWS; i++) {
        struct task task = {0};
        assert_true(submit(lane, &task, &wait_us));
        if (lane_remove(lane, &task.item)) {
            assert_false(task.ran);
            continue;
        }
        wait_for(&task.ran, 1);
    }
}

static void test_hammer(void **state)
{
    struct thread threads[HAMMERS];
    struct lane *lane = begin(2, 1000, 1000);
    (void)state;
    atomic_store(&gate, 1);
    for (size_t i = 0; i < HAMMERS; i++)
        assert_int_equal(thread_start(&threads[i], "hammer", hammer, lane), 0);
    for (size_t i = 0; i < HAMMERS; i++)
        thread_join(&threads[i]);
    finish(lane);
}

static void test_options(void **state)
{
    const struct net_lane_options none = {0, 10, 10};
    struct lane *lane = NULL;
    lode_error error = {0};
    (void)state;
    assert_int_equal(lane_new(&none, &test_work, &test_clock, &lane, &error), LODE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),          cmocka_unit_test(test_count),
        cmocka_unit_test(test_estimate),       cmocka_unit_test(test_slow_beginning),
        cmocka_unit_test(test_help),           cmocka_unit_test(test_late),
        cmocka_unit_test(test_remove),         cmocka_unit_test(test_hammer),
        cmocka_unit_test(test_options),        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_overload_share), cmocka_unit_test(test_overload_without_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
