/* value_rows.c: see value_rows.h. */
#include "query/value_rows.h"

#include <string.h>

#include "column/row_walk.h"
#include "query/field_rows.h"

#define VALUES_BETWEEN_LOOKS                                                                       \
    64u /* at the caller's wish: each is looked up twice, and its rows are added */

struct keeping {
    const struct value_rows_request *request;
    struct field_reader reader;
    struct field_rows rows; /* of the view at hand */
    int found;              /* in the document at hand */
    lode_error *error;
};

/* --- By columns --------------------------------------------------------------------------------- */

static lode_status add_places(struct keeping *keeping, uint32_t begin, uint32_t end)
{
    struct field_rows *rows = &keeping->rows;
    return column_rows(rows->columns, rows->column, (struct value_range){begin, end}, rows->spare,
                       keeping->error);
}

/* The places of the values, or those between them. */
static lode_status by_column(struct keeping *keeping)
{
    const struct value_rows_request *request = keeping->request;
    struct field_rows *rows = &keeping->rows;
    uint32_t begin = 0, end = 0, passed = 0;
    lode_status status = LODE_OK;
    memset(rows->spare, 0, rows->word_count * sizeof *rows->spare);
    for (size_t i = 0; !status && i < request->count; i++, passed = end) {
        if (i % VALUES_BETWEEN_LOOKS == 0)
            status = stop_look(request->stop, keeping->error);
        if (!status)
            status = column_bound(rows->columns, rows->column, &request->values[i], 0, &begin,
                                  keeping->error);
        if (!status)
            status = column_bound(rows->columns, rows->column, &request->values[i], 1, &end,
                                  keeping->error);
        if (!status)
            status = request->others ? add_places(keeping, passed, begin)
                                     : add_places(keeping, begin, end);
    }
    if (!status && request->others)
        status = add_places(keeping, passed, rows->column->value_count);
    return status;
}

/* --- By documents ------------------------------------------------------------------------------- */

static int is_listed(const struct value_rows_request *request, const struct value *value)
{
    size_t begin = 0, end = request->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = value_compare(value, &request->values[middle]);
        if (order == 0)
            return 1;
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return 0;
}

static lode_status look_at(void *context, const struct value *value, lode_error *error)
{
    struct keeping *keeping = context;
    (void)error;
    if (!keeping->found)
        keeping->found = is_listed(keeping->request, value) != keeping->request->others;
    return LODE_OK;
}

static lode_status by_document(void *context, uint32_t row, lode_error *error)
{
    struct keeping *keeping = context;
    const struct segment *segment = keeping->rows.view->segment;
    struct document document;
    keeping->found = 0;
    lode_status status = segment->ops->document(segment, row, &document, error);
    if (!status)
        status = field_reader_each(&keeping->reader, document.metadata, document.metadata_size,
                                   look_at, keeping, error);
    if (!keeping->found)
        bitset_unset(keeping->rows.open, row);
    return status;
}

/* Of the rows that no column tells of. */
static lode_status by_documents(struct keeping *keeping)
{
    struct row_walk walk = {.words = keeping->rows.open,
                            .end = keeping->rows.view->row_count,
                            .stop = keeping->request->stop};
    return row_walk(&walk, by_document, keeping, keeping->error);
}

/* --- Views -------------------------------------------------------------------------------------- */

static lode_status ask_columns(struct keeping *keeping, const struct segment_view *view,
                               const struct allowed *allowed, int without)
{
    struct field_rows_request asked = {.view = view,
                                       .words = allowed->words,
                                       .fields = keeping->request->fields,
                                       .field = keeping->request->field,
                                       .by_documents = without};
    lode_status status = field_rows_init(&keeping->rows, &asked, keeping->error);
    return status || !keeping->rows.column ? status : by_column(keeping);
}

static lode_status keep_view(struct keeping *keeping, const struct segment_view *view,
                             struct allowed *allowed)
{
    struct field_rows *rows = &keeping->rows;
    lode_status status = ask_columns(keeping, view, allowed, 0);
    if (status_is_damage(status)) {
        field_rows_release(rows);
        status = ask_columns(keeping, view, allowed, 1);
    }
    if (!status)
        status = by_documents(keeping);
    if (!status) {
        for (size_t w = 0; w < bitset_words(view->row_count); w++)
            allowed->words[w] = rows->open[w] | (rows->column ? rows->told[w] & rows->spare[w] : 0);
        allowed->count = (uint32_t)bitset_count(allowed->words, view->row_count);
    }
    field_rows_release(rows);
    return status;
}

lode_status value_rows_keep(const struct value_rows_request *request, struct allowed_set *set,
                            lode_error *error)
{
    struct keeping keeping = {.request = request, .error = error};
    lode_status status = field_reader_init(&keeping.reader, request->field, error);
    for (size_t i = 0; !status && i < set->view_count; i++) {
        const struct segment_view *view = &request->version->views[i];
        if (set->views[i].count == 0 ||
            (request->allow_damaged && segment_is_damaged(view->segment, DAMAGE_OF_ROWS, NULL)))
            continue;
        status = keep_view(&keeping, view, &set->views[i]);
    }
    field_reader_release(&keeping.reader);
    return status;
}
