/* number.c: reading numbers. The grammar is JSON's; rounding is decimal.c's.
 *
 * Digits are gathered without counting them, eight at a time where there are eight; only a number of
 * more than 19 digits, which a uint64_t cannot hold, is looked at again. */
#include "base/number.h"

#include "base/decimal.h"
#include "base/le.h"

#define DIGITS_MAX 19
/* Beyond every meaning, and far from overflow even when a text of any size is added to it. */
#define EXPONENT_MAX ((int64_t)1 << 60)

struct scan {
    uint64_t digits; /* value = digits * 10^exponent, plus what was cut */
    int64_t exponent;
    int negative;
    int cut;          /* digits holds only the first 19, and what follows them is not zero */
    const char *text; /* the digits, with their point */
    size_t text_size;
    int64_t text_exponent; /* value = (text without its point) * 10^text_exponent */
};

static inline int is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Eight characters, loaded as one word and xored with '0', which makes digits their values: how many of them are digits before the first that is none. The first of
 * the text is the lowest byte; a carry into the ones behind that first does not matter. */
static inline unsigned digit_count(uint64_t word)
{
    uint64_t others = (word | (word + 0x7676767676767676)) & 0x8080808080808080;
    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* Their value when all are digits; each step joins neighbours: 8 digits, 4 pairs, 2 fours, 1 eight. */
static inline uint64_t eight_digits(uint64_t word)
{
    word = word * 10 + (word >> 8);
    uint64_t even = (word & 0x000000ff000000ff) * 0x000f424000000064;
    uint64_t odd = (word >> 16 & 0x000000ff000000ff) * 0x0000271000000001;
    return (even + odd) >> 32;
}

/* Append the digits at p to *digits (which wraps around); returns where they end. Fewer than eight are moved behind zeros,
 * since a loop over them would end where no branch predictor expects it. */
static inline const char *take_digits(const char *p, const char *end, uint64_t *digits)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    uint64_t value = *digits;
    while (end - p >= 8) {
        uint64_t word = le_load_u64(p) ^ 0x3030303030303030;
        unsigned count = digit_count(word);
        if (count)
            value = value * powers[count] + eight_digits(word << (64 - 8 * count));
        p += count;
        if (count < 8) {
            *digits = value;
            return p;
        }
    }
    for (; p < end && is_digit(*p); p++)
        value = value * 10 + (uint64_t)(*p - '0');
    *digits = value;
    return p;
}

/* After 'e': add the exponent to *exponent. NULL when there is none. */
static const char *take_exponent(const char *p, const char *end, int64_t *exponent)
{
    int negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *first = p;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++)
        if (value < EXPONENT_MAX / 16)
            value = value * 10 + (*p - '0');
    *exponent += negative ? -value : value;
    return p == first ? NULL : p;
}

/* More digits than fit: keep the first significant ones. */
static void cut_digits(struct scan *scan)
{
    int kept = 0;
    scan->digits = 0;
    for (size_t i = 0; i < scan->text_size; i++) {
        char c = scan->text[i];
        if (c == '.' || (kept == 0 && c == '0'))
            continue;
        if (kept < DIGITS_MAX) {
            scan->digits = scan->digits * 10 + (uint64_t)(c - '0');
            kept++;
        } else {
            scan->exponent++;
            scan->cut |= c != '0';
        }
    }
}

/* Returns the size of the number that text begins with, 0 when there is none or it is malformed. */
static inline size_t scan_number(const char *text, size_t size, struct scan *scan)
{
    const char *p = text, *end = text + size;
    scan->negative = p < end && *p == '-';
    scan->text = p += scan->negative;
    scan->digits = 0;
    scan->exponent = 0;
    scan->cut = 0;
    p = take_digits(p, end, &scan->digits);
    if (p == scan->text || (*scan->text == '0' && p - scan->text > 1))
        return 0;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = take_digits(p, end, &scan->digits);
        if (p == fraction)
            return 0;
        scan->exponent = fraction - p;
    }
    scan->text_size = (size_t)(p - scan->text);
    if (p < end && (*p == 'e' || *p == 'E')) {
        p = take_exponent(p + 1, end, &scan->exponent);
        if (!p)
            return 0;
    }
    scan->text_exponent = scan->exponent;
    if (scan->text_size > DIGITS_MAX)
        cut_digits(scan);
    return (size_t)(p - text);
}

/* When digits were cut, the value lies between digits and digits + 1: mostly both round alike. */
static float cut_f32(const struct scan *scan)
{
    float value = decimal_to_f32(scan->digits, scan->exponent);
    if (value == decimal_to_f32(scan->digits + 1, scan->exponent))
        return value;
    return decimal_text_to_f32(scan->text, scan->text_size, scan->text_exponent);
}

static double cut_f64(const struct scan *scan)
{
    double value = decimal_to_f64(scan->digits, scan->exponent);
    if (value == decimal_to_f64(scan->digits + 1, scan->exponent))
        return value;
    return decimal_text_to_f64(scan->text, scan->text_size, scan->text_exponent);
}

size_t number_scan(const char *text, size_t size)
{
    struct scan scan;
    return scan_number(text, size, &scan);
}

size_t number_parse_f32(const char *text, size_t size, float *ret_value)
{
    struct scan scan;
    size_t taken = scan_number(text, size, &scan);
    if (!taken)
        return 0;
    float value = scan.cut ? cut_f32(&scan) : decimal_to_f32(scan.digits, scan.exponent);
    *ret_value = scan.negative ? -value : value;
    return taken;
}

size_t number_parse_f64(const char *text, size_t size, double *ret_value)
{
    struct scan scan;
    size_t taken = scan_number(text, size, &scan);
    if (!taken)
        return 0;
    double value = scan.cut ? cut_f64(&scan) : decimal_to_f64(scan.digits, scan.exponent);
    *ret_value = scan.negative ? -value : value;
    return taken;
}

int number_parse_u64(const char *text, size_t size, uint64_t *ret_value)
{
    if (size == 0 || (size > 1 && text[0] == '0'))
        return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(text[i]) || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return 0;
    }
    *ret_value = value;
    return 1;
}

int number_parse_i64(const char *text, size_t size, int64_t *ret_value)
{
    int negative = size > 0 && text[0] == '-';
    uint64_t magnitude;
    if (!number_parse_u64(text + negative, size - (size_t)negative, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX + (uint64_t)negative)
        return 0;
    *ret_value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return 1;
}
