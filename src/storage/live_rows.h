/* live_rows.h: the live rows of several views, one after the other: what a new segment is made of. */
#ifndef STORAGE_LIVE_ROWS_H
#define STORAGE_LIVE_ROWS_H

#include "os/stop.h"
#include "storage/version.h"

struct live_rows {
    const struct segment_view *views;
    size_t view_count;
    uint32_t row_count;          /* live ones, of all views */
    const struct cancel *cancel; /* may be NULL */
    const lode_stop *stop;       /* may be NULL */
};

typedef lode_status live_row_fn(void *context, const struct segment *segment, uint32_t row,
                                lode_error *error);

/* Call `each` for every live row, in order, until it fails. LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status live_rows_each(const struct live_rows *rows, live_row_fn *each, void *context,
                                     lode_error *error);

#endif
