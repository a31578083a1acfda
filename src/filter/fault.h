/* fault.h: errors that point at a place in a filter's text or JSON. */
#ifndef FILTER_FAULT_H
#define FILTER_FAULT_H

#include "base/error.h"

/* Where a tree was read from. Borrowed. */
struct filter_source {
    const char *text;
    size_t size;
    int hides_fields; /* messages name no field that the text does not */
};

/* Set *error to "filter, line 2, column 7 (byte 31): ...": lines and columns count from 1, columns in
 * characters. Returns status. */
lode_status fault_set(lode_error *error, lode_status status, const struct filter_source *source,
                      size_t offset, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Put the same in front of a message that is there. */
void fault_prefix(lode_error *error, const struct filter_source *source, size_t offset);

#ifdef __clang_analyzer__
#define fault_set(error, status, ...) ((void)fault_set(error, status, __VA_ARGS__), (status))
#endif

#endif
