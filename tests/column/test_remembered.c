/* What filters matched, remembered: on the second time, the last few of them, and never more memory than that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "column/remembered.h"
#include "os/budget.h"

#define ROWS 200u

static struct filter_key key_of(const char *text)
{
    struct filter_key key;
    assert_int_equal(sha256_of(text, strlen(text), key.digest, NULL), LODE_OK);
    return key;
}

/* A set that differs by `n`. */
static void fill(uint64_t *words, unsigned n)
{
    memset(words, 0, 4 * sizeof *words);
    words[n / 64] = (uint64_t)1 << n % 64;
    words[3] = 5;
}

static void keep(struct remembered *remembered, const char *text, unsigned n)
{
    struct filter_key key = key_of(text);
    uint64_t words[4];
    fill(words, n);
    if (remembered_wants(remembered, &key))
        remembered_keep(remembered, &key, words, ROWS);
}

static int has(struct remembered *remembered, const char *text, unsigned n)
{
    struct filter_key key = key_of(text);
    struct remembered_set *set = remembered_find(remembered, &key);
    uint64_t words[4];
    if (!set)
        return 0;
    fill(words, n);
    assert_memory_equal(set->words, words, sizeof words);
    assert_int_equal(set->count, 3);
    remembered_unref(set);
    return 1;
}

static void the_second_time_it_is_kept(void **state)
{
    (void)state;
    struct remembered remembered;
    remembered_init(&remembered);
    keep(&remembered, "a = 1", 1);
    assert_false(has(&remembered, "a = 1", 1));
    assert_int_equal(remembered_memory(&remembered), 0);
    keep(&remembered, "a = 1", 1);
    assert_true(has(&remembered, "a = 1", 1));
    assert_false(has(&remembered, "a = 2", 1));
    size_t once = remembered_memory(&remembered);
    keep(&remembered, "a = 1", 1);
    assert_int_equal(remembered_memory(&remembered), once);
    remembered_release(&remembered);
}

/* What is noted of filters asked once is a part of the key: it is never taken for the whole. */
static void a_part_of_the_key_does_not_tell(void **state)
{
    (void)state;
    struct remembered remembered;
    remembered_init(&remembered);
    keep(&remembered, "a = 1", 1);
    keep(&remembered, "a = 1", 1);
    struct filter_key other = key_of("a = 1");
    other.digest[SHA256_SIZE - 1] ^= 1;
    assert_null(remembered_find(&remembered, &other));
    remembered_release(&remembered);
}

static void the_one_asked_last_stays(void **state)
{
    (void)state;
    struct remembered remembered;
    char texts[REMEMBERED_SETS + 1][16];
    uint64_t before = budget_used(BUDGET_SCRATCH);
    remembered_init(&remembered);
    for (unsigned i = 0; i <= REMEMBERED_SETS; i++) {
        snprintf(texts[i], sizeof texts[i], "a = %u", i);
        keep(&remembered, texts[i], i);
        keep(&remembered, texts[i], i);
        assert_true(has(&remembered, texts[0], 0));
    }
    assert_false(has(&remembered, texts[1], 1)); /* the one that was not asked for */
    for (unsigned i = 2; i <= REMEMBERED_SETS; i++)
        assert_true(has(&remembered, texts[i], i));
    assert_true(budget_used(BUDGET_SCRATCH) > before);
    struct filter_key key = key_of(texts[0]);
    struct remembered_set *held = remembered_find(&remembered, &key);
    remembered_release(&remembered);
    assert_int_equal(held->count, 3); /* whoever has it keeps it */
    remembered_unref(held);
    assert_int_equal(budget_used(BUDGET_SCRATCH), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_time_it_is_kept),
        cmocka_unit_test(a_part_of_the_key_does_not_tell),
        cmocka_unit_test(the_one_asked_last_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
