/* view_columns.h: the columns of a view's segment. */
#ifndef QUERY_VIEW_COLUMNS_H
#define QUERY_VIEW_COLUMNS_H

#include "filter/fields.h"
#include "storage/version.h"

/* Columns of rows [0, *ret_covered) of the view, referenced: columns_unref; NULL: documents answer alone.
 * fields: at least as new as the view.
 *
 * A growing segment has columns of its first rows, made here when so many rows have come since that to ask
 * their documents takes about as long: all that is spent on that is within a small factor of one pass. They may be
 * of more rows than the view has. */
struct columns *view_columns(const struct segment_view *view, const struct fields *fields,
                             uint32_t *ret_covered);

#endif
