/* datetime.c: the grammar of RFC 3339, section 5.6, and the ranges of 5.7; days of the proleptic
 * Gregorian calendar as in Howard Hinnant's "chrono-compatible low-level date algorithms". */
#include "base/datetime.h"

#define MINUTE_US ((int64_t)60 * 1000000)
#define DAY_US    (MINUTE_US * 60 * 24)

struct scan {
    const char *text;
    size_t size;
    size_t at;
    int64_t us; /* what was read so far, since 1970 */
};

/* The number in `count` digits, or -1; moves behind them. */
static int digits(struct scan *scan, size_t count)
{
    int value = 0;
    if (scan->size - scan->at < count)
        return -1;
    for (size_t end = scan->at + count; scan->at < end; scan->at++) {
        char c = scan->text[scan->at];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

static int take(struct scan *scan, char lower, char upper)
{
    if (scan->at == scan->size || (scan->text[scan->at] != lower && scan->text[scan->at] != upper))
        return 0;
    scan->at++;
    return 1;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01. Years begin in March, so that the leap day is their last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static int date(struct scan *scan)
{
    int year = digits(scan, 4);
    if (year < 0 || !take(scan, '-', '-'))
        return 0;
    int month = digits(scan, 2);
    if (month < 1 || month > 12 || !take(scan, '-', '-'))
        return 0;
    int day = digits(scan, 2);
    if (day < 1 || day > days_in_month(year, month))
        return 0;
    scan->us = days_of(year, month, day) * DAY_US;
    return 1;
}

static int fraction(struct scan *scan)
{
    if (!take(scan, '.', '.'))
        return 1;
    size_t begin = scan->at;
    int64_t unit = 100000;
    for (; scan->at < scan->size; scan->at++, unit /= 10) {
        char c = scan->text[scan->at];
        if (c < '0' || c > '9')
            break;
        scan->us += unit * (c - '0');
    }
    return scan->at > begin;
}

/* Adds sign times hours and minutes. */
static int hour_and_minute(struct scan *scan, int sign)
{
    int hour = digits(scan, 2);
    if (hour < 0 || hour > 23 || !take(scan, ':', ':'))
        return 0;
    int minute = digits(scan, 2);
    if (minute < 0 || minute > 59)
        return 0;
    scan->us += MINUTE_US * sign * (hour * 60 + minute);
    return 1;
}

static int time_of_day(struct scan *scan)
{
    if (!hour_and_minute(scan, 1) || !take(scan, ':', ':'))
        return 0;
    int second = digits(scan, 2);
    if (second < 0 || second > 60)
        return 0;
    scan->us += (int64_t)second * 1000000;
    return fraction(scan);
}

/* 10:00+02:00 is 08:00 UTC. */
static int zone(struct scan *scan)
{
    if (take(scan, 'z', 'Z'))
        return 1;
    if (take(scan, '+', '+'))
        return hour_and_minute(scan, -1);
    return take(scan, '-', '-') && hour_and_minute(scan, 1);
}

int datetime_parse(const char *text, size_t size, int64_t *ret_us)
{
    struct scan scan = {.text = text, .size = size};
    int valid = date(&scan) && (take(&scan, 't', 'T') || take(&scan, ' ', ' ')) &&
                time_of_day(&scan) && zone(&scan) && scan.at == size;
    if (valid)
        *ret_us = scan.us;
    return valid;
}

int datetime_parse_date(const char *text, size_t size, int64_t *ret_us)
{
    struct scan scan = {.text = text, .size = size};
    int valid = date(&scan) && scan.at == size;
    if (valid)
        *ret_us = scan.us;
    return valid;
}

int datetime_valid(const char *text, size_t size)
{
    int64_t us;
    return datetime_parse(text, size, &us);
}
