/* print.h: values as both forms of a filter print them. */
#ifndef FILTER_PRINT_H
#define FILTER_PRINT_H

#include "filter/value.h"

#define PRINT_NUMBER_MAX 48

/* Each returns how many bytes it wrote to text, without a NUL. */
size_t print_u64(uint64_t value, char text[PRINT_NUMBER_MAX]);
/* The shortest that reads back as this double, and not as an integer: 5.0, 1e300. */
size_t print_float(double value, char text[PRINT_NUMBER_MAX]);
/* An integer, a float or a boolean. */
size_t print_plain_value(const struct value *value, char text[PRINT_NUMBER_MAX]);
size_t print_uuid(const uint8_t uuid[16], char text[PRINT_NUMBER_MAX]);
/* A string id that would be read back as a UUID. */
int print_id_is_ambiguous(const lode_id *id);

#endif
