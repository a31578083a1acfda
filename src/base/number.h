/* number.h: texts to numbers and back, independent of the locale. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Parse the JSON number that text[0, size) begins with. Returns the bytes it takes, or 0 when there
 * is none or it is malformed ("01", "1.", "1e"). Correctly rounded. Out-of-range values give
 * ±infinity: check with isfinite. */
size_t number_parse_f32(const char *text, size_t size, float *ret_value);
size_t number_parse_f64(const char *text, size_t size, double *ret_value);
/* The same without the value. */
size_t number_scan(const char *text, size_t size);
/* Whole decimal integers only, all of text[0, size), without '+' and leading zeros; 1 on success, 0
 * when malformed or out of range. */
int number_parse_u64(const char *text, size_t size, uint64_t *ret_value);
int number_parse_i64(const char *text, size_t size, int64_t *ret_value);

#define NUMBER_TEXT_MAX 32
/* The shortest text that reads back to the same value, as valid JSON; not NUL-terminated unless room
 * is left. Returns its size. value must be finite. */
size_t number_format_f32(float value, char text[NUMBER_TEXT_MAX]);
size_t number_format_f64(double value, char text[NUMBER_TEXT_MAX]);

#endif
