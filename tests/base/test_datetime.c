/* test_datetime.c: moments: known ones, those that are none, and each day of 800 years counted on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/datetime.h"

static void known_moments(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00.000001z", 1},
        {"1969-12-31 23:59:59.999999Z", -1},
        {"1970-01-01T00:00:00.1Z", 100000},
        {"1970-01-01T00:00:00.1234569Z", 123456},
        {"1970-01-01T01:30:00+01:30", 0},
        {"1969-12-31T22:00:00-02:00", 0},
        {"2000-02-29T12:00:00Z", 951825600000000},
        {"2016-12-31T23:59:60Z", 1483228800000000},
        {"2038-01-19T03:14:07Z", 2147483647000000},
        {"0000-01-01T00:00:00Z", -62167219200000000},
        {"9999-12-31T23:59:59.999999Z", 253402300799999999},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t us = -7;
        assert_int_equal(datetime_parse(rows[i].text, strlen(rows[i].text), &us), 1);
        if (us != rows[i].us)
            fail_msg("%s is %lld", rows[i].text, (long long)us);
    }
}

static void no_moments(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "2000-01-01",
                                        "2000-01-01T00:00:00",
                                        "2000-01-01T00:00Z",
                                        "2000-1-1T00:00:00Z",
                                        "2001-02-29T00:00:00Z",
                                        "1900-02-29T00:00:00Z",
                                        "2000-00-01T00:00:00Z",
                                        "2000-01-32T00:00:00Z",
                                        "2000-01-01T24:00:00Z",
                                        "2000-01-01T00:60:00Z",
                                        "2000-01-01T00:00:61Z",
                                        "2000-01-01T00:00:00.Z",
                                        "2000-01-01T00:00:00+1:00",
                                        "2000-01-01T00:00:00+24:00",
                                        "2000-01-01T00:00:00Zx",
                                        "+2000-01-01T00:00:00Z"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t us = -7;
        assert_int_equal(datetime_parse(texts[i], strlen(texts[i]), &us), 0);
        assert_int_equal(us, -7);
    }
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

static void each_day_follows_the_one_before(void **state)
{
    (void)state;
    int64_t wanted = -62167219200000000;
    for (int year = 0; year < 2400; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= days_of(year, month); day++) {
                char text[40];
                int64_t us = 0;
                size_t size =
                    (size_t)snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
                assert_int_equal(datetime_parse_date(text, size, &us), 1);
                assert_true(us == wanted);
                wanted += (int64_t)86400 * 1000000;
            }
        }
    }
    assert_int_equal(datetime_parse_date("2000-01-01T00:00:00Z", 20, &wanted), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_moments),
        cmocka_unit_test(no_moments),
        cmocka_unit_test(each_day_follows_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
