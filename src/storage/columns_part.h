/* columns_part.h: the columns of rows, made from their documents: as the part of a sealed segment, or in memory. */
#ifndef STORAGE_COLUMNS_PART_H
#define STORAGE_COLUMNS_PART_H

#include "storage/frame.h"
#include "storage/known_fields.h"
#include "storage/live_rows.h"

/* What is known of the fields of these rows; known NULL: what they tell themselves. *ret_fields: fields_free.
 * LODE_NOMEM, and what reading a document answers. */
NODISCARD lode_status columns_fields(struct known_fields *known, const struct live_rows *rows,
                                     struct fields **ret_fields, lode_error *error);
/* Whether there is anything to write: fields, or namespaces. */
int columns_wanted(const struct live_rows *rows, const struct fields *fields);
/* Write both sections. fields: at least as new as the rows. */
NODISCARD lode_status columns_write(struct frame_writer *writer, const struct live_rows *rows,
                                    const struct fields *fields, lode_error *error);
/* LODE_CORRUPT. */
NODISCARD lode_status columns_open_part(const struct frame *frame, uint32_t row_count,
                                        struct columns **ret_columns, lode_error *error);
/* Columns of all rows of a view, living or not, in memory. stop: while documents are read; may be NULL. */
NODISCARD lode_status columns_of_view(const struct segment_view *view, const struct fields *fields,
                                      const lode_stop *stop, struct columns **ret_columns,
                                      lode_error *error);

#endif
