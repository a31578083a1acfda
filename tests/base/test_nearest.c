/* A word is found by few edits or by its beginning, and nothing is found rather than anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/nearest.h"

static const char *const fruits[] = {"apple", "banana", "cherry", "pineapple", NULL};

static void the_most_alike_is_found(void **state)
{
    (void)state;
    assert_string_equal(nearest_word("aple", fruits), "apple");
    assert_string_equal(nearest_word("bnaana", fruits), "banana"); /* a swap is one edit */
    assert_string_equal(nearest_word("pineaple", fruits), "pineapple");
    assert_string_equal(nearest_word("ch", fruits), "cherry"); /* its beginning */
}

static void nothing_is_near(void **state)
{
    char longest[200] = {0};
    (void)state;
    memset(longest, 'a', sizeof longest - 1);
    assert_null(nearest_word("zebra", fruits));
    assert_null(nearest_word("", fruits));
    assert_null(nearest_word(longest, fruits));
    assert_null(nearest_word("apple", fruits + 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_alike_is_found),
        cmocka_unit_test(nothing_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
