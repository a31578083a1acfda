/* array.c: see array.h. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#define CAPACITY_FIRST 16u

void *array_grow(void *items, size_t count, size_t *capacity, size_t item_size, const char *what,
                 lode_error *error)
{
    if (count < *capacity)
        return items;
    size_t more = *capacity ? *capacity * 2 : CAPACITY_FIRST;
    void *grown = more <= SIZE_MAX / item_size ? realloc(items, more * item_size) : NULL;
    if (grown)
        *capacity = more;
    else
        (void)error_nomem(error, what, more * item_size);
    return grown;
}
