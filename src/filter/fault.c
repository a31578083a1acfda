/* fault.c: see fault.h. */
#include "filter/fault.h"

#include <stdarg.h>
#include <stdio.h>

#undef fault_set

void fault_prefix(lode_error *error, const struct filter_source *source, size_t offset)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < offset && i < source->size; i++) {
        unsigned char c = (unsigned char)source->text[i];
        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xc0) != 0x80) {
            column++;
        }
    }
    error_prefix(error, "filter, line %zu, column %zu (byte %zu): ", line, column, offset);
}

lode_status fault_set(lode_error *error, lode_status status, const struct filter_source *source,
                      size_t offset, const char *format, ...)
{
    char message[sizeof error->message];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    (void)error_set(error, status, "%s", message);
    fault_prefix(error, source, offset);
    return status;
}
