/* Quotas on a clock that the tests move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "server/quota.h"

#define SECOND ((uint64_t)1000000)

struct kit {
    struct quotas *quotas;
    struct quota *quota;
    uint64_t now;
};

static void begin(struct kit *kit, uint64_t requests, uint64_t bytes)
{
    *kit = (struct kit){.now = 1000 * SECOND};
    assert_int_equal(quotas_new(&kit->quotas, NULL), LODE_OK);
    assert_int_equal(quotas_take(kit->quotas, "a", (struct quota_rates){requests, bytes}, kit->now,
                                 &kit->quota, NULL),
                     LODE_OK);
}

static void end(struct kit *kit)
{
    quota_give(kit->quotas, kit->quota);
    quotas_free(kit->quotas);
}

static void a_second_of_requests_then_the_rate(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit, 10, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(quota_request(kit.quota, 1 << 30, kit.now), 0);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 100);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 100); /* refused ones cost nothing */
    kit.now += 99999;
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 1); /* rounded up: then it is true */
    kit.now += 1;
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 0);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 100);
    kit.now += 3600 * SECOND; /* it holds one second, not an hour */
    for (int i = 0; i < 10; i++)
        assert_int_equal(quota_request(kit.quota, 0, kit.now), 0);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 100);
    end(&kit);
}

static void bytes_larger_than_a_second_are_paid_off(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit, 0, 1000);
    assert_int_equal(quota_request(kit.quota, 5000, kit.now), 0); /* full: passes, and owes 4,000 */
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 4000);
    assert_int_equal(quota_request(kit.quota, 100, kit.now), 4100);
    assert_int_equal(quota_request(kit.quota, 5000, kit.now),
                     5000); /* never more than a full bucket */
    kit.now += 4 * SECOND + SECOND / 2;
    assert_int_equal(quota_request(kit.quota, 501, kit.now), 1);
    assert_int_equal(quota_request(kit.quota, 500, kit.now), 0);
    assert_int_equal(quota_bytes(kit.quota, 2500, kit.now), 2500);
    kit.now += 2500000;
    assert_int_equal(quota_bytes(kit.quota, 0, kit.now), 0);
    end(&kit);
}

/* One that was several is paid off before the next. */
static void several_in_one_are_paid_off(void **state)
{
    struct kit kit;
    (void)state;
    begin(&kit, 10, 0);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 0);
    quota_more(kit.quota, 29, kit.now); /* of 10: 20 are owed */
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 2100);
    assert_int_equal(quota_request(kit.quota, 0, kit.now + 2100000), 0);
    end(&kit);
}

/* A body whose size was not known is no second request, and waits for no other's queries. */
static void a_body_is_taken_by_itself(void **state)
{
    struct kit kit;
    (void)state;
    begin(&kit, 1, 1000);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 0);
    quota_more(kit.quota, 5, kit.now);
    assert_int_equal(quota_body(kit.quota, 900, kit.now), 0);
    assert_int_equal(quota_body(kit.quota, 200, kit.now), 100);
    assert_int_equal(quota_body(kit.quota, 100, kit.now), 0);
    kit.now += 6 * SECOND;
    assert_int_equal(quota_request(kit.quota, 1000, kit.now), 0);
    end(&kit);
}

/* Both or nothing. */
static void a_refusal_takes_nothing(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit, 2, 1000);
    assert_int_equal(quota_request(kit.quota, 900, kit.now), 0);
    assert_int_equal(quota_request(kit.quota, 200, kit.now), 100);
    assert_int_equal(quota_request(kit.quota, 100, kit.now), 0);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 500);
    end(&kit);
}

