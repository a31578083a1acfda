/* Arrays double, keep what they hold, and are left alone when memory is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static void items_stay(void **state)
{
    (void)state;
    uint32_t *items = NULL;
    size_t capacity = 0, moves = 0;
    for (size_t count = 0; count < 1000; count++) {
        size_t before = capacity;
        items = array_grow(items, count, &capacity, sizeof *items, "numbers", NULL);
        assert_non_null(items);
        assert_true(capacity > count);
        moves += capacity != before;
        items[count] = (uint32_t)count;
    }
    assert_int_equal(capacity, 1024);
    assert_int_equal(moves, 7);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    free(items);
}

static void what_is_refused_stays(void **state)
{
    (void)state;
    lode_error error = {0};
    char items[4] = "abc";
    size_t capacity = 4;
    assert_null(array_grow(items, 4, &capacity, SIZE_MAX / 4, "letters", &error));
    assert_int_equal(error.status, LODE_NOMEM);
    assert_non_null(strstr(error.message, "letters"));
    assert_int_equal(capacity, 4);
    assert_string_equal(items, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_stay),
        cmocka_unit_test(what_is_refused_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
