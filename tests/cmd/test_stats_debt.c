/* What `lode stats` says of merges that are behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "cmd/stats_debt.h"

static void says(const lode_stats *stats, const char *words)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    stats_print_debt(to, stats);
    assert_int_equal(fclose(to), 0);
    assert_string_equal(text, words);
    free(text);
}

static void zeros_are_left_out(void **state)
{
    (void)state;
    says(&(lode_stats){.points = 1}, "");
    says(&(lode_stats){.merge_debt = 1}, "  merging    1 segment waits for a merge\n");
    says(&(lode_stats){.merge_debt = 12}, "  merging    12 segments wait for a merge\n");
    says(&(lode_stats){.delays = 1, .delayed_ms = 2500},
         "  slowed     1 batch, by 2.5 s together, so that merges keep up\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(zeros_are_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
