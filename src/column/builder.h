/* builder.h: the columns of a segment, made from its documents, one row after another.
 *
 *     column_builder_new(fields, 0, &builder, error)
 *     do {
 *         for each row, ascending: column_builder_add(builder, row, metadata, size, error)
 *         column_builder_put(builder, row_count, &sink, error)
 *     } while (column_builder_again(builder));
 *     column_builder_directory(builder, row_count, &directory, error)
 *
 * What values take in memory is bounded: where it is not enough, the largest columns are put off to another pass over
 * the documents. */
#ifndef COLUMN_BUILDER_H
#define COLUMN_BUILDER_H

#include "filter/fields.h"

#define COLUMN_BUILDER_BYTES_MAX ((uint64_t)512 << 20) /* what the values may take meanwhile */

struct column_builder;

/* fields: those known, at least as new as the documents; borrowed until the builder is freed. bytes_max: of
 * memory that values may take, 0: COLUMN_BUILDER_BYTES_MAX. A column that alone takes more is given up:
 * documents answer for it. LODE_NOMEM. */
NODISCARD lode_status column_builder_new(const struct fields *fields, uint64_t bytes_max,
                                         struct column_builder **ret_builder, lode_error *error);
void column_builder_free(struct column_builder *builder); /* NULL is allowed */

/* A row's metadata, as fields_learn takes it. Rows ascend; those left out have none. LODE_NOMEM. */
NODISCARD lode_status column_builder_add(struct column_builder *builder, uint32_t row,
                                         const char *metadata, size_t size, lode_error *error);

/* The namespace of the row, one for each row that has one; beside column_builder_add, in the same order. LODE_NOMEM. */
NODISCARD lode_status column_builder_namespace(struct column_builder *builder, uint32_t row,
                                               const char *name, size_t size, lode_error *error);

struct column_sink {
    lode_status (*write)(void *context, const void *data, size_t size, lode_error *error);
    void *context;
};

/* Write what was gathered in this pass, and free it. */
NODISCARD lode_status column_builder_put(struct column_builder *builder, uint32_t row_count,
                                         const struct column_sink *sink, lode_error *error);
/* Whether there is to be another pass, with the documents as before. */
int column_builder_again(struct column_builder *builder);
/* Append what says where all of it is. */
NODISCARD lode_status column_builder_directory(const struct column_builder *builder,
                                               uint32_t row_count, struct buf *directory,
                                               lode_error *error);

#endif
