/* field_rows.h: of one view, where the values of a field are found: of which rows its column tells all of them, and
 * for which rows the documents have to be read. */
#ifndef QUERY_FIELD_ROWS_H
#define QUERY_FIELD_ROWS_H

#include "filter/field_reader.h"
#include "storage/version.h"

struct field_rows {
    const struct segment_view *view;
    struct columns *columns;     /* referenced; NULL: none */
    const struct column *column; /* NULL: the rows of `told` have no value */
    size_t word_count;           /* of each set: as many as the columns and the view have */
    uint64_t *told;              /* rows of which the column tells */
    uint64_t *open;              /* others */
    uint64_t *spare;             /* for the caller */
    uint32_t told_count;
};

struct field_rows_request {
    const struct segment_view *view;
    const uint64_t *words; /* the rows that are asked about: all live, none is beyond the view's */
    const struct fields *fields; /* at least as new as the view */
    const struct field *field;   /* one of them */
    int by_documents;            /* 1: columns are not used */
};

/* LODE_NOMEM; LODE_CORRUPT and LODE_IO of the columns alone. Then field_rows_release, whatever it returns. */
NODISCARD lode_status field_rows_init(struct field_rows *rows,
                                      const struct field_rows_request *request, lode_error *error);
void field_rows_release(struct field_rows *rows); /* zeroed is allowed */
/* Documents are to be asked for all of them. */
void field_rows_open_all(struct field_rows *rows);
/* Make rows->spare those that have a value of these places. LODE_NOMEM, LODE_CORRUPT, LODE_IO. */
NODISCARD lode_status field_rows_of_places(struct field_rows *rows, struct value_range places,
                                           lode_error *error);

#endif
