/* number_format.c: writing numbers, shortest first.
 *
 * With six significant digits for f32, or fifteen for f64, no two decimals read back to one number;
 * so if any decimal that short reads back to the value, it is the value rounded to six (fifteen)
 * digits, less its trailing zeros. Otherwise one digit more is tried, up to nine (seventeen), which
 * always suffice. Below the normal numbers there is less precision, and the search begins at one
 * digit. Every candidate is proved by reading it back, so that the arithmetic which proposes it
 * need not be exact. */
#include "base/number.h"

#include "base/decimal.h"
#include "base/error.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* digits * 10^exponent */
struct decimal {
    uint64_t digits;
    int exponent;
};

static const uint64_t ten_to[] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
};

/* value * 10^q, rounded; value is positive, q within the table, the result below 10^18. */
static uint64_t scaled(double value, int q)
{
    int exponent;
    uint64_t mantissa = (uint64_t)(frexp(value, &exponent) * 0x1p64); /* its highest bit is set */
    const uint64_t *power = decimal_powers[q - DECIMAL_POWER_MIN];
    unsigned __int128 product = (unsigned __int128)mantissa * power[0] +
                                (uint64_t)(((unsigned __int128)mantissa * power[1]) >> 64);
    int shift = 127 - exponent - decimal_log2(q);
    return (uint64_t)(((product >> (shift - 1)) + 1) >> 1);
}

/* value to `precision` digits by way of printf, whose decimal point depends on the locale: it is
 * whatever is not a digit. */
static struct decimal round_by_text(double value, int precision)
{
    char text[64];
    snprintf(text, sizeof text, "%.*e", precision - 1, value);
    struct decimal decimal = {0, 0};
    char *p = text;
    for (; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            decimal.digits = decimal.digits * 10 + (uint64_t)(*p - '0');
    decimal.exponent = (int)strtol(p + 1, NULL, 10) - (precision - 1);
    return decimal;
}

static struct decimal round_to(double value, int precision)
{
    int q = precision - 1 - (int)floor(log10(value));
    for (;;) {
        if (q < DECIMAL_POWER_MIN || q > DECIMAL_POWER_MAX)
            return round_by_text(value, precision);
        uint64_t digits = scaled(value, q);
        if (digits >= ten_to[precision]) /* log10 was rounded, or digits were */
            q--;
        else if (digits < ten_to[precision - 1])
            q++;
        else
            return (struct decimal){digits, -q};
    }
}

static int reads_back(struct decimal decimal, double value, int is_f32)
{
    if (is_f32)
        return decimal_to_f32(decimal.digits, decimal.exponent) == (float)value;
    return decimal_to_f64(decimal.digits, decimal.exponent) == value;
}

/* Next to a power of two the numbers below lie closer than those above: the nearest decimal may fall
 * outside of what reads back while its neighbour does not. */
static int try_precision(double value, int precision, int is_f32, struct decimal *ret_decimal)
{
    static const int offsets[] = {0, 1, -1};
    struct decimal nearest = round_to(value, precision);
    for (size_t i = 0; i < 3; i++) {
        struct decimal decimal = {nearest.digits + (uint64_t)offsets[i], nearest.exponent};
        if (decimal.digits && reads_back(decimal, value, is_f32)) {
            *ret_decimal = decimal;
            return 1;
        }
    }
    return 0;
}

static struct decimal shortest(double value, int is_f32)
{
    int subnormal = value < (is_f32 ? FLT_MIN : DBL_MIN);
    int precision = subnormal ? 1 : is_f32 ? FLT_DIG : DBL_DIG;
    int precision_max = is_f32 ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    struct decimal decimal = {0, 0};
    while (precision <= precision_max && !try_precision(value, precision, is_f32, &decimal))
        precision++;
    INVARIANT(decimal.digits != 0);
    while (decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    return decimal;
}

static size_t write_digits(uint64_t digits, char *text)
{
    char reversed[20];
    size_t count = 0;
    do
        reversed[count++] = (char)('0' + digits % 10);
    while (digits /= 10);
    for (size_t i = 0; i < count; i++)
        text[i] = reversed[count - 1 - i];
    return count;
}

/* Put a point into text[0, size) after its first `at` digits. */
static size_t insert_point(char *text, size_t size, size_t at)
{
    memmove(text + at + 1, text + at, size - at);
    text[at] = '.';
    return size + 1;
}

/* As JavaScript lays numbers out: 0.000001 to 999999999999999999999 plainly, others as 1.5e-7. */
static size_t write_decimal(struct decimal decimal, char *text)
{
    size_t size = write_digits(decimal.digits, text);
    int point = (int)size + decimal.exponent; /* digits before the point */
    if (point > 21 || point < -5) {
        if (size > 1)
            size = insert_point(text, size, 1);
        return size + (size_t)sprintf(text + size, "e%d", point - 1);
    }
    if (point <= 0) {
        size_t zeros = (size_t)(2 - point);
        memmove(text + zeros, text, size);
        memset(text, '0', zeros);
        text[1] = '.';
        return size + zeros;
    }
    if (decimal.exponent < 0)
        return insert_point(text, size, (size_t)point);
    memset(text + size, '0', (size_t)decimal.exponent);
    return size + (size_t)decimal.exponent;
}

/* Integers that are exact are written without search. */
#define PLAIN_MAX 1e15

static size_t format(double value, int is_f32, char text[NUMBER_TEXT_MAX])
{
    INVARIANT(isfinite(value));
    size_t sign = signbit(value) ? 1 : 0;
    if (sign)
        text[0] = '-';
    double magnitude = fabs(value);
    if (magnitude < (is_f32 ? 0x1p24 : PLAIN_MAX) && magnitude == floor(magnitude))
        return sign + write_digits((uint64_t)magnitude, text + sign);
    return sign + write_decimal(shortest(magnitude, is_f32), text + sign);
}

/* "Not NUL-terminated unless room is left": there always is, and a terminator is kind to debuggers. */
size_t number_format_f32(float value, char text[NUMBER_TEXT_MAX])
{
    size_t size = format((double)value, 1, text);
    text[size] = '\0';
    return size;
}

size_t number_format_f64(double value, char text[NUMBER_TEXT_MAX])
{
    size_t size = format(value, 0, text);
    text[size] = '\0';
    return size;
}
