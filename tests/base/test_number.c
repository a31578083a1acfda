/* Numbers: grammar, exact rounding (against the C library and against rational arithmetic known by
 * construction), shortest output, any locale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/random.h"

#ifdef __SANITIZE_ADDRESS__
#define SLOWER 10 /* rounds are divided by this */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOWER 10
#endif
#endif
#ifndef SLOWER
#define SLOWER 1
#endif

static uint32_t bits_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t bits_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float random_f32(struct rng *rng)
{
    for (;;) {
        uint32_t bits = (uint32_t)rng_u64(rng);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            return value;
    }
}

static double random_f64(struct rng *rng)
{
    for (;;) {
        uint64_t bits = rng_u64(rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            return value;
    }
}

/* Parse both ways and compare with the C library, bit by bit. The text is copied to the end of an
 * allocation, so that a look beyond its size is found. */
static void same_as_libc(const char *text)
{
    size_t size = strlen(text);
    char *copy = malloc(size);
    memcpy(copy, text, size);
    float f32 = NAN;
    double f64 = NAN;
    if (number_parse_f32(copy, size, &f32) != size || bits_f32(f32) != bits_f32(strtof(text, NULL)))
        fail_msg("f32 %.60s: %a, should be %a", text, (double)f32, (double)strtof(text, NULL));
    if (number_parse_f64(copy, size, &f64) != size || bits_f64(f64) != bits_f64(strtod(text, NULL)))
        fail_msg("f64 %.60s: %a, should be %a", text, f64, strtod(text, NULL));
    free(copy);
}

static void grammar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"0", 1},         {"-0", 2},
        {"1", 1},         {"10", 2},
        {"-12.5e3", 7},   {"1E5", 3},
        {"1e+5", 4},      {"1e-5", 4},
        {"0.0", 3},       {"0e0", 3},
        {"1,2", 1},       {"1 ", 1},
        {"1]", 1},        {"1.5.2", 3},
        {"1e5e5", 3},     {"1e5.5", 3},
        {"12a", 2},       {"1-", 1},
        {"0x10", 1},      {"0-1", 1},
        {"", 0},          {"-", 0},
        {"+1", 0},        {".5", 0},
        {"01", 0},        {"00", 0},
        {"-01", 0},       {"1.", 0},
        {"1.e5", 0},      {"1e", 0},
        {"1e+", 0},       {"1e-", 0},
        {"inf", 0},       {"nan", 0},
        {"Infinity", 0},  {"-Infinity", 0},
        {" 1", 0},        {"--1", 0},
        {"1.-5", 0},      {"e5", 0},
        {"12345678", 8},  {"123456789", 9},
        {"1234567a", 7},  {"0.12345678", 10},
        {"12345678.", 0}, {"1234567890123456789012", 22},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float f32;
        double f64;
        size_t size = strlen(cases[i].text);
        if (number_scan(cases[i].text, size) != cases[i].size ||
            number_parse_f32(cases[i].text, size, &f32) != cases[i].size ||
            number_parse_f64(cases[i].text, size, &f64) != cases[i].size)
            fail_msg("'%s'", cases[i].text);
    }
}

/* Digits are taken eight at a time: every byte at each of eight places. */
static void eight_digits(void **state)
{
    (void)state;
    for (size_t at = 1; at < 8; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[] = "12345678";
            text[at] = (char)byte;
            size_t size = byte >= '0' && byte <= '9' ? 8 : at;
            if (byte == '.' || byte == 'e' || byte == 'E')
                size = at == 7 ? 0 : 8;
            assert_int_equal(number_scan(text, 8), size);
        }
    }
}

/* Every prefix of a number is looked at without what follows it. */
static void size_is_respected(void **state)
{
    (void)state;
    static const char text[] = "-123456789.123456789e-12";
    for (size_t size = 0; size < sizeof text; size++) {
        char *copy = malloc(size ? size : 1);
        memcpy(copy, text, size);
        size_t taken = number_scan(copy, size);
        assert_true(taken == size || taken == 0);
        free(copy);
    }
}