static void extremes_do_not_overflow(void **state)
{
    (void)state;
    struct kit kit;
    begin(&kit, UINT64_MAX, UINT64_MAX);
    for (int i = 0; i < 1000; i++)
        (void)quota_request(kit.quota, UINT64_MAX, kit.now);
    for (int i = 0; i < 1000; i++)
        (void)quota_bytes(kit.quota, UINT64_MAX, kit.now);
    assert_true(quota_request(kit.quota, 1, kit.now) < 3600000);
    kit.now = UINT64_MAX;
    assert_int_equal(quota_request(kit.quota, 1, kit.now), 0);
    assert_int_equal(quota_request(kit.quota, 1, 0), 0); /* a clock that goes back gives nothing */
    end(&kit);
    begin(&kit, 1, 1);
    for (int i = 0; i < 1000; i++)
        (void)quota_bytes(kit.quota, UINT64_MAX, kit.now);
    assert_true(quota_bytes(kit.quota, 1, kit.now) > 1000);
    end(&kit);
}

/* A file of keys that is read again takes all quotas again, and gives back the old ones: what was used stays used. */
static void one_quota_for_one_name(void **state)
{
    (void)state;
    struct kit kit;
    struct quota *again;
    begin(&kit, 5, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(quota_request(kit.quota, 0, kit.now), 0);
    quota_give(kit.quotas, kit.quota);
    assert_int_equal(
        quotas_take(kit.quotas, "a", (struct quota_rates){5, 0}, kit.now, &kit.quota, NULL),
        LODE_OK);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 200);
    assert_int_equal(
        quotas_take(kit.quotas, "a", (struct quota_rates){1, 0}, kit.now, &again, NULL), LODE_OK);
    assert_ptr_equal(again, kit.quota);
    assert_int_equal(quota_request(again, 0, kit.now), 1000); /* the rate is the new one */
    quota_give(kit.quotas, again);
    end(&kit);
    begin(&kit, 5, 0);
    assert_int_equal(
        quotas_take(kit.quotas, "a", (struct quota_rates){1, 0}, kit.now, &again, NULL), LODE_OK);
    assert_int_equal(quota_request(again, 0, kit.now), 0); /* what it holds, too */
    assert_int_equal(quota_request(again, 0, kit.now), 1000);
    quota_give(kit.quotas, again);
    end(&kit);
}

/* Names by the million leave a bounded table, and nobody in debt gets a new one by coming back. */
static void the_table_is_bounded(void **state)
{
    (void)state;
    struct kit kit;
    char name[32];
    begin(&kit, 1, 0);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 0);
    quota_give(kit.quotas, kit.quota);
    for (unsigned i = 0; i < 300000; i++) {
        struct quota *quota;
        snprintf(name, sizeof name, "%u", i);
        assert_int_equal(
            quotas_take(kit.quotas, name, (struct quota_rates){1, 1}, kit.now, &quota, NULL),
            LODE_OK);
        quota_give(kit.quotas, quota);
    }
    assert_true(quotas_count(kit.quotas) <= 4096);
    assert_int_equal(
        quotas_take(kit.quotas, "a", (struct quota_rates){1, 0}, kit.now, &kit.quota, NULL),
        LODE_OK);
    assert_int_equal(quota_request(kit.quota, 0, kit.now), 1000);
    for (unsigned i = 0; i < 2 * QUOTAS_MAX; i++) { /* all in debt */
        struct quota *quota;
        snprintf(name, sizeof name, "%u", i);
        assert_int_equal(
            quotas_take(kit.quotas, name, (struct quota_rates){1, 1}, kit.now, &quota, NULL),
            LODE_OK);
        (void)quota_request(quota, 1, kit.now);
        quota_give(kit.quotas, quota);
    }
    assert_true(quotas_count(kit.quotas) <= QUOTAS_MAX);
    end(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_of_requests_then_the_rate),
        cmocka_unit_test(bytes_larger_than_a_second_are_paid_off),
        cmocka_unit_test(several_in_one_are_paid_off),
        cmocka_unit_test(a_body_is_taken_by_itself),
        cmocka_unit_test(a_refusal_takes_nothing),
        cmocka_unit_test(extremes_do_not_overflow),
        cmocka_unit_test(one_quota_for_one_name),
        cmocka_unit_test(the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
