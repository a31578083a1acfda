/* view_columns.c: see view_columns.h. */
#include "query/view_columns.h"

#include "storage/columns_part.h"

#define GROWING_ROWS_MIN 2048u /* without columns, before a growing segment gets some */

struct columns *view_columns(const struct segment_view *view, const struct fields *fields,
                             uint32_t *ret_covered)
{
    const struct segment *segment = view->segment;
    struct columns *columns = segment->ops->columns(segment, ret_covered), *made;
    uint32_t have = columns ? *ret_covered : 0;
    *ret_covered = have < view->row_count ? have : view->row_count;
    if (!segment->ops->keep_columns || view->row_count < have ||
        view->row_count - have < GROWING_ROWS_MIN || view->row_count - have < have / 2)
        return columns;
    /* No stop: what is spent would be spent again by the next query. */
    if (columns_of_view(view, fields, NULL, &made, NULL))
        return columns; /* documents will do */
    columns_unref(columns);
    segment->ops->keep_columns(segment, columns_ref(made), view->row_count);
    *ret_covered = view->row_count;
    return made;
}