static void known_hard_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "-0e99",
        "1",
        "16777216",
        "16777217",
        "16777219",
        "33554434",
        "9007199254740992",
        "9007199254740993",
        "9007199254740995",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "1e22",
        "1e23",
        "-1e23",
        "8.5e22",
        /* The largest, and where infinity begins. */
        "3.4028234663852886e38",
        "3.4028235677973366e38",
        "3.4028235677973367e38",
        "3.5e38",
        "1e39",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "-1e400",
        "1e99999",
        "1e999999999999999999999999",
        /* Subnormal, the smallest, its half, and below. */
        "1.1754943508222875e-38",
        "1.1754942e-38",
        "1.4e-45",
        "7.006492321624085e-46",
        "7.006492321624086e-46",
        "7.1e-46",
        "1e-46",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "5e-324",
        "2e-324",
        "1e-400",
        "1e-99999",
        "1e-999999999999999999999999",
        "0e999999999999999999999999",
        /* Rounding to f64 and then to f32 gives the wrong one. */
        "1.00000017881393421514957253748434595763683319091796875001",
        "1.00000017881393421514957253748434595763683319091796875",
        "1.00000017881393432617187499",
        "1.000000178813934326171875",
        "1.00000017881393432617187501",
        "7038531e-32",
        "1.1754943156898258998483097641290060955707622747e-38",
        /* From the literature on broken parsers. */
        "2.22507385850720113605740979670913197593481954635164564e-308",
        "6.631236846766476e-316",
        "3.237883913302901e-319",
        "0.500000000000000166533453693773481063544750213623046875",
        "3.518437208883201171875e13",
        "62.5364939768271845828",
        "8.10109172351e-10",
        "1.50000000000000011102230246251565",
        "1448997445238699",
        "123456789012345678901234567890",
        "0."
        "00000000000000000000000000000000000000000000000000000000000000000123456789012345678901234"
        "5",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        same_as_libc(texts[i]);
}

/* The exact half between two neighbouring floats, and a breath above and below it: any double
 * rounding, and any rounding by less than all digits, goes astray here. */
static void halves_f32(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 21);
    for (int round = 0; round < 30000 / SLOWER; round++) {
        float low = fabsf(random_f32(&rng)), high = nextafterf(low, INFINITY);
        if (!isfinite(high))
            continue;
        double half = ((double)low + (double)high) / 2; /* exact */
        char text[400];
        int size = snprintf(text, sizeof text, "%.180e", half);
        same_as_libc(text);
        char *exponent = strchr(text, 'e'), digits[400];
        snprintf(digits, sizeof digits, "%.*s1%s", (int)(exponent - text), text, exponent);
        same_as_libc(digits); /* above by one unit of a far digit */
        snprintf(text, sizeof text, "%.40e", nextafter(half, round % 2 ? 0 : INFINITY));
        same_as_libc(text);
        assert_true(size > 0);
    }
}

/* The half between 2^53 and above and its neighbour is an integer, and so known exactly. */
static void halves_f64(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 22);
    for (int round = 0; round < 100000 / SLOWER; round++) {
        int shift = (int)rng_below(&rng, 10) + 1;
        uint64_t mantissa = (1ull << 52) | (rng_u64(&rng) >> 12);
        uint64_t half = (mantissa << shift) + (1ull << (shift - 1));
        double down = ldexp((double)mantissa, shift), up = ldexp((double)(mantissa + 1), shift);
        double even = mantissa % 2 ? up : down;
        char text[64];
        double value;
        size_t size = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)half);
        assert_int_equal(number_parse_f64(text, size, &value), size);
        assert_true(value == even);
        size = (size_t)snprintf(text, sizeof text, "%llu.000000000000000000000000001",
                                (unsigned long long)half);
        assert_int_equal(number_parse_f64(text, size, &value), size);
        assert_true(value == up);
        size = (size_t)snprintf(text, sizeof text, "%llu.99999999999999999999999999999",
                                (unsigned long long)half - 1);
        assert_int_equal(number_parse_f64(text, size, &value), size);
        assert_true(value == down);
    }
}

