/* field_rows.c: see field_rows.h. */
#include "query/field_rows.h"

#include <string.h>

#include "os/spare.h"
#include "query/view_columns.h"

static size_t sets_size(const struct field_rows *rows)
{
    return (rows->word_count * 3 + 1) * sizeof *rows->told;
}

static lode_status make_sets(struct field_rows *rows, lode_error *error)
{
    uint32_t row_count = rows->view->row_count;
    if (rows->columns && rows->columns->row_count > row_count)
        row_count = rows->columns->row_count;
    rows->word_count = bitset_words(row_count);
    rows->told = spare_take_zeroed(sets_size(rows));
    if (!rows->told)
        return error_nomem(error, "sets of rows", sets_size(rows));
    rows->open = rows->told + rows->word_count;
    rows->spare = rows->open + rows->word_count;
    return LODE_OK;
}

/* Of rows [0, covered) those of which nothing is known go to spare. */
static lode_status find_unknown(struct field_rows *rows, const struct field *field,
                                lode_error *error)
{
    const struct column *column = columns_find(rows->columns, field->path, field->path_size);
    if (!column && !rows->columns->incomplete)
        return LODE_OK;
    if (!column || column->is_given_up) {
        memset(rows->spare, 0xff, rows->word_count * sizeof *rows->spare);
        return LODE_OK;
    }
    int answers = column_answers(column, field->type);
    if (answers && column->kind != COLUMN_NONE)
        rows->column = column;
    return column_set(rows->columns, column, answers ? COLUMN_UNKNOWN : COLUMN_EXISTS, rows->spare,
                      error);
}

/* Those of `open` that a column tells of. */
static void move_told(struct field_rows *rows, uint32_t covered)
{
    for (size_t w = 0; w < bitset_words(covered); w++) {
        uint64_t word = rows->open[w] & ~rows->spare[w];
        if (covered - w * 64 < 64)
            word &= ((uint64_t)1 << (covered - w * 64)) - 1;
        rows->told[w] = word;
        rows->open[w] &= ~word;
        rows->told_count += (uint32_t)__builtin_popcountll(word);
    }
}

lode_status field_rows_init(struct field_rows *rows, const struct field_rows_request *request,
                            lode_error *error)
{
    uint32_t covered = 0;
    *rows = (struct field_rows){.view = request->view};
    if (!request->by_documents)
        rows->columns = view_columns(request->view, request->fields, &covered);
    lode_status status = make_sets(rows, error);
    if (status)
        return status;
    memcpy(rows->open, request->words, bitset_words(request->view->row_count) * sizeof *rows->open);
    if (!rows->columns)
        return LODE_OK;
    status = find_unknown(rows, request->field, error);
    if (!status)
        move_told(rows, covered);
    return status;
}

void field_rows_release(struct field_rows *rows)
{
    spare_give(rows->told, sets_size(rows));
    columns_unref(rows->columns);
    *rows = (struct field_rows){0};
}

void field_rows_open_all(struct field_rows *rows)
{
    for (size_t w = 0; w < rows->word_count; w++)
        rows->open[w] |= rows->told[w];
    memset(rows->told, 0, rows->word_count * sizeof *rows->told);
    rows->told_count = 0;
}

lode_status field_rows_of_places(struct field_rows *rows, struct value_range places,
                                 lode_error *error)
{
    memset(rows->spare, 0, rows->word_count * sizeof *rows->spare);
    return rows->column ? column_rows(rows->columns, rows->column, places, rows->spare, error)
                        : LODE_OK;
}
