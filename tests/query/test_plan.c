/* When a view is scanned and when its graph is walked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "query/plan.h"

static void plans(void **state)
{
    (void)state;
    static const struct {
        struct plan_input input;
        enum plan plan;
    } cases[] = {
        /* rows, live, covered, ef, exact */
        {{0, 0, 0, 64, 0}, PLAN_SKIP},
        {{1000, 0, 1000, 64, 0}, PLAN_SKIP},
        {{1000000, 1000000, 0, 64, 0}, PLAN_SCAN},
        {{1000000, 1000000, 1000000, 64, 1}, PLAN_SCAN},
        {{1000000, 1000000, 1000000, 64, 0}, PLAN_WALK},
        {{1000, 1000, 1000, 64, 0}, PLAN_SCAN},             /* few rows */
        {{1000000, 1000, 1000000, 64, 0}, PLAN_SCAN},       /* few live */
        {{1000000, 500000, 1000000, 64, 0}, PLAN_WALK},     /* half of them */
        {{1000000, 1000000, 1000000, 65536, 0}, PLAN_SCAN}, /* a beam as wide as the scan */
        {{100000, 100000, 2000, 64, 0}, PLAN_SCAN},         /* nearly all is tail anyway */
        {{100000, 100000, 60000, 64, 0}, PLAN_WALK},
        {{0x7fffffff, 0x7fffffff, 0x7fffffff, 65536, 0}, PLAN_WALK},
        {{0x7fffffff, 1, 0x7fffffff, 65536, 0}, PLAN_SCAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (plan_view(&cases[i].input) != cases[i].plan)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