/* Divide the decimal fraction text[0, size) by two; room for one more digit. */
static void halve_decimal(char *text, size_t size)
{
    int rest = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '.')
            continue;
        int digit = rest * 10 + (text[i] - '0');
        text[i] = (char)('0' + digit / 2);
        rest = digit % 2;
    }
    text[size] = rest ? '5' : '0';
    text[size + 1] = '\0';
}

/* Half of a subnormal double written out has up to 767 significant digits. */
static void all_digits_count(void **state)
{
    (void)state;
    char text[2400];
    double low = 0x1.fffffffffffffp-1023; /* subnormal with every bit set */
    int size = snprintf(text, sizeof text, "%.1100f", low);
    same_as_libc(text);
    for (int zeros = 0; zeros < 1000; zeros += 37) {
        memset(text + size, '0', (size_t)zeros);
        strcpy(text + size + zeros, "1");
        same_as_libc(text);
    }
    /* 2^-1075, the half between nothing and the least double, rounds to nothing; anything more does
     * not. */
    size = snprintf(text, sizeof text, "%.1074f", 0x1p-1074);
    halve_decimal(text, (size_t)size);
    same_as_libc(text);
    double value;
    assert_int_equal(number_parse_f64(text, strlen(text), &value), strlen(text));
    assert_true(value == 0);
    memset(text + strlen(text) + 1, 0, 101);
    memset(text + strlen(text), '0', 100);
    strcat(text, "1");
    same_as_libc(text);
    assert_int_equal(number_parse_f64(text, strlen(text), &value), strlen(text));
    assert_true(value == 0x1p-1074);
}

/* A huge exponent is undone by as many digits. */
static void digits_against_exponent(void **state)
{
    (void)state;
    enum { ZEROS = 100000 };
    char *text = malloc(ZEROS + 100);
    memset(text, '0', ZEROS + 10);
    text[1] = '.';
    strcpy(text + ZEROS, "123e100000");
    same_as_libc(text);
    text[0] = '7';
    text[1] = '0';
    strcpy(text + ZEROS, "e-99999");
    same_as_libc(text);
    memset(text, '9', ZEROS);
    strcpy(text + ZEROS, "e-100000");
    same_as_libc(text);
    free(text);
}

static void random_texts(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 23);
    for (int round = 0; round < 400000 / SLOWER; round++) {
        char text[128];
        char *p = text;
        uint32_t whole = rng_below(&rng, 25), fraction = rng_below(&rng, 30);
        if (rng_below(&rng, 2))
            *p++ = '-';
        *p++ = whole ? (char)('1' + rng_below(&rng, 9)) : '0';
        for (uint32_t i = 1; i < whole; i++)
            *p++ = (char)('0' + rng_below(&rng, 10));
        if (fraction)
            *p++ = '.';
        for (uint32_t i = 0; i < fraction; i++)
            *p++ = rng_below(&rng, 4) ? (char)('0' + rng_below(&rng, 10)) : '0';
        *p = '\0';
        if (rng_below(&rng, 2))
            sprintf(p, "e%d", (int)rng_below(&rng, round % 3 ? 80 : 700) - (round % 3 ? 60 : 350));
        same_as_libc(text);
    }
}

/* Digits of %.*e without trailing zeros: as many as the shortest form may have at most. */
static int digits_needed(double value, int is_f32)
{
    char text[64];
    for (int precision = 1;; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
        if (is_f32 ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            return precision;
    }
}

static int digits_written(const char *text)
{
    int count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        if (*text == '0') {
            zeros += count > 0;
        } else {
            count += zeros + 1;
            zeros = 0;
        }
    }
    return count;
}

