/* json_names.c: the distance of Levenshtein, one row at a time. */
#include "server/json_names.h"

#include <stdint.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t json_name_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[JSON_NAME_MAX + 1];
    if (a_size > JSON_NAME_MAX || b_size > JSON_NAME_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 0; i < a_size; i++) {
        size_t diagonal = row[0]; /* what stood there in the row above */
        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(changed, least(diagonal, row[j]) + 1);
        }
    }
    return row[b_size];
}
