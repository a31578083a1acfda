/* decimal.h: from decimal digits and an exponent to the nearest binary floating-point number.
 * Used by number.c and number_format.c alone. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdint.h>

/* The leading 128 bits (high word first, rounded down) of the powers 10^-64 to 10^64, whose own
 * exponents decimal_log2 gives: 10^q = power * 2^(decimal_log2(q) - 127). */
#define DECIMAL_POWER_MIN (-64)
#define DECIMAL_POWER_MAX 64
extern const uint64_t decimal_powers[DECIMAL_POWER_MAX - DECIMAL_POWER_MIN + 1][2];

/* floor(log2(10^q)), for |q| up to 350. */
static inline int decimal_log2(int q)
{
    return (q * 217706) >> 16;
}

/* The number nearest to digits * 10^exponent; ±0 and infinity where that is nearest. */
float decimal_to_f32(uint64_t digits, int64_t exponent);
double decimal_to_f64(uint64_t digits, int64_t exponent);

/* The same for text[0, size): a run of digits, perhaps with one '.' in it, which is ignored. Exact
 * for any number of digits, and slow. */
float decimal_text_to_f32(const char *text, uint64_t size, int64_t exponent);
double decimal_text_to_f64(const char *text, uint64_t size, int64_t exponent);

#endif