static void check_format_f32(float value, int check_length)
{
    char text[NUMBER_TEXT_MAX + 1];
    size_t size = number_format_f32(value, text);
    assert_true(size < NUMBER_TEXT_MAX);
    text[size] = '\0';
    float back;
    if (number_parse_f32(text, size, &back) != size || bits_f32(back) != bits_f32(value) ||
        bits_f32(strtof(text, NULL)) != bits_f32(value))
        fail_msg("%a is written as %s", (double)value, text);
    if (check_length && value != 0 && digits_written(text) > digits_needed((double)value, 1))
        fail_msg("%s could be shorter", text);
}

static void check_format_f64(double value, int check_length)
{
    char text[NUMBER_TEXT_MAX + 1];
    size_t size = number_format_f64(value, text);
    assert_true(size < NUMBER_TEXT_MAX);
    text[size] = '\0';
    double back;
    if (number_parse_f64(text, size, &back) != size || bits_f64(back) != bits_f64(value) ||
        bits_f64(strtod(text, NULL)) != bits_f64(value))
        fail_msg("%a is written as %s", value, text);
    if (check_length && value != 0 && digits_written(text) > digits_needed(value, 0))
        fail_msg("%s could be shorter", text);
}

static void round_trip_f32(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 24);
    for (int round = 0; round < 600000 / SLOWER; round++) {
        check_format_f32(random_f32(&rng), round % 16 == 0);
        check_format_f32((float)rng_normal(&rng) * 0.05f, round % 16 == 0);
    }
    for (int exponent = -149; exponent < 128; exponent++) { /* powers of two and their neighbours */
        float power = ldexpf(1, exponent);
        check_format_f32(power, 1);
        check_format_f32(nextafterf(power, 0), 1);
        check_format_f32(nextafterf(power, INFINITY), 1);
    }
    check_format_f32(FLT_MAX, 1);
    check_format_f32(0.0f, 1);
    check_format_f32(-0.0f, 1);
}

static void round_trip_f64(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 25);
    for (int round = 0; round < 200000 / SLOWER; round++) {
        check_format_f64(random_f64(&rng), round % 16 == 0);
        check_format_f64(rng_normal(&rng) * pow(10, (int)rng_below(&rng, 40) - 20),
                         round % 16 == 0);
        check_format_f64((double)rng_below(&rng, 100000) / 100, round % 16 == 0);
    }
    for (int exponent = -1074; exponent < 1024; exponent++) {
        double power = ldexp(1, exponent);
        check_format_f64(power, 1);
        check_format_f64(nextafter(power, 0), 1);
        check_format_f64(nextafter(power, INFINITY), 1);
    }
    check_format_f64(DBL_MAX, 1);
}

