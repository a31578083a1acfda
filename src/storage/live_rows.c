/* live_rows.c: walking over the live rows of views. */
#include "storage/live_rows.h"

#include "os/mapped.h"
#include "os/stop.h"

#define ROWS_BETWEEN_LOOKS 4096u /* at the cancel flag */
#define ROWS_BETWEEN_TRIMS 256u  /* looks at how much memory is mapped, and at the caller's wish */

static lode_status look(const struct live_rows *rows, uint32_t row, lode_error *error)
{
    if (row % ROWS_BETWEEN_TRIMS == 0) {
        mapped_look();
        lode_status status = stop_look(rows->stop, error);
        if (status)
            return status;
    }
    if (row % ROWS_BETWEEN_LOOKS || !cancel_is_wanted(rows->cancel))
        return LODE_OK;
    return error_set(error, LODE_CANCELLED, "writing a segment was cancelled");
}

lode_status live_rows_each(const struct live_rows *rows, live_row_fn *each, void *context,
                           lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < rows->view_count; i++) {
        const struct segment_view *view = &rows->views[i];
        for (uint32_t row = 0; !status && row < view->row_count; row++) {
            status = look(rows, row, error);
            if (!status && view_alive(view, row))
                status = each(context, view->segment, row, error);
        }
    }
    return status;
}
