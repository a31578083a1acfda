/* The memory budget: what is counted, who waits, and that mapped pages go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "os/budget.h"
#include "os/clock.h"
#include "os/mapped.h"
#include "os/memory.h"
#include "os/thread.h"
#include "os/vfs.h"
#include "support/temp_dir.h"

#define MIB ((uint64_t)1 << 20)

static int clear(void **state)
{
    (void)state;
    budget_set(0);
    return 0;
}

static void shares_are_kept(void **state)
{
    (void)state;
    budget_set(160 * MIB);
    assert_int_equal(budget_share(BUDGET_GROWING), 30 * MIB);
    assert_int_equal(budget_share(BUDGET_BUILD), 60 * MIB);
    assert_int_equal(budget_share(BUDGET_WRITE), 20 * MIB);
    assert_true(budget_share(BUDGET_SCRATCH) == UINT64_MAX);
    assert_true(budget_try(BUDGET_WRITE, 20 * MIB));
    assert_false(budget_try(BUDGET_WRITE, 1));
    assert_true(budget_try(BUDGET_GROWING, MIB)); /* another part has its own */
    assert_false(budget_try(BUDGET_GROWING, UINT64_MAX));
    budget_take(BUDGET_WRITE, MIB); /* whatever there is */
    assert_int_equal(budget_used(BUDGET_WRITE), 21 * MIB);
    assert_false(budget_try(BUDGET_WRITE, 0));
    struct budget_figures figures;
    budget_figures(&figures);
    assert_int_equal(figures.used_sum, 22 * MIB);
    assert_true(figures.peak >= 22 * MIB);
    budget_give(BUDGET_WRITE, 21 * MIB);
    budget_give(BUDGET_GROWING, MIB);
    budget_figures(&figures);
    assert_int_equal(figures.used_sum, 0);
    assert_true(figures.peak >= 22 * MIB);
}

static void without_a_budget_all_is_allowed(void **state)
{
    (void)state;
    assert_true(budget_share(BUDGET_WRITE) == UINT64_MAX);
    assert_true(budget_try(BUDGET_WRITE, (uint64_t)1 << 50));
    budget_give(BUDGET_WRITE, (uint64_t)1 << 50);
    assert_int_equal(budget_used(BUDGET_WRITE), 0);
}

static void give_later(void *context)
{
    uint64_t seen = budget_returns();
    (void)context;
    assert_false(budget_wait(seen, 20000)); /* nobody gives: time runs out */
    budget_give(BUDGET_WRITE, MIB);
}

static void who_waits_is_woken(void **state)
{
    (void)state;
    struct thread thread;
    assert_true(budget_try(BUDGET_WRITE, MIB));
    uint64_t seen = budget_returns(), begin = clock_now_us(&clock_system);
    assert_int_equal(thread_start(&thread, "give", give_later, NULL), 0);
    assert_true(budget_wait(seen, 10000000));
    uint64_t waited = clock_now_us(&clock_system) - begin;
    assert_true(waited >= 20000 && waited < 5000000);
    thread_join(&thread);
}

/* Counts of many threads come out even. */
static void take_and_give(void *context)
{
    _Atomic uint64_t *refused = context;
    for (int i = 0; i < 20000; i++) {
        if (budget_try(BUDGET_WRITE, 3 * MIB)) {
            assert_true(budget_used(BUDGET_WRITE) <= budget_share(BUDGET_WRITE));
            budget_give(BUDGET_WRITE, 3 * MIB);
        } else {
            (*refused)++;
        }
    }
}

static void threads_share_it(void **state)
{
    (void)state;
    struct thread threads[4];
    _Atomic uint64_t refused = 0;
    budget_set(64 * MIB); /* 8 for batches: two at a time */
    for (int i = 0; i < 4; i++)
        assert_int_equal(thread_start(&threads[i], "take", take_and_give, &refused), 0);
    for (int i = 0; i < 4; i++)
        thread_join(&threads[i]);
    assert_int_equal(budget_used(BUDGET_WRITE), 0);
}

/* --- Mapped files ------------------------------------------------------------------------------ */

struct mapped_file {
    char dir[PATH_SIZE_MAX];
    struct vfs_file *file;
    const uint8_t *data;
    uint64_t size;
};