static void layout(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {0.1, "0.1"},
        {123.456, "123.456"},
        {1e15, "1000000000000000"},
        {123456789012345680, "123456789012345680"},
        {1e20, "100000000000000000000"},
        {1e21, "1e21"},
        {1.5e300, "1.5e300"},
        {1e-6, "0.000001"},
        {1.25e-6, "0.00000125"},
        {1e-7, "1e-7"},
        {-1.5e-7, "-1.5e-7"},
        {5e-324, "5e-324"},
        {0x1p-44,
         "5.684341886080802e-14"}, /* not the nearest of 16 digits, which reads back below */
        {0.3, "0.3"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {1e23, "1e23"},
        {9007199254740994, "9007199254740994"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NUMBER_TEXT_MAX + 1];
        text[number_format_f64(cases[i].value, text)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
    char text[NUMBER_TEXT_MAX + 1];
    text[number_format_f32(0.1f, text)] = '\0';
    assert_string_equal(text, "0.1");
    text[number_format_f32(16777216.0f, text)] = '\0';
    assert_string_equal(text, "16777216");
    text[number_format_f32(1e-45f, text)] = '\0';
    assert_string_equal(text, "1e-45");
}

static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int is_u64, is_i64;
        uint64_t value;
    } cases[] = {
        {"0", 1, 1, 0},
        {"7", 1, 1, 7},
        {"9223372036854775807", 1, 1, INT64_MAX},
        {"9223372036854775808", 1, 0, 1ull << 63},
        {"18446744073709551615", 1, 0, UINT64_MAX},
        {"18446744073709551616", 0, 0, 0},
        {"99999999999999999999", 0, 0, 0},
        {"184467440737095516150", 0, 0, 0},
        {"-1", 0, 1, UINT64_MAX},
        {"-0", 0, 1, 0},
        {"-9223372036854775808", 0, 1, 1ull << 63},
        {"-9223372036854775809", 0, 0, 0},
        {"", 0, 0, 0},
        {"-", 0, 0, 0},
        {"+1", 0, 0, 0},
        {"01", 0, 0, 0},
        {"-01", 0, 0, 0},
        {"1 ", 0, 0, 0},
        {" 1", 0, 0, 0},
        {"1.0", 0, 0, 0},
        {"1e3", 0, 0, 0},
        {"0x1", 0, 0, 0},
        {"--1", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t u64 = 0;
        int64_t i64 = 0;
        size_t size = strlen(cases[i].text);
        if (number_parse_u64(cases[i].text, size, &u64) != cases[i].is_u64 ||
            number_parse_i64(cases[i].text, size, &i64) != cases[i].is_i64)
            fail_msg("'%s'", cases[i].text);
        if (cases[i].is_u64)
            assert_true(u64 == cases[i].value);
        if (cases[i].is_i64)
            assert_true((uint64_t)i64 == cases[i].value);
    }
}

/* A locale of our own making would need files; the ones that may be installed will do. */
static void decimal_commas(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "pt_BR.UTF-8"};
    size_t i = 0;
    while (i < 4 && !setlocale(LC_ALL, names[i]))
        i++;
    if (i == 4)
        skip();
    double f64;
    char text[NUMBER_TEXT_MAX + 1];
    size_t size = number_parse_f64("1.5e-300", 8, &f64);
    text[number_format_f64(1.5e-300, text)] = '\0';
    setlocale(LC_ALL, "C");
    assert_int_equal(size, 8);
    assert_true(f64 == 1.5e-300);
    assert_string_equal(text, "1.5e-300");
}

/* Doubles that fall onto a half between two floats, from above and from below, and such halves themselves; zeros; digits
 * of every count, which are read eight at a time. */
static void test_short_decimals(void **state)
{
    static const char *const texts[] = {"8.000000476837159",
                                        "8.000000476837158",
                                        "8.000001430511475",
                                        "8.000001430511474",
                                        "16777217.0",
                                        "16777219.0",
                                        "0.0",
                                        "-0.0",
                                        "0.000",
                                        "0.1175494351e-37",
                                        "1.17549428e-38",
                                        "9007199254740993.0"};
    char text[64];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        same_as_libc(texts[i]);
    for (int whole = 1; whole <= 17; whole++)
        for (int fraction = 1; fraction <= 17; fraction++) {
            (void)snprintf(text, sizeof text, "%.*s.%.*s", whole, "12345678901234567", fraction,
                           "98765432109876543");
            same_as_libc(text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_decimals),
        cmocka_unit_test(grammar),
        cmocka_unit_test(eight_digits),
        cmocka_unit_test(size_is_respected),
        cmocka_unit_test(known_hard_numbers),
        cmocka_unit_test(halves_f32),
        cmocka_unit_test(halves_f64),
        cmocka_unit_test(all_digits_count),
        cmocka_unit_test(digits_against_exponent),
        cmocka_unit_test(random_texts),
        cmocka_unit_test(round_trip_f32),
        cmocka_unit_test(round_trip_f64),
        cmocka_unit_test(layout),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(decimal_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
