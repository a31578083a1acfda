/* filter_shape.h: a filter without what its writer looks for: names of fields, operators and how they are put together
 * stay, each value becomes ?, a list of values ? and how many there were: (genre = ? AND year IN (? x3)). For logs. */
#ifndef SERVER_FILTER_SHAPE_H
#define SERVER_FILTER_SHAPE_H

#include "base/buf.h"

#define FILTER_SHAPE_SIZE_MAX 1024u /* longer ones are cut, and end with ... */

/* Append the shape of a filter in either form (docs/filters.md). Of what is no filter as much as can be read without
 * telling a value; never fails but for memory. */
NODISCARD lode_status filter_shape(const char *filter, size_t size, struct buf *out,
                                   lode_error *error);

#endif
