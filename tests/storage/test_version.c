/* Live sets and versions: copies, growth, references. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "storage/version.h"
#include "support/storage_kit.h"

static void a_new_live_set_is_all_alive(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 63, 64, 65, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct liveset *live = liveset_new(sizes[i]);
        assert_int_equal(live->bit_count, sizes[i]);
        assert_int_equal(bitset_count(live->words, sizes[i]), sizes[i]);
        liveset_unref(live);
    }
}

static void a_copy_keeps_the_dead_and_later_rows_live(void **state)
{
    (void)state;
    for (uint32_t from = 1; from < 200; from += 7)
        for (uint32_t to = 1; to < 300; to += 13) {
            struct liveset *live = liveset_new(from);
            bitset_unset(live->words, from - 1);
            bitset_unset(live->words, from / 2);
            struct liveset *copy = liveset_copy(live, to);
            assert_int_equal(copy->bit_count, to);
            for (uint32_t row = 0; row < to; row++)
                assert_int_equal(bitset_test(copy->words, row), row != from - 1 && row != from / 2);
            liveset_unref(live);
            liveset_unref(copy);
        }
    struct liveset *copy = liveset_copy(NULL, 100);
    assert_int_equal(bitset_count(copy->words, 100), 100);
    liveset_unref(copy);
}

/* Bits behind the count may have been cleared, as those read from a file are. */
static void growing_a_live_set_revives_what_was_beyond(void **state)
{
    (void)state;
    struct liveset *live = liveset_new(70);
    live->words[1] = 0x3f;
    struct liveset *copy = liveset_copy(live, 200);
    assert_int_equal(bitset_count(copy->words, 200), 200);
    liveset_unref(live);
    liveset_unref(copy);
}

struct counted {
    struct segment base;
    int *freed;
};

static void count_free(struct segment *segment)
{
    ++*((struct counted *)segment)->freed;
}

static void a_version_keeps_what_it_shows(void **state)
{
    (void)state;
    static const struct segment_ops counting = {.free = count_free};
    int freed = 0;
    struct counted segment = {.base = {.ops = &counting, .refs = 1}, .freed = &freed};
    struct version *first = version_new(1);
    first->views[0] =
        (struct segment_view){.segment = &segment.base, .live = liveset_new(10), .row_count = 10};
    struct version *second = version_new(1);
    second->views[0] = first->views[0];
    segment_ref(second->views[0].segment);
    liveset_ref(second->views[0].live);
    struct version *held = version_ref(first);
    version_unref(first);
    version_unref(second);
    assert_int_equal(freed, 0);
    assert_true(view_alive(&held->views[0], 9));
    assert_false(view_alive(&held->views[0], 10));
    version_unref(held);
    assert_int_equal(freed, 1);
    version_unref(NULL);
    liveset_unref(NULL);
    segment_unref(NULL);
    assert_null(liveset_ref(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_live_set_is_all_alive),
        cmocka_unit_test(a_copy_keeps_the_dead_and_later_rows_live),
        cmocka_unit_test(growing_a_live_set_revives_what_was_beyond),
        cmocka_unit_test(a_version_keeps_what_it_shows),
    };
    return cmocka_run_group_tests_name("storage/version", tests, NULL, NULL);
}
