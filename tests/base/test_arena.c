/* Allocations of an arena are aligned, apart from one another, and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/arena.h"
#include "base/random.h"

enum { COUNT = 3000 };

static size_t random_size(struct rng *rng)
{
    switch (rng_below(rng, 20)) {
    case 0: return 0;
    case 1: return rng_below(rng, 100000);
    default: return rng_below(rng, 200);
    }
}

/* Fill each with its own byte; a byte that has changed at the end belonged to two. */
static void allocations_do_not_overlap(void **state)
{
    (void)state;
    static struct {
        unsigned char *memory;
        size_t size;
    } taken[COUNT];
    struct arena arena;
    arena_init(&arena);
    struct rng rng;
    rng_init(&rng, 3);
    size_t total = 0;
    for (size_t i = 0; i < COUNT; i++) {
        taken[i].size = random_size(&rng);
        taken[i].memory = arena_alloc(&arena, taken[i].size);
        assert_non_null(taken[i].memory);
        assert_int_equal((uintptr_t)taken[i].memory % 16, 0);
        memset(taken[i].memory, (int)(i % 251), taken[i].size);
        total += taken[i].size;
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < taken[i].size; j++)
            if (taken[i].memory[j] != i % 251)
                fail_msg("allocation %zu was overwritten at %zu", i, j);
    for (size_t i = 1; i < COUNT; i++)
        assert_ptr_not_equal(taken[i].memory, taken[i - 1].memory); /* empty ones too */
    assert_true(arena.used_bytes >= total);
    assert_true(arena.used_bytes < total * 2);
    arena_release(&arena);
    assert_null(arena.blocks);
    assert_int_equal(arena.used_bytes, 0);
}

static void zeroed_and_copied(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    memset(arena_alloc(&arena, 1000), 0xff, 1000);
    arena_release(&arena); /* so that malloc has dirty memory to give */
    for (int i = 0; i < 50; i++) {
        unsigned char *zeros = arena_alloc_zero(&arena, 100);
        for (size_t j = 0; j < 100; j++)
            assert_int_equal(zeros[j], 0);
        memset(zeros, 0xff, 100);
    }
    char *copy = arena_copy(&arena, "a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    assert_string_equal(arena_copy(&arena, NULL, 0), "");
    arena_release(&arena);
}

static void impossible_sizes(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX / 2 + 1));
    assert_null(arena_copy(&arena, "", SIZE_MAX));
    assert_int_equal(arena.used_bytes, 0);
    arena_release(&arena);
}

/* A large allocation must not end the block being filled. */
static void large_ones_stand_alone(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    char *before = arena_alloc(&arena, 16);
    assert_non_null(arena_alloc(&arena, 1 << 20));
    char *after = arena_alloc(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(zeroed_and_copied),
        cmocka_unit_test(impossible_sizes),
        cmocka_unit_test(large_ones_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
