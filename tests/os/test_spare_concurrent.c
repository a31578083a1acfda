/* test_spare_concurrent.c: pieces of memory taken and given back by several threads: nobody has another's, all are
 * counted, what waits is bounded and goes when it is asked to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "os/budget.h"
#include "os/spare.h"
#include "os/thread.h"

enum { THREADS = 4, ROUNDS = 3000, HELD = 6 };

static const size_t sizes[] = {1,      100,    32768,      32769,   65536,      65537,   125000,
                               250016, 375008, (1u << 20), 2000000, (4u << 20), 5000000, 140000};

struct user {
    struct thread thread;
    unsigned number;
};

struct piece {
    uint8_t *bytes;
    size_t size;
};

static void check(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what); /* cmocka's assertions are for the main thread */
    abort();
}

/* Its ends and its middle are enough: others would write there too. */
static void mark(const struct piece *piece, uint8_t mark_byte)
{
    piece->bytes[0] = piece->bytes[piece->size / 2] = piece->bytes[piece->size - 1] = mark_byte;
}

static void check_mark(const struct piece *piece, uint8_t mark_byte)
{
    check(piece->bytes[0] == mark_byte && piece->bytes[piece->size / 2] == mark_byte &&
              piece->bytes[piece->size - 1] == mark_byte,
          "a piece was written to by another");
}

static void take(struct piece *piece, struct rng *rng)
{
    piece->size = sizes[rng_below(rng, sizeof sizes / sizeof *sizes)];
    if (rng_below(rng, 2)) {
        piece->bytes = spare_take_zeroed(piece->size);
        check(piece->bytes != NULL, "no memory");
        check_mark(piece, 0);
    } else {
        piece->bytes = spare_take(piece->size);
        check(piece->bytes != NULL, "no memory");
    }
}

static void use(void *context)
{
    const struct user *user = context;
    struct piece pieces[HELD] = {{NULL, 0}};
    struct rng rng;
    rng_init(&rng, user->number);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct piece *piece = &pieces[rng_below(&rng, HELD)];
        if (piece->bytes) {
            check_mark(piece, (uint8_t)(user->number + 1));
            spare_give(piece->bytes, piece->size);
        }
        take(piece, &rng);
        mark(piece, (uint8_t)(user->number + 1));
    }
    for (unsigned i = 0; i < HELD; i++)
        spare_give(pieces[i].bytes, pieces[i].size);
}

static void nobody_has_anothers(void **state)
{
    (void)state;
    struct user users[THREADS];
    uint64_t before = budget_used(BUDGET_SCRATCH);
    for (unsigned i = 0; i < THREADS; i++) {
        users[i].number = i;
        assert_int_equal(thread_start(&users[i].thread, "user", use, &users[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(&users[i].thread);
    assert_true(budget_used(BUDGET_SCRATCH) - before <= SPARE_KEPT_MAX);
    spare_release();
    assert_int_equal(budget_used(BUDGET_SCRATCH), before);
}

static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    enum { MANY = 100 };
    static void *pieces[MANY];
    for (size_t size = 40000; size < (8u << 20); size *= 2) {
        for (unsigned i = 0; i < MANY / 4; i++)
            pieces[i] = spare_take(size);
        for (unsigned i = 0; i < MANY / 4; i++)
            spare_give(pieces[i], size);
    }
    assert_true(budget_used(BUDGET_SCRATCH) <= SPARE_KEPT_MAX);
    spare_release();
    assert_int_equal(budget_used(BUDGET_SCRATCH), 0);
    spare_give(NULL, 100);
}

/* Of 64 MiB, scratch may have two for pieces to be kept. */
static void less_is_kept_where_there_is_a_budget(void **state)
{
    (void)state;
    budget_set(64u << 20);
    void *large = spare_take(3u << 20), *small = spare_take(60000);
    spare_give(large, 3u << 20);
    spare_give(small, 60000);
    assert_true(budget_used(BUDGET_SCRATCH) <= 65536);
    spare_release();
    budget_set(0);
    assert_int_equal(budget_used(BUDGET_SCRATCH), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_has_anothers),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(less_is_kept_where_there_is_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
