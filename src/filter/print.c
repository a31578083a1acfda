/* print.c: see print.h. */
#include "filter/print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/number.h"

size_t print_u64(uint64_t value, char text[PRINT_NUMBER_MAX])
{
    return (size_t)snprintf(text, PRINT_NUMBER_MAX, "%" PRIu64, value);
}

size_t print_float(double value, char text[PRINT_NUMBER_MAX])
{
    size_t size = number_format_f64(value, text);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '.' || text[i] == 'e' || text[i] == 'E')
            return size;
    memcpy(text + size, ".0", 2);
    return size + 2;
}

size_t print_plain_value(const struct value *value, char text[PRINT_NUMBER_MAX])
{
    if (value->kind == VALUE_FLOAT)
        return print_float(value->number, text);
    if (value->kind == VALUE_BOOLEAN)
        return (size_t)snprintf(text, PRINT_NUMBER_MAX, "%s", value->integer ? "true" : "false");
    return (size_t)snprintf(text, PRINT_NUMBER_MAX, "%" PRId64, value->integer);
}

size_t print_uuid(const uint8_t uuid[16], char text[PRINT_NUMBER_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char *p = text;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[uuid[i] >> 4];
        *p++ = digits[uuid[i] & 15];
    }
    return (size_t)(p - text);
}

int print_id_is_ambiguous(const lode_id *id)
{
    uint8_t uuid[16];
    return hex_parse_uuid(id->string, id->string_size, uuid);
}