static void map_file(struct mapped_file *mapped, uint64_t size)
{
    char path[PATH_SIZE_MAX];
    uint8_t *block = malloc(MIB);
    temp_dir_make(mapped->dir);
    assert_int_equal(vfs_join(path, mapped->dir, "file", NULL), LODE_OK);
    unsigned flags = VFS_READ | VFS_WRITE | VFS_CREATE;
    assert_int_equal(vfs_open(vfs_posix(), path, flags, &mapped->file, NULL), LODE_OK);
    for (uint64_t at = 0; at < size; at += MIB) {
        memset(block, (int)(at / MIB) + 1, MIB);
        assert_int_equal(vfs_write(mapped->file, at, block, MIB, NULL), LODE_OK);
    }
    assert_int_equal(vfs_sync(mapped->file, NULL), LODE_OK);
    assert_int_equal(vfs_map(mapped->file, size, &mapped->data, NULL), LODE_OK);
    mapped->size = size;
    free(block);
}

static void unmap_file(struct mapped_file *mapped)
{
    vfs_unmap(mapped->file, mapped->data, mapped->size);
    vfs_close(mapped->file);
    temp_dir_remove(mapped->dir);
}

/* The highest resident size while every page is read once. */
static size_t touch_all(const struct mapped_file *mapped)
{
    size_t highest = 0;
    for (uint64_t at = 0; at < mapped->size; at += 4096) {
        assert_int_equal(mapped->data[at], at / MIB + 1);
        if (at % MAPPED_STEP == 0)
            mapped_look();
        if (at % MIB == 0 && memory_resident() > highest)
            highest = memory_resident();
    }
    return highest;
}

static void mapped_pages_go_back(void **state)
{
    (void)state;
    struct mapped_file mapped;
    struct mapped_figures figures;
    const char *sanitizer = getenv("LODE_SANITIZE");
    size_t before = memory_resident();
    if (before == 0 || before > 40 * MIB || (sanitizer && *sanitizer))
        skip(); /* no /proc, or a sanitizer's memory, which grows with what is touched */
    budget_set(64 * MIB);
    map_file(&mapped, 200 * MIB);
    mapped_figures(&figures);
    assert_true(figures.bytes >= 200 * MIB);
    uint64_t trims = figures.trims;
    assert_true(touch_all(&mapped) < 64 * MIB);
    assert_true(touch_all(&mapped) < 64 * MIB); /* and again, from pages given back */
    mapped_figures(&figures);
    assert_true(figures.trims > trims);
    budget_set(0);
    assert_true(touch_all(&mapped) > 180 * MIB); /* it is the budget that does it */
    unmap_file(&mapped);
    mapped_figures(&figures);
    assert_int_equal(figures.bytes, 0);
}

static void map_and_unmap(void *context)
{
    (void)context;
    struct mapped_file mapped;
    for (int i = 0; i < 5; i++) {
        map_file(&mapped, 4 * MIB);
        (void)touch_all(&mapped);
        unmap_file(&mapped);
    }
}

/* What is unmapped by one thread is not given back by another: that would hit what lies there next. */
static void trims_beside_unmaps(void **state)
{
    (void)state;
    struct thread threads[3];
    budget_set(MIB); /* always over it */
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_start(&threads[i], "map", map_and_unmap, NULL), 0);
    for (int i = 0; i < 3; i++)
        thread_join(&threads[i]);
}

static void memory_in_files(void **state)
{
    (void)state;
    char dir[PATH_SIZE_MAX];
    struct mapped_figures figures;
    temp_dir_make(dir);
    uint8_t *memory = memory_reserve_file(dir, 10 * MIB);
    assert_non_null(memory);
    mapped_figures(&figures);
    assert_int_equal(figures.bytes, 10 * MIB);
    for (uint64_t at = 0; at < 10 * MIB; at += 4096) {
        assert_int_equal(memory[at], 0);
        memory[at] = (uint8_t)(at / 4096 + 1);
    }
    budget_set(1); /* all of it goes, and nothing is lost */
    mapped_look();
    for (uint64_t at = 0; at < 10 * MIB; at += 4096)
        assert_int_equal(memory[at], (uint8_t)(at / 4096 + 1));
    memory_unreserve_file(memory, 10 * MIB);
    memory_unreserve_file(NULL, 10);
    mapped_figures(&figures);
    assert_int_equal(figures.bytes, 0);
    assert_null(memory_reserve_file("/nowhere", MIB));
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_a_budget_all_is_allowed, clear),
        cmocka_unit_test_teardown(shares_are_kept, clear),
        cmocka_unit_test_teardown(who_waits_is_woken, clear),
        cmocka_unit_test_teardown(threads_share_it, clear),
        cmocka_unit_test_teardown(mapped_pages_go_back, clear),
        cmocka_unit_test_teardown(trims_beside_unmaps, clear),
        cmocka_unit_test_teardown(memory_in_files, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
