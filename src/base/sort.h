/* sort.h: orders for qsort. */
#ifndef BASE_SORT_H
#define BASE_SORT_H

/* Floats that are no NaN, ascending. */
static inline int sort_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

#endif
