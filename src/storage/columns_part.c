/* columns_part.c: documents in, columns out. */
#include "storage/columns_part.h"

#include <stdlib.h>
#include <string.h>

#include "column/builder.h"
#include "os/budget.h"
#include "os/memory.h"
#include "storage/id.h"
#include "storage/sealed_parts.h"

/* --- Fields ------------------------------------------------------------------------------------ */

static lode_status learn_row(void *context, const struct segment *segment, uint32_t row,
                             lode_error *error)
{
    struct document document;
    lode_status status = segment->ops->document(segment, row, &document, error);
    return status ? status
                  : fields_learn_any(context, document.metadata, document.metadata_size, error);
}

lode_status columns_fields(struct known_fields *known, const struct live_rows *rows,
                           struct fields **ret_fields, lode_error *error)
{
    if (known)
        return known_fields_copy(known, ret_fields, error);
    struct fields *fields = NULL;
    lode_status status = fields_new(&fields, error);
    if (!status)
        status = live_rows_each(rows, learn_row, fields, error);
    if (status)
        fields_free(fields);
    else
        *ret_fields = fields;
    return status;
}

/* --- Gathering --------------------------------------------------------------------------------- */

struct feeding {
    struct column_builder *builder;
    uint32_t next; /* row of the new segment */
};

static lode_status feed_namespace(const struct feeding *feeding, const struct segment *segment,
                                  uint32_t row, lode_error *error)
{
    struct id_namespace space;
    const uint8_t *id;
    size_t size;
    lode_status status = segment->ops->id(segment, row, &id, &size, error);
    if (status || !id_namespace_of(id, size, &space))
        return status;
    return column_builder_namespace(feeding->builder, feeding->next, space.name, space.size, error);
}

static lode_status feed(void *context, const struct segment *segment, uint32_t row,
                        lode_error *error)
{
    struct feeding *feeding = context;
    struct document document;
    lode_status status = segment->ops->document(segment, row, &document, error);
    if (!status && segment->ops->has_namespaces(segment))
        status = feed_namespace(feeding, segment, row, error);
    return status ? status
                  : column_builder_add(feeding->builder, feeding->next++, document.metadata,
                                       document.metadata_size, error);
}

/* A quarter of what builds may take, where there is a budget. */
static uint64_t bytes_max(void)
{
    uint64_t share = budget_share(BUDGET_BUILD) / 4;
    return share < COLUMN_BUILDER_BYTES_MAX ? share : COLUMN_BUILDER_BYTES_MAX;
}

static lode_status build(const struct live_rows *rows, const struct fields *fields,
                         const struct column_sink *sink, struct buf *directory, lode_error *error)
{
    struct feeding feeding = {0};
    uint64_t held = bytes_max();
    lode_status status = column_builder_new(fields, held, &feeding.builder, error);
    if (status)
        return status;
    do {
        feeding.next = 0;
        status = live_rows_each(rows, feed, &feeding, error);
        if (!status)
            status = column_builder_put(feeding.builder, rows->row_count, sink, error);
    } while (!status && column_builder_again(feeding.builder));
    if (!status)
        status = column_builder_directory(feeding.builder, rows->row_count, directory, error);
    column_builder_free(feeding.builder);
    return status;
}

/* --- On disk ----------------------------------------------------------------------------------- */

static lode_status write_frame(void *context, const void *data, size_t size, lode_error *error)
{
    return frame_write(context, data, size, error);
}

int columns_wanted(const struct live_rows *rows, const struct fields *fields)
{
    int wanted = fields_count(fields) > 0;
    for (size_t i = 0; i < rows->view_count; i++)
        wanted |= rows->views[i].segment->ops->has_namespaces(rows->views[i].segment);
    return wanted;
}

lode_status columns_write(struct frame_writer *writer, const struct live_rows *rows,
                          const struct fields *fields, lode_error *error)
{
    struct column_sink sink = {.write = write_frame, .context = writer};
    struct buf directory;
    buf_init(&directory, SIZE_MAX / 2);
    lode_status status = frame_section(writer, COLUMNS_BYTES, error);
    if (!status)
        status = build(rows, fields, &sink, &directory, error);
    if (!status)
        status = frame_section(writer, COLUMNS_DIRECTORY, error);
    if (!status)
        status = frame_write(writer, directory.data, directory.size, error);
    buf_release(&directory);
    return status;
}

lode_status columns_open_part(const struct frame *frame, uint32_t row_count,
                              struct columns **ret_columns, lode_error *error)
{
    const struct frame_section_view *bytes = frame_find(frame, COLUMNS_BYTES),
                                    *directory = frame_find(frame, COLUMNS_DIRECTORY);
    if (!bytes || !directory || directory->size == 0)
        return error_set(error, LODE_CORRUPT, "it lacks a section of columns");
    lode_status status = guard_touch(frame->guard, directory->data, (size_t)directory->size, error);
    if (status)
        return status;
    struct column_bytes given = {.data = bytes->data,
                                 .size = bytes->size,
                                 .guard = frame->guard,
                                 .directory = directory->data,
                                 .directory_size = directory->size};
    return columns_open(&given, row_count, ret_columns, error);
}

/* --- In memory --------------------------------------------------------------------------------- */

static lode_status write_memory(void *context, const void *data, size_t size, lode_error *error)
{
    return buf_append(context, data, size, error);
}

static lode_status open_memory(struct buf *bytes, const struct buf *directory, uint32_t row_count,
                               struct columns **ret_columns, lode_error *error)
{
    struct column_bytes given = {.data = bytes->data,
                                 .size = bytes->size,
                                 .directory = directory->data,
                                 .directory_size = directory->size};
    lode_status status = columns_open(&given, row_count, ret_columns, error);
    if (status)
        return status;
    (*ret_columns)->memory = bytes->data;
    (*ret_columns)->held = bytes->capacity;
    budget_take(BUDGET_SCRATCH, bytes->capacity);
    bytes->data = NULL; /* given away */
    bytes->size = bytes->capacity = 0;
    return LODE_OK;
}

lode_status columns_of_view(const struct segment_view *view, const struct fields *fields,
                            const lode_stop *stop, struct columns **ret_columns, lode_error *error)
{
    struct segment_view whole = {
        .segment = view->segment, .row_count = view->row_count, .live_count = view->row_count};
    struct live_rows rows = {
        .views = &whole, .view_count = 1, .row_count = view->row_count, .stop = stop};
    struct buf bytes, directory;
    buf_init(&bytes, SIZE_MAX / 2);
    buf_init(&directory, SIZE_MAX / 2);
    struct column_sink sink = {.write = write_memory, .context = &bytes};
    lode_status status = build(&rows, fields, &sink, &directory, error);
    if (!status)
        status = open_memory(&bytes, &directory, view->row_count, ret_columns, error);
    buf_release(&bytes);
    buf_release(&directory);
    return status;
}
