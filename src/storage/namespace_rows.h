/* namespace_rows.h: which rows of a view are in a namespace: by what a growing segment keeps, by the column of
 * namespaces, and by ids where there is none. */
#ifndef STORAGE_NAMESPACE_ROWS_H
#define STORAGE_NAMESPACE_ROWS_H

#include "storage/id.h"
#include "storage/version.h"

/* Whether columns of the view are of use for that. */
int namespace_asks_columns(const struct segment *segment, const struct id_namespace *space);

struct namespace_columns {         /* of rows [0, covered) of the view */
    const struct columns *columns; /* NULL: ids answer alone */
    uint32_t covered;
    const lode_stop *stop; /* of asking ids; NULL: never */
};

/* Add the living rows of a namespace to words, which are zeros of the view's row_count, and count them. LODE_NOMEM;
 * LODE_CORRUPT and LODE_IO where ids are asked and cannot be read; LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status namespace_rows(const struct segment_view *view,
                                     const struct id_namespace *space,
                                     const struct namespace_columns *known, uint64_t *words,
                                     uint32_t *ret_count, lode_error *error);

#endif
