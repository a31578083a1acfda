/* decimal.c: correctly rounded conversion, after Lemire 2021, "Number parsing at a gigabyte per second".
 *
 * digits * 10^q is computed to 128 bits with two multiplications by a tabled power of ten. The
 * product is known to be below the true value by less than two units of its last place, so it
 * decides the rounding unless it lies within those two units of a half. That differs from the
 * paper, which decides exact halves too, by more conditions than we care to prove: here a half is
 * left to strtod, together with exponents outside the table and results that are not normal.
 * None of them is met in data more than now and then. */
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 u128;

/* A number mantissa * 2^exponent, the mantissa's highest bit set. */
struct binary {
    uint64_t mantissa;
    int exponent;
};

/* Round digits * 10^q to a mantissa of `bits` bits. Returns 0 when undecided. */
static inline int round_product(uint64_t digits, int64_t q, int bits, struct binary *ret_binary)
{
    if (digits == 0 || q < DECIMAL_POWER_MIN || q > DECIMAL_POWER_MAX)
        return 0;
    const uint64_t *power = decimal_powers[q - DECIMAL_POWER_MIN];
    int zeros = __builtin_clzll(digits);
    uint64_t factor = digits << zeros;
    u128 product = (u128)factor * power[0] + (uint64_t)(((u128)factor * power[1]) >> 64);
    int shift = 127 - bits + (int)(product >> 127);
    u128 half = (u128)1 << (shift - 1);
    u128 rest = product & (2 * half - 1);
    if (rest <= half && half - rest <= 2)
        return 0;
    uint64_t mantissa = (uint64_t)(product >> shift) + (rest > half);
    if (mantissa >> bits) {
        mantissa >>= 1;
        shift++;
    }
    *ret_binary = (struct binary){mantissa, shift + decimal_log2((int)q) - zeros - 63};
    return 1;
}

/* Exact doubles. */
static const double small_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* What most vectors are: both are exact doubles, so that the quotient is the true value rounded once. Rounded again to a
 * float it is right unless the first rounding has put it onto a half between two floats, which are
 * doubles. Floats that are not normal have other halves. Returns 0 when undecided. */
static inline int divide_to_f32(uint64_t digits, int64_t q, float *ret_value)
{
    if (digits > 1ull << 53 || q > 0 || q < -22)
        return 0;
    double value = (double)digits / small_powers[-q];
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    if ((word & 0x1fffffff) == 0x10000000 || value < (double)FLT_MIN)
        return 0;
    *ret_value = (float)value;
    return 1;
}

float decimal_to_f32(uint64_t digits, int64_t exponent)
{
    struct binary binary;
    float value;
    if (digits == 0)
        return 0;
    if (divide_to_f32(digits, exponent, &value))
        return value;
    if (!round_product(digits, exponent, 24, &binary) || binary.exponent < -149 ||
        binary.exponent > 104) {
        char text[24];
        int size = snprintf(text, sizeof text, "%llu", (unsigned long long)digits);
        return decimal_text_to_f32(text, (uint64_t)size, exponent);
    }
    uint32_t word =
        (uint32_t)(binary.exponent + 150) << 23 | ((uint32_t)binary.mantissa & 0x7fffff);
    memcpy(&value, &word, sizeof value);
    return value;
}

/* The table's reach keeps these within the range of normal numbers. */
double decimal_to_f64(uint64_t digits, int64_t exponent)
{
    struct binary binary;
    if (digits == 0 || (exponent == 0 && digits <= 1ull << 53))
        return (double)digits;
    if (!round_product(digits, exponent, 53, &binary)) {
        char text[24];
        int size = snprintf(text, sizeof text, "%llu", (unsigned long long)digits);
        return decimal_text_to_f64(text, (uint64_t)size, exponent);
    }
    uint64_t word = (uint64_t)(binary.exponent + 1075) << 52 | (binary.mantissa & 0xfffffffffffff);
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* A half between two doubles has at most 767 significant digits. What follows those changes the
 * result only by being zero or not: one more digit says which. */
#define DIGITS_MAX 780
#define TEXT_MAX   (DIGITS_MAX + 32)

/* Write what text[0, size) times 10^exponent is as "<digits>e<exponent>", bounded. There is no
 * decimal point in it, so that strtod reads it alike in every locale. */
static void normalise(const char *text, uint64_t size, int64_t exponent, char out[TEXT_MAX])
{
    size_t count = 0;
    int rest = 0;
    for (uint64_t i = 0; i < size; i++) {
        if (text[i] == '.' || (count == 0 && text[i] == '0'))
            continue;
        if (count < DIGITS_MAX) {
            out[count++] = text[i];
        } else {
            rest |= text[i] != '0';
            exponent++;
        }
    }
    if (rest) {
        out[count++] = '1';
        exponent--;
    }
    if (count == 0)
        out[count++] = '0';
    /* Far beyond every number, and well within what strtod takes. */
    exponent = exponent < -9999 ? -9999 : exponent > 9999 ? 9999 : exponent;
    snprintf(out + count, TEXT_MAX - count, "e%d", (int)exponent);
}

float decimal_text_to_f32(const char *text, uint64_t size, int64_t exponent)
{
    char normal[TEXT_MAX];
    normalise(text, size, exponent, normal);
    return strtof(normal, NULL);
}

double decimal_text_to_f64(const char *text, uint64_t size, int64_t exponent)
{
    char normal[TEXT_MAX];
    normalise(text, size, exponent, normal);
    return strtod(normal, NULL);
}
