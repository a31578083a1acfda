/* array.h: arrays that double. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include "base/error.h"

/* Room for one more than `count` items: the items, which may have moved, of *capacity. NULL when memory is refused, with
 * an error that says of what (which may be NULL); they are as they were then. items may be NULL, with a capacity of 0. */
NODISCARD void *array_grow(void *items, size_t count, size_t *capacity, size_t item_size,
                           const char *what, lode_error *error);

#endif
