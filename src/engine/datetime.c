/* datetime.c: the grammar of RFC 3339, section 5.6, and the ranges of 5.7. */
#include "engine/datetime.h"

/* The number in `count` digits at *at, or -1; moves *at behind them. */
static int digits(const char *text, size_t size, size_t *at, size_t count)
{
    int value = 0;
    if (size - *at < count)
        return -1;
    for (size_t end = *at + count; *at < end; ++*at) {
        char c = text[*at];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

static int take(const char *text, size_t size, size_t *at, char lower, char upper)
{
    if (*at == size || (text[*at] != lower && text[*at] != upper))
        return 0;
    ++*at;
    return 1;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

static int date(const char *text, size_t size, size_t *at)
{
    int year = digits(text, size, at, 4);
    if (year < 0 || !take(text, size, at, '-', '-'))
        return 0;
    int month = digits(text, size, at, 2);
    if (month < 1 || month > 12 || !take(text, size, at, '-', '-'))
        return 0;
    int day = digits(text, size, at, 2);
    return day >= 1 && day <= days_in_month(year, month);
}

static int fraction(const char *text, size_t size, size_t *at)
{
    if (!take(text, size, at, '.', '.'))
        return 1;
    size_t begin = *at;
    while (*at < size && text[*at] >= '0' && text[*at] <= '9')
        ++*at;
    return *at > begin;
}

static int hour_and_minute(const char *text, size_t size, size_t *at)
{
    int hour = digits(text, size, at, 2);
    if (hour < 0 || hour > 23 || !take(text, size, at, ':', ':'))
        return 0;
    int minute = digits(text, size, at, 2);
    return minute >= 0 && minute <= 59;
}

static int time_of_day(const char *text, size_t size, size_t *at)
{
    if (!hour_and_minute(text, size, at) || !take(text, size, at, ':', ':'))
        return 0;
    int second = digits(text, size, at, 2);
    return second >= 0 && second <= 60 && fraction(text, size, at);
}

static int zone(const char *text, size_t size, size_t *at)
{
    if (take(text, size, at, 'z', 'Z'))
        return 1;
    return take(text, size, at, '+', '-') && hour_and_minute(text, size, at);
}

int datetime_valid(const char *text, size_t size)
{
    size_t at = 0;
    return date(text, size, &at) &&
           (take(text, size, &at, 't', 'T') || take(text, size, &at, ' ', ' ')) &&
           time_of_day(text, size, &at) && zone(text, size, &at) && at == size;
}
